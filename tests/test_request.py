"""The request rejects, before any money is spent and all at once, what the chosen model cannot do."""

from __future__ import annotations

import io
import pickle
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.facts.catalog import catalog
from wan_notebook.notebook.rehearsal import dry_run
from wan_notebook.request.declaration import I2VRequest, UnknownModelWarning, parameters, region_problems

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = "https://example.com/cat.png"
TRACK = "https://example.com/rap.mp3"
UNPREPARED = {"fit": False, "crop": None, "pad": None, "upload": "auto", "pin": False}
KEY = "sk-" + "0123456789abcdef" * 2


def request(**changes: Any) -> I2VRequest:
    return I2VRequest(**{"image": PICTURE, **changes})


def problems(**given_: Any) -> tuple[Problem, ...]:
    """What is wrong with these arguments; nothing is an empty tuple."""
    try:
        request(**given_)
    except InvalidRequestError as error:
        return error.problems
    return ()


def only(**given_: Any) -> Problem:
    found = problems(**given_)
    assert len(found) == 1, [str(problem) for problem in found]
    return found[0]


# --- what is accepted, and what becomes of it -------------------------------------------------------------------


def test_the_keyword_arguments_of_the_vendors_sdk_paste_in_unchanged() -> None:
    asked = I2VRequest(
        model="wan2.6-i2v-flash",
        prompt="A scene of urban fantasy art.",
        img_url=PICTURE,
        audio_url=TRACK,
        resolution="720P",
        duration=10,
        shot_type="multi",
        prompt_extend=True,
        watermark=True,
        negative_prompt="",
        seed=12345,
    )
    assert (asked.image, asked.audio_url, asked.duration, asked.seed) == (PICTURE, TRACK, 10, 12345)
    assert problems(img_url=PICTURE, image="other.png")[0].problem == "image and img_url are two names of one parameter"


@pytest.mark.parametrize(
    ("field", "said", "meant"),
    [
        ("resolution", "720p", "720P"),
        ("resolution", " 1080P ", "1080P"),
        ("resolution", 720, "720P"),
        ("resolution", "720", "720P"),
        ("duration", "5", 5),
        ("duration", 5.0, 5),
        ("duration", "5.0", 5),
        ("seed", "0", 0),
        ("seed", 2147483647, 2147483647),
        ("shot_type", "Multi", "multi"),
        ("audio", "no", False),
        ("audio", "True", True),
        ("watermark", 1, True),
        ("model", "WAN2.6-i2v", "wan2.6-i2v"),
        ("negative_prompt", "", None),
        ("template", None, None),
    ],
)
def test_a_value_written_another_way_is_understood(field: str, said: object, meant: object) -> None:
    assert getattr(request(**{field: said}), field) == meant


class NumpyLike:
    """A scalar as numpy and pandas have them."""

    dtype, shape = "int64", ()

    def __init__(self, value: object) -> None:
        self.value = value

    def item(self) -> object:
        return self.value


def test_numbers_out_of_an_array_are_numbers() -> None:
    asked = request(duration=NumpyLike(7), audio=NumpyLike(False), seed=NumpyLike(3))
    assert (asked.duration, asked.audio, asked.seed) == (7, False, 3)


def test_our_defaults_are_filled_in_and_told_apart_from_what_was_given() -> None:
    asked = request(prompt="hello", duration=None)
    assert asked.given == {"prompt", "image"}
    assert (asked.resolution, asked.duration, asked.audio) == (None, None, None)
    effective = asked.effective()
    assert (effective["resolution"], effective["duration"], effective["audio"]) == ("720P", 5, True)
    assert (effective["prompt_extend"], effective["watermark"], effective["seed"]) == (True, False, None)


def test_the_model_without_720p_defaults_to_480p() -> None:
    assert request(model="wan2.2-i2v-plus").effective()["resolution"] == "480P"


@pytest.mark.parametrize("name", catalog().models)
def test_audio_is_effective_only_where_the_model_has_the_switch(name: str) -> None:
    expected = True if catalog().model(name).audio == "switch" else None
    assert request(model=name).effective()["audio"] is expected


