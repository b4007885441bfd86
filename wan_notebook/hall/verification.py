"""Is a notebook still what its records say, and does it show what they say?

The record is checked two floors below (:mod:`~wan_notebook.record.audit`), here what stands with it: player, poster and
words. The card is drawn anew from the record, and what that says of the run must be in the other. What only the moment
knew (clocks, remarks) is not compared, nor what another version of this package has drawn.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import WanError
from wan_notebook.hall.restoration import recorded_cost
from wan_notebook.hall.semblance import WEB, Element, alien, read, texts, unlike
from wan_notebook.media.medium import SentMedia
from wan_notebook.record.audit import audited
from wan_notebook.record.documents import genuine
from wan_notebook.record.embeds import ELSEWHERE, plays
from wan_notebook.record.findings import DIFFERS, OK, UNKNOWN
from wan_notebook.record.footage import begins_with
from wan_notebook.record.model import faults
from wan_notebook.record.provenance import MIME, parts
from wan_notebook.request.recalled import recalled
from wan_notebook.tasks import Clip, JobState, JobUpdate, Task
from wan_notebook.windows import progress, rendering
from wan_notebook.windows.player import NOT_REAL, Film, figure, text_line
from wan_notebook.words.addresses import public_url
from wan_notebook.words.phrases import harmless, moment, price
from wan_notebook.words.privacy import HIDDEN, TEXTS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wan_notebook.record.findings import Finding, Report

__all__ = ["verify"]

POSTER = re.compile(r"""[<]video[^>]*?\sposter=["']data:image/\w+;base64,([A-Za-z0-9+/=\s]*)["']""")
TOLD = ("error", "hint")
KINDS = (MIME, "text/html", "text/plain", "image/jpeg", "image/png")


def verify(path: str | os.PathLike[str]) -> Report:
    """Check every record of a saved notebook, and the cards that are shown with them.

    Parameters
    ----------
    path : path
        A notebook of format 4; it is only read.

    Returns
    -------
    Report

    Raises
    ------
    WanError
        Not a notebook, or unreadable.
    """
    return audited(path, _shown)


def _shown(at: Finding, data: Mapping[str, Any], record: Mapping[str, Any], folder: Path) -> Iterator[Finding]:
    """What an output shows, against the record that it holds; of a sweep's, only what no card may show."""
    page, line = (_text(data.get(kind)) for kind in ("text/html", "text/plain"))
    other = next((kind for kind in data if kind not in KINDS), "")
    tree, odd = Element(), other and f"{other} is not of a card"
    try:
        tree = read(page)
        odd = odd or alien(tree)
    except (ValueError, RecursionError) as error:
        odd = odd or str(error)
    if "kind" in record:
        odd = odd or _strange_clip(tree, record)
        yield replace(
            at, what="card", result=DIFFERS if odd else OK, words=f"it shows what no card does: {odd}" if odd else ""
        )
        return
    if record["clip"]:
        yield from _player(replace(at, what="player"), tree, record)
    if odd:
        yield replace(at, what="card", result=DIFFERS, words=f"it shows what no card does: {odd}")
    elif page or line:
        yield _card(replace(at, what="card"), tree, data, record, folder)
    yield from _still(replace(at, what="poster"), data, page, record, folder)


def _strange_clip(tree: Element, sweep: Mapping[str, Any]) -> str:
    """A player or a link on a sweep's card that is of none of its clips; empty where there is none."""
    clips = [one["clip"] for one in parts(sweep) if not faults(one) and isinstance(one, dict) and one.get("clip")]
    for one in tree.all():
        source = one.given.get("src" if one.name == "video" else "href", "") if one.name in ("video", "a") else ""
        if source and not any(plays(source, clip) for clip in clips) and (one.name == "video" or not WEB.match(source)):
            return f"{source[:80]} is none of its clips"
    return ""


def _player(at: Finding, tree: Element, record: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether each player and each link to save a file is of the record's clip; an earlier one may stand before it."""
    sources = [one.given["src"] for one in tree.all() if one.name == "video" and "src" in one.given]
    links = [one.given.get("href", "") for one in tree.all() if one.name == "a" and "download" in one.given]
    right = True
    for held in (sources, links):
        mine = [plays(source, record["clip"]) for source in held]
        earlier = held[:-1] if record["replay_of"] else []
        right = (
            right
            and all(mine[len(earlier) :])
            and not any(ELSEWHERE.match(one) for one in earlier if not one.startswith("data:"))
        )
    if sources or not right:
        words = "" if right else "the player shows another file than the record's clip"
        yield replace(at, result=OK if right else DIFFERS, words=words)


def _card(at: Finding, tree: Element, data: Mapping[str, Any], record: Mapping[str, Any], folder: Path) -> Finding:
    page, line = (_text(data.get(kind)) for kind in ("text/html", "text/plain"))
    drawn, mine = record["versions"].get("wan_notebook"), version("wan-notebook")
    if drawn != mine:
        return replace(at, result=UNKNOWN, words=f"it was drawn by version {drawn}, and this is {mine}")
    if HIDDEN in (page, line):
        return replace(at, result=UNKNOWN, words="a private text was left out of it")
    try:
        other = next(_contradictions(page, line, record, folder), "") or (page and _unlike(tree, record, folder))
    except (TypeError, ValueError, LookupError, ArithmeticError):  # what is wrong with the record is said elsewhere
        return replace(at, result=UNKNOWN, words="no card can be drawn from this record")
    return replace(at, result=DIFFERS, words=f"it does not say what the record says: {other}") if other else at


def _unlike(tree: Element, record: Mapping[str, Any], folder: Path) -> str:
    """The first element that is not of the card drawn anew; of a job at work only the card's frame is compared."""
    update = _update(record, folder)
    beside = None
    if record["replay_of"] and update.clip is not None and rendering.NOW in tree.words:
        beside = Film(update.clip, None, None, None, folder, update.simulated)
    drawn = read(rendering.bundle(update, beside=beside)["text/html"])
    if beside is not None:
        for one in (tree, drawn):
            _without_the_earlier(one)
    if not update.state.ended:
        for one in (tree, drawn):
            for card in one.within:
                if isinstance(card, Element):
                    card.within.clear()
    return unlike(tree, drawn, partly=bool(record["shortened"]) or record["request"]["sent"] is None)


def _without_the_earlier(page: Element) -> None:
    """An earlier clip's figure tells of another record."""
    first = next((one for one in page.all() if one.name == "figure"), Element())
    if sum(one.name == "video" for one in first.all()) <= 1:
        first.within.clear()


def _still(
    at: Finding, data: Mapping[str, Any], page: str, record: Mapping[str, Any], folder: Path
) -> Iterator[Finding]:
    """Whether the pictures that stand for a clip are its first frame."""
    posters = [_text(data[kind]) for kind in ("image/jpeg", "image/png") if kind in data]
    posters += POSTER.findall(page)[-1:]  # an earlier clip may stand before it
    if posters and not record["clip"]:
        yield replace(at, result=DIFFERS, words="there is no clip")
    path = genuine(folder, record["clip"])[0] if record["clip"] and posters else None
    if path is None:
        return
    with contextlib.suppress(WanError):  # it is no video: that is said of the clip
        right = all(begins_with(path, poster) for poster in posters)
        yield at if right else replace(at, result=DIFFERS, words="it is not the clip's first frame")


def _contradictions(page: str, line: str, record: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """What the card says otherwise than its record, or not at all."""
    update = _update(record, folder)
    words = _words(page)
    if record["replay_of"] and rendering.NOW in words:  # an earlier clip stands before it
        words = words[words.index(rendering.NOW) + 1 :]
        line = line.rpartition("now: ")[2]
    if update.clip is not None and update.state is JobState.DOWNLOADED:
        film = Film(update.clip, update.cost, update.task, update.name, folder, update.simulated)
        first, last = _words(figure(film)), text_line(film)
        finished = moment(update.finished_at)
        rest = [f"finished {finished}"] if finished else []
    elif update.state.ended:
        first, last = [], rendering.bundle(update)["text/plain"]
        rest = _words("".join(map(str, rendering.ending(update)))) if not {*TOLD} & {*record["shortened"]} else []
        last = last if rest else ""
    else:
        first, last = [], ""
        rest = [progress.state_words(update), price(update.cost, simulated=update.simulated)]
    if last and line.strip() != last.strip():
        yield "its line of text"
    if page:
        yield from _left_out(words, first, [*rest, *_texts(record)])
        yield from _otherwise(words, record)
        if (NOT_REAL in words) is not record["simulated"]:
            yield "simulated or not"
    elif not update.state.ended and (record["task_id"] or "") not in line:
        yield "its line of text"


def _left_out(words: list[str], first: list[str], rest: list[str]) -> Iterator[str]:
    """What a card must begin with, then what must stand somewhere in it."""
    for place, said in enumerate(first):
        if place >= len(words) or words[place] != said:
            yield f"{said!r} is not there"
            return
    for said in rest:
        if said not in words:
            yield f"{said!r} is not there"


def _texts(record: Mapping[str, Any]) -> Iterator[str]:
    """The prompts as a card quotes them."""
    if record["private"]:
        yield rendering.KEPT_OUT
        return
    told = (record["request"]["sent"] or {}).get("input") or {}
    for name in TEXTS:
        text = told.get(name)
        if isinstance(text, str) and f"sent.{name}" not in record["shortened"] and text.strip():
            yield " ".join(harmless(text).split())


def _otherwise(words: list[str], record: Mapping[str, Any]) -> Iterator[str]:
    """Labelled values that are not the record's."""
    sent = record["request"]["sent"] or {}
    values = {**(sent.get("parameters") or {}), "model": record["model"], "region": record["region"]}
    values |= {"endpoint": public_url(record["endpoint"] or ""), "run": record["run_id"]}
    values |= {"request_id": record["request_id"]}
    table = words[words.index("Parameters") :] if "Parameters" in words else []
    for label, value in values.items():
        said = str(value).lower() if isinstance(value, bool) else str(value)
        if value not in (None, "") and label in table and table[table.index(label) :][1:2] != [said]:
            yield f"{label} is {said}"
    if record["task_id"] and "Task id" in words and words[words.index("Task id") :][1:2] != [record["task_id"]]:
        yield f"the task is {record['task_id']}"


def _update(record: Mapping[str, Any], folder: Path) -> JobUpdate:
    """The run as its card was drawn from, as far as the record tells."""
    told, clip = record["request"], record["clip"]
    names = ("request_id", "code", "message", "actual_prompt")
    task = record["task_id"] and Task(
        record["task_id"], record["task_status"] or "", **{name: record[name] for name in names}
    )
    facts = {name: value for name, value in (clip or {}).items() if name not in ("path", "audio")}
    return JobUpdate(
        run_id=record["run_id"],
        rev=record["rev"],
        name=record["name"],
        handle="",
        state=JobState(record["state"]),
        request=recalled(told["asked"], given=told["given"], sent=told["sent"]),
        seed=((told["sent"] or {}).get("parameters") or {}).get("seed"),
        region=record["region"],
        endpoint=record["endpoint"] or "",
        simulated=record["simulated"],
        created_at=record["created_at"],
        now=0.0,
        finished_at=record["finished_at"],
        task=task or None,
        error=record["error"],
        hint=record["hint"],
        cost=recorded_cost(record["cost"]),
        clip=Clip(path=folder / clip["path"], **facts) if clip else None,
        folder=folder,
        private=record["private"],
        media=tuple(_medium(item) for item in record["inputs"]),
    )


def _medium(item: Mapping[str, Any]) -> SentMedia:
    names = ("role", "how", "mime", "sha256", "width", "height")
    return SentMedia(name=item["name"] or "", bytes=item["bytes"] or 0, **{name: item[name] for name in names})


def _text(held: object) -> str:
    return "".join(map(str, held)) if isinstance(held, list) else held if isinstance(held, str) else ""


def _words(page: str) -> list[str]:
    """The texts of a page, one for each element, as a reader sees them."""
    return list(texts(read(page)))
