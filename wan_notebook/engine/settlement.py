"""A task that a person attached to may be the one of a lost submit: then it is that run's from then on, paid once.

Model, place, time and prompt are compared as :mod:`wan_notebook.engine.reconcile` does. That the task is meant is the
person's word; which run it is of has to be certain, or the requests the same.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from wan_notebook.engine import pricing
from wan_notebook.engine.reconcile import unanswered
from wan_notebook.engine.sightings import look
from wan_notebook.errors import WanError
from wan_notebook.ledger import sharing
from wan_notebook.ledger.likeness import has_prompt, same_but_for_its_number
from wan_notebook.words.phrases import moment

if TYPE_CHECKING:
    from wan_notebook.engine.pursuit import Pursuit
    from wan_notebook.ledger.runs import Run
    from wan_notebook.service.client import WanClient
    from wan_notebook.tasks import Task

__all__ = ["settle"]

SETTLED = "this task answers {} of {}, whose submit got no answer: that run has its clip from here, and is counted once"


async def settle(life: Pursuit, client: WanClient, task: Task) -> None:
    """Give the task that ``life`` is attached to to the lost submit it is of, where there is one and no doubt."""
    if not life.journal.attached or life.picture().from_run or task.orig_prompt is None:
        return
    with contextlib.suppress(WanError):  # the list could not be asked: it stays as it is
        run = await _submit_of(life, client, task.task_id, task.orig_prompt)
        if run is None:
            return
        simulated = client.simulator_speed is not None
        ids = {task.task_id: task.request_id}
        given = sharing.give(life.journal.ledger, run.run_id, ids, submitted_at=run.sent_at, simulated=simulated)
        if given != task.task_id:
            return
        cost = life.picture().cost
        life.tell(from_run=run.run_id, cost=cost and pricing.nothing(cost))
        life.journal.share(life.picture(), run)
        life.journal.adopt(run)
        life.note(SETTLED.format(run.run_id, moment(run.created_at)))


async def _submit_of(life: Pursuit, client: WanClient, task_id: str, prompt: str) -> Run | None:
    """The lost submit that a task is of; of several for the same request the first."""
    update, ledger = life.picture(), life.journal.ledger
    place = {"model": update.request.model or "", "region": update.region, "endpoint": update.endpoint}
    could = [run for run in unanswered(ledger, **place) if has_prompt(run, prompt)]
    its = []
    for run in could:
        seen = await look(client, ledger, run, foreign=life.foreign)
        if task_id in {row.task_id for row in seen.fitting}:
            its.append(run)
    certain = all(same_but_for_its_number(its[0], run) for run in its)
    return its[-1] if its and certain and not any(map(ledger.driven, its)) else None