def test_sound_asked_of_a_model_that_always_makes_it_is_accepted_as_asked() -> None:
    asked = request(model="wan2.6-i2v", audio=True)
    assert asked.effective()["audio"] is True
    assert asked.notes == ()


def test_silence_beats_the_sound_track_and_a_note_says_so() -> None:
    asked = request(audio=False, audio_url=TRACK)
    assert "not heard" in asked.notes[0]


def test_a_prompt_may_be_missing_because_the_service_does_not_need_one() -> None:
    assert request(prompt=None).prompt == ""
    assert "ignores the prompt" in request(prompt="hello", template="squish").notes[0]


def test_an_address_only_this_machine_can_reach_is_accepted_with_a_note() -> None:
    assert "the real service cannot reach it" in request(image="http://127.0.0.1:8000/cat.png").notes[0]
    assert request(image="https://example.com/cat.png?token=1").notes == ()


def test_a_picture_by_address_is_not_looked_at() -> None:
    facts = request(image="https://does-not-exist.invalid/cat.tiff").image_facts
    assert (facts.kind, facts.name, facts.width) == ("url", "cat.tiff", None)


def test_a_local_photograph_is_measured_once_and_foretells_the_size_of_the_clip(photos: Path) -> None:
    asked = request(image=photos / "chelsea.png")
    assert (asked.image_facts.width, asked.image_facts.height) == (451, 300)
    assert asked.predicted_size == (1168, 768)
    assert request().predicted_size is None


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["5.5", 5.5, True, "five", "5 s", "٥", [5], float("nan"), "1e1"])
def test_a_duration_that_is_no_whole_number_is_refused(value: object) -> None:
    problem = only(duration=value)
    assert problem.field == "duration"
    assert problem.allowed == "whole seconds from 2 to 15"


@pytest.mark.parametrize(
    ("model", "value", "fix"),
    [("wan2.6-i2v-flash", 16, "Use 15"), ("wan2.5-i2v-preview", 7, "Use 5"), ("wan2.2-i2v-plus", 10, "Use 5")],
)
def test_a_duration_the_model_does_not_make_names_the_nearest_it_makes(model: str, value: int, fix: str) -> None:
    assert only(model=model, duration=value).fix == fix


def test_a_resolution_the_model_does_not_make_is_refused_with_what_it_makes() -> None:
    problem = only(model="wan2.2-i2v-plus", resolution="720P")
    assert (problem.allowed, problem.fix) == ("480P or 1080P", "Use 480P")


@pytest.mark.parametrize("name", catalog().models)
def test_a_prompt_longer_than_the_model_keeps_is_refused(name: str) -> None:
    most = catalog().model(name).prompt_chars or 0
    assert not problems(model=name, prompt="猫" * most, negative_prompt="x" * 500)
    problem = only(model=name, prompt="猫" * (most + 3))
    assert "silently cut the last 3" in problem.problem
    assert problem.fix == "Shorten it by 3"
    assert len(problem.value) <= 60
    assert only(model=name, negative_prompt="x" * 501).field == "negative_prompt"


def test_several_shots_need_the_prompt_to_be_rewritten() -> None:
    assert only(shot_type="multi", prompt_extend=False).fix == "Set prompt_extend=True, or shot_type='single'"
    assert not problems(shot_type="single", prompt_extend=False)
    assert not problems(shot_type="multi")


@pytest.mark.parametrize("name", [m.name for m in catalog().models.values() if not m.shot_types])
def test_shots_are_refused_where_the_model_has_none(name: str) -> None:
    assert "or use wan2.6-i2v-flash" in only(model=name, shot_type="single").fix


def test_a_misspelt_shot_type_gets_a_did_you_mean() -> None:
    assert only(shot_type="mutli").fix == "Did you mean multi?"


@pytest.mark.parametrize("name", [m.name for m in catalog().models.values() if m.audio == "always"])
def test_silence_is_refused_where_the_model_always_makes_sound(name: str) -> None:
    problem = only(model=name, audio=False)
    assert "always makes sound" in problem.problem
    assert "wan2.6-i2v-flash" in problem.fix


