"""What can go wrong, as exceptions. All are `WarderError`s.

    WarderError
      Unreachable        no supervisor listens at the socket
      Disconnected       the supervisor hung up before it answered
      TimedOut           no answer within the client's timeout
      RequestError       the supervisor refused the request; the job was never accepted
        BadRequest  UnknownMethod  UnknownPolicy  NotPermitted  TooLarge  Busy  ShuttingDown  Failed
      JobFailed          the job ran, or should have, and did not exit with 0 (only on request: check=True)
        JobExited  JobSignaled  JobViolated  JobLimited  JobCancelled  JobBroken
"""
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Dict, Optional, Type

if TYPE_CHECKING:
    from .results import Result, Violation


class WarderError(Exception):
    """Anything that this package raises of itself."""


class Unreachable(WarderError, ConnectionError):
    """No supervisor listens at the socket, or it may not be opened by this user."""


class Disconnected(WarderError, ConnectionError):
    """The supervisor hung up before it answered. The job was cancelled, unless it had `detach`."""


class TimedOut(WarderError, TimeoutError):
    """There was no answer within the client's `timeout`. The job was cancelled, unless it had `detach`."""


class RequestError(WarderError):
    """The supervisor refused a request. `code` is its word for why, `message` the rest."""
    code = ""

    def __init__(self, text: str):
        super().__init__(text)
        code, colon, message = text.partition(": ")
        self.code = code if colon else self.code
        self.message = message if colon else text


class BadRequest(RequestError):
    """A field is unknown, missing or wrong; the message names it."""
    code = "bad_request"


class UnknownMethod(RequestError):
    """The supervisor does not know the method, being older than this client."""
    code = "unknown_method"


class UnknownPolicy(RequestError):
    """No policy has that name; `Client.policies()` lists them."""
    code = "unknown_policy"


class NotPermitted(RequestError):
    """Only an operator may, or a grant is outside the policy's `callers_may`."""
    code = "not_permitted"


class TooLarge(RequestError):
    """The request has more bytes than a message may have."""
    code = "too_large"


class Busy(RequestError):
    """The queue is full. `retry_s`: seconds after which another try makes sense."""
    code = "busy"

    @property
    def retry_s(self) -> float:
        found = re.search(r"retry in (\d+) ms", self.message)
        return int(found.group(1)) / 1000 if found else 0.1


class ShuttingDown(RequestError):
    """The supervisor is going down. The job has not run."""
    code = "shutting_down"


class Failed(RequestError):
    """The supervisor tried and could not: packages were not installed, the message tells why."""
    code = "failed"


class JobFailed(WarderError):
    """A job did not exit with 0. `result` is its whole result."""

    def __init__(self, result: Result):
        super().__init__(result.explain())
        self.result = result

    def __reduce__(self) -> tuple[Type[JobFailed], tuple[Result]]:
        return type(self), (self.result,)

    @property
    def violation(self) -> Optional[Violation]:
        """The call that killed the job; else the last one that it was refused; None without any."""
        return self.result.violations[-1] if self.result.violations else None


class JobExited(JobFailed):
    """The job exited with a code that is not 0: `result.exit_code`."""


class JobSignaled(JobFailed):
    """A signal ended the job: `result.signal`."""


class JobViolated(JobFailed):
    """The job made a call that its policy kills: `violation`."""


class JobLimited(JobFailed):
    """A limit ended the job: `result.limit` (wall_time, cpu_time, memory, output, tmp)."""


class JobCancelled(JobFailed):
    """The job was cancelled."""


class JobBroken(JobFailed):
    """Warder itself failed the job: `result.error` says how."""


REQUEST_ERRORS: Dict[str, Type[RequestError]] = {
    cls.code: cls for cls in (BadRequest, UnknownMethod, UnknownPolicy, NotPermitted, TooLarge, Busy, ShuttingDown, Failed)}
JOB_ERRORS: Dict[str, Type[JobFailed]] = {
    "exited": JobExited, "signaled": JobSignaled, "violation": JobViolated, "limit": JobLimited, "cancelled": JobCancelled,
    "error": JobBroken}


def request_error(text: object) -> RequestError:
    """The exception for an error answer, `code: message`."""
    words = text if isinstance(text, str) else repr(text)
    return REQUEST_ERRORS.get(words.partition(":")[0], RequestError)(words)
