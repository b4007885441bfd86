"""Was this paid? A submit whose answer never came is looked for in the account's list of tasks.

A task there is probably the one if it is of the same model, time and key, and unknown to the ledger. It is followed as
ours only once the service shows its prompt. Another key makes that less certain and rules nothing out: an account has
many. Of several that were lost at once each is given a task of its own. "It is not there" is believed only of a list
read as a whole, a minute after the submit was lost. Whatever stays open is for the person to decide: nothing is sent
again.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wan_notebook.engine.sightings import SLACK_SECONDS, look, look_further_back
from wan_notebook.errors import AmbiguousSubmitError, ServiceError, TransportError
from wan_notebook.ledger import sharing
from wan_notebook.ledger.likeness import at_the_same_time, has_prompt, same_but_for_its_number
from wan_notebook.service import polling
from wan_notebook.service.client import SUBMIT_SECONDS
from wan_notebook.service.inquiries import may_mend_itself
from wan_notebook.tasks import JobState, Task
from wan_notebook.words.phrases import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from wan_notebook.engine.sightings import Seen
    from wan_notebook.ledger.runs import Run
    from wan_notebook.ledger.store import Ledger
    from wan_notebook.service.client import WanClient

__all__ = ["LOST", "Found", "NotAcceptedError", "choices", "find_lost", "recover", "unanswered"]

PATIENCE_SECONDS = 60.0  # from the loss on, before "it is not there" is believed
OUTAGE_SECONDS = 1800.0  # of a list that gives no answer
BETWEEN_SECONDS = 5.0
AT_A_TIME = 10  # tasks that are looked at closer
AT_ONCE_SECONDS = SUBMIT_SECONDS + 2 * SLACK_SECONDS  # between two submits whose tasks could be taken for each other's
LOST = "no answer came to the submit"  # what each remark on it begins with
LOOKING = f"{LOST}: looking for its task in the service's list"
PROBABLY = f"{LOST}: probably it is task {{}}; it is followed as this one's once the service shows its prompt"
ANY_SEED = "{} submits of the same request were lost at once: which task is whose shows nowhere, nor does its seed"


class NotAcceptedError(TransportError):
    """The service's list shows that it never accepted the request."""


@dataclass(frozen=True)
class Found:
    """The task of a lost submit, which stands in the run's row by now.

    Parameters
    ----------
    task : Task
    remark : str
        What is not certain about it; empty for nothing.
    """

    task: Task
    remark: str = ""


def choices(run_id: str, tasks: tuple[str, ...] = ()) -> str:
    """What a person can do where nothing is certain."""
    attach = " or ".join(f'wan_notebook.attach("{task}")' for task in tasks[:3])
    ways = [
        "It may be running and will then be billed, so it is not sent again by itself.",
        f"If it is one of these, follow it: {attach}." if tasks else "",
        "Run it with --force (force=True) to send it again all the same.",
        f"When the console's task list shows no task of it, forget it: wan-notebook runs --forget {run_id} --unbilled",
    ]
    return " ".join(filter(None, ways))


async def recover(client: WanClient, ledger: Ledger, run: Run, *, note: Callable[[str], None], **how: bool) -> Found:
    """:func:`find_lost` for a run whose process is gone; what comes of it is written into its row."""
    lost_at = run.lost_at or min(time.time(), (run.sent_at or run.created_at) + SUBMIT_SECONDS)
    ledger.update(run.run_id, mine=True, state=JobState.SUBMITTING.value, lost_at=lost_at)  # others wait meanwhile
    try:
        return await find_lost(client, ledger, replace(run, lost_at=lost_at), note=note, **how)
    except BaseException as error:
        refused = isinstance(error, NotAcceptedError)
        state = JobState.REFUSED if refused else JobState.AMBIGUOUS
        ledger.update(run.run_id, mine=True, state=state.value)
        if isinstance(error, (AmbiguousSubmitError, NotAcceptedError)):
            when = moment(run.sent_at or run.created_at)
            raise type(error)(f"sent on {when} ({run.run_id}): {error.message}", hint=error.hint) from None
        raise


