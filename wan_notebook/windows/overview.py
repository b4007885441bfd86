"""The card of a sweep: how many are done, running, queued, not sent and failed, what was spent, what is left.

Like every window it is made anew for each state, and nothing runs in the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wan_notebook.tasks import JobState
from wan_notebook.windows.player import NOT_REAL, relative_link
from wan_notebook.words import markup
from wan_notebook.words.markup import MUTED, WRAP_ANYWHERE, code, fact, row, tag
from wan_notebook.words.phrases import clean, clock, shortened
from wan_notebook.words.privacy import hushed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from decimal import Decimal

    from wan_notebook.tasks import JobUpdate
    from wan_notebook.windows.tally import Tally
    from wan_notebook.words.markup import Html

__all__ = ["Sweep", "bundle", "line"]

SHOWN = 200  # members in the table
FAILURES, MESSAGE, VALUE = 10, 400, 60
ENDS = (JobState.REFUSED, JobState.FAILED, JobState.EXPIRED, JobState.AMBIGUOUS, JobState.UNDELIVERED)
RESUME = "%wan_resume"


@dataclass(frozen=True)
class Sweep:
    """A sweep at one moment.

    Parameters
    ----------
    name : str or None
    handle : str
        What the person writes to reach it.
    shape : str
        What varies: ``4 seed × 2 model``.
    members : sequence of (values, JobUpdate)
    tally : Tally
    elapsed : float
        Seconds since it was begun.
    left : float or None
        Estimated seconds until it is over; None where that cannot be told.
    idle, waits : bool
        Whether nothing of it is under way; whether what is not sent waits for a person.
    price : str
        What all of it would cost.
    limits : str
        How many run at once.
    notes : sequence of str
    """

    name: str | None
    handle: str
    shape: str
    members: Sequence[tuple[Mapping[str, Any], JobUpdate]]
    tally: Tally
    elapsed: float
    left: float | None
    idle: bool
    waits: bool
    price: str
    limits: str
    notes: Sequence[str] = ()

    @property
    def simulated(self) -> bool:
        """Whether nothing is billed."""
        return any(update.simulated for _, update in self.members)


def bundle(sweep: Sweep) -> dict[str, Any]:
    """What a front end shows of a sweep at this moment: ``text/html`` and, in one line, ``text/plain``."""
    tally = sweep.tally
    at_work = tally.open and not sweep.idle
    colour = markup.BLUE if at_work else markup.AMBER if tally.failed or tally.open else markup.GREEN
    head = row(
        tag("strong", sweep.name or "Sweep", style=markup.NAME),
        f"{tally.done} of {tally.total} clips done",
        clock(sweep.elapsed) if at_work else f"in all {clock(sweep.elapsed)}",
        sweep.simulated and markup.badge(NOT_REAL),
        style="margin:0",
    )
    page = markup.card(
        colour,
        head,
        _bar(tally),
        row(*_counts(tally, waits=sweep.waits), style="margin-top:4px"),
        markup.facts(
            fact("Sweep", sweep.shape),
            fact("Spent so far", _spent(sweep)),
            fact("In all", _whole(sweep) if tally.open else ""),
            fact("Time left", _left(sweep)),
            fact("At once", sweep.limits if tally.open else ""),
        ),
        _failures(sweep),
        markup.bullets(shortened(clean(note), MESSAGE) for note in dict.fromkeys(sweep.notes)),
        _table(sweep),
        tag("div", row(*_how_to(sweep)), style=f"margin-top:6px;{MUTED}"),
    )
    return {"text/html": str(page), "text/plain": line(sweep)}


def line(sweep: Sweep) -> str:
    """The card in one line, for terminals and viewers without HTML."""
    left = _left(sweep)
    parts = [
        f"{sweep.name or 'sweep'}: {sweep.tally.done} of {sweep.tally.total} clips done",
        *_counts(sweep.tally, waits=sweep.waits),
        f"spent: {_spent(sweep)}" if not sweep.simulated else "simulated, nothing billed",
        left and f"time left: {left}",
    ]
    return clean(" · ".join(part for part in parts if part))


def _counts(tally: Tally, *, waits: bool) -> Iterator[str]:
    """The numbers in words; what is 0 is left out."""
    for number, words in (
        (tally.running, "running"),
        (tally.queued, "queued at the service"),
        (tally.unsent, f"not sent: {RESUME} asks" if waits else "not sent yet"),
        (tally.failed, "failed"),
        (tally.canceled, "canceled"),
        (tally.reused, "from earlier runs, 0 spent"),
    ):
        if number:
            yield f"{number} {words}"


def _bar(tally: Tally) -> Html:
    """A bar of as many parts as there are states; the words below it say the same."""
    parts = (
        (tally.done, markup.GREEN),
        (tally.failed, markup.RED),
        (tally.running, markup.BLUE),
        (tally.queued, "rgba(74,134,232,0.45)"),
        (tally.unsent + tally.canceled, "rgba(128,128,128,0.25)"),
    )
    look = "height:10px;min-width:0;margin:0;background-color:"
    cells = [tag("div", style=f"{look}{colour};flex:{number} {number} 0") for number, colour in parts if number]
    return tag("div", *cells, style="display:flex;margin-top:8px;height:10px")


def _money(sums: Mapping[str, Decimal]) -> str:
    return " + ".join(f"{amount.normalize():f} {currency}" for currency, amount in sums.items() if amount)


def _spent(sweep: Sweep) -> str:
    if sweep.simulated:
        played = _money(sweep.tally.spent)
        return f"nothing: simulated{f' (real ones: {played})' if played else ''}"
    under_way = _money(sweep.tally.promised)
    unknown = f" + {sweep.tally.unknown} of unknown price" if sweep.tally.unknown else ""
    return f"{_money(sweep.tally.spent) or '0'}{unknown}{f', {under_way} more under way' if under_way else ''}"


def _whole(sweep: Sweep) -> str:
    return f"nothing: simulated (real ones: {sweep.price})" if sweep.simulated else sweep.price


def _left(sweep: Sweep) -> str:
    if not sweep.tally.open or sweep.idle:
        return ""
    return "not known yet" if sweep.left is None else f"about {clock(sweep.left)} (estimate)"


def _failures(sweep: Sweep) -> Html | None:
    """What failed, kept apart, with each reason once."""
    reasons: dict[str, list[str]] = {}
    for place, (values, update) in enumerate(sweep.members):
        if update.state in ENDS or (update.state is JobState.DETACHED and update.error):
            said = " ".join(part for part in (update.error, update.hint) if part) or update.state.value
            reasons.setdefault(shortened(clean(said), MESSAGE), []).append(f"#{place} ({_values(values)})")
    if not reasons:
        return None
    items = []
    for reason, who in list(reasons.items())[:FAILURES]:
        more = f" and {len(who) - 3} more" if len(who) > 3 else ""  # noqa: PLR2004  as many as a line holds
        items.append(tag("li", tag("strong", ", ".join(who[:3]) + more), ": ", reason, style="margin:0"))
    return tag("div", "Without a clip:", tag("ul", *items, style="margin:0;padding-left:1.3em"), style="margin-top:6px")


def _values(values: Mapping[str, Any]) -> str:
    return clean(", ".join(f"{name} {shortened(clean(value), VALUE)}" for name, value in values.items()))


def _table(sweep: Sweep) -> Html | None:
    """Each member on a line, folded."""
    names = list(sweep.members[0][0]) if sweep.members else []
    lines = []
    for place, (values, update) in enumerate(sweep.members[:SHOWN]):
        own = [shortened(clean(values[name]), VALUE) for name in names]
        seed = [] if "seed" in names else [update.seed]
        lines.append([f"#{place}", *own, *seed, _state(update), _clip(update)])
    headings = ["#", *names, *([] if "seed" in names else ["seed"]), "State", "Clip"]
    more = len(sweep.members) - SHOWN
    rest = tag("div", f"… and {more} more: {sweep.handle}.rows()", style=MUTED) if more > 0 else None
    return markup.fold(
        f"Members ({len(sweep.members)})", tag("div", markup.columns(headings, lines), rest, style=MUTED)
    )


def _state(update: JobUpdate) -> str:
    update = hushed(update)
    if update.state is JobState.DOWNLOADED:
        return "done, 0 spent" if update.from_run else "done"
    if update.state is JobState.FOLLOWING and update.task is not None:
        return shortened(clean(update.task.task_status), 30)
    return {JobState.PLANNED: "not sent yet", JobState.WAITING: "next"}.get(update.state, update.state.value)


def _clip(update: JobUpdate) -> object:
    if update.clip is None:
        return "–"
    link, name = relative_link(update.clip.path, update.folder), update.clip.path.name
    return tag("a", name, href=link, style=WRAP_ANYWHERE) if link else code(name)


def _how_to(sweep: Sweep) -> Iterator[Html]:
    if sweep.tally.open:
        yield tag("span", code(f"{sweep.handle}.cancel()"), " stops what does not run yet")
    yield tag("span", code(f"{sweep.handle}[0]"), " is its first job")
    yield tag("span", code(f"{sweep.handle}.results()"), " waits and gives the clips")
    yield tag("span", code(f"{sweep.handle}.to_frame()"), " is a table of all")
