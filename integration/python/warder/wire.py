"""The wire without a socket: requests to bytes, bytes to answers and notifications (msgpack-RPC)."""
from __future__ import annotations

import os
from typing import Any, Awaitable, Callable, Mapping, Optional, Tuple, Union

import msgpack

from .errors import Disconnected, request_error
from .results import Output

ANSWER_MAX = 1 << 28  # bytes: above what any supervisor is configured to send
READ_SIZE = 1 << 18

Path = Union[str, "os.PathLike[str]"]
OnOutput = Callable[[Output], None]
OnOutputAsync = Callable[[Output], Optional[Awaitable[None]]]


def default_socket() -> str:
    """WARDER_SOCKET; else /run/warder/warder.sock for root and where there is no runtime directory; else the user's own."""
    named = os.environ.get("WARDER_SOCKET")
    if named:
        return named
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return "/run/warder/warder.sock" if os.geteuid() == 0 or not runtime else os.path.join(runtime, "warder.sock")


class Wire:
    """One connection's framing. One request at a time: its notifications and its answer come before the next."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(raw=False, max_buffer_size=ANSWER_MAX, unicode_errors="replace")
        self._last = 0

    def request(self, method: str, params: Mapping[str, Any]) -> bytes:
        """The bytes of a request. Raises TypeError or ValueError for what cannot be packed."""
        self._last = (self._last + 1) & 0xFFFFFFFF
        packed: bytes = msgpack.packb([0, self._last, method, [dict(params)]])
        return packed

    def feed(self, data: bytes) -> None:
        try:
            self._unpacker.feed(data)
        except msgpack.BufferFull as e:
            raise Disconnected(f"the supervisor sent more than {ANSWER_MAX} bytes as one answer") from e

    def _message(self) -> Any:
        """The next whole one, None without. What the unpacker raises for bytes that are none is many things, and not its documented ones alone."""
        try:
            return next(self._unpacker, None)
        except (ValueError, TypeError, RecursionError, OverflowError, msgpack.UnpackException) as e:
            raise Disconnected(f"the supervisor sent what is no msgpack: {e!r:.80}") from e

    def next(self) -> Optional[Tuple[bool, Any]]:
        """(True, result) for the answer, (False, Output) for a piece of output, None when more bytes are needed.

        Raises the RequestError that the answer is, and Disconnected for what is no msgpack-RPC.
        """
        while True:
            message = self._message()
            if message is None:
                return None
            try:
                if message[0] == 1 and message[1] == self._last:
                    if message[2] is not None:
                        raise request_error(message[2])
                    return True, message[3]
                if message[0] == 2 and message[1] == "output":
                    return False, Output(message[2][0]["stream"], message[2][0]["data"])
            except (IndexError, KeyError, TypeError) as e:
                raise Disconnected(f"the supervisor sent what is no msgpack-RPC: {message!r:.80}") from e
