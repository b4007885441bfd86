"""Values out of an answer that anybody may have written: of the right type, bounded, without a key; pure."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from wan_notebook.errors import TransportError
from wan_notebook.words.wording import printable, redacted

__all__ = ["TASK_ID", "address", "json_object", "line", "number", "seconds", "task_id_checked", "text"]

TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def json_object(data: bytes) -> dict[str, Any]:
    """The JSON object in ``data``.

    Raises
    ------
    TransportError
        It is no JSON object (an HTML page of a gateway, a truncated answer, ...).
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise TransportError("the answer is not the service's JSON.")
    return value


def task_id_checked(value: object) -> str:
    """``value`` if it can be a task id.

    Raises
    ------
    TransportError
        Anything that must not be put into a URL.
    """
    if not isinstance(value, str) or not TASK_ID.fullmatch(value):
        raise TransportError("the answer holds no usable task id.")
    return value


def seconds(header: str | None) -> float | None:
    """A ``Retry-After`` in seconds; the form with a date is not used by the service."""
    return float(header) if header and re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", header) else None


def number(value: object, most: float = 1e9) -> float | None:
    """A number from 0 to below ``most``, also where it came as text; None for anything else.

    >>> number("720"), number(True), number("nan"), number(10**400)
    (720.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if 0 <= found < most else None  # also drops nan


def text(value: object, most: int = 8000) -> str | None:
    r"""A text that says something, at most ``most`` characters of it, and such as can be written down.

    >>> text("\ud83d!"), text(7), text("")
    ('?!', None, None)
    """
    if not isinstance(value, str) or not value:
        return None
    return redacted(value[: 2 * most].encode(errors="replace").decode())[:most]


def line(value: object, most: int) -> str | None:
    r"""As :func:`text`, on one line: what a terminal or a log may be told.

    >>> line("no\n\x1b[2Jclip\u202e", 99), line("\n", 99)
    ('no �[2Jclip�', None)
    """
    return printable(text(value, 2 * most) or "")[:most] or None


def address(value: object) -> str | None:
    """An http(s) address that can be asked for.

    >>> address("https://example.com/a.mp4"), address("https://example.com:99999/a.mp4")
    ('https://example.com/a.mp4', None)
    """
    if not isinstance(value, str) or len(value) > 4096:  # noqa: PLR2004  the length browsers and proxies still take
        return None
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    return value if parts.scheme in ("http", "https") and host else None
