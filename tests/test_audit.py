"""``wan-notebook verify``: silent on an untouched notebook, and it finds what was changed afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import av
import jsonschema
import nbformat
import pytest
from records import MIME

import wan_notebook as wan
from wan_notebook.record.model import json_schema
from wan_notebook.record.provenance import digest

SCRIPT = Path(sysconfig.get_path("scripts")) / "wan-notebook"
SCHEMA = Path(wan.__file__).parent / "schema" / "record-1.json"
CELLS = [
    '%load_ext wan_notebook\n%config WanMagics.region = "simulator"',
    "%%wan_i2v cat --image images/chelsea.png --duration 2 --no-audio --seed 1\nThe cat blinks.",
]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A folder with an executed and stamped notebook, its inputs and its clip."""
    folder = tmp_path_factory.mktemp("audit")
    shutil.copytree(Path(__file__).parent.parent / "notebooks" / "images", folder / "images")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "in.ipynb")
    execute(folder, "n.ipynb")
    return folder


def execute(folder, output):
    subprocess.run(
        [sys.executable, "-m", "papermill", "--engine", "wan", "in.ipynb", output],
        cwd=folder,
        env={**os.environ, "WAN_NOTEBOOK_SIMULATOR_SPEED": "60", "WAN_NOTEBOOK_HOME": f"{folder}-home"},
        capture_output=True,
        timeout=300,
        check=True,
    )


@pytest.fixture
def folder(executed, tmp_path):
    return Path(shutil.copytree(executed, tmp_path / "copy"))


def the_run(notebook):
    return notebook["cells"][1]["metadata"]["wan_notebook"]["runs"][0]


def the_output(notebook):
    return next(o["data"] for o in notebook["cells"][1]["outputs"] if MIME in o.get("data", {}))


def reseal(record):
    record["record_sha256"] = digest({k: v for k, v in record.items() if k != "record_sha256"})


def both(change):
    """The same change in the metadata and in the output, its digest made anew: an able forger."""

    def tamper(notebook, folder):
        for record in (the_run(notebook), the_output(notebook)[MIME]):
            change(record)
            reseal(record)

    return tamper


def clip_of(folder):
    return next((folder / "wan_outputs").glob("*.mp4"))


def input_of(folder):
    return next((folder / "wan_outputs" / "inputs").iterdir())


