"""The demonstration, as the console script runs it; and that it never spends, whatever the machine has set."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sysconfig
import time
from fractions import Fraction
from pathlib import Path

import av
import httpx
import nbformat
import pytest
from hostile import Answer, Hostile

SCRIPT = Path(sysconfig.get_path("scripts")) / "wan-notebook"


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    """(the folder it made, what it printed, what the machine's own key and base URL were asked)."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / ".dashscope").mkdir()
    (folder / ".dashscope" / "api_key").write_text("sk-file-0123456789abcdef")
    with Hostile() as counter:
        counter.on("POST", "/", Answer(500))
        environment = {
            **os.environ,
            "HOME": str(folder),
            "DASHSCOPE_API_KEY": "sk-real-0123456789abcdef",
            "DASHSCOPE_HTTP_BASE_URL": counter.base_url,
            "DASHSCOPE_API_REGION": "cn-beijing",
            "WAN_NOTEBOOK_REGION": "beijing",
        }
        done = subprocess.run(
            [SCRIPT, "demo"], cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        asked = list(counter.asked)
    assert done.returncode == 0, done.stderr
    return folder / "demo-output", done.stdout, asked


def test_it_asks_the_machines_own_service_nothing(demonstration):
    folder, said, asked = demonstration
    assert asked == []
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"0123456789abcdef" not in path.read_bytes()
    assert "0123456789abcdef" not in said


def test_it_says_what_it_does_and_where_everything_is(demonstration):
    folder, said, _ = demonstration
    assert "%%wan_i2v cat" in said
    for name in ("quickstart.ipynb", "quickstart.html", "cat-"):
        assert f"{folder.name}/{'wan_outputs/' if name == 'cat-' else ''}{name}" in said


def test_every_wan_cell_of_the_executed_notebook_holds_its_run(demonstration):
    folder, _, _ = demonstration
    notebook = nbformat.read(folder / "quickstart.ipynb", as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.source.startswith("%%wan_i2v")]
    assert len(cells) == 2
    for cell in [*cells, next(cell for cell in notebook.cells if "wan.submit(" in cell.source)]:
        kept = cell.metadata["wan_notebook"]
        assert kept["schema"] == 1
        (run,) = kept["runs"]
        assert (run["state"], run["task_status"], run["simulated"]) == ("downloaded", "SUCCEEDED", True)
        assert run["task_id"]
        assert run["usage"]["duration"] == run["request"]["sent"]["parameters"]["duration"]
        assert run["submit_time"] < run["scheduled_time"] < run["end_time"]
        (picture,) = run["inputs"]
        assert hashlib.sha256((folder / picture["path"]).read_bytes()).hexdigest() == picture["sha256"]
        clip = folder / run["clip"]["path"]
        assert hashlib.sha256(clip.read_bytes()).hexdigest() == run["clip"]["sha256"]
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.average_rate) == ("h264", Fraction(30))
            assert stream.width % 16 == stream.height % 16 == 0
            assert sum(1 for _ in container.decode(video=0)) == 30 * run["usage"]["duration"]
        assert len(json.dumps(run).encode()) <= 8 * 1024


def test_the_page_plays_the_clips_beside_it(demonstration):
    folder, _, _ = demonstration
    page = (folder / "quickstart.html").read_text(encoding="utf-8")
    for clip in (folder / "wan_outputs").glob("*.mp4"):
        assert f'src="wan_outputs/{clip.name}"' in page


def test_sync_copies_the_records_of_a_saved_notebook(demonstration, tmp_path):
    folder, _, _ = demonstration
    notebook = nbformat.read(folder / "quickstart.ipynb", as_version=4)
    kept = [dict(cell.metadata.pop("wan_notebook", {})) for cell in notebook.cells]
    stripped = tmp_path / "stripped.ipynb"
    nbformat.write(notebook, stripped)
    before = stripped.read_bytes()
    subprocess.run([SCRIPT, "sync", stripped, "--output", tmp_path / "out.ipynb"], check=True, timeout=120)
    assert stripped.read_bytes() == before
    again = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert [dict(cell.metadata.get("wan_notebook", {})) for cell in again.cells] == kept
    subprocess.run([SCRIPT, "sync", stripped], check=True, timeout=120)
    assert stripped.read_bytes() == (tmp_path / "out.ipynb").read_bytes()


def test_sync_refuses_what_is_no_notebook(tmp_path):
    (tmp_path / "no.ipynb").write_text("print(1)\n")
    done = subprocess.run(
        [SCRIPT, "sync", tmp_path / "no.ipynb"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_the_simulator_says_when_it_is_ready_and_ends_when_interrupted(tmp_path):
    ready = tmp_path / "ready"
    process = subprocess.Popen([SCRIPT, "simulator", "--speed", "5", "--ready-file", ready], stdout=subprocess.PIPE)
    try:
        end = time.monotonic() + 120
        while not ready.exists():
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.05)
        (base_url,) = ready.read_text().splitlines()
        assert base_url.endswith("/api/v1")
        answer = httpx.get(f"{base_url}/tasks/none", headers={"Authorization": "Bearer sk-someone"}, timeout=60)
        assert answer.headers["X-Wan-Simulator"] == "speed=5"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)


@pytest.mark.full
def test_a_second_demonstration_deletes_nothing(demonstration):
    folder, _, _ = demonstration
    (folder / "images" / "mine.png").write_bytes(b"mine")
    (folder / "wan_outputs" / "paid.mp4").write_bytes(b"paid")
    changed = (folder / "quickstart.ipynb").read_bytes()
    done = subprocess.run([SCRIPT, "demo"], cwd=folder.parent, capture_output=True, text=True, timeout=200, check=True)
    assert (folder / "images" / "mine.png").read_bytes() == b"mine"
    assert (folder / "wan_outputs" / "paid.mp4").read_bytes() == b"paid"
    assert "paid.mp4" not in done.stdout
    assert (folder / "quickstart-1.ipynb").read_bytes() == changed
