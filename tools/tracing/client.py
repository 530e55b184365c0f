"""A supervisor, one of its own or a running one, and one connection to it."""
import os
import shutil
import socket
import subprocess

import msgpack

TOOLS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
END_SECONDS = 10


class Failed(Exception):
    """What trace-job tells and ends with status 125."""


def program():
    """warderd: of the build directory beside this folder, of the installation that this file is part of, else in PATH."""
    build = os.environ.get("WARDER_BUILD", os.path.join(os.path.dirname(TOOLS), "build"))
    for path in (os.path.join(build, "warderd"), os.path.join(TOOLS, "..", "..", "bin", "warderd"), shutil.which("warderd") or ""):
        if os.access(path, os.X_OK):
            return path
    raise Failed("warderd is not built: run make")


def default_socket():
    if os.geteuid() == 0:
        return "/run/warder/warder.sock"
    return os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/nowhere"), "warder.sock")


class Client:
    """`notify(method, params)` is called for every notification, in order with the answers."""

    def __init__(self, path=None, config=None, policy_dirs=()):
        self.child = None
        self.notify = lambda method, params: None
        self.answers = {}
        self.last = 0
        self.unpacker = msgpack.Unpacker(raw=False, max_buffer_size=1 << 29, unicode_errors="surrogateescape")
        try:
            if path:
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.connect(path)
            else:
                self.embed(config, policy_dirs)
        except OSError as e:
            raise Failed(f"{path or 'supervisor'}: {e.strerror}") from None

    def embed(self, config, policy_dirs):
        """As `warder run` does: the supervisor ends at hang-up. A group of its own keeps the terminal's Ctrl-C with us."""
        self.sock, theirs = socket.socketpair(socket.AF_UNIX)
        with theirs:
            command = [program(), "--serve-fd", str(theirs.fileno()), "--log-level", "warn"]
            command += ["--config", config] if config else []
            for d in policy_dirs:
                command += ["--policy-dir", d]
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=[theirs.fileno()],
                                          process_group=0)

    def send(self, method, params):
        self.last += 1
        self.sock.sendall(msgpack.packb([0, self.last, method, [params]], unicode_errors="surrogateescape"))
        return self.last

    def receive(self):
        data = self.sock.recv(1 << 18)
        if not data:
            raise Failed("the supervisor hung up")
        self.unpacker.feed(data)
        for message in self.unpacker:
            if message[0] == 1:
                self.answers[message[1]] = message[2:]
            elif message[0] == 2:
                self.notify(message[1], message[2][0])

    def wait(self, msgid):
        while msgid not in self.answers:
            self.receive()
        error, result = self.answers.pop(msgid)
        if error is not None:
            raise Failed(error)
        return result

    def close(self):
        self.sock.close()
        if self.child:
            try:
                self.child.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
            self.child = None
