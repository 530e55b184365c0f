"""A learned policy: what was used, narrowed and generalised, as the text of a file; read from one, to add to it."""
import os
import re
import socket

from . import facts, uses
from .quote import SCALAR, quoted, unquoted

MANY = 6          # so many files of one directory stand for the directory
PLACES = 3        # so many source lines are named in a reason
WORDS = ("language", "interpreter", "dependencies")
LEVELS = (("SOL_SOCKET", socket.SOL_SOCKET, "SO_"), ("IPPROTO_TCP", socket.IPPROTO_TCP, "TCP_"), ("IPPROTO_IP", socket.IPPROTO_IP, "IP_"),
          ("IPPROTO_IPV6", socket.IPPROTO_IPV6, "IPV6_"))
UNNAMED = {(socket.IPPROTO_IP, 10): "IP_MTU_DISCOVER", (socket.IPPROTO_IP, 11): "IP_RECVERR", (socket.IPPROTO_IPV6, 25): "IPV6_RECVERR",
           (socket.IPPROTO_TCP, 25): "TCP_NOTSENT_LOWAT"}
CLONE = dict(VM=0x100, FS=0x200, FILES=0x400, SIGHAND=0x800, THREAD=0x10000, SYSVSEM=0x40000, SETTLS=0x80000, PARENT_SETTID=0x100000,
             CHILD_CLEARTID=0x200000, DETACHED=0x400000, CHILD_SETTID=0x1000000)
MESSAGES = {"MSG_FASTOPEN": 0x20000000, "MSG_OOB": 1, "MSG_ZEROCOPY": 0x4000000}
BITS = {("clone", 0): {"CLONE_" + n: b for n, b in CLONE.items()}, ("sendto", 3): MESSAGES, ("sendmsg", 2): MESSAGES}
ORDER = ("read", "write", "create", "list")


def option_name(level, option):
    for level_name, number, prefix in LEVELS:
        if number == level:
            name = UNNAMED.get((level, option)) or next((n for n in sorted(dir(socket)) if n.startswith(prefix) and getattr(socket, n) == option), None)
            return f"{level_name}/{name}" if name else None
    return None


# --- files

def most_specific(files, path):
    return max((p for p in files if facts.within(path, p)), key=len, default=None)


def generalised(found, source):
    """path: (rights, place). Many files directly in one directory become that directory, with their rights together, where the source has
    all of it; what a grant above covers goes; where a link leads out of a directory its end is named, too."""
    files = {p: (set(r), place) for p, (r, place) in found.items()}
    folders = {}
    for path in files:
        folders.setdefault(os.path.dirname(path), []).append(path)
    for folder, paths in folders.items():
        if len(paths) >= MANY and source.covers(folder):
            files[folder] = (set().union(*(files[p][0] for p in paths)) | files.get(folder, (set(),))[0], files[paths[0]][1])
    for path in sorted(files, key=len, reverse=True):
        rights, place = files[path]
        above = most_specific({p: 1 for p in files if p != path}, path)
        if above and rights <= files[above][0]:
            del files[path]
        elif not rights and any(p != path and facts.within(p, path) for p in files):
            del files[path]  # what leads to a grant is there by itself
    for path, (rights, place) in found.items():
        end = os.path.realpath(path)
        if end != path and path not in files and source.covers(end) and not most_specific(files, end):
            files[end] = (rights, place)
    return {p: (r or {"list"}, place) for p, (r, place) in files.items()}


def quiet_lines(missing, source, files):
    """Names that are not there. Of a directory that is not there itself, all of it."""
    lines = set()
    for path in missing:
        line = uses.quiet_line(source, path)
        if not line:
            line = path
            while not os.path.lexists(os.path.dirname(line)):
                line = os.path.dirname(line)
            if line != path:
                lines.add(line)
                line += "/*"
        lines.add(line)
    return sorted(l for l in lines if not most_specific(files, l))


# --- calls

def joined(keys):
    """Rows of one call that differ in the values of their last `in` alone become one. Keeps their order."""
    out = []
    for conds, row in keys:
        last = max((i for i, c in enumerate(conds) if c[1] == "in"), default=None)
        for i, (seen, first) in enumerate(out):
            same = last is not None and len(seen) == len(conds) and first.answer() == row.answer() and all(
                a == b if k != last else a[:2] == b[:2] for k, (a, b) in enumerate(zip(seen, conds)))
            if same:
                values = tuple(sorted(set(seen[last][2]) | set(conds[last][2])))
                out[i] = (seen[:last] + ((*seen[last][:2], values),) + seen[last + 1:], first)
                break
        else:
            out.append((conds, row))
    return out


def value_text(call, arg, kind, value, names):
    bits = BITS.get((call, arg), {})
    if kind != "in" and bits and not value & ~sum(bits.values()):
        return ", ".join(n for n, b in bits.items() if value & b) or "0"
    return names.get((call, arg), {}).get(value) or (str(value) if value < 4096 else hex(value))


