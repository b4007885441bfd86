"""What may be handed over as a first frame: odd names, arrays, figures."""

from __future__ import annotations

import io
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw

from wan_notebook.errors import InvalidRequestError
from wan_notebook.media import intake
from wan_notebook.media.intake import find_file, look_in, snapshot
from wan_notebook.media.medium import measure
from wan_notebook.media.preparation import prepare

if TYPE_CHECKING:
    from pathlib import Path

ODD = ["cat 1.png", "a+b.png", "cat#1.png", "%41.png", "A%2Bb c.png", "猫と犬.png", "été.png", "a&b=c?.png", "it's.png"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def put(path: Path) -> Path:
    """A picture that differs from any other by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (300, 250), "white")
    ImageDraw.Draw(image).text((10, 10), path.name.encode("ascii", "replace").decode())
    image.save(path)
    return path


def fix_of(source: object) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        measure(source)
    return f"{caught.value.problems[0].problem}. {caught.value.problems[0].fix}"


# --- paths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ODD)
def test_a_name_is_taken_as_it_stands_however_odd(folder: Path, name: str) -> None:
    path = put(folder / "pictures" / name)
    ways = [f"pictures/{name}", f"./pictures/{name}", str(path), f"~/pictures/{name}", f"file://./pictures/{name}"]
    ways += [f"file://{path}", f"file://localhost{path}", f"file:{path}", f"FILE://{path}", path.as_uri()]
    for way in ways:
        assert find_file(way) == path, way
    assert snapshot(path) == str(path)


def test_percent_signs_mean_themselves_where_such_a_file_exists(folder: Path) -> None:
    literal, decoded = put(folder / "%41.png"), put(folder / "A.png")
    assert find_file("%41.png") == find_file(f"file://{folder}/%41.png") == literal
    assert find_file("A.png") == decoded
    literal.unlink()
    assert find_file(f"file://{folder}/%41.png") == decoded
    assert "no such file" in fix_of("%41.png")


@pytest.mark.parametrize("way", ["file://D:/pictures/x.png", "file:///D:/pictures/x.png", r"D:\pictures\x.png"])
def test_addresses_with_a_windows_drive_have_two_or_three_slashes(folder: Path, way: str) -> None:
    path = put(folder / "D:" / "pictures" / "x.png")  # what the path means where there are no drives
    assert find_file(way) == path


@pytest.mark.skipif(sys.platform == "win32", reason="there are drives")
@pytest.mark.parametrize("way", ["file://D:/nowhere/x.png", r"C:\nowhere\x.png", "c:/x.png"])
def test_a_windows_path_on_a_machine_without_drives_is_named(folder: Path, way: str) -> None:
    assert "it is a Windows path" in fix_of(way)


def test_backslashes_separate_folders_on_every_machine(folder: Path) -> None:
    path = put(folder / "pictures" / "new cat.png")
    assert find_file(r"pictures\new cat.png") == path
    assert "write r'…'" in fix_of("pictures\new cat.png")
    if sys.platform != "win32":
        itself = put(folder / "a\\b.png")
        assert find_file("a\\b.png") == itself


def test_a_name_with_accents_is_found_however_the_disk_composes_them(folder: Path) -> None:
    typed = "été.png"
    path = put(folder / unicodedata.normalize("NFD", typed))
    assert find_file(unicodedata.normalize("NFC", typed)).samefile(path)


def test_the_notebooks_folder_comes_after_the_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_also", [])
    beside, other = put(folder / "notebook" / "cat.png"), folder / "elsewhere"
    other.mkdir()
    monkeypatch.chdir(other)
    assert "no such file" in fix_of("cat.png")
    look_in(folder / "notebook")
    assert find_file("cat.png") == beside
    assert find_file("cat.png", other / ".." / "elsewhere") == beside
    own = put(other / "cat.png")
    assert find_file("cat.png") == own


def test_a_clip_given_as_a_path_is_told_to_be_a_video(folder: Path) -> None:
    (folder / "cat.mp4").write_bytes(b"\0\0\0\x1cftypisom" + bytes(100))
    assert "a video. Take one of its frames" in fix_of("cat.mp4")


# --- arrays ----------------------------------------------------------------------------------------------------------


def pixels(source: object) -> np.ndarray:
    sent = prepare(measure(source))
    return np.asarray(Image.open(io.BytesIO(sent.data or b"")))


GREY = np.linspace(0, 1, 240 * 320).reshape(240, 320)
COLOURS = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)


@pytest.mark.parametrize("type_", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("array", [GREY, GREY[:, :, None], COLOURS], ids=["grey", "grey with an axis", "RGB"])
def test_floats_from_0_to_1_become_0_to_255(array: np.ndarray, type_: type) -> None:
    expected = np.round(array.squeeze() * 255)
    assert np.abs(pixels(array.astype(type_)).astype(float) - expected).max() <= 1
    assert (pixels((array * 255).astype(np.uint8)) == (array * 255).astype(np.uint8).squeeze()).all()


def test_the_alpha_of_an_array_is_laid_on_white() -> None:
    rgba = np.concatenate([COLOURS, np.zeros((240, 320, 1))], axis=-1)
    for array in (rgba, (rgba * 255).astype(np.uint8)):
        assert measure(array).has_alpha
        assert (pixels(array) == 255).all()


def test_an_array_may_be_any_view_and_changes_nothing_later() -> None:
    array = (COLOURS * 255).astype(np.uint8)
    facts, before = measure(array[::-1]), array[::-1].copy()
    array[:] = 0
    assert (np.asarray(Image.open(io.BytesIO(prepare(facts).data or b""))) == before).all()
    assert measure(COLOURS + 1e-4).size == (320, 240)  # what resizing leaves behind


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (COLOURS * 255, "its floats go from 0 to 255"),
        (COLOURS - 0.5, "its floats go from -0.5 to 0.5"),
        (np.full((240, 320), np.nan), "its floats go from nan to nan"),
        ((COLOURS * 255).astype(np.int64), "its values are of type int64"),
        ((COLOURS * 255).astype(np.uint16), "its values are of type uint16"),
        (COLOURS.transpose(2, 0, 1), "array.transpose(1, 2, 0)"),
        (np.zeros((1, 3, 240, 320)), "uint8"),
        (np.zeros(5), "uint8"),
        (np.zeros((0, 0, 3), np.uint8), ""),
        (np.array([[object()]]), "uint8"),
    ],
)
def test_an_array_that_is_no_picture_is_refused_with_what_would_be(array: np.ndarray, words: str) -> None:
    assert words in fix_of(array)


# --- figures ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plot() -> object:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 3), dpi=100)
    figure.subplots().plot([1, 2], [2, 1], linewidth=20, color="red")
    return figure


def test_a_figure_its_axes_and_its_subfigures_are_drawn(plot) -> None:
    (axes,) = plot.axes
    for source in (plot, axes, axes.lines[0]):
        facts = measure(source)
        assert (facts.kind, facts.size, facts.has_alpha) == ("pixels", (400, 300), False)
        assert (255, 0, 0) in {colour for _, colour in facts.source.getcolors(400 * 300)}
    inner = plot.subfigures()
    assert measure(inner).size == (400, 300)


def test_a_figure_that_cannot_be_drawn_is_refused() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0.5, 0.5, r"$\nonsense{$")
    assert "no picture can be made of it" in fix_of(figure)


def test_neither_numpy_nor_matplotlib_is_imported_for_a_picture(photos: Path) -> None:
    code = (
        "import sys; from wan_notebook.media.medium import measure\n"
        "from wan_notebook.media.preparation import prepare\n"
        "from PIL import Image\n"
        f"prepare(measure({str(photos / 'rocket.jpg')!r})); prepare(measure(Image.new('RGB', (300, 300))))\n"
        "print({'numpy', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
