"""What an audit found: one line for each thing it looked at, and the table of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from wan_notebook.words.markup import GREEN, GREY, RED, card, fold, row, table, tag
from wan_notebook.words.phrases import clean

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wan_notebook.words.markup import Html

__all__ = ["DIFFERS", "OK", "UNKNOWN", "Finding", "Report"]

OK, DIFFERS, UNKNOWN = "ok", "differs", "not verifiable"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    cell : int
        Place of the cell in the notebook, from 1.
    cell_id, run_id : str or None
    what : str
        ``record``, ``copies``, ``source``, ``request``, ``cost``, ``input``, ``clip``, ``side file``, ``player``,
        ``card``, ``poster`` or ``sweep``.
    result : str
        ``ok``, ``differs`` or ``not verifiable``.
    words : str
    """

    cell: int
    cell_id: str | None
    run_id: str | None
    what: str
    result: str
    words: str = ""


@dataclass(frozen=True)
class Report:
    """What :func:`wan_notebook.verify` found; it shows itself as a table."""

    path: Path
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return all(finding.result != DIFFERS for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """The report as plain JSON."""
        return {"notebook": self.path.name, "ok": self.ok, "findings": [asdict(finding) for finding in self.findings]}

    def __str__(self) -> str:
        head = [f"{self.path.name}: {self._summary()}"]
        return "\n".join(head + ["  ".join(row).rstrip() for row in self._rows()])

    def _summary(self) -> str:
        runs = len({finding.run_id for finding in self.findings if finding.run_id})
        if not self.findings:
            return "no run is recorded in it"
        differs = sum(finding.result == DIFFERS for finding in self.findings)
        unknown = sum(finding.result == UNKNOWN for finding in self.findings)
        said = f"DIFFERS: {differs}" if differs else "nothing differs"
        open_ = f", not verifiable: {unknown}" if unknown else ""
        return f"runs: {runs}, checks: {len(self.findings)}, {said}{open_}"

    def _rows(self) -> list[tuple[str, ...]]:
        rows = [
            (
                f"cell {f.cell}",
                clean(f.run_id or "-"),
                f.what,
                f.result.upper() if f.result == DIFFERS else f.result,
                clean(f.words),
            )
            for f in self.findings
        ]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(5)]
        return [tuple(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython's protocol
        open_, good = ([f for f in self.findings if (f.result == OK) is fine] for fine in (False, True))
        page = card(
            (GREEN if self.findings else GREY) if self.ok else RED,
            row(tag("strong", self.path.name), self._summary(), style="margin:0"),
            _table(open_) if open_ else None,
            fold(f"ok: {len(good)}", _table(good)) if good else None,
        )
        return {"text/plain": str(self), "text/html": str(page)}


def _table(findings: Iterable[Finding]) -> Html:
    return table(
        (
            f"cell {f.cell} · {f.what}",
            tag("strong", f.result, style=f"color:{RED}") if f.result == DIFFERS else f.result,
            f.words,
        )
        for f in findings
    )
