"""What the service means when it says no: cause, cure, billed or not, worth repeating or not.

One table (``catalog.toml``, errors) serves the answers that refuse a call and the tasks that end FAILED. What is not in
it still gets an honest sentence: what is known, whether it is billed, and the ids for the vendor's support.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wan_notebook.errors import AuthenticationError, RateLimitError, ServiceError, TaskFailedError
from wan_notebook.facts.catalog import catalog
from wan_notebook.words.wording import one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wan_notebook.tasks import Task

__all__ = ["BILL", "Explanation", "explain", "explanations", "failed", "listing", "refused"]

TOO_MANY, OVERLOADED, OTHER_SIDE = 429, 503, 500  # from 500 on the fault is the service's
BILL = {True: "Nothing is billed.", False: "Asking costs nothing; what was submitted before is billed as ever."}
FAILED_FREE = "Failed tasks are not billed."
BILLED = {
    "no": "not billed",
    "unknown": "a FAILED task is not billed; as the answer to a submit, the task may exist all the same and be billed",
    "goes on": "the task goes on and is billed when it succeeds",
}
RETRY = {
    "wait": "the same request works later; an answered 429 or 503 is sent again by itself",
    "once": "the same request may work the next time; it is not sent again by itself",
    "look": "after a submit only once the task list shows that there is no task; a FAILED task may be tried once more",
    "no": "not before something is changed",
}
UNLISTED = "The list of {date} does not have this code: what the service wrote beside it is all that is known."
NO_REASON = "The service gave neither code nor message, so the reason is not known."
LOOK_FIRST = (
    "If it answers a submit, look into the task list first (%wan_tasks): the task may be there. A FAILED task may be "
    "run once more. The vendor's support can look it up by task id and request id."
)
NAMED = "Change what the message names; the vendor's support can look it up by its request id."
BY_THE_IDS = "Run it once more; if it ends the same way, the vendor's support can look it up by {ids}."


@dataclass(frozen=True)
class Explanation:
    """What an error code of the service means.

    Parameters
    ----------
    code : str or None
        As the service wrote it.
    known : bool
        Whether the catalogue has it; otherwise the other fields say what is known of any error.
    cause, cure : str
        A sentence each.
    billed : {"no", "unknown", "goes on"}
        ``unknown``: of a FAILED task not, but as the answer to a submit it leaves open whether there is a task.
        ``goes on``: the task that could not be canceled is billed when it succeeds.
    retry : {"wait", "once", "look", "no"}
        ``wait``: the same request works later. ``once``: it may work the next time. ``look``: as the answer to a submit
        only where the task list has no task of it. ``no``: something has to change.
    messages : tuple of str
        What the service's message then holds, where the code alone does not tell.
    status : tuple of int
        HTTP status it comes with, as documented; in a FAILED task there is none.
    source : str
        Where it was read, with the date.
    """

    code: str | None
    known: bool
    cause: str
    cure: str
    billed: Literal["no", "unknown", "goes on"]
    retry: Literal["wait", "once", "look", "no"]
    messages: tuple[str, ...] = ()
    status: tuple[int, ...] = ()
    source: str = ""

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be accepted later, and nothing has to be looked at before."""
        return self.retry in ("wait", "once")

    def __str__(self) -> str:
        lines = {
            "Message": " | ".join(self.messages),
            "Cause": self.cause,
            "Cure": self.cure,
            "Billed": BILLED[self.billed],
            "Again": RETRY[self.retry],
            "Source": self.source,
        }
        head = (self.code or "no code") + (f" (HTTP {one_of(self.status)})" if self.status else "")
        return "\n".join([head, *(f"  {name + ':':9}{said}" for name, said in lines.items() if said)])


def explain(code: str | None, message: str | None = None, *, status: int | None = None) -> Explanation:
    """Explain an error code of the service.

    Parameters
    ----------
    code : str or None
        As the service wrote it; case, ``_`` and blanks do not matter, and ``A.B.C`` is looked for as ``A.B``, too.
    message : str, optional
        What the service wrote beside it: for some codes it alone tells the reason.
    status : int, optional
        The HTTP status; it decides where the code says nothing.

    Returns
    -------
    Explanation
        From the vendor's list of error codes (edition of 2026-05-25); ``known`` is False for what is not in it.

    Examples
    --------
    >>> explain("Throttling.RateQuota").retry, explain("limit_requests").retry, explain("PrepaidBillOverdue").retry
    ('wait', 'wait', 'no')
    >>> explain("InvalidParameter", "Model not exist.").cause
    'There is no model of this name here: it is misspelt, retired, or not offered in this region.'
    >>> explain("Brand.New").known
    False
    """
    row = next(_fitting(code, message or "", status), None)
    if row is None:
        cause = UNLISTED.format(date=catalog().sources["ERR-0525"].date) if code else NO_REASON
        if status is not None and status < OTHER_SIDE:
            return Explanation(code, known=False, cause=cause, cure=NAMED, billed="no", retry="no")
        return Explanation(code, known=False, cause=cause, cure=LOOK_FIRST, billed="unknown", retry="look")
    return _explanation(code, row)


