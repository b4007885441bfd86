"""One row of the ledger, as the process that drives its run writes it: through the POST, and past a standstill.

Nothing here raises, but for what forbids to send: a paid task is followed whether or not its row can be written.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from wan_notebook.errors import WanError
from wan_notebook.ledger import sharing

if TYPE_CHECKING:
    from collections.abc import Callable

    from wan_notebook.ledger.runs import Run
    from wan_notebook.ledger.store import Ledger
    from wan_notebook.tasks import Task

__all__ = ["Page"]

T = TypeVar("T")

log = logging.getLogger("wan_notebook")


class Page:
    """A run's row.

    Parameters
    ----------
    ledger : Ledger
    run : Run
        As it was last written from here.
    """

    def __init__(self, ledger: Ledger, run: Run) -> None:
        self.ledger, self._run = ledger, run
        self._ours = True

    def row(self) -> Run:
        """This run's row as it stands."""
        return self._safely(lambda: self.ledger.run(self._run.run_id)) or self._run

    def hold(self) -> None:
        """Make sure that this process may still send it.

        Raises
        ------
        WanError
            It may not: the row is that of whoever took it over, and nothing is written into it from here any more.
        """
        try:
            sharing.hold(self.ledger, self._run.run_id)
        except WanError:
            self._ours = False
            raise

    def accepted(self, task: Task, *, at: float, simulated: bool) -> Run | None:
        """The service has answered with a task: the first thing that happens then.

        Returns
        -------
        Run or None
            This run's row, where another process has found a task for it meanwhile and drives it.
        """
        ids: dict[str, Any] = {"task_id": task.task_id, "request_id": task.request_id}
        run = replace(self._run, state="following", submitted_at=at, simulated=simulated, **ids)
        return self._safely(lambda: sharing.accept(self.ledger, run))

    def lost(self, at: float) -> tuple[Run, bool]:
        """This run's row, in which it is noted that its answer was given up; whether it is still driven from here."""
        self._safely(lambda: self.ledger.update(self._run.run_id, mine=True, lost_at=at))
        row = self.row()
        return replace(row, lost_at=at), row is self._run or row.owner == self.ledger.owner

    def _write(self, **columns: Any) -> bool | None:
        """Change this run's row, unless another process drives it by now; None where that failed.

        What stands in for a broken ledger may not have it yet.
        """

        def write() -> bool:
            run_id = self._run.run_id
            if not self.ledger.update(run_id, mine=True, **columns) and self.ledger.take_over(run_id):
                self.ledger.update(run_id, mine=True, **columns)
            if self.ledger.trouble and self.ledger.run(run_id) is None:
                self.ledger.add(replace(self._run, **columns))
            return True

        return self._safely(write) if self._ours else False

    def _safely(self, write: Callable[[], T]) -> T | None:
        try:
            return write()
        except WanError as error:
            log.warning("run %s could not be written into the ledger: %s", self._run.run_id, error)
            return None
        except Exception:
            log.exception("run %s could not be written into the ledger", self._run.run_id)
            return None
