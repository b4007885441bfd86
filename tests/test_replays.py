"""A run again, from its record: the very same body, or a refusal that says why; no payment nobody asked for."""

from __future__ import annotations

import copy
import io
import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from caller import tone
from hostile import Answer, Hostile
from PIL import Image
from saved import notebook, sealed

import wan_notebook as wan
from wan_notebook.errors import BudgetError, ConfigurationError, InvalidRequestError
from wan_notebook.record.model import faults
from wan_notebook.record.provenance import digest
from wan_notebook.simulator import Simulator

SCRIPT = Path(sysconfig.get_path("scripts")) / "wan-notebook"
SUBMIT = "/services/aigc/video-generation/video-synthesis"
FAST = {"X-Wan-Simulator": "speed=1000"}
KEY = "sk-replay-0123456789abcdef"
PHOTO = Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png"
ADDRESS = "https://example.com/cat.png"


@pytest.fixture
def server(clip):
    """A service that makes one task after the other and remembers the bodies it was sent."""
    with Hostile() as service:
        done = {"task_id": "task-1", "task_status": "SUCCEEDED", "video_url": f"{service.root}/clip.mp4"}
        service.on("GET", "/tasks/", Answer(body={"output": done, "usage": {"duration": 2}}, headers=FAST))
        accepted = {"output": {"task_id": "task-1", "task_status": "PENDING"}, "request_id": "request-1"}
        service.on("POST", SUBMIT, Answer(body=accepted, headers=FAST))
        service.on("GET", "/clip.mp4", Answer(body=clip))
        yield service


