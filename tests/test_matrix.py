"""Models, resolutions, durations, sound and shots: what we accept the simulator accepts, and the reverse.

Deliberate refusals of ours that the service would take are in one table, each with its reason (``REFUSED_ON_PURPOSE``).
"""

from __future__ import annotations

import itertools
import json
import random
from functools import cache
from pathlib import Path

import httpx
import pytest

from wan_notebook.catalog import catalog
from wan_notebook.errors import InvalidRequestError
from wan_notebook.preparation import prepare
from wan_notebook.request import I2VRequest
from wan_notebook.simulator import Simulator
from wan_notebook.wire import SUBMIT_PATH, chunks, encode

PHOTO = Path(__file__).parent.parent / "notebooks" / "images" / "rocket.jpg"
HEADERS = {"X-DashScope-Async": "enable", "Content-Type": "application/json"}
AXES = {
    "model": tuple(catalog().models),
    "resolution": ("480P", "720P", "1080P"),
    "duration": (1, 2, 3, 4, 5, 6, 10, 15, 16),
    "audio": (None, True, False),
    "shot_type": (None, "single", "multi"),
    "prompt_extend": (None, True, False),
}
REFUSED_ON_PURPOSE = {
    "audio": "a switch the model does not have: the service is not known to heed it, so it would not do what was asked",
    "shot_type": "shots that the model does not have, or that need rewriting, would be paid for and not be made",
}


def everything():
    return [dict(zip(AXES, values, strict=True)) for values in itertools.product(*AXES.values())]


def pairwise():
    """Few combinations in which every two values of different axes meet at least once."""
    draw = random.Random(7)  # noqa: S311  the same selection each time
    pairs = {
        frozenset(((a, x), (b, y)))
        for (a, xs), (b, ys) in itertools.combinations(AXES.items(), 2)
        for x in xs
        for y in ys
    }
    chosen = []
    while pairs:
        tries = [{axis: draw.choice(values) for axis, values in AXES.items()} for _ in range(30)]
        best = max(tries, key=lambda one: len(met(one) & pairs))
        if not met(best) & pairs:
            (a, x), (b, y) = next(iter(pairs))
            best = {**best, a: x, b: y}
        pairs -= met(best)
        chosen.append(best)
    return chosen


def met(one):
    return {frozenset(pair) for pair in itertools.combinations(one.items(), 2)}


@cache
def data_url():
    request = I2VRequest(prompt="x", image=PHOTO)
    body, _ = encode(request, seed=1, media={"image": prepare(request.image_facts)})
    return json.loads(b"".join(chunks(body)[1]))["input"]["img_url"]


def body_of(one):
    """The body somebody would send who asks for exactly this."""
    parameters = {name: value for name, value in one.items() if name != "model" and value is not None}
    return {"model": one["model"], "input": {"prompt": "x", "img_url": data_url()}, "parameters": parameters}


def ours(one):
    """(accepted, the fields we complain about)."""
    try:
        I2VRequest(prompt="x", image=PHOTO, **{name: value for name, value in one.items() if value is not None})
    except InvalidRequestError as error:
        return False, {problem.field for problem in error.problems}
    return True, set()


def compare(combinations):
    # A clock so fast that no limit is met, and clips that are never waited for.
    with Simulator(speed=1_000_000, render="shape") as service, httpx.Client(base_url=service.base_url) as http:
        for number, one in enumerate(combinations):
            headers = {**HEADERS, "Authorization": f"Bearer sk-matrix-{number}"}
            answer = http.post(SUBMIT_PATH, json=body_of(one), headers=headers, timeout=30)
            accepted, fields = ours(one)
            if answer.status_code == 200 and not accepted:
                assert fields <= REFUSED_ON_PURPOSE.keys(), (one, fields)
            else:
                assert accepted == (answer.status_code == 200), (one, fields, answer.text)


def test_we_and_the_simulator_agree_on_every_pair_of_values():
    compare(pairwise())


@pytest.mark.full
def test_we_and_the_simulator_agree_on_a_large_sample():
    compare(random.Random(1).sample(everything(), 1500))  # noqa: S311  the same selection each time
