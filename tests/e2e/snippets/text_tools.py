import difflib
import string
import textwrap
import unicodedata

print(textwrap.fill("the quick brown fox jumps over the lazy dog " * 3, 40), textwrap.dedent("   a\n     b"))
print(string.Template("$who owes ${what}").safe_substitute(who="Ada"), string.capwords("hello big world"))
print("\n".join(difflib.unified_diff(["a", "b", "c"], ["a", "x", "c"], "one", "two", lineterm="")))
print(round(difflib.SequenceMatcher(None, "kitten", "sitting").ratio(), 4), difflib.get_close_matches("appel", ["ape", "apple"]))
print(unicodedata.normalize("NFD", "é").encode(), unicodedata.name("☃"), "ß".upper(), "İ".lower().encode(), "٣".isdigit())
print(f"{3.14159:>10.2f}|{'x':^7}|{1e6:,}|{0.25:.0%}|{'é'!a}", "%05d %s %r" % (42, "a", "b"), "{0[k]} {1.real}".format({"k": 1}, 2))
