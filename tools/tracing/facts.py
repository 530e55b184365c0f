"""What a policy says, as `warder policy show` tells it: one fact a line, names resolved, bases laid in. One reader of YAML is enough."""
import ipaddress
import os
import re
import subprocess

from . import client

CALL = re.compile(r"call (\w+) (allow|broker|refuse|refuse_quietly|kill)(?: ([A-Z]\w*))?(?: if (.*?))?(?:, else (\w+))?$")
COND = re.compile(r"arg (\d) (is one of|has all bits of|has no bit of|has no bit outside) (.*)$")
KINDS = {"is one of": "in", "has all bits of": "mask", "has no bit of": "none_of", "has no bit outside": "only"}
ALL = (1 << 64) - 1
# the supervisor's to fill in every job: no grant is needed, none is possible
EVERYWHERE = ("/tmp", "/proc", "/.warder", "/dev/shm", "/var/tmp", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/etc/host.conf",
              "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/nsswitch.conf", "/sys/devices/system/cpu")
HOLDS = {
    "in": lambda value, wanted: value in wanted,
    "mask": lambda value, wanted: value & wanted[0] == wanted[0],
    "none_of": lambda value, wanted: not value & wanted[0],
    "only": lambda value, wanted: not value & ~wanted[0] & ALL,
}


class Row:
    """One way in which a call is answered. `conds`: (argument, kind, values); `group`: of the file that says it, None where nobody knows."""

    def __init__(self, verdict, err=None, conds=(), otherwise=None, group=None):
        self.verdict, self.err, self.conds, self.otherwise, self.group = verdict, err, tuple(conds), otherwise, group

    def holds(self, registers):
        return all(HOLDS[kind](registers[arg], values) for arg, kind, values in self.conds)

    def answer(self):
        return self.verdict, self.err


def within(path, folder):
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def is_everywhere(path):
    return path == "/" or any(within(path, p) or within(p, path) and path in ("/dev", "/etc", "/var", "/sys") for p in EVERYWHERE)


class Facts:
    def __init__(self, text):
        self.calls, self.files, self.network, self.sockets, self.limits, self.env = {}, {}, [], set(), {}, {}
        self.quiet, self.preload, self.words, self.interpreter_rights = [], [], {}, set()
        for line in text.splitlines():
            said, _, rule = line.partition("  # ")
            self.take(said, rule.rpartition(" ")[2] if rule else None)

    def take(self, said, group):
        key, _, value = said.partition(" ")
        if key == "call":
            name, verdict, err, conds, otherwise = CALL.match(said).groups()
            self.calls.setdefault(name, []).append(Row(verdict, err, [cond(c) for c in conds.split(" and ")] if conds else (), otherwise, group))
        elif key == "file" and value.startswith("("):
            self.interpreter_rights = set(value.rpartition(")")[2].split())
        elif key == "file":
            path, *rights = re.fullmatch(r"(.*?)((?: (?:read|write|create|list))+)", value).groups()
            self.files.setdefault(path, set()).update(rights[0].split())
        elif key == "connect":
            self.network.append(value)
        elif key == "socket":
            self.sockets.add(tuple(value.split()))
        elif key == "limit":
            name, number = value.split(",")[0].split()
            self.limits[name] = int(number)
        elif key == "env":
            name, _, text = value.partition("=")
            self.env[name] = text
        elif key in ("quiet", "preload"):
            getattr(self, key).append(value)
        elif key in ("language", "interpreter", "dependencies", "on_output_limit"):
            self.words[key] = value

    def row_for(self, call, registers):
        """The row that decides. Where none of a call's conditions holds, one without conditions that says what `else` says, or None: it kills."""
        rows = self.calls.get(call, [])
        for row in rows:
            if row.holds(registers):
                return row
        return Row("refuse", rows[-1].otherwise, group=rows[-1].group) if rows and rows[-1].otherwise else None

    def rights(self, path):
        """Of the grants that name it or a directory above; without those of the interpreter's trees, which are known only where the job runs."""
        return set().union(*(r for p, r in self.files.items() if within(path, p)), set())

    def covers(self, path):
        return any(within(path, p) for p in self.files)

    def below(self, path):
        """A grant that makes this directory visible."""
        return next((p for p in self.files if within(p, path) and os.path.exists(p)), None)


def cond(text):
    arg, kind, values = COND.fullmatch(text).groups()
    return int(arg), KINDS[kind], tuple(int(v, 16) for v in values.split(", "))


class Address:
    """A network grant as written: is 1.2.3.4:80 within it?"""

    def __init__(self, text):
        self.text, self.udp = text, text.startswith("udp://")
        self.host, self.low, self.high = re.fullmatch(r"(?:udp://)?(\[[^]]*\]|[^:]*)(?::(\d+)(?:-(\d+))?)?", text).groups()
        self.low, self.high = int(self.low or 1), int(self.high or self.low or 65535)
        try:
            self.net = ipaddress.ip_network(self.host.strip("[]"), strict=False)
        except ValueError:
            self.net = None
        self.is_name = not self.net and not self.host.startswith("*")

    def has(self, ip, port, udp):
        if udp != self.udp or not self.low <= port <= self.high:
            return False
        return self.host == "*" and ip.is_global or self.net is not None and ip.version == self.net.version and ip in self.net


def of(policy, policy_dirs):
    """`policy`: a name or a file."""
    tool = os.path.join(os.path.dirname(client.program()), "warder")
    command = [tool, "policy", "show", *(w for d in policy_dirs for w in ("--policy-dir", d)), policy]
    done = subprocess.run(command, capture_output=True, text=True, errors="backslashreplace")
    if done.returncode:
        raise client.Failed(f"policy {policy}: {done.stderr.strip() or done.stdout.strip()}")
    return Facts(done.stdout)


def check(path, policy_dirs):
    """The mistakes of a policy file, as lines."""
    tool = os.path.join(os.path.dirname(client.program()), "warder")
    done = subprocess.run([tool, "policy", "check", *(w for d in policy_dirs for w in ("--policy-dir", d)), path], capture_output=True, text=True)
    return [] if done.returncode == 0 else done.stdout.splitlines()