@pytest.mark.parametrize("name", [m.name for m in catalog().models.values() if m.audio == "silent"])
def test_the_switch_and_the_sound_track_are_refused_where_the_model_is_silent(name: str) -> None:
    assert only(model=name, audio=False).fix == "Leave it out: this model is always silent"
    assert "for sound" in only(model=name, audio=True).fix
    assert "takes no sound track" in only(model=name, audio_url=TRACK).problem


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("rap.mp3", "no such file"),
        ("file://rap.mp3", "no such file"),
        ("data:audio/mp3;base64,AAAA", "data: URI"),
        ("https://example.com/rap.ogg", ".ogg"),
        ("https:///rap.mp3", "no host"),
        ("https://example.com:99999/rap.mp3", "no valid address"),
        ("https://example.com/my rap.mp3", "blanks"),
        ("oss://dashscope-instant", "no file"),
    ],
)
def test_a_sound_track_the_service_cannot_fetch_is_refused(url: str, word: str) -> None:
    problem = only(audio_url=url)
    assert word in problem.problem
    assert "wav or mp3" in problem.allowed


@pytest.mark.parametrize("url", [TRACK, "HTTP://example.com/a.WAV?x=1", "https://example.com/stream", "oss://a/b.mp3"])
def test_a_sound_track_the_service_can_fetch_is_accepted(url: str) -> None:
    assert not problems(audio_url=url)


@pytest.mark.parametrize("value", [-1, 2147483648, "99999999999"])
def test_a_seed_out_of_range_is_refused(value: object) -> None:
    assert only(seed=value).allowed == "whole numbers from 0 to 2147483647"


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        ("1e3", "Write 1000"),
        ("5.5", "Write 5"),
        ("7 s", "Write 7"),
        ("1..x", "Write a whole number of digits only"),
        ("1,000", "Write a whole number of digits only"),
        ("1.2345e2", "Write a whole number of digits only"),
    ],
)
def test_only_the_number_that_is_meant_is_advised(value, cure):
    assert only(seed=value).fix == cure


def test_a_yes_is_no_number_and_a_number_no_text() -> None:
    assert only(seed=True).problem == "it is a yes/no, not a number"
    assert only(prompt=5).problem == "this is a number, not text"


def test_a_blank_choice_counts_as_left_out() -> None:
    assert request(resolution=" ", duration="", template="").given == {"image"}


@pytest.mark.parametrize("text", ["a\x00b", "a\x0bb", "\x1b[31m", "\ud800"])
@pytest.mark.parametrize("field", ["prompt", "negative_prompt", "template", "audio_url", "image"])
def test_characters_nobody_can_see_are_refused_and_not_printed(field: str, text: str) -> None:
    problem = only(**{field: text})
    assert "invisible character U+" in problem.problem
    str(problem).encode()
    assert str(problem).isprintable()


def test_tabs_and_line_ends_belong_to_a_prompt() -> None:
    assert request(prompt="one\n\ttwo\r\n").prompt == "one\n\ttwo\r\n"


def test_an_image_is_required_and_may_not_be_empty() -> None:
    for nothing in ({"image": None}, {"image": ""}, {"image": "  "}):
        assert only(**nothing).problem == "a first frame is required"


@pytest.mark.parametrize("image", ["https:///cat.png", "http:/cat.png", "https://exa mple.com/cat.png", "oss://x"])
def test_an_image_address_that_cannot_work_is_refused(image: str) -> None:
    assert only(image=image).field == "image"


@pytest.mark.parametrize(
    ("width", "height", "word"),
    [(239, 300, "Enlarge"), (300, 8001, "--fit")],
)
def test_an_image_too_small_or_too_large_is_refused_by_its_sides(width: int, height: int, word: str) -> None:
    problem = only(image=Image.new("L", (width, height)))
    assert problem.problem == f"it is {width} x {height} pixels"
    assert word in problem.fix


