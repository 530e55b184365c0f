"""Options, and the run: a job of one's own, or one that runs already."""
import argparse
import os
import signal
import sys
import time

from . import client, learn, page, show

FAILED = 125
LANGUAGES = {".py": ("python3", None), ".js": ("nodejs", None), ".mjs": ("nodejs", "main.mjs"), ".cjs": ("nodejs", "main.cjs")}
LIMITS = {"cpu": ("cpu_ms", 1000), "timeout": ("wall_ms", 1000), "memory": ("memory_mib", 1), "output": ("output_kib", 1),
          "threads": ("threads", 1), "tmp": ("tmp_mib", 1), "file_size": ("file_mib", 1), "open_files": ("open_files", 1)}


def parser():
    p = argparse.ArgumentParser(prog="trace-job", description="Runs a job and shows its system calls.",
                                epilog="Exit status: as of warder run; 125 when trace-job itself failed.")
    p.add_argument("program", nargs="?", metavar="PROGRAM|-", help="Python or Node.js source; - is stdin")
    p.add_argument("args", nargs="*", metavar="ARGS", help="of the job, after --")
    out = p.add_argument_group("what is shown")
    out.add_argument("--summary", action="store_true", help="tables by call and by source line, at the end")
    out.add_argument("--json", action="store_true", help="one JSON object a line")
    out.add_argument("--only", choices=sorted(show.KINDS), help="calls of this kind alone")
    out.add_argument("--brokered", action="store_true", help="only calls that the supervisor answers: no stop at the others, full speed")
    out.add_argument("-o", metavar="FILE", help="write it to FILE instead of stdout; the job's own output goes to stdout then")
    out.add_argument("--html", metavar="FILE", help="write a page: timeline, search, source with its calls")
    out.add_argument("--learn", metavar="FILE", help="write a policy of what the job used, and run it under that until nothing is missing")
    out.add_argument("--merge", action="store_true", help="add it to the policy in FILE")
    out.add_argument("--base", default="minimal", metavar="NAME", help="the policy that a learned one extends; minimal")
    out.add_argument("--attach", metavar="JOB", help="show the calls of a running job of the supervisor at --socket")
    job = p.add_argument_group("the job, as of warder run")
    for name, kind in (("--language", str), ("--policy", str), ("--config", str), ("--socket", str), ("--stdin", str), ("--filename", str),
                       ("--timeout", float), ("--cpu", float), ("--memory", int), ("--output", int), ("--threads", int), ("--tmp", int),
                       ("--file-size", int), ("--open-files", int)):
        job.add_argument(name, type=kind)
    for name in ("--policy-dir", "--allow-read", "--allow-write", "--allow-connect", "--env", "--file"):
        job.add_argument(name, action="append", default=[])
    return p


def read(path):
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError as e:
        raise client.Failed(f"{path}: {e.strerror}") from None


def pair(text, option):
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise client.Failed(f"{option}: must be NAME=VALUE, is {text}")
    return name, value


def policy_of(o):
    """A name, or a file, whose text goes with the job."""
    if o.policy and ("/" in o.policy or o.policy.endswith(".yaml")):
        return {"policy_text": read(o.policy)}
    return {"policy": o.policy} if o.policy else {}


def job_of(o):
    language, filename = LANGUAGES.get(os.path.splitext(o.program)[1], (None, None))
    if not (o.language or language):
        if o.program != "-":
            raise client.Failed(f"--language: cannot be guessed from the name {o.program}")
        language = "python3"
    job = {"language": o.language or language, "code": read(o.program), "stream": True, "trace": "brokered" if o.brokered else "all",
           "args": o.args, "env": dict(pair(e, "--env") for e in o.env),
           "files": {name: read(path) for name, path in (pair(f, "--file") for f in o.file)},
           "grants": {"read": [os.path.abspath(p) for p in o.allow_read], "write": [os.path.abspath(p) for p in o.allow_write],
                      "connect": o.allow_connect},
           "limits": {key: int(getattr(o, name) * factor) for name, (key, factor) in LIMITS.items() if getattr(o, name) is not None}}
    job.update(policy_of(o))
    if o.filename or filename:
        job["filename"] = o.filename or filename
    if o.stdin:
        job["stdin"] = read(o.stdin)
    return job


