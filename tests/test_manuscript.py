"""What a paper says of a notebook's runs: only what the records hold, and simulated runs plainly as such."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sysconfig
from decimal import Decimal
from pathlib import Path

import pytest
from processes import run
from saved import notebook, sealed

import wan_notebook as wan
from wan_notebook.record.provenance import digest
from wan_notebook.simulator import Simulator
from wan_notebook.words.privacy import sealed_body

SCRIPT = Path(sysconfig.get_path("scripts")) / "wan-notebook"
PHOTO = Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png"


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("paper")
    with Simulator(speed=500, render="shape") as sim:
        given = {"base_url": sim.base_url, "api_key": "sk-paper-0123456789abcdef", "output_dir": folder}
        return wan.generate(prompt="The cat, blinks.", image=PHOTO, duration=2, audio=False, seed=7, **given).record


def other(record, run_id, **changes):
    return sealed({**record, "run_id": run_id, **changes})


def real(record, run_id, **changes):
    return other(record, run_id, simulated=False, **changes)


def test_simulated_runs_are_said_to_be_simulated(record, tmp_path):
    text = wan.methods(notebook(tmp_path, ("a", [record]))).text
    assert text.startswith("No clip was made by a model of the real service: a simulator of it was used")
    assert (
        "1 clip was made by a simulator of wan2.6-i2v-flash, not by the model (720P, 2 s, without sound; seed 7)"
        in text
    )
    assert "USD" not in text
    assert "not a bit-identical clip" in text


def test_no_more_is_claimed_than_can_be_repeated_from_the_folder(record, tmp_path):
    (tmp_path / record["inputs"][0]["path"]).write_bytes(PHOTO.read_bytes())
    assert "each of these requests can be repeated exactly" in wan.methods(notebook(tmp_path, ("a", [record]))).text
    gone = [{**record["inputs"][0], "path": "gone.png"}]
    private = {"private": True, "request": {**record["request"], "sent": sealed_body(record["request"]["sent"])}}
    private["request"]["sent_sha256"] = digest(private["request"]["sent"])
    path = notebook(tmp_path, ("a", [record, other(record, "b", **private), other(record, "c", inputs=gone)]))
    text = wan.methods(path).text
    assert "to repeat 2 of 3 exactly, something that is not in its folder has to be given again" in text
    assert "(a prompt that is private or too long to be recorded: 1; an input that was at an address" in text
    never = other(
        record, "d", state="failed", clip=None, request={**record["request"], "sent": None, "sent_sha256": None}
    )
    assert "repeat" not in wan.methods(notebook(tmp_path, ("a", [never]))).text


def test_real_runs_are_counted_dated_and_priced_by_model(record, tmp_path):
    dearer = {**record["cost"], "amount": "0.5", "seconds": 5}
    path = notebook(
        tmp_path,
        ("a", [real(record, "a"), real(record, "b", cost=dearer, model="wan2.6-i2v")]),
        ("b", [real(record, "c", state="failed", clip=None), real(record, "d", from_run="a")]),
        ("c", [record]),
    )
    text = wan.methods(path).text
    day = record["submitted_at"][:10]
    assert text.startswith(
        "Clips were made from still images with Wan image-to-video (Alibaba Cloud Model Studio), through"
    )
    assert (
        f"1 clip was made with wan2.6-i2v-flash (720P, 2 s, without sound; seed 7) on {day} in the region singapore."
        in text
    )
    assert "1 clip was made with wan2.6-i2v (" in text
    assert "1 request of wan2.6-i2v-flash gave no clip (failed: 1)." in text
    assert "by a simulator of wan2.6-i2v-flash" in text
    amount = float(record["cost"]["amount"]) + 0.5
    assert f"They cost about {amount:g} USD by the price table of {record['cost']['table_date']}." in text


def test_the_table_has_every_run_and_cells_that_no_spreadsheet_executes(record, tmp_path):
    path = notebook(tmp_path, ("a", [other(record, "a", name='=HYPERLINK("x")'), other(record, "b", from_run="a")]))
    one, two = rows(path)
    assert (one["run_id"], two["run_id"]) == ("a", "b")
    assert one["name"] == '\'=HYPERLINK("x")'
    assert (one["seed"], one["duration"], one["audio"], one["simulated"]) == ("7", "2", "false", "true")
    assert one["prompt"] == "The cat, blinks."
    assert one["clip_sha256"] == record["clip"]["sha256"]
    assert two["from_run"] == "a"


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> tuple[Path, dict, dict]:
    """The folder of two processes, and their records: the second only shows the clip of the first."""
    folder = tmp_path_factory.mktemp("shown")
    with Simulator(speed=500, render="shape") as sim:
        first, second = (run(sim.base_url, folder, folder / "home")[0]["record"] for _ in range(2))
    assert second["from_run"] == first["run_id"]
    return folder, first, second


@pytest.fixture
def again(shown, tmp_path) -> tuple[dict, dict]:
    """Those records, and in this folder the files they name."""
    shutil.copytree(shown[0] / "clips", tmp_path / "clips")
    return shown[1], shown[2]


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(wan.methods(path).csv)))


def test_a_clip_that_is_only_shown_again_is_described_by_the_record_of_the_run_that_made_it(again, tmp_path):
    first, second = again
    path = notebook(tmp_path, ("a", [second, other(second, "run-third")]))
    text = wan.methods(path).text
    assert f"1 clip was made by a simulator of {first['model']}" in text
    assert f"drawn at random where none was given) on {first['submitted_at'][:10]}, in an earlier execution." in text
    assert "each of these requests can be repeated exactly" in text
    found = [(row["run_id"], row["from_run"], row["amount"]) for row in rows(path)]
    mine = first["run_id"]
    assert found == [
        (mine, "", first["cost"]["amount"]), (second["run_id"], mine, "0"), ("run-third", mine, "0")
    ]  # fmt: skip
    notebook(tmp_path, ("a", [second]), ("b", [first]))
    assert [row["run_id"] for row in rows(path)] == [second["run_id"], mine], "it is told of here anyway"
    assert "earlier" not in wan.methods(path).text


def test_what_a_real_clip_of_an_earlier_execution_cost_is_said(again, tmp_path):
    first, second = (sealed({**one, "simulated": False}) for one in again)
    (tmp_path / f"{first['clip']['path']}.json").write_text(
        json.dumps(sealed({**first, "clip": {**first["clip"], "path": Path(first["clip"]["path"]).name}}))
    )
    text = wan.methods(notebook(tmp_path, ("a", [second, other(first, "run-new")]))).text
    assert "in the region singapore, 1 of them in an earlier execution." in text
    assert (
        f"{(2 * Decimal(first['cost']['amount'])).normalize():f} USD when they were made, by the price table of" in text
    )


def test_a_record_beside_the_clip_that_cannot_be_believed_describes_nothing(again, tmp_path):
    first, second = again
    side = tmp_path / f"{second['clip']['path']}.json"
    changed = json.loads(side.read_text())
    path = notebook(tmp_path, ("a", [second]), ("b", [other(first, "run-new", model="wan2.6-i2v")]))
    for forged in (
        {**changed, "model": "wan9"},
        sealed({**changed, "model": "wan9"}),
        sealed({**changed, "run_id": "run-other"}),
        sealed({**changed, "clip": {**changed["clip"], "duration": 9}}),
    ):
        side.write_text(json.dumps(forged))
        text = wan.methods(path).text
        assert "wan9" not in text
        assert "1 clip was made by a simulator of wan2.6-i2v," in text
        assert "1 more clip was made by another notebook; describe that one." in text
    side.unlink()
    only = wan.methods(notebook(tmp_path, ("a", [second]))).text
    assert only == "Every clip of this notebook was made by another one; describe that one."


def test_what_is_not_billed_has_no_amount_in_the_table(record, tmp_path):
    told_of = ("failed", "canceled", "refused", "waiting", "planned", "ambiguous", "detached")
    held = [other(record, f"run-{state}", state=state, clip=None) for state in told_of]
    found = {row["state"]: row["amount"] for row in rows(notebook(tmp_path, ("a", held)))}
    amount = record["cost"]["amount"]
    assert list(found.values()) == ["0"] * 5 + [amount] * 2


def test_records_that_were_edited_are_left_out_and_named(record, tmp_path):
    edited = {**record, "run_id": "run-b", "model": "another"}
    path = notebook(tmp_path, ("a", [record]), ("b", []))
    held = json.loads(path.read_text())
    held["cells"][1]["metadata"]["wan_notebook"]["runs"].append(edited)
    path.write_text(json.dumps(held))
    told = wan.methods(path)
    assert told.left_out == ("cell 2, run-b: the record was edited",)
    assert "another" not in told.csv
    assert "Left out" in str(told)


def test_the_command_line_prints_each_form(record, tmp_path):
    path = notebook(tmp_path, ("a", [record]))

    def printed(form):
        return subprocess.run(
            [SCRIPT, "methods", path, "--format", form], capture_output=True, text=True, timeout=180, check=True
        ).stdout

    told = wan.methods(path)
    assert printed("text") == f"{told.text}\n"
    assert printed("bibtex") == told.bibtex
    assert printed("csv") == told.csv
    assert told.bibtex.startswith("@software{wan_notebook,")
    assert wan.__version__ in told.bibtex