def explanations(text: str = "") -> list[Explanation]:
    """Every explanation that can be meant by ``text`` (a code, its beginning, or a message); all of them without.

    >>> len(explanations("InvalidParameter")) > 5, explanations("image format error")[0].code[:18]
    (True, 'InvalidImageFormat')
    """
    if not text.strip():
        return [_explanation(_names(row), row) for row in catalog().errors]
    rows, codes = catalog().errors, _asked(text)
    found = [row for row in rows if _said(row, text)] or [row for row in rows if codes & _codes(row, "codes", "within")]
    return [_explanation(_names(row), row) for row in found] or [explain(text)]


def listing(text: str = "") -> str:
    """The catalogue as a person reads it: all of it, a line each, or in full what ``text`` can mean."""
    found = explanations(text)
    if text.strip():
        return "\n\n".join(str(meant) for meant in found)
    lines = [f"{meant.code}{f' ({meant.messages[0]} ...)' if meant.messages else ''}: {meant.cause}" for meant in found]
    return "\n".join(
        [*lines, "", "Cause, cure, billed or not, worth repeating or not: name the code (or the message)."]
    )


def refused(
    status: int,
    code: str | None,
    message: str | None,
    request_id: str | None,
    *,
    retry_after: float | None = None,
    submitting: bool,
) -> ServiceError:
    """The error for an answer that says no.

    Parameters
    ----------
    submitting : bool
        Whether it answers a submit (or what leads to one). Any other call costs nothing by itself, and says nothing
        about the bill of a task that exists already.
    """
    meant = explain(code, message, status=status)
    kind: type[ServiceError] = {401: AuthenticationError, 429: RateLimitError}.get(status, ServiceError)
    cure = meant.cure if meant.known else f"For the vendor's support: request id {request_id or 'not given'}."
    error = kind(
        f"the service said no: {code or 'no code'} (HTTP {status}). {message or ''}".strip(),
        status=status,
        code=code,
        request_id=request_id,
        hint=" ".join((meant.cause, cure, BILL[submitting])),
    )
    free = meant.retry == "look" and not submitting  # a question may be asked again at once
    error.billed, error.may_pass, error.retry_after = (
        (False if submitting else None),
        meant.may_pass or free,
        retry_after,
    )
    error.asks_to_wait = (status == TOO_MANY and meant.retry == "wait") or (status == OVERLOADED and meant.may_pass)
    return error


def failed(task: Task) -> TaskFailedError:
    """The error for a task that ended FAILED."""
    meant = explain(task.code, task.message)
    said = ": ".join(part for part in (task.code, task.message) if part)
    reason = f"the service said {said}" if said else "the service gave no reason"
    ids = f"task id {task.task_id}" + (f", request id {task.request_id}" if task.request_id else "")
    cure = meant.cure if meant.known else BY_THE_IDS.format(ids=ids)
    cause = meant.cause if said else ""
    hint = " ".join(part for part in (cause, cure, FAILED_FREE) if part)
    error = TaskFailedError(f"task {task.task_id} failed; {reason.rstrip('.')}.", task=task, hint=hint)
    error.may_pass = meant.retry != "no"
    return error


def _fitting(code: str | None, message: str, status: int | None) -> Iterator[Mapping[str, Any]]:
    rows, line = catalog().errors, _line(code or "")
    for row in rows:  # the message decides ...
        named = "within" not in row or not line or line[0] in _codes(row, "within", "codes")
        if named and ("codes" in row or "within" in row) and _said(row, message):
            yield row
    by_status = [row for row in rows if status in row.get("otherwise", ())]
    yield from (row for row in rows if line and line[0] in _codes(row, "codes"))  # ... else the code ...
    yield from (row for row in by_status if _said(row, message))
    for beginning in line[1:]:  # ... else what it begins with ...
        yield from (row for row in rows if beginning in _codes(row, "codes"))
    yield from (row for row in by_status if "words" not in row)  # ... else the status


def _line(code: str) -> list[str]:
    """A code and its beginnings, the longest first, as they are compared.

    >>> _line("InternalError.Algo.X"), _line("NOT AUTHORIZED")
    (['internalerror.algo.x', 'internalerror.algo', 'internalerror'], ['notauthorized'])
    """
    parts = "".join(c for c in code.lower() if c.isalnum() or c == ".").split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1) if parts[0]]


def _codes(row: Mapping[str, Any], *keys: str) -> set[str]:
    return {_line(code)[0] for key in keys for code in row.get(key, ())}


def _asked(text: str) -> set[str]:
    """The known codes that ``text`` is, or begins like."""
    word = (_line(text) or [""])[0]
    known = set().union(*(_codes(row, "codes", "within") for row in catalog().errors))
    return {code for code in known if word and (code == word or code.startswith(f"{word}."))}


def _said(row: Mapping[str, Any], message: str) -> bool:
    said = " ".join(message.lower().split())
    return any(" ".join(words.lower().split()) in said for words in row.get("words", ()))


def _names(row: Mapping[str, Any]) -> str:
    return ", ".join(row.get("codes") or row.get("within") or [f"HTTP {status}" for status in row["otherwise"]])


def _explanation(code: str | None, row: Mapping[str, Any]) -> Explanation:
    source = catalog().sources[row["source"]]
    read = f"{source.title}, {source.date}"
    said = tuple(row.get("words", ()))
    return Explanation(
        code, True, row["cause"], row["cure"], row["billed"], row["retry"], said, tuple(row["status"]), read
    )
