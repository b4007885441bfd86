"""Money: seconds times rate, never 0 for what is not known."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_notebook.engine.pricing import actual, estimate, saving_of_silence
from wan_notebook.facts.catalog import catalog
from wan_notebook.request.declaration import I2VRequest, UnknownModelWarning, region_problems
from wan_notebook.service.wire import decode_task
from wan_notebook.tasks import Usage
from wan_notebook.words.phrases import price

PICTURE = "https://example.com/cat.png"


def request(**changes: object) -> I2VRequest:
    return I2VRequest(**{"image": PICTURE, **changes})


def test_five_seconds_of_the_default_cost_a_quarter_dollar_in_singapore() -> None:
    cost = estimate(request(), "singapore")
    assert (cost.amount, cost.currency, cost.rate, cost.seconds) == (Decimal("0.25"), "USD", Decimal("0.05"), 5)
    assert (cost.estimated, cost.about, cost.table_date, cost.free_quota) == (True, True, "2026-05-26", "")
    assert str(cost) == "about 0.25 USD"


def test_beijing_is_priced_in_yuan_and_names_its_free_quota() -> None:
    cost = estimate(request(duration=10, resolution="1080P"), "cn-beijing")
    assert (cost.amount, cost.currency, cost.about, cost.region) == (Decimal("5.00"), "CNY", False, "beijing")
    assert cost.free_quota == "50 s in the 90 days after activation"


def test_silence_is_half_the_price_where_it_can_be_had() -> None:
    saving = saving_of_silence(request(), "singapore")
    assert saving is not None
    assert saving.amount == Decimal("0.125")
    assert estimate(request(audio=False), "singapore").amount == Decimal("0.125")


@pytest.mark.parametrize(
    "changes",
    [{"audio": False}, {"model": "wan2.6-i2v"}, {"model": "wan2.6-i2v", "audio": True}, {"model": "wan2.2-i2v-flash"}],
)
def test_no_saving_is_named_where_there_is_none(changes: dict[str, object]) -> None:
    assert saving_of_silence(request(**changes), "singapore") is None


def test_no_saving_is_named_where_the_price_is_not_known() -> None:
    assert saving_of_silence(request(), "virginia") is None


@pytest.mark.parametrize("region", ["virginia", "frankfurt", "moon"])
def test_a_price_that_is_not_known_is_unknown_and_not_zero(region: str) -> None:
    cost = estimate(request(), region)
    assert (cost.amount, cost.rate, str(cost)) == (None, None, "price unknown")


def test_the_one_gap_of_the_table_is_unknown() -> None:
    cost = estimate(request(model="wan2.2-i2v-flash", resolution="1080P"), "singapore")
    assert (cost.amount, cost.currency) == (None, "USD")


def test_an_unknown_model_has_no_price() -> None:
    with pytest.warns(UnknownModelWarning):
        asked = request(model="wan9-i2v")
    assert estimate(asked, "singapore").amount is None


def test_what_was_billed_counts_and_not_what_was_asked() -> None:
    billed = Usage(duration=4.0, SR=1080, audio=False)
    cost = actual(billed, request(duration=5, resolution="720P"), "singapore")
    assert (cost.amount, cost.seconds, cost.estimated) == (Decimal("0.1500"), 4.0, False)


def test_what_the_service_does_not_report_is_taken_from_the_request() -> None:
    cost = actual(Usage(duration=5), request(audio=False), "beijing")
    assert (cost.amount, cost.estimated) == (Decimal("0.75"), False)


# The service's own words, by family (API reference of 2026-05-22); Java's sample has numbers as text.
FAMILIES = {
    "2.6, flash": (
        {"model": "wan2.6-i2v-flash", "duration": 10},
        '{"duration":10,"input_video_duration":0,"output_video_duration":10,"video_count":1,"SR":720,"audio":true}',
        "about 0.5 USD · 10 s billed · Singapore · price table of 2026-05-26",
    ),
    "2.6, flash, silent after all": (
        {"model": "wan2.6-i2v-flash", "duration": 10},
        '{"duration":10,"output_video_duration":10,"video_count":1,"SR":720,"audio":false}',
        "about 0.25 USD · 10 s billed · Singapore · price table of 2026-05-26",
    ),
    "2.6, without the word audio": (
        {"model": "wan2.6-i2v", "duration": 4, "resolution": "1080P"},
        '{"duration":4,"input_video_duration":0,"output_video_duration":4,"video_count":1,"SR":1080}',
        "about 0.6 USD · 4 s billed · Singapore · price table of 2026-05-26",
    ),
    "2.5, numbers as text": (
        {"model": "wan2.5-i2v-preview", "resolution": "480P"},
        '{"duration":"5.0","video_count":"1","SR":"480"}',
        "about 0.25 USD · 5 s billed · Singapore · price table of 2026-05-26",
    ),
    "2.2": (
        {"model": "wan2.2-i2v-flash"},
        '{"duration":5,"video_count":1,"SR":480}',
        "about 0.075 USD · 5 s billed · Singapore · price table of 2026-05-26",
    ),
    "2.1": (
        {"model": "wan2.1-i2v-turbo", "duration": 3},
        '{"video_duration":3,"video_ratio":"standard","video_count":1}',
        "about 0.108 USD · 3 s billed · Singapore · price table of 2026-05-26",
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_real_cost_of_every_family_names_seconds_region_and_date(family: str) -> None:
    asked, said, words = FAMILIES[family]
    answer = {"output": {"task_id": "a", "task_status": "SUCCEEDED"}, "usage": json.loads(said)}
    cost = actual(decode_task(answer).usage, request(**asked), "singapore")
    assert price(cost, simulated=False) == words
    assert "billed" not in price(estimate(request(**asked), "singapore"), simulated=False)


def test_in_beijing_the_real_cost_is_in_yuan_and_not_about() -> None:
    words = price(actual(Usage(duration=5, SR=720, audio=True), request(), "beijing"), simulated=False)
    assert words == "1.5 CNY · 5 s billed · Beijing · price table of 2026-05-26"


@pytest.mark.parametrize("usage", [None, Usage(), Usage(SR=1080)])
def test_without_billed_seconds_the_cost_stays_an_estimate(usage: Usage | None) -> None:
    assert actual(usage, request(), "singapore") == estimate(request(), "singapore")


@given(st.data())
def test_every_request_a_region_takes_has_a_price_or_is_the_known_gap(data: st.DataObject) -> None:
    spec = catalog().model(data.draw(st.sampled_from(sorted(catalog().models))))
    region = data.draw(st.sampled_from(sorted(catalog().regions)))
    asked = request(
        model=spec.name,
        resolution=data.draw(st.sampled_from([None, *spec.resolutions])),
        duration=data.draw(st.sampled_from([None, *spec.durations])),
        audio=data.draw(st.sampled_from([None, True, False])) if spec.audio == "switch" else None,
    )
    cost = estimate(asked, region)
    assert cost.amount != 0
    gap = spec.name == "wan2.2-i2v-flash" and asked.resolution == "1080P" and region in ("singapore", "simulator")
    if not region_problems(asked, region) and not gap:
        assert cost.amount is not None
        assert cost.amount == cost.rate * Decimal(str(cost.seconds))


def test_the_price_of_the_simulator_is_that_of_singapore() -> None:
    play, real = estimate(request(), "simulator"), estimate(request(), "singapore")
    assert (play.amount, play.currency, play.region) == (real.amount, real.currency, "simulator")
