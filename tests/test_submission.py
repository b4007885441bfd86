"""The paid POST and what can come between: a process that is stopped meanwhile, a disk that fills up."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import threading
import time
from io import BytesIO
from pathlib import Path

import pytest
from accounts import Account
from hostile import PENDING, Answer, Gate, Hostile
from PIL import Image
from processes import outcomes, run, start, until

from wan_notebook.ledger.store import Ledger

SUBMIT = "/services/aigc/video-generation/video-synthesis"

pytestmark = pytest.mark.full


@pytest.fixture
def server(clip):
    """A service that bills: it says of no answer that it is the simulator."""
    with Hostile() as hostile:
        done = {"task_id": "task-1", "task_status": "SUCCEEDED", "video_url": f"{hostile.root}/clip.mp4"}
        hostile.on("GET", "/tasks/task-1", Answer(body={"output": done, "usage": {"duration": 2}}))
        hostile.on("GET", "/clip.mp4", Answer(body=clip))
        yield hostile


@contextlib.contextmanager
def stopped(process, *, at_least: float = 0.0):
    """A process stands still, as in a laptop that is closed."""
    begun = time.monotonic()
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        time.sleep(max(0.0, at_least - (time.monotonic() - begun)))
        process.send_signal(signal.SIGCONT)


def sending(server, tmp_path: Path):
    """A process whose POST has arrived and is not answered; its run's row, the process, the gate."""
    gate = Gate(body=PENDING)
    server.on("POST", SUBMIT, gate)
    process = start(server.base_url, tmp_path, tmp_path / "home")
    assert gate.arrived.wait(60)
    (row,) = Ledger(tmp_path / "home").runs()
    assert row.state == "submitting"
    return row, process, gate


def given_to_another(ledger: Ledger, run_id: str) -> None:
    ledger.update(run_id, owner="another-process", state="following", task_id="task-1")


def closed(ledger: Ledger, run_id: str) -> None:
    ledger.update(run_id, owner="another-process", state="refused", finished_at=time.time())


def left_open(ledger: Ledger, run_id: str) -> None:
    ledger.update(run_id, owner="another-process", state="ambiguous")


def forgotten(ledger: Ledger, run_id: str) -> None:
    ledger.write(lambda db: db.execute("DELETE FROM runs WHERE run_id = ?", (run_id,)))


@pytest.mark.parametrize("meanwhile", [given_to_another, closed, left_open, forgotten])
def test_a_process_that_was_stopped_during_its_post_reads_its_row_again_and_pays_once(
    meanwhile, server, tmp_path, clip
):
    row, process, gate = sending(server, tmp_path)
    with stopped(process):
        meanwhile(Ledger(tmp_path / "home"), row.run_id)
        gate.let.set()
    (made,) = outcomes(process)
    assert made["error"] is None
    assert Path(made["path"]).read_bytes() == clip
    (saved,) = Ledger(tmp_path / "home").runs()
    assert (saved.run_id, saved.state, saved.task_id) == (row.run_id, "downloaded", "task-1")
    (again,) = run(server.base_url, tmp_path, tmp_path / "home")
    assert again["from_run"] == row.run_id
    assert server.count("POST") == 1


def test_a_run_that_another_process_drives_by_now_is_not_written_over(server, tmp_path):
    row, process, gate = sending(server, tmp_path)
    other = Ledger(tmp_path / "home")
    with stopped(process):
        other.update(row.run_id, owner=other.owner, state="following", task_id="task-1")
        other.beat()
        other.write(lambda db: db.execute("UPDATE owners SET beat = beat + 3600 WHERE owner = ?", (other.owner,)))
        gate.let.set()
    for _ in range(10):
        time.sleep(0.2)
        now = other.run(row.run_id)
        assert (now.owner, now.state, now.task_id) == (other.owner, "following", "task-1")
    other.update(row.run_id, state="failed")
    (made,) = outcomes(process)
    assert made["state"] != "downloaded"
    assert other.run(row.run_id).state == "failed"
    assert server.count("POST") == 1


def test_an_answer_that_never_came_is_not_looked_for_twice(server, tmp_path):
    row, process, gate = sending(server, tmp_path)
    gate.drop = True
    with stopped(process):
        given_to_another(Ledger(tmp_path / "home"), row.run_id)
        gate.let.set()
    (made,) = outcomes(process)
    assert made["error"] is None
    assert made["task"] == "task-1"
    assert server.count("GET", "/tasks/?") == 0
    assert server.count("POST") == 1


class Deaf:
    """A server that reads the head of a request and then nothing, until it is told to."""

    def __enter__(self):
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen()
        self.base_url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/api/v1"
        self.head, self.heard, self.whole, self.got = threading.Event(), threading.Event(), 0, 0
        self.over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def _serve(self) -> None:
        while not self.over.is_set():
            connection, _ = self._listening.accept()
            with connection:
                data = connection.recv(2048)
                if not data.startswith(b"POST"):
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
                    continue
                head, _, rest = data.partition(b"\r\n\r\n")
                lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
                self.whole, self.got = int(lengths[0].split(b":")[1]), len(rest)
                self.head.set()
                self.heard.wait(60)
                with contextlib.suppress(OSError):
                    while self.got < self.whole and (data := connection.recv(1 << 20)):
                        self.got += len(data)
                self.over.set()

    def __exit__(self, *_: object) -> None:
        self.heard.set()
        self._listening.close()


