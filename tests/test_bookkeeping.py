"""What the ledger says to people: runs, costs, saved clips; and what can be forgotten."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from wan_notebook.cli import cli
from wan_notebook.doors import bookkeeping
from wan_notebook.errors import BudgetError, ConfigurationError, InvalidRequestError
from wan_notebook.ledger import statements
from wan_notebook.ledger.runs import Run
from wan_notebook.ledger.store import Ledger

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def ledger(tmp_path, monkeypatch) -> Ledger:
    """Seven runs of three days."""
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(tmp_path / "home"))
    (tmp_path / "cat.mp4").write_bytes(b"a clip")
    ledger = Ledger(tmp_path / "home")
    paid = {"amount": "0.25", "currency": "USD", "estimated": False, "simulated": False, "folder": str(tmp_path / "a")}
    notebook = str(tmp_path / "a.ipynb")
    rows = [
        Run("run-1", "downloaded", NOON - 86400, model="m1", **paid, clip_path=str(tmp_path / "cat.mp4"), clip_bytes=6),
        Run("run-2", "downloaded", NOON, model="m2", **paid, clip_path=str(tmp_path / "gone.mp4"), clip_bytes=6),
        Run("run-3", "following", NOON + 1, model="m1", **{**paid, "estimated": True}, task_id="task-3", asked_key="a"),
        Run("run-4", "downloaded", NOON + 2, model="m1", **{**paid, "currency": "CNY", "amount": "1.5"}),
        Run("run-5", "downloaded", NOON + 3, model="m1", **{**paid, "simulated": True}, notebook=notebook),
        Run("run-6", "failed", NOON + 4, model="m1", **paid),
        Run("run-7", "downloaded", NOON + 5, model="m9", **{**paid, "amount": None, "currency": ""}),
        Run("run-8", "downloaded", NOON + 6, model="m1", **{**paid, "amount": "0"}, from_run="run-1"),
    ]  # fmt: skip
    for row in rows:
        ledger.add(row)
    ledger.update("run-3", owner="a process that is gone")
    return ledger


def ids(statement) -> list[str]:
    return [told["run_id"] for told in statement.data]


def test_runs_are_listed_newest_first_and_can_be_filtered(ledger, tmp_path):
    assert ids(bookkeeping.runs(ledger))[:2] == ["run-8", "run-7"]
    assert ids(bookkeeping.runs(ledger, state="failed")) == ["run-6"]
    assert ids(bookkeeping.runs(ledger, model="m2")) == ["run-2"]
    assert ids(bookkeeping.runs(ledger, simulated=True)) == ["run-5"]
    assert ids(bookkeeping.runs(ledger, unfinished=True)) == ["run-3"]
    assert ids(bookkeeping.runs(ledger, notebook=str(tmp_path / "a.ipynb"))) == ["run-5"]
    assert len(ids(bookkeeping.runs(ledger, notebook=str(tmp_path)))) == 8
    assert "run-1" not in ids(bookkeeping.runs(ledger, since="2026-11-24T01:00+00:00"))
    assert "There are more" in str(bookkeeping.runs(ledger, limit=2))
    assert "following, left alone" in str(bookkeeping.runs(ledger))
    assert [row[6] for row in bookkeeping.runs(ledger, state="failed").rows] == ["not billed"]
    with pytest.raises(InvalidRequestError, match="no date"):
        bookkeeping.runs(ledger, since="yesterday")


def test_costs_never_mix_currencies_nor_simulated_with_real_and_count_nothing_twice(ledger):
    said = str(bookkeeping.spent(ledger, "--by day"))
    assert [line.split() for line in said.splitlines() if "2026-11" in line] == [
        ["2026-11-24", "simulated", "1", "0.25", "USD"],
        ["2026-11-24", "real", "2", "about", "0.5", "USD"],
        ["2026-11-24", "real", "1", "1.5", "CNY"],
        ["2026-11-24", "real", "1", "1", "of", "unknown", "price"],
        ["2026-11-23", "real", "1", "0.25", "USD"],
    ]
    ledger.add(
        Run("run-9", "downloaded", NOON, model="m1", task_id="task-3", amount="0.25", currency="USD", simulated=False)
    )
    assert str(bookkeeping.spent(ledger, "--by day")) == said  # attached to what run-3 pays for
    models = bookkeeping.spent(ledger, "--by model").data
    dollars = {
        told["model"]: told["amount"] for told in models if (told["currency"], told["simulated"]) == ("USD", False)
    }
    assert dollars == {"m1": "0.5", "m2": "0.25"}
    assert "a.ipynb" in str(bookkeeping.spent(ledger, "--by notebook"))
    with pytest.raises(InvalidRequestError, match="day, model, notebook or project"):
        bookkeeping.spent(ledger, "--by mood")


def test_what_the_budgets_leave_is_said_with_the_costs(ledger, monkeypatch):
    monkeypatch.setenv("WAN_NOTEBOOK_BUDGET", "5 USD")
    monkeypatch.setenv("WAN_NOTEBOOK_PROJECT_BUDGET", "9 USD")
    said = CliRunner().invoke(cli, ["costs", "--by", "project"]).output
    assert "Of the 5 USD of this session 0.25 USD is spent or promised." in said
    assert "Of the 9 USD of this project 0 is spent or promised." in said
    for run_id, simulated in (("run-a", True), ("run-b", False)):
        kind = {"simulated": simulated, "amount": "0.3" if simulated else "0.7", "currency": "USD", "asked_key": "k"}
        ledger.add(Run(run_id, "downloaded", NOON, model="m1", project=os.path.realpath(Path.cwd()), **kind))
    assert "Of the 9 USD of this project 0.7 USD is spent or promised." in str(bookkeeping.costs_by(ledger, "day"))
    monkeypatch.setenv("WAN_NOTEBOOK_REGION", "simulator")
    said = CliRunner().invoke(cli, ["costs"]).output
    assert "Of the 9 USD of this project 0.3 USD is spent or promised (simulated)." in said
    assert "Of the 5 USD of this session 0.3 USD is spent or promised (simulated)." in said
    monkeypatch.setenv("WAN_NOTEBOOK_REGION", "nowhere")
    assert "Of the 9 USD of this project 0.7 USD is" in CliRunner().invoke(cli, ["costs"]).output, "told all the same"
    (unknown,) = [told for told in bookkeeping.costs_by(ledger, "day").data if told["unknown"]]
    assert unknown["amount"] is None, "an unknown price is no 0"
    ledger.update("run-1", state="expired")
    assert "How 1 run ended is not known: counted, and perhaps not billed." in str(bookkeeping.costs_by(ledger, "day"))


def test_the_cache_is_shown_and_pruned_without_deleting_a_clip(ledger, tmp_path):
    shown = {told["run_id"]: (told["there"], told["used"]) for told in bookkeeping.cached(ledger, "").data}
    assert shown["run-1"] == (True, 1)
    assert shown["run-2"] == (False, 0)
    rows = [("run-1", "/home/somebody/" + "a-long-folder/" * 9 + "cat-20261123-192501.mp4")]
    page = statements.Statement("", ("Run", "File"), rows)._repr_mimebundle_()["text/html"]
    assert ">/home/" in page
    assert "cat-20261123-192501.mp4<" in page
    spent = bookkeeping.spent(ledger, "--by day").data
    with pytest.raises(
        BudgetError, match=r"Forget 1 run \(0\.25 USD\)\? Run again, they would be paid for again\. Nobody"
    ):
        bookkeeping.cached(ledger, "--gone")
    ledger.update("run-2", clip_path=str(tmp_path / "stick" / "gone.mp4"))
    with pytest.raises(BudgetError, match="The folder of 1 clip is not there: is a disk not mounted"):
        bookkeeping.cached(ledger, "--gone")
    assert ledger.run("run-2") is not None
    assert "1 run." in bookkeeping.cached(ledger, "--gone --yes")
    assert ledger.run("run-2") is None
    days = int((time.time() - NOON) // 86400) + 1 if time.time() > NOON else 0
    if days:
        bookkeeping.cached(ledger, f"--prune {days} --yes")
    assert bookkeeping.spent(ledger, "--by day").data == spent, "what is forgotten was spent all the same"
    assert (tmp_path / "cat.mp4").read_bytes() == b"a clip"
    assert ledger.run("run-3") is not None, "its clip may still come"
    with pytest.raises(ConfigurationError, match="whole number"):
        bookkeeping.cached(ledger, "--prune all")


def test_a_run_that_may_still_be_billed_or_is_at_work_is_not_forgotten_by_mistake(ledger):
    with pytest.raises(ConfigurationError, match="task-3"):
        bookkeeping.forget(ledger, ["run-1", "run-3"])
    assert ledger.run("run-1") is not None
    ledger.take_over("run-3")
    with pytest.raises(ConfigurationError, match="a process is at work"):
        bookkeeping.forget(ledger, ["run-3"], yes=True)
    with pytest.raises(ConfigurationError, match="knows no run"):
        bookkeeping.forget(ledger, ["run-99"])
    assert bookkeeping.forget(ledger, ["run-1"]).endswith("Run again, it is paid for again.")
    assert ledger.run("run-8") is None, "what was shown of it is forgotten, too"


def test_the_command_line_lists_filters_and_forgets(ledger):
    said = CliRunner().invoke(cli, ["runs", "--json", "--real", "--limit", "3"])
    assert [told["run_id"] for told in json.loads(said.output)] == ["run-8", "run-7", "run-6"]
    assert "task-3" in CliRunner().invoke(cli, ["runs", "--open"]).output
    assert CliRunner().invoke(cli, ["runs", "--forget", "run-3", "--yes"]).output.startswith("forgotten: run-3")
    assert Ledger(ledger.path.parent).run("run-3") is None
    assert "run-3" in CliRunner().invoke(cli, ["runs", "--state", "forgotten"]).output


def test_names_in_the_ledger_cannot_forge_lines_or_markup(ledger):
    ledger.add(Run("run-9", "downloaded", NOON + 9, name="<script>\n\x1b[31mrun-0", model="m1"))
    statement = bookkeeping.runs(ledger, limit=1)
    assert len(str(statement).splitlines()) == 4
    assert "\x1b" not in str(statement)
    assert "<script>" not in statement._repr_mimebundle_()["text/html"]


def test_in_a_notebook_the_lines_show_tables(kernel, in_folder):
    assert kernel.run("%load_ext wan_notebook").error is None
    for line, word in (("%wan_jobs --all", "run"), ("%wan_costs", "costs by day"), ("%wan_cache", "saved clip")):
        cell = kernel.run(line)
        assert cell.error is None
        assert word in cell.bundles[0]["text/plain"]
    assert "Traceback" not in "".join(kernel.run("%wan_jobs --limit many").error)
    assert not Path(in_folder, "wan_outputs").exists()
