"""The account's list of tasks: which to ask for, and what comes back row by row; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from wan_notebook.errors import InvalidRequestError, Problem, TransportError
from wan_notebook.facts.catalog import catalog
from wan_notebook.tasks import TaskStatus, iso_utc
from wan_notebook.words.answers import TASK_ID, line, number
from wan_notebook.words.wording import one_of, shown, suggest

__all__ = ["Filters", "TaskRow", "decode_rows", "filters", "given_task_id"]

MODEL = re.compile(r"[A-Za-z0-9._-]{1,128}")
LATEST_MS = 1e14  # the year 5138: what is later is no time
SHORT = 128


@dataclass(frozen=True)
class TaskRow:
    """One task as the account's list tells of it; everything but the id may be unknown.

    Parameters
    ----------
    task_id : str
    status : str or None
        The service's word.
    model_name, region : str or None
        The region as the vendor spells it.
    request_id : str or None
        Of the submit.
    gmt_create, start_time, end_time : str or None
        ISO-8601 in UTC: submitted, begun, ended.
    api_key_id : str or None
        Id (not value) of the key it was submitted with.
    """

    task_id: str
    status: str | None = None
    model_name: str | None = None
    region: str | None = None
    request_id: str | None = None
    gmt_create: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    api_key_id: str | None = None


@dataclass(frozen=True)
class Filters:
    """What to ask the list for, as the service spells it; made by :func:`filters`."""

    query: Mapping[str, str]
    by_time: bool = False

    def page(self, number: int) -> dict[str, str]:
        """The query of one page, the first being 1."""
        return {**self.query, "page_no": str(number), "page_size": str(catalog().service.page_size)}


def filters(
    *,
    status: object = None,
    model: object = None,
    since: object = None,
    until: object = None,
    task_id: object = None,
) -> Filters:
    """Check what is asked for.

    Parameters
    ----------
    status : str, optional
        In any case.
    model : str, optional
    since, until : datetime or str, optional
        Submitted between these, at most 24 h apart. Text is ISO-8601; without a zone it is this machine's own. On the
        wire it is Beijing time (UTC+8), which is inferred: the documents name no zone.
    task_id : str, optional

    Raises
    ------
    InvalidRequestError
        All problems at once.

    Examples
    --------
    >>> filters(status="running", since="2026-11-23T10:00:00Z").query
    {'status': 'RUNNING', 'start_time': '20261123180000'}
    """
    problems: list[Problem] = []
    query: dict[str, str] = {}
    if status is not None:
        query["status"] = _status(status, problems)
    if model is not None:
        query["model_name"] = str(model).strip()
        if not isinstance(model, str) or not MODEL.fullmatch(model.strip()):
            problems.append(Problem("model", shown(model), "it cannot be the name of a model"))
    if task_id is not None:
        try:
            query["task_id"] = given_task_id(task_id)
        except InvalidRequestError as error:
            problems += error.problems
    begin, end = (_instant(name, value, problems) for name, value in (("since", since), ("until", until)))
    longest = timedelta(seconds=catalog().service.list_seconds)
    if begin and end and not timedelta(0) <= end - begin <= longest:
        fix = "Ask for one day after another"
        hours = f"{catalog().service.list_hours} h"
        problems.append(
            Problem("until", shown(until), f"it is not within {hours} after since", f"at most {hours} apart", fix)
        )
    if problems:
        raise InvalidRequestError(problems)
    zone = timezone(timedelta(hours=catalog().service.zone_hours))
    for wire, instant in (("start_time", begin), ("end_time", end)):
        if instant is not None:
            query[wire] = instant.astimezone(zone).strftime("%Y%m%d%H%M%S")
    return Filters(query, by_time=begin is not None or end is not None)


def _status(value: object, problems: list[Problem]) -> str:
    word = str(value).strip().upper()
    if word not in TaskStatus.__members__:
        close = suggest(word, TaskStatus)
        fix = f"Did you mean {close}?" if close else ""
        problems.append(Problem("status", shown(value), "there is no such status", one_of(TaskStatus), fix))
    return word


def given_task_id(value: object) -> str:
    """The task id a person gave, as text or as something that has one (a task, a row of the list, a job).

    Raises
    ------
    InvalidRequestError
        It is none, and is not put into a URL.

    Examples
    --------
    >>> given_task_id(" a-1 "), given_task_id(TaskRow("b-2"))
    ('a-1', 'b-2')
    """
    said = getattr(value, "task_id", value)
    said = said.strip() if isinstance(said, str) else said
    if isinstance(said, str) and TASK_ID.fullmatch(said):
        return said
    allowed, fix = "letters, digits, - and _, at most 128", "Copy it from a card, a record or the task list"
    raise InvalidRequestError([Problem("task_id", shown(said), "it is no task id", allowed, fix)])


def _instant(name: str, value: object, problems: list[Problem]) -> datetime | None:
    if value is None:
        return None
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        return at.astimezone(UTC)  # without a zone: this machine's own
    except (ValueError, OverflowError, OSError):
        allowed = "a datetime, or text such as 2026-11-23T10:00 or 2026-11-23T10:00Z"
        problems.append(Problem(name, shown(value), "it is no date and time", allowed))
        return None


def decode_rows(answer: Mapping[str, Any]) -> tuple[list[TaskRow], int | None]:
    """The rows of one page, and how many pages there are if the answer says so.

    A row without a usable task id is left out; whatever else is missing or of the wrong type is None.

    Raises
    ------
    TransportError
        There is no list in it.

    Examples
    --------
    >>> decode_rows({"data": [{"task_id": "a1", "status": "RUNNING", "gmt_create": 0}, {"task_id": "../a"}, 7]})[0]
    [TaskRow(task_id='a1', status='RUNNING', model_name=None, region=None, request_id=None,
             gmt_create='1970-01-01T00:00:00.000Z', start_time=None, end_time=None, api_key_id=None)]
    """
    data = answer.get("data")
    if not isinstance(data, list):
        raise TransportError("the answer holds no list of tasks.")
    pages = number(answer.get("total_page"))
    rows = [_row(item) for item in data if isinstance(item, Mapping)]
    return [row for row in rows if row is not None], None if pages is None else int(pages)


def _row(item: Mapping[str, Any]) -> TaskRow | None:
    task_id = item.get("task_id")
    if not isinstance(task_id, str) or not TASK_ID.fullmatch(task_id):
        return None
    return TaskRow(
        task_id=task_id,
        gmt_create=_time(item.get("gmt_create")),
        start_time=_time(item.get("start_time")),
        end_time=_time(item.get("end_time")),
        **{name: line(item.get(name), SHORT) for name in ("status", "model_name", "region", "request_id")},
        api_key_id=line(item.get("api_key_id"), SHORT),
    )


def _time(value: object) -> str | None:
    milliseconds = number(value, LATEST_MS)
    return None if milliseconds is None else iso_utc(milliseconds / 1000)
