"""python -m warder: runs jobs in a running supervisor, and asks it. See `python -m warder --help`."""
from __future__ import annotations

import argparse
import base64
import dataclasses
import json
import os
import sys
from typing import Any, Dict, Optional, Sequence, Tuple

from . import Client, Output, Result, WarderError, default_socket
from .jobs import Grants

BY_OUTCOME = {"violation": 159, "cancelled": 130, "error": 125}
BY_LIMIT = {"wall_time": 124, "cpu_time": 124}
OWN_FAULT, OTHER_LIMIT, NOBODY_READS = 125, 137, 141
SUFFIXES = {".js": "nodejs", ".mjs": "nodejs", ".cjs": "nodejs"}


def exit_status(result: Result) -> int:
    """The job's own; 124 for time, 137 for another limit, 159 by policy, 130 cancelled, 128 + N by signal, 125 Warder's fault."""
    if result.outcome == "exited":
        return result.exit_code or 0
    if result.outcome == "signaled":
        return 128 + (result.signal or 0)
    if result.outcome == "limit":
        return BY_LIMIT.get(result.limit or "", OTHER_LIMIT)
    return BY_OUTCOME.get(result.outcome, OWN_FAULT)


def escaped(text: str) -> str:
    """Text of a job's making, fit for a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def as_json(value: Any) -> Any:
    """What json.dumps takes: bytes as text, or as {"base64": …} where they are not UTF-8."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {k: as_json(v) for k, v in value.items()}
    return [as_json(v) for v in value] if isinstance(value, list) else value


def show_json(value: Any) -> None:
    print(json.dumps(as_json(value), ensure_ascii=False, indent=2))


def pair(text: str) -> Tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text}: must be NAME=VALUE")
    return name, value


def limit(text: str) -> Tuple[str, int]:
    name, value = pair(text)
    if not value.isdigit():
        raise argparse.ArgumentTypeError(f"{text}: must be NAME=NUMBER")
    return name, int(value)


def read(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    with open(path, "rb") as f:
        return f.read()


def write_out(piece: Output) -> None:
    out = sys.stdout.buffer if piece.stream == "stdout" else sys.stderr.buffer
    out.write(piece.data)
    out.flush()


def save(files: Dict[str, bytes], folder: str) -> None:
    """Writes collected files below a folder. Names are the supervisor's, relative and without `..`; checked all the same."""
    root = os.path.realpath(folder)
    for name, data in files.items():
        path = os.path.join(root, name)
        if os.path.commonpath([root, os.path.realpath(path)]) != root:
            raise WarderError(f"{escaped(name)}: leads out of {folder}")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)


def grants_of(args: argparse.Namespace) -> Optional[Grants]:
    grants: Grants = {}
    if args.allow_read:
        grants["read"] = [os.path.abspath(p) for p in args.allow_read]
    if args.allow_write:
        grants["write"] = [os.path.abspath(p) for p in args.allow_write]
    if args.allow_connect:
        grants["connect"] = args.allow_connect
    return grants or None


def command_run(client: Client, args: argparse.Namespace) -> int:
    limits: Any = dict(args.limit)
    if args.timeout:
        limits["wall_ms"] = int(args.timeout * 1000)
    language = args.language or SUFFIXES.get(os.path.splitext(args.file)[1], "python3")
    filename = None if args.file == "-" else os.path.basename(args.file)
    result = client.run(
        read(args.file), language, on_output=None if args.json else write_out, policy=args.policy, filename=filename,
        args=args.args, env=dict(args.env) or None, stdin=read(args.stdin) if args.stdin else None,
        files={name: read(path) for name, path in args.file_in} or None, collect=args.collect, grants=grants_of(args),
        limits=limits or None, dependencies=args.dependencies)
    if args.output_dir:
        save(result.files, args.output_dir)
    if args.json:
        show_json(dataclasses.asdict(result))
        return exit_status(result)
    for violation in result.violations:
        print(f"warder: {escaped(str(violation))}", file=sys.stderr)
    if result.outcome not in ("exited", "violation"):
        print(f"warder: job {escaped(result.reason())}", file=sys.stderr)
    return exit_status(result)


