"""The window people look at: a frozen JobUpdate or VideoResult becomes a MIME bundle.

Nothing runs in the page: no script, no style sheet, no animation. While a job works, its card is simply told anew.
There is no ``role="status"`` either: the clock would be read aloud twice a second.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from wan_notebook.facts.catalog import catalog
from wan_notebook.tasks import JobState
from wan_notebook.windows import progress
from wan_notebook.windows.asked import Asked, frames_as_sent
from wan_notebook.windows.player import Film, figure, text_line
from wan_notebook.words import markup
from wan_notebook.words.addresses import expires, public_url
from wan_notebook.words.answers import address
from wan_notebook.words.markup import MUTED, code, fact, row, tag
from wan_notebook.words.phrases import clean, clock, moment, shortened
from wan_notebook.words.privacy import hushed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wan_notebook.tasks import JobUpdate, VideoResult
    from wan_notebook.words.markup import Html

__all__ = ["KEPT_OUT", "NOW", "PARTLY_KNOWN", "REPEATABLE", "bundle", "ending", "video_bundle"]

TEASER, MESSAGE = 120, 1500  # characters of a prompt, of a message
PARTLY_KNOWN = (
    "This task was made elsewhere: the service tells little of its request and nothing of its picture, so what is "
    "known here does not repeat it."
)
REPEATABLE = (
    "These values repeat the request exactly. The service does not promise the identical video: "
    "a reproducible request, not a bit-identical clip."
)

THEN, NOW = "Then", "Now: the same request, which does not promise the identical video"
KEPT_OUT = "The prompt is private: kept out of this card, the record, the ledger and the log, which hold its digest."

# state: (headline, colour of the edge, what to say where nothing more is known)
ENDS = {
    JobState.DOWNLOADED: ("Done", markup.GREEN, "The clip is saved."),
    JobState.REFUSED: ("Refused: not accepted", markup.RED, "Nothing is billed."),
    JobState.AMBIGUOUS: ("Sent, but no answer came", markup.AMBER, "It may have been accepted; it is not sent again."),
    JobState.FAILED: ("Failed at the service", markup.RED, "The service gave no reason. Failed tasks are not billed."),
    JobState.CANCELED: ("Canceled", markup.GREY, "A task canceled while PENDING is not billed."),
    JobState.EXPIRED: ("No longer known to the service", markup.AMBER, "Too old, of another account, or not a task."),
    JobState.UNDELIVERED: ("Made, but not saved yet", markup.AMBER, "The clip still waits at the service."),
    JobState.DETACHED: ("No longer followed here", markup.AMBER, "The task goes on at the service; its id is kept."),
}


def bundle(
    update: JobUpdate, *, embed_limit: int = 0, remarks: Sequence[str] = (), beside: Film | None = None
) -> dict[str, Any]:
    """What a front end shows of a job at this moment.

    Parameters
    ----------
    update : JobUpdate
    embed_limit : int
        Largest file, in bytes, that is put into the HTML instead of being linked; never more than 20 MB. 0 links.
    remarks : sequence of str
        Plain sentences shown with the notes (half price without sound, no AAC in this editor, ...).
    beside : Film, optional
        An earlier clip of the same request, shown side by side with a finished one.

    Returns
    -------
    dict
        MIME type to content: ``text/html``, ``text/plain`` (one line) and, once there is a clip with a poster,
        ``image/jpeg`` (base64), which PDF and viewers without video show.
    """
    update = hushed(update)
    notes = markup.bullets(shortened(clean(note), MESSAGE) for note in dict.fromkeys((*update.notes, *remarks)))
    if update.clip is not None and update.state is JobState.DOWNLOADED:
        film = Film(update.clip, update.cost, update.task, update.name, update.folder, update.simulated)
        below = (_times(update), notes, _prompts(update), _parameters(update))
        return _finished(film, embed_limit, below, beside)
    page = _ended(update, notes) if update.state.ended else progress.working(update, _prompts(update), notes)
    return {"text/html": str(page), "text/plain": _ending_line(update) if update.state.ended else progress.line(update)}


def video_bundle(result: VideoResult, folder: Path | None = None, embed_limit: int = 0) -> dict[str, Any]:
    """A finished clip alone, as a :class:`~wan_notebook.tasks.VideoResult` shows itself.

    Parameters
    ----------
    result : VideoResult
    folder : Path, optional
        The notebook's folder; links are relative to it. Default: the current folder.
    embed_limit : int
        As in :func:`bundle`.

    Returns
    -------
    dict
        As :func:`bundle` returns.
    """
    name, simulated = result.record.get("name"), bool(result.record.get("simulated"))
    return _finished(Film(result.clip, result.cost, result.task, name, folder, simulated), embed_limit)


def _finished(
    film: Film, embed_limit: int, below: Sequence[Html | None] = (), beside: Film | None = None
) -> dict[str, Any]:
    page, line = figure(film, embed_limit=embed_limit, below=below), text_line(film)
    if beside is not None:  # two figures in one output
        both = ((THEN, figure(beside, embed_limit=embed_limit)), (NOW, page))
        look = "flex:1 1 300px;min-width:0;margin:0 14px 8px 0"
        halves = (tag("div", tag("div", title, style=MUTED), one, style=look) for title, one in both)
        page = tag("div", *halves, style="display:flex;flex-wrap:wrap")
        line = f"then: {text_line(beside)}\nnow: {line}"
    data: dict[str, Any] = {"text/html": str(page), "text/plain": line}
    if film.clip.poster:
        data["image/jpeg"] = base64.b64encode(film.clip.poster).decode()
    return data


# A job that ended without a clip


def _ended(update: JobUpdate, notes: Html | None) -> Html:
    task = update.task
    ids = task and markup.facts(
        fact("Task id", code(task.task_id)),
        fact("Request id", task.request_id and code(task.request_id)),
        fact("Code of the service", task.code and code(task.code)),
    )
    link = _living_link(update) if update.state is JobState.UNDELIVERED else None
    colour = ENDS[update.state][1]
    return markup.card(colour, *ending(update), link, ids, notes, _prompts(update), _parameters(update))


def ending(update: JobUpdate) -> list[Html | None]:
    """What a card says first of a job that ended without a clip: whose it is, how it ended, why, what to do."""
    headline, _, otherwise = ENDS[update.state]
    said = [update.error or otherwise, update.hint or ""]
    lines = [tag("div", shortened(text, MESSAGE), style="white-space:pre-line;margin-top:6px") for text in said if text]
    return [progress.head(update, headline), *lines]


def _living_link(update: JobUpdate) -> Html | None:
    """Where the unsaved clip still is, and until when."""
    url = address(update.task and update.task.video_url)
    if url is None:
        return None
    until = moment(expires(url))
    life = f"until {until}" if until else f"for {catalog().service.keep_hours} hours after it was made"
    link = tag("a", "open the clip at the service", href=url, target="_blank", rel="noopener noreferrer")
    return tag("div", "Save it from the browser: ", link, f" ({life})", style="margin-top:6px")


# What stands below either


def _times(update: JobUpdate) -> Html | None:
    told = zip(("queued", "ran"), (update.queue_seconds, update.run_seconds), strict=True)
    its = ", ".join(f"{what} {clock(seconds)}" for what, seconds in told if seconds is not None)
    whose = "by the simulator's clock" if update.simulated else "by the service's clock"
    ours = "" if update.from_run else f"in all {clock(update.elapsed_seconds)} here"  # that of the run that was paid
    finished = moment(update.finished_at)
    return row(its and f"{its} {whose}", ours, finished and f"finished {finished}", style=f"margin-top:4px;{MUTED}")


def _prompts(update: JobUpdate) -> Html | None:
    """What was asked and what the service made of it: one short prompt stands open, anything more is folded."""
    if update.private:
        return tag("div", KEPT_OUT, style=f"margin-top:8px;{MUTED}")
    asked, rewritten = update.request.prompt or "", (update.task and update.task.actual_prompt) or ""
    passages = {
        "Prompt": asked,
        "Prompt as the service rewrote it": rewritten if rewritten != asked else "",
        "Negative prompt": update.request.negative_prompt or "",
    }
    texts = [markup.quoted(text, label) for label, text in passages.items() if text]
    effect = update.request.template
    head = f"Prompt: {shortened(clean(asked), TEASER)}" if asked or not effect else f"Video effect: {clean(effect)}"
    if not texts:
        return tag("div", head, style=f"margin-top:8px;{MUTED}") if effect else None
    if len(texts) == 1 and asked and len(asked) <= TEASER:
        return tag("div", markup.quoted(asked), style="margin-top:8px")
    return markup.fold(head, *texts)


def _parameters(update: JobUpdate) -> Html:
    """Every value of the request, given or default, and what was sent."""
    rows = list(Asked(update.request, update.seed).rows())
    for item in update.media:
        size = f", {item.width}×{item.height}" if item.width else ""
        digest = f"sha256 {item.sha256[:12]}…" if item.sha256 else "by its address: not verifiable"
        rows.append((f"{item.role} sent", f"{item.name or item.how}{size}", digest))
    rows += [("region", update.region, ""), ("endpoint", public_url(update.endpoint), ""), ("run", update.run_id, "")]
    if update.task and update.task.request_id:
        rows.append(("request_id", update.task.request_id, ""))
    whole = bool(update.request.media_facts)
    note = tag("div", REPEATABLE if whole else PARTLY_KNOWN, style=f"margin-top:6px;{MUTED}")
    return markup.fold(
        "Parameters", markup.table(rows), frames_as_sent(update.media) if update.state.ended else None, note
    )


def _ending_line(update: JobUpdate) -> str:
    """The card of a job that ended without a clip in one line."""
    task = update.task
    headline, _, otherwise = ENDS[update.state]
    said = [
        f"{update.name or 'wan'}: {headline}",
        update.error or otherwise,
        update.hint,
        update.simulated and "simulated",
    ]
    ids = [task and f"task {task.task_id}", task and task.request_id and f"request {task.request_id}"]
    line = shortened(clean(" · ".join(part for part in said if part)), MESSAGE)
    return " · ".join((line, *(clean(one) for one in ids if one)))
