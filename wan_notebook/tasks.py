"""The nouns that come back: Task (remote), Clip and VideoResult (saved), JobUpdate (what windows are told).

Everything here is frozen and replaced, never edited.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping  # noqa: TC003  dataclass fields are resolved at run time
from dataclasses import dataclass, field, replace
from decimal import Decimal  # noqa: TC003
from enum import StrEnum
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Any

from wan_notebook.facts.zones import Timed
from wan_notebook.media import sheets, stills
from wan_notebook.words.instants import instant, iso_utc

if TYPE_CHECKING:
    from PIL.Image import Image

    from wan_notebook.media.medium import SentMedia
    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.words.forecast import Forecast

__all__ = [
    "FREE", "UNSENT", "Clip", "Cost", "JobState", "JobUpdate", "Task", "TaskStatus", "Usage", "VideoResult", "iso_utc"
]  # fmt: skip


KEPT = ("submit_time", "scheduled_time", "end_time", "video_url", "orig_prompt", "actual_prompt", "usage")
Jpeg = bytes  # in classes that have a field called ``bytes``


class TaskStatus(StrEnum):
    """The service's words for a task (API reference of 2026-05-22)."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    UNKNOWN = "UNKNOWN"

    @property
    def ended(self) -> bool:
        """Whether the service will never change its mind again."""
        return self not in (TaskStatus.PENDING, TaskStatus.RUNNING)


class JobState(StrEnum):
    """Our words for a job; ``task_status`` keeps the service's."""

    PLANNED = "planned"  # a member of a sweep whose turn has not come
    WAITING = "waiting"  # preparing the media, or waiting for a free place before the POST
    SUBMITTING = "submitting"  # the paid POST is under way
    FOLLOWING = "following"  # a task id is known; PENDING or RUNNING at the service
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"  # end: the clip is saved
    REFUSED = "refused"  # end: not accepted, nothing is billed
    AMBIGUOUS = "ambiguous"  # end: sent, but whether it was accepted is not known
    FAILED = "failed"  # end: the service gave up; not billed
    CANCELED = "canceled"  # end
    EXPIRED = "expired"  # end: the service no longer knows the task
    UNDELIVERED = "undelivered"  # end: made and billed, but not saved yet
    DETACHED = "detached"  # end here: nobody follows it any more; the task id is kept

    @property
    def ended(self) -> bool:
        """Whether this job will not change any more in this process."""
        return self not in (*UNSENT, JobState.SUBMITTING, JobState.FOLLOWING, JobState.DOWNLOADING)


UNSENT = (JobState.PLANNED, JobState.WAITING)  # nothing was sent, and nothing is billed
FREE = (JobState.REFUSED, JobState.FAILED, JobState.CANCELED)  # it is over, and nothing is billed


@dataclass(frozen=True)
class Usage:
    """What the service says it billed; every field may be absent."""

    duration: float | None = None
    output_video_duration: float | None = None
    input_video_duration: float | None = None
    video_count: int | None = None
    SR: int | None = None
    audio: bool | None = None

    @property
    def billed_seconds(self) -> float | None:
        """Seconds of video that are billed."""
        return self.duration


@dataclass(frozen=True, repr=False)
class Task(Timed):
    """A task at the service, as last heard of.

    ``task_status`` is the raw word of the service; :attr:`status` is that word if it is a known one, else RUNNING
    (a paid task is never given up because of a word we do not know).
    """

    task_id: str
    task_status: str
    request_id: str | None = None
    submit_time: str | None = None
    scheduled_time: str | None = None
    end_time: str | None = None
    video_url: str | None = field(default=None, repr=False)  # signed: who has it may download
    orig_prompt: str | None = None
    actual_prompt: str | None = None
    code: str | None = None
    message: str | None = None
    usage: Usage | None = None

    @property
    def status(self) -> TaskStatus:
        """The known status closest to ``task_status``."""
        word = self.task_status.strip().upper()
        return TaskStatus(word) if word in TaskStatus.__members__ else TaskStatus.RUNNING

    def then(self, new: Task) -> Task:
        """``new``, keeping what the service said before and leaves out now; the submit's request id stays."""
        kept: dict[str, Any] = {name: getattr(self, name) for name in KEPT if getattr(new, name) is None}
        return replace(new, request_id=self.request_id, task_id=self.task_id, **kept)

    def clocks(self) -> tuple[float | None, float | None]:
        """Seconds in the queue and running, by the service's own clock (differences only: its zone is not documented).

        >>> Task("a", "RUNNING", submit_time="2026-01-22 23:24:46.500", scheduled_time="2026-01-22 23:24:47").clocks()
        (0.5, None)
        """
        submit, scheduled, end = (instant(t) for t in (self.submit_time, self.scheduled_time, self.end_time))
        return (
            (scheduled - submit).total_seconds() if submit and scheduled else None,
            (end - scheduled).total_seconds() if scheduled and end else None,
        )


