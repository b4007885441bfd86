"""The catalogue holds what the guide's table says, and every fact names its source."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import importlib
import re
import tomllib
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wan_notebook
from wan_notebook.errors import ConfigurationError
from wan_notebook.facts.catalog import catalog, predicted_size, regions, suggest
from wan_notebook.facts.nouns import ModelSpec, ServiceFacts

GUIDE = {  # the guide's availability table, typed again by hand
    "wan2.6-i2v-flash": (("720P", "1080P"), tuple(range(2, 16)), "switch"),
    "wan2.6-i2v": (("720P", "1080P"), tuple(range(2, 16)), "always"),
    "wan2.5-i2v-preview": (("480P", "720P", "1080P"), (5, 10), "always"),
    "wan2.2-i2v-flash": (("480P", "720P", "1080P"), (5,), "silent"),
    "wan2.2-i2v-plus": (("480P", "1080P"), (5,), "silent"),
    "wan2.1-i2v-plus": (("720P",), (5,), "silent"),
    "wan2.1-i2v-turbo": (("480P", "720P"), (3, 4, 5), "silent"),
}
HOUSE = Path(wan_notebook.__file__).parent
ROOMS = [
    room
    for room in sorted(HOUSE.rglob("*.py"))
    if room.relative_to(HOUSE).parts[0] not in ("simulator", "labextension")
]
PURE_ROOMS = (
    "words.addresses",
    "words.wording",
    "facts.catalog",
    "media.pixels",
    "request.declaration",
    "request.fields",
    "engine.pricing",
)


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_the_examples_in_the_docstrings_hold(room: str) -> None:
    result = doctest.testmod(importlib.import_module(f"wan_notebook.{room}"))
    assert result.failed == 0


@pytest.mark.parametrize("name", GUIDE)
def test_a_model_accepts_what_the_guide_lists(name: str) -> None:
    spec = catalog().model(name)
    assert (spec.resolutions, spec.durations, spec.audio) == GUIDE[name]


def test_the_models_beyond_the_guide_are_the_american_one_the_two_names_of_beijing_and_the_next_generation() -> None:
    assert set(catalog().models) - set(GUIDE) == {
        "wan2.6-i2v-us",
        "wanx2.1-i2v-plus",
        "wanx2.1-i2v-turbo",
        "wan2.7-i2v",
        "wan2.7-i2v-2026-04-25",
    }
    assert catalog().model("wan2.6-i2v-us").durations == (5, 10, 15)


@pytest.mark.parametrize("old", ["wan2.1-i2v-plus", "wan2.1-i2v-turbo"])
def test_the_two_names_of_one_model_differ_in_nothing_but_name_and_region(old: str) -> None:
    one, other = catalog().model(old), catalog().model(catalog().model(old).twin or "")
    same = [name for name in vars(one) if name not in ("name", "twin", "regions")]
    assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]
    assert other.twin == one.name


@pytest.mark.parametrize("name", catalog().models)
def test_our_default_is_720p_where_there_is_one_and_5_seconds(name: str) -> None:
    spec = catalog().model(name)
    assert spec.resolution == ("720P" if "720P" in spec.resolutions else "480P")
    assert spec.duration == 5
    assert spec.duration in spec.durations
    assert spec.service_resolution in spec.resolutions


def test_sound_tracks_and_shots_belong_to_the_newer_models() -> None:
    models = catalog().models.values()
    assert {m.name for m in models if m.shot_types} == {m.name for m in models if m.name.startswith("wan2.6")}
    assert {m.name for m in models if m.audio_url} == {m.name for m in models if m.audio != "silent"}


def test_long_prompts_and_large_images_belong_to_the_newer_models() -> None:
    for spec in catalog().models.values():
        new = spec.name.startswith(("wan2.5", "wan2.6", "wan2.7"))
        assert spec.prompt_chars == (5000 if "2.7" in spec.name else 1500 if new else 800)
        assert spec.image.bytes == (20 if new else 10) * 1024 * 1024
        assert (spec.image.side_min, spec.image.side_max, spec.negative_prompt_chars) == (240, 8000, 500)


@pytest.mark.parametrize("name", ["wan2.7-i2v", "wan2.7-i2v-2026-04-25"])
def test_the_next_generation_has_a_wire_shape_and_limits_of_its_own(name: str) -> None:
    spec = catalog().model(name)
    assert (spec.wire.name, spec.wire.listed) == ("media", "media")
    assert set(spec.wire.places.values()) == {"first_frame", "last_frame", "driving_audio"}
    assert (spec.image.ratio_max, spec.audio_file.seconds_min, spec.audio) == (8, 2, "always")
    assert catalog().model("wan2.6-i2v").image.ratio_max is None
    for region, currency, rate in (("singapore", "USD", "0.1"), ("beijing", "CNY", "0.6")):
        price = catalog().price(name, region, "720P")
        assert price is not None
        assert (price.currency, str(price.rate.normalize())) == (currency, rate)
    assert catalog().price(name, "virginia", "720P") is None


def test_an_unknown_model_is_passed_through_with_permissive_limits() -> None:
    spec = catalog().model("wan9-i2v")
    assert (spec.name, spec.known, spec.resolutions, spec.prompt_chars) == ("wan9-i2v", False, (), None)
    assert (spec.resolution, spec.duration) == ("720P", 5)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("singapore", "singapore"),
        ("ap-southeast-1", "singapore"),
        ("INTL", "singapore"),
        ("cn-beijing", "beijing"),
        ("us-east-1", "virginia"),
        (" eu-central-1 ", "frankfurt"),
        ("simulator", "simulator"),
    ],
)
def test_a_region_is_found_by_name_vendor_id_and_alias_in_any_case(said: str, name: str) -> None:
    assert catalog().region(said).name == name


def test_an_unknown_region_names_the_known_ones_and_the_closest() -> None:
    with pytest.raises(ConfigurationError, match="no region 'singapur'") as caught:
        catalog().region("singapur")
    assert "singapore, beijing, virginia, frankfurt, simulator" in caught.value.hint
    assert "Did you mean singapore?" in caught.value.hint


def test_only_frankfurt_is_reached_by_its_workspace_host_alone() -> None:
    real = [region for region in regions() if region.name != "simulator"]
    assert [region.name for region in real if region.base_url is None] == ["frankfurt"]
    assert all("{workspace}" in (region.workspace_base_url or "") for region in real)
    assert all(region.vendor_id in (region.workspace_base_url or "") for region in real)


def test_no_two_regions_share_a_spelling() -> None:
    spellings = [word for region in regions() for word in (region.name, *region.aliases) if word != region.name]
    assert len(spellings) == len(set(spellings))


def test_every_fact_names_a_source_with_a_date() -> None:
    text = resources.files("wan_notebook.facts").joinpath("catalog.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(text)
    named = raw.pop("sources")
    shared = raw["errors"]["rows"]  # under the source of the whole list, but for those that name their own
    blocks = [raw.pop("errors"), *raw.values()]
    blocks = [part for block in blocks for part in ([block] if "source" in block else block.values())]
    blocks += [m["rate"] for m in raw["models"].values()]
    for block in blocks:
        elsewhere = block.get("sources", {})
        assert {block["source"], *elsewhere.values(), *block.get("families", {}).values()} <= set(named)
        assert elsewhere.keys() <= block.keys(), "a source of a fact that is not there"
        assert block["source"] not in elsewhere.values(), "said twice"
    assert {row["source"] for row in shared if "source" in row} <= set(named)
    said = {
        (name, fact): tag for name, block in raw["regions"].items() for fact, tag in block.get("sources", {}).items()
    }
    assert said["virginia", "workspace_base_url"] == "SDK"
    assert said["singapore", "uploads"] == "UPLOAD-1023"
    assert raw["service"]["sources"]["zone_hours"] == raw["pixels"]["sources"]["480P"] == "INFERRED"
    assert raw["limits"]["image"]["sources"]["base64_bytes"] == "ERR-0525"
    assert all(source["title"] and source["url"] and source["date"] for source in named.values())


def test_every_model_has_a_price_wherever_it_is_offered_except_one_named_gap() -> None:
    unknown = {
        (spec.name, region, resolution)
        for spec in catalog().models.values()
        for region in spec.regions
        for resolution in spec.resolutions
        if catalog().price(spec.name, region, resolution) is None
    }
    assert unknown == {("wan2.2-i2v-flash", "singapore", "1080P")}


def test_the_dollars_of_singapore_are_inferred_from_its_yuan_and_say_so() -> None:
    yuan = {  # the yuan the page of 2026-05-26 shows for Singapore, typed again by hand
        ("wan2.6-i2v-flash", "720P"): "0.366962",
        ("wan2.6-i2v-flash", "1080P"): "0.550443",
        ("wan2.6-i2v", "1080P"): "1.100886",
        ("wan2.5-i2v-preview", "480P"): "0.366961",
        ("wan2.2-i2v-flash", "480P"): "0.110089",
        ("wan2.2-i2v-flash", "720P"): "0.264213",
        ("wan2.2-i2v-plus", "480P"): "0.146785",
        ("wan2.1-i2v-turbo", "480P"): "0.264213",
        ("wan2.1-i2v-plus", "720P"): "0.733924",
    }
    for (model, resolution), read in yuan.items():
        price = catalog().price(model, "singapore", resolution)
        assert price is not None
        assert (price.currency, price.about, price.source.date) == ("USD", True, "2026-05-26")
        assert abs(price.rate * Decimal("7.33924") - Decimal(read)) < Decimal("0.00001")


def test_a_price_read_in_yuan_is_not_about() -> None:
    beijing, virginia = (catalog().price("wan2.6-i2v", region, "720P") for region in ("beijing", "virginia"))
    assert beijing is not None
    assert virginia is not None
    assert (beijing.rate, beijing.currency, beijing.about) == (Decimal("0.60"), "CNY", False)
    assert (virginia.rate, virginia.currency, virginia.about) == (Decimal("0.60"), "CNY", False)


def test_the_simulator_has_the_prices_of_singapore_and_of_the_models_home_where_that_is_elsewhere() -> None:
    homes = {"wan2.6-i2v-us": "virginia", "wanx2.1-i2v-plus": "beijing", "wanx2.1-i2v-turbo": "beijing"}
    for spec in catalog().models.values():
        for resolution in spec.resolutions:
            for audio in (True, False):
                home = "beijing" if (spec.name, resolution) == ("wan2.2-i2v-flash", "1080P") else homes.get(spec.name)
                play = catalog().price(spec.name, "simulator", resolution, audio=audio)
                assert play == catalog().price(spec.name, home or "singapore", resolution, audio=audio)


def test_a_rate_that_one_table_lacks_is_looked_for_in_the_next() -> None:
    price = catalog().price("wan2.2-i2v-flash", "simulator", "1080P")
    assert price == catalog().price("wan2.2-i2v-flash", "beijing", "1080P")
    assert price is not None
    assert catalog().price("wan2.2-i2v-flash", "singapore", "1080P") is None


def test_the_example_of_the_guide_has_the_size_the_guide_says() -> None:
    assert predicted_size(750, 1000, "720P") == (816, 1104)
    assert predicted_size(1920, 1080, "720P") == (1280, 720)
    assert predicted_size(750, 1000, "8K") is None


@given(
    st.integers(240, 8000),
    st.integers(240, 8000),
    st.sampled_from([("480P", 399360), ("720P", 921600), ("1080P", 2073600)]),
)
def test_predicted_sides_are_multiples_of_16_within_the_pixels_of_the_tier(
    width: int, height: int, tier: tuple[str, int]
) -> None:
    size = predicted_size(width, height, tier[0])
    assert size is not None
    assert size[0] % 16 == size[1] % 16 == 0
    assert 0 < size[0] * size[1] <= tier[1]
    assert predicted_size(height, width, tier[0]) == size[::-1]


@given(st.sampled_from(sorted(catalog().models)), st.data())
def test_a_model_with_two_neighbouring_letters_swapped_is_still_recognised(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 2))
    typed = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    assert suggest(typed, catalog().models)


def test_a_fact_of_the_service_is_written_nowhere_but_in_the_catalogue() -> None:
    """In no text a person is shown, and in no number: docstrings may name it."""
    for room in ROOMS:
        tree = ast.parse(room.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                node.value.value = ""  # a docstring
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"\b(24|48) ?h(ours)?\b|half (its|the) price|costs half", node.value), room.name
            if isinstance(node, (ast.Constant, ast.BinOp)) and room.stem != "bookkeeping":  # whose day is a day
                assert ast.unparse(node) not in ("24 * 3600", "48 * 3600", "86400", "2 ** 31", "2147483647"), room.name


def test_every_fact_of_the_service_is_used() -> None:
    used = "\n".join(room.read_text(encoding="utf-8") for room in ROOMS)
    for noun in (ServiceFacts, ModelSpec):
        for fact in dataclasses.fields(noun):
            assert re.search(rf"\.{fact.name}\b", used), fact.name
