"""Before any test: no key, no home, no way off this machine."""

from __future__ import annotations

import ipaddress
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from keyhunt import hunted, pytest_runtest_makereport

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["hunted", "pytest_runtest_makereport"]  # every test is searched for the key

ROOT = Path(__file__).parent.parent
SCRUBBED = ("DASHSCOPE_", "WAN_NOTEBOOK_", "XDG_", "JUPYTER_", "IPYTHON", "PYTHONPATH", "VSCODE_", "JPY_")
NOWHERE = "http://127.0.0.1:9"  # the discard port: a proxy that no child process gets through


def _refuse_the_world(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    host = address[0] if isinstance(address, tuple) else "localhost"
    try:
        loopback = ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        loopback = str(host) == "localhost"
    if not loopback:
        raise ConnectionRefusedError(f"a test tried to connect to {host}")


def pytest_configure(config: pytest.Config) -> None:
    for name in list(os.environ):
        if name.startswith(SCRUBBED):
            del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="wan-tests-"))
    config.stash[HOME] = home
    os.environ.update(
        HOME=str(home),
        WAN_NOTEBOOK_HOME=str(home / "wan"),
        IPYTHONDIR=str(home / "ipython"),
        JUPYTER_CONFIG_DIR=str(home / "jupyter-config"),
        JUPYTER_DATA_DIR=str(home / "jupyter-data"),
        JUPYTER_RUNTIME_DIR=str(home / "jupyter-runtime"),
        JUPYTER_PLATFORM_DIRS="1",
        HTTP_PROXY=NOWHERE,
        HTTPS_PROXY=NOWHERE,
        NO_PROXY="127.0.0.1,localhost,::1",
        NO_COLOR="1",
        PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring",  # not the one of whoever runs the tests
    )
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a script started us with "&"; children shall hear Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.addaudithook(_refuse_the_world)


def pytest_unconfigure(config: pytest.Config) -> None:
    from wan_notebook.simulator import stop

    home = config.stash[HOME]
    stop(home / "wan")
    shutil.rmtree(home, ignore_errors=True)


HOME = pytest.StashKey[Path]()


@pytest.fixture
def photos() -> Path:
    """The folder of real photographs."""
    return ROOT / "notebooks" / "images"


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A real clip of 2 s."""
    from processes import KEY, PHOTO

    import wan_notebook as wan
    from wan_notebook.simulator import Simulator

    with Simulator(speed=500, render="shape") as service:
        given = {"duration": 2, "audio": False, "base_url": service.base_url, "api_key": KEY}
        folder = tmp_path_factory.mktemp("made")
        return wan.generate(prompt="Up.", image=PHOTO, output_dir=folder, **given).path.read_bytes()


@pytest.fixture
def in_folder(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that holds ``images/``, as a notebook's does; the current one."""
    shutil.copytree(photos, tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def kernel(in_folder: Path) -> Iterator[object]:
    """A live kernel in ``in_folder`` that is spoken to as JupyterLab does."""
    from kernels import LiveKernel

    with LiveKernel(in_folder) as live:
        yield live