def command_cancel(client: Client, args: argparse.Namespace) -> int:
    done = client.cancel(args.job)
    if not done:
        print(f"warder: no job {args.job}", file=sys.stderr)
    return 0 if done else 1


def command_jobs(client: Client, args: argparse.Namespace) -> int:
    show_json([dataclasses.asdict(j) for j in client.jobs()])
    return 0


def command_status(client: Client, args: argparse.Namespace) -> int:
    show_json(client.status())
    return 0


def command_packages(client: Client, args: argparse.Namespace) -> int:
    for package in client.packages(args.language, policy=args.policy, dependencies=args.dependencies):
        print(escaped(f"{package.name} {package.version}"))
    return 0


def command_policies(client: Client, args: argparse.Namespace) -> int:
    print("\n".join(client.policies()))
    return 0


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m warder", description="Runs jobs in a running Warder supervisor, and asks it.")
    socket = f"default: WARDER_SOCKET, else {default_socket()}"
    p.add_argument("--socket", default=None, metavar="PATH", help=socket)
    both = argparse.ArgumentParser(add_help=False)  # before the command or behind it
    both.add_argument("--socket", default=argparse.SUPPRESS, metavar="PATH", help=socket)
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", parents=[both], help="run one job", epilog="Exit status: the job's own; 124 time, 137 another limit, 159 killed "
                              "by its policy, 130 cancelled, 128 + N signal N, 141 nobody reads stdout, 125 Warder itself failed.")
    run.add_argument("file", metavar="FILE|-")
    run.add_argument("args", nargs="*", metavar="ARG", help="for the job")
    run.add_argument("--language", choices=("python3", "nodejs"), help="guessed from the suffix")
    run.add_argument("--policy", metavar="NAME")
    run.add_argument("--allow-read", action="append", metavar="PATH")
    run.add_argument("--allow-write", action="append", metavar="PATH")
    run.add_argument("--allow-connect", action="append", metavar="HOST:PORT")
    run.add_argument("--env", action="append", default=[], type=pair, metavar="K=V")
    run.add_argument("--file", action="append", default=[], type=pair, metavar="NAME=PATH", dest="file_in", help="put into /tmp")
    run.add_argument("--collect", action="append", metavar="GLOB", help="files under /tmp that come back")
    run.add_argument("--output-dir", metavar="DIR", help="where they go")
    run.add_argument("--stdin", metavar="FILE")
    run.add_argument("--timeout", type=float, metavar="SECONDS")
    run.add_argument("--limit", action="append", default=[], type=limit, metavar="NAME=N", help="such as memory_mib=512")
    run.add_argument("--dependencies", metavar="NAME", help="a prebuilt tree of packages")
    run.add_argument("--json", action="store_true", help="print the whole result")
    run.set_defaults(do=command_run)

    cancel = commands.add_parser("cancel", parents=[both], help="end a job")
    cancel.add_argument("job", metavar="JOB")
    cancel.set_defaults(do=command_cancel)
    packages = commands.add_parser("packages", parents=[both], help="list what jobs can import")
    packages.add_argument("--language", choices=("python3", "nodejs"), default="python3")
    packages.add_argument("--policy", metavar="NAME")
    packages.add_argument("--dependencies", metavar="NAME")
    packages.set_defaults(do=command_packages)
    for name, do, words in (("jobs", command_jobs, "list the jobs that wait or run"),
                            ("status", command_status, "what the supervisor says of itself"),
                            ("policies", command_policies, "list the policies")):
        commands.add_parser(name, parents=[both], help=words).set_defaults(do=do)
    return p


def main(argv: Optional[Sequence[str]] = None) -> int:
    args = parser().parse_args(argv)
    try:
        with Client(args.socket) as client:
            status: int = args.do(client, args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # what is still buffered has nowhere to go, either: the interpreter would complain of it at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    except (WarderError, OSError) as e:
        print(f"warder: {escaped(str(e))}", file=sys.stderr)
        return OWN_FAULT
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
