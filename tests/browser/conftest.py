"""A real browser at real Jupyter servers. Without a Chromium these tests skip; in CI they fail instead."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from servers import Desk, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"),
)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The Chromium of this machine; none is ever downloaded."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        reason = f"no browser on this machine: none of {', '.join(NAMES)} is on the PATH"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A running Chromium. Not for the whole session: while Playwright runs, this thread has a running event loop."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(QUIET), timeout=120_000)
        yield running
        running.close()


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile, shared so that JupyterLab's scripts are loaded and compiled once."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def pictures(request: pytest.FixtureRequest) -> Path:
    """Where screenshots are kept to be looked at."""
    folder = request.config.rootpath / "test-output"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def lab_server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running ``jupyter lab``."""
    with Server("lab", tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="session")
def notebook_server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running ``jupyter notebook`` (7)."""
    with Server("notebook", tmp_path_factory.mktemp("notebook")) as server:
        yield server


@pytest.fixture(scope="session")
def shared_server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running ``jupyter lab`` with jupyter-collaboration."""
    with Server("collaboration", tmp_path_factory.mktemp("shared")) as server:
        yield server


@pytest.fixture
def lab(lab_server: Server, window: BrowserContext, tmp_path: Path) -> Iterator[Desk]:
    """JupyterLab, with an empty folder for this test."""
    yield from _desk(lab_server, window, tmp_path.name)


@pytest.fixture
def notebook7(notebook_server: Server, window: BrowserContext, tmp_path: Path) -> Iterator[Desk]:
    """Notebook 7, with an empty folder for this test."""
    yield from _desk(notebook_server, window, tmp_path.name)


@pytest.fixture
def shared(shared_server: Server, window: BrowserContext, tmp_path: Path) -> Iterator[Desk]:
    """JupyterLab with jupyter-collaboration, with an empty folder for this test."""
    yield from _desk(shared_server, window, tmp_path.name)


def _desk(server: Server, window: BrowserContext, name: str) -> Iterator[Desk]:
    folder = server.root / name
    folder.mkdir()
    desk = Desk(server, window, folder)
    yield desk
    desk.close()
