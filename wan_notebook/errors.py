"""Everything that can go wrong, as one tree.

::

    WanError
    |- ConfigurationError                 no key, unknown region, bad folder
    |- InvalidRequestError (ValueError)   every problem of the request at once
    |- BudgetError                        would cost more than allowed, or the price is unknown and nobody said yes
    |- TransportError                     no answer came
    |  `- AmbiguousSubmitError            the paid POST may have been accepted: never resent blindly
    |- ServiceError                       an answer that says no
    |  |- AuthenticationError             wrong, missing or wrong-region key
    |  `- RateLimitError                  too many requests; ``retry_after``
    |- TaskError                          a task that ended without a clip; holds the Task
    |  |- TaskFailedError
    |  |- TaskCanceledError
    |  `- TaskExpiredError
    |- DownloadError                      the clip exists and was paid, but is not saved yet
    `- JobTimeoutError (TimeoutError)     waiting ended, the job goes on

Each error is written for a person in a notebook: ``str(error)`` says what happened, ``error.hint`` what to do about it
(and whether it was billed), and a notebook shows those lines instead of a traceback.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wan_notebook.tasks import Task

__all__ = [
    "AmbiguousSubmitError",
    "AuthenticationError",
    "BudgetError",
    "ConfigurationError",
    "DownloadError",
    "InvalidRequestError",
    "JobTimeoutError",
    "Problem",
    "RateLimitError",
    "ServiceError",
    "TaskCanceledError",
    "TaskError",
    "TaskExpiredError",
    "TaskFailedError",
    "TransportError",
    "WanError",
]

NOT_BILLED = "Nothing was sent and nothing is billed."


class WanError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    message : str
        What happened, in one sentence.
    hint : str
        What is allowed, what to do, and whether it was billed.

    Attributes
    ----------
    billed : bool or None
        False: nothing is billed. True: it is. None: not known, or not yet decided.
    may_pass : bool
        Whether the same request may work later, without any change.
    """

    billed: bool | None = None
    may_pass = False

    def __init_subclass__(cls, *, billed: bool | None = None) -> None:
        cls.billed = billed

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def message(self) -> str:
        """What happened, without the hint."""
        return str(self.args[0]) if self.args else ""

    def lines(self) -> list[str]:
        """What a person reads: the message and, below it, the hint."""
        return [f"{type(self).__name__}: {self.message}", *([self.hint] if self.hint else [])]

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def _render_traceback_(self) -> list[str]:
        """IPython shows these lines instead of a traceback."""
        return self.lines()

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), self.args, self.__dict__)


def _unpickled(kind: type[WanError], args: tuple[Any, ...], state: dict[str, Any]) -> WanError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(WanError, billed=False):
    """No key, unknown region, unusable folder: nothing was sent."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a request.

    Parameters
    ----------
    field : str
        Name of the field, as the service spells it (``image`` for ``img_url``).
    value : str
        The value as given, shortened; never a key, and left out of a prompt, which may be private.
    problem : str
        What is wrong with it.
    allowed : str
        What would be accepted.
    fix : str
        What to do, including a did-you-mean.
    """

    field: str
    value: str
    problem: str
    allowed: str = ""
    fix: str = ""

    def __post_init__(self) -> None:
        if self.field in ("prompt", "negative_prompt"):
            object.__setattr__(self, "value", "")

    def __str__(self) -> str:
        parts = [f"{self.field} = {self.value}: {self.problem}" if self.value else f"{self.field}: {self.problem}"]
        if self.allowed:
            parts.append(f"Allowed: {self.allowed}.")
        if self.fix:
            parts.append(self.fix)
        return " ".join(part if part.endswith((".", "?", "!")) else f"{part}." for part in parts)


class InvalidRequestError(WanError, ValueError, billed=False):
    """The request cannot work. Carries every problem found, not only the first.

    Attributes
    ----------
    problems : tuple of Problem
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        head = "the request has a problem" if count == 1 else f"the request has {count} problems"
        super().__init__(head, hint=NOT_BILLED)
        self.problems = tuple(problems)

    def lines(self) -> list[str]:
        return [f"{type(self).__name__}: {self.message}", *(f"  - {p}" for p in self.problems), self.hint]

    def __str__(self) -> str:
        return f"{self.message}: " + " | ".join(str(p) for p in self.problems)


class BudgetError(WanError, billed=False):
    """It would cost more than allowed, or the price is unknown and nobody confirmed."""


class TransportError(WanError):
    """No usable answer came (connection refused, dropped, timed out, not JSON)."""


class AmbiguousSubmitError(TransportError):
    """The submit was sent but its answer never came: the service may have accepted (and will bill) it.

    It is never resent by itself.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        fallback = (
            "It may be running and will then be billed, so it is not sent again by itself. "
            "Look at the task list of the console before you run the cell again."
        )
        super().__init__(message, hint=hint or fallback)


class ServiceError(WanError):
    """The service answered and said no; :func:`wan_notebook.explain` knows what its codes mean.

    Attributes
    ----------
    status : int
        HTTP status.
    code, request_id : str or None
        The service's error code and request id.
    asks_to_wait : bool
        An answered "too many requests" or "overloaded": a submit is then sent again by itself.
    retry_after : float or None
        Seconds the service asked to wait.
    """

    asks_to_wait = False
    retry_after: float | None = None

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        request_id: str | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.request_id = request_id


class AuthenticationError(ServiceError):
    """Wrong or missing key, or a key of another region."""


class RateLimitError(ServiceError):
    """Too many requests, or (also as HTTP 429) an unpaid bill: ``may_pass`` tells them apart."""


class TaskError(WanError):
    """A task ended without a clip.

    Attributes
    ----------
    task : Task or None
        The service's last words about it; None if it was never sent.
    """

    def __init__(self, message: str, *, task: Task | None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.task = task

    @property
    def task_id(self) -> str | None:
        """Id of the task, for the vendor's support."""
        return self.task.task_id if self.task else None

    @property
    def code(self) -> str | None:
        """The service's error code, where it gave one."""
        return self.task.code if self.task else None


class TaskFailedError(TaskError, billed=False):
    """The service gave up on the task. Failed tasks are not billed."""


class TaskCanceledError(TaskError, billed=False):
    """The task was canceled while it was still PENDING. It is not billed."""


class TaskExpiredError(TaskError):
    """The service no longer knows the task (older than 24 h, another account, or a wrong id)."""


class DownloadError(WanError, billed=True):
    """The clip was made (and billed) but could not be saved; its address lives for 24 h.

    Attributes
    ----------
    url : str
        Where it still is.
    task_id : str
    """

    def __init__(self, message: str, *, url: str, task_id: str, hint: str = "", passing: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.url = url
        self.task_id = task_id
        self.passing = passing  # a fault of the network that may mend itself


class JobTimeoutError(WanError, TimeoutError):
    """Waiting ended; the job goes on.

    Attributes
    ----------
    task_id : str or None
    """

    def __init__(self, message: str, *, task_id: str | None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.task_id = task_id
