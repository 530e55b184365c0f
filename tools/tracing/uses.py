"""What a job used, from its traced calls: which row of its policy answered each, which names it touched with which rights, where it connected."""
import ipaddress
import os
import re
import socket

from . import facts

ACCESS, CREATE, TRUNCATE, DIRECTORY, TMPFILE = os.O_ACCMODE, os.O_CREAT, os.O_TRUNC, os.O_DIRECTORY, 0o20200000
FLAGS_AT = {"open": 1, "openat": 2}
NAMES = {"mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
         "mknod", "mknodat"}
CHANGES = {"chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "truncate", "ftruncate", "utime", "utimes",
           "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "flock", "fcntl"}
MODE_AT = {"access": 1, "faccessat": 2, "faccessat2": 2}
SHUT = {"hidden", "refused", "killed"}
DATAGRAM = {"sendto", "sendmsg", "sendmmsg"}


def rights_of_open(flags, is_directory):
    """As the broker asks for them (rights_for in files.c)."""
    if flags & TMPFILE == TMPFILE:
        return {"create", "write"}
    need = {"list"} if is_directory else set() if flags & ACCESS == os.O_WRONLY else {"read"}
    return need | ({"write"} if flags & ACCESS != os.O_RDONLY or flags & TRUNCATE else set())


class Uses:
    """`source`: the policy under which the job runs, with the job's own grants laid in; `base`: what a learned policy has anyway."""

    def __init__(self, source, base, main):
        self.source, self.base = source, base
        self.main = main      # {name of the main program in the job: its name here}
        self.names = {}       # (call, argument): {value: name}
        self.rows = {}        # (call, index of the row, values that pick it): (row, first place)
        self.files = {}       # path: [rights, first place]
        self.missing = {}     # names that were asked for and are not there: first place
        self.shut = {}        # (call, object): verdict, of what stays refused
        self.addresses = {}   # text: first place
        self.sockets, self.options = {}, {}
        self.interpreter = None
        self.granted = {}     # calls that their policy kills and a debugger let pass: row
        self.datagrams = set()

    def place_of(self, call):
        if not call["line"]:
            return None
        name, function = call["file"] or "", call["function"]
        name = self.main.get(name) or os.path.basename(name)
        return f"{name}:{call['line']}" + (f" in {function}" if function and not function.startswith("<") else "")

    # --- calls

    def row_of(self, call):
        if call["syscall"] in self.granted:
            return self.granted[call["syscall"]]
        return self.source.row_for(call["syscall"], call["registers"])

    def take_call(self, call, row, place):
        """Of a condition that names values only those that came are kept."""
        known = self.base.row_for(call["syscall"], call["registers"])
        if known and known.answer() == row.answer():
            return
        for arg, kind, _ in row.conds:
            if kind == "in" and arg < len(call["args"]) and re.fullmatch(r"[A-Z]\w+", call["args"][arg]):
                self.names.setdefault((call["syscall"], arg), {})[call["registers"][arg]] = call["args"][arg]
        conds = tuple((arg, kind, (call["registers"][arg],) if kind == "in" else values) for arg, kind, values in row.conds)
        key = (call["syscall"], conds, row.answer())
        if key not in self.rows:
            rows = self.source.calls.get(call["syscall"], [row])
            self.rows[key] = (facts.Row(row.verdict, row.err, conds, rows[-1].otherwise, row.group), place)

    def take_option(self, call, place):
        self.options.setdefault(tuple(r & 0xffffffff for r in call["registers"][1:3]), place)

    # --- files

    def need(self, path, rights, place):
        if not self.source.covers(path):
            if facts.is_everywhere(path):
                return
            below = self.source.below(path)
            if below:
                path, rights = below, set()
            else:  # no grant has it, and yet it was there
                self.interpreter = self.interpreter or place or "by the interpreter"
                return
        entry = self.files.setdefault(path, [set(), place])
        entry[0] |= rights & self.source.rights(path)

    def take_missing(self, path, place):
        self.missing.setdefault(path, place)

    def take_path(self, call, place):
        name, registers, path = call["syscall"], call["registers"], call["path"]
        folder = os.path.dirname(path)
        failed = call["errno"] is not None
        if name in FLAGS_AT or name in ("creat", "openat2"):
            flags = registers[FLAGS_AT[name]] if name in FLAGS_AT else CREATE | os.O_WRONLY if name == "creat" else 0
            rights = rights_of_open(flags, flags & DIRECTORY or os.path.isdir(path))
            if flags & CREATE and "create" in self.source.rights(folder):
                self.need(folder, rights | {"create"}, place)
            else:
                self.need(path, rights, place)
        elif name in NAMES:
            for p in {path, *(a.strip('"') for a in call["args"] if a.startswith('"/'))}:
                self.need(os.path.dirname(p), {"create", "write"} if name.startswith("link") else {"create"}, place)
        elif name in CHANGES:
            self.need(path, {"write"}, place)
        elif name in MODE_AT and not failed:
            is_directory, mode = os.path.isdir(path), registers[MODE_AT[name]]
            self.need(path, ({"list" if is_directory else "read"} if mode & os.R_OK else set()) |
                      ({"create" if is_directory else "write"} if mode & os.W_OK else set()), place)
        else:
            self.need(path, set(), place)

    # --- network

    def take_socket(self, call, place):
        family, kind, protocol = (r & 0xffffffff for r in call["registers"][:3])
        names = {socket.AF_INET: "inet", socket.AF_INET6: "inet6"}, {1: ("stream", "tcp"), 2: ("dgram", "udp")}
        made = (names[0].get(family), *names[1].get(kind & 0xf, ()))
        if made in self.source.sockets:  # others are made, too, and mute: libc sorts addresses with them
            self.sockets.setdefault(made, place)
        (self.datagrams.add if kind & 0xf == 2 else self.datagrams.discard)(call["result"])

    def take_address(self, call, place):
        host, _, port = call["address"].rpartition(":")
        try:
            ip, port = ipaddress.ip_address(host.strip("[]")), int(port)
        except ValueError:
            return
        udp = call["syscall"] in DATAGRAM or call["registers"][0] & 0xffffffff in self.datagrams
        grants = [facts.Address(g) for g in self.source.network]
        ip = getattr(ip, "ipv4_mapped", None) or ip
        if any(g.has(ip, port, udp) for g in grants):
            self.addresses.setdefault(("udp://" if udp else "") + (f"[{ip}]" if ip.version == 6 else str(ip)) + f":{port}", place)
            return
        for g in grants:  # a name led there
            if g.is_name and g.udp == udp and g.low <= port <= g.high:
                self.addresses.setdefault(("udp://" if udp else "") + f"{g.host}:{port}", place)

    # --- one call

    def add(self, call, again=False):
        """`again`: of a run under the learned policy, which shut what the source leaves open."""
        row, place, name = self.row_of(call), self.place_of(call), call["syscall"]
        if row is None or row.verdict == "kill":
            self.shut[name, None] = "killed", place
            return
        if name == "setsockopt" and row.verdict == "allow":
            self.take_option(call, place)
            return
        self.take_call(call, row, place)
        shut = call["verdict"] in SHUT and row.verdict not in ("refuse", "refuse_quietly")
        if row.verdict == "refuse":
            self.shut[name, None] = "refused", place
        elif shut and not again:
            self.stays_shut(call, place)
        elif row.verdict == "broker" and (call["path"] or "").startswith("/") and '""' not in call["args"][1:2]:  # "": what is open already
            if call["errno"] == "ENOENT" and not os.path.lexists(call["path"]) and not (again and self.source.covers(call["path"])):
                self.missed(call, place)
            else:
                self.take_path(call, place)
        elif call["address"]:
            self.take_address(call, place)
        elif name == "socket" and (again or not call["errno"]):
            self.take_socket(call, place)

    def missed(self, call, place):
        """Not there, but a name that may be made must lead into its directory."""
        folder = os.path.dirname(call["path"])
        if self.source.covers(call["path"]) and "create" in self.source.rights(folder):
            self.need(folder, set(), place)
        elif self.source.covers(call["path"]) or not facts.is_everywhere(call["path"]):
            if not self.source.covers(call["path"]) and call["verdict"] == "brokered":
                self.interpreter = self.interpreter or place or "by the interpreter"
            else:
                self.take_missing(call["path"], place)

    def stays_shut(self, call, place):
        path = call["path"]
        quiet = path and quiet_line(self.source, path)
        if quiet or path and call["verdict"] == "hidden" and not os.path.lexists(path):
            self.take_missing(path, place)
            return
        self.shut[call["syscall"], path or call["address"]] = call["verdict"], place
        if path and call["verdict"] == "refused" and self.source.covers(path):
            self.need(path, set(), place)  # so that it is refused, as before, and not hidden

    def let(self, held):
        """A call that was held and let pass: by the line that its hint has. False: there is none."""
        line = re.match(r"(allow|broker|allow_if): \[(.*)\] in a group", held["hint"] or "")
        if not line:
            return False
        conds = [(int(a), "in", (int(v, 0),)) for a, v in re.findall(r"arg: (\d), in: \[(\w+)\]", line[2])]
        self.granted[held["syscall"]] = facts.Row("broker" if line[1] == "broker" else "allow", conds=conds, group="killed_before")
        return True


def quiet_line(source, path):
    return next((q for q in source.quiet if q == path or q.endswith("/*") and facts.within(path, q[:-2])), None)
