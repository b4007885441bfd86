"""What the README names is there, and its Python runs as it stands."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from processes import until
from saved import notebook

import wan_notebook as wan
from wan_notebook.cli import cli
from wan_notebook.doors.linemagics import LINES
from wan_notebook.doors.options import help_text
from wan_notebook.magics import WanMagics
from wan_notebook.simulator import Simulator

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", README.partition("## How it is built")[0], re.DOTALL))
OTHERS = {"--engine", "--execute", "--help"}  # papermill's, nbconvert's, click's
BLOCKS = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "client.map" not in block]


def test_every_name_magic_command_and_setting_it_writes_is_there():
    assert set(re.findall(r"\bwan\.(\w+)", CODE)) <= set(wan.__all__)
    assert set(re.findall(r"%%?(wan_\w+)", CODE)) <= {*(magic.__name__ for magic in LINES), "wan_i2v"}
    assert set(re.findall(r"wan-notebook ([a-z]\w*)", CODE)) <= set(cli.commands)
    assert set(re.findall(r"WanMagics\.(\w+)", CODE)) <= set(WanMagics.class_own_traits(config=True))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(re.findall(r"(?:wan-notebook|\.)\[(\w+)\]", CODE)) <= set(extras)
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "wan_notebook").rglob("*.py"))
    for variable in re.findall(r"\b(?:WAN_NOTEBOOK|DASHSCOPE)_\w+", CODE):
        assert variable in sources, variable


def test_every_option_it_writes_is_one():
    known = {
        option for command in cli.commands.values() for p in command.params for option in p.opts + p.secondary_opts
    }
    known |= set(
        re.findall(r"--[a-z][a-z0-9-]*", help_text() + "".join(inspect.getdoc(magic) or "" for magic in LINES))
    )
    assert set(re.findall(r"--[a-z][a-z-]*", CODE)) <= known | OTHERS


def test_it_lists_every_command_and_every_magic():
    table = README.partition("## In a terminal")[2].partition("\n## ")[0]
    assert set(cli.commands) == set(re.findall(r"`([a-z]+)`", table))
    assert {magic.__name__ for magic in LINES} <= set(re.findall(r"%(wan_\w+)", README))


def printed(shown: str, *arguments: str, code: int) -> None:
    """The command prints what the README shows, parts that are left out (``[…]``) aside, and ends with this code."""
    done = subprocess.run(
        [sys.executable, "-c", "from wan_notebook.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == code
    for part in re.split(r"\[…\]|\n", shown):
        assert part.strip() in done.stdout + done.stderr, (part, done.stdout, done.stderr)


@pytest.mark.full
def test_what_it_shows_of_outputs_is_what_is_printed(in_folder):
    refusal, rehearsal, audit = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    command = next(line for line in CODE.splitlines() if line.startswith("wan-notebook generate") and "--dry" in line)
    printed(rehearsal, *shlex.split(command)[1:], code=0)
    printed(refusal, "generate", "Up.", "--image", "images/chelsae.png", "--model", "wan2.6-i2v-flsh", code=1)
    printed("No such option", "generate", "Up.", "--durration", "5", code=2)
    with Simulator(speed=200, render="shape") as sim:
        given = {
            "prompt": "It jumps.",
            "image": "images/chelsea.png",
            "duration": 2,
            "api_key": "sk-readme-0123456789abcdef",
        }
        made = wan.generate(**given, base_url=sim.base_url).record
    path = notebook(in_folder, ("", []), ("", []), ("", []), ("%%wan_i2v cat\nIt jumps.", [made]))
    path.write_text(path.read_text("utf-8").replace("It jumps.", "It sits."), "utf-8")
    printed(re.sub("run-[0-9a-f]+|revision [0-9]+", "[…]", audit.partition("\n")[2]), "verify", str(path), code=1)


@pytest.mark.full
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][:40])
def test_its_python_runs_as_it_stands(block, in_folder, monkeypatch):
    shutil.copy("images/chelsea.png", "…")  # the picture where none is named
    with Simulator(speed=200, render="shape") as sim:
        monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", sim.base_url)
        monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-readme-0123456789abcdef")
        monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(in_folder / "home"))
        cat, dog = (wan.submit(prompt="Up.", image="images/chelsea.png", duration=2, seed=seed) for seed in (1, 2))
        cat.result()
        until(lambda: dog.task_id)
        names = {"wan": wan, "job": cat, "cat": cat, "dog": dog, "task_id": dog.task_id}
        code = compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        coroutine = eval(code, names)  # noqa: S307  the README's own
        if coroutine is not None:
            asyncio.run(coroutine)
        dog.wait()
