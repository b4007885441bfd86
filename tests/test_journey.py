"""The whole way, from a cell to the record in its output, through the socket and with nothing patched."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import pytest
from kernels import LiveKernel

from wan_notebook.record.sidefiles import load_record
from wan_notebook.simulator import Simulator

MAGIC = """%%wan_i2v cat --image images/chelsea.png --model wan2.6-i2v-flash --resolution 720P --duration 5 \
--no-audio --seed 12345
The cat slowly turns its head towards the window.
"""


@pytest.fixture(scope="module")
def service():
    with Simulator(speed=50, render="shape") as simulator:
        yield simulator


@pytest.fixture
def lab(service, in_folder):
    with kernel_at(service, in_folder) as live:
        yield live


@contextmanager
def kernel_at(service, folder):
    """A kernel whose user has a ledger of their own."""
    environment = {
        "DASHSCOPE_HTTP_BASE_URL": service.base_url,
        "DASHSCOPE_API_KEY": "sk-journey-0123456789abcdef",
        "WAN_NOTEBOOK_HOME": str(folder / "home"),
    }
    with LiveKernel(folder, environment) as live:
        live.run("%load_ext wan_notebook")
        yield live


def test_a_cell_becomes_a_video_with_its_record_in_the_same_output(lab, service, in_folder):
    cell = lab.run(MAGIC, cell_id="the-cell")
    assert cell.error is None
    assert len(cell.outputs) == 1
    lab.until(lambda: cell.record["state"] == "downloaded", what=f"still {cell.record['state']}")

    record = cell.record
    assert record["cell_id"] == "the-cell"
    assert record["simulated"] is True
    assert record["task_status"] == "SUCCEEDED"
    assert record["request"]["sent"]["parameters"] == {
        "resolution": "720P",
        "duration": 5,
        "audio": False,
        "seed": 12345,
    }
    assert record["usage"]["duration"] == 5
    assert record["cost"]["amount"] == "0.125"
    assert record["cost"]["estimated"] is False

    clip = in_folder / record["clip"]["path"]
    assert hashlib.sha256(clip.read_bytes()).hexdigest() == record["clip"]["sha256"]
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == Fraction(30)
        assert sum(1 for _ in container.decode(video=0)) == 150
        assert not container.streams.audio
        assert (stream.width, stream.height) == (record["clip"]["width"], record["clip"]["height"])

    photograph = in_folder / "images" / "chelsea.png"
    (kept,) = (in_folder / entry["path"] for entry in record["inputs"])
    assert record["inputs"][0]["sha256"] == hashlib.sha256(kept.read_bytes()).hexdigest()
    assert kept.read_bytes() == photograph.read_bytes()
    assert f'src="{record["clip"]["path"]}"' in cell.bundles[0]["text/html"]
    assert "<source" not in cell.bundles[0]["text/html"]
    beside = load_record(clip)
    assert (beside["run_id"], beside["clip"]["path"]) == (record["run_id"], clip.name)
    assert (clip.parent / beside["inputs"][0]["path"]).read_bytes() == kept.read_bytes()


def test_the_name_is_bound_to_the_job_at_once_and_the_job_gives_the_clip(lab):
    lab.run(MAGIC)
    said = lab.run(
        "import os; result = cat.result(60); "
        "same = os.fspath(result) == str(result.path); "
        "print(type(cat).__name__, cat.status, same, result.cost, result.usage.duration)"
    )
    assert said.text.strip() == "Job SUCCEEDED True about 0.125 USD 5.0"
    awaited = lab.run("print((await cat).path.name.startswith('cat-'), cat.request.seed, cat.record['state'])")
    assert awaited.text.strip() == "True 12345 downloaded"


def test_while_the_service_withholds_its_answer_the_cell_has_ended_and_the_next_ones_run(lab, service):
    with service.hold_submits():
        cell = lab.run(MAGIC)
        assert lab.run("6 * 7").bundles[0]["text/plain"] == "42"
        lab.until(lambda: cell.record["state"] == "submitting")
    lab.until(lambda: cell.record["state"] == "downloaded")


def test_restart_and_run_all_of_a_finished_notebook_spends_nothing(service, in_folder):
    loop = (
        "import wan_notebook as wan\n"
        "jobs = [wan.submit(prompt='A cup.', image='images/coffee.png', duration=2, audio=False) for _ in range(4)]\n"
        "print(*sorted(job.result(60).path.name for job in jobs))"
    )
    seen = []
    for _ in range(2):
        with kernel_at(service, in_folder) as lab:
            cell = lab.run(MAGIC)
            names = lab.run(loop, cell_id="loop").text
            lab.until(lambda cell=cell: cell.record["state"] == "downloaded")
            seen.append((cell.record, names, sum(asked.method == "POST" for asked in service.requests)))
    (first, made, tasks), (again, found, tasks_then) = seen
    assert tasks_then == tasks, "no new task"
    assert (found, len(set(made.split()))) == (made, 4)
    assert again["clip"] == first["clip"]
    assert (again["cost"]["amount"], again["from_run"]) == ("0", first["run_id"])
    assert again["request"]["sent_sha256"] == first["request"]["sent_sha256"]


def test_the_key_is_in_no_output(lab):
    cell = lab.run(MAGIC)
    shown = lab.run("print(cat, cat.record, cat.__dict__, vars(cat)['_verbs']); cat")
    lab.until(lambda: cell.record["state"] == "downloaded")
    assert "journey-0123" not in repr(lab.cells)
    assert shown.text


def test_a_cell_run_headless_waits_by_itself(lab):
    cell = lab.run(MAGIC, cell_id=None, allow_stdin=False)
    assert cell.record["state"] == "downloaded"


def test_generate_shows_its_video_once_in_its_own_cell_and_anew_elsewhere(lab):
    cell = lab.run(
        "import wan_notebook as wan\n"
        "clip = wan.generate(prompt='Up.', image='images/rocket.jpg', duration=2, audio=False)\nclip"
    )
    assert [("<video" in data.get("text/html", "")) for data in cell.bundles] == [True, False]
    assert "<video" in lab.run("clip").bundles[0]["text/html"]


def test_four_jobs_submitted_in_a_loop_make_four_clips(lab, in_folder):
    lab.run(
        "import wan_notebook as wan\n"
        "jobs = [wan.submit(prompt='A cup.', image='images/coffee.png', duration=2 + n, audio=False) for n in range(4)]"
    )
    paths = lab.run("print(len({job.result(60).path for job in jobs}), len({job.update.seed for job in jobs}))")
    assert paths.text.split() == ["4", "4"]
    assert lab.run("print([job.update.notes for job in jobs])").text.strip() == "[(), (), (), ()]"
    assert len(list(Path(in_folder, "wan_outputs").glob("*.mp4"))) == 4


def test_a_picture_of_the_notebook_and_a_frame_of_an_earlier_clip_are_first_frames(lab, in_folder):
    lab.run("from PIL import Image\nphoto = Image.open('images/rocket.jpg').resize((400, 240))")
    first = lab.run("%%wan_i2v cat --image $photo --duration 2 --no-audio\nIt flies.")
    cell = lab.run("%%wan_i2v more --image $cat.frame(-1) --duration 2 --no-audio\nIt flies on.", cell_id="cell-2")
    assert cell.error is None
    lab.until(lambda: cell.record["state"] == "downloaded", what=f"still {cell.record['state']}")
    clip, (given,) = first.record["clip"], cell.record["inputs"]
    assert first.record["request"]["asked"]["image"] == {"kind": "pixels", "name": "image.png"}
    assert given["origin"] == {"run_id": first.record["run_id"], "frame": 59, "altered": False}
    assert (given["width"], given["height"]) == (clip["width"], clip["height"])
    assert given["name"] == f"{Path(clip['path']).stem}-frame-59.png"
    assert (in_folder / given["path"]).is_file()
    lab.run(f"import os; os.environ['JPY_SESSION_NAME'] = {str(in_folder / 'book.ipynb')!r}; os.chdir('images')")
    beside = lab.run("%%wan_i2v --image images/rocket.jpg --crop 1:1 --duration 2\nIt flies.", cell_id="cell-4")
    assert beside.error is None
    assert beside.record["request"]["asked"]["crop"] == "1:1"
    refused = lab.run("%%wan_i2v again --image $cat --duration 2\nIt flies.", cell_id="cell-3")
    assert ".frame(-1)" in "".join(refused.error)
