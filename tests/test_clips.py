"""Files: the clip goes nowhere but into the chosen folder, whole or not at all; a full disk loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from caller import picture
from faults import Faulty
from hostile import PENDING, Answer, Hostile
from processes import PHOTO
from test_faults import a_clip

import wan_notebook as wan
from wan_notebook.engine.clips import check_folder, discard, keep_input, reserve, settle, stem_for
from wan_notebook.errors import ConfigurationError
from wan_notebook.media.medium import SentMedia

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-clips-0123456789abcdef"
ITEM = SentMedia(
    role="image",
    how="base64",
    name="a.png",
    mime="image/png",
    data=b"pixels",
    bytes=6,
    sha256="5" * 64,
    width=1,
    height=1,
)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/root", "a/b", "..", "C:\\x", "\0", "\u202egpj", "-rf", "x" * 500]
)
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    stem = stem_for(name, "2026-11-23T19:25:01.123Z")
    part = reserve(tmp_path, stem, "run-fedcba9876543210")
    final = settle(part, tmp_path, stem)
    assert final.parent == part.parent == tmp_path
    assert final.name.isascii()
    assert len(part.name) < 130


def test_a_name_that_is_taken_is_left_alone_even_by_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "cat.mp4").symlink_to(tmp_path.parent / "elsewhere.mp4")
    (tmp_path / "cat-2.mp4").write_bytes(b"mine")
    (tmp_path / "cat.run-1.mp4.part").symlink_to(tmp_path.parent / "elsewhere.mp4")
    part = reserve(tmp_path, "cat", "run-1")
    part.write_bytes(b"clip")
    final = settle(part, tmp_path, "cat")
    assert (final.name, final.read_bytes()) == ("cat-3.mp4", b"clip")
    assert not (tmp_path.parent / "elsewhere.mp4").exists()
    assert (tmp_path / "cat-2.mp4").read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cat-2.mp4", "cat-3.mp4", "cat.mp4"]


def test_what_a_killed_process_left_of_a_clip_is_made_anew_and_nobody_elses(tmp_path: Path) -> None:
    for name in ("cat.run-1.mp4.part", "cat.run-2.mp4.part", "cat.mp4.part"):
        (tmp_path / name).write_bytes(b"half")
    assert reserve(tmp_path, "cat", "run-1").read_bytes() == b""
    discard(tmp_path, "cat", "run-1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cat.mp4.part", "cat.run-2.mp4.part"]


def test_inputs_are_not_kept_through_a_link_that_leads_out(tmp_path: Path) -> None:
    folder, outside = tmp_path / "clips", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "inputs").symlink_to(outside)
    with pytest.raises(ConfigurationError, match="leads out"):
        keep_input(folder, ITEM)
    assert list(outside.iterdir()) == []
    (folder / "inputs").unlink()
    kept = keep_input(folder, ITEM)
    assert kept is not None
    kept.unlink()
    (outside / "target").write_bytes(b"other")
    kept.symlink_to(outside / "target")  # what stands there under this digest must be what the digest says
    assert keep_input(folder, ITEM) == kept
    assert kept.read_bytes() == b"pixels"
    assert (outside / "target").read_bytes() == b"other"
    kept.write_bytes(b"tampered")
    keep_input(folder, replace(ITEM))
    assert kept.read_bytes() == b"pixels"


@pytest.mark.parametrize("output_dir", ["~nobody-of-this-name/clips", "a\0b", "x" * 5000])
def test_a_folder_that_cannot_be_is_said_before_anything_is_sent(output_dir: str, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(picture((320, 240)))
    with Hostile() as server:
        server.on("POST", "/", Answer(body=PENDING))
        with pytest.raises(wan.WanError) as caught:
            wan.submit(
                prompt="A cat.", image=tmp_path / "photo.jpg", duration=2, audio=False, output_dir=output_dir,
                base_url=server.base_url, api_key=KEY,
            ).result(30)  # fmt: skip
        assert "nothing is billed" in str(caught.value).lower()
        assert server.asked == []


FULL = """
import json, resource, sys, time
import wan_notebook as wan
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, resource.RLIM_INFINITY))
job = wan.submit(prompt="Full.", image={photo!r}, duration=2, audio=False, base_url={base_url!r}, api_key={key!r},
                 output_dir={folder!r})
