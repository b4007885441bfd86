"""The finished clip as people see it."""

from __future__ import annotations

import base64
import dataclasses
import functools
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from windows import TASK_ID, Page, assert_harmless, clip_at, finished, result_of

from wan_notebook.tasks import Clip
from wan_notebook.windows.rendering import bundle, video_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return clip_at(tmp_path / "wan_outputs" / "cat-20261123-192501.mp4")


@settings(max_examples=60, deadline=None)
@given(name=st.text(st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_the_link_leads_to_the_file_whatever_it_is_called(name: str) -> None:
    folder = Path("/notebooks")  # no file need exist for a link
    made = Clip(folder / "wan_outputs" / f"{name}.mp4", "ab" * 32, 9, 960, 640, 5.0, 30.0, "h264", None)
    source = assert_harmless(bundle(finished(made, folder))).first("video")["src"] or ""
    assert re.fullmatch(r"[A-Za-z0-9_.~%/-]+", source)
    assert unquote(source) == f"wan_outputs/{name}.mp4"


def test_the_finished_clip_is_a_video_with_its_facts(clip: Clip, tmp_path: Path) -> None:
    shown = bundle(finished(clip, tmp_path, queue_seconds=12, run_seconds=55, finished_at="2026-11-23T19:26:14Z"))
    page = assert_harmless(shown)
    video = page.first("video")
    assert video["src"] == "wan_outputs/cat-20261123-192501.mp4"
    assert "controls" in video
    assert video["preload"] == "metadata"
    assert video["title"] == "Video cat: 960×640, 5.0 s, 30 fps, H.264, silent"
    assert base64.b64decode((video["poster"] or "").partition(",")[2]) == clip.poster
    assert base64.b64decode(shown["image/jpeg"]) == clip.poster
    for fact in ("0.125 USD · 5 s billed · Singapore · price table of 2026-05-26", "1.9 MB", "ab12ab12ab12…", TASK_ID):
        assert fact in page.text
    for fact in (
        "queued 0:12, ran 0:55 by the service's clock",
        "in all 0:42 here",
        "finished 2026-11-23 19:26 UTC",
        "not a bit-identical clip",
    ):
        assert fact in page.text
    assert "A tabby cat by a sunlit window turns its head." in page.text
    assert page.first("a")["href"] == video["src"]
    assert shown["text/plain"] == (
        f"cat: wan_outputs/cat-20261123-192501.mp4 · 960x640, 5.0 s, 30 fps, H.264, silent · 0.125 USD · task {TASK_ID}"
    )


def test_a_clip_that_was_made_before_tells_only_the_times_of_its_making(clip: Clip, tmp_path: Path) -> None:
    times = {"queue_seconds": 12, "run_seconds": 55, "elapsed_seconds": 0.2, "from_run": "run-1", "simulated": True}
    page = Page(bundle(finished(clip, tmp_path, **times)))
    assert "queued 0:12, ran 0:55 by the simulator's clock" in page.text
    assert "in all" not in page.text


def test_without_a_poster_there_is_no_picture(clip: Clip, tmp_path: Path) -> None:
    shown = bundle(finished(dataclasses.replace(clip, poster=None), tmp_path))
    assert "image/jpeg" not in shown
    assert "poster" not in Page(shown).first("video")


@pytest.mark.parametrize(("width", "height"), [(720, 1280), (1280, 720), (96, 64)])
def test_a_clip_is_shown_in_its_shape_and_never_larger_than_a_screen(
    clip: Clip, tmp_path: Path, width: int, height: int
) -> None:
    video = Page(bundle(finished(dataclasses.replace(clip, width=width, height=height), tmp_path))).first("video")
    shown = int(video["width"] or 0), int(video["height"] or 0)
    assert shown[0] <= min(720, width)
    assert shown[1] <= min(480, height)
    assert shown[0] / shown[1] == pytest.approx(width / height, rel=0.01)
    assert "max-width:100%" in (video["style"] or "")


def test_a_clip_outside_the_notebooks_folder_is_linked_upwards_and_its_folder_not_named(tmp_path: Path) -> None:
    shown = bundle(finished(clip_at(tmp_path / "elsewhere" / "cat.mp4"), tmp_path / "notebooks"))
    assert Page(shown).first("video")["src"] == "../elsewhere/cat.mp4"
    assert shown["text/plain"].startswith("cat: cat.mp4 · ")
    assert str(tmp_path) not in shown["text/html"] + shown["text/plain"]


def test_a_folder_reached_through_a_link_stays_a_short_path(tmp_path: Path) -> None:
    real = tmp_path / "scratch" / "notebooks"
    made = clip_at(real / "wan_outputs" / "cat.mp4")
    (tmp_path / "home").symlink_to(real)
    assert Page(bundle(finished(made, tmp_path / "home"))).first("video")["src"] == "wan_outputs/cat.mp4"


def test_a_small_file_is_embedded_only_when_asked_and_then_not_linked(clip: Clip, tmp_path: Path) -> None:
    update, size = finished(clip, tmp_path), clip.path.stat().st_size
    assert Page(bundle(update, embed_limit=size - 1)).first("video")["src"] == "wan_outputs/cat-20261123-192501.mp4"
    page = assert_harmless(bundle(update, embed_limit=size))
    kind, _, data = (page.first("video")["src"] or "").partition(",")
    assert (kind, base64.b64decode(data)) == ("data:video/mp4;base64", clip.path.read_bytes())
    assert not page.has("a")
    assert "cat-20261123-192501.mp4" in page.text


def test_nothing_above_20_megabytes_is_ever_embedded(clip: Clip, tmp_path: Path) -> None:
    with clip.path.open("wb") as file:
        file.truncate(20_000_001)
    source = Page(bundle(finished(clip, tmp_path), embed_limit=10**12)).first("video")["src"] or ""
    assert source.startswith("wan_outputs/")


def test_a_clip_that_was_moved_away_keeps_its_link(clip: Clip, tmp_path: Path) -> None:
    clip.path.unlink()
    assert Page(bundle(finished(clip, tmp_path), embed_limit=10**6)).first("video")["src"]


def test_a_result_shows_itself_with_nothing_but_itself(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = result_of(clip, {"name": "cat", "simulated": True})
    page = assert_harmless(video_bundle(result))
    assert page.first("video")["src"] == "wan_outputs/cat-20261123-192501.mp4"
    assert "simulated — not a real Wan clip" in page.text


def test_the_way_a_result_shows_itself_survives_pickling(clip: Clip, tmp_path: Path) -> None:
    show = pickle.loads(pickle.dumps(functools.partial(video_bundle, folder=tmp_path)))  # noqa: S301  our own bytes
    shown: dict[str, Any] = dataclasses.replace(result_of(clip, {}), show=show)._repr_mimebundle_()
    kinds: Sequence[str] = sorted(shown)
    assert kinds == ["image/jpeg", "text/html", "text/plain"]
    assert shown["text/plain"].startswith("wan: wan_outputs/cat-20261123-192501.mp4 · ")
