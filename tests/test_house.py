"""The house: names that exist, rooms of a size, one declaration of each parameter."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import wan_notebook as wan
from wan_notebook.doors.options import parse
from wan_notebook.request.declaration import I2VRequest, parameters

ROOT = Path(__file__).parent.parent
ROOMS = sorted((ROOT / "wan_notebook").rglob("*.py"))


def test_every_public_name_is_there_and_documented():
    for name in wan.__all__:
        assert getattr(wan, name) is not None
        if name != "__version__":
            assert (getattr(wan, name).__doc__ or "").strip(), name
    assert dir(wan) == sorted(wan.__all__)


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.relative_to(ROOT / "wan_notebook").as_posix())
def test_no_room_is_larger_than_300_lines(room):
    assert len(room.read_text(encoding="utf-8").splitlines()) <= 300


def test_importing_the_package_imports_nothing_else():
    heavy = ["httpx", "pydantic", "PIL", "av", "ipywidgets", "IPython", "nbformat", "nest_asyncio", "asyncio", "click"]
    code = f"import sys, wan_notebook; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_parameter_is_declared_once_and_everything_else_is_generated():
    names = [info.name for info in parameters()]
    assert names == list(I2VRequest.model_fields)
    for info in parameters():
        assert info.help
        assert info.where in ("model", "input", "parameters", "frame")
    line = parse("x " + " ".join(f"--{n.replace('_', '-')} 1" for n in names if n not in ("prompt", *flags())), str)
    assert set(line.fields) == set(names) - {"prompt", *flags()}


def flags():
    return {info.name for info in parameters() if info.kind == "flag"}


def test_the_readme_draws_every_room_on_its_floor():
    """In the order of the stairs, which ``lint-imports`` keeps."""
    picture = (ROOT / "README.md").read_text(encoding="utf-8").partition("## How it is built")[2].split("```")[1]
    drawn: dict[str, list[str]] = {}
    for line in picture.strip().splitlines():
        name = line.split()[0]
        if line[0] == " ":
            drawn[list(drawn)[-1]] += line.split()
        else:
            drawn[name] = []
    house = ROOT / "wan_notebook"
    for floor in (path for path in house.iterdir() if (path / "__init__.py").exists() and path.name != "simulator"):
        assert drawn[f"{floor.name}/"] == sorted(room.stem for room in floor.glob("*.py") if room.stem != "__init__")
    stairs = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][
        0
    ]
    assert [*(name.rstrip("/") for name in drawn)] == [*(line.split()[0] for line in stairs["layers"]), "simulator"]


def test_the_citation_the_changelog_and_the_licence_name_the_version_that_is_here():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    said = dict(re.findall(r"(?m)^([a-z-]+): (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8")))
    assert (said["version"], said["license"]) == (project["version"], project["license"])
    assert f"## [{said['version']}] - {said['date-released']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("BSD 3-Clause License")


def test_html_is_made_in_one_room_which_escapes_whatever_it_is_given():
    for room in ROOMS:
        if room.name != "markup.py" and "simulator" not in room.parts:
            assert not re.search(
                r"\bHtml\(|html\.escape|[\"']<(div|span|p|a|table|video|b|pre)\b", room.read_text("utf-8")
            ), room