said = []
while not job.wait(0.01):
    said += [note for note in job.update.notes if note not in said]
    if {mend} and any("cannot be saved" in note for note in said):
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
error = job.exception()
print(json.dumps([str(job.state), said, error and error.message, error and error.hint, getattr(error, "url", None)]))
"""


def full(service, tmp_path, *, mend):
    (tmp_path / "photo.jpg").write_bytes(picture((320, 240)))
    most = 300_000  # the ledger and the picture fit, the clip does not
    code = FULL.format(
        photo=str(tmp_path / "photo.jpg"), base_url=service.base_url, key=KEY, folder=str(tmp_path / "clips"),
        most=most, mend=mend,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "WAN_NOTEBOOK_HOME": str(tmp_path / "home")},  # a ledger that is still small
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def large_clip():
    clip = a_clip()  # with a box of padding behind it, as an encoder may put one there
    return clip + (500_000).to_bytes(4, "big") + b"free" + bytes(500_000 - 8)


def test_a_full_disk_keeps_the_address_says_until_when_and_leaves_no_half_file(tmp_path: Path) -> None:
    with Faulty(large_clip()) as service:
        state, said, message, hint, url = full(service, tmp_path, mend=False)
        assert service.created() == 1
    assert state == "undelivered"
    assert "cannot be saved (File too large)" in message
    assert any("safe at the service until 20" in note for note in said)
    assert "The clip was made; task" in hint
    assert url.startswith(service.clips)
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["inputs"]


def test_room_that_is_made_meanwhile_is_used(tmp_path: Path) -> None:
    with Faulty(large_clip()) as service:
        state, *_ = full(service, tmp_path, mend=True)
        assert service.created() == 1
    assert state == "downloaded"
    (saved,) = (tmp_path / "clips").glob("*.mp4")
    assert saved.read_bytes() == service.clip


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        check_folder(tmp_path / "clips")


def test_a_download_that_hardly_moves_is_begun_anew_and_one_that_only_takes_long_is_not(tmp_path: Path) -> None:
    import asyncio
    import socket
    import threading

    from wan_notebook.errors import DownloadError
    from wan_notebook.service.connections import open_http
    from wan_notebook.service.downloads import download

    ok = "HTTP/1.1 200 OK\r\n"

    def serve(listener: socket.socket, begin: str, piece: bytes, pieces: int) -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(begin.encode())
        try:
            for _ in range(pieces):
                connection.sendall(piece)
                time.sleep(0.05)
        except OSError:
            pass
        connection.close()

    async def fetch(url: str, stall_seconds: float) -> tuple[int, str]:
        async with open_http("test") as http:
            return await download(
                http, url, tmp_path / "x.part", task_id="t", trusted=lambda _: True, stall_seconds=stall_seconds
            )

    for begin, piece, good in (
        (f"{ok}Content-Length: 600000\r\n\r\n", bytes(20_000), True),
        (f"{ok}Content-Length: 600000\r\n\r\n", b"x", False),
        (f"{ok}X-Long: ", b"x", False),
        (f"{ok}Transfer-Encoding: chunked\r\n\r\n1;", b"x", False),
    ):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve, args=(listener, begin, piece, 30 if good else 2000))
            thread.start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/clip.mp4"
            if good:
                assert asyncio.run(fetch(url, 1.2))[0] == 600_000
            else:
                with pytest.raises(DownloadError, match="hardly moves") as caught:
                    asyncio.run(fetch(url, 0.3))
                assert caught.value.passing
            thread.join()


@pytest.mark.parametrize("redirected", [False, True])
def test_an_address_with_an_impossible_port_is_no_end_the_next_answer_may_hold_a_good_one(
    redirected: bool, tmp_path: Path
) -> None:
    with Hostile() as server:
        impossible, good = "http://127.0.0.1:99999999/clip.mp4", f"{server.root}/clip.mp4"
        addresses = (f"{server.root}/moved", good) if redirected else (impossible, good)
        told, quick = {"task_id": "task-1", "task_status": "SUCCEEDED"}, {"X-Wan-Simulator": "speed=100"}
        server.on("POST", "/services/aigc/video-generation/video-synthesis", Answer(body=PENDING, headers=quick))
        answers = [{"output": {**told, "video_url": url}} for url in addresses]
        server.on("GET", "/tasks/task-1", *(Answer(body=body, headers=quick) for body in answers))
        server.on("GET", "/moved", Answer(302, headers={"Location": impossible}))
        server.on("GET", "/clip.mp4", Answer(body=a_clip()))
        job = wan.submit(
            prompt="A cat.", image=PHOTO, duration=2, audio=False, output_dir=tmp_path, base_url=server.base_url,
            api_key=KEY,
        )  # fmt: skip
        assert job.result(60).path.is_file()
        assert server.count("POST") == 1
