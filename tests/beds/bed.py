"""What containers and virtual machines of the tests have in common: a root file system, a copy of the build, counts of what ran.

All that is made here lies in BUILD/beds and is kept: the root file system until the release, the packages or the libraries of the build
change. Nothing of the machine is touched outside of it, but for mounts in namespaces of their own.
"""
import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("WARDER_BUILD", os.path.join(ROOT, "build")))
BEDS = os.path.join(BUILD, "beds")
PACKAGES = ["python3", "python3-msgpack", "python3-jinja2", "python3-numpy", "python3-yaml", "nodejs", "iproute2", "tzdata", "ca-certificates"]
# arm64's is unpacked and never configured, since none of its programs run here: what all Debians have is named, too, and what a build takes
ARM64_PACKAGES = ["python3", "python3-msgpack", "python3-jinja2", "python3-yaml", "nodejs", "iproute2", "tzdata", "ca-certificates", "base-files",
                  "base-passwd", "bash", "dash", "coreutils", "findutils", "grep", "sed", "tar", "mount", "util-linux", "procps", "busybox-static",
                  "libc6-dev", "libseccomp-dev", "libev-dev", "libmsgpack-dev", "libyaml-dev", "libc-ares-dev", "libmicrohttpd-dev", "libjson-c-dev",
                  "python3-dev", "libnode-dev", "libcmocka-dev"]
# what the tests take from the build directory
PARTS = ["warderd", "warder", "warder-http", "tracee", "tests", "bench"]
LAST_LINE = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


class Missing(Exception):
    """This machine cannot make the bed; the text says what it takes."""


