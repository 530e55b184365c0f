"""A network namespace for tests, with public addresses of its own on its loopback, and name servers in it.

Nothing leaves it: whoever gets an address from here gets a server of the test's, or nobody.
"""
import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import threading

import network_lab
import support

PUBLIC, OTHER, PRIVATE, METADATA = "93.184.216.34", "93.184.216.35", "10.77.0.1", "169.254.169.254"
PUBLIC6 = "2606:2800:220:1::1"
DNS = "127.0.0.53"
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """None when namespaces can be made here, else the reason for a skip."""
    if not network_lab.find("ip") or not network_lab.find("nsenter"):
        return "missing: ip, nsenter"
    done = subprocess.run(["unshare", "--net", "--mount", "ip", "link", "set", "lo", "up"], capture_output=True)
    return None if done.returncode == 0 else "capability: network and mount namespaces need CAP_SYS_ADMIN"


class Namespace:
    """Lives as long as the process that holds it. `prefix` runs a command in it."""

    def __init__(self, folder):
        resolv = os.path.join(folder, "resolv.conf")
        with open(resolv, "w") as f:
            f.write(f"nameserver {DNS}\n")
        script = ("ip link set lo up; "
                  + "".join(f"ip addr add {a}/32 dev lo; " for a in (PUBLIC, OTHER, PRIVATE, METADATA))
                  + f"ip -6 addr add {PUBLIC6}/128 dev lo nodad 2>/dev/null; "
                  f"mount --bind {resolv} /etc/resolv.conf && echo ready && exec cat >/dev/null")
        self.holder = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", script], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        if self.holder.stdout.readline() != b"ready\n":
            raise AssertionError("the namespace is not ready")
        self.prefix = ["nsenter", "--net", "--mount", f"--target={self.holder.pid}", "--"]

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread makes meanwhile belong to the namespace."""
        with open("/proc/thread-self/ns/net") as back, open(f"/proc/{self.holder.pid}/ns/net") as there:
            assert _libc.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert _libc.setns(back.fileno(), CLONE_NEWNET) == 0

    def close(self):
        self.holder.stdin.close()
        self.holder.stdout.close()
        self.holder.wait(support.DEADLINE)


def _name_of(message):
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode())
        at += message[at] + 1
    return ".".join(labels), at + 5


class Dns:
    """A name server whose answers the test changes at will. `names`: name → a list of addresses and of other names (aliases),
    or a word: silent, garbage, refuse; `delay` is the time before each answer. Names it does not know do not exist."""

    def __init__(self, address=DNS, port=53):
        self.names, self.delay, self.asked = {}, 0, []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, port))
        self.waker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # of the same namespace
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            message, peer = self.sock.recvfrom(4096)
            if message == b"close":
                return
            self.asked.append(_name_of(message)[0])
            if self.delay:
                timer = threading.Timer(self.delay, self.reply, (message, peer))
                timer.daemon = True
                timer.start()
            else:
                self.reply(message, peer)

    def reply(self, message, peer):
        name, end = _name_of(message)
        what = self.names.get(name.lower())
        if what == "silent":
            return
        if what == "garbage":
            self.sock.sendto(message[:2] + os.urandom(200), peer)
            return
        if what in (None, "refuse"):
            self.sock.sendto(message[:2] + struct.pack(">HHHHH", 0x8180 | (3 if what is None else 5), 1, 0, 0, 0) + message[12:end], peer)
            return
        records, owner, kind = [], b"\xc0\x0c", struct.unpack(">H", message[end - 4:end - 2])[0]
        for item in what:
            if item[0].isalpha() and ":" not in item:
                target = b"".join(bytes([len(part)]) + part.encode() for part in item.split(".")) + b"\0"
                records.append(owner + struct.pack(">HHIH", 5, 1, 0, len(target)) + target)
                owner = target
                continue
            family = socket.AF_INET6 if ":" in item else socket.AF_INET
            if kind == (28 if ":" in item else 1):
                data = socket.inet_pton(family, item)
                records.append(owner + struct.pack(">HHIH", kind, 1, 0, len(data)) + data)
        with contextlib.suppress(OSError):
            self.sock.sendto(message[:2] + struct.pack(">HHHHH", 0x8180, 1, len(records), 0, 0) + message[12:end] + b"".join(records), peer)

    def close(self):
        self.waker.sendto(b"close", self.sock.getsockname())
        self.thread.join()
        self.waker.close()
        self.sock.close()