def noise(size: tuple[int, int]) -> bytes:
    """A picture that no compression makes smaller."""
    data = BytesIO()
    Image.frombytes("RGB", size, os.urandom(3 * size[0] * size[1])).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize("taken", [True, False])
def test_a_request_that_was_half_out_when_its_process_was_stopped_goes_on_only_if_it_is_still_its_own(taken, tmp_path):
    (tmp_path / "large.png").write_bytes(noise((1500, 1500)))
    with Deaf() as server:
        given = {"image": str(tmp_path / "large.png"), "upload": "base64"}
        process = start(server.base_url, tmp_path, tmp_path / "home", **given)
        assert server.head.wait(60)
        time.sleep(1)  # the buffers between are full by then, and most of the picture is not in them
        ledger = Ledger(tmp_path / "home")
        with stopped(process, at_least=6):
            if taken:
                left_open(ledger, ledger.runs()[0].run_id)
            server.heard.set()
        assert server.over.wait(60)
        assert (server.got < server.whole) is taken
        if not taken:
            process.kill()
            process.communicate()
            return
        (made,) = outcomes(process)
        assert "stood still" in made["error"]
        (row,) = ledger.runs()
        assert (row.owner, row.state) == ("another-process", "ambiguous"), "it is another's to end"


# A disk that fills up


def full(process, *, yes: bool = True) -> None:
    """From now on nothing that a process writes into a file fits; or again."""
    room = 0 if yes else resource.RLIM_INFINITY
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))


def policy(server) -> dict:
    return {
        "policy": "P", "signature": "S", "upload_dir": "dashscope-instant/x", "upload_host": f"{server.root}/store",
        "oss_access_key_id": "LTA", "max_file_size_mb": 100,
    }  # fmt: skip


@pytest.mark.parametrize("sure", [False, True])
def test_a_disk_that_fills_up_before_the_post_keeps_it_back(sure, server, tmp_path, clip):
    server.on("POST", SUBMIT, Answer(body=PENDING))
    gate = Gate(body={"data": policy(server)})
    server.on("POST", "/store", Answer(200, b""))
    server.on("GET", "/uploads", gate)
    process = start(server.base_url, tmp_path, tmp_path / "home", upload="oss", **({"yes": True} if sure else {}))
    assert gate.arrived.wait(60)
    full(process)
    gate.let.set()
    (said,) = outcomes(process)
    assert said["state"] == "refused"
    assert "cannot be used" in said["error"]
    assert "othing is billed" in said["error"] or "othing was sent" in said["error"]
    assert server.count("POST", SUBMIT) == 0
    server.on("GET", "/uploads", Answer(body={"data": policy(server)}))
    (made,) = run(server.base_url, tmp_path, tmp_path / "home", upload="oss")
    assert Path(made["path"]).read_bytes() == clip
    assert server.count("POST", SUBMIT) == 1


@pytest.mark.parametrize("killed", [True, False])
def test_a_disk_that_is_full_when_the_answer_comes_makes_nobody_pay_again(killed, tmp_path):
    with Account(speed=60) as account:
        run(account.base_url, tmp_path, tmp_path / "home", prompt="The one that tells which key is ours.")
        account.let.clear()
        account.arrived.clear()
        process = start(account.base_url, tmp_path, tmp_path / "home")
        assert account.arrived.wait(60)
        full(process)
        account.let.set()
        if killed:
            until(lambda: "task-2" in account.asked)
            process.kill()
            process.communicate()
        else:
            (made,) = outcomes(process)
            assert made["task"] == "task-2"
            assert any("cannot be used" in note for note in made["notes"])
        (again,) = run(account.base_url, tmp_path, tmp_path / "home")
        assert again["task"] == "task-2"
        assert len(account.prompts) == 2


@pytest.fixture
def small(tmp_path):
    """A file system of its own with room for a megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    if os.system(f"mount -t tmpfs -o size=1m tmpfs {place} 2>/dev/null"):  # noqa: S605
        pytest.skip("no file system can be mounted here")
    yield place
    os.system(f"umount {place}")  # noqa: S605


def test_a_file_system_that_is_full_between_the_claim_and_the_post(small, server, tmp_path, clip):
    server.on("POST", SUBMIT, Answer(body=PENDING))
    gate = Gate(body={"data": policy(server)})
    server.on("POST", "/store", Answer(200, b""))
    server.on("GET", "/uploads", gate)
    process = start(server.base_url, tmp_path, small, upload="oss")
    assert gate.arrived.wait(60)
    with contextlib.suppress(OSError), (small / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(512))
    gate.let.set()
    (said,) = outcomes(process)
    if said["state"] == "refused":  # there may have been room in what SQLite had taken before
        assert server.count("POST", SUBMIT) == 0
    (small / "ballast").unlink()
    server.on("GET", "/uploads", Answer(body={"data": policy(server)}))
    (made,) = run(server.base_url, tmp_path, small, upload="oss")
    assert Path(made["path"]).read_bytes() == clip
    assert server.count("POST", SUBMIT) == 1
    json.dumps(said)
