"""``GET /tasks``: an account's tasks, filtered and in pages."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from .clock import BEIJING, milliseconds
from .refusals import Refusal
from .tasks import KEPT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .tasks import Task

__all__ = ["listed"]

FILTERS = ("task_id", "model_name", "status", "api_key_id", "region")
PAGE_SIZE = 10


def listed(tasks: list[Task], query: Mapping[str, str], now: float, region: str) -> dict[str, Any]:
    """One page of ``tasks``, as the service answers it (without the request id).

    Parameters
    ----------
    tasks : list of Task
        Of one account, in the order to show.
    query : mapping
        ``start_time`` and ``end_time`` (``YYYYMMDDhhmmss``, UTC+8, at most 24 h apart), ``page_no``, ``page_size``, and
        the filters ``task_id``, ``model_name``, ``status``, ``api_key_id``, ``region``.
    now : float
        Simulated seconds since 1970.
    region : str
        By the vendor's name: where all of them were made.

    Raises
    ------
    Refusal
        400 InvalidParameter.
    """
    since, until = _span(query.get("start_time"), query.get("end_time"), now)
    page, size = _counted(query.get("page_no"), 1), _counted(query.get("page_size"), PAGE_SIZE)
    rows = [_row(task, region) for task in tasks if since <= task.submitted <= until]
    rows = [row for row in rows if all(query.get(name, row[name]) == row[name] for name in FILTERS)]
    return {
        "total": len(rows),
        "data": rows[(page - 1) * size : page * size],
        "total_page": -(-len(rows) // size),
        "page_no": page,
        "page_size": size,
    }


def _row(task: Task, region: str) -> dict[str, Any]:
    number = int(task.account, 16)
    row = {
        "api_key_id": str(number % 10**9),
        "caller_parent_id": str(number),
        "caller_uid": str(number),
        "gmt_create": milliseconds(task.submitted),
        "model_name": task.order.model_name,
        "region": region,
        "request_id": task.request_id,
        "status": task.status,
        "task_id": task.task_id,
        "user_api_unique_key": f"apikey:v1:aigc:video-generation:video-synthesis:{task.order.model_name}",
    }
    if task.scheduled is not None:
        row["start_time"] = milliseconds(task.scheduled)
    if task.ended is not None:
        row["end_time"] = milliseconds(task.ended)
    return row


def _span(start: str | None, end: str | None, now: float) -> tuple[float, float]:
    since, until = _instant(start), _instant(end)
    if since is None:
        until = now if until is None else until
        since = until - KEPT_SECONDS
    elif until is None:
        until = since + KEPT_SECONDS
    if not 0 <= until - since <= KEPT_SECONDS:
        raise _wrong("start_time and end_time, at most 24 hours apart")
    return since, until


def _instant(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp()
    except ValueError:
        raise _wrong("YYYYMMDDhhmmss") from None


def _counted(text: str | None, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise _wrong("page_no and page_size, from 1")
    return int(text)


def _wrong(what: str) -> Refusal:
    return Refusal(400, "InvalidParameter", f"the parameters must conform to the specification: {what}.")
