"""Texts that a job may have chosen, as scalars of YAML: what policies that the tools write are made with."""
import re

SCALAR = r'"(?:[^"\\]|\\.)*"'
WIDTHS = {"x": 2, "u": 4, "U": 8}
# Default_Ignorable_Code_Point (DerivedCoreProperties.txt of Unicode 15.1) where unicodedata's category is not one of C: they show as nothing
IGNORABLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def escaped(c):
    n = ord(c)
    if c in '"\\':
        return "\\" + c
    if 0xd800 <= n < 0xe000:  # half a character: YAML has none
        return "\ufffd"
    if c.isprintable() and not IGNORABLE.match(c):
        return c
    return f"\\x{n:02x}" if n < 0x100 else f"\\u{n:04x}" if n < 0x10000 else f"\\U{n:08x}"


def quoted(text):
    """One line, whatever is in it; nothing of it is YAML."""
    return '"' + "".join(map(escaped, text)) + '"'


def unquoted(text):
    """What quoted() was given."""
    return re.sub(r"\\(?:x(..)|u(....)|U(.{8})|(.))", lambda m: m[4] or chr(int(m[1] or m[2] or m[3], 16)), text[1:-1])
