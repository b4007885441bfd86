"""The list of tasks as people look at it: a table in a notebook, and the same as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wan_notebook.facts.catalog import catalog
from wan_notebook.facts.zones import zone
from wan_notebook.service.listing import TaskRow
from wan_notebook.words.markup import MUTED, bullets, columns, tag
from wan_notebook.words.phrases import clean, moment, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["TaskList"]

HEADINGS = ("Task id", "Status", "Model", "Submitted", "Ended", "Key id")
WIDEST = 40
EVERYBODYS = (
    "These are all tasks of the account, with whichever of its keys and by whomever they were submitted; "
    "the service lists at most {hours} h."
)
CLOCK = "Times are those of the simulator's own clock, which runs faster or slower than this machine's."
MORE = "There are more: raise the limit, or filter."
ZONE = (
    "Times of a filter go out as Beijing time ({zone}), which is inferred, not documented: "
    "look a few hours wider if a task is missing."
)


class TaskList(list[TaskRow]):
    """What :func:`wan_notebook.list_tasks` returns: a list that shows itself as a table.

    Attributes
    ----------
    region : str
        Where it was asked for.
    more : bool
        Whether there are more tasks than were asked for.
    simulated : bool
        Whether a simulator answered.
    """

    def __init__(
        self,
        rows: Iterable[TaskRow],
        *,
        region: str,
        more: bool = False,
        by_time: bool = False,
        simulated: bool = False,
    ) -> None:
        super().__init__(rows)
        self.region, self.more, self.simulated = region, more, simulated
        self._by_time = by_time

    @property
    def remarks(self) -> list[str]:
        """What has to be known to read it."""
        return [
            EVERYBODYS.format(hours=catalog().service.list_hours),
            *([CLOCK] if self.simulated else []),
            *([MORE] if self.more else []),
            *([ZONE.format(zone=zone())] if self._by_time else []),
        ]

    @property
    def text(self) -> str:
        """The table in characters."""
        lines = [HEADINGS, *map(_cells, self)] if self else []
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([self._head(), *text])

    def __repr__(self) -> str:
        return "\n".join([self.text, *self.remarks])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython's protocol
        table = columns(HEADINGS, map(_cells, self)) if self else None
        page = tag("div", tag("div", self._head(), style=MUTED), table, bullets(self.remarks))
        return {"text/html": str(page), "text/plain": repr(self)}

    def _head(self) -> str:
        count = "no task" if not self else "1 task" if len(self) == 1 else f"{len(self)} tasks"
        return f"{count} of the simulator" if self.simulated else f"{count} in {self.region}"


def _cells(row: TaskRow) -> tuple[str, ...]:
    values = (row.status, row.model_name, moment(row.gmt_create), moment(row.end_time), row.api_key_id)
    return (row.task_id, *(shortened(clean(value), WIDEST) if value else "–" for value in values))