@pytest.mark.parametrize(("model", "most"), [("wan2.6-i2v", 20), ("wan2.2-i2v-plus", 10)])
def test_an_image_file_larger_than_the_model_takes_is_refused(model: str, most: int) -> None:
    file = io.BytesIO()
    Image.new("L", (240, 240)).save(file, "BMP")
    limit = most * 1024 * 1024
    assert not problems(model=model, image=file.getvalue().ljust(limit, b"\0"))
    problem = only(model=model, image=file.getvalue().ljust(limit + 1, b"\0"))
    assert f"up to {most} MB" in problem.allowed


def test_a_parameter_that_does_not_exist_gets_a_did_you_mean() -> None:
    assert only(durration=5).fix == "Did you mean duration?"
    assert only(shottype="multi").fix == "Did you mean shot_type?"


@pytest.mark.parametrize("name", ["n", "size", "ratio", "fps"])
def test_parameters_of_other_services_are_named_as_such(name: str) -> None:
    assert "The service has no such parameter" in only(**{name: 1}).fix


# --- all at once -------------------------------------------------------------------------------------------------


def test_every_problem_is_told_at_once_in_the_order_of_the_fields() -> None:
    found = problems(
        fps=24, prompt="x" * 1501, image="nowhere.png", resolution="480P", duration="long", seed=-1, shot_type="triple"
    )
    assert [p.field for p in found] == ["prompt", "image", "resolution", "duration", "shot_type", "seed", "fps"]


def test_a_value_that_cannot_be_read_does_not_hide_the_rules_and_invents_no_problem() -> None:
    found = problems(model="wan2.2-i2v-flash", duration="x", audio_url=TRACK, prompt=7)
    assert [p.field for p in found] == ["prompt", "duration", "audio_url"]
    assert [p.field for p in problems(model=5, resolution="480P", shot_type="single")] == ["model"]


INDEPENDENT = {  # values of fields that no rule joins, wrong ones among them
    "prompt": st.sampled_from(["", "hello", "x" * 900, "x" * 1600, "a\x00", 5]),
    "resolution": st.sampled_from(["480P", "720p", "1080P", "4K", "", 5.5]),
    "duration": st.sampled_from([2, 5, "10", 15, 0, -5, True, "x"]),
    "seed": st.sampled_from([0, "7", -1, 2**31, 1.5]),
    "watermark": st.sampled_from([True, "no", "maybe", 2]),
    "negative_prompt": st.sampled_from(["", "blur", "y" * 501, KEY]),
    "audio_url": st.sampled_from([TRACK, "rap.mp3", "https://example.com/a.ogg"]),
    "image": st.sampled_from([PICTURE, "nowhere.png", b"GIF89a", "ftp://example.com/a.png", 3]),
    "n": st.just(4),
}


@given(st.sampled_from(sorted(catalog().models)), st.fixed_dictionaries({}, optional=INDEPENDENT))
def test_all_problems_at_once_are_those_of_the_fields_one_by_one(model: str, values: dict[str, Any]) -> None:
    together = problems(model=model, **values)
    alone = [problem for name, value in values.items() for problem in problems(model=model, **{name: value})]
    assert sorted(map(str, together)) == sorted(map(str, alone))


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text("aZ5-猫\x00\n\ud800 :/?%.@~=&", max_size=40),
    st.binary(max_size=40),
    st.lists(st.integers(), max_size=2),
    st.just(KEY),
    st.decimals(allow_nan=False),
    st.builds(object),
)
FIELDS = tuple(I2VRequest.model_fields)


@given(st.dictionaries(st.sampled_from([name for name in FIELDS if name != "model"]), ANYTHING))
def test_whatever_is_given_is_accepted_or_refused_in_words_of_ours(values: dict[str, Any]) -> None:
    for problem in problems(**values):
        assert problem.field in FIELDS
        assert problem.problem
        assert len(problem.value) <= 60
        str(problem).encode()
        assert KEY not in str(problem)