@dataclass(frozen=True)
class Cost:
    """Money, from seconds and the dated price table.

    Parameters
    ----------
    amount : Decimal or None
        None means the price is unknown (never 0).
    currency : str
        ISO code, e.g. ``USD``.
    rate : Decimal or None
        Per second of output video.
    seconds : float or None
    estimated : bool
        True before the service has reported its usage.
    about : bool
        True where the price was inferred rather than read.
    region, table_date, source : str
    free_quota : str
        What the account may get free; named, not deducted.
    """

    amount: Decimal | None
    currency: str
    rate: Decimal | None
    seconds: float | None
    estimated: bool
    about: bool
    region: str
    table_date: str
    source: str
    free_quota: str = ""

    def __str__(self) -> str:
        if self.amount is None:
            return "price unknown"
        text = f"{self.amount.normalize():f} {self.currency}"
        return f"about {text}" if self.about or self.estimated else text


@dataclass(frozen=True)
class Clip:
    """A saved MP4, as probed from the file itself."""

    path: Path
    sha256: str
    bytes: int
    width: int
    height: int
    duration: float
    fps: float
    video_codec: str
    audio_codec: str | None
    poster: Jpeg | None = field(default=None, repr=False)  # a small JPEG

    @property
    def audio(self) -> bool:
        """Whether the file has a sound track."""
        return self.audio_codec is not None


@dataclass(frozen=True)
class VideoResult:
    """A finished clip: where it is, what it cost, what the service said.

    It is an ``os.PathLike`` and shows itself as a video in a notebook.
    """

    path: Path
    url: str = field(repr=False)
    usage: Usage | None
    cost: Cost | None
    clip: Clip
    task: Task = field(repr=False)
    record: dict[str, Any] = field(repr=False)
    show: Callable[[VideoResult], dict[str, Any]] | None = field(default=None, repr=False, compare=False)

    def frame(self, index: int = -1) -> Image:
        """One frame of the clip as a PIL image; -1 is the last.

        It remembers run and frame: the record of a clip that is made from it says so. Raises IndexError where the clip
        has fewer frames, WanError where its file cannot be read any more.
        """
        return stills.frame(self.path, index, run_id=str(self.record.get("run_id")))

    def frames(self, n: int) -> list[Image]:
        """``n`` frames of the clip, evenly spaced from the first to the last, as :meth:`frame` gives them."""
        return stills.evenly(self.path, n, run_id=str(self.record.get("run_id")))

    def contact_sheet(self, n: int = 12, *, columns: int = 4, width: int = 960) -> Image:
        """``n`` frames of the clip with their times, evenly spaced, as one PIL image ``width`` pixels wide.

        A notebook shows it; ``.save("cat.png")`` saves it. Raises WanError where the clip cannot be read any more.
        """
        frames = [(s.picture, f"{s.seconds:.2f} s · frame {s.number}") for s in stills.spread(self.path, max(n, 1))]
        shape = f"{self.clip.width} x {self.clip.height} · {self.clip.duration:.1f} s · {self.clip.fps:.4g} fps"
        caption = f"{self.path.name} · {shape}{' · simulated' if self.record.get('simulated') else ''}"
        return sheets.sheet(frames, columns=columns, width=width, caption=caption)

    def __str__(self) -> str:
        return str(self.path)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython's protocol
        return self.show(self) if self.show else {"text/plain": repr(self)}


@dataclass(frozen=True)
class JobUpdate:
    """What the windows are told of a job: a frozen picture of one moment.

    Parameters
    ----------
    rev : int
        Rises with every change of state, not with the clock.
    now : float
        Seconds since the epoch when this picture was taken; the clocks below are derived from it.
    """

    run_id: str
    rev: int
    name: str | None
    handle: str  # what the person writes to reach the job: a variable, or wan_notebook.jobs()[n]
    state: JobState
    request: I2VRequest
    seed: int | None  # None for a task made elsewhere: the service does not tell it
    region: str
    endpoint: str
    simulated: bool
    created_at: str
    now: float
    elapsed_seconds: float = 0.0
    queue_seconds: float | None = None
    run_seconds: float | None = None
    submitted_at: str | None = None
    finished_at: str | None = None
    task: Task | None = None
    sent: dict[str, Any] | None = None  # the canonical body with each media value replaced by its digest
    media: tuple[SentMedia, ...] = ()
    kept: Mapping[str, Path] = field(default_factory=dict)  # sha256 of a medium as sent -> the file it is kept in
    notes: tuple[str, ...] = ()  # alpha flattened, network trouble, ...
    error: str | None = None  # what happened, when it ended badly
    hint: str | None = None  # what to do, and whether it is billed
    cost: Cost | None = None
    clip: Clip | None = None
    cell_id: str | None = None
    source_sha256: str | None = None  # of the cell that started it
    folder: Path | None = None  # the notebook's folder; links are relative to it
    from_run: str | None = None  # the run that was paid for, where this one shows its clip
    private: bool = False  # its texts are neither shown nor written; windows show privacy.hushed(update)
    replay_of: str | None = None  # the run whose request this one repeats
    forecast: Forecast | None = None  # what this machine knows of the run times of its kind
    sweep: str | None = None  # the sweep it is a member of
    place: int | None = None  # the how-manieth member, from 0

    def stamp(self) -> str:
        """``now`` as ISO-8601 in UTC."""
        return iso_utc(self.now)
