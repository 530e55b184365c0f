"""trace-job --learn: a job is traced under its policy, and again under what was learned from it, until nothing is left to learn."""
import fcntl
import os
import re
import sys
import tempfile
import termios

from . import client, facts, policy, show, uses

ROUNDS = 6
KNOWN = {("ioctl", 1): {getattr(termios, n): n for n in ("TCGETS", "TIOCGWINSZ", "FIONREAD", "FIONBIO", "FIOCLEX", "FIONCLEX")},
         ("fcntl", 1): {getattr(fcntl, n): n for n in ("F_DUPFD", "F_GETFD", "F_SETFD", "F_GETFL", "F_SETFL", "F_DUPFD_CLOEXEC", "F_GETLK", "F_SETLK",
                                                       "F_SETLKW")}}


def source_of(o, job):
    """The policy of the job, with what the job itself was granted."""
    source = facts.of(o.policy or job["language"], o.policy_dir)
    for path in job["grants"]["read"]:
        source.files.setdefault(path, set()).update(("read", "list"))
    for path in job["grants"]["write"]:
        source.files.setdefault(path, set()).update(("read", "write", "create", "list"))
    source.network += job["grants"]["connect"]
    return source


def told(result):
    """What a run told of itself that another run can be held against."""
    return {(v["syscall"], v["path"], v["address"], v["verdict"]) for v in result["violations"]}


def ended(result):
    return result["outcome"], result["exit_code"], result["signal"], result["limit"]


class Learner:
    def __init__(self, c, o, job, run):
        """`run(job, on_call)`: runs it and gives its result."""
        self.c, self.o, self.job, self.run = c, o, job, run
        self.source = source_of(o, job)
        self.old_text = self.old = None
        base = o.base
        if o.merge and os.path.exists(o.learn):
            with open(o.learn, encoding="utf-8") as f:
                self.old_text = f.read()
            self.old = facts.of(os.path.abspath(o.learn), o.policy_dir)
            found = re.search(r"(?m)^extends: *(\w[\w.-]*)", self.old_text)
            base = found[1] if found else base
        self.base_name, self.base = base, facts.of(base, o.policy_dir)
        self.main = {"/tmp/" + (job.get("filename") or ("main.js" if job["language"] == "nodejs" else "main.py")): self.program()}
        self.used = uses.Uses(self.source, self.base, self.main)
        self.seen, self.later = set(), set()  # names of calls of the first run; those that only a run after it needed

    def program(self):
        return os.path.basename(self.o.program) if self.o.program != "-" else "stdin"

    def learned(self):
        made = policy.Learned(self.program(), self.base, self.base_name)
        if self.old:
            made.take_file(self.old, self.old_text)
            if made.words.get("language", self.job["language"]) != self.job["language"]:
                raise client.Failed(f"{self.o.learn}: is for {made.words['language']}, the program for {self.job['language']}")
        made.take(self.used, self.source, self.job["limits"], self.job["env"])
        return made

    def text(self):
        """Names of values that the policies do not know become numbers again."""
        made, names = self.learned(), {**KNOWN, **{k: {**KNOWN.get(k, {}), **v} for k, v in self.used.names.items()}}
        name = re.sub(r"\W", "_", os.path.splitext(os.path.basename(self.o.learn))[0]) or "learned"
        while True:
            text = made.text(name, names)
            with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as f:
                f.write(text)
                f.flush()
                mistakes = facts.check(f.name, self.o.policy_dir)
            unknown = {n for table in names.values() for n in table.values() if any(re.search(rf"\b{n}\b", m) for m in mistakes)}
            if not mistakes or not unknown:
                break
            names = {k: {v: n for v, n in table.items() if n not in unknown} for k, table in names.items()}
        if mistakes:
            raise client.Failed("what was learned is no policy: " + "; ".join(mistakes))
        return text

    def once(self, job, again=False, **more):
        """One run; its calls are uses. `again`: only those that were shut, which the source leaves open."""
        def on_call(call):
            if not again:
                self.seen.add(call["syscall"])
            elif call["verdict"] in uses.SHUT and call["syscall"] not in self.seen:
                self.later.add(call["syscall"])
            if not again or call["verdict"] in uses.SHUT:
                self.used.add(call, again)
        return self.run({**job, **more}, on_call)

    def watched(self):
        """The first run. One that its policy kills is run once more, with a debugger that lets pass what would kill."""
        result = self.once(self.job, trace="all")
        if result["outcome"] != "violation":
            return result
        self.used = uses.Uses(self.source, self.base, self.main)

        def on_held(held):
            pass_it = held["verdict"] == "killed" and not held["problem"] and self.used.let(held)
            self.c.send("debug.decide", {"job": held["job"], "call": held["call"], "verdict": "allow_once" if pass_it else "refuse"})
        self.c.on_held = on_held
        return self.once(self.job, trace="all", debug=True)

    def rounds(self, first):
        """The text of a policy under which the job ends as it did, the last result under it, and how many runs that took."""
        text, may = self.text(), told(first)
        for n in range(1, ROUNDS + 1):
            job = {k: v for k, v in self.job.items() if k not in ("policy", "grants")}
            result = self.once(job, again=True, policy_text=text, trace="brokered")
            before, text = text, self.text()
            if text == before:
                break
        return text, result, n, told(result) - may

    def learn(self):
        first = self.watched()
        if first["outcome"] == "error":
            return first
        text, result, n, left = self.rounds(first)
        with open(self.o.learn, "w", encoding="utf-8") as f:
            f.write(text)
        self.tell(first, result, n, left)
        return result

    def tell(self, first, result, n, left):
        say = lambda text: print("trace-job: " + show.safe(text), file=sys.stderr)  # noqa: E731
        made = self.learned()
        for (call, what), (verdict, place) in sorted(made.shut.items(), key=str):
            say(f"stays {verdict}: {call}" + (f" {what}" if what else "") + (f", {place}" if place else ""))
        for call, path, address, verdict in sorted(left, key=str):
            say(f"not learned: {call} {path or address or ''} is {verdict} under {self.o.learn} alone")
        for call in sorted(self.later & set(made.calls)):
            say(f"only a later run used: {call}")
        same = "ends as before" if ended(first) == ended(result) else f"ends otherwise: {result['outcome']} {result['exit_code']}, before {first['outcome']} {first['exit_code']}"
        say(f"{self.o.learn}: {len(made.calls)} calls, {len(made.files) + bool(made.interpreter)} grants of files, {len(made.network)} addresses "
            f"beside {self.base_name}; under it the job {same} ({n} run{'s' * (n > 1)})")