# --- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [KEY, f"use {KEY} please", "Bearer sk-x", f"https://example.com/?key={KEY}"])
@pytest.mark.parametrize("field", ["prompt", "negative_prompt", "template", "audio_url", "image", "model", "shot_type"])
def test_a_literal_key_is_refused_and_never_repeated(field: str, text: str) -> None:
    problem = only(**{field: text})
    assert problem.field == field
    assert "looks like an API key" in problem.problem
    assert "Revoke" in problem.fix
    assert "sk-" not in str(problem)


def test_a_key_in_a_place_that_takes_no_text_is_not_repeated_either() -> None:
    for field in ("duration", "seed", "audio", "resolution"):
        assert KEY not in str(only(**{field: KEY}))
    assert KEY not in str(only(api_key=KEY))
    assert KEY not in str(only(key=KEY))
    assert KEY not in str(only(prompt=[KEY]))
    assert "DASHSCOPE_API_KEY" in only(api_key=secrets.token_hex()).fix


def test_words_that_merely_look_like_a_key_are_left_alone() -> None:
    assert not problems(prompt="a risk-taking-adventurer-of-the-old-days, task-0123456789abcdef0123, sk-8 skates")


FRAME, VOICE = {"type": "first_frame", "url": PICTURE}, {"type": "driving_audio", "url": TRACK}


def test_the_vendors_list_of_media_can_be_pasted_in() -> None:
    asked = I2VRequest(model="wan2.7-i2v", media=[VOICE, FRAME])
    assert (asked.image, asked.audio_url) == (PICTURE, TRACK)
    assert asked.given == {"model", "image", "audio_url"}
    assert dry_run(asked, region="singapore").body["input"]["media"] == [FRAME, VOICE]  # in our order


def test_a_clip_to_be_continued_is_refused_under_its_own_name() -> None:
    found = problems(model="wan2.7-i2v", image=None, media=[{"type": "first_clip", "url": PICTURE}])
    assert [problem.field for problem in found] == ["image", "first_clip"]
    assert "Continuing a clip" in found[1].fix


@pytest.mark.parametrize(
    "given",
    [
        {"media": "first_frame"},
        {"media": [PICTURE]},
        {"media": [FRAME, FRAME]},
        {"media": [{"type": "second_frame", "url": PICTURE}]},
        {"media": [{"type": ["first_frame"], "url": PICTURE}]},
        {"media": [FRAME], "image": PICTURE},
        {"media": [FRAME], "model": "wan2.6-i2v-flash"},
    ],
)
def test_a_list_of_media_that_cannot_be_read_is_no_parameter(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="Give its parts by name: image, last_frame and audio_url"):
        I2VRequest(**{"model": "wan2.7-i2v", **given})


# --- unknown models ----------------------------------------------------------------------------------------------


def test_an_unknown_model_is_a_warning_with_a_did_you_mean_and_a_pass_through() -> None:
    with pytest.warns(UnknownModelWarning, match=r"not in the catalogue \(did you mean wan2.6-i2v-flash\?\)"):
        asked = request(model="wan2.6-i2v-fast", resolution="4K", duration=60, audio=False, shot_type="triple")
    assert asked.effective() | {"image": None} == {
        "prompt": "",
        "image": None,
        "last_frame": None,
        "model": "wan2.6-i2v-fast",
        "resolution": "4K",
        "duration": 60,
        "audio": False,
        "audio_url": None,
        "shot_type": "triple",
        "negative_prompt": None,
        "prompt_extend": True,
        "watermark": False,
        "seed": None,
        "template": None,
        **UNPREPARED,
    }


@pytest.mark.parametrize("slip", ["wan2.6-i2v-flahs", "wan2.6-i2v-flas", "wan2.6_i2v_flash", "Wan2.6-i2v-flassh"])
def test_a_slip_in_a_known_name_is_refused_whatever_else_is_asked(slip: str) -> None:
    (found,) = problems(model=slip, duration=20, resolution="4K")
    assert (found.field, found.fix) == ("model", "Did you mean wan2.6-i2v-flash?")


