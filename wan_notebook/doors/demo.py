"""The demonstration: the quickstart notebook, executed on the simulator, with everything it makes in one folder."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import ConfigurationError, WanError
from wan_notebook.record.recorder import stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["open_in_lab", "run"]

QUICKSTART = "quickstart.ipynb"
SPEED = "20"  # a clip that takes 45 s at the service takes about 2 s here
CELL_SECONDS = 120


def run(folder: Path, say: Callable[[str], None]) -> list[Path]:
    """Execute the quickstart into ``folder``; returns the executed notebook, the HTML page and the clips.

    Parameters
    ----------
    folder : Path
        Made if missing; nothing in it is deleted, and an earlier notebook is set aside.
    say : callable
        Takes one line of progress.

    Raises
    ------
    WanError
        A cell failed, or the packages of ``wan-notebook[demo]`` are missing.
    """
    try:
        import nbformat
        from jupyter_client.manager import KernelManager
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
        from nbconvert import HTMLExporter
    except ImportError as error:
        raise _missing(error) from None
    notebook = nbformat.read(_prepared(folder), as_version=4)
    before = set(folder.glob("wan_outputs/*.mp4"))
    with _surroundings() as environment, tempfile.TemporaryDirectory() as specs:
        manager = KernelManager(kernel_name="wan-demo")
        manager.kernel_spec_manager.kernel_dirs = [_own_kernel(Path(specs))]
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=CELL_SECONDS,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(folder)}},
            on_cell_execute=_announcer(notebook, say),
        )
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            raise WanError(f"a cell of the demonstration failed: {error}") from None
        finally:
            _stop_simulator(environment)
    stamp(notebook)
    executed, page = folder / QUICKSTART, folder / "quickstart.html"
    nbformat.write(notebook, executed)
    body, _ = HTMLExporter().from_notebook_node(notebook)
    page.write_text(body, encoding="utf-8")
    return [executed, page, *sorted(set(folder.glob("wan_outputs/*.mp4")) - before)]


def open_in_lab(folder: Path) -> int:
    """Open the quickstart in JupyterLab, with the simulator behind it; returns JupyterLab's exit code."""
    path = _prepared(folder)
    with _surroundings() as environment:
        try:
            command = [sys.executable, "-m", "jupyterlab", str(path)]
            return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  our own interpreter
        finally:
            _stop_simulator(environment)


def _prepared(folder: Path) -> Path:
    source = next((f for f in _homes() if (f / QUICKSTART).is_file()), None)
    if source is None:
        raise ConfigurationError("the quickstart notebook is not part of this installation.")
    if folder.resolve() == source.resolve():
        raise ConfigurationError("the demonstration cannot be written over its own source; choose another --output.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for picture in sorted((source / "images").iterdir()):
            (folder / "images").mkdir(exist_ok=True)
            if not (folder / "images" / picture.name).exists():  # what is there may be somebody's own
                shutil.copy(picture, folder / "images" / picture.name)
        _set_aside(folder / QUICKSTART)
        shutil.copy(source / QUICKSTART, folder / QUICKSTART)
    except OSError as error:
        raise ConfigurationError(f"the folder {folder} cannot be written ({error.strerror}).") from None
    return folder / QUICKSTART


def _set_aside(path: Path) -> None:
    """Keep an earlier notebook under another name: it may have been used for something real since."""
    if path.exists():
        free = next(n for n in itertools.count(1) if not path.with_name(f"{path.stem}-{n}{path.suffix}").exists())
        path.rename(path.with_name(f"{path.stem}-{free}{path.suffix}"))


def _homes() -> list[Path]:
    here = Path(__file__).parent.parent
    return [here / "notebooks", here.parent / "notebooks"]  # in a wheel, in a checkout


@contextmanager
def _surroundings() -> Iterator[dict[str, str]]:
    """The kernel's environment: no key, no base URL, and a simulator of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as state:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DASHSCOPE_", "WAN_NOTEBOOK_"))}
        yield {
            **kept,
            "WAN_NOTEBOOK_HOME": state,
            "WAN_NOTEBOOK_SIMULATOR_SPEED": SPEED,
            "DASHSCOPE_API_KEY_FILE_PATH": os.devnull,
        }


def _stop_simulator(environment: dict[str, str]) -> None:
    from wan_notebook.simulator import stop

    stop(Path(environment["WAN_NOTEBOOK_HOME"]))


def _own_kernel(folder: Path) -> str:
    """A kernel spec of this very interpreter: the user's ``python3`` may be another one."""
    from ipykernel.kernelspec import write_kernel_spec

    write_kernel_spec(str(folder / "kernels" / "wan-demo"))
    return str(folder / "kernels")


def _announcer(notebook: Any, say: Callable[[str], None]) -> Callable[..., None]:
    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    begun, count = time.monotonic(), 0

    def announce(cell: Any, cell_index: int) -> None:  # noqa: ARG001  nbclient's hook
        nonlocal count
        if cell.cell_type == "code":
            count += 1
            first = cell.source.strip().partition("\n")[0]
            say(f"[{count}/{total}] {time.monotonic() - begun:5.1f} s  {first[:90]}")

    return announce


def _missing(error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        f"the demonstration needs {error.name}.", hint='Install it with: python -m pip install "wan-notebook[demo]"'
    )
