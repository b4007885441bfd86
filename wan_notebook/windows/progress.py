"""A job at work: where it stands, its clocks in the queue and running, and how long it is likely to take still."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wan_notebook.facts.catalog import catalog
from wan_notebook.tasks import UNSENT, JobState, TaskStatus
from wan_notebook.windows.asked import Asked, frames_as_sent
from wan_notebook.windows.player import NOT_REAL
from wan_notebook.words import markup
from wan_notebook.words.instants import epoch
from wan_notebook.words.markup import MUTED, code, fact, row, tag
from wan_notebook.words.phrases import clean, clock, price, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wan_notebook.tasks import JobUpdate
    from wan_notebook.words.markup import Html

__all__ = ["clocks", "head", "line", "outlook", "state_words", "working"]


def working(update: JobUpdate, *below: Html | None) -> Html:
    """The card of a job at work; ``below`` stand its prompts and notes."""
    expected = outlook(update)
    how_to = row(*_how_to(update), f"as of {datetime.fromtimestamp(update.now, UTC):%H:%M:%S} UTC")
    return markup.card(
        markup.BLUE,
        head(update, state_words(update), clock(update.elapsed_seconds)),
        _steps(update),
        expected and tag("div", expected, style="margin-top:6px"),
        _strip(update),
        frames_as_sent(update.media),
        *below,
        tag("div", how_to, style=f"margin-top:6px;{MUTED}"),
    )


def head(update: JobUpdate, *words: str) -> Html | None:
    """The name of a job, then ``words``."""
    name = tag("strong", update.name or "Image to video", style=markup.NAME)
    return row(name, *words, update.simulated and markup.badge(NOT_REAL), style="margin:0")


def _service_word(update: JobUpdate) -> str:
    return shortened(clean(update.task.task_status), 30) if update.task else ""


def state_words(update: JobUpdate) -> str:
    """The state in plain words, with the service's own word."""
    if update.state in UNSENT:
        return f"{'preparing' if update.state is JobState.WAITING else 'waiting for its turn'}: nothing is sent yet"
    if update.state is JobState.SUBMITTING or update.task is None:
        return "sending the request"
    if not update.task.task_status:
        return "asking the service for this task"
    words = f"{_service_word(update)} at the service"
    if update.state is JobState.DOWNLOADING:
        return f"{words}, saving the clip"
    known = update.task.status.value == update.task.task_status.strip().upper()
    return words if known else f"{words} (a word not known here; still followed)"


def clocks(update: JobUpdate) -> tuple[float | None, float | None]:
    """Seconds in the queue and running so far, each None where it is not known; by the service's own clock."""
    queued, ran, task = update.queue_seconds, update.run_seconds, update.task
    since = epoch(update.submitted_at)
    if since is None or task is None or not task.task_status or update.state is not JobState.FOLLOWING:
        return queued, ran
    so_far = max(0.0, update.now - since) * (update.forecast.speed if update.forecast else 1.0)
    if task.status is TaskStatus.PENDING:
        return so_far, None
    if ran is None and queued is not None and task.status is TaskStatus.RUNNING:
        ran = max(0.0, so_far - queued)
    return queued, ran


def outlook(update: JobUpdate) -> str:
    """How long it is likely to take still; empty where that is not known or it does not run at the service."""
    task = update.task
    if update.forecast is None or task is None or task.status.ended or update.state is not JobState.FOLLOWING:
        return ""
    running = clocks(update)[1]
    if running is None and task.status is not TaskStatus.PENDING:
        return ""  # it runs, and nobody told since when
    return update.forecast.words(running)


def _steps(update: JobUpdate) -> Html:
    status = update.task.status if update.task and update.state is not JobState.SUBMITTING else None
    place = 0 if status is None else {TaskStatus.PENDING: 1, TaskStatus.RUNNING: 2}.get(status, 3)
    if update.task and not update.task.task_status:
        place = 1  # it was sent; more is not known yet
    queue, run = (f" {clock(s)}" if s is not None else "" for s in clocks(update))
    return markup.steps(
        ("Send", f"Queue{queue}", f"Run{run}", "Save"), 3 if update.state is JobState.DOWNLOADING else place
    )


def _how_to(update: JobUpdate) -> Iterator[Html]:
    status = update.task.status if update.task else None
    job = update.handle
    if status is TaskStatus.PENDING:
        yield tag("span", code(f"{job}.cancel()"), " stops it while it is PENDING")
    elif _service_word(update).upper() == TaskStatus.RUNNING:
        billed = "a real one would be billed" if update.simulated else "will be billed"
        yield tag("span", f"A RUNNING task cannot be stopped and {billed}")
    yield tag("span", code(f"{job}.result()"), " waits for the clip")


def _strip(update: JobUpdate) -> Html:
    """What is asked, each value marked as given or default, and what it costs."""
    quota = f" · free quota: {update.cost.free_quota}" if update.cost and update.cost.free_quota else ""
    cost = fact("Price", price(update.cost, simulated=update.simulated), "" if update.simulated else quota)
    elsewhere = not update.cost or update.cost.region.casefold() != update.region.casefold()  # else the price names it
    region = fact("Region", update.region.title() if elsewhere else "")
    task = fact("Task id", update.task and code(update.task.task_id))
    return markup.facts(*Asked(update.request, update.seed).strip(), cost, region, fact("Clip", _clip(update)), task)


def _clip(update: JobUpdate) -> str:
    """What the file will be: known for certain only once it is there. Nothing of a task that was made elsewhere."""
    asked = Asked(update.request, update.seed)
    if not update.request.media_facts:
        return ""
    size = asked.shape(update.media)
    shape = f"about {size[0]}×{size[1]}" if size else "size unknown"
    sound = {True: "sound", False: "silent", None: "sound unknown"}[asked.sound]
    return f"{shape} · {catalog().service.fps} fps · {sound}"


def line(update: JobUpdate) -> str:
    """A job at work in one line, for terminals and viewers without HTML; what matters most comes first."""
    task = update.task
    paid = "simulated, nothing billed" if update.simulated else str(update.cost or "price unknown")
    asked = " ".join(map(Asked(update.request, update.seed).words, ("model", "resolution", "duration")))
    word = (_service_word(update) if update.state is JobState.FOLLOWING else "") or update.state.value
    told = zip(("queue", "run"), clocks(update), strict=True)
    known = ", ".join(f"{what} {clock(seconds)}" for what, seconds in told if seconds is not None)
    spent = f" ({known})" if known else ""
    parts = [
        f"{update.name or 'wan'}: {word} {clock(update.elapsed_seconds)}{spent}",
        outlook(update),
        asked,
        paid,
        task and f"task {task.task_id}",
    ]
    return clean(" · ".join(part for part in parts if part))
