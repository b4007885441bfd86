"""The stop button, the end of a process, a fork: waiting ends at once, the job does not, and nothing hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest
from caller import picture
from faults import Faulty
from hostile import PENDING, Answer, Hostile
from kernels import MIME, LiveKernel
from processes import until
from test_faults import a_clip

SUBMIT = "/services/aigc/video-generation/video-synthesis"
KEY = "sk-interrupts-0123456789abcdef"
ASKED = "image='photo.jpg', duration=2, audio=False"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "photo.jpg").write_bytes(picture((320, 240)))
    return folder


@contextlib.contextmanager
def endless():
    """A service whose tasks never end."""
    with Hostile() as hostile:
        hostile.on("POST", SUBMIT, Answer(body=PENDING))
        hostile.on("GET", "/tasks/task-1", Answer(body=PENDING))
        hostile.on("GET", "/tasks", Answer(body={"data": [], "total": 0, "total_page": 0}))
        yield hostile


@pytest.fixture(scope="module")
def server():
    with endless() as hostile:
        yield hostile


@pytest.fixture(scope="module")
def notebook(server, folder):
    environment = {"DASHSCOPE_HTTP_BASE_URL": server.base_url, "DASHSCOPE_API_KEY": KEY}
    with LiveKernel(folder, environment) as live:
        live.run("%load_ext wan_notebook\nimport wan_notebook as wan, asyncio, time")
        live.run(f"job = wan.submit(prompt='The one.', {ASKED})")
        live.run("while job.task_id is None: time.sleep(0.01)")
        yield live


WAITS = {
    "result": "print('now'); job.result()",
    "result with a deadline": "print('now'); job.result(600)",
    "wait": "print('now'); job.wait()",
    "exception": "print('now'); job.exception()",
    "await": "print('now'); await job",
    "gather": "print('now'); await asyncio.gather(job, job)",
    "generate": f"wan.generate(prompt='The one.', {ASKED})",
    "agenerate": f"await wan.agenerate(prompt='The one.', {ASKED})",
    "run": f"wan.run(wan.agenerate(prompt='The one.', {ASKED}))",
    "--wait": "%%wan_i2v cat --image photo.jpg --duration 2 --no-audio --wait\nThe one.",
}


def waits(cell):
    """Whether the cell has come to its wait: it has said so, or its card shows a task."""
    return "now" in cell.text or any(data.get(MIME, {}).get("task_id") for data in cell.bundles)


@pytest.mark.parametrize("how", WAITS)
def test_the_stop_button_ends_a_wait_at_once_and_says_that_the_job_goes_on(notebook, how):
    cell = notebook.send(WAITS[how])
    notebook.until(lambda: waits(cell))
    notebook.interrupt()
    notebook.until(lambda: cell.idle, 20, f"{how}: still waiting")  # the job itself never ends
    said = "\n".join(cell.error or [cell.text])
    if how != "gather":  # what asyncio raises there is its own
        assert "goes on" in said
        assert "is billed when it succeeds" in said
        assert "cancel() stops it while it is PENDING" in said
        assert "File " not in said
    assert notebook.run("print(job.running(), job.state)").text.strip() == "True following"
    assert notebook.run("job.result(0.2)").error[0].startswith("JobTimeoutError")


@pytest.mark.parametrize("code", [f"job2 = wan.submit(prompt='The one.', {ASKED})", "--wait"])
def test_a_cell_that_waits_because_nobody_looks_later_is_interrupted_once(notebook, code):
    cell = notebook.send(WAITS.get(code, code), cell_id=None, allow_stdin=False)
    notebook.until(lambda: waits(cell))
    notebook.interrupt()
    notebook.until(lambda: cell.idle, 20, "it waits once more")
    said = "\n".join(cell.error or [cell.text])
    assert "no longer waiting" in said
    assert "The job goes on" in said


def test_unloading_and_reloading_leave_the_jobs_alone(notebook):
    for line in ("%reload_ext wan_notebook", "%unload_ext wan_notebook", "%load_ext wan_notebook"):
        assert notebook.run(line).error is None
        assert notebook.run("print(job.running(), job.task_id)").text.strip() == "True task-1"
    assert notebook.run("job.result(0.2)").error[0].startswith("JobTimeoutError")


SCRIPT = """
import os, sys, time
import wan_notebook as wan
how = {{"image": {photo!r}, "duration": 2, "audio": False, "base_url": {base_url!r}, "api_key": {key!r}}}
"""


def script(service, folder, code, **more):
    head = SCRIPT.format(photo=str(folder / "photo.jpg"), base_url=service.base_url, key=KEY)
    return subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", head + code],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


FORKED = """
job = wan.submit(prompt="The parent's.", **how)
while job.task_id is None: time.sleep(0.01)
child = os.fork()
if not child:
    for call in (job.result, job.cancel):
        try:
            call()
        except wan.WanError as error:
            print(error.message, flush=True)
    print("child", wan.generate(prompt="The child's.", **how).path.name)
    sys.exit(0)