async def find_lost(
    client: WanClient,
    ledger: Ledger,
    run: Run,
    *,
    note: Callable[[str], None],
    patient: bool = True,
    foreign: bool = False,
) -> Found:
    """The task of a submit whose answer never came. Only looks: nothing is ever sent.

    Parameters
    ----------
    client : WanClient
        Of where it was sent.
    run : Run
        The row of the submit, which this process drives; ``lost_at`` says since when.
    note : callable
        ``note(text)`` puts the remark on how the search stands in place of the last one, empty for none.
    patient : bool
        Wait for the prompt of a task that does not show it yet, and through an outage of the list.
    foreign : bool
        It was sent with another key than the one that asks now.

    Raises
    ------
    NotAcceptedError
        The whole list was read for a minute, and no task there could be it.
    AmbiguousSubmitError
        It cannot be told.
    """
    begun = heard = time.monotonic()
    rounds, failures, retry_after = 0, 0, None
    shown: dict[str, Task] = {}
    note(LOOKING)
    try:
        while True:
            word = ""
            spent = (time.monotonic() - begun) * (client.simulator_speed or 1.0)
            try:
                seen = await look(client, ledger, run, foreign=foreign)
                await _look_closer(client, seen, shown)
                found = await _judged(client, ledger, run, seen, shown, over=spent > PATIENCE_SECONDS, patient=patient)
            except (ServiceError, TransportError) as error:
                if isinstance(error, (AmbiguousSubmitError, NotAcceptedError)):
                    raise
                silent = (time.monotonic() - heard) * (client.simulator_speed or 1.0)
                if not may_mend_itself(error) or silent > (OUTAGE_SECONDS if patient else PATIENCE_SECONDS):
                    raise _open(run, f"the service's task list could not be asked ({error.message}).") from None
                failures, retry_after = failures + 1, error.retry_after if isinstance(error, ServiceError) else None
                note(f"{LOOKING} ({error.message})")
            else:
                if found is not None:
                    return found
                heard, rounds, failures, retry_after = time.monotonic(), rounds + 1, 0, None
                open_ones = [row.task_id for row in seen.likely if not _settled(shown.get(row.task_id))]
                word = max((shown[task].status for task in open_ones if task in shown), default="")  # RUNNING first
                note(PROBABLY.format(" or ".join(open_ones[:3])) if open_ones else LOOKING)
            course = {"polls": rounds, "elapsed": spent, "failures": failures, "retry_after": retry_after}
            await asyncio.sleep(_pause(client, word, **course))
    finally:
        note("")


async def _look_closer(client: WanClient, seen: Seen, shown: dict[str, Task]) -> None:
    """Look at the tasks that could be it, and that do not show yet whether they are; at some of many each time."""
    left = [row for row in seen.likely if not _settled(shown.get(row.task_id))]
    looked = list(shown)
    left.sort(key=lambda row: looked.index(row.task_id) if row.task_id in shown else -1)
    for row in left[:AT_A_TIME]:
        told = await client.fetch(row.task_id)
        shown.pop(row.task_id, None)  # the one that was looked at last comes last
        shown[row.task_id] = replace(told, request_id=row.request_id or told.request_id)


def _pause(client: WanClient, word: str, **course: Any) -> float:
    speed, jitter = client.simulator_speed or 1.0, random.uniform(-1, 1)  # noqa: S311  spreads queries, no secret
    if not word and not course["failures"]:
        return max(BETWEEN_SECONDS * (1 + 0.1 * jitter) / speed, polling.FLOOR_SECONDS)
    return polling.next_delay(word or "PENDING", speed=speed, jitter=jitter, **course)


def _settled(task: Task | None) -> bool:
    """Whether nothing more will be learned of what a task shows."""
    return task is not None and (task.orig_prompt is not None or task.status.ended)


async def _judged(
    client: WanClient,
    ledger: Ledger,
    run: Run,
    seen: Seen,
    shown: dict[str, Task],
    *,
    over: bool,
    patient: bool,
) -> Found | None:
    """What one look decides; None where looking goes on."""
    likely = [row.task_id for row in seen.likely]
    prompts = {task: shown[task].orig_prompt if task in shown else None for task in likely}
    its = [task for task in likely if (prompt := prompts[task]) is not None and has_prompt(run, prompt)]
    rivals = _rivals(ledger, run)
    if its:
        peers = [one for one in rivals if any(has_prompt(one, prompts[task] or "") for task in its)]
        found = _given(client, ledger, run, {task: shown[task].request_id for task in its}, peers)
        if found is not None:
            return replace(found, task=shown.get(found.task.task_id, found.task))
    unsettled = [task for task in likely if not _settled(shown.get(task))]
    if its or (unsettled and patient):
        return None
    if unsettled:
        raise _open(run, f"task {unsettled[0]} is probably it; it does not show its prompt yet.", tuple(unsettled))
    theirs = [task for task in likely if (p := prompts[task]) is not None and any(has_prompt(r, p) for r in rivals)]
    strange = [task for task in likely if task not in theirs]
    unlike = [row.task_id for row in seen.fitting if row not in seen.likely]
    if unlike and not likely:
        raise _several(run, tuple(unlike), "of that time")
    if not over:
        return None
    if strange and not unlike:
        _refuse(run, strange, prompts)
    if strange or unlike:
        raise _several(run, (*strange, *unlike), "of that time")
    await _nowhere(client, ledger, run, seen)
    return None