def row_text(call, conds, otherwise, names):
    def one(cond):
        arg, kind, values = cond
        return f"arg: {arg}, {kind}: [{', '.join(value_text(call, arg, kind, v, names) for v in values)}]"
    text = f"{{call: {call}, {one(conds[0])}"
    if conds[1:]:
        text += f", and: [{', '.join('{' + one(c) + '}' for c in conds[1:])}]"
    return text + (f", else: {otherwise}}}" if otherwise else "}")


class Learned:
    """The parts of a policy file. `whys`: reasons of groups, lists of words that say where."""

    def __init__(self, name, base, base_name):
        self.name, self.base, self.base_name = name, base, base_name
        self.words, self.preload, self.limits, self.env = {}, [], {}, {}
        self.calls = {}   # call: [(conds, row)]
        self.places = {}  # group: [place]
        self.whys = {}    # group: reason of a file that is added to
        self.files, self.network, self.sockets, self.options = {}, {}, {}, {}
        self.interpreter, self.quiet = None, set()
        self.shut = {}

    def add_call(self, call, row, place):
        self.calls.setdefault(call, []).append((row.conds, row))
        places = self.places.setdefault(row.group or call, [])
        if place and place not in places:
            places.append(place)

    def take(self, used, source, limits, env):
        for (call, _, _), (row, place) in used.rows.items():
            self.add_call(call, row, place)
        for path, (rights, place) in generalised(used.files, source).items():
            if path in self.files:
                rights = rights | self.files[path][0]
            if not rights <= self.base.rights(path):
                self.files[path] = (rights, place)
        if used.interpreter and not self.base.interpreter_rights:
            self.interpreter = used.interpreter
        for option, place in used.options.items():
            name = option_name(*option)
            row = self.base.row_for("setsockopt", [0, *option, 0, 0, 0])
            if name and not (row and row.verdict == "allow"):
                self.options.setdefault(name, place)
        for a, place in used.addresses.items():
            self.network.setdefault(a, place)
        for s, place in used.sockets.items():
            if s not in self.base.sockets:
                self.sockets.setdefault(s, place)
        self.quiet.update(q for q in quiet_lines(used.missing, source, self.files) if q not in self.base.quiet)
        self.shut.update(used.shut)
        for word in WORDS:
            if word in source.words and self.base.words.get(word) != source.words[word]:
                self.words.setdefault(word, source.words[word])
        self.preload += [m for m in source.preload if m not in self.base.preload + self.preload]
        for k, v in {**source.limits, **limits}.items():
            self.limits[k] = max(v, self.limits.get(k, 0))
        for k, v in source.env.items():
            if self.base.env.get(k) != v:
                self.env.setdefault(k, v)

    def take_file(self, old, text):
        """What a policy file has beside its base: `old` as the tool tells it, `text` for the reasons that people gave."""
        own = os.path.splitext(self.name)[0]
        for call, rows in old.calls.items():
            if call == "setsockopt":
                continue
            for row in rows:
                if not any(r.conds == row.conds and r.answer() == row.answer() for r in self.base.calls.get(call, [])) and row.group != "sockopts":
                    self.calls.setdefault(call, []).append((row.conds, row))
                    self.places.setdefault(row.group or own, [])
        self.whys = {g: reason(w) for g, w in re.findall(r"(?m)^  (\w+):\n    why: (.*)$", text)}
        said = {unquoted(m[0]) if (m := re.search(SCALAR, item)) else item: words
                for item, words in re.findall(rf"(?m)^  - ((?:[^\s\"#]|{SCALAR}| (?!\s))+)  # (.*)$", text)}
        self.files = {p: (r, said.get(p)) for p, r in old.files.items() if not r <= self.base.rights(p)}
        self.interpreter = said.get("{interpreter: true, rights: [read, list]}", "before") if old.interpreter_rights and not self.base.interpreter_rights else None
        lines = [as_written(n) for n in old.network if n not in self.base.network]
        self.network = {n: said.get(n) for n in lines}
        self.sockets = {s: said.get("{family: %s, type: %s, protocol: %s}" % s) for s in old.sockets - self.base.sockets}
        self.options = {n: said.get(n) for n in re.findall(r"\b\w+/(?:SO|TCP|IP|IPV6)_\w+", text)}
        self.quiet = set(old.quiet) - set(self.base.quiet)
        self.words = {w: old.words[w] for w in WORDS if w in old.words and self.base.words.get(w) != old.words[w]}
        self.preload = [m for m in old.preload if m not in self.base.preload]
        self.limits = {k: v for k, v in old.limits.items() if v}
        self.env = {k: v for k, v in old.env.items() if self.base.env.get(k) != v}

    # --- text

    def groups(self):
        """Group: {key: [text of rows]}. A call's rows stay in one group and in their order: conditions are tried in it."""
        out = {}
        for call, keys in self.calls.items():
            rows = joined(keys)
            bare = next((r for r in rows if not r[0]), None)
            refusal = next((r.err for c, r in rows if not c and r.verdict == "refuse"), None)
            if bare and (refusal is None or len(rows) == 1):
                rows = [bare]
            else:
                rows = [r for r in rows if r[0]]
            group, run = rows[0][1].group or call, 1
            before = None
            for i, (conds, row) in enumerate(rows):
                if before not in (None, row.verdict):
                    run += 1
                before = row.verdict
                name = group if len({r.verdict for _, r in rows}) == 1 else f"{call}_{run}" if run > 1 else call
                if name != group:
                    self.places.setdefault(name, self.places.get(group, []))
                    self.whys.setdefault(name, self.whys.get(group))
                otherwise = (refusal or row.otherwise or next((r.otherwise for _, r in rows if r.otherwise), None)) if i == len(rows) - 1 else None
                key = row.verdict + ("_if" if conds else "")
                text = row_text(call, conds, otherwise, self.names) if conds else f"{call}: {row.err}" if row.err else call
                out.setdefault(name, {}).setdefault(key, []).append(text)
        return out

    def why(self, group):
        old, places = self.whys.get(group), self.places.get(group, [])
        said = [p for p in places if not old or p not in old]
        new = ", ".join(said[:PLACES]) + (f" and {len(said) - PLACES} more lines" if len(said) > PLACES else "")
        return "; ".join(w for w in (old, f"used at {new}" if new else None) if w) or f"used by the interpreter that runs {self.name}"

    def text(self, name, names):
        """`names`: {(call, argument): {value: name}}, of values that have one."""
        self.names = names
        return "\n".join(self.lines(name)) + "\n"

    def lines(self, name):
        yield f"name: {name}"
        yield f"extends: {self.base_name}"
        for word, value in self.words.items():
            yield f"{word}: {value}"
        if self.preload:
            yield from wrapped("preload: [", self.preload, "]")
        groups = self.groups()
        if groups:
            yield "\nsyscalls:"
        for group, keys in sorted(groups.items()):
            yield f"  {group}:"
            yield f"    why: {quoted(self.why(group))}"
            for key, rows in keys.items():
                if key.endswith("_if"):
                    yield f"    {key}:"
                    yield from ("      - " + (r if len(r) < 112 else r.replace(", and: ", ",\n         and: ", 1)) for r in rows)
                else:
                    yield from wrapped(f"    {key}: " + "[{"[key.startswith("refuse")], sorted(rows), "]}"[key.startswith("refuse")])
        if self.files or self.interpreter:
            yield "\nfiles:"
        if self.interpreter:
            yield f"  - {{interpreter: true, rights: [read, list]}}{comment(self.interpreter)}"
        for path, (rights, place) in sorted(self.files.items()):
            yield f"  - {{path: {quoted(path)}, rights: [{', '.join(r for r in ORDER if r in rights)}]}}{comment(place)}"
        if self.network:
            yield "\nnetwork:"
            yield from (f"  - {{connect: {quoted(a)}}}{comment(p)}" for a, p in sorted(self.network.items()))
        if self.sockets:
            yield "sockets:"
            yield from (f"  - {{family: {s[0]}, type: {s[1]}, protocol: {s[2]}}}{comment(p)}" for s, p in sorted(self.sockets.items()))
        if self.options:
            yield "sockopts:"
            yield from (f"  - {o}{comment(p)}" for o, p in sorted(self.options.items()))
        yield ""
        yield from wrapped("limits: {", [f"{k}: {v}" for k, v in self.limits.items()], "}")
        if self.env:
            yield from wrapped("env: {", [f"{k}: {quoted(v)}" for k, v in self.env.items()], "}")
        if self.quiet:
            yield "\nquiet:  # names that are not there"
            yield from (f"  - {quoted(q)}" for q in sorted(self.quiet))


def as_written(grant):
    """An address as the tool tells it, without what need not be said."""
    grant = re.sub(r"(\.\d+)/32(?=:)|/128(?=\])", lambda m: m[1] or "", grant)
    return re.sub(r":1-65535$", "", re.sub(r":(\d+)-\1$", r":\1", grant))


def reason(text):
    return unquoted(text) if re.fullmatch(SCALAR, text) else text


def comment(place):
    return f"  # {ascii(place)[1:-1]}" if place else ""


def wrapped(head, words, tail):
    line, indent = head, " " * len(head)
    for i, word in enumerate(words):
        word += tail if i == len(words) - 1 else ","
        if len(line) + len(word) > 120 and line.strip() != head.strip():
            yield line.rstrip()
            line = indent
        line += word + " "
    yield line.rstrip()