@pytest.mark.parametrize(
    "name", ["wan2.8-i2v", "wan2.6-i2v-eu", "wan2.7-i2v-plus", "wan2.6-i2v-flash-2027-01-01", "mine"]
)
def test_a_name_that_may_be_a_new_model_is_a_note_and_no_problem(name: str) -> None:
    with pytest.warns(UnknownModelWarning):
        (note,) = request(model=name).notes
    assert note.startswith(f"model {name} is not in the catalogue")


def test_of_an_unknown_model_the_protocol_is_still_checked() -> None:
    found = problems(model="wan9-i2v", duration="long", seed=-1, audio_url="rap.mp3", image="nowhere.png")
    assert [p.field for p in found] == ["image", "duration", "audio_url", "seed"]


@pytest.mark.parametrize("duration", [-1, 0, 30, 600])
@pytest.mark.parametrize("model", ["wan3.0-video", "wan3.0-video-prime", "wan9-i2v"])
def test_the_length_of_an_unknown_model_is_the_services_to_judge(model: str, duration: int) -> None:
    with pytest.warns(UnknownModelWarning):
        run = dry_run(request(model=model, duration=duration), region="singapore")
    assert run.body["parameters"]["duration"] == duration
    assert run.cost.amount is None
    assert run.cost.seconds == (duration if duration > 0 else None)
    listed = {"media": [{"type": "first_frame", "url": PICTURE}]}
    assert run.body["input"] == (listed if model.startswith("wan3.0") else {"img_url": PICTURE})


# --- regions -----------------------------------------------------------------------------------------------------


def test_a_model_under_its_other_regions_name_gets_the_right_one() -> None:
    (problem,) = region_problems(request(model="wan2.1-i2v-turbo"), "cn-beijing")
    assert problem.fix == "In beijing its name is wanx2.1-i2v-turbo"
    (problem,) = region_problems(request(model="wanx2.1-i2v-plus"), "singapore")
    assert problem.fix == "In singapore its name is wan2.1-i2v-plus"


def test_a_model_that_is_not_offered_in_a_region_names_those_that_are() -> None:
    (problem,) = region_problems(request(), "virginia")
    assert problem.fix == "Use wan2.6-i2v, wan2.6-i2v-us there"
    assert "singapore, beijing" in problem.allowed


def test_video_effects_work_in_beijing_only() -> None:
    asked = request(model="wan2.6-i2v-flash", template="squish")
    assert [p.field for p in region_problems(asked, "singapore")] == ["template"]
    assert region_problems(asked, "beijing") == []


@pytest.mark.parametrize("name", catalog().models)
def test_the_simulator_takes_every_model(name: str) -> None:
    effect = {} if "2.7" in name else {"template": "squish"}
    assert region_problems(request(model=name, **effect), "simulator") == []


def test_nothing_is_known_of_an_unknown_region_or_model() -> None:
    assert region_problems(request(), "https://example.com/api/v1") == []
    with pytest.warns(UnknownModelWarning):
        asked = request(model="wan9-i2v")
    assert region_problems(asked, "virginia") == []


# --- a frozen noun -----------------------------------------------------------------------------------------------


def test_a_request_survives_pickling_with_everything_it_knows(photos: Path) -> None:
    asked = request(image=str(photos / "rocket.jpg"), prompt="Up", duration=3)
    again = pickle.loads(pickle.dumps(asked))  # noqa: S301  our own bytes
    assert again == asked
    assert (again.given, again.image_facts, again.notes) == (asked.given, asked.image_facts, asked.notes)


