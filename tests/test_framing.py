"""The shape of a first frame, as numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_notebook.media.framing import Framing, ratio_of

SIDES = st.integers(1, 20_000)
SIZES = st.tuples(SIDES, SIDES)
RATIOS = st.tuples(st.integers(1, 100), st.integers(1, 100))


def off(size: tuple[int, int], ratio: tuple[int, int]) -> float:
    """By how many pixels of one side a size misses a ratio."""
    (width, height), (wide, high) = size, ratio
    return min(abs(width - height * wide / high), abs(height - width * high / wide))


@given(SIZES, RATIOS)
def test_a_crop_has_the_ratio_to_half_a_pixel_and_is_the_largest_central_part(size, ratio):
    layout = Framing(crop=ratio).layout(size)
    left, top, right, bottom = layout.box
    cut = (right - left, bottom - top)
    assert layout.picture == layout.canvas == cut
    assert min(cut) >= 1
    assert off(cut, ratio) <= 0.5 or min(cut) == 1
    assert cut[0] == size[0] or cut[1] == size[1]
    assert left >= 0
    assert top >= 0
    assert right <= size[0]
    assert bottom <= size[1]
    assert abs(left - (size[0] - right)) <= 1
    assert abs(top - (size[1] - bottom)) <= 1


@given(SIZES, RATIOS)
def test_padding_reaches_the_ratio_to_a_pixel_and_keeps_the_whole_picture(size, ratio):
    layout = Framing(pad=ratio).layout(size)
    assert layout.box == (0, 0, *size)
    assert layout.picture == size
    assert off(layout.canvas, ratio) < 1
    assert layout.canvas[0] == size[0] or layout.canvas[1] == size[1]
    assert layout.canvas[0] >= size[0]
    assert layout.canvas[1] >= size[1]


@given(SIZES, st.none() | RATIOS, st.booleans(), st.integers(1, 9000))
def test_a_fit_stays_within_the_limit_keeps_the_shape_and_never_enlarges(size, ratio, padded, side_max):
    how = {"pad" if padded else "crop": ratio}
    before = Framing(**how).layout(size)
    after = Framing(**how, fit=True, side_max=side_max).layout(size)
    assert max(after.canvas) <= side_max
    assert after.box == before.box
    assert all(new <= old for new, old in zip(after.picture, before.picture, strict=True))
    assert all(new <= old for new, old in zip(after.picture, after.canvas, strict=True))
    if max(before.canvas) <= side_max:
        assert after == before
    else:
        assert max(after.canvas) == side_max
        assert off(after.canvas, before.canvas) <= 0.5 or min(after.canvas) == 1


@given(SIZES, st.none() | RATIOS)
def test_a_note_is_made_exactly_where_something_happens(size, ratio):
    framing = Framing(crop=ratio, fit=True, side_max=8000)
    assert bool(framing.note(size)) == (framing.layout(size).canvas != size)
    assert Framing().note(size) == ""


@given(RATIOS)
def test_a_ratio_is_read_as_people_write_it(ratio):
    wide, high = ratio
    for text in (f"{wide}:{high}", f" {wide} : {high} ", f"{wide}x{high}", f"{wide}/{high}", f"{wide}×{high}"):
        assert ratio_of(text) == ratio


@pytest.mark.parametrize(
    "text", ["", "16", "16:", ":9", "16:0", "0:9", "101:1", "1:101", "-1:2", "1.5:1", "16:9:4", "a:b"]
)
def test_anything_else_is_no_ratio(text):
    assert ratio_of(text) is None
