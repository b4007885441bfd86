"""The record of a sweep: a summary, and one short entry for each of its runs; pure.

An output holds the summary with its entries in ``members``; in the cell's metadata they stand one behind the other, as
records do. The whole record of a run lies beside its clip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wan_notebook.errors import WanError
from wan_notebook.record.claims import MOST_VALUE, another_sweep
from wan_notebook.record.documents import inside
from wan_notebook.record.model import Record, faults
from wan_notebook.record.provenance import SCHEMA_VERSION, asked, cost_facts, digest, relative
from wan_notebook.record.sidefiles import SUFFIX, load_record, placed
from wan_notebook.tasks import UNSENT, JobState
from wan_notebook.words.phrases import clean, shortened
from wan_notebook.words.privacy import TEXTS, hushed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wan_notebook.tasks import JobUpdate

__all__ = ["MEMBER", "SWEEP", "record_of_sweep", "short_of", "told_otherwise", "whole_of"]

SWEEP, MEMBER = "sweep", "member"  # what ``kind`` says
MOST_ERROR, MOST_VALUES = 300, 20  # characters; fields


def record_of_sweep(
    sweep_id: str,
    members: Sequence[tuple[Mapping[str, Any], JobUpdate]],
    *,
    rev: int,
    name: str | None,
    idle: bool,
    source_sha256: str | None,
    created_at: str,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """The summary with its entries.

    Parameters
    ----------
    members : sequence of (values, JobUpdate)
        At least one.
    idle : bool
        Whether what is not sent waits for a person.
    """
    updates = [update for _, update in members]
    first, fields = updates[0], list(members[0][0])
    over = all(update.state.ended for update in updates)
    done = sum(update.state is JobState.DOWNLOADED for update in updates)
    head: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "kind": SWEEP,
        "run_id": sweep_id,
        "rev": rev,
        "cell_id": first.cell_id,
        "source_sha256": source_sha256,
        "name": name and shortened(name, MOST_VALUE),
        "state": _state(over=over, complete=done == len(updates), idle=idle),
        "simulated": any(update.simulated for update in updates),
        "private": first.private,
        "region": first.region,
        "endpoint": first.endpoint or None,
        "varies": {field: len({str(values[field]) for values, _ in members}) for field in fields},
        "asked": {field: value for field, value in asked(hushed(first)).items() if field not in fields},
        "runs": len(updates),
        "done": done,
        "unsent": sum(update.state in UNSENT for update in updates),
        "without_clip": sum(update.state.ended and update.state is not JobState.DOWNLOADED for update in updates),
        "reused": sum(update.from_run is not None and update.state is JobState.DOWNLOADED for update in updates),
        "created_at": created_at,
        "finished_at": max((update.finished_at or "" for update in updates), default=None) if over else None,
        "versions": dict(versions),
    }
    for field, value in head["asked"].items():
        if isinstance(value, str):
            head["asked"][field] = shortened(value, MOST_VALUE)
    return {**_signed(head), "members": [_member(sweep_id, values, update) for values, update in members]}


def _state(*, over: bool, complete: bool, idle: bool) -> str:
    """The sweep's state in the words of a job's."""
    if over:
        return (JobState.DOWNLOADED if complete else JobState.FAILED).value
    return (JobState.PLANNED if idle else JobState.FOLLOWING).value


def _member(sweep_id: str, values: Mapping[str, Any], update: JobUpdate) -> dict[str, Any]:
    update = hushed(update)
    cost, clip = cost_facts(update.cost), update.clip
    return _signed(
        {
            "schema": SCHEMA_VERSION,
            "kind": MEMBER,
            "run_id": update.run_id,
            "rev": update.rev,
            "cell_id": update.cell_id,
            "sweep": sweep_id,
            "place": update.place,
            "state": update.state.value,
            "values": {name: _short(value) for name, value in list(values.items())[:MOST_VALUES]},
            "seed": update.seed,
            "model": update.request.model,
            "simulated": update.simulated,
            "task_id": update.task.task_id if update.task else None,
            "from_run": update.from_run,
            "sent_sha256": digest(update.sent) if update.sent else None,
            "amount": cost["amount"] if cost else None,
            "currency": cost["currency"] if cost else None,
            "clip": {"path": relative(clip.path, update.folder), "sha256": clip.sha256} if clip else None,
            "error": shortened(clean(update.error), MOST_ERROR) if update.error else None,
        }
    )


def _short(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float)) else shortened(str(value), MOST_VALUE)


def _signed(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "record_sha256": digest(record)}


def whole_of(entry: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any] | None, str]:
    """The whole record of a sweep's run, as it lies beside its clip, with paths relative to ``folder``.

    Parameters
    ----------
    entry : mapping
        The short one, valid.
    folder : Path
        The notebook's.

    Returns
    -------
    (dict or None, str)
        None where there is none that can be believed, and why.
    """
    clip, beside = entry["clip"], None
    path = inside(folder, clip["path"] + SUFFIX) if clip else None
    if path is None:
        return None, f"its record is not in the notebook's folder ({clip['path'] if clip else 'it has no clip'})"
    try:
        beside = load_record(path)
    except WanError as error:
        return None, error.message
    said = {name: value for name, value in beside.items() if name != "record_sha256"}
    if faults(beside) or "kind" in beside or digest(said) != beside["record_sha256"]:
        return None, f"{path.name} was edited, or is no record"
    ours = (entry["from_run"] or entry["run_id"], clip["sha256"])
    if (beside["from_run"] or beside["run_id"], (beside["clip"] or {}).get("sha256")) != ours:
        return None, f"{path.name} is the record of another run"
    if entry["sent_sha256"] != beside["request"]["sent_sha256"]:
        return None, f"{path.name} tells of another request"
    return placed(beside, clip["path"]), ""


def short_of(entry: Mapping[str, Any], head: Mapping[str, Any]) -> dict[str, Any]:
    """What a sweep tells of a run without a clip, under the names of a run's record; what it does not tell is None.

    Parameters
    ----------
    entry, head : mapping
        The run's and the sweep's, valid.
    """
    values = {name: value for name, value in entry["values"].items() if name not in TEXTS or not head["private"]}
    asked_for = {**head["asked"], **values, "seed": entry["seed"]}
    shared = ("source_sha256", "name", "private", "region", "endpoint", "created_at", "versions")
    own = ("schema", "run_id", "rev", "cell_id", "state", "simulated", "model", "task_id", "from_run", "error")
    return {
        **{field.alias or name: None for name, field in Record.model_fields.items()},
        **{name: head[name] for name in shared},
        **{name: entry[name] for name in own},
        "request": {"asked": asked_for, "given": sorted(values), "sent": None, "sent_sha256": entry["sent_sha256"]},
        "cost": {"amount": entry["amount"], "currency": entry["currency"]} if entry["currency"] else None,
        "inputs": [],
        "notes": [],
        "shortened": [],
    }


def told_otherwise(head: Mapping[str, Any], members: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """What a sweep's summary says of all its runs and a whole record beside one of their clips does not, in words."""
    for entry in members:
        record = whole_of(entry, folder)[0] if entry["clip"] else None
        if record and (other := another_sweep(head, record, own=record["run_id"] == entry["run_id"])):
            return f"the record beside the clip of {entry['run_id']} tells otherwise: {other}"
    return ""
