"""The plugin as it is installed: what JupyterLab and Notebook 7 will find."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from wan_notebook.notebook.formpages import FORM
from wan_notebook.record import provenance, recorder
from wan_notebook.record.provenance import MIME, SCHEMA_VERSION
from wan_notebook.tasks import JobState

ROOT = Path(__file__).parent.parent
PLUGIN = ROOT / "wan_notebook" / "labextension" / "plugin.js"
NAME = "wan-notebook"


@pytest.fixture
def installed() -> Path:
    """Where the installed distribution put the extension."""
    files = distribution(NAME).files or []
    package = next(file for file in files if str(file).endswith(f"labextensions/{NAME}/package.json"))
    return Path(str(package.locate())).resolve().parent


def test_the_script_is_installed_under_the_digest_of_its_content(installed: Path) -> None:
    load = json.loads((installed / "package.json").read_text())["jupyterlab"]["_build"]["load"]
    script = (installed / load).read_bytes()
    assert load == f"static/remoteEntry.{hashlib.sha256(script).hexdigest()[:20]}.js"
    assert [file.name for file in (installed / "static").iterdir()] == [Path(load).name]
    assert script == PLUGIN.read_bytes(), "plugin.js changed since it was installed: run `python -m pip install -e .`"


def test_the_package_says_what_jupyterlab_asks(installed: Path) -> None:
    package = json.loads((installed / "package.json").read_text())
    assert (package["name"], package["version"]) == (NAME, distribution(NAME).version)
    assert package["jupyterlab"]["_build"]["extension"] == "./extension"
    assert json.loads((installed / "install.json").read_text())["packageName"] == NAME


def test_jupyterlab_lists_it_as_enabled() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "jupyter", "labextension", "list"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = [line for line in (listed.stdout + listed.stderr).splitlines() if f" {NAME} " in line]
    assert len(lines) == 1
    plain = re.sub(r"\x1b\[\d+m", "", lines[0])
    assert "enabled" in plain
    assert "OK" in plain


def test_installing_leaves_nothing_inside_the_package() -> None:
    assert sorted(file.name for file in PLUGIN.parent.iterdir() if file.is_file()) == ["hatch_build.py", "plugin.js"]


def test_the_script_needs_no_other() -> None:
    assert not re.search(r"^\s*(import|export)\b|\brequire\(|\bimport\(", PLUGIN.read_text(), re.MULTILINE)


def test_the_script_is_javascript() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine; the browser tests run the script all the same")
    subprocess.run([node, "--check", str(PLUGIN)], check=True, timeout=120)


def test_names_limits_and_states_are_those_of_the_kernel() -> None:
    text = PLUGIN.read_text()
    constants = dict(re.findall(r"^  const ([A-Z_]+) = ([^;]+);", text, re.MULTILINE))
    assert constants["MIME"] == f'"{MIME}"'
    assert constants["FORM"] == f'"{FORM}"'
    assert constants["NAME"] == f'"{recorder.KEY}"'
    assert int(constants["SCHEMA"]) == SCHEMA_VERSION
    assert eval(constants["MAX_RECORD_BYTES"]) == provenance.MAX_RECORD_BYTES  # noqa: S307  our own arithmetic
    assert int(constants["MAX_RUNS"]) == recorder.MAX_RUNS
    assert constants["RUN_ID"] == f"/^{provenance.RUN_ID.pattern}$/"
    assert constants["STATE"] == f"/^{provenance.STATE.pattern}$/"
    assert set(re.findall(r'"(\w+)"', constants["ENDED"])) == {state.value for state in JobState if state.ended}
