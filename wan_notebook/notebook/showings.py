"""Which runs each cell has shown since it last began: what a page loses that is reloaded without having been saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Showings"]


class Showings:
    """The runs shown by the latest execution of each cell.

    >>> showings = Showings()
    >>> showings.add("cell", "first", "run-a")
    >>> showings.begin("cell", "second")
    >>> showings.add("cell", "second", "run-b")
    >>> list(showings.of(["cell", "another"]))
    [('cell', 'run-b')]
    """

    def __init__(self) -> None:
        self._cells: dict[str, tuple[str, list[str]]] = {}

    def begin(self, cell_id: str | None, execution: str) -> None:
        """A cell is being executed: what an earlier execution of it showed is gone."""
        if cell_id and (cell_id not in self._cells or self._cells[cell_id][0] != execution):
            self._cells[cell_id] = (execution, [])

    def add(self, cell_id: str | None, execution: str, run_id: str) -> None:
        """A run is shown in a cell."""
        self.begin(cell_id, execution)
        if cell_id and run_id not in self._cells[cell_id][1]:
            self._cells[cell_id][1].append(run_id)

    def of(self, cell_ids: Iterable[str]) -> Iterator[tuple[str, str]]:
        """The pairs of cell and run, of those of these cells that show any."""
        for cell_id in cell_ids:
            _, runs = self._cells.get(cell_id, ("", ()))
            yield from ((cell_id, run_id) for run_id in tuple(runs))
