"""Instants as text, read and written; pure."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["epoch", "instant", "iso_utc"]


def instant(text: str | None) -> datetime | None:
    """An ISO-8601 instant without its zone; None for what is none.

    >>> instant("2026-01-22 23:24:46.500").second, instant("soon")
    (46, None)
    """
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        return None


def epoch(at: str | None) -> float | None:
    """Seconds since the epoch of an ISO-8601 instant; None for what is none.

    >>> epoch("1970-01-01T00:00:01.500Z")
    1.5
    """
    try:
        return datetime.fromisoformat(at).timestamp() if at else None
    except ValueError:
        return None


def iso_utc(seconds: float) -> str:
    """Seconds since the epoch as ISO-8601 in UTC.

    >>> iso_utc(0)
    '1970-01-01T00:00:00.000Z'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
