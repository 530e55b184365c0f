import dataclasses
import enum
from typing import NamedTuple, Optional


class Color(enum.Enum):
    RED = enum.auto()
    BLUE = enum.auto()


class Perm(enum.Flag):
    R, W, X = 4, 2, 1


@dataclasses.dataclass(order=True, frozen=True)
class Point:
    x: int
    y: int = 0
    tags: tuple = dataclasses.field(default=(), compare=False)


class Row(NamedTuple):
    key: str
    value: Optional[int] = None


p = Point(1, 2)
print(p, dataclasses.asdict(p), dataclasses.replace(p, y=5), sorted([Point(2), Point(1)]))
print(list(Color), Color["RED"].value, Perm.R | Perm.W, Perm(5), Row("a"), Row("a", 1)._asdict())
try:
    p.x = 3
except dataclasses.FrozenInstanceError as e:
    print(type(e).__name__, e)
