"""The service writes the times of a task without their zone: which one is taken, said wherever they are shown."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

from wan_notebook.facts.catalog import catalog

__all__ = ["TIMES", "Timed", "zone", "zoned"]

TIMES = ("submit_time", "scheduled_time", "end_time")


def zone() -> str:
    """The zone that times without one are taken to be in; inferred, not documented.

    >>> zone()
    'UTC+8'
    """
    return f"UTC{catalog().service.zone_hours:+d}"


def zoned(text: str) -> str:
    """A time of the service's with its zone; what names one itself, or is no time, stays as it is.

    >>> zoned("2026-01-22 23:24:46.500"), zoned("2026-01-22T23:24:46Z"), zoned("soon")
    ('2026-01-22 23:24:46.500 (UTC+8, inferred)', '2026-01-22T23:24:46Z', 'soon')
    """
    try:
        bare = datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        return text
    return f"{text} ({zone()}, inferred)" if bare else text


class Timed:
    """A dataclass that shows itself as dataclasses do, and the service's times with their zone."""

    def __repr__(self) -> str:
        mine = [field.name for field in fields(self) if field.repr]  # type: ignore[arg-type]  # a base of dataclasses alone
        said = {name: getattr(self, name) for name in mine}
        said |= {name: zoned(said[name]) for name in TIMES if said.get(name)}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in said.items())})"