def run(*command, **more):
    """Runs a command quietly; what it said is in the error."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]}: status {done.returncode}\n{done.stdout[-2000:]}")
    return done.stdout


def need(*tools):
    missing = [t for t in tools if not shutil.which(t, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    if missing:
        raise Missing("missing " + ", ".join(missing) + ": tools/setup beds installs what it takes")
    if os.geteuid():
        raise Missing("capability: root makes the beds")


def debian_release():
    with open("/etc/os-release") as f:
        facts = dict(line.rstrip("\n").split("=", 1) for line in f if "=" in line)
    return facts.get("VERSION_CODENAME", "").strip('"') or "stable"


def libraries():
    """The packages of the libraries that the build's programs are linked with."""
    programs = [os.path.join(BUILD, p) for p in ("warderd", "warder", "warder-http")]
    tests = os.path.join(BUILD, "tests")
    programs += [os.path.join(tests, p) for p in sorted(os.listdir(tests)) if "." not in p]
    paths = set(re.findall(r"=> (/\S+)", run("ldd", *programs)))
    found = set()
    for path in paths:
        for name in (path, "/usr" + path, path.removeprefix("/usr")):
            told = subprocess.run(["dpkg", "-S", name], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
            found.update(line.split(":")[0] for line in told.splitlines())
    return sorted(found)


def make_root(name, packages, *options):
    """A Debian of the machine's own release in BUILD/beds/NAME; whether it is new."""
    need("mmdebstrap")
    wanted = hashlib.sha256(" ".join([debian_release(), *options, *packages]).encode()).hexdigest()
    path, stamp = os.path.join(BEDS, name), os.path.join(BEDS, name + ".stamp")
    os.makedirs(BEDS, exist_ok=True)
    with open(os.path.join(BEDS, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(stamp) and open(stamp).read() == wanted:
            return path
        print(f"beds: making {path}", flush=True)
        shutil.rmtree(path, ignore_errors=True)
        run("mmdebstrap", *options, "--include=" + ",".join(packages), debian_release(), path)
        os.mkdir(os.path.join(path, "src"))
        for what in ("passwd", "group"):  # which an unpacked system has not made yet
            master = os.path.join(path, f"usr/share/base-passwd/{what}.master")
            if not os.path.exists(os.path.join(path, "etc", what)):
                shutil.copy(master, os.path.join(path, "etc", what))
        for folder in ("proc", "sys", "run", "root", "home", "srv", "mnt", "var/tmp", "tmp"):
            os.makedirs(os.path.join(path, folder), exist_ok=True)
        with open(stamp, "w") as f:
            f.write(wanted)
    return path


def root_fs():
    """With the interpreters, in BUILD/beds/rootfs."""
    return make_root("rootfs", sorted({*PACKAGES, *libraries()}), "--variant=minbase")


def root_fs_arm64():
    """The same for arm64, with the headers of a build."""
    return make_root("rootfs-arm64", ARM64_PACKAGES, "--arch=arm64", "--variant=extract", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr")


def build_arm64():
    """Warder and its tests for arm64, made against that root file system. Returns the build directory."""
    need("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-g++")
    root, path = root_fs_arm64(), os.path.join(BEDS, "arm64")
    tools = [f"{name}=aarch64-linux-gnu-{tool} --sysroot={root}" for name, tool in (("CC", "gcc"), ("CXX", "g++"))]
    python = sorted(glob.glob(f"{root}/usr/include/python3.*"))
    env = {**os.environ, "PKG_CONFIG_LIBDIR": f"{root}/usr/lib/aarch64-linux-gnu/pkgconfig", "PKG_CONFIG_SYSROOT_DIR": root}
    print("beds: building for arm64", flush=True)
    run("make", "-C", ROOT, f"-j{os.cpu_count()}", *tools, "BUILD=" + path, "EXTRA_CFLAGS=-Werror",
        f"PY_INCLUDES=-I{python[0]} -I{root}/usr/include", f"NODE_INCLUDE={root}/usr/include/node", "test-programs", env=env)
    return path


def copy_of_build(name, uid=0, build=BUILD):
    """A copy that belongs to `uid`: tests write their logs beside the programs."""
    path = os.path.join(BEDS, "build-" + name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    for part in PARTS:
        source = os.path.join(build, part)
        if os.path.exists(source):
            run("cp", "-a", source, path)
    run("chown", "-R", f"{uid}:{uid}", path)
    run("chmod", "-R", "u+rwX,go+rX", path)
    return path


def modules(name):
    """The modules that beds/NAME lists: suite/module, then the reason."""
    with open(os.path.join(HERE, name)) as f:
        rows = [line.split(None, 1) for line in f if line.strip() and not line.startswith("#")]
    for row in rows:
        if len(row) != 2:
            sys.exit(f"beds/{name}: {row[0]}: has no reason")
    return [row[0] for row in rows]


def counts(output):
    """(passed, failed, skipped) of the last line of tests/run; None when it did not come so far."""
    found = LAST_LINE.findall(output)
    return tuple(int(n or 0) for n in found[-1]) if found else None


def by_module(output):
    """{module: "N held", or what was not} of a run's whole output."""
    told = {}
    for name, tests in re.findall(r"^((?:e2e|attacks)/\w+): (\d+) tests, ", output, re.M):
        failed = len(re.findall(rf"^  FAIL {name}\b", output, re.M))
        skipped = len(re.findall(rf"^  skip {name}\b", output, re.M))
        told[name] = f"{failed} of {tests} FAILED" if failed else f"{int(tests) - skipped} held" + (f", {skipped} skipped" if skipped else "")
    return told


def table(head, rows):
    """Prints rows as Markdown reads them, and returns the lines."""
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    lines = ["| " + " | ".join(str(cell).ljust(w) for cell, w in zip(row, widths)) + " |" for row in [head, ["-" * w for w in widths], *rows]]
    print("\n".join(lines))
    return lines


def write_between(path, mark, lines):
    """Puts lines where a file says <!-- mark -->, up to <!-- end of mark -->."""
    with open(path) as f:
        text = f.read()
    begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
    head, _, rest = text.partition(begin)
    with open(path, "w") as f:
        f.write(head + begin + "\n".join(lines) + "\n" + end + rest.partition(end)[2])
