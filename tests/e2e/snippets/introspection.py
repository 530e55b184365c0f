import ast
import dis
import inspect
import io
import typing


def f(a: int, *args: str, key: typing.Optional[float] = None, **kw) -> list:
    """Doc of f."""
    return [a, args, key, kw]


class Base:
    def __init_subclass__(cls, **kw):
        print("subclass", cls.__name__, kw)


class Child(Base, tag=1):
    @property
    def x(self):
        return 1


print(inspect.signature(f), inspect.getdoc(f), typing.get_type_hints(f)["args"])
print(inspect.getsource(f).splitlines()[0], inspect.getmro(Child)[1].__name__, inspect.isfunction(f))
print(ast.dump(ast.parse("x + 1", mode="eval").body), ast.literal_eval("[1, {'a': None}]"))
print(ast.unparse(ast.parse("if a:\n  b = 1")), compile("1 + 1", "x", "eval").co_consts)
out = io.StringIO()
dis.dis(compile("a", "x", "eval"), file=out)
print("LOAD_NAME" in out.getvalue(), inspect.currentframe().f_code.co_name, inspect.stack()[0].filename == __file__)