class Output:
    """Where calls are shown as they come, and kept for what is made of them at the end."""

    def __init__(self, o):
        self.o = o
        self.keep = bool(o.summary or o.html)
        self.live = not (o.summary or o.html or o.learn) or o.json
        self.calls, self.lost = [], 0
        self.on_call_too = None
        try:
            self.to = open(o.o, "w", encoding="utf-8", errors="backslashreplace") if o.o else sys.stdout
        except OSError as e:
            raise client.Failed(f"{o.o}: {e.strerror}") from None
        self.color = self.to.isatty() and "NO_COLOR" not in os.environ
        self.job_stdout = sys.stdout.buffer if o.o or not (self.live or o.summary) else sys.stderr.buffer

    def on_call(self, call):
        if self.on_call_too:
            self.on_call_too(call)
        if self.keep:
            self.calls.append(call)
        if self.live and (not self.o.only or show.KINDS[self.o.only](call)):
            print(show.as_json(call) if self.o.json else show.line(call, self.color), file=self.to, flush=self.color)

    def notify(self, method, params):
        if method == "event" and params["kind"] == "syscall":
            self.on_call(params)
        elif method == "event" and params["kind"] == "lost":
            self.lost += params["count"]
        elif method == "output":
            to = self.job_stdout if params["stream"] == "stdout" else sys.stderr.buffer
            if to is sys.stdout.buffer:
                sys.stdout.flush()
            to.write(params["data"] if isinstance(params["data"], bytes) else params["data"].encode("utf-8", "surrogateescape"))
            to.flush()

    def finish(self):
        if self.o.summary:
            chosen = [c for c in self.calls if not self.o.only or show.KINDS[self.o.only](c)]
            self.to.write(show.summary(chosen))
        self.to.flush()
        if self.lost:
            print(f"trace-job: {self.lost} calls were not told: they came faster than they were read", file=sys.stderr)


def run(c, o, job, output, on_call=None):
    """Runs the job; Ctrl-C asks for its end, a second one ends us. Without `output` nothing of it is shown."""
    job = dict(job, job=f"trace-{os.getpid()}-{time.monotonic_ns()}")
    old = {}

    def quietly(method, params):
        if on_call and method == "event" and params["kind"] == "syscall":
            on_call(params)

    def notify(method, params):
        if method == "held":
            c.on_held(params)
        else:
            (output.notify if output else quietly)(method, params)
    c.notify = notify

    def cancel(sig, frame):
        for s, handler in old.items():
            signal.signal(s, handler)
        c.send("cancel", {"job": job["job"]})

    msgid = c.send("run", job)
    if job.get("debug"):
        c.send("debug.attach", {"job": job["job"]})
    for s in (signal.SIGINT, signal.SIGTERM):
        old[s] = signal.signal(s, cancel)
    try:
        return c.wait(msgid)
    finally:
        for s, handler in old.items():
            signal.signal(s, handler)


def attach(c, o, output):
    result = []

    def notify(method, params):
        if method == "event" and params["kind"] == "end":
            result.append(params["result"])
        output.notify(method, params)

    c.notify = notify
    c.wait(c.send("events.subscribe", {"job": o.attach, "kinds": ["syscall", "end"], "trace": "brokered" if o.brokered else "all"}))
    while not result:
        c.receive()
    return result[0]


def learned(c, o, job, output):
    """Shown is the first run; the runs under what was learned are not."""
    first = []

    def one(job, on_call):
        if first and "policy_text" in job:
            return run(c, o, job, None, on_call)
        output.on_call_too = on_call
        output.calls, output.silent = [], bool(first)
        first.append(job)
        return run(c, o, job, output)
    return learn.Learner(c, o, job, one).learn()


def connect(o):
    path = o.socket or os.environ.get("WARDER_SOCKET") or (client.default_socket() if o.attach else None)
    if path and (o.config or o.policy_dir):
        raise client.Failed(f"--config and --policy-dir are for a supervisor of its own, not for the one at {path}")
    return client.Client(path, o.config, o.policy_dir)


def trace(o):
    job = None if o.attach else job_of(o)
    output = Output(o)
    c = connect(o)
    try:
        result = attach(c, o, output) if o.attach else learned(c, o, job, output) if o.learn else run(c, o, job, output)
        output.finish()
        show.ending(result)
        if o.html:
            page.write(o.html, job, output.calls, result, title=o.attach or o.program)
    finally:
        c.close()
    return show.status(result)


def main(argv):
    p = parser()
    rest = argv.index("--") if "--" in argv else len(argv)
    o = p.parse_args(argv[:rest])
    o.args += argv[rest + 1:]
    if bool(o.program) == bool(o.attach):
        p.error("either a PROGRAM or --attach JOB")
    if o.learn and (o.attach or o.brokered):
        p.error("--learn needs a PROGRAM, and all of its calls")
    try:
        return trace(o)
    except client.Failed as e:
        print(f"trace-job: {show.safe(str(e))}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except KeyboardInterrupt:
        return 130