def shorter(notebook, folder):
    """Another, shorter clip under the clip's name, with digests to match."""
    path = clip_of(folder)
    with av.open(str(path)) as source, av.open(str(folder / "short.mp4"), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in list(source.demux(stream))[:30]:
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    (folder / "short.mp4").replace(path)
    path.with_name(path.name + ".json").unlink()
    facts = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
    both(lambda record: record["clip"].update(facts))(notebook, folder)


def shown(old, new):
    """A change in the page that the output shows."""

    def tamper(notebook, folder):
        page = "".join(the_output(notebook)["text/html"])
        assert old in page
        the_output(notebook)["text/html"] = page.replace(old, new)

    return tamper


ANOTHER = 'src="data:video/mp4;base64,AAAA" data-was="'


def everywhere(notebook, folder, change):
    """The same change also in the record beside the clip."""
    both(change)(notebook, folder)
    side_file(folder, lambda record: (change(record), reseal(record)))


def reused(notebook, folder, change):
    """The run as one that shows an earlier run's clip, which is the usual state after Run All; then a change in it."""
    first = the_run(notebook)["run_id"]
    nothing = {"amount": "0", "seconds": 0.0, "about": False}

    def again(record):
        record.update(run_id="run-" + "a" * 16, from_run=first, submitted_at=None)
        record["cost"].update(nothing)
        change(record)

    both(again)(notebook, folder)
    the_output(notebook).pop("text/html")
    the_output(notebook).pop("text/plain")


TAMPERINGS = {
    "real or not, everywhere": both(lambda r: r.update(simulated=False)),
    "the endpoint, everywhere": both(lambda r: r.update(endpoint="https://example.com")),
    "the player shows another file": shown('src="wan_outputs/', 'src="images/'),
    "the player shows an address": shown('src="wan_outputs/', 'src="https://example.com/wan_outputs/'),
    "the player shows another video": shown('src="wan_outputs/', f"{ANOTHER}wan_outputs/"),
    "the card's price": shown("0.05 USD", "0.01 USD"),
    "the card's line of text": lambda n, _f: the_output(n).update({"text/plain": "cat: a real clip"}),
    "the cell's prompt": lambda n, _f: n["cells"][1].update(source=CELLS[1] + " Twice."),
    "the cell was emptied": lambda n, _f: n["cells"][1].update(source=""),
    "the seed, in the metadata": lambda n, _f: the_run(n)["request"]["sent"]["parameters"].update(seed=2),
    "the prompt, everywhere": both(lambda r: r["request"]["sent"]["input"].update(prompt="The dog blinks.")),
    "the duration asked, everywhere": both(lambda r: r["request"]["asked"].update(duration=3)),
    "the seed, everywhere, and a text said to be shortened": both(
        lambda r: (r["request"]["sent"]["parameters"].update(seed=777), r.update(shortened=["sent.prompt"]))
    ),
    "the body was taken away": both(lambda r: r["request"].update(sent=None)),
    "an earlier copy, edited": lambda n, _f: the_output(n)[MIME].update(rev=1, task_id="another"),
    "an earlier copy, edited by an able forger": lambda n, _f: (
        the_output(n)[MIME].update(rev=1, task_id="another"),
        reseal(the_output(n)[MIME]),
    ),
    "no inputs, everywhere": both(lambda r: r.update(inputs=[])),
    "an input's name, everywhere": both(lambda r: r["inputs"][0].update(name="mona_lisa.png")),
    "what was asked, everywhere": both(lambda r: r["request"].update(given=[], asked={})),
    "the rewritten prompt, everywhere": both(lambda r: r.update(actual_prompt="A dog")),
    "nothing was spent, everywhere": both(lambda r: r.update(from_run="run-x")),
    "failed, with a clip": both(lambda r: r.update(task_status="FAILED")),
    "under way, with a clip": both(lambda r: r.update(state="following")),
    "no moment, everywhere": both(lambda r: r.update(created_at="soon")),
    "over before it began": both(lambda r: r.update(finished_at="2019-01-01T00:00:00Z")),
    "the model, everywhere": both(lambda r: r.update(model="wan2.6-i2v")),
    "the task id, in the output": lambda n, _f: the_output(n)[MIME].update(task_id="another"),
    "a key added": both(lambda r: r.update(note="mine")),
    "a key taken away": both(lambda r: r.pop("usage")),
    "a value of another type": both(lambda r: r.update(simulated="no")),
    "the cost, everywhere": both(lambda r: r["cost"].update(amount="0.01")),
    "the seconds that were used": both(lambda r: r["usage"].update(duration=5.0)),
    "simulated turned into real": lambda n, _f: the_run(n).update(simulated=False),
    "the clip replaced by other bytes": lambda _n, f: clip_of(f).write_bytes(b"x" * clip_of(f).stat().st_size),
    "the clip cut off": lambda _n, f: os.truncate(clip_of(f), 1000),
    "the clip gone": lambda _n, f: clip_of(f).unlink(),
    "a shorter clip with matching digests": shorter,
    "the claimed length": both(lambda r: r["clip"].update(duration=5.0)),
    "the claimed size": both(lambda r: r["clip"].update(width=1280)),
    "the claimed sound": both(lambda r: r["clip"].update(audio=True, audio_codec="aac")),
    "the input's bytes": lambda _n, f: input_of(f).write_bytes(b"other"),
    "the input gone": lambda _n, f: input_of(f).unlink(),
    "the input's digest, everywhere": both(lambda r: r["inputs"][0].update(sha256="0" * 64)),
    "a clip outside the folder": both(lambda r: r["clip"].update(path="../secret.mp4")),
    "an input by an absolute path": both(lambda r: r["inputs"][0].update(path="/etc/hostname")),
    "sent after it ended": both(lambda r: r.update(submitted_at="2099-01-01T00:00:00Z")),
    "given, and never asked": both(lambda r: r["request"]["given"].append("mood")),
    "an input's sides, everywhere": lambda n, f: everywhere(n, f, lambda r: r["inputs"][0].update(width=9999)),
    "a later copy with other words": lambda n, _f: (
        the_run(n).update(rev=the_run(n)["rev"] + 5, name="dog"),
        the_output(n)[MIME].update(name="cat"),
        reseal(the_run(n)),
    ),
    "the side file": lambda _n, f: side_file(f, lambda r: r.update(task_id="another")),
    "a side file that is none": lambda _n, f: clip_of(f).with_name(clip_of(f).name + ".json").write_text("{}"),
}


def side_file(folder, change):
    path = clip_of(folder).with_name(clip_of(folder).name + ".json")
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def test_an_untouched_notebook_is_all_right(folder):
    report = wan.verify(folder / "n.ipynb")
    assert report.ok, str(report)
    assert {finding.what for finding in report.findings} == {
        "record", "copies", "source", "request", "cost", "input", "clip", "side file", "player", "card", "poster",
    }  # fmt: skip
    assert all(finding.result == "ok" for finding in report.findings)


@pytest.mark.full
def test_a_notebook_that_reused_its_clips_is_all_right_too(executed):
    execute(executed, "again.ipynb")
    notebook = json.loads((executed / "again.ipynb").read_text())
    first = json.loads((executed / "n.ipynb").read_text())
    assert the_run(notebook)["from_run"] == the_run(first)["run_id"]
    report = wan.verify(executed / "again.ipynb")
    assert report.ok, str(report)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_change_is_found(folder, name):
    path = folder / "n.ipynb"
    notebook = json.loads(path.read_text())
    TAMPERINGS[name](notebook, folder)
    path.write_text(json.dumps(notebook))
    report = wan.verify(path)
    assert not report.ok
    assert "DIFFERS" in str(report)


OF_REUSED = {
    "usage": lambda r: r["usage"].update(duration=9.0),
    "currency": lambda r: r["cost"].update(currency="CNY"),
    "table": lambda r: r["cost"].update(table_date="2020-01-01"),
    "paid": lambda r: r["cost"].update(seconds=2.0, amount="0.05"),
    "rewritten prompt": lambda r: r.update(actual_prompt="A dog"),
    "task": lambda r: r.update(task_id="another"),
    "seed": lambda r: (
        r["request"]["sent"]["parameters"].update(seed=777),
        r["request"].update(sent_sha256=digest(r["request"]["sent"])),
    ),
    "end": lambda r: r.update(end_time="2026-01-01 00:00:00.000"),
}


def test_a_run_that_reused_a_clip_tells_what_the_first_one_tells(folder):
    path = folder / "n.ipynb"
    for name, change in {"": bool, **OF_REUSED}.items():
        notebook = json.loads((folder / "n.ipynb").read_text())
        reused(notebook, folder, change)
        path.with_name("again.ipynb").write_text(json.dumps(notebook))
        report = wan.verify(path.with_name("again.ipynb"))
        assert report.ok is not bool(name), (name, str(report))


def test_outputs_that_changed_places_are_found_and_a_run_below_text_is_named(folder):
    path = folder / "n.ipynb"
    notebook = json.loads(path.read_text())
    first = notebook["cells"][1]
    other = json.loads(json.dumps(first))
    other["id"] = "other"
    for record in (other["metadata"]["wan_notebook"]["runs"][0], other["outputs"][-1]["data"][MIME]):
        record["run_id"] = "run-" + "b" * 16
        reseal(record)
    notebook["cells"].append(other)

    def swapped(notebook):
        path.write_text(json.dumps(notebook))
        return [f.cell for f in wan.verify(path).findings if f.words.startswith("its output is another cell's")]

    assert swapped(notebook) == []
    first["outputs"], other["outputs"] = other["outputs"], first["outputs"]
    assert swapped(notebook) == [2, len(notebook["cells"])]
    first.update(cell_type="markdown", source="A cat.")
    swapped(notebook)
    said = [(f.result, f.words) for f in wan.verify(path).findings if f.cell == 2]
    assert said == [("not verifiable", "this is no code cell any more, and a run is recorded in it")]


def test_the_command_prints_a_table_and_its_exit_code_tells(folder):
    def run(*arguments):
        return subprocess.run([SCRIPT, "verify", *arguments], cwd=folder, capture_output=True, text=True, check=False)

    done = run("n.ipynb")
    assert (done.returncode, "nothing differs" in done.stdout) == (0, True)
    clip_of(folder).unlink()
    done = run("n.ipynb", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["ok"]) == (1, False)
    assert [f["what"] for f in said["findings"] if f["result"] == "differs"] == ["clip"]
    (folder / "broken.ipynb").write_text("{")
    assert run("broken.ipynb").returncode == 1


def test_a_copied_cell_and_a_cleared_output_are_no_tampering(folder):
    path = folder / "n.ipynb"
    notebook = json.loads(path.read_text())
    copied = json.loads(json.dumps(notebook["cells"][1]))
    copied["id"] = "copied"
    notebook["cells"].append(copied)
    notebook["cells"][1]["outputs"] = []
    path.write_text(json.dumps(notebook))
    assert wan.verify(path).ok


def nested(depth):
    return [nested(depth - 1)] if depth else 1


PLANTED = {
    "infinity": lambda r: r["cost"].update(seconds=float("inf")),
    "infinity in the body": lambda r: r["request"]["sent"]["parameters"].update(z=float("nan")),
    "half a character": lambda r: r.update(name="a\ud800b"),
    "half a character in a name": lambda r: r["request"]["asked"].update({"\ud800": 1}),
    "a deep list": lambda r: r["request"]["asked"].update(x=nested(400)),
    "a list for the input": lambda r: r["request"]["sent"].update(input=["x"]),
    "a word for the parameters": lambda r: r["request"]["sent"].update(parameters="x"),
    "a list for the model": lambda r: r["request"]["sent"].update(model=["x"]),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_value_costs_one_record_and_no_other(folder, name):
    path = folder / "n.ipynb"
    notebook = json.loads(path.read_text())
    other = json.loads(json.dumps(notebook["cells"][1]))
    PLANTED[name](the_run(notebook))
    notebook["cells"].append({**other, "id": "other"})
    path.write_text(json.dumps(notebook))
    report = wan.verify(path)
    assert not report.ok
    assert {f.result for f in report.findings if f.cell == len(notebook["cells"])} == {"ok"}
    assert len(wan.methods(path).left_out) == 1


def test_forged_words_do_not_break_the_table(folder):
    path = folder / "n.ipynb"
    notebook = json.loads(path.read_text())
    the_run(notebook)["run_id"] = "<script>alert(1)</script>\n\x1b[2K"
    path.write_text(json.dumps(notebook))
    report = wan.verify(path)
    assert "\x1b" not in str(report)
    assert "<script>" not in report._repr_mimebundle_()["text/html"]


def test_what_is_recorded_nowhere_or_in_one_place_only_is_said(folder):
    path = folder / "n.ipynb"
    for lost in ("metadata", "outputs", "both"):
        notebook = json.loads((folder / "n.ipynb").read_text())
        cell = notebook["cells"][1]
        if lost != "outputs":
            cell["metadata"].pop("wan_notebook")
        if lost != "metadata":
            cell["outputs"] = []
        (folder / "other.ipynb").write_text(json.dumps(notebook))
        found = [f for f in wan.verify(folder / "other.ipynb").findings if f.result != "ok"]
        assert [f.result for f in found] == ([] if lost == "outputs" else ["not verifiable"]), lost
    assert wan.verify(path).ok


def test_an_output_that_is_shown_by_another_cell_is_no_tampering(folder):
    path = folder / "n.ipynb"
    notebook = json.loads(path.read_text())
    shown = {**json.loads(json.dumps(notebook["cells"][1])), "id": "shown", "source": "cap.show()"}
    notebook["cells"].append(shown)
    path.write_text(json.dumps(notebook))
    report = wan.verify(path)
    assert report.ok, str(report)
    assert [f.what for f in report.findings if f.result != "ok"] == ["source"]


def test_a_clip_without_its_record_beside_it_is_said(folder):
    clip_of(folder).with_name(clip_of(folder).name + ".json").unlink()
    report = wan.verify(folder / "n.ipynb")
    assert report.ok
    assert [(f.what, f.result) for f in report.findings if f.result != "ok"] == [("side file", "not verifiable")]


def test_what_differs_is_open_and_what_does_not_is_folded(folder):
    path = folder / "n.ipynb"
    page = wan.verify(path)._repr_mimebundle_()["text/html"]
    assert page.index("nothing differs") < page.index("<details") < page.index("source")
    notebook = json.loads(path.read_text())
    notebook["cells"][1]["source"] = "another"
    path.write_text(json.dumps(notebook))
    page = wan.verify(path)._repr_mimebundle_()["text/html"]
    assert page.index("edited after the run") < page.index("<details")


def test_the_published_schema_is_the_models_own_and_takes_real_records(executed):
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json_schema()
    jsonschema.Draft202012Validator.check_schema(json_schema())
    notebook = json.loads((executed / "n.ipynb").read_text())
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.validate(the_run(notebook))
    validator.validate(the_output(notebook)[MIME])
    broken = {**the_run(notebook), "more": 1}
    assert not validator.is_valid(broken)
