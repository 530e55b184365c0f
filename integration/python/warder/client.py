"""The client for threads."""
from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Iterator, List, Optional, Type

from .errors import Disconnected, TimedOut, Unreachable
from .jobs import LISTINGS, Bytes, job_params
from .results import JobInfo, Output, Package, Result
from .wire import READ_SIZE, OnOutput, Path, Wire, default_socket

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .jobs import JobFields

IDLE_MAX = 16  # connections kept open for the next calls


class _Connection:
    """One connection with at most one call under way. Closing it cancels that call's job."""

    def __init__(self, path: str, timeout: Optional[float]):
        self.wire = Wire()
        self.end: Optional[float] = None
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(timeout)
            self.sock.connect(path)
        except OSError as e:
            self.sock.close()
            raise Unreachable(f"no supervisor at {path}: {e}") from e

    def hang_up(self) -> None:
        """Closing alone is not enough: a child that was forked meanwhile has the socket, too."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def is_stale(self) -> bool:
        """Between calls nothing comes: what is readable is the end of the connection."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def _left(self) -> Optional[float]:
        if self.end is None:
            return None
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimedOut("no answer within the client's timeout")
        return left

    def begin(self, method: str, params: Any, timeout: Optional[float]) -> None:
        self.end = None if timeout is None else time.monotonic() + timeout
        data = self.wire.request(method, params)
        left = self._left()
        try:
            self.sock.settimeout(left)
            self.sock.sendall(data)
        except socket.timeout as e:
            raise TimedOut("the supervisor did not take the request within the client's timeout") from e
        except OSError:
            # it hangs up on what is too large, and says so before: that answer is read below
            pass

    def receive(self) -> Any:
        """What `Wire.next` tells, once there is something."""
        while True:
            got = self.wire.next()
            if got is not None:
                return got
            left = self._left()  # not below: before Python 3.10 socket.timeout is no TimeoutError, and TimedOut would be taken for an OSError
            try:
                self.sock.settimeout(left)
                data = self.sock.recv(READ_SIZE)
            except socket.timeout as e:
                raise TimedOut("no answer within the client's timeout") from e
            except OSError as e:
                raise Disconnected(f"the supervisor hung up: {e}") from e
            if not data:
                raise Disconnected("the supervisor hung up before it answered")
            self.wire.feed(data)


class Stream:
    """The output of a running job, piece by piece; `result` when it has ended.

        with client.stream("print(1)") as stream:
            for piece in stream:
                print(piece.stream, piece.data)
            print(stream.result.outcome)

    Leaving the block before the end cancels the job. For one thread; `Client.cancel(stream.job)` works from any.
    """

    def __init__(self, client: Client, params: Any):
        self.job: str = params["job"]
        self._client = client
        self._result: Optional[Result] = None
        self._connection: Optional[_Connection] = client._take()
        try:
            self._connection.begin("run", params, client.timeout)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Output]:
        while self._connection:
            try:
                done, value = self._connection.receive()
            except BaseException:
                self.close()
                raise
            if done:
                self._client._give_back(self._connection)
                self._connection = None
                self._result = Result.from_wire(value)
                return
            yield value

    @property
    def result(self) -> Result:
        """The result; reads on to the end first, and drops the output on the way (the result has all of it)."""
        for _ in self:
            pass
        if self._result is None:
            raise Disconnected("the stream was closed before the job had ended")
        return self._result

    def close(self) -> None:
        """Hangs up. A job that still runs is cancelled, unless it has `detach`."""
        if self._connection:
            self._connection.hang_up()
            self._connection = None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()


