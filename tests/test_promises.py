"""What is promised before anything is paid is what the clip turns out to be, measured in the saved file.

The promise is our dry run's: size, length, frame rate, sound and price; the clip is the simulator's, which has its own
reading of the documents; the measure is PyAV's.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from caller import files, picture, served, tone

import wan_notebook as wan
from wan_notebook.facts.catalog import catalog
from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from wan_notebook.facts.nouns import ModelSpec

MODELS = catalog().models
SHAPES = {
    "wide": (1280, 720),
    "tall": (720, 1280),
    "square": (500, 500),
    "3:4": (750, 1000),
    "odd": (641, 487),
    "one to eight": (240, 1920),
}
FURTHER = {"thirty to one": (7200, 240)}  # some models take no more than one to eight
PICTURES = {shape: picture(size) for shape, size in (SHAPES | FURTHER).items()}
VOICES = ("by itself", "asked for", "not wanted", "short", "long", "long, not wanted")
AT_ONCE = 24


class Wanted(NamedTuple):
    """One clip."""

    model: str
    tier: str
    seconds: int
    shape: str
    voice: str


@dataclass
class Studio:
    """A simulator, the addresses of two sounds, and where clips are kept."""

    sim: Simulator
    sounds: str
    folder: Path

    def keep(self, wanted: Iterable[Wanted]) -> None:
        """Make every clip that is wanted, and compare it with what was promised."""
        left, running = list(wanted), []
        assert left
        while left or running:
            while left and len(running) < AT_ONCE:
                one = left.pop()
                running.append((one, self._submit(one, key=f"sk-promise-{len(left):05}")))
            _check(*running.pop(0))

    def _submit(self, one: Wanted, key: str) -> wan.Job:
        """Start one clip, in an account of its own: no limit is met."""
        said: dict[str, Any] = {"model": one.model, "resolution": one.tier, "duration": one.seconds}
        if one.voice == "asked for":
            said["audio"] = True
        if one.voice.endswith("not wanted"):
            said["audio"] = False
        if one.voice.startswith(("short", "long")):
            said["audio_url"] = f"{self.sounds}/{one.voice.partition(',')[0]}"
        where = {"base_url": self.sim.base_url, "region": "simulator", "output_dir": self.folder, "api_key": key}
        return wan.submit(prompt="It moves.", image=PICTURES[one.shape], seed=1, **said, **where)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    tones = {"short": served(tone(3), "audio/wav"), "long": served(tone(20), "audio/wav")}
    with Simulator(speed=200, render="shape") as running, files(**tones) as sounds:
        yield Studio(running, sounds, tmp_path_factory.mktemp("clips"))


def sounds(model: str) -> list[str]:
    """How a model can be asked for sound."""
    spec = MODELS[model]
    takes = {"by itself"}
    if spec.audio != "silent":
        takes |= {"asked for", "short", "long"}
    if spec.audio == "switch":
        takes |= {"not wanted", "long, not wanted"}
    return [voice for voice in VOICES if voice in takes]


def _check(one: Wanted, job: wan.Job) -> None:
    clip, paid, dry = job.result(280).clip, job.update.cost, wan.dry_run(job.request, region="simulator")
    assert dry.as_dict()["clip"] == {
        "width": clip.width,
        "height": clip.height,
        "seconds": clip.duration,
        "fps": clip.fps,
        "sound": clip.audio_codec == "aac",
    }, one
    assert clip.video_codec == "h264"
    assert paid is not None
    assert (paid.estimated, dry.cost.estimated) == (False, True)
    assert replace(paid, estimated=True) == dry.cost, one  # the same seconds at the same price
    clip.path.unlink()


def combinations(lengths: Callable[[ModelSpec], Iterable[int]]) -> list[Wanted]:
    """Every model, tier, shape and way of sound, at these lengths."""
    return [
        Wanted(model, tier, seconds, shape, voice)
        for model, spec in MODELS.items()
        for tier in spec.resolutions
        for seconds in lengths(spec)
        for shape in shapes(model)
        for voice in sounds(model)
    ]


def shapes(model: str) -> list[str]:
    """The shapes a model takes."""
    return [*SHAPES] if MODELS[model].image.ratio_max else [*SHAPES, *FURTHER]


def in_turn() -> list[Wanted]:
    """One small clip of each model; shapes and ways of sound take turns."""
    return [
        Wanted(
            model,
            spec.resolutions[0],
            min(spec.durations),
            shapes(model)[number % len(shapes(model))],
            sounds(model)[number % len(sounds(model))],
        )
        for number, (model, spec) in enumerate(MODELS.items())
    ]


def pairwise(combinations: list[Wanted]) -> list[Wanted]:
    """Few of the combinations, in which every two values meet that meet in any of them."""
    draw = random.Random(7)  # noqa: S311  the same selection each time
    pairs = {pair for one in combinations for pair in _pairs(one)}
    chosen = []
    while pairs:
        best = max(draw.sample(combinations, min(60, len(combinations))), key=lambda one: len(_pairs(one) & pairs))
        if not _pairs(best) & pairs:
            missing = next(iter(pairs))
            best = next(one for one in combinations if missing in _pairs(one))
        pairs -= _pairs(best)
        chosen.append(best)
    return chosen


def _pairs(one: Wanted) -> set[Any]:
    return set(itertools.combinations(one._asdict().items(), 2))


def test_a_clip_of_each_model_is_what_was_promised(studio: Studio) -> None:
    wanted = in_turn()
    assert {one.shape for one in wanted} == {*SHAPES, *FURTHER}
    assert {one.voice for one in wanted} >= {"by itself", "short", "long"}
    studio.keep(wanted)


@pytest.mark.full
@pytest.mark.parametrize("model", MODELS)
def test_every_size_and_sound_is_what_was_promised(studio: Studio, model: str) -> None:
    studio.keep([one for one in combinations(lambda spec: [min(spec.durations)]) if one.model == model])


@pytest.mark.full
def test_longer_clips_are_what_was_promised(studio: Studio) -> None:
    wanted = pairwise(combinations(lambda spec: sorted(spec.durations)[1:]))
    assert {(one.model, one.seconds) for one in wanted} == {
        (model, seconds) for model, spec in MODELS.items() for seconds in sorted(spec.durations)[1:]
    }
    studio.keep(wanted)
