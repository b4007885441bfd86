"""Embedded videos are taken out of a notebook; everything else in it stays as it was."""

from __future__ import annotations

import base64
import copy
import hashlib
import json

import pytest
from records import MIME, record

from wan_notebook.errors import WanError
from wan_notebook.record.embeds import strip

CLIP = b"\0\0\0\x18ftypmp42 a clip" * 50
PLAYER = '<figure><video controls src="data:video/mp4;base64,{}" poster="data:image/jpeg;base64,AAAA"></video></figure>'
EMBEDDED = PLAYER.format(base64.b64encode(CLIP).decode())


def notebook(*outputs):
    cell = {"cell_type": "code", "id": "a", "metadata": {"tags": ["x"]}, "source": "1", "execution_count": 1}
    return {"cells": [{**cell, "outputs": list(outputs)}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def shown(page, **more):
    return {"output_type": "display_data", "metadata": {}, "data": {"text/html": page, "text/plain": "cat", **more}}


def made(path="wan_outputs/1 cat.mp4", sha256=None):
    return record("a", state="downloaded", clip={"path": path, "sha256": sha256 or hashlib.sha256(CLIP).hexdigest()})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "nb" / "wan_outputs").mkdir(parents=True)
    (tmp_path / "nb" / "wan_outputs" / "1 cat.mp4").write_bytes(CLIP)
    (tmp_path / "secret.mp4").write_bytes(CLIP)
    return tmp_path / "nb"


def stripped(folder, before, **options):
    path = folder / "n.ipynb"
    path.write_text(json.dumps(before, indent=1) + "\n")
    report = strip(path, **options)
    return report, json.loads((report.path).read_text())


def test_a_video_whose_clip_lies_there_is_linked_to_it_and_its_record_stays(folder):
    before = notebook(shown(EMBEDDED, **{MIME: made()}))
    report, after = stripped(folder, before)
    data = after["cells"][0]["outputs"][0]["data"]
    assert data["text/html"] == EMBEDDED.replace(
        f"data:video/mp4;base64,{base64.b64encode(CLIP).decode()}", "wan_outputs/1%20cat.mp4"
    )
    assert data[MIME] == made()
    expected = copy.deepcopy(before)
    expected["cells"][0]["outputs"][0]["data"]["text/html"] = data["text/html"]
    assert after == expected
    assert (report.videos, report.kept) == (1, 0)
    assert report.saved > len(CLIP)


@pytest.mark.parametrize(
    "clip",
    [
        made("../secret.mp4"),
        made("wan_outputs/../../secret.mp4"),
        made("/etc/passwd"),
        made(sha256="0" * 64),
        made("wan_outputs/none.mp4"),
        made("C:/secret.mp4"),
        record("a"),
        {"no": "record"},
    ],
)
def test_a_record_that_names_anything_else_is_not_believed(folder, clip):
    before = notebook(shown(EMBEDDED, **{MIME: clip}))
    report, after = stripped(folder, before)
    assert after == before, "it may be the last copy"
    assert (report.videos, report.kept) == (0, 1)
    assert "--all" in str(report)
    report, after = stripped(folder, before, everything=True)
    page = after["cells"][0]["outputs"][0]["data"]["text/html"]
    assert "src" not in page
    assert 'poster="data:image/jpeg' in page
    assert (report.videos, report.kept) == (1, 0)


def test_a_video_of_somebody_else_stays_and_one_of_a_clip_goes_wherever_it_is_shown(folder):
    own = PLAYER.format(base64.b64encode(b"an animation").decode())
    video = base64.b64encode(CLIP).decode()
    before = notebook(shown(own), shown(EMBEDDED), shown("x", **{"video/mp4": video, MIME: made()}))
    report, after = stripped(folder, before)
    first, second, third = (output["data"] for output in after["cells"][0]["outputs"])
    assert first["text/html"] == own
    assert 'src="wan_outputs/1%20cat.mp4"' in second["text/html"]
    assert "video/mp4" not in third
    assert (report.videos, report.kept) == (2, 1)


def test_other_forms_of_an_embedded_video_go_too(folder):
    pages = ["<video>\n", f"<source src='data:video/mp4;base64,{'A' * 100}' type='video/mp4'>\n", "</video>"]
    before = notebook(shown(pages), shown("x", **{"video/mp4": "AAAA"}), {"output_type": "stream", "text": EMBEDDED})
    report, after = stripped(folder, before, everything=True)
    first, second, third = after["cells"][0]["outputs"]
    assert first["data"]["text/html"] == ["<video>\n", "<source type='video/mp4'>\n", "</video>"]
    assert "video/mp4" not in second["data"]
    assert third["text"] == EMBEDDED
    assert report.videos == 2


def test_a_notebook_without_videos_is_not_written(folder):
    path = folder / "n.ipynb"
    path.write_text(json.dumps(notebook(shown("<b>x</b>"))))
    before = path.stat().st_mtime_ns
    assert strip(path).videos == 0
    assert path.stat().st_mtime_ns == before


def test_the_result_can_go_elsewhere_and_a_broken_file_is_refused(folder):
    path = folder / "n.ipynb"
    path.write_text(json.dumps(notebook(shown(EMBEDDED))))
    strip(path, folder / "out.ipynb", everything=True)
    assert "base64" in path.read_text()
    assert "data:video" not in (folder / "out.ipynb").read_text()
    path.write_text("{")
    with pytest.raises(WanError, match="not JSON"):
        strip(path)