class Client:
    """Talks to a supervisor. May be shared by threads, and used on in a forked child.

    `path`: the socket; default `default_socket()`. `timeout`: seconds that a call may take from sending to answer, None
    for ever; jobs have limits of their own. Each call has a connection to itself, kept for the next; leaving a call by an
    exception (also KeyboardInterrupt) hangs up, and that cancels its job.
    """

    def __init__(self, path: Optional[Path] = None, timeout: Optional[float] = None):
        self.path = os.fspath(path) if path is not None else default_socket()
        self.timeout = timeout
        self._lock = threading.Lock()
        self._idle: List[_Connection] = []
        self._pid = os.getpid()

    def _leave_parent(self) -> None:
        """In a forked child the parent's connections are not ours to use, and its lock may be held by a thread that is not here."""
        if self._pid != os.getpid():
            self._lock, self._idle, self._pid = threading.Lock(), [], os.getpid()

    def _take(self) -> _Connection:
        self._leave_parent()
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_stale():
                    return connection
                connection.hang_up()
        return _Connection(self.path, self.timeout)

    def _give_back(self, connection: _Connection) -> None:
        mine = self._pid == os.getpid()
        self._leave_parent()
        with self._lock:
            if len(self._idle) < IDLE_MAX and mine:
                self._idle.append(connection)
                return
        connection.hang_up()

    def _call(self, method: str, params: Any, on_output: Optional[OnOutput] = None) -> Any:
        connection = self._take()
        try:
            connection.begin(method, params, self.timeout)
            while True:
                done, value = connection.receive()
                if done:
                    break
                if on_output:
                    on_output(value)
        except BaseException:
            connection.hang_up()
            raise
        self._give_back(connection)
        return value

    def call(self, method: str, **params: Any) -> Any:
        """Any method of the supervisor, its answer as it came.

        Raises RequestError, Unreachable, Disconnected, TimedOut; as all methods here do.
        """
        return self._call(method, params)

    def run(self, code: Bytes, language: str = "python3", *, check: bool = False, on_output: Optional[OnOutput] = None,
            **fields: Unpack[JobFields]) -> Result:
        """Runs one job and waits for its result.

        `language` is python3 or nodejs; `fields` are those of `JobFields`. `on_output` is called with each piece of output
        as it comes; the result has all of it besides. With `check` a job that does not exit with 0 raises JobFailed.
        """
        params = job_params(code, language, on_output is not None, fields)
        result = Result.from_wire(self._call("run", params, on_output))
        return result.check() if check else result

    def stream(self, code: Bytes, language: str = "python3", **fields: Unpack[JobFields]) -> Stream:
        """Starts one job; its output comes by iterating. A refused request raises on the first step."""
        return Stream(self, job_params(code, language, True, fields))

    def cancel(self, job: str) -> bool:
        """Ends a job of this user by its id. False: there is none (any more)."""
        return bool(self.call("cancel", job=job)["cancelled"])

    def jobs(self) -> List[JobInfo]:
        """The jobs of this user that wait or run; an operator sees everybody's."""
        return [JobInfo.from_wire(j) for j in self.call("jobs")]

    def packages(self, language: str = "python3", **fields: Unpack[JobFields]) -> List[Package]:
        """What a job with these fields can import beside the standard library, by name; a job of that language tells it."""
        return (self.run(LISTINGS.get(language, ""), language, **fields)).packages()

    def dependencies(self, language: str = "python3") -> List[Package]:
        """The packages of that language's tree `default`."""
        return [Package(p["name"], p["version"]) for p in self.call("dependencies", language=language)]

    def update_dependencies(self, language: str = "python3", *, refresh: bool = False) -> List[Package]:
        """Has the supervisor install what its file of requirements names, or with `refresh` the same again; operators and `installers` alone.

        Takes as long as that takes, and is ended by hanging up. Raises Failed with what hindered.
        """
        method = "dependencies.refresh" if refresh else "dependencies.update"
        return [Package(p["name"], p["version"]) for p in self.call(method, language=language)]

    def status(self) -> Any:
        """Version, layers, pool, queue and totals of the supervisor, as a dict."""
        return self.call("status")

    def policies(self) -> List[str]:
        """The names of the policies."""
        return [str(name) for name in self.call("policies")]

    def close(self) -> None:
        """Closes the connections that are kept. Calls under way go on; a later call opens new ones."""
        self._leave_parent()
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.hang_up()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()