def _given(client: WanClient, ledger: Ledger, run: Run, its: dict[str, str | None], peers: list[Run]) -> Found | None:
    """One of the tasks that show this run's prompt, where it can be told that it is its; None to go on looking."""
    where = f"asked_key IS NOT NULL AND from_run IS NULL AND task_id IN ({', '.join('?' * len(its))})"
    taken = {one.task_id for one in ledger.runs(where, list(its), forgotten=True)}  # since the list was read
    its = {task: its[task] for task in its if task not in taken}
    if not its or any(_in_flight(ledger, peer) for peer in peers):
        return None  # an answer will tell which task is its own
    if len(its) > 1 + len(peers):
        raise _several(run, tuple(its), "of that time")
    if any(not same_but_for_its_number(run, peer) for peer in peers):
        what = "other submits with its prompt were lost at the same time, and a task shows no more of its request."
        raise _open(run, what, tuple(its))
    task_id = sharing.give(
        ledger, run.run_id, its, submitted_at=run.sent_at, simulated=client.simulator_speed is not None
    )
    if task_id is None:
        return None
    return Found(Task(task_id, "PENDING"), ANY_SEED.format(1 + len(peers)) if peers else "")


def _rivals(ledger: Ledger, run: Run) -> list[Run]:
    """The other submits whose task could be taken for this one's."""
    found = unanswered(ledger, model=run.model, region=run.region, endpoint=run.endpoint)
    return [one for one in found if one.run_id != run.run_id and at_the_same_time(one, run, AT_ONCE_SECONDS)]


def unanswered(ledger: Ledger, *, model: str, region: str, endpoint: str) -> list[Run]:
    """The submits of a model at a place of which no task is known, newest first; some may be under way."""
    where = (
        "state IN ('submitting', 'ambiguous') AND task_id IS NULL AND reuse_key IS NOT NULL AND from_run IS NULL "
        "AND model = ? AND region = ? AND endpoint = ?"
    )
    return ledger.runs(where, (model, region, endpoint))


def _in_flight(ledger: Ledger, run: Run) -> bool:
    if run.state != JobState.SUBMITTING or run.lost_at is not None or not ledger.driven(run):
        return False
    return time.time() < (run.sent_at or run.created_at) + SUBMIT_SECONDS + SLACK_SECONDS


def _refuse(run: Run, strange: list[str], prompts: dict[str, str | None]) -> None:
    """Say that the only task there is cannot be shown to be its."""
    if len(strange) > 1:
        return
    shows = "has another prompt" if prompts[strange[0]] is not None else "ended without showing its prompt"
    what = f"the submit got no answer; task {strange[0]}, probably of it, {shows}."
    raise AmbiguousSubmitError(what, hint=choices(run.run_id, tuple(strange)))


async def _nowhere(client: WanClient, ledger: Ledger, run: Run, seen: Seen) -> None:
    """Conclude from a list that shows no task of that time."""
    if seen.doubtful:
        raise _several(run, tuple(row.task_id for row in seen.doubtful), "of a later or unknown time")
    if seen.gap:
        raise _open(run, f"{seen.gap}.")
    found = ledger.runs(
        "lost_at IS NOT NULL AND task_id IS NOT NULL AND asked_key = ? AND run_id != ? AND from_run IS NULL",
        (run.asked_key, run.run_id),
    )
    if any(same_but_for_its_number(run, one) and at_the_same_time(run, one, AT_ONCE_SECONDS) for one in found):
        raise _open(run, "the list shows fewer tasks than submits of this request were lost at once.")
    if earlier := await look_further_back(client, ledger, run):
        raise _several(run, tuple(earlier), "of an earlier time (was a clock set meanwhile?)")
    what = "the submit got no answer, and the service's list shows no task of it: it was not accepted."
    raise NotAcceptedError(what, hint="Nothing is billed. Run the cell again.")


def _several(run: Run, tasks: tuple[str, ...], which: str) -> AmbiguousSubmitError:
    what = f"several tasks {which} could be it" if len(tasks) > 1 else f"a task {which} could be it"
    return _open(run, f"{what}: {', '.join(tasks[:3])}{', …' if tasks[3:] else ''}.", tasks)


def _open(run: Run, what: str, tasks: tuple[str, ...] = ()) -> AmbiguousSubmitError:
    return AmbiguousSubmitError(f"the submit got no answer, and {what}", hint=choices(run.run_id, tasks))
