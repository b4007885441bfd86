"""Frames of a clip: which, how many, and what they remember."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from windows import film_at

from wan_notebook.errors import InvalidRequestError
from wan_notebook.media.medium import measure
from wan_notebook.media.preparation import prepare
from wan_notebook.record.footage import probe_clip
from wan_notebook.tasks import Task, VideoResult

if TYPE_CHECKING:
    from pathlib import Path

RUN = "run-fedcba9876543210"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> VideoResult:
    """A clip of 30 frames whose grey rises from frame to frame."""
    path = film_at(tmp_path_factory.mktemp("clips") / "cat-20261124-190501.mp4")
    return VideoResult(path, "", None, None, probe_clip(path), Task("t", "SUCCEEDED"), {"run_id": RUN})


def grey(image: Image.Image) -> float:
    return float(np.asarray(image.convert("L")).mean())


def test_any_frame_can_be_had_also_from_the_end(result: VideoResult) -> None:
    for index, number in ((0, 0), (10, 10), (-1, 29), (-30, 0)):
        picture = result.frame(index)
        assert picture.info["wan_notebook"]["frame"] == number
        assert grey(picture) == pytest.approx(number * 8, abs=6)
    for index in (30, -31):
        with pytest.raises(IndexError, match="has 30 frames, counted from 0"):
            result.frame(index)


@pytest.mark.parametrize(
    ("count", "numbers"),
    [(0, []), (1, [0]), (2, [0, 29]), (4, [0, 10, 19, 29]), (30, list(range(30))), (99, list(range(30)))],
)
def test_frames_are_spaced_evenly_from_the_first_to_the_last(
    result: VideoResult, count: int, numbers: list[int]
) -> None:
    assert [picture.info["wan_notebook"]["frame"] for picture in result.frames(count)] == numbers
    assert [grey(picture) for picture in result.frames(count)] == pytest.approx([n * 8 for n in numbers], abs=6)


def test_a_frame_remembers_its_run_and_its_number(result: VideoResult) -> None:
    facts = measure(result.frame())
    assert (facts.kind, facts.name) == ("frame", "cat-20261124-190501-frame-29.png")
    origin = prepare(facts).origin
    assert origin is not None
    assert (origin.run_id, origin.frame, origin.clip, origin.altered) == (RUN, 29, "cat-20261124-190501", False)


def test_a_frame_that_was_changed_afterwards_is_not_taken_for_the_frame(result: VideoResult) -> None:
    picture = result.frame(5)
    painted = picture.copy()
    painted.paste("red", (0, 0, 10, 10))
    for changed in (
        painted,
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((300, 300)),
        picture.convert("L"),
    ):
        origin = prepare(measure(changed)).origin
        assert origin is not None
        assert origin.altered


@pytest.mark.parametrize("said", ["text", {"run_id": 5}, {"run_id": "<b>", "frame": 1, "clip": "a", "pixels": "b"}, {}])
def test_what_only_looks_like_a_memory_is_none(said: object) -> None:
    image = Image.new("RGB", (300, 300))
    image.info["wan_notebook"] = said
    assert measure(image).kind == "pixels"


def test_a_result_is_no_image_but_has_frames(result: VideoResult) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        measure(result)
    assert ".frame(-1)" in caught.value.problems[0].fix


def test_a_clip_whose_file_is_gone_says_so(result: VideoResult, tmp_path: Path) -> None:
    from dataclasses import replace

    from wan_notebook.errors import WanError

    with pytest.raises(WanError, match="not a video that can be read"):
        replace(result, path=tmp_path / "gone.mp4").frame()


def test_a_contact_sheet_says_when_each_of_its_frames_is(result: VideoResult) -> None:
    sheet = result.contact_sheet(4, columns=2, width=640)
    assert sheet.width == 640
    left, right = (sheet.crop((x, 60, x + 100, 160)) for x in (100, 420))
    assert grey(left) == pytest.approx(0, abs=6)  # the first frame
    assert grey(right) == pytest.approx(80, abs=6)  # the eleventh
    assert result.contact_sheet(99).height > result.contact_sheet(8).height > sheet.resize((960, 1)).height
    assert result.contact_sheet(0).size == result.contact_sheet(1).size  # there is always one
    assert result.contact_sheet(3, columns=3, width=1).width > 1
