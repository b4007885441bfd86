"""Saved clips at a glance, from the ledger; and a clip by its run."""

from __future__ import annotations

import base64
import io
import time
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from windows import NASTY, assert_harmless, film_at

import wan_notebook as wan
from wan_notebook.doors.looking import shown
from wan_notebook.errors import InvalidRequestError, WanError
from wan_notebook.hall.session import session
from wan_notebook.ledger.runs import Run
from wan_notebook.record.footage import probe_clip

if TYPE_CHECKING:
    from pathlib import Path

PAID = {"amount": "0.25", "currency": "USD", "estimated": False, "simulated": False, "model": "wan2.6-i2v-flash"}


@pytest.fixture
def runs(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fourteen clips, of which one is simulated and the file of another is gone; and what is no clip of its own."""
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(in_folder / "home"))
    path = film_at(in_folder / "wan_outputs" / "cat.mp4", frames=3)
    kept = {"clip_path": str(path), "clip_sha256": probe_clip(path).sha256, "clip_bytes": path.stat().st_size}
    rows = [Run(f"run-{n}", "downloaded", 1e9 + n, name="cat", **PAID, **kept) for n in range(12)]
    rows += [
        Run("run-played", "downloaded", 2e9, name="dog", **{**PAID, "simulated": True}, **kept),
        Run("run-gone", "downloaded", 3e9, name="dog", **PAID, **{**kept, "clip_path": str(in_folder / "gone.mp4")}),
        Run("run-shown-again", "downloaded", 4e9, name="cat", **PAID, **kept, from_run="run-1"),
        Run("run-failed", "failed", 5e9, name="cat", **PAID),
    ]
    for row in rows:
        session().ledger.add(row)
    return [row.run_id for row in rows]


def test_the_gallery_shows_posters_newest_first_page_by_page(runs: list[str]) -> None:
    first = wan.gallery()
    assert list(first)[:3] == ["run-gone", "run-played", "run-11"]
    assert (len(first), list(wan.gallery(page=2)), len(wan.gallery(page=3))) == (12, ["run-1", "run-0"], 0)
    bundle = first._repr_mimebundle_()
    page = assert_harmless(bundle, lines=True)
    posters = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(posters) == 11
    assert not page.has("video")
    assert page.first("a")["href"] == "wan_outputs/cat.mp4"
    for said in ("its file is gone: gone.mp4", 'wan.clip("run-11")', "0.25 USD", "2001-09-09 01:46 UTC", "--page 2"):
        assert said in page.text
    assert "1 to 12, newest first" in page.text
    assert Image.open(io.BytesIO(base64.b64decode(bundle["image/jpeg"]))).width == 960
    assert "There are more" not in str(wan.gallery(page=2))


def test_it_can_be_filtered_in_a_line(runs: list[str], in_folder: Path) -> None:
    assert list(shown("--simulated")) == ["run-played"]
    assert list(shown("--no-simulated --name dog")) == ["run-gone"]
    assert str(shown("--model other --name cat")).splitlines() == [
        "No saved clips with name cat, model other",
        "Nothing is known of a model other.",
    ]
    meant = "Nothing is known of a model wan2.6-i2v-flsh. Did you mean wan2.6-i2v-flash?"
    assert meant in str(shown("--model wan2.6-i2v-flsh"))
    session().ledger.add(Run("run-own", "downloaded", 1e8, **{**PAID, "model": "acme-i2v-large"}))
    assert "Did you mean acme-i2v-large?" in wan.gallery(model="acme-i2v-lagre")._repr_mimebundle_()["text/html"]
    assert str(shown("--model wan2.2-i2v-flash")) == "No saved clips with model wan2.2-i2v-flash"
    assert str(shown("--page 9")) == "No page 9: there are 2 pages of saved clips"
    assert str(shown("--page 2 --name dog")) == "No page 2: there is 1 page of saved clips with name dog"
    assert list(shown("--since 2030-01-01 --per-page 5")) == ["run-gone", "run-played"]
    assert list(shown("--per-page 2 --page 2")) == ["run-11", "run-10"]
    for line in ("--page 0", "--page x", "--per-page 49", "--since never", "--pag 2"):
        with pytest.raises(InvalidRequestError):
            shown(line)


def test_a_notebook_shows_each_of_its_clips_once_also_one_that_another_notebook_paid_for(
    runs: list[str], in_folder: Path
) -> None:
    ledger = session().ledger
    paid = ledger.run("run-1")
    assert paid is not None
    for number in range(2):
        again = {"folder": str(in_folder / "other"), "from_run": "run-1", "clip_path": paid.clip_path}
        ledger.add(Run(f"run-again-{number}", "downloaded", 6e9 + number, **PAID, **again))
    assert list(wan.gallery(notebook="other")) == ["run-again-1"]
    assert "run-again-1" not in list(wan.gallery(per_page=48))


def test_names_of_the_ledger_never_become_markup(runs: list[str]) -> None:
    session().ledger.update("run-3", name=NASTY.encode(errors="replace").decode(), created_at=time.time())
    page = assert_harmless(wan.gallery(per_page=3)._repr_mimebundle_(), lines=True)
    assert "<script>alert(1)</script>" in page.text


def test_a_clip_is_had_by_its_run(runs: list[str], in_folder: Path) -> None:
    found = wan.clip("run-2")
    assert found.path == in_folder / "wan_outputs" / "cat.mp4"
    assert str(found.cost) == "0.25 USD"
    assert assert_harmless(found._repr_mimebundle_()).first("video")["src"] == "wan_outputs/cat.mp4"
    for run, why in (("run-gone", "gone.mp4"), ("run-failed", "no saved clip"), ("run-unknown", "knows no run")):
        with pytest.raises(WanError, match=why):
            wan.clip(run)
    made = wan.compare(wan.gallery(page=2))
    assert [exhibit.problem for exhibit in made.exhibits] == ["", ""]
    assert "its file is gone" in wan.compare("run-gone").exhibits[0].problem
