"""Limits: of one run, of a session and of a project, held before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hostile import PENDING, Answer, Hostile
from processes import KEY, PHOTO, start, until

import wan_notebook as wan
from wan_notebook.engine.spending import Money, Terms
from wan_notebook.errors import BudgetError, ConfigurationError
from wan_notebook.ledger.expenses import Spent
from wan_notebook.tasks import Cost

if TYPE_CHECKING:
    from pathlib import Path

SUBMIT = "/services/aigc/video-generation/video-synthesis"
FAST = {"X-Wan-Simulator": "speed=1000"}


def cost(amount: str | None, currency: str = "USD") -> Cost:
    value = None if amount is None else Decimal(amount)
    return Cost(value, currency, None, 5, estimated=True, about=True, region="singapore", table_date="", source="")


@dataclass
class Purse:
    """What was spent before, said outright."""

    session: dict = field(default_factory=dict)
    project: dict = field(default_factory=dict)
    unknown: int = 0
    billed: bool = True

    def in_session(self) -> Spent:
        return Spent(self.session, self.unknown)

    def in_project(self) -> Spent:
        return Spent(self.project, self.unknown)


def held(terms: Terms, *prices: Cost, ask=None, **before) -> str:
    """What is said against it; empty where it may be paid."""
    try:
        terms.check(*prices, purse=Purse(**before), ask=ask)
    except BudgetError as error:
        return str(error)
    return ""


def test_what_a_run_may_cost_is_compared_with_its_own_price_alone():
    terms = Terms(max_cost=Money(Decimal("0.25")))
    assert held(terms, cost("0.25"), session={"USD": Decimal(99)}) == ""
    said = held(terms, cost("0.26"))
    assert "it would cost about 0.26 USD" in said
    assert "Nothing was sent and nothing is billed" in said


@pytest.mark.parametrize("which", ["session", "project"])
def test_a_budget_counts_what_was_spent_or_promised_before_in_its_own_currency_alone(which):
    terms = Terms(**{which: Money(Decimal(1), "USD")})
    assert held(terms, cost("0.4"), **{which: {"USD": Decimal("0.6"), "CNY": Decimal(100)}}) == ""
    said = held(terms, cost("0.4"), **{which: {"USD": Decimal("0.7")}})
    assert "0.7 USD of it spent or promised already" in said
    assert "currencies are not converted" in held(terms, cost("0.4", "CNY"))


def test_an_unknown_price_is_refused_under_any_limit_and_never_taken_for_nothing():
    for limit in ("max_cost", "session", "project"):
        assert "unknown" in held(Terms(**{limit: Money(Decimal(100))}), cost(None))
    assert held(Terms(yes=True), cost(None)) == ""
    assert held(Terms(), cost(None), billed=False) == ""


def test_an_unknown_price_is_asked_about_once_and_refused_where_nobody_can_be_asked():
    said = held(Terms(), cost(None))
    assert "the price of this clip in singapore is unknown. Say it in advance: --yes" in said
    questions = []

    def ask(question: str) -> bool:
        questions.append(question)
        return len(questions) > 1

    assert "was not confirmed" in held(Terms(), cost(None), ask=ask)
    terms = Terms().check(cost(None), cost("1"), purse=Purse(), ask=ask)
    assert terms.yes
    assert questions[-1] == "The price of 1 of 2 clips in singapore is unknown. Submit it all the same?"
    assert terms.check(cost(None), purse=Purse()) == terms


@pytest.mark.parametrize("which", ["session", "project"])
def test_runs_of_unknown_price_are_no_nothing_in_a_budget(which):
    terms = Terms(**{which: Money(Decimal(1), "USD")})
    said = held(terms, cost("0.4"), unknown=2)
    assert "the price of 2 earlier runs is unknown and not counted in the budget of this" in said
    assert held(terms, cost("0.4"), unknown=2, ask=lambda question: "2 earlier runs" in question) == ""
    told = replace(terms, yes=True).check(cost("0.4"), purse=Purse(unknown=2))
    assert "the price of 2 earlier runs is unknown" in told.remark
    assert "0.7 USD of it spent" in held(
        replace(terms, yes=True), cost("0.4"), unknown=2, **{which: {"USD": Decimal("0.7")}}
    )


def test_a_sweep_is_held_to_its_limits_as_a_whole():
    terms = Terms(max_cost=Money(Decimal(1)), project=Money(Decimal(2), "USD"))
    assert held(terms, cost("0.5"), cost("0.5")) == ""
    assert "it would cost about 1.1 USD for 2 clips, and --max-cost" in held(terms, cost("0.5"), cost("0.6"))
    assert "1.5 USD of it spent" in held(terms, cost("0.3"), cost("0.3"), project={"USD": Decimal("1.5")})
    assert "unknown" in held(terms, cost("0.1"), cost(None))
    assert "not added up" in held(terms, cost("0.1"), cost("0.1", "CNY"))


def test_a_budget_without_a_currency_is_not_had_once_in_each():
    said = held(Terms(session=Money(Decimal(5))), cost("3", "CNY"), session={"USD": Decimal(4)})
    assert 'CNY and USD are counted; they are not added up. Name its currency: "5 CNY"' in said
    assert (
        held(Terms(session=Money(Decimal(5))), cost("3", "CNY"), session={"CNY": Decimal(2), "USD": Decimal(0)}) == ""
    )


@pytest.mark.parametrize("wrong", ["much", "-1", "5 dollars", "1e3", True, "nan", [5]])
def test_what_is_no_amount_of_money_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="no amount of money"):
        Money.read(wrong, "budget")


def submit(server, folder: Path, **more):
    given = {"prompt": "A cat.", "image": PHOTO, "duration": 2, "audio": False, **more}
    return wan.submit(**given, base_url=server.base_url, api_key=KEY, output_dir=folder / "clips")


def test_a_run_that_would_cost_too_much_is_refused_in_the_cell_and_nothing_is_sent(tmp_path):
    with Hostile() as server:
        with pytest.raises(BudgetError, match=r"about 0\.05 USD"):
            submit(server, tmp_path, max_cost=0.04)
        with pytest.raises(BudgetError, match="currencies"):
            submit(server, tmp_path, max_cost="1 CNY")
        with pytest.raises(wan.InvalidRequestError, match="max_cost"):
            submit(server, tmp_path, max_cost=[1])
        assert server.asked == []


def test_a_budget_holds_over_all_cells_of_a_kernel_and_what_comes_from_the_ledger_is_free(kernel, in_folder):
    with Hostile() as server:
        server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
        running = {"output": {"task_id": "task-1", "task_status": "RUNNING"}}
        server.on("GET", "/tasks/task-1", Answer(body=running, headers=FAST))
        kernel.run("%load_ext wan_notebook\nimport os")
        kernel.run(f"os.environ.update(DASHSCOPE_HTTP_BASE_URL={server.base_url!r}, DASHSCOPE_API_KEY={KEY!r})")
        kernel.run("%config WanMagics.budget = '0.12 USD'")
        cell = "%%wan_i2v {} --image images/chelsea.png --duration 2 --no-audio\nA cat number {}."
        for number in (1, 2):
            made = kernel.run(cell.format(f"cat{number}", number))
            assert made.error is None
            kernel.until(lambda made=made: made.record["task_id"])
        said = "\n".join(kernel.run(cell.format("cat3", 3)).error)
        assert "the budget of this session is 0.12 USD, 0.1 USD of it spent or promised already" in said
        assert "Traceback" not in said
        again = kernel.run(cell.format("cat1", 1))
        kernel.until(lambda: any("not sent again" in note for note in again.record["notes"]))
        assert kernel.run("%config WanMagics.budget = ''\n%config WanMagics.project_budget = 0.12").error is None
        assert "the budget of this project is 0.12 USD, 0.1 USD of it" in "\n".join(
            kernel.run(cell.format("cat3", 3)).error
        )
        free = kernel.run("%config WanMagics.project_budget = 0.15").error or kernel.run(cell.format("cat3", 3))
        kernel.until(lambda: free.record["task_id"])
        assert server.count("POST") == 3


@pytest.mark.full
def test_what_a_kernel_forks_spends_its_budget(kernel, in_folder):
    kernel.run("%load_ext wan_notebook\nimport os")
    told = kernel.run(
        "from wan_notebook.ledger.owners import payer\n"
        "ours, mine = os.pipe()\n"
        "if os.fork() == 0:\n    os.write(mine, payer().encode())\n    os._exit(0)\n"
        "print(os.read(ours, 99).decode() == payer())"
    )
    assert told.text.strip() == "True"


@pytest.mark.full
def test_processes_do_not_exceed_a_projects_budget_together(tmp_path, monkeypatch):
    monkeypatch.setenv("WAN_NOTEBOOK_PROJECT_BUDGET", "0.12 USD")
    monkeypatch.setenv("WAN_NOTEBOOK_PROJECT", str(tmp_path))
    (tmp_path / "below").mkdir()
    running = {"output": {"task_id": "task-1", "task_status": "RUNNING"}}
    with Hostile() as server:
        server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
        server.on("GET", "/tasks/", Answer(body=running, headers=FAST))
        folders = [tmp_path, tmp_path / "below", tmp_path, tmp_path / "below", tmp_path]
        begun = [
            start(server.base_url, folder, tmp_path / "home", prompt=f"Cat {n}.") for n, folder in enumerate(folders)
        ]
        until(lambda: server.count("POST") + sum(process.poll() is not None for process in begun) == len(begun))
        ended = [process for process in begun if process.poll() is not None]
        for process in begun:
            process.kill()
        said = {process: "".join(process.communicate()) for process in begun}
        assert server.count("POST") == 2
    assert len(ended) == 3
    assert all("budget of this project is 0.12 USD, 0.1 USD of it spent or promised" in said[it] for it in ended)
