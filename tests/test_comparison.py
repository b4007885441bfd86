"""Clips side by side: what they may be given as, what differs, and what the page holds."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbconvert import LatexExporter
from PIL import Image
from windows import NASTY, PROMPT, Page, assert_harmless, film_at, finished, request, result_of, told

import wan_notebook as wan
from wan_notebook.errors import InvalidRequestError
from wan_notebook.hall.exhibits import Exhibit, exhibited
from wan_notebook.ledger.store import Ledger
from wan_notebook.record.footage import probe_clip
from wan_notebook.record.provenance import build_record
from wan_notebook.record.sidefiles import side_file
from wan_notebook.simulator import Simulator
from wan_notebook.windows.comparison import APART, Comparison
from wan_notebook.windows.rendering import bundle

if TYPE_CHECKING:
    from pathlib import Path

    from kernels import LiveKernel

SCRIPT = files("wan_notebook.windows").joinpath("together.js").read_text("utf-8")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips") / "wan_outputs"
    return [film_at(folder / f"cat-{number}.mp4", frames=6 + number) for number in range(3)]


def record_of(path: Path, folder: Path, number: int = 0, **changes: Any) -> dict[str, Any]:
    seed = 40 + number
    sent = {
        "model": "wan2.6-i2v-flash",
        "input": {"prompt": changes.pop("prompt", PROMPT)},
        "parameters": {"resolution": changes.pop("resolution", "720P"), "duration": 5, "audio": False, "seed": seed},
    }
    update = finished(probe_clip(path), folder, sent=sent, **{"seed": seed, "run_id": f"run-{number}", **changes})
    return build_record(update, versions={})


def compared(clips: list[Path], *changes: dict[str, Any]) -> Comparison:
    folder = clips[0].parent.parent
    records = [
        record_of(path, folder, number, **more)
        for number, (path, more) in enumerate(zip(clips, changes or [{}] * 3, strict=False))
    ]
    return Comparison(tuple(shown(one, folder) for one in records))


def shown(given: object, folder: Path) -> Any:
    return exhibited(given, ledger=Ledger(folder / "state"), folder=folder)


def test_only_what_differs_is_told_of_each_and_the_rest_once(clips: list[Path]) -> None:
    made = compared(clips, {}, {"resolution": "1080P"}, {})
    assert made.differing == {"resolution": ("720P", "1080P", "720P"), "seed": ("40", "41", "42")}
    assert made.shared["prompt"] == PROMPT
    assert {"model", "duration", "audio", "region"} <= made.shared.keys()
    assert str(made).splitlines()[1] == "2 cat · wan_outputs/cat-1.mp4 · resolution 1080P · seed 41"


def test_the_page_holds_a_player_for_each_clip_one_script_and_a_picture_for_other_viewers(clips: list[Path]) -> None:
    bundle = compared(clips)._repr_mimebundle_()
    page = assert_harmless(bundle, lines=True, script=SCRIPT)
    videos = [attributes for tag, attributes in page.elements if tag == "video"]
    assert [video["src"] for video in videos] == [f"wan_outputs/cat-{n}.mp4" for n in range(3)]
    assert all("muted" in video for video in videos)  # none of them has a sound
    assert APART in page.text  # the script takes it away
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/jpeg"])))
    assert picture.format == "JPEG"
    assert picture.width == 960


def test_a_single_clip_needs_no_script(clips: list[Path]) -> None:
    assert APART not in assert_harmless(compared(clips[:1])._repr_mimebundle_(), lines=True).text


def test_words_of_a_record_never_become_markup(clips: list[Path]) -> None:
    folder = clips[0].parent.parent
    nasty = "".join(character for character in NASTY if character.isprintable())
    records = [record_of(path, folder, n, name=nasty, prompt=f"{nasty}{n}") for n, path in enumerate(clips)]
    made = Comparison(tuple(shown(one, folder) for one in records))
    page = assert_harmless(made._repr_mimebundle_(), lines=True, script=SCRIPT)
    assert "<script>alert(1)</script>" in page.text


def test_a_clip_may_be_a_file_with_or_without_its_record_a_record_or_a_result(clips: list[Path]) -> None:
    folder = clips[0].parent.parent
    side = side_file(record_of(clips[0], clips[0].parent), clips[0])
    try:
        for given in (clips[0], str(clips[0]), "wan_outputs/cat-0.mp4", side):
            one = shown(given, folder)
            assert (one.values["seed"], one.film.clip.path, one.problem) == ("40", clips[0], "")
    finally:
        side.unlink()
    bare = shown(clips[1], folder)
    assert bare.values == {}
    assert "no record lies beside it" in bare.problem
    record = record_of(clips[2], folder, 2)
    assert shown(record, folder).film.clip.path == clips[2]
    assert shown(result_of(probe_clip(clips[2]), record), folder).values["seed"] == "42"


@pytest.mark.parametrize("planted", ["../secret.mp4", "/etc/passwd", "wan_outputs/cat-1.mp4"])
def test_of_a_record_only_the_very_file_inside_the_folder_is_opened(clips: list[Path], planted: str) -> None:
    folder = clips[0].parent.parent
    record = record_of(clips[0], folder)
    record["clip"]["path"] = planted
    one = shown(record, folder)
    assert one.film is None
    assert one.problem
    assert "<video" not in Comparison((one,))._repr_mimebundle_()["text/html"]


def test_a_private_prompt_is_told_apart_by_its_digest_alone(clips: list[Path]) -> None:
    folder = clips[0].parent.parent
    records = [record_of(p, folder, n, prompt=f"secret {n}", private=True) for n, p in enumerate(clips[:2])]
    made = Comparison(tuple(shown(one, folder) for one in records))
    assert "secret" not in json.dumps(made._repr_mimebundle_())
    assert all(re.fullmatch(r"private \(sha256 [0-9a-f]{12}…\)", value) for value in made.differing["prompt"])


def test_what_is_no_clip_is_refused_with_all_the_others(clips: list[Path], in_folder: Path) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        wan.compare([str(clips[0]), "run-unknown", 7, {"run_id": "x"}])
    assert len(refused.value.problems) == 3
    for wrong in ([], ()):
        with pytest.raises(InvalidRequestError, match="nothing to compare"):
            wan.compare(wrong)
    with pytest.raises(InvalidRequestError, match="out of range"):
        wan.compare([str(clips[0])], columns=0)


def test_several_may_be_given_without_a_list_and_too_many_are_said(clips: list[Path], in_folder: Path) -> None:
    assert len(wan.compare(*map(str, clips)).exhibits) == 3
    many = wan.compare([str(clips[0])] * 20)
    assert len(many.exhibits) == 16
    assert "4 more are not shown" in str(many)
    assert many.differing == {}
    assert "no known parameter differs" in Page(many._repr_mimebundle_()).text


def test_a_clip_that_is_not_there_yet_or_any_more_is_said(clips: list[Path]) -> None:
    made = compared(clips)
    gone = dataclasses.replace(made.exhibits[0], film=None, problem="its file is gone: cat-0.mp4")
    page = assert_harmless(Comparison((gone, made.exhibits[1]))._repr_mimebundle_(), lines=True)
    assert "its file is gone: cat-0.mp4" in page.text
    assert told().state.value not in page.text
    assert request().model in page.text


@pytest.mark.parametrize(
    "place", ["request", "inputs", "cost", "clip", "name", "region", "request.sent", "request.asked"]
)
@pytest.mark.parametrize("junk", [7, "x", ["x"], {"x": {"y": 1}}, [{"role": ["a"], "sha256": 5, "url": 3}]])
def test_a_record_that_anybody_wrote_is_shown_for_what_it_says_or_not_at_all(
    clips: list[Path], place: str, junk: object
) -> None:
    folder = clips[0].parent.parent
    record = record_of(clips[0], folder)
    holder, _, name = place.rpartition(".")
    (record[holder] if holder else record)[name] = junk
    assert_harmless(Comparison((shown(record, folder),))._repr_mimebundle_(), lines=True)


@pytest.mark.full
def test_jobs_that_are_under_way_join_when_their_clips_are_there(kernel: LiveKernel) -> None:
    with Simulator(speed=10, render="shape") as service:
        where = {"DASHSCOPE_HTTP_BASE_URL": service.base_url, "DASHSCOPE_API_KEY": "sk-compare-0123456789"}
        kernel.run(f"import os; os.environ.update({where!r})\n%load_ext wan_notebook\nimport wan_notebook as wan")
        ask = "prompt='It turns.', image='images/chelsea.png', duration=2, audio=False"
        with service.hold_submits():  # neither can be there before they are compared
            kernel.run(f"jobs = [wan.submit({ask}, seed=seed) for seed in (1, 2)]")
            cell = kernel.run("wan.compare(jobs)")
        page = cell.bundles[0]["text/html"]
        assert ("<video" in page, page.count("under way")) == (False, 2)
        assert "seed" in cell.bundles[0]["text/plain"]
        assert "image" not in cell.bundles[0]["text/plain"]  # it is the same, prepared yet or not
        kernel.until(lambda: cell.bundles[0]["text/html"].count("<video") == 2)
    assert "under way" not in cell.bundles[0]["text/html"]
    assert cell.error is None


def test_two_pictures_of_one_name_are_told_apart_by_their_digests() -> None:
    def one(image: str) -> Exhibit:
        return Exhibit("cat", None, {"image": image}, "under way")

    same = Comparison((one("a.png (00000000…)"), one("a.png")))  # the second is not read yet
    assert (same.differing, same.shared) == ({}, {"image": "a.png (00000000…)"})
    two = Comparison((one("a.png (00000000…)"), one("a.png (11111111…)"), one("a.png")))
    assert two.differing == {"image": ("a.png (00000000…)", "a.png (11111111…)", "a.png")}
    names = Comparison((one("a.png (00000000…)"), one("b.png (11111111…)")))
    assert names.differing == {"image": ("a.png", "b.png")}


def test_a_pdf_shows_the_posters_of_a_card_and_of_a_comparison(clips: list[Path]) -> None:
    shown = [bundle(finished(probe_clip(clips[0]), clips[0].parent.parent)), compared(clips)._repr_mimebundle_()]
    notebook = nbformat.v4.new_notebook()
    outputs = [nbformat.v4.new_output("display_data", data=data) for data in shown]
    notebook.cells = [nbformat.v4.new_code_cell("wan.compare(jobs)", outputs=outputs)]
    source, resources = LatexExporter().from_notebook_node(notebook)
    assert list(resources["outputs"].values()) == [base64.b64decode(data["image/jpeg"]) for data in shown]
    assert all(name in source for name in resources["outputs"])
