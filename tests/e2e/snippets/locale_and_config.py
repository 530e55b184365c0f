import argparse
import codecs
import configparser
import getopt
import gettext
import io
import locale
import os
import shlex
import tomllib

print(locale.setlocale(locale.LC_ALL, "C"), locale.format_string("%.2f", 1234.5), codecs.lookup("utf8").name)
c = configparser.ConfigParser()
c.read_string("[a]\nx = 1\ny = %(x)s2\n")
print(c.getint("a", "y"), c.sections(), tomllib.loads('a = [1, 2]\n[t]\nb = "c"'))
p = argparse.ArgumentParser(prog="node", exit_on_error=False)
p.add_argument("--n", type=int, default=3)
p.add_argument("names", nargs="*")
print(p.parse_args(["--n", "5", "x"]), getopt.getopt(["-a", "b"], "a"), shlex.split("a 'b c' d\\ e"))
print(gettext.gettext("text"), "ü".encode("latin-1"), codecs.encode("hello", "rot13"), b"\xe4".decode("cp1252"))
os.environ["NODE_VALUE"] = "set"
print(os.environ["NODE_VALUE"], os.path.expandvars("$NODE_VALUE/x"), io.open(os.devnull).read() == "")
