"""Limits: of one run, of a session and of a project, held before anything is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hostile import PENDING, Answer, Hostile
from processes import KEY, PHOTO

import wan_notebook as wan
from wan_notebook.engine.spending import Money, Terms
from wan_notebook.errors import BudgetError, ConfigurationError
from wan_notebook.tasks import Cost

if TYPE_CHECKING:
    from pathlib import Path

SUBMIT = "/services/aigc/video-generation/video-synthesis"
FAST = {"X-Wan-Simulator": "speed=100000"}


def cost(amount: str | None, currency: str = "USD") -> Cost:
    value = None if amount is None else Decimal(amount)
    return Cost(value, currency, None, 5, estimated=True, about=True, region="singapore", table_date="", source="")


def held(terms: Terms, price: Cost, session: dict | None = None, project: dict | None = None) -> str:
    """What is said against it; empty where it may be paid."""
    try:
        terms.check(price, in_session=lambda: session or {}, in_project=lambda: project or {})
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
    assert held(Terms(), cost(None)) == ""


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
        assert "this notebook's folder" in "\n".join(kernel.run(cell.format("cat3", 3)).error)
        free = kernel.run("%config WanMagics.project_budget = 0.15").error or kernel.run(cell.format("cat3", 3))
        kernel.until(lambda: free.record["task_id"])
        assert server.count("POST") == 3
