"""A grid of requests: how values are written, and what is wrong with combinations."""

from __future__ import annotations

import numpy as np
import pytest

import wan_notebook as wan
from wan_notebook.doors.options import parse
from wan_notebook.request.grid import MOST_MEMBERS, Grid, axes_of, read_axis

FIELDS = {"prompt": "It looks up.", "image": "https://example.com/cat.png"}


def grid(**axes):
    return Grid.of({name: value for name, value in FIELDS.items() if name not in axes}, axes, region="singapore")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("seed=1..4", [1, 2, 3, 4]),
        ("seed=3..1,7", [3, 2, 1, "7"]),
        ("resolution=480P, 720P", ["480P", "720P"]),
        ("audio=true|false", ["true", "false"]),
        ("prompt=It runs, fast.|It sits.", ["It runs, fast.", "It sits."]),
        ("prompt=It runs, fast.", ["It runs, fast."]),
        ("img_url=https://a.example/a.png?x=1,https://a.example/b.png", ["https://a.example/a.png?x=1", "https://a.example/b.png"]),
    ],
)  # fmt: skip
def test_values_are_written_in_one_grammar(text, values):
    assert read_axis(text)[1] == values


def test_files_are_meant_by_a_pattern_and_values_of_the_notebook_by_their_name(in_folder):
    assert read_axis("image=images/*.png")[1] == sorted(
        f"images/{p.name}" for p in (in_folder / "images").glob("*.png")
    )
    line = parse("grid --sweep image=$photos[:2] --sweep seed=$seeds --no-audio", lambda code: eval(code, VARIABLES))  # noqa: S307
    assert line.sweep == {"image": ["a.png", "b.png"], "seed": [1, 2]}
    assert (line.name, line.fields) == ("grid", {"audio": False})
    with pytest.raises(wan.InvalidRequestError, match="no file has such a name"):
        read_axis("image=images/*.bmp")


VARIABLES = {"photos": ["a.png", "b.png", "c.png"], "seeds": np.arange(1, 3)}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--sweep seed", "names no values"),
        ("--sweep sede=1..4", "Did you mean seed?"),
        ("--sweep seed=1..4 --sweep seed=5", "seed is swept twice"),
        ("--sweep seed=1..x", "A range has a whole number on either side: 1..4"),
        ("--sweep seed=1..", "it is not a range"),
        (f"--sweep seed=1..{MOST_MEMBERS + 1}", "at most 500"),
    ],
)
def test_what_cannot_be_read_is_said(line, said):
    with pytest.raises(wan.InvalidRequestError) as refused:
        parse(line, str)
    assert said in str(refused.value)


def test_lists_vary_and_single_values_do_not():
    array = np.zeros((40, 40, 3), np.uint8)
    fields, axes = axes_of({"seed": range(2), "image": array, "model": ("a", "b"), "crop": (16, 9), "prompt": "Up."})
    assert axes == {"seed": [0, 1], "model": ["a", "b"]}
    assert set(fields) == {"image", "crop", "prompt"}
    assert axes_of({"img_url": [array, array]})[1].keys() == {"image"}
    assert axes_of({"seed": np.arange(2)})[1] == {"seed": [0, 1]}


def test_every_combination_is_a_member_and_the_last_field_varies_fastest():
    found = grid(model=["wan2.6-i2v-flash", "wan2.5-i2v-preview"], seed=[1, 2])
    assert str(found) == "2 model × 2 seed"
    assert [tuple(member.values.values()) for member in found.members] == [
        ("wan2.6-i2v-flash", 1), ("wan2.6-i2v-flash", 2), ("wan2.5-i2v-preview", 1), ("wan2.5-i2v-preview", 2)
    ]  # fmt: skip
    assert [member.request.seed for member in found.members] == [1, 2, 1, 2]


def test_everything_that_cannot_work_is_named_at_once_with_the_combinations_that_have_it():
    with pytest.raises(wan.InvalidRequestError) as refused:
        grid(model=["wan2.6-i2v-flash", "wan2.5-i2v-preview"], duration=[5, 15, 99])
    said = [str(problem) for problem in refused.value.problems]
    assert len(said) == 3
    assert any("duration = 15" in text and "1 of 6 combinations (#4: model wan2.5-i2v-preview" in text for text in said)
    assert any("duration = 99" in text and "(#2: model wan2.6-i2v-flash, duration 99)" in text for text in said)
    with pytest.raises(wan.InvalidRequestError, match="in 2 of 4 combinations") as refused:
        grid(resolution=["720P", "999P"], seed=[1, 2])
    assert "#2, #3: resolution 999P" in str(refused.value)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({}, "nothing varies"),
        ({"seed": []}, "it has no values"),
        ({"seed": [1, 1]}, "it is there twice"),
        ({"duration": [5, "5.0"]}, "it is the same as #0"),
        ({"seed": range(30), "negative_prompt": [f"no {n}" for n in range(30)]}, "900 combinations are too many"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(axes, said):
    with pytest.raises(wan.InvalidRequestError) as refused:
        grid(**axes)
    assert said in str(refused.value)


def test_what_is_swept_cannot_also_be_given_once():
    with pytest.raises(wan.InvalidRequestError, match="given once for all, and swept"):
        Grid.of({**FIELDS, "seed": 1}, {"seed": [1, 2]}, region="singapore")


def test_members_have_the_values_that_were_read_whichever_door_they_came_through():
    said = grid(**dict(read_axis(text) for text in ("duration=2,5", "audio=true,false", "seed=7")))
    given = grid(duration=[2, 5], audio=[True, False], seed=[7])
    assert [dict(one.values) for one in said.members] == [dict(one.values) for one in given.members]
    assert said.members[1].values == {"duration": 2, "audio": False, "seed": 7}
    assert isinstance(said.members[0].values["audio"], bool)