def test_a_pickled_request_finds_its_files_from_any_folder(in_folder: Path, tmp_path_factory, monkeypatch) -> None:
    pickled = pickle.dumps(request(image="images/rocket.jpg", model="wan2.7-i2v", last_frame="images/chelsea.png"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    again = pickle.loads(pickled)  # noqa: S301  our own bytes
    assert again.replace(seed=1).image_facts.source == in_folder / "images" / "rocket.jpg"
    assert again.last_frame == str(in_folder / "images" / "chelsea.png")


def test_equal_arguments_make_equal_requests() -> None:
    assert request(duration="5") == request(duration=5)
    assert request(duration=5) != request(duration=6)
    assert request(image=Image.new("RGB", (300, 300))) == request(image=Image.new("RGB", (300, 300)))


def test_a_request_cannot_be_edited_but_replaced_and_is_then_checked_again() -> None:
    asked = request(prompt="hello", duration=5)
    with pytest.raises(ValueError, match="frozen"):
        asked.duration = 99
    assert asked.replace(duration=10).given == {"prompt", "image", "duration"}
    assert asked.replace(duration=None).given == {"prompt", "image"}
    wrong = {"duration": 99, "fps": 24}
    for change in (lambda: asked.replace(**wrong), lambda: asked.model_copy(update=wrong)):
        with pytest.raises(InvalidRequestError) as caught:
            change()
        assert [p.field for p in caught.value.problems] == ["duration", "fps"]
    assert asked.replace(img_url="https://example.com/dog.png").image == "https://example.com/dog.png"


@pytest.mark.parametrize("wrong", [{"image": PICTURE, "duration": 99}, {"durration": 5}, [1], "text", 5])
def test_validation_in_pydantics_own_way_raises_our_error(wrong: object) -> None:
    with pytest.raises(InvalidRequestError):
        I2VRequest.model_validate(wrong)


def test_json_is_read_and_refused_like_any_other_arguments() -> None:
    assert I2VRequest.model_validate_json('{"img_url": "https://example.com/cat.png"}') == request()
    for wrong in ('{"image": "https://example.com/cat.png", "duration": 99}', "{", "[]"):
        with pytest.raises(InvalidRequestError):
            I2VRequest.model_validate_json(wrong)


def test_the_representation_shows_what_was_given_and_no_picture_bytes(photos: Path) -> None:
    data = (photos / "rocket.jpg").read_bytes()
    assert repr(request(image=data, duration=3)) == "I2VRequest(image='112525 bytes', duration=3)"


def test_an_error_has_lines_for_a_notebook_and_says_that_nothing_is_billed() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        request(duration=99, resolution="4K")
    lines = caught.value.lines()
    assert len(lines) == 4
    assert "duration = 99" in lines[2]
    assert "nothing is billed" in lines[3]


# --- the table everything else is generated from ---------------------------------------------------------------------


def test_every_parameter_is_in_the_table_with_its_place_in_the_body() -> None:
    table = {info.name: info for info in parameters()}
    assert list(table) == list(I2VRequest.model_fields)
    assert {info.name for info in table.values() if info.where == "input"} == {
        "prompt",
        "image",
        "last_frame",
        "audio_url",
        "negative_prompt",
        "template",
    }
    assert [info.name for info in table.values() if info.where == "model"] == ["model"]
    assert [(i.name, i.wire_name) for i in table.values() if i.name != i.wire_name] == [("image", "img_url")]
    assert all(info.help for info in table.values())
    assert table["resolution"].choices == ("480P", "720P", "1080P")
    assert table["duration"].choices == tuple(range(2, 16))


def test_the_table_narrows_down_to_one_model() -> None:
    table = {info.name: info for info in parameters("wan2.2-i2v-plus")}
    assert (table["resolution"].choices, table["resolution"].default) == (("480P", "1080P"), "480P")
    assert table["duration"].choices == (5,)
    assert {info.name for info in table.values() if not info.applies} == {
        "audio",
        "audio_url",
        "shot_type",
        "last_frame",
    }
    assert table["prompt"].limit == 800
    assert {info.name for info in parameters("wan9-i2v") if not info.applies} == {"last_frame"}
    names = {info.name: info.wire_name for info in parameters("wan2.7-i2v") if info.kind in ("image", "sound")}
    assert names == {"image": "first_frame", "last_frame": "last_frame", "audio_url": "driving_audio"}


@given(st.sampled_from(sorted(catalog().models)), st.data())
def test_every_choice_the_table_offers_is_accepted(model: str, data: st.DataObject) -> None:
    for info in parameters(model):
        if info.applies and info.choices and info.name != "model":
            value = data.draw(st.sampled_from(info.choices))
            assert not problems(model=model, **{info.name: value})
