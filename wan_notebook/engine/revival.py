"""A run of the ledger as a job's picture again: what was known when its process wrote it down last; pure."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.ledger.rows import known_task
from wan_notebook.ledger.runs import told
from wan_notebook.media.medium import SentMedia
from wan_notebook.media.origins import Origin
from wan_notebook.request.recalled import recalled
from wan_notebook.tasks import Clip, Cost, JobState, JobUpdate, iso_utc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wan_notebook.ledger.runs import Run

__all__ = ["REV_LEAP", "revived"]

REV_LEAP = 1000  # remarks and clocks that the ledger did not see may have raised it meanwhile


def revived(run: Run, *, now: float, handle: str = "", again: bool = False) -> JobUpdate:
    """The picture of a run.

    Parameters
    ----------
    run : Run
    now : float
        Seconds since the epoch.
    handle : str
        How the job is reached, where there is one.
    again : bool
        Whether it is to be followed again, and not only to be shown. A submit whose answer never came is looked for.
    """
    try:
        return _revived(run, told(run.record), now=now, handle=handle, again=again)
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError):  # a later version's record
        return _revived(run, {}, now=now, handle=handle, again=again)


def _revived(run: Run, record: Mapping[str, Any], *, now: float, handle: str, again: bool) -> JobUpdate:
    asked: Mapping[str, Any] = record.get("request") or {}
    folder = Path(run.folder) if run.folder else None
    inputs = [item for item in record.get("inputs") or () if isinstance(item, dict)]
    kept = {item["sha256"]: folder / item["path"] for item in inputs if folder and item.get("path")}
    notes = [note for note in record.get("notes") or () if isinstance(note, str)]
    unheard = run.task_id is None and run.from_run is None
    state = (JobState.SUBMITTING if unheard else JobState.FOLLOWING) if again else _state(run)
    ended = run.finished_at if state.ended and run.finished_at else now
    return JobUpdate(
        run_id=run.run_id,
        rev=run.rev + (REV_LEAP if again else 0),
        name=run.name,
        handle=handle,
        state=state,
        request=recalled(told(run.request), given=asked.get("given"), sent=asked.get("sent")),
        seed=run.seed,
        region=run.region,
        endpoint=run.endpoint,
        simulated=bool(run.simulated),
        created_at=iso_utc(run.created_at),
        now=now,
        elapsed_seconds=max(0.0, ended - run.created_at),
        queue_seconds=run.queue_seconds,
        run_seconds=run.run_seconds,
        submitted_at=iso_utc(run.submitted_at) if run.submitted_at else None,
        finished_at=iso_utc(run.finished_at) if run.finished_at and not again else None,
        task=known_task(run),
        sent=asked.get("sent"),
        media=tuple(map(_medium, inputs)),
        kept=kept,
        notes=tuple(notes),
        error=None if again else record.get("error"),
        hint=None if again else record.get("hint"),
        cost=_cost(run, record.get("cost") or {}),
        clip=None if again else _clip(run, record.get("clip") or {}),
        cell_id=run.cell_id,
        folder=folder,
        from_run=run.from_run,
        private=bool(record.get("private")),
        replay_of=record.get("replay_of"),
        source_sha256=record.get("source_sha256"),
        sweep=run.sweep,
        place=run.place,
    )


def _state(run: Run) -> JobState:
    try:
        state = JobState(run.state)
    except ValueError:  # a later version's word
        return JobState.DETACHED
    return state if state.ended else JobState.DETACHED


def _medium(item: dict[str, Any]) -> SentMedia:
    names = ("role", "how", "name", "mime", "sha256", "width", "height", "url")
    origin = item.get("origin")
    return SentMedia(
        **{name: item.get(name) for name in names},  # type: ignore[arg-type]  # as they were written
        bytes=item.get("bytes") or 0,
        notes=tuple(item.get("changes") or ()),
        origin=Origin(clip="", pixels="", **origin) if origin else None,
    )


def _cost(run: Run, told: dict[str, Any]) -> Cost | None:
    if run.currency is None:
        return None
    rate = told.get("rate")
    return Cost(
        amount=run.price,
        currency=run.currency,
        rate=None if rate is None else Decimal(rate),
        seconds=told.get("seconds") or 0.0,
        estimated=bool(run.estimated),
        about=bool(told.get("about")),
        region=told.get("region") or run.region,
        table_date=told.get("table_date") or "",
        source="",
    )


def _clip(run: Run, told: dict[str, Any]) -> Clip | None:
    if run.clip_path is None or run.clip_sha256 is None:
        return None
    names = ("width", "height", "duration", "fps", "video_codec", "audio_codec")
    known = {name: told.get(name) for name in names}
    return Clip(path=Path(run.clip_path), sha256=run.clip_sha256, bytes=run.clip_bytes or 0, **known)  # type: ignore[arg-type]