@pytest.fixture
def work(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def ran(server, work) -> dict:
    """The record of one run of the server, and a notebook of it whose cell was emptied."""
    record = wan.generate(
        prompt="The cat blinks.", image=PHOTO, crop="1:1", duration=2, base_url=server.base_url, name="cat"
    ).record
    notebook(work, ("", [record]))
    return record


def bodies(server) -> list[dict]:
    return [asked.json for asked in server.asked if asked.method == "POST"]


def again(server, source="n.ipynb", **how):
    return wan.replay(source, base_url=server.base_url, yes=True, **how)


def reasons(refused) -> str:
    return " | ".join(map(str, refused.value.problems))


def forged(record, **changes):
    """A record whose body was changed by somebody able."""
    new = copy.deepcopy(record)
    for place, value in changes.items():
        holder = new["request"]["sent"]
        *path, last = place.split("__")
        for name in path:
            holder = holder[name]
        holder[last] = value
    new["request"]["sent_sha256"] = digest(new["request"]["sent"])
    return sealed(new)


def test_an_emptied_cell_is_run_again_with_the_very_same_body(server, ran):
    job = again(server)
    result = job.result()
    first, second = bodies(server)
    assert first == second, "prompt, parameters, the drawn seed and every byte of the cropped picture"
    record = result.record
    assert record["request"]["sent"] == ran["request"]["sent"]
    assert (record["replay_of"], record["from_run"], record["name"]) == (ran["run_id"], None, "cat")
    assert faults(record) == []
    assert result.path.name != Path(ran["clip"]["path"]).name
    assert any("does not promise the identical video" in note for note in record["notes"])


def alpha(folder):
    path = folder / "alpha.png"
    Image.open(PHOTO).convert("RGBA").resize((480, 320)).save(path)
    return path


def upright(folder):
    path = folder / "turned.jpg"
    exif = Image.Exif()
    exif[274] = 6
    Image.open(PHOTO).convert("RGB").save(path, exif=exif)
    return path


def sound(folder):
    path = folder / "tone.wav"
    path.write_bytes(tone(4))
    return path


WAYS = {
    "as base64, with alpha": {"image": alpha, "upload": "base64"},
    "uploaded, turned upright and padded": {"image": upright, "upload": "oss", "pad": "16:9"},
    "with a sound": {"image": lambda _f: PHOTO, "audio_url": sound, "model": "wan2.6-i2v-flash"},
    "first and last frame, with a negative prompt": {
        "image": lambda _f: PHOTO,
        "last_frame": alpha,
        "model": "wan2.7-i2v",
        "negative_prompt": "dogs",
    },
    "several shots and a watermark": {
        "image": lambda _f: PHOTO,
        "model": "wan2.6-i2v",
        "shot_type": "multi",
        "watermark": True,
        "prompt_extend": True,
    },
}


FAST_WAYS = ("uploaded, turned upright and padded", "first and last frame, with a negative prompt")


@pytest.mark.parametrize(
    "way", [way if way in FAST_WAYS else pytest.param(way, marks=pytest.mark.full) for way in WAYS], ids=str
)
def test_each_way_to_give_media_is_repeated_as_it_was(work, way):
    asked = {name: value(work) if callable(value) else value for name, value in WAYS[way].items()}
    with Simulator(speed=500, render="shape") as sim:
        record = wan.generate(prompt="The cat blinks.", duration=5, base_url=sim.base_url, **asked).record
        for path in work.glob("*.*"):
            path.unlink()  # only what was kept is needed
        notebook(work, ("", [record]))
        new = wan.replay("n.ipynb", base_url=sim.base_url, yes=True).result().record
    assert new["request"]["sent"] == record["request"]["sent"]
    assert new["task_id"] != record["task_id"]
    assert new["inputs"] == record["inputs"], "their names, and what had been done to them, are told as before"
    assert [new["request"]["asked"][item["role"]] for item in record["inputs"]] == [
        {"kind": "kept", "name": item["name"]} for item in record["inputs"]
    ]


def test_a_replayed_frame_of_an_earlier_clip_still_says_whose_it_was(server, work):
    how = {"duration": 2, "audio": False, "base_url": server.base_url}
    first = wan.generate(prompt="Up.", image=PHOTO, **how)
    changed = first.frame(-1).rotate(90, expand=True)
    changed.info.update(first.frame(-1).info)
    for image, altered in ((first.frame(-1), False), (changed, True)):
        record = wan.generate(prompt="On.", image=image, name="more", **how).record
        (item,) = record["inputs"]
        assert (item["origin"]["run_id"], item["origin"]["altered"]) == (first.record["run_id"], altered)
        notebook(work, ("", [record]))
        new = again(server).result().record
        assert new["inputs"] == record["inputs"]
        assert new["request"]["asked"]["image"] == {"kind": "kept", "name": item["name"]}


@pytest.mark.parametrize(
    "planted", [{"run_id": "../x", "frame": 1}, {"frame": 1}, {"run_id": "r", "frame": "x", "a": 1}]
)
def test_a_planted_origin_and_a_planted_name_come_to_nothing(server, ran, work, planted):
    forged = copy.deepcopy(ran)
    forged["inputs"][0].update(origin=planted, name="../../etc/<b>cat</b>.png", changes=[{"a": 1}])
    notebook(work, ("", [sealed(forged)]))
    (item,) = again(server).result().record["inputs"]
    assert (item["origin"], item["name"], item["changes"]) == (None, "b>.png", [])


def link(folder, kept):
    (folder / "link.png").symlink_to(kept)
    return "link.png"


OUTSIDE = {
    "an absolute path": lambda _folder, kept: str(kept),
    "a way out of the folder": lambda _folder, kept: f"../{kept.name}",
    "a link that leads out": link,
    "a file that is not there": lambda _folder, _kept: "wan_outputs/inputs/other.png",
    "a Windows path": lambda _folder, kept: f"C:\\{kept.name}",
}


@pytest.mark.parametrize("where", OUTSIDE, ids=str)
def test_a_planted_record_that_points_elsewhere_is_refused(server, ran, work, where):
    kept = work.parent / "secret.png"
    shutil.copy(work / ran["inputs"][0]["path"], kept)  # the very bytes, so that only the place speaks against it
    planted = sealed({**ran, "inputs": [{**ran["inputs"][0], "path": OUTSIDE[where](work, kept)}]})
    notebook(work, ("", [planted]))
    with pytest.raises(InvalidRequestError) as refused:
        again(server)
    assert "there is no such file in the notebook's folder" in reasons(refused)
    assert "--image" in reasons(refused)
    assert len(bodies(server)) == 1


def test_inputs_that_were_changed_or_whose_digest_is_wrong_are_refused(server, ran, work):
    kept = work / ran["inputs"][0]["path"]
    data = kept.read_bytes()
    kept.write_bytes(data[:-1] + b"x")
    with pytest.raises(InvalidRequestError) as refused:
        again(server)
    assert "its content was changed" in reasons(refused)
    kept.write_bytes(data)
    other = work / "wan_outputs" / "other.png"
    shutil.copy(PHOTO, other)
    facts = {"path": "wan_outputs/other.png", "sha256": digest_of(other), "bytes": other.stat().st_size}
    notebook(work, ("", [sealed({**ran, "inputs": [{**ran["inputs"][0], **facts}]})]))
    with pytest.raises(InvalidRequestError) as refused:
        again(server)
    assert "input.img_url.sha256 was" in reasons(refused), "a genuine file, but not the one in the body"
    assert len(bodies(server)) == 1


def digest_of(path):
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_record_that_was_edited_is_not_replayed(server, ran, work):
    edited = copy.deepcopy(ran)
    edited["request"]["sent"]["input"]["prompt"] = "The dog barks."
    for record, why in (
        (edited, "the record was edited"),
        (sealed(edited), "the body in the record is not the one that was sent"),
        ({**ran, "endpoint": 7}, "it is no record of schema 1"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            again(server, record)
    assert len(bodies(server)) == 1


def test_no_address_of_a_record_is_used(server, ran, work):
    with Hostile() as thief:
        planted = sealed({**ran, "endpoint": thief.base_url, "region": "frankfurt"})
        job = again(server, planted)
        job.result()
        assert thief.asked == []
    assert "it ran in frankfurt, now in singapore" in job.record["notes"]
    assert bodies(server)[0] == bodies(server)[1]


def test_what_is_missing_may_be_given_again_if_it_is_the_same(server, ran, work):
    shutil.rmtree(work / "wan_outputs" / "inputs")
    with pytest.raises(InvalidRequestError) as refused:
        again(server, image=PHOTO.parent / "rocket.jpg")
    assert "it would not be the one that was sent: input.img_url" in reasons(refused)
    again(server, image=PHOTO).result()  # the original: cropped as the record says
    assert bodies(server)[0] == bodies(server)[1]
    with pytest.raises(InvalidRequestError, match="that run had none"):
        again(server, audio_url="a.wav")


def test_an_address_is_given_again_and_never_taken_from_a_record(server, work):
    record = wan.generate(prompt="Up.", image=f"{ADDRESS}?signature=1", duration=2, base_url=server.base_url).record
    with pytest.raises(InvalidRequestError) as refused:
        again(server, record)
    assert "none is taken from a record" in reasons(refused)
    with pytest.raises(InvalidRequestError, match="it would not be the one"):
        again(server, record, image="https://example.com/dog.png")
    again(server, record, image=f"{ADDRESS}?signature=2").result()
    assert [body["input"]["img_url"] for body in bodies(server)] == [f"{ADDRESS}?signature=1", f"{ADDRESS}?signature=2"]


def test_a_pinned_picture_that_is_another_one_today_is_found_before_anything_is_paid(server, work):
    kind, address = {"Content-Type": "image/png"}, f"{server.root}/cat.png"
    server.on("GET", "/cat.png", Answer(body=PHOTO.read_bytes(), headers=kind))
    given = {"prompt": "Up.", "image": address, "pin": True, "duration": 2, "base_url": server.base_url}
    record = wan.generate(**given).record
    assert again(server, record, image=address).result().record["request"]["sent"] == record["request"]["sent"]
    assert len(bodies(server)) == 2
    other = io.BytesIO()
    Image.open(PHOTO).rotate(180).save(other, "PNG")
    server.on("GET", "/cat.png", Answer(body=other.getvalue(), headers=kind))
    with pytest.raises(InvalidRequestError, match="what would be sent is not what the record says was sent"):
        again(server, record, image=address).result()
    assert len(bodies(server)) == 2


def test_nothing_is_paid_before_somebody_said_yes(server, ran, capsys):
    with pytest.raises(BudgetError, match="--yes"):
        wan.replay("n.ipynb", base_url=server.base_url)
    shown = capsys.readouterr().out
    assert "about 0.1 USD" in shown
    assert "does not promise the identical video" in shown
    with pytest.raises(BudgetError, match=r"would cost about 0\.1 USD"):
        again(server, max_cost=0.01)
    assert len(bodies(server)) == 1


def test_a_replay_makes_a_new_clip_and_two_at_once_are_one(server, ran):
    finished = server._find("GET", "/tasks/task-1")
    server.on("GET", "/tasks/", Answer(body={"output": {"task_id": "task-1", "task_status": "RUNNING"}}, headers=FAST))
    one = again(server)
    while one.status != "RUNNING" and not one.done():
        one.wait(0.05)
    two = again(server)
    while two.update.from_run is None and not two.done():
        two.wait(0.05)
    server.on("GET", "/tasks/", finished)
    assert two.result().record["from_run"] == one.run_id
    assert one.result().record["from_run"] is None
    assert len(bodies(server)) == 2
    assert again(server).result().record["from_run"] is None, "a finished one is no reason not to make another"
    assert len(bodies(server)) == 3


def test_what_differs_today_is_said(server, ran, work):
    dearer = sealed({**ran, "cost": {**ran["cost"], "rate": "0.01", "table_date": "2025-01-01"}})
    notes = again(server, dearer).record["notes"]
    assert any(note.startswith("a second cost 0.01 USD, now 0.05 USD (tables of 2025-01-01 and ") for note in notes)
    older = sealed({**ran, "versions": {**ran["versions"], "wan_notebook": "0.0.1"}})
    assert any("it was made with wan-notebook 0.0.1" in note for note in again(server, older).record["notes"])
    gone = forged({**ran, "model": "wan9-i2v"}, model="wan9-i2v")
    job = again(server, gone)
    assert any("wan9-i2v is not in the catalogue any more" in note for note in job.record["notes"])
    (work / ran["clip"]["path"]).unlink()
    assert any("is not shown beside it" in note for note in again(server).record["notes"])


def test_private_prompts_are_given_again_and_must_be_the_same(server, work):
    record = wan.generate(prompt="Secret.", image=PHOTO, duration=2, private=True, base_url=server.base_url).record
    with pytest.raises(InvalidRequestError, match="it is private"):
        again(server, record)
    with pytest.raises(InvalidRequestError, match="it is not the one of that run"):
        again(server, record, prompt="Other.")
    new = again(server, record, prompt="Secret.").result().record
    assert bodies(server)[0] == bodies(server)[1]
    assert new["private"] is True
    assert "Secret" not in json.dumps(new)


def test_a_prompt_that_was_too_long_for_its_record_is_given_again(server, work):
    asked = {"prompt": "猫" * 1450, "negative_prompt": "犬" * 480, "image": PHOTO, "duration": 2}
    record = wan.generate(**asked, name="n" * 280, base_url=server.base_url).record
    short = [name.removeprefix("sent.") for name in record["shortened"] if name.startswith("sent.")]
    if not short:
        pytest.skip("the record holds it whole")
    with pytest.raises(InvalidRequestError, match="too long"):
        again(server, record)
    with pytest.raises(InvalidRequestError, match="would not be the one"):
        again(server, record, **{name: asked[name][:-1] for name in short})
    again(server, record, **{name: asked[name] for name in short}).result()
    assert bodies(server)[0] == bodies(server)[1]


def test_the_run_is_chosen_by_cell_name_or_id_and_a_clip_speaks_for_itself(server, ran, work):
    other = wan.generate(prompt="Down.", image=PHOTO, duration=2, base_url=server.base_url).record
    path = notebook(work, ("a", [ran]), ("b", [other]))
    with pytest.raises(ConfigurationError, match="2 runs are meant"):
        again(server)
    with pytest.raises(ConfigurationError, match="there is no such run"):
        again(server, cell="9")
    for how in ({"cell": "1"}, {"cell": "cell-1"}, {"cell": "cat"}, {"run": ran["run_id"]}):
        assert wan.replay(path, base_url=server.base_url, yes=True, **how).result().record["replay_of"] == ran["run_id"]
    clip = work / ran["clip"]["path"]
    assert again(server, clip).result().record["replay_of"] == ran["run_id"]


@pytest.mark.full
def test_in_a_notebook_old_and_new_stand_side_by_side(kernel):
    kernel.run('%load_ext wan_notebook\n%config WanMagics.region = "simulator"')
    source = "%%wan_i2v cat --image images/chelsea.png --duration 2 --no-audio --wait\nThe cat blinks."
    kernel.run(source, timeout=180)  # which starts a simulator, too
    kernel.run("import json; print(json.dumps(cat.record))")
    record = json.loads(kernel.run("print(json.dumps(cat.record))").text)
    notebook(kernel.folder, (source, [record]))
    cell = kernel.run("job = %wan_replay n.ipynb --cell cat\njob.wait()", cell_id="cell-2", timeout=180)
    assert cell.error is None, cell.error
    assert "the same request: its body is the recorded one" in cell.text
    kernel.until(lambda: cell.bundles[0]["text/html"].count("<video") == 2, what="two players")
    shown = cell.bundles[0]
    assert shown["text/plain"].startswith("then: ")
    assert "\nnow: " in shown["text/plain"]
    assert Path(record["clip"]["path"]).name in shown["text/html"]
    assert cell.record["replay_of"] == record["run_id"]
    told = kernel.run("%wan_methods n.ipynb", cell_id="cell-3")
    assert "by a simulator of wan2.6-i2v-flash" in told.bundles[0]["text/plain"]
    checked = kernel.run("%wan_verify n.ipynb", cell_id="cell-4")
    assert "nothing differs" in checked.bundles[0]["text/plain"]


def test_on_the_command_line_it_says_asks_and_prints_the_new_clip(server, ran, work):
    def call(*words):
        environment = {**os.environ, "DASHSCOPE_HTTP_BASE_URL": server.base_url}
        return subprocess.run(
            [SCRIPT, "replay", "n.ipynb", *words],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            timeout=180,
        )

    refused = call()
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    assert len(bodies(server)) == 1
    done = call("--yes")
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip())
    assert path.parent == work / "wan_outputs"
    assert "then: cat: wan_outputs/cat-" in done.stderr
    assert f"now: cat: wan_outputs/{path.name}" in done.stderr
    assert bodies(server)[0] == bodies(server)[1]
