"""What makes two requests the same."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from processes import PHOTO

from wan_notebook.ledger.identity import Turns, asked_key, reuse_key
from wan_notebook.media.preparation import prepare
from wan_notebook.request.declaration import I2VRequest

GIVEN = {"prompt": "A cat.", "image": PHOTO, "duration": 5}


def key(ordinal: int = 1, *, region: str = "singapore", endpoint: str = "https://example.com", **changes) -> str:
    request = I2VRequest(**{**GIVEN, **changes})
    media = {name: prepare(facts) for name, facts in request.media_facts.items()}
    return reuse_key(asked_key(request, region=region, endpoint=endpoint), media, ordinal)


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """The same picture under another name."""
    copy = tmp_path_factory.mktemp("elsewhere") / "the same picture.png"
    copy.write_bytes(PHOTO.read_bytes())
    return copy


def test_what_does_not_change_the_clip_does_not_change_the_request(photo):
    for same in ({"image": photo}, {"image": PHOTO.read_bytes()}, {"resolution": "720P"}, {"watermark": False}):
        assert key(**same) == key(), same


def test_what_changes_the_clip_the_place_or_the_count_is_another_request():
    others = [
        {"prompt": "A dog."}, {"image": PHOTO.with_name("rocket.jpg")}, {"image": "https://example.com/cat.png"},
        {"image": "https://example.com/cat.png?v=2"}, {"seed": 7}, {"duration": 6}, {"resolution": "1080P"},
        {"audio": False}, {"negative_prompt": "dogs"}, {"model": "wan2.6-i2v"}, {"region": "beijing"},
        {"endpoint": "https://elsewhere.example"}, {"ordinal": 2},
    ]  # fmt: skip
    keys = [key(), *(key(**other) for other in others)]
    assert len(set(keys)) == len(keys)


def test_one_address_is_one_place_however_it_is_spelled():
    for known, spellings in {
        "https://example.com": ("HTTPS://example.com", "https://EXAMPLE.com:443/", "https://example.com."),
        "http://127.0.0.1:8080/api/v1": ("http://localhost:8080/api/v1", "http://[::1]:8080//api/v1/"),
    }.items():
        for other in spellings:
            assert key(endpoint=other) == key(endpoint=known), other
    others = ("http://example.com", "https://example.com:8443", "https://example.com/v2", "https://example.com/V2", "")
    assert len({key(endpoint=other) for other in ("https://example.com", *others)}) == len(others) + 1


def test_identical_requests_are_counted_in_the_order_they_were_made_whichever_is_ready_first():
    async def counted() -> list[int]:
        turns = Turns()
        taken = [turns.take("a cell") for _ in range(4)]
        ready = [asyncio.create_task(turn.ordinal("key")) for turn in reversed(taken)]
        return [await task for task in reversed(ready)]

    assert asyncio.run(counted()) == [1, 2, 3, 4]


def test_requests_from_many_threads_are_counted_like_any_others():
    turns, taken = Turns(), []
    every = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(turns.take, ["a script"] * 400))
    finally:
        sys.setswitchinterval(every)

    async def counted() -> list[int]:
        return await asyncio.gather(*(turn.ordinal("key") for turn in taken))

    assert sorted(asyncio.run(counted())) == list(range(1, 401))


def test_a_request_that_came_to_nothing_holds_nobody_up_and_every_execution_counts_anew():
    async def counted() -> list[int]:
        turns = Turns()
        first, second, elsewhere = turns.take("a"), turns.take("a"), turns.take("b")
        first.pass_on()
        return [await second.ordinal("key"), await elsewhere.ordinal("key"), await turns.take("a").ordinal("key")]

    assert asyncio.run(counted()) == [1, 1, 2]


def test_the_place_of_a_request_that_brought_no_clip_is_taken_by_the_next_try():
    async def counted() -> list[int]:
        turns = Turns()
        taken = [turns.take("a script") for _ in range(5)]
        made = [await turn.ordinal("key") for turn in taken[:3]]
        taken[1].give_back()
        taken[1].give_back()
        return [*made, await taken[3].ordinal("key"), await taken[4].ordinal("key")]

    assert asyncio.run(counted()) == [1, 2, 3, 2, 4]
