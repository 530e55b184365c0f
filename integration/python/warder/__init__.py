"""Runs untrusted Python and Node.js code in Warder, over its Unix socket.

    import warder

    with warder.Client() as client:
        result = client.run("print(6 * 7)")
        print(result.text)                                      # "42\\n"

`Client` is for threads, `AsyncClient` the same for asyncio. Both take the socket's path; without one
WARDER_SOCKET, else the default place. A job that fails is a result like any other; `check=True`, or
`Result.check()`, makes it an exception: `Violation`s are inside.

Times are milliseconds where a name ends in `_ms`, and seconds where nothing is said; sizes are bytes, KiB or MiB
as the name says.
"""
from .aio import AsyncClient, AsyncStream
from .client import Client, Stream
from .errors import (BadRequest, Busy, Disconnected, Failed, JobBroken, JobCancelled, JobExited, JobFailed, JobLimited, JobSignaled,
                     JobViolated, NotPermitted, RequestError, ShuttingDown, TimedOut, TooLarge, Unreachable, UnknownMethod,
                     UnknownPolicy, WarderError)
from .jobs import Grants, JobFields, Limits
from .results import Dropped, JobInfo, Output, Package, Result, Usage, Violation
from .wire import default_socket

__version__ = "0.1.0"
__all__ = [
    "AsyncClient", "AsyncStream", "BadRequest", "Busy", "Client", "Disconnected", "Dropped", "Failed", "Grants", "JobBroken", "JobCancelled",
    "JobExited", "JobFailed", "JobFields", "JobInfo", "JobLimited", "JobSignaled", "JobViolated", "Limits", "NotPermitted",
    "Output", "Package", "RequestError", "Result", "ShuttingDown", "Stream", "TimedOut", "TooLarge", "Unreachable", "UnknownMethod",
    "UnknownPolicy", "Usage", "Violation", "WarderError", "default_socket",
]
