"""What the supervisor answers: results, violations, usage. Fields that a newer supervisor adds are left out."""
from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Type, TypeVar

from .errors import JOB_ERRORS, Disconnected, JobFailed

T = TypeVar("T")


def _from_map(cls: Type[T], values: Mapping[str, Any]) -> T:
    """An instance of a dataclass from those keys of a map that it knows."""
    known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return cls(**{k: v for k, v in values.items() if k in known})


@dataclass(frozen=True)
class Violation:
    """A call that was refused, hidden (answered ENOENT: outside every grant) or killed. What is not known is None."""
    syscall: str = "?"
    args: List[str] = field(default_factory=list)  # decoded
    path: Optional[str] = None                     # absolute, in the job's tree
    address: Optional[str] = None                  # "1.2.3.4:80"
    verdict: str = "killed"                        # killed, refused, hidden
    errno: Optional[str] = None                    # a name: "EACCES"; None for killed
    rule: Optional[str] = None                     # "python3.yaml:12 file_names"
    file: Optional[str] = None                     # where in the job's source
    line: Optional[int] = None
    function: Optional[str] = None
    no_line: Optional[str] = None                  # why there is no line
    hint: Optional[str] = None                     # what would allow it
    count: int = 1

    def __str__(self) -> str:
        words = f"{self.verdict}: {self.syscall}({', '.join(self.args)})"
        if self.verdict != "killed" and (self.path or self.address):
            words += f": {self.path or self.address}"
        if self.errno:
            words += f": {self.errno}"
        if self.file:
            words += f" at {self.file}:{self.line}" + (f" in {self.function}" if self.function else "")
        elif self.no_line:
            words += f" (no line: {self.no_line})"
        if self.count > 1:
            words += f", {self.count} times"
        if self.rule:
            words += f" [{self.rule}]"
        return words + (f"; {self.hint}" if self.hint else "")


class Package(NamedTuple):
    """A package that jobs can import."""
    name: str
    version: str


@dataclass(frozen=True)
class Usage:
    """What a job used."""
    queue_ms: float = 0.0
    wall_ms: float = 0.0
    cpu_ms: float = 0.0
    max_rss_kib: int = 0
    brokered_calls: int = 0
    stdout_bytes: int = 0
    stderr_bytes: int = 0


@dataclass(frozen=True)
class Dropped:
    """A file that `collect` matched and that could not be had; one without a name says how many more there are."""
    name: Optional[str] = None
    bytes: Optional[int] = None
    why: str = ""


@dataclass(frozen=True)
class Output:
    """A piece of output, as it came. Pieces end anywhere, also within a character."""
    stream: str  # stdout, stderr
    data: bytes


@dataclass(frozen=True)
class JobInfo:
    """A job that waits or runs."""
    job: str
    language: str = ""
    policy: str = ""
    state: str = ""                       # queued, running, ending
    started_ms: Optional[float] = None    # Unix time
    tracee_pid: Optional[int] = None

    @classmethod
    def from_wire(cls, values: Mapping[str, Any]) -> JobInfo:
        return _from_map(cls, values)


@dataclass(frozen=True)
class Result:
    """How a job ended and what it left."""
    job: str
    outcome: str                          # exited, signaled, violation, limit, cancelled, error
    exit_code: Optional[int] = None       # for exited alone
    signal: Optional[int] = None          # for signaled alone
    limit: Optional[str] = None           # what ended it: wall_time, cpu_time, memory, output, tmp
    limits_hit: List[str] = field(default_factory=list)  # limits that only gave it an errno
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    files: Dict[str, bytes] = field(default_factory=dict)
    files_dropped: List[Dropped] = field(default_factory=list)
    violations: List[Violation] = field(default_factory=list)  # the last is the killing one, if one killed
    violations_dropped: int = 0
    usage: Usage = field(default_factory=Usage)
    layers: List[str] = field(default_factory=list)
    error: Optional[str] = None           # for error: what went wrong, in words

    @classmethod
    def from_wire(cls, values: Mapping[str, Any]) -> Result:
        """Raises Disconnected for what is no result."""
        try:
            result = _from_map(cls, {
                **values,
                "files_dropped": [_from_map(Dropped, d) for d in values.get("files_dropped") or []],
                "violations": [_from_map(Violation, v) for v in values.get("violations") or []],
                "usage": _from_map(Usage, values.get("usage") or {}),
            })
        except (AttributeError, TypeError, ValueError) as e:
            raise Disconnected(f"the supervisor sent what is no result: {values!r:.80}") from e
        if not isinstance(result.outcome, str) or not isinstance(result.stdout, bytes) or not isinstance(result.stderr, bytes):
            raise Disconnected(f"the supervisor sent what is no result: {values!r:.80}")
        return result

    @property
    def ok(self) -> bool:
        """Whether the job exited with 0."""
        return self.outcome == "exited" and self.exit_code == 0

    @property
    def text(self) -> str:
        """stdout as text; U+FFFD for each byte that is not UTF-8."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def killed_by(self) -> Optional[Violation]:
        """The call that the policy killed the job for, if one did."""
        return self.violations[-1] if self.outcome == "violation" and self.violations else None

    def packages(self) -> List[Package]:
        """What a job of `LISTINGS` printed."""
        return [Package(str(name), str(version)) for name, version in json.loads(self.check().stdout)]

    def reason(self) -> str:
        """How the job ended, in a few words."""
        words = {
            "exited": f"exited with code {self.exit_code}",
            "signaled": f"ended by signal {self.signal}",
            "violation": f"killed by its policy: {self.killed_by or 'operation not permitted'}",
            "limit": f"ended by its limit: {self.limit}",
            "cancelled": "cancelled",
            "error": f"failed by Warder: {self.error}",
        }
        return words.get(self.outcome, self.outcome)

    def explain(self) -> str:
        """How it ended, each call that it was refused, and its stderr, as text of several lines."""
        lines = [f"job {self.reason()}"] + [str(v) for v in self.violations if v is not self.killed_by]
        return "\n".join(lines + [self.stderr.decode("utf-8", "replace")]).rstrip()

    def check(self) -> Result:
        """The result itself if the job exited with 0; else raises the JobFailed of its outcome."""
        if not self.ok:
            raise JOB_ERRORS.get(self.outcome, JobFailed)(self)
        return self
