"""The runs a saved notebook tells of, as far as they can be believed: valid records that nobody edited, each once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import WanError
from wan_notebook.record.claims import another_story
from wan_notebook.record.documents import Document, inside
from wan_notebook.record.model import altered_body, faults
from wan_notebook.record.provenance import digest
from wan_notebook.record.recorder import records
from wan_notebook.record.sidefiles import SUFFIX, load_record, placed
from wan_notebook.record.swept import SWEEP, short_of, whole_of
from wan_notebook.tasks import FREE, UNSENT
from wan_notebook.words.phrases import clean

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Chronicle", "Entry", "beside", "chronicle", "distrusted"]


@dataclass(frozen=True)
class Entry:
    """One run.

    Parameters
    ----------
    cell : int
        Place of its cell in the notebook, from 1.
    cell_id : str or None
        The id the cell has now.
    record : dict
    earlier : bool
        Whether it was made in an earlier execution, and the cell only shows its clip.
    """

    cell: int
    cell_id: str | None
    record: dict[str, Any]
    earlier: bool = False

    @property
    def rank(self) -> tuple[bool, int]:
        """Which of two entries of one run counts: its own, the latest."""
        return not self.earlier, self.record["rev"]

    @property
    def cost(self) -> dict[str, Any]:
        """What it cost, by the names of the record; 0 where nothing was sent, or it ended and is not billed."""
        cost = self.record["cost"] or {}
        free = self.record["state"] in (*FREE, *UNSENT)
        return {**cost, "amount": "0", "estimated": False} if free else cost

    def value(self, name: str) -> Any:
        """A parameter as it was sent, or as it was asked where nothing was sent."""
        request = self.record["request"]
        sent = (request["sent"] or {}).get("parameters") or {}
        return sent.get(name, request["asked"].get(name))

    @property
    def prompt(self) -> str | None:
        """The prompt as recorded; None where it is private."""
        request = self.record["request"]
        said = ((request["sent"] or {}).get("input") or request["asked"]).get("prompt")
        return said if isinstance(said, str) else None


@dataclass(frozen=True)
class Chronicle:
    """The runs of one notebook, in the order of its cells, and what was left out with the reason.

    Parameters
    ----------
    entries : tuple of Entry
        With their whole records.
    clipless : tuple of Entry
        Runs of sweeps without a clip; their records hold what the sweep tells of them.
    """

    document: Document
    entries: tuple[Entry, ...]
    clipless: tuple[Entry, ...]
    left_out: tuple[str, ...]

    def runs(self) -> tuple[Entry, ...]:
        """All of them, and before a run that only shows an earlier clip the one that made it.

        That one is read from the record beside the clip, unless it is told of here anyway, or cannot be believed.
        """
        folder, known = self.document.path.absolute().parent, {entry.record["run_id"] for entry in self.entries}
        found: list[Entry] = []
        for entry in sorted((*self.entries, *self.clipless), key=lambda entry: entry.cell):
            made_by = entry.record["from_run"]
            record = _origin(entry.record, folder) if made_by is not None and made_by not in known else None
            if record is not None:
                known.add(made_by)
                found.append(replace(entry, record=record, earlier=True))
            found.append(entry)
        return tuple(found)


def chronicle(path: str | os.PathLike[str]) -> Chronicle:
    """Read a saved notebook.

    Raises
    ------
    WanError
        It is no notebook, or tells of no run that can be believed.
    """
    document = Document.read(path)
    folder = document.path.absolute().parent
    entries: dict[str, Entry] = {}
    clipless: dict[str, Entry] = {}
    heads: dict[str, dict[str, Any]] = {}
    left_out = []
    for index, found in records(document.notebook):
        named = document.notebook["cells"][index].get("id")
        record, why = _told(found, heads, folder)
        if record is None:
            continue
        known = clipless if "kind" in found and record["clip"] is None else entries
        if why:
            left_out.append(f"cell {index + 1}, {clean(record['run_id'])}: {why}")
            continue
        entry = Entry(index + 1, named if isinstance(named, str) else None, record, record["run_id"] != found["run_id"])
        if (before := known.get(record["run_id"])) is None or before.rank < entry.rank:
            known[record["run_id"]] = entry
    if not entries and not clipless:
        raise WanError(f"{document.path.name} tells of no run{_why(left_out)}.", hint="wan-notebook verify shows more.")
    return Chronicle(document, tuple(entries.values()), tuple(clipless.values()), tuple(left_out))


def _told(found: dict[str, Any], heads: dict[str, dict[str, Any]], folder: Path) -> tuple[dict[str, Any] | None, str]:
    """A run's record, or why it is not believed; of a sweep's run the one beside its clip, or what the sweep tells.

    None for a sweep's summary; a believed one is put into ``heads``.
    """
    if found.get("kind") is None:
        return found, distrusted(found)
    if faults(found):
        return found, "it is no record of schema 1"
    if found["kind"] == SWEEP:
        heads |= {} if distrusted(found) else {found["run_id"]: found}
        return None, ""
    if found["clip"] is None:
        head = heads.get(found["sweep"])
        why = distrusted(found) or ("" if head else "the summary of its sweep is not there, or was edited")
        return (short_of(found, head), "") if head and not why else (found, why)
    record, why = whole_of(found, folder)
    return (record, distrusted(record)) if record else (found, why)


def _origin(record: Mapping[str, Any], folder: Path) -> dict[str, Any] | None:
    """The record of the run that made a clip which is only shown again, if the one beside the clip is that one."""
    path = beside(record, folder) if record["clip"] else None
    held = load_record(path) if path is not None else None
    if held is None or held["run_id"] != record["from_run"] or held["from_run"] or another_story(held, record):
        return None
    return placed(held, record["clip"]["path"])


def distrusted(record: dict[str, Any]) -> str:
    """Why a record is not believed; empty if it is valid and as it was written."""
    wrong = faults(record)
    if wrong:
        return f"it is no record of schema 1 ({clean(wrong[0])[:200]})"
    if digest({name: value for name, value in record.items() if name != "record_sha256"}) != record["record_sha256"]:
        return "the record was edited"
    if "kind" not in record and altered_body(record):
        return "the body in the record is not the one that was sent"
    return ""


def beside(record: Mapping[str, Any], folder: Path) -> Path | None:
    """The side file of a record's clip, in the notebook's folder, if it can be believed and tells no more than that."""
    path = inside(folder, record["clip"]["path"] + SUFFIX)
    try:
        held = load_record(path) if path is not None else {}
    except WanError:
        return None
    if distrusted(held) or "kind" in held or (held["clip"] or {}).get("sha256") != record["clip"]["sha256"]:
        return None
    return None if record["private"] and not held["private"] else path


def _why(left_out: Iterable[str]) -> str:
    said = "; ".join(left_out)
    return f" that can be believed ({said[:500]})" if said else ""
