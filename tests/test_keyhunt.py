"""The hunt for the key itself: it finds what is planted, and every test's key is one that it knows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from keyhunt import key_in

SHORT = 8  # no key at all
HERE = Path(__file__).parent
PLANTED = """
import base64, logging, subprocess, sys
SECRET = "sk-planted-" + "0123456789" + "abcdef"
CODED = base64.b64encode(f"Bearer {SECRET}".encode()).decode()
def test_file(tmp_path):
    (tmp_path / "record.json").write_text(CODED)
def test_common_file(tmp_path_factory):
    (tmp_path_factory.mktemp("common") / "ledger.sqlite3").write_bytes(b"\\0" + SECRET.encode())
def test_stdout():
    print(SECRET)
def test_log():
    logging.getLogger("wan_notebook").warning("sent with %s", SECRET)
def test_process():
    subprocess.run([sys.executable, "-c", f"print({SECRET!r})"], capture_output=True, check=True)
def test_error():
    from wan_notebook.errors import WanError
    try:
        raise WanError("no answer", hint=f"Look at {SECRET[3:]}.")
    except WanError:
        pass
def test_clean(tmp_path):
    (tmp_path / "record.json").write_text(SECRET[:12])
"""


def searched(folder: Path, *options: str) -> str:
    """What pytest says of the planted tests."""
    (folder / "conftest.py").write_text("from keyhunt import hunted, pytest_runtest_makereport\n")
    (folder / "test_planted.py").write_text(PLANTED)
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-rfE", f"--basetemp={folder / 'base'}", *options, str(folder)]
    done = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True)
    with done.stdout:
        said = done.stdout.read()
    assert done.wait(60) == 1, said
    shutil.rmtree(folder / "base")  # or this test would be found out, too
    return said


@pytest.mark.parametrize("options", [("-p", "no:xdist"), pytest.param(("-n", "2"), marks=pytest.mark.full)])
def test_a_planted_leak_fails_its_test_and_names_the_place(tmp_path, options):
    said = searched(tmp_path, *options)
    for place in (
        r"the key is in \S*record\.json, after",
        r"the key is in \S*ledger\.sqlite3, after",
        "the key is in captured stdout call, after",
        "the key is in the log of wan_notebook, after",
        "the key is in the output of a process, after",
        "the key is in an error, after",
    ):
        assert re.search(place, said), place
    for name in ("file", "stdout", "log", "process", "error"):
        assert re.search(rf"ERROR \S*test_planted\.py::test_{name}\b", said), name
    assert "0123456789abcdef" not in said


def test_every_key_of_the_tests_is_one_that_is_looked_for():
    for path in [*HERE.glob("*.py"), *HERE.glob("browser/*.py")]:
        for name, key in re.findall(r'^([A-Z_]*KEY) = "([^"]+)"', path.read_text("utf-8"), re.MULTILINE):
            assert name == "TYPED_KEY" or len(key) < SHORT or key_in(key.encode()) >= 0, (path.name, name)
