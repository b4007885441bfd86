"""Whose an address is, and what that says about the price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import wan_notebook as wan
from wan_notebook.errors import BudgetError

BEIJING = "dashscope.aliyuncs.com"
FOREIGN = [
    "https://gateway.example.com/api/v1",
    "https://ws-1.cn-hongkong.maas.aliyuncs.com/api/v1",
    "https://us/api/v1",
]
WHAT = {"prompt": "A cat.", "image": "https://example.com/cat.png", "api_key": "sk-hosts-0123456789abcdef"}


def dry(**how: Any) -> wan.DryRun:
    return wan.dry_run(**{**WHAT, **how})


@pytest.mark.parametrize(
    "url",
    [f"https://{BEIJING}:443/api/v1", f"https://{BEIJING.upper()}/api/v1", f"https://{BEIJING}./api/v1",
     f"https://{BEIJING}//api/v1", "https://WS-1.CN-Beijing.maas.aliyuncs.com/api/v1"],
)  # fmt: skip
@pytest.mark.parametrize("region", [None, "singapore"])
def test_an_address_of_the_vendors_decides_the_price_however_it_is_spelled(url: str, region: str | None) -> None:
    run = dry(base_url=url, region=region)
    assert (run.region, run.cost.region, run.cost.currency, run.cost.about) == ("beijing", "beijing", "CNY", False)
    assert [problem.field for problem in dry(base_url=url, region=region, max_cost="9 USD").problems] == ["max_cost"]


@pytest.mark.parametrize("url", FOREIGN)
def test_an_unknown_address_has_no_price_unless_somebody_named_the_region(url: str) -> None:
    run = dry(base_url=url)
    assert (run.cost.amount, str(run.cost)) == (None, "price unknown")
    assert "no known address of the vendor's" in str(run)
    assert "ws-1" not in str(run.as_dict())
    assert [problem.field for problem in dry(base_url=url, max_cost=9).problems] == ["max_cost"]


@pytest.mark.parametrize("url", FOREIGN)
def test_nothing_is_sent_to_an_unknown_address_at_an_unknown_price_before_somebody_said_yes(url: str) -> None:
    with pytest.raises(BudgetError, match="is unknown"):
        wan.submit(**WHAT, base_url=url)
    with pytest.raises(BudgetError, match="is unknown"):
        wan.submit(**WHAT, base_url=url, max_cost=9, yes=True)


@pytest.mark.parametrize("place", ["argument", "WAN_NOTEBOOK_REGION", "DASHSCOPE_API_REGION"])
def test_a_named_region_says_what_an_unknown_address_costs_about(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    how = {"region": "beijing"} if place == "argument" else {}
    if not how:
        monkeypatch.setenv(place, "cn-beijing")
    cost = dry(base_url=FOREIGN[0], **how).cost
    assert (cost.region, cost.amount, cost.currency, cost.about) == ("beijing", Decimal("1.5"), "CNY", True)


def test_a_server_on_this_machine_is_priced_as_its_region() -> None:
    cost = dry(base_url="http://127.0.0.1:9/api/v1").cost
    assert (cost.region, str(cost)) == ("singapore", "about 0.25 USD")
