"""The form: fields made from the declaration, problems at their field, one job per click, cards in the form's cell."""

from __future__ import annotations

import base64
import io
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from ipywidgets import Checkbox, Combobox, Dropdown, Text, Textarea
from kernels import MIME, LiveKernel
from PIL import Image

import wan_notebook as wan
from wan_notebook.facts.catalog import catalog
from wan_notebook.facts.nouns import ParameterInfo
from wan_notebook.forms.pickers import field_for
from wan_notebook.hall.session import session
from wan_notebook.request.declaration import parameters
from wan_notebook.simulator import Simulator

KEY = "sk-form-0123456789abcdef"
MODELS = sorted(catalog().models)
GOOD = {"prompt": "The cat looks up.", "image": "images/chelsea.png"}


@pytest.fixture(scope="module")
def service():
    with Simulator(speed=200, render="shape") as simulator:
        yield simulator


@pytest.fixture
def desk(in_folder, monkeypatch):
    """A folder with pictures, and a key."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    return in_folder


@pytest.fixture
def connected(desk, service, monkeypatch):
    """As ``desk``, and requests go to a simulator."""
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", service.base_url)
    return desk


def said(widget):
    """The text of an HTML widget."""
    return re.sub(r"<[^>]*>", " ", widget.value)


def put(form, **values):
    """Type and choose, as a person does."""
    for name, value in values.items():
        form.fields[name].control.value = value


def until(condition, what="it did not happen"):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


# What is done to the picture first


def test_a_crop_changes_the_clip_to_expect_and_needs_the_picture_itself(desk):
    form = wan.form(**GOOD)
    put(form, crop="1:1")
    assert "the first frame is cropped to 1:1: 451 x 300 pixels become 300 x 300" in said(form.remarks)
    assert "about 960 × 960" in said(form.fields["image"].line)
    put(form, crop="wide")
    assert "It is no ratio. Write width:height, e.g. 16:9." in said(form.fields["crop"].line)
    put(form, crop="1:1", image="https://example.com/cat.png")
    assert "Add pin=True" in said(form.fields["crop"].line)
    put(form, pin=True)
    assert not form.generate.disabled


def test_a_form_may_begin_with_a_crop_and_without_a_picture(desk):
    form = wan.form(crop="16:9", fit=True)
    assert (form.fields["crop"].control.value, form.fields["fit"].control.value) == ("16:9", True)
    assert "USD" in said(form.price.badge)
    assert not form.fields["pin"].control.value


# What it is made of


def test_every_parameter_has_exactly_one_field_and_the_model_comes_first(desk):
    form = wan.form()
    names = [field.info.name for field in form.fields.values()]
    assert names[:2] == ["model", "region"]
    assert sorted(names) == sorted([*wan.I2VRequest.model_fields, "region"])
    assert names[2:] == [name for name in wan.I2VRequest.model_fields if name != "model"]


@pytest.mark.parametrize(
    ("kind", "choices", "default", "control"),
    [
        ("text", (), None, Textarea),
        ("image", (), None, Combobox),
        ("choice", ("a", "b"), "b", Dropdown),
        ("choice", (), None, Text),
        ("integer", (2, 3, 4, 5), 4, Dropdown),
        ("integer", (5, 10), 5, Dropdown),
        ("integer", (), None, Text),
        ("flag", (), True, Checkbox),
        ("sound", (), None, Combobox),
        ("word", (), None, Text),
    ],
)
def test_a_parameter_nobody_has_heard_of_yet_has_a_field(kind, choices, default, control):
    info = ParameterInfo("camera_path", kind, choices, default, "how the camera moves", "input", "camera_path")
    field = field_for(info, None, lambda: None)
    field.say([])
    assert type(field.control) is control
    assert field.control.description == "Camera path"
    assert field.value is None
    assert "How the camera moves" in field.line.value


def test_only_what_a_person_chose_counts_as_given(desk):
    form = wan.form(**GOOD)
    assert form.request.given == {"prompt", "image"}
    put(form, duration=7, audio=False)
    assert form.request.given == {"prompt", "image", "duration", "audio"}
    put(form, duration=5)
    assert form.request.given == {"prompt", "image", "duration", "audio"}
    assert wan.form(**GOOD, watermark=False).request.given == {"prompt", "image", "watermark"}


def test_a_form_starts_with_what_it_is_given(desk):
    request = wan.I2VRequest(**GOOD, model="wan2.5-i2v-preview", duration=10, seed=7, negative_prompt="rain")
    assert wan.form(request).request == request
    assert wan.form(request, duration=5).request == request.replace(duration=5)
    assert (
        wan.form(img_url="https://example.com/cat.png").fields["image"].control.value == "https://example.com/cat.png"
    )
    assert wan.form(region="cn-beijing").fields["region"].control.value == "beijing"


@pytest.mark.parametrize("wrong", [{"duration": 99}, {"resoluton": "720P"}, {"image": "nowhere.png"}, {"prompt": KEY}])
def test_a_form_is_not_made_with_values_that_cannot_be_used(desk, wrong):
    with pytest.raises(wan.InvalidRequestError) as caught:
        wan.form(**wrong)
    assert [problem.field for problem in caught.value.problems] == list(wrong)


def test_without_a_kernel_a_saved_form_still_says_what_it_was(desk):
    bundle = wan.form()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "live kernel" in bundle["text/plain"]
    assert "live kernel" in bundle["text/html"]


# The model reshapes the rest


@pytest.mark.parametrize("model", MODELS)
def test_choosing_a_model_offers_what_it_has_and_nothing_else(desk, model):
    form, spec = wan.form(), catalog().model(model)
    put(form, model=model)
    fields = form.fields
    assert [value for _, value in fields["resolution"].control.options] == list(spec.resolutions)
    assert fields["resolution"].control.value == spec.resolution
    assert [value for _, value in fields["duration"].control.options] == list(spec.durations)
    assert fields["duration"].control.value == spec.duration
    for info in parameters(model):
        closed = not info.applies or info.name == "template"  # effects are documented for Beijing alone
        assert fields[info.name].control.disabled is closed, info.name
    assert f"0 / {spec.prompt_chars} characters" in said(fields["prompt"].counter)


def test_what_a_model_does_not_have_says_why_and_who_has_it(desk):
    form = wan.form(model="wan2.2-i2v-flash")
    assert form.fields["shot_type"].control.description == "Shot type (not offered)"
    assert "Not with wan2.2-i2v-flash, only with wan2.6-i2v-flash" in said(form.fields["shot_type"].line)
    audio = form.fields["audio"]
    assert (audio.control.value, audio.control.description) == (False, "Audio (always off)")
    put(form, model="wan2.5-i2v-preview")
    assert (audio.control.value, audio.control.description) == (True, "Audio (always on)")
    assert "always makes sound" in said(audio.line)
    assert audio.value is None


def test_what_is_no_longer_possible_becomes_our_default_and_comes_back_with_the_model(desk):
    form = wan.form(**GOOD)
    put(form, duration=12, audio=False, shot_type="multi")
    put(form, model="wan2.1-i2v-turbo")
    assert form.request == wan.I2VRequest(**GOOD, model="wan2.1-i2v-turbo")
    assert "12 is not possible" in said(form.fields["duration"].line)
    put(form, model="wan2.6-i2v-flash")
    assert form.request == wan.I2VRequest(**GOOD, duration=12, audio=False, shot_type="multi")


def test_a_model_that_is_not_in_the_catalogue_can_be_given_and_has_every_choice(desk):
    with pytest.warns(UserWarning, match="not in the catalogue"):
        form = wan.form(**GOOD, model="wan9-i2v")
    put(form, resolution="480P", duration=15, shot_type="multi", audio=False)
    request = form.request
    assert (request.model, request.resolution, request.duration) == ("wan9-i2v", "480P", 15)
    assert (request.shot_type, request.audio) == ("multi", False)
    assert "price unknown" in said(form.price.badge)


# Problems


def test_what_is_only_missing_is_named_without_shouting(desk):
    form = wan.form()
    assert "first frame is required" in said(form.fields["image"].line)
    assert 'role="alert"' not in form.fields["image"].line.value
    assert form.generate.disabled
    assert "still to settle: prompt, image" in said(form.price.badge)
    put(form, prompt="The cat looks up.")
    assert 'role="alert"' not in form.fields["image"].line.value


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"image": "images/chelse.png"}, "image", "Did you mean chelsea.png"),
        ({"image": "images"}, "image", "it is a folder"),
        ({"prompt": "x" * 1501}, "prompt", "Shorten it by 1"),
        ({"negative_prompt": "x" * 501}, "negative_prompt", "501 characters"),
        ({"audio_url": "song.mp3"}, "audio_url", "no such file"),
        ({"seed": "a dozen"}, "seed", "not a whole number"),
        ({"seed": "-1"}, "seed", "out of range"),
        ({"shot_type": "multi", "prompt_extend": False}, "shot_type", "prompt_extend"),
        ({"template": "flying"}, "template", "do not work in singapore"),
        ({"model": "wan2.6-i2v-us"}, "model", "not offered in singapore"),
    ],
)
def test_a_problem_is_shown_at_its_field_and_generate_waits(desk, values, field, words):
    form = wan.form(**GOOD)
    assert not form.generate.disabled
    put(form, **values)
    assert words.casefold() in said(form.fields[field].line).casefold()
    assert 'role="alert"' in form.fields[field].line.value
    assert [name for name, one in form.fields.items() if 'role="alert"' in one.line.value] == [field]
    assert form.generate.disabled
    put(form, **{name: getattr(wan.I2VRequest(**GOOD), name) or "" for name in values if name != "shot_type"})
    put(form, **({"shot_type": None} if "shot_type" in values else {}))
    assert not form.generate.disabled


def test_a_problem_that_stays_is_not_told_again_while_characters_are_counted(desk):
    form, told = wan.form(**GOOD), []
    prompt = form.fields["prompt"]
    put(form, seed="a dozen", prompt="The cat looks")
    for field in form.fields.values():
        field.line.observe(told.append, "value")
    put(form, prompt="The cat looks down.")
    assert told == []
    assert said(prompt.counter).split() == ["19", "/", "1500", "characters"]


def test_a_key_typed_into_a_field_is_refused_and_taken_out_of_it(desk):
    form = wan.form(**GOOD)
    put(form, negative_prompt=f"rain {KEY}")
    assert "looks like an API key" in said(form.fields["negative_prompt"].line)
    assert form.fields["negative_prompt"].control.value == ""
    assert form.generate.disabled
    assert KEY not in "".join(
        repr(widget.get_state()) for field in form.fields.values() for widget in [field.control, *field.below.children]
    )
    put(form, negative_prompt="rain")
    assert form.request.negative_prompt == "rain"
    assert not form.generate.disabled


def test_without_a_key_the_region_says_so(in_folder):
    form = wan.form(**GOOD)
    assert "no API key is set".casefold() in said(form.fields["region"].line).casefold()
    assert "billed" not in said(form.fields["region"].line), "nobody asked yet to send anything"
    labels = {name: form.fields[name].control.description for name in ("audio_url", "prompt_extend")}
    assert labels == {"audio_url": "Sound to follow", "prompt_extend": "Rewrite the prompt"}
    assert form.generate.disabled
    put(form, region="simulator")
    assert not form.generate.disabled


def test_a_form_needs_a_prompt_or_a_template(desk):
    form = wan.form(image=GOOD["image"], region="beijing")
    assert form.generate.disabled
    put(form, template="flying")
    assert not form.generate.disabled


# Price


def test_the_price_follows_every_choice_even_before_the_form_is_complete(desk):
    form = wan.form()
    assert "about 0.25 USD" in said(form.price.badge)
    put(form, audio=False)
    assert "about 0.125 USD" in said(form.price.badge)
    put(form, duration=10)
    assert "about 0.25 USD" in said(form.price.badge)
    put(form, region="beijing")
    assert "1.5 CNY" in said(form.price.badge)
    put(form, region="simulator")
    assert "nothing is billed" in said(form.price.badge)


def test_an_unknown_price_is_submitted_only_when_confirmed(desk):
    form = wan.form(**GOOD, model="wan2.2-i2v-flash", resolution="1080P")
    assert "price unknown" in said(form.price.badge)
    assert form.generate.disabled
    form.price.confirmed.value = True
    assert not form.generate.disabled
    put(form, seed="7")
    assert form.generate.disabled
    put(form, resolution="720P")
    assert form.price.confirmed.layout.display == "none"
    assert not form.generate.disabled


# Picture and seed


def uploaded(folder):
    file = folder / "images" / "coffee.png"
    return {
        "name": file.name,
        "type": "image/png",
        "size": 1,
        "content": file.read_bytes(),
        "last_modified": datetime.now(UTC),
    }


def test_a_chosen_image_shows_its_size_and_the_size_to_expect(desk):
    form = wan.form(**GOOD)
    assert "451 × 300 pixels" in said(form.fields["image"].line)
    assert "about 1168 × 768" in said(form.fields["image"].line)


def test_the_last_of_upload_and_path_counts(desk):
    form = wan.form(**GOOD)
    image = form.fields["image"]
    image.upload.value = [uploaded(desk)]
    assert (image.control.value, form.request.image_facts.width) == ("", 600)
    assert "coffee.png: 600 × 400" in said(image.line)
    put(form, image="images/chelsea.png")
    assert (image.upload.value, form.request.image_facts.width) == ((), 451)
    image.upload.value = [uploaded(desk)]
    assert form.request.image_facts.width == 600


def test_a_sound_shows_its_length_and_what_the_clip_leaves_of_it(desk):
    verse = (Path(__file__).parent.parent / "notebooks" / "audio" / "verse.mp3").read_bytes()
    form = wan.form(**GOOD)
    sound = form.fields["audio_url"]
    file = {"name": "mine.mp3", "type": "audio/mpeg", "size": 1, "content": verse, "last_modified": datetime.now(UTC)}
    sound.upload.value = [file]
    assert form.request.audio_url == verse
    assert "mine.mp3: 13.4 s, mp3 105 kB" in said(sound.line)
    assert "the clip has 5 s: the rest is cut" in said(form.remarks)
    put(form, model="wan2.2-i2v-flash")
    assert (sound.value, sound.upload.disabled) == (None, True)
    assert "wan2.7-i2v" in said(sound.line)
    put(form, model="wan2.6-i2v-flash", audio_url="https://example.com/verse.mp3")
    assert form.request.audio_url == "https://example.com/verse.mp3"
    assert "its length is not known here" in said(sound.line)


def test_a_last_frame_is_offered_where_the_model_takes_one(desk):
    form = wan.form(**GOOD)
    last = form.fields["last_frame"]
    assert (last.control.disabled, last.upload.disabled, last.value) == (True, True, None)
    put(form, model="wan2.7-i2v", last_frame="images/coffee.png")
    assert (last.control.disabled, last.upload.disabled) == (False, False)
    assert "600 × 400 pixels" in said(last.line)
    assert form.request.last_frame == "images/coffee.png"
    put(form, last_frame="images/coffe.png")
    assert "Did you mean coffee.png" in said(last.line)


def test_an_array_given_in_python_stays_until_a_path_is_typed(desk):
    form = wan.form(prompt="x", image=np.zeros((300, 400, 3), dtype="uint8"))
    put(form, prompt="Something moves.")
    assert form.request.image_facts.width == 400
    put(form, image="images/chelsea.png")
    assert form.request.image_facts.width == 451


def test_a_seed_can_be_drawn_and_is_kept(desk):
    form = wan.form(**GOOD)
    (button,) = form.fields["seed"].children[0].children[1:]
    assert form.request.seed is None
    button.click()
    assert 0 <= form.request.seed <= catalog().service.seed_max


def test_a_frame_is_shown_small_as_it_will_be_sent(desk):
    form = wan.form(**GOOD, crop="1:1")
    image = form.fields["image"]
    until(lambda: "data:image/jpeg;base64," in image.picture.value)
    assert image.picture.layout.display == ""
    data = base64.b64decode(image.picture.value.partition("base64,")[2].partition('"')[0])
    assert len(set(Image.open(io.BytesIO(data)).size)) == 1
    assert 'alt="Image, as it will be sent"' in image.picture.value
    put(form, image="https://example.com/cat.png", crop="")
    until(lambda: image.picture.layout.display == "none")


def test_effects_are_offered_only_where_some_are_known(desk):
    form = wan.form(region="beijing")
    template = form.fields["template"]
    assert (template.control.disabled, template.value) == (True, None)
    assert "No video effect is known of wan2.6-i2v-flash" in said(template.line)
    put(
        form,
        model="wan2.2-i2v-plus" if catalog().model("wan2.2-i2v-plus").template == "documented" else "wan2.1-i2v-plus",
    )
    assert not template.control.disabled
    put(form, region="singapore")
    assert template.control.disabled
    assert "only in beijing" in said(template.line)
    assert wan.form(image=GOOD["image"], template="flying", region="beijing").request.template == "flying"


def test_the_further_settings_are_named_and_open_when_one_of_them_says_something(desk):
    form = wan.form(**GOOD)
    sheet = form.sheet
    hidden, button = sheet.children[2].layout, sheet.more
    assert (hidden.display, button.description) == ("none", "More settings")
    words = re.sub(r"<[^>]*>", " ", sheet.children[1].children[1].value)
    assert "shot type" in words
    assert "not offered here: last frame" in words
    button.click()
    assert (hidden.display, button.description) == ("", "Fewer settings")
    button.click()
    put(form, crop="wide")
    assert hidden.display == ""
    assert wan.form(**GOOD, watermark=True).sheet.more.description == "Fewer settings"


# Generate


def test_a_double_click_starts_one_job_and_its_row_ends_with_the_clip(connected, service):
    form = wan.form(**GOOD, duration=2, audio=False)
    submits = len(service.requests)
    form.generate.click()
    form.generate.click()
    (job,) = form.jobs
    assert job.result(60).path.is_file()
    assert sum("video-synthesis" in request.path for request in service.requests[submits:]) == 1
    (row,) = form.rows.children
    until(lambda: "saved as" in said(row.text))
    assert row.cancel.layout.display == "none"


@pytest.mark.full
def test_a_click_that_had_to_wait_for_the_one_before_it_starts_no_second_job(connected, monkeypatch):
    form = wan.form(**{**GOOD, "prompt": "The cat yawns."}, duration=2, audio=False)
    show = form.shown_here

    def slowly(call):
        made = show(call)
        time.sleep(1.5)
        return made

    monkeypatch.setattr(form, "shown_here", slowly)
    form.generate.click()
    form.generate.click()
    (job,) = form.jobs
    assert job.result(60).path.is_file()


def test_a_request_that_was_made_before_costs_nothing_unless_a_new_clip_is_asked_for(connected, service):
    form = wan.form(**{**GOOD, "prompt": "The cat sneezes."}, duration=2, audio=False)
    form.generate.click()
    first = form.jobs[0].result(60)
    until(lambda: "0 spent: made before" in said(form.price.badge))
    assert "as run-" in said(form.price.earlier)
    assert form.price.anew.layout.display == ""
    press_again(form)
    again = form.jobs[1].result(60)
    assert (again.path, again.cost.amount) == (first.path, 0)
    form.price.anew.value = True
    assert "0 spent" not in said(form.price.badge)
    press_again(form)
    assert form.jobs[2].result(60).path != first.path
    assert not form.price.anew.value, "a box that stays ticked would pay again at the next click"
    put(form, prompt="The cat sneezes twice.")
    assert form.price.anew.layout.display == "none"


def press_again(form):
    """A click that is no double click."""
    count = len(form.jobs)
    until(lambda: form.generate.click() or len(form.jobs) > count)


def test_a_pending_job_is_cancelled_by_its_row(desk, monkeypatch):
    with Simulator(speed=0.01, render="shape") as slow:  # it stays PENDING for minutes
        monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", slow.base_url)
        form = wan.form(**GOOD, duration=2)
        form.generate.click()
        (job,), (row,) = form.jobs, form.rows.children
        until(lambda: job.status == "PENDING" and "costs nothing" in said(row.text))
        row.cancel.click()
        until(job.cancelled)
        until(lambda: "canceled" in said(row.text))
        assert row.cancel.layout.display == "none"


def test_a_running_job_can_no_longer_be_cancelled_and_the_row_says_so(desk, monkeypatch):
    with Simulator(speed=0.01, render="shape") as slow:
        monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", slow.base_url)
        form = wan.form(**GOOD, duration=2)
        form.generate.click()
        (job,), (row,) = form.jobs, form.rows.children
        until(lambda: job.status == "PENDING")
        slow.clock.advance(3)  # it begins to run, and stays RUNNING until the clock is moved on
        session().runner.look(job.task_id)
        until(lambda: "too late to cancel" in said(row.text))
        assert row.cancel.disabled
        slow.speed = 20
        slow.clock.advance(600)
        session().runner.look(job.task_id)
        until(job.done)


def test_what_forbids_the_start_is_said_in_the_form(connected):
    form = wan.form(**GOOD)
    (connected / "wan_outputs").write_text("a file in the way")
    form.generate.click()
    until(lambda: form.errands.news.value or any(job.done() for job in form.jobs))
    rows = " ".join(said(row.text) for row in form.rows.children)
    assert "wan_outputs" in said(form.errands.news) + rows


@pytest.mark.full
def test_the_card_of_a_click_lands_in_the_cell_of_the_form(service, in_folder):
    environment = {"DASHSCOPE_HTTP_BASE_URL": service.base_url, "DASHSCOPE_API_KEY": KEY}
    with LiveKernel(in_folder, environment) as live:
        live.run("import time; import wan_notebook as wan", cell_id="first")
        made = live.run(f"form = wan.form(**{GOOD!r}, duration=2)", cell_id="made")
        shown = live.run("form", cell_id="shown")
        assert made.outputs == []
        assert len(shown.outputs) == 2
        # A click arrives while another cell is the latest; in the kernel of a test it is one that clicks.
        for place in ("elsewhere", "later"):
            clicked = live.run("time.sleep(1); form.generate.click()", cell_id=place)
            assert (clicked.error, clicked.outputs) == (None, [])
        live.until(lambda: len(shown.outputs) == 4)
        records = [output["data"][MIME] for output in shown.outputs[2:]]
        assert {record["cell_id"] for record in records} == {"shown"}
        live.until(lambda: all(output["data"][MIME]["state"] == "downloaded" for output in shown.outputs[2:]))


@pytest.mark.full
def test_where_nobody_looks_later_the_card_is_in_the_cell_that_presses_the_button(service, in_folder):
    environment = {"DASHSCOPE_HTTP_BASE_URL": service.base_url, "DASHSCOPE_API_KEY": KEY}
    with LiveKernel(in_folder, environment) as live:
        headless = {"cell_id": None, "allow_stdin": False}
        live.run(f"import wan_notebook as wan\nform = wan.form(**{GOOD!r}, duration=2)\nform", **headless)
        dry = live.run("form.errands.dry_run.click()", **headless)
        assert any("Dry run" in bundle["text/plain"] for bundle in dry.bundles)
        clicked = live.run("form.generate.click()\nresult = form.jobs[0].result()", **headless)
        assert (clicked.error, clicked.record["state"]) == (None, "downloaded")
