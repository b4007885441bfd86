"""Sweeps: many requests from one, as one: checked, priced and confirmed as a whole, then a few at a time."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wan_notebook.config import SIMULATOR
from wan_notebook.engine import pricing
from wan_notebook.engine.jobset import JobSet
from wan_notebook.engine.turnstile import Turnstile
from wan_notebook.errors import BudgetError
from wan_notebook.hall.session import session
from wan_notebook.keys import UNREAD_KEY, Secret, seal
from wan_notebook.ledger.statements import Statement, count
from wan_notebook.media.intake import look_in
from wan_notebook.notebook import arguments, frontend
from wan_notebook.notebook.boards import Board, earlier, verbs
from wan_notebook.notebook.expectation import expect
from wan_notebook.request.grid import Grid, axes_of
from wan_notebook.service.hosts import region_of, tariff
from wan_notebook.windows import rendering
from wan_notebook.words import phrases
from wan_notebook.words.privacy import TEXTS, sealed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wan_notebook.config import Settings
    from wan_notebook.hall.session import Ready
    from wan_notebook.notebook.expectation import Expectation
    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.request.grid import Member

__all__ = ["dry_sweep", "launch", "rehearse", "sweep"]

UNSENT = "Nothing was sent and nothing is billed."


def sweep(
    request: I2VRequest | None = None,
    /,
    *,
    name: str | None = None,
    region: str | None = None,
    api_key: str | Secret | None = None,
    base_url: str | None = None,
    workspace: str | None = None,
    output_dir: str | Path | None = None,
    yes: bool = False,
    force: bool = False,
    max_cost: float | str | None = None,
    private: bool = False,
    **parameters: Any,
) -> JobSet:
    """Make a clip for every combination of values, and return their jobs at once.

    Every combination is checked first, and the price of all of them is held against ``max_cost`` and the budgets,
    before the first one is sent. Without such a limit one question shows price and time. At a time no more are
    submitted than the account may run at once, and as many again wait in the service's queue, over all kernels of this
    user. What is paid for already is found, so that the same sweep, run again, goes on where it was.

    Parameters
    ----------
    request : I2VRequest, optional
        What all members have in common, beside ``parameters``.
    name : str, optional
        Used for the card and the clips' file names.
    region, api_key, base_url, workspace, output_dir, force, private
        As for :func:`wan_notebook.submit`.
    yes : bool
        Do not ask before paying.
    max_cost : float or str, optional
        The most the whole sweep may cost: ``8``, or ``"8 USD"``.
    **parameters
        The fields of :class:`I2VRequest`. A list (for fields other than pictures a range or an array, too) makes one
        vary: ``seed=range(4)``, ``model=["wan2.6-i2v-flash", "wan2.5-i2v-preview"]``; at most 500 combinations.

    Returns
    -------
    JobSet
        A list of jobs, the last field varying fastest.

    Raises
    ------
    InvalidRequestError
        Every problem of every combination at once; nothing was sent.
    BudgetError
        The whole would cost more than allowed, or nobody confirmed it; nothing was sent.
    ConfigurationError
        No key, unknown region, unusable folder.

    Examples
    --------
    >>> grid = sweep(prompt="It looks up.", image="cat.png", seed=range(4), region="simulator")  # doctest: +SKIP
    """
    api_key = seal(api_key)
    found = launch(
        *_given(request, parameters),
        **arguments.taken(
            region,
            api_key,
            base_url,
            workspace,
            name=name,
            output_dir=output_dir,
            yes=yes,
            force=force,
            max_cost=max_cost,
            private=private,
        ),
    )
    frontend.wait_unattended(found.wait)
    return found


def dry_sweep(
    request: I2VRequest | None = None, /, *, region: str | None = None, base_url: str | None = None, **parameters: Any
) -> Statement:
    """Look at a sweep without sending it: every combination with its price, and the price and time of all.

    Needs no key and no network.

    Parameters
    ----------
    request, region, base_url, **parameters
        As for :func:`sweep`.

    Raises
    ------
    InvalidRequestError
        Every problem of every combination at once.
    """
    return rehearse(*_given(request, parameters), region=region, base_url=base_url)


def rehearse(
    fields: Mapping[str, Any],
    axes: Mapping[str, Sequence[Any]],
    *,
    region: str | None,
    base_url: str | None = None,
    private: bool = False,
) -> Statement:
    """What the magic and :func:`dry_sweep` have in common."""
    look_in(frontend.notebook_folder())
    settings = arguments.settings(region, Secret(UNREAD_KEY), base_url, None)
    where = region_of(settings)
    grid = Grid.of(fields, axes, region=where)
    costs = [pricing.estimate(one.request, *tariff(settings)) for one in grid.members]
    whole = expect([one.request for one in grid.members], costs, simulated=where == SIMULATOR)
    rows = [
        (f"#{one.place}", *(str(value) for value in _shown(one, private=private).values()), str(cost))
        for one, cost in zip(grid.members, whole.costs, strict=True)
    ]
    title = f"dry run: {count(len(rows), 'clip')} ({grid}) in {where}: {whole}; nothing was sent"
    remarks = [*phrases.unpriced(whole.costs[0]), "What is paid for already costs nothing again; a submit finds it."]
    pairs = zip(grid.members, whole.costs, strict=True)
    data = [{"place": one.place, **_shown(one, private=private), "cost": str(cost)} for one, cost in pairs]
    return Statement(title, ("#", *axes, "Price"), rows, remarks, data)


def launch(
    fields: Mapping[str, Any],
    axes: Mapping[str, Sequence[Any]],
    *,
    settings: Settings,
    name: str | None = None,
    output_dir: str | Path | None = None,
    yes: bool = False,
    force: bool = False,
    max_cost: float | str | None = None,
    private: bool = False,
) -> JobSet:
    """Start a sweep and show its card here; what the magic and :func:`sweep` have in common."""
    hall = session()
    look_in(frontend.notebook_folder())
    notes = arguments.check_key(settings)
    region = hall.switchboard.region(settings)
    grid = Grid.of(fields, axes, region=region)
    hall.switchboard.place(settings)
    hall.front_end = frontend.front_end()
    private = private or bool(frontend.preferences().get("private"))
    board = Board(
        f"sweep-{secrets.token_hex(8)}",
        name=name,
        shape=str(grid),
        created=time.time(),
        notes=notes,
    )
    terms = arguments.terms(force=force, yes=yes, max_cost=max_cost)
    digits = len(str(len(grid.members) - 1))
    how: dict[str, Any] = {
        "terms": terms,
        "scope": board.sweep_id,  # counted by itself: the same sweep again means the same clips
        "folder": frontend.notebook_folder(),
        "outputs": arguments.outputs(output_dir),
        "notebook": frontend.notebook_path(),
        "cell_id": frontend.cell_id(),
        "source_sha256": frontend.source_sha256(),
        "private": private,
        "watch": lambda _: [board.tell],
        "show": rendering.bundle,
        "turnstile": Turnstile(),
        "sweep": board.sweep_id,
    }
    ready = [
        hall.ready(
            member.request,
            settings,
            name=f"{name or 'sweep'}-{member.place:0{digits}}",
            variable=f"{board.place}[{member.place}]",
            place=member.place,
            **how,
        )
        for member in grid.members
    ]
    updates = [one.update for one in ready]
    whole = expect(
        [member.request for member in grid.members],
        [update.cost or pricing.estimate(update.request, region) for update in updates],
        simulated=region == SIMULATOR,
        ledger=hall.ledger,
        updates=[] if force else updates,
    )
    board.notes += [*phrases.unpriced(whole.costs[0]), *earlier()]
    board.outlook = whole.outlook
    if ready[0].journal.purse.billed and not terms.limited and not yes and whole.new:
        _ask(grid, whole, region)
        terms = replace(terms, yes=True)
    terms = ready[0].journal.check(*(whole.costs[place] for place in whole.new), ask=frontend.ask, terms=terms)
    for one in ready:
        one.journal.terms = replace(terms, max_cost=None)  # each is held against the budgets once more
    return begin(board, [_shown(member, private=private) for member in grid.members], ready)


def begin(board: Board, values: Sequence[Mapping[str, Any]], ready: Sequence[Ready]) -> JobSet:
    """Write all members down, show the card, and let them begin."""
    hall = session()
    hall.ledger.add(*(one.journal.planned(one.update, own) for own, one in zip(values, ready, strict=True)))
    for own, one in zip(values, ready, strict=True):
        board.put(own, one.update)
    board.show()
    jobs = [one.start() for one in ready]
    return board.hold(JobSet(jobs, values, verbs(board), sweep_id=board.sweep_id, name=board.name))


def _ask(grid: Grid, whole: Expectation, region: str) -> None:
    """Show price and time, once for all.

    Raises
    ------
    BudgetError
    """
    what = f"{count(len(grid.members), 'clip')} ({grid})"
    if not frontend.ask(f"Submit {what} in {region.title()} for {whole}?"):
        raise BudgetError("not submitted: the sweep was not confirmed.", hint=UNSENT)


def _given(request: I2VRequest | None, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The common fields and the axes of a call."""
    fields, axes = axes_of(parameters)
    if request is not None:
        whole = arguments.requested(request, {})
        common = {field: getattr(whole, field) for field in whole.given if field not in axes}
        fields = {**common, **fields}
    return fields, axes


def _shown(member: Member, *, private: bool) -> dict[str, Any]:
    """A member's values as they may be shown: of a private run the texts by their digests."""
    hidden = {
        name: f"private (sha256 {sealed(str(getattr(member.request, name)))['sha256'][:8]}…)"
        for name in member.values
        if private and name in TEXTS
    }
    return {**member.values, **hidden}
