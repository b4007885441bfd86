"""The line of the magic."""

from __future__ import annotations

import pytest

import wan_notebook as wan
from wan_notebook.doors.options import help_text, parse
from wan_notebook.errors import InvalidRequestError
from wan_notebook.request.declaration import parameters

NAMES = {"photo": object(), "n": 3, "folder": "my pictures", "seeds": [5, 6]}
NAMES["photos"] = {"cat": "a.png", "big dog": "b c.png"}


def closed():
    raise wan.WanError("the clip is gone.", hint="Make it again.")


NAMES["closed"] = closed


def evaluate(expression):
    return eval(expression, {}, NAMES)  # noqa: S307  what a notebook's namespace does


def fields(line):
    return parse(line, evaluate).fields


def problems(line):
    with pytest.raises(InvalidRequestError) as caught:
        parse(line, evaluate)
    return " | ".join(caught.value.lines())


def test_a_line_is_a_name_and_options():
    line = parse("cat --image images/a.png -d 5 --no-audio --seed=7 --region beijing --wait -y", evaluate)
    assert (line.name, line.region, line.wait, line.yes, line.embed) == ("cat", "beijing", True, True, None)
    assert line.fields == {"image": "images/a.png", "duration": "5", "audio": False, "seed": "7"}


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("--image 'my pictures/a b.png'", "my pictures/a b.png"),
        ('--image "it\'s.png"', "it's.png"),
        (r"--image C:\photos\new.png", r"C:\photos\new.png"),
        ("--image=a#b+c.png", "a#b+c.png"),
        ("--image {folder}/{n}.png", "my pictures/3.png"),
        ("--image '{{n}}.png'", "{n}.png"),
        ("--image $$5.png", "$5.png"),
        ("--image {photos['cat']}", "a.png"),
        ('--image "{photos["cat"]}"', "a.png"),
        ("--image $photos['cat']", "a.png"),
        ("--image=$photos['big dog']", "b c.png"),
        ("--image {photos['big dog'].replace(' ', '-')}", "b-c.png"),
        ("--image $photos['cat'].upper()", "A.PNG"),
        ("--image {', '.join([photos['cat'], '}'])}", "a.png, }"),
        ("--image 'price $5.png'", "price $5.png"),
    ],
)
def test_paths_survive_the_line(line, path):
    assert fields(line) == {"image": path}


def test_a_variable_of_the_notebook_is_passed_as_the_object_it_is():
    assert fields("--image $photo")["image"] is NAMES["photo"]
    assert fields("--image=$photo --seed $seeds[1]") == {"image": NAMES["photo"], "seed": 6}


def test_underscores_work_too():
    assert fields("--negative_prompt blur --shot_type multi") == {"negative_prompt": "blur", "shot_type": "multi"}


def test_every_unknown_option_is_named_with_the_one_that_was_meant():
    said = problems("cat --imgae a.png --seeed 3")
    assert "--imgae: there is no such option. Did you mean --image?" in said
    assert "Did you mean --seed?" in said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cat --seed 1 --seed 2", "given twice"),
        ("cat --res 720P", "--res: there is no such option"),
        ("cat --image", "expected one argument"),
        ("cat --image 'a.png", "quotation mark is not closed"),
        ("cat dog --image a.png", "one word too many"),
        ("cat --image $foto", "no variable 'foto'"),
        ("cat --image {n.png", "brace is not closed"),
        ("cat --image {1/0}", "ZeroDivisionError: division by zero. Correct it"),
        ("cat --image $seeds[9]", "IndexError: list index out of range. Correct it"),
        ("cat --image $photos['bird']", "KeyError: 'bird'. Correct it"),
        ("cat --image $closed()", "the clip is gone. Make it again."),
    ],
)
def test_a_wrong_line_is_explained(line, words):
    said = problems(line)
    assert words in said
    assert "Nothing was sent" in said


@pytest.mark.parametrize(
    "said",
    [
        "--negative-prompt a heron",
        "--negative-prompt 'a heron' --seed 1 --seed 2",
        "--negative-prompt 'a heron",
        "--negative-prompt '{a heron'",
        "--sweep prompt='a heron|b' --sweep prompt='a heron|c'",
        "--negative-prompt $heron",
        "--negative-prompt 'a {grey heron}'",
        "--negative-prompt={heron.wades()}",
        "--sweep prompt={heron}",
    ],
)
def test_a_wrong_line_is_not_repeated_where_it_may_hold_a_prompt(said):
    assert "heron" not in problems(f"cat --private {said}")


@pytest.mark.parametrize("line", ["--api-key sk-0123456789abcdef0123", "cat --image sk-0123456789abcdef0123.png"])
def test_a_key_in_the_line_is_refused_and_not_repeated(line):
    said = problems(line)
    assert "revoke it" in said
    assert "0123456789" not in said


@pytest.mark.parametrize("word", ["--help", "-h", "--nosuch", "--res", "--text"])
def test_nothing_far_fetched_is_suggested(word):
    said = problems(f"cat {word}")
    assert "Did you mean" not in said
    assert "See %%wan_i2v? for all options" in said


def test_the_help_fits_a_page_and_names_the_switches_opposites():
    text = help_text()
    assert max(map(len, text.splitlines())) <= 88
    assert "--no-SWITCH" in text.splitlines()[0]


def test_every_parameter_has_an_option_and_stands_in_the_help():
    shown = help_text()
    for info in parameters():
        if info.name != "prompt":
            assert f"--{info.name.replace('_', '-')}" in shown
