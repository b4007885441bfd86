"""What was spent: of a session, of a project, and still after it is forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from decimal import Decimal

import pytest

from wan_notebook.doors import bookkeeping
from wan_notebook.errors import ConfigurationError
from wan_notebook.ledger.expenses import Purse, Spent, forget
from wan_notebook.ledger.runs import Run
from wan_notebook.ledger.store import Ledger

NUMBERS = iter(range(10_000))


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path / "home")


def paid(ledger, project="/p", state="downloaded", amount="0.1", currency="USD", *, simulated=False, **more) -> str:
    run_id = f"run-{next(NUMBERS)}"
    more = {"asked_key": "k", "reuse_key": run_id, "project": str(project), **more}
    ledger.add(Run(run_id, state, time.time(), amount=amount, currency=currency, simulated=simulated, **more))
    return run_id


def test_what_was_spent_is_counted_once_by_currency_and_without_what_is_free(ledger):
    for state in ("downloaded", "following", "submitting", "waiting", "ambiguous", "expired", "detached"):
        paid(ledger, state=state)
    for state in ("refused", "failed", "canceled"):
        paid(ledger, state=state)
    paid(ledger, from_run="run-0")
    paid(ledger, asked_key=None)  # attached: paid for elsewhere
    paid(ledger, currency="CNY", amount="2")
    paid(ledger, simulated=True)
    paid(ledger, simulated=None, amount="0.03")  # may be either
    paid(ledger, amount=None, currency="")
    real, play = (Purse(ledger, "/p", simulated=simulated) for simulated in (False, True))
    assert real.in_project() == Spent({"USD": Decimal("0.73"), "CNY": Decimal(2)}, unknown=1)
    assert play.in_project() == Spent({"USD": Decimal("0.13")})
    assert real.in_session() == real.in_project()
    assert Purse(None, "/p", simulated=False).in_project() == Spent()


def test_a_project_is_a_folder_with_all_below_it_however_it_is_spelt(ledger, tmp_path):
    (tmp_path / "cats" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "cats")
    for place in ("cats", "cats/deep", "Cats", "cats2", "."):
        paid(ledger, os.path.realpath(tmp_path / place))
    ledger.add(
        Run("old", "downloaded", 1.0, folder=str(tmp_path / "cats"), amount="0.1", currency="USD", asked_key="k")
    )  # an older version's row
    cats = Purse(ledger, os.path.realpath(tmp_path / "link"), simulated=False)
    assert cats.in_project().sums == {"USD": Decimal("0.3")}
    assert Purse(ledger, str(tmp_path), simulated=False).in_project().sums == {"USD": Decimal("0.6")}
    assert Purse(ledger, "/", simulated=False).in_project().sums == {"USD": Decimal("0.6")}


def test_money_counts_for_the_folder_it_is_in_and_for_the_project_it_was_declared_for(ledger):
    paid(ledger, "/p", folder="/elsewhere/deep")
    for project in ("/p", "/elsewhere"):
        assert Purse(ledger, project, simulated=False).in_project().sums == {"USD": Decimal("0.1")}


def test_a_run_that_waits_in_a_process_that_ended_was_never_sent_and_binds_no_money(ledger, tmp_path):
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom wan_notebook.ledger.store import Ledger\n"
        "from wan_notebook.ledger.runs import Run\n"
        "for state in ('waiting', 'following'):\n"
        "    run = Run(state, state, time.time(), asked_key='k', project='/p', amount='0.1', currency='USD')\n"
        "    Ledger(Path(sys.argv[1])).add(run)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "home")], check=True)
    assert Purse(ledger, "/p", simulated=False).in_project().sums == {"USD": Decimal("0.1")}
    assert Purse(ledger, "/p", simulated=False).in_session() == Spent(), "it is another session"


def test_a_process_that_was_forked_spends_the_same_sessions_budget(ledger):
    paid(ledger)
    child = os.fork()
    if child == 0:
        paid(ledger)
        ledger.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert Purse(ledger, "/p", simulated=False).in_session().sums == {"USD": Decimal("0.2")}


def test_what_is_forgotten_is_found_no_more_and_stays_spent(ledger, tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"a clip")
    told = {"request": '{"prompt": "A secret."}', "record": "A secret.", "name": "secret", "clip_path": str(clip)}
    run = paid(ledger, state="downloaded", task_id="task-1", **told)
    paid(ledger, from_run=run)
    gone = [paid(ledger, state=state) for state in ("failed", "waiting")]
    before = time.time()
    assert forget(ledger, [run, *gone]) == 4
    assert ledger.runs() == []
    assert Purse(ledger, "/p", simulated=False).in_project().sums == {"USD": Decimal("0.1")}
    (kept,) = ledger.runs(forgotten=True)
    assert (kept.state, kept.amount, kept.currency, kept.project, kept.reuse_key) == (
        "forgotten",
        "0.1",
        "USD",
        "/p",
        None,
    )
    assert kept.created_at < before
    assert "secret" not in str(kept).lower()
    assert forget(ledger, [run]) == 1, "once more changes nothing"
    assert Purse(ledger, "/p", simulated=False).in_project().sums == {"USD": Decimal("0.1")}
    assert clip.read_bytes() == b"a clip"


def test_a_forgotten_submit_without_an_answer_may_have_been_billed_unless_the_console_shows_no_task(ledger):
    looked_up, other = (paid(ledger, state="ambiguous") for _ in range(2))
    assert "counted nowhere: " + looked_up in bookkeeping.forget(ledger, [looked_up], unbilled=True)
    assert "May have been billed" in bookkeeping.forget(ledger, [other])
    assert ledger.runs() == []
    assert Purse(ledger, "/p", simulated=False).in_project().sums == {"USD": Decimal("0.1")}
    told = str(bookkeeping.costs_by(ledger, "model"))
    assert "0.1 USD" in told
    assert "How 1 run ended is not known: counted, and perhaps not billed." in told
    accepted = paid(ledger, state="downloaded", task_id="task-1")
    with pytest.raises(ConfigurationError, match="was accepted as task task-1"):
        bookkeeping.forget(ledger, [accepted], unbilled=True)
