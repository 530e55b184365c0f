"""Calls as lines, JSON and tables. Every text may be the job's own: nothing of it reaches a terminal unescaped."""
import json
import sys
import unicodedata

from .quote import IGNORABLE

PROCESSES = {"clone", "clone3", "fork", "vfork", "execve", "execveat", "kill", "tkill", "tgkill", "exit", "exit_group", "wait4", "waitid",
             "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_send_signal", "prlimit64", "setsid", "setpgid", "ptrace"}
NETWORK = {"socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg",
           "recvmmsg", "getsockname", "getpeername", "getsockopt", "setsockopt", "shutdown"}
VIOLATIONS = {"refused", "hidden", "killed"}
KINDS = {
    "files": lambda c: c["path"] is not None,
    "network": lambda c: c["address"] is not None or c["syscall"] in NETWORK,
    "processes": lambda c: c["syscall"] in PROCESSES,
    "violations": lambda c: c["verdict"] in VIOLATIONS,
}
CALL_KEYS = ("t_ms", "tid", "syscall", "args", "path", "address", "verdict", "result", "errno", "spent_us", "file", "line", "function")
COLORS = {"refused": "33", "hidden": "33", "killed": "31", "brokered": "36"}


def safe(text):
    """Control, format and private characters, lone surrogates and line ends become escapes."""
    if text.isascii() and text.isprintable():
        return text
    out = []
    for ch in text:
        category = unicodedata.category(ch)
        if category[0] != "C" and category not in ("Zl", "Zp") and not IGNORABLE.match(ch):
            out.append(ch)
        elif ord(ch) < 0x100:
            out.append(f"\\x{ord(ch):02x}")
        elif 0xDC80 <= ord(ch) <= 0xDCFF:
            out.append(f"\\x{ord(ch) - 0xDC00:02x}")
        else:
            out.append(f"\\u{ord(ch):04x}" if ord(ch) < 0x10000 else f"\\U{ord(ch):08x}")
    return "".join(out)


def outcome(call):
    if call["result"] is None:
        return "?"
    if call["errno"]:
        return f"-1 {call['errno']}"
    return hex(call["result"]) if abs(call["result"]) >= 1 << 32 else str(call["result"])


def place(call):
    if not call["file"]:
        return ""
    name = call["file"].rpartition("/")[2] if call["file"].startswith("/tmp/") else call["file"]
    at = f"{name}:{call['line']}" if call["line"] else name
    return at + (f" in {call['function']}" if call["function"] else "")


def line(call, color=False):
    verdict = call["verdict"]
    if color and verdict in COLORS:
        verdict = f"\x1b[{COLORS[verdict]}m{verdict}\x1b[0m"
    head = f"{call['t_ms']:.3f} [{call['tid']}] {safe(call['syscall'])}({', '.join(safe(a) for a in call['args'])}) = {outcome(call)}"
    return f"{head} <{call['spent_us']:.0f} µs> {verdict} {safe(place(call))}".rstrip()


def as_json(call):
    """Lone surrogates stand for bytes that were no UTF-8: escaped by the encoder, so that a line is always good JSON."""
    return json.dumps({k: call.get(k) for k in CALL_KEYS})


def table(calls, name_of, title):
    rows = {}
    for c in calls:
        row = rows.setdefault(name_of(c), [0, 0, 0.0])
        row[0] += 1
        row[1] += c["errno"] is not None or c["verdict"] == "killed"
        row[2] += c["spent_us"]
    lines = [f"{'calls':>8} {'errors':>8} {'total_us':>10} {title}"]
    for name, (n, errors, us) in sorted(rows.items(), key=lambda r: (-r[1][2], r[0])):
        lines.append(f"{n:>8} {errors or '':>8} {us:>10.0f} {safe(name)}")
    return "\n".join(lines) + "\n"


def summary(calls):
    return table(calls, lambda c: c["syscall"], "syscall") + "\n" + table(calls, lambda c: place(c) or "(no line)", "line")


EXIT = {"violation": 159, "cancelled": 130, "error": 125}


def status(result):
    if result["outcome"] == "exited":
        return result["exit_code"] & 255
    if result["outcome"] == "signaled":
        return 128 + result["signal"]
    if result["outcome"] == "limit":
        return 124 if result["limit"] in ("wall_time", "cpu_time") else 137
    return EXIT.get(result["outcome"], 125)


def ending(result, out=None):
    """How the job ended, where that was not by itself."""
    out = out or sys.stderr
    if result["outcome"] == "violation":
        v = result["violations"][-1]
        print(f"trace-job: killed by its policy: {safe(v['syscall'])}({', '.join(map(safe, v['args']))})"
              + (f" [{safe(v['rule'])}]" if v["rule"] else "") + (f"; {safe(v['hint'])}" if v["hint"] else ""), file=out)
    elif result["outcome"] == "signaled":
        print(f"trace-job: ended by signal {result['signal']}", file=out)
    elif result["outcome"] == "limit":
        print(f"trace-job: ended by limit: {result['limit']}", file=out)
    elif result["outcome"] == "cancelled":
        print("trace-job: cancelled", file=out)
    elif result["outcome"] == "error":
        print(f"trace-job: error: {safe(result['error'] or '')}", file=out)