print(os.waitpid(child, 0)[1])
print("parent", job.result(100).path.name)
"""


def test_a_forked_child_neither_uses_nor_hurts_its_parents_connections(folder):
    with Faulty(a_clip(), ends="RUNNING", poll=["503"] * 3) as service:
        process = script(service, folder, FORKED)
        said = process.stdout.readline() + process.stdout.readline()
        service.ends = "SUCCEEDED"  # the parent's job goes on until its child has asked for it
        more, complaints = process.communicate(timeout=200)
        said += more
        assert process.returncode == 0, complaints
        assert said.count("it was forked from the one that does") == 2
        assert "child clip-" in said
        assert "parent clip-" in said
        assert "\n0\n" in said
        assert service.created() == 2
    assert "Traceback" not in complaints


FORKED_LATER = """
import gc, wave
from wan_notebook.simulator import Simulator
with wave.open("voice.wav", "wb") as voice:
    voice.setparams((1, 2, 22050, 0, "NONE", ""))
    voice.writeframes(bytes(2 * 3 * 22050))
how.update(audio=True, audio_url="voice.wav")
with Simulator(speed=100, render="shape") as simulator:
    gc.disable()
    result = wan.generate(prompt="Made before.", **{**how, "base_url": simulator.base_url})
    result.frame(0)
    child = os.fork()
    if not child:
        gc.collect()
        os._exit(0)
    print(os.waitpid(child, 0)[1])
"""


def test_a_child_forked_after_a_clip_was_made_and_looked_at_comes_to_its_end(folder, server):
    process = script(server, folder, FORKED_LATER, start_new_session=True)
    try:
        said, complaints = process.communicate(timeout=100)
        assert (process.returncode, said.split()[-1]) == (0, "0"), complaints
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with the child, where it hangs


FORKED_MEANWHILE = """
import importlib.abc, signal, threading
from wan_notebook.media.stills import frame
class Slow(importlib.abc.MetaPathFinder):
    begun = threading.Event()
    def find_spec(self, name, path=None, target=None):
        if name == "av.container" and not self.begun.is_set():
            self.begun.set()
            time.sleep(1)
sys.meta_path.insert(0, Slow())
look = lambda: frame("clip.mp4", 0, run_id="run-1").save("frame.jpg")
threading.Thread(target=look).start()
Slow.begun.wait()
child = os.fork()
if not child:
    signal.alarm(60)
    look()
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.full
def test_a_child_forked_while_the_first_clip_is_looked_at_can_look_at_clips_itself(folder, server):
    (folder / "clip.mp4").write_bytes(a_clip())
    said, complaints = script(server, folder, FORKED_MEANWHILE).communicate(timeout=200)
    assert said.strip() == "0", complaints


PHASES = {"submit": "may be running", "poll": "goes on at the simulator", "download": "The clip was made; task"}


@pytest.mark.parametrize("phase", PHASES)
def test_a_process_that_ends_does_not_hang_and_says_what_becomes_of_its_job(folder, phase):
    with Faulty(a_clip(), **{phase: ["hang"] * 30}) as service:
        code = f"job = wan.submit(prompt='Ends while {phase}.', **how)\nsys.stdin.read()\n"
        process = script(service, folder, code, stdin=subprocess.PIPE)
        until(lambda: service.met)
        _, complaints = process.communicate("", timeout=60)  # the service would be silent for minutes
        assert process.returncode == 0
        assert PHASES[phase] in complaints
        assert "Traceback" not in complaints


def test_a_script_says_once_why_its_job_waits(folder):
    with Faulty(a_clip(), submit=["429"] * 3, poll=["502 page"] * 3) as service:
        process = script(service, folder, "wan.generate(prompt='Waits.', name='waits', **how)\n")
        _, complaints = process.communicate(timeout=200)
        assert service.created() == 1
    assert process.returncode == 0
    assert complaints.count("waits: nothing is sent yet and nothing is billed") == 1
    assert complaints.count("waits: network trouble, the task is still yours") == 1


@pytest.mark.full
def test_control_c_in_a_script_says_that_the_job_goes_on(folder):
    with endless() as service:  # where nobody else asks
        process = script(service, folder, "wan.generate(prompt='A script.', **how)\n")
        until(lambda: service.count("GET", "/tasks/task-1"))  # its task was accepted and is looked at
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=100)
    assert "KeyboardInterrupt" in complaints
    assert "wan_notebook.jobs()[0].cancel()" in complaints
    assert "Task task-1 goes on at the service" in complaints
