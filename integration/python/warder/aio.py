"""The client for asyncio: the same methods, awaited."""
from __future__ import annotations

import asyncio
import inspect
import os
from types import TracebackType
from typing import TYPE_CHECKING, Any, AsyncIterator, Awaitable, List, Optional, Type, TypeVar

from .client import IDLE_MAX
from .errors import Disconnected, TimedOut, Unreachable
from .jobs import LISTINGS, Bytes, job_params
from .results import JobInfo, Output, Package, Result
from .wire import READ_SIZE, OnOutputAsync, Path, Wire, default_socket

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .jobs import JobFields

T = TypeVar("T")


class _AsyncConnection:
    """One connection with at most one call under way. Closing it cancels that call's job."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.wire = Wire()
        self.reader, self.writer = reader, writer

    def is_stale(self) -> bool:
        return self.reader.at_eof() or self.writer.is_closing()

    def close(self) -> None:
        self.writer.close()

    def begin(self, method: str, params: Any) -> None:
        # Not drained: it hangs up on what is too large, and says so before. That answer is read while the rest is on its way, since
        # asyncio gives nothing more to read once a write has failed.
        self.writer.write(self.wire.request(method, params))

    async def receive(self) -> Any:
        """What `Wire.next` tells, once there is something."""
        while True:
            got = self.wire.next()
            if got is not None:
                return got
            try:
                data = await self.reader.read(READ_SIZE)
            except OSError as e:
                raise Disconnected(f"the supervisor hung up: {e}") from e
            if not data:
                raise Disconnected("the supervisor hung up before it answered")
            self.wire.feed(data)


class AsyncStream:
    """The output of a running job, piece by piece; `result` when it has ended.

        async with client.stream("print(1)") as stream:
            async for piece in stream:
                print(piece.stream, piece.data)
            print((await stream.result()).outcome)

    Leaving the block before the end cancels the job.
    """

    def __init__(self, client: AsyncClient, params: Any):
        self.job: str = params["job"]
        self._client, self._params = client, params
        self._result: Optional[Result] = None
        self._connection: Optional[_AsyncConnection] = None
        self._begun = self._closed = False

    async def _begin(self) -> _AsyncConnection:
        if self._closed:
            raise Disconnected("the stream was closed before the job had ended")
        self._connection = self._connection or await self._client._take()
        if not self._begun:
            self._begun = True
            self._connection.begin("run", self._params)
        return self._connection

    async def __aiter__(self) -> AsyncIterator[Output]:
        while self._result is None:
            try:
                done, value = await self._client._timed(self._step())
            except BaseException:
                self.close()
                raise
            if not done:
                yield value

    async def _step(self) -> Any:
        connection = await self._begin()
        done, value = await connection.receive()
        if done:
            self._result = Result.from_wire(value)
            self._connection = None
            self._client._give_back(connection)
        return done, value

    async def result(self) -> Result:
        """The result; reads on to the end first, and drops the output on the way (the result has all of it)."""
        async for _ in self:
            pass
        assert self._result is not None
        return self._result

    def close(self) -> None:
        """Hangs up. A job that still runs is cancelled, unless it has `detach`."""
        self._closed = True
        if self._connection:
            self._connection.close()
            self._connection = None

    async def __aenter__(self) -> AsyncStream:
        try:
            await self._client._timed(self._begin())
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        self.close()


class AsyncClient:
    """Talks to a supervisor from one event loop; any number of tasks may share it.

    `path`: the socket; default `default_socket()`. `timeout`: seconds that a call, or one step of a stream, may take, None
    for ever; jobs have limits of their own. Each call has a connection to itself, kept for the next; cancelling the task
    hangs up, and that cancels its job.
    """

    def __init__(self, path: Optional[Path] = None, timeout: Optional[float] = None):
        self.path = os.fspath(path) if path is not None else default_socket()
        self.timeout = timeout
        self._idle: List[_AsyncConnection] = []

    async def _take(self) -> _AsyncConnection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_stale():
                return connection
            connection.close()
        try:
            return _AsyncConnection(*await asyncio.open_unix_connection(self.path, limit=READ_SIZE))
        except OSError as e:
            raise Unreachable(f"no supervisor at {self.path}: {e}") from e

    def _give_back(self, connection: _AsyncConnection) -> None:
        if len(self._idle) < IDLE_MAX:
            self._idle.append(connection)
        else:
            connection.close()

    async def _timed(self, work: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(work, self.timeout)
        except asyncio.TimeoutError as e:
            if isinstance(e, TimedOut):
                raise
            raise TimedOut("no answer within the client's timeout") from e

    async def _exchange(self, method: str, params: Any, on_output: Optional[OnOutputAsync]) -> Any:
        connection = await self._take()
        try:
            connection.begin(method, params)
            while True:
                done, value = await connection.receive()
                if done:
                    break
                if on_output:
                    told = on_output(value)
                    if inspect.isawaitable(told):
                        await told
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)
        return value

    async def _call(self, method: str, params: Any, on_output: Optional[OnOutputAsync] = None) -> Any:
        return await self._timed(self._exchange(method, params, on_output))

    async def call(self, method: str, **params: Any) -> Any:
        """Any method of the supervisor, its answer as it came.

        Raises RequestError, Unreachable, Disconnected, TimedOut; as all methods here do.
        """
        return await self._call(method, params)

    async def run(self, code: Bytes, language: str = "python3", *, check: bool = False, on_output: Optional[OnOutputAsync] = None,
                  **fields: Unpack[JobFields]) -> Result:
        """Runs one job and waits for its result; see `Client.run`. `on_output` may be a coroutine function, too."""
        params = job_params(code, language, on_output is not None, fields)
        result = Result.from_wire(await self._call("run", params, on_output))
        return result.check() if check else result

    def stream(self, code: Bytes, language: str = "python3", **fields: Unpack[JobFields]) -> AsyncStream:
        """One job whose output comes by iterating; it starts with `async with`, or with the first step."""
        return AsyncStream(self, job_params(code, language, True, fields))

    async def cancel(self, job: str) -> bool:
        """Ends a job of this user by its id. False: there is none (any more)."""
        return bool((await self.call("cancel", job=job))["cancelled"])

    async def jobs(self) -> List[JobInfo]:
        """The jobs of this user that wait or run; an operator sees everybody's."""
        return [JobInfo.from_wire(j) for j in await self.call("jobs")]

    async def packages(self, language: str = "python3", **fields: Unpack[JobFields]) -> List[Package]:
        """What a job with these fields can import beside the standard library, by name; a job of that language tells it."""
        return (await self.run(LISTINGS.get(language, ""), language, **fields)).packages()

    async def dependencies(self, language: str = "python3") -> List[Package]:
        """The packages of that language's tree `default`."""
        return [Package(p["name"], p["version"]) for p in await self.call("dependencies", language=language)]

    async def update_dependencies(self, language: str = "python3", *, refresh: bool = False) -> List[Package]:
        """Has the supervisor install what its file of requirements names, or with `refresh` the same again; operators and `installers` alone.

        Takes as long as that takes, and is ended by hanging up. Raises Failed with what hindered.
        """
        method = "dependencies.refresh" if refresh else "dependencies.update"
        return [Package(p["name"], p["version"]) for p in await self.call(method, language=language)]

    async def status(self) -> Any:
        """Version, layers, pool, queue and totals of the supervisor, as a dict."""
        return await self.call("status")

    async def policies(self) -> List[str]:
        """The names of the policies."""
        return [str(name) for name in await self.call("policies")]

    async def close(self) -> None:
        """Closes the connections that are kept. Calls under way go on; a later call opens new ones."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
            try:
                await connection.writer.wait_closed()
            except OSError:
                pass

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        await self.close()
