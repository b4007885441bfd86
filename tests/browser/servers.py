"""Real Jupyter servers and the notebooks that a real browser has open on them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import nbformat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from playwright.sync_api import BrowserContext, ConsoleMessage, Page

START_SECONDS = 150
PATIENCE_SECONDS = 100  # with what comes at once on a quiet machine
HEIGHT = 900  # of every window
# Command; name of the application; a notebook's address; is it shared, with jupyter-collaboration?
# Without `reset` JupyterLab opens the notebooks of the last time, too.
APPS = {
    "lab": ("lab", "LabApp", "lab/tree/{}?reset", False),
    "notebook": ("notebook", "JupyterNotebookApp", "notebooks/{}", False),
    "collaboration": ("lab", "LabApp", "lab/tree/{}?reset", True),
}
SETTINGS = {  # nothing that pops up, nothing that saves by itself
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}

# What Jupyter complains of by itself, without any plugin installed.
ITS_OWN = re.compile(
    r"Cannot read properties of undefined \(reading 'schema'\)"  # Notebook 7.6.5 at its start: its shortcut settings
    r"|.* status of 500 .*/api/kernels\?\d+"  # jupyter_server 2.21.1 asked for its kernels while one is starting
    r"|Plugin '@jupyter/docprovider-extension:statusBarTimeline' failed to activate.*",  # in Notebook 7, which has none
    re.DOTALL,
)

# Both JupyterLab and Notebook 7 put the application on the window when they are told to.
PANEL = "const app = window.jupyterapp; const panel = app.shell.currentWidget; const model = panel.content.model;"


class Server:
    """One ``jupyter lab`` or ``jupyter notebook`` on loopback.

    Parameters
    ----------
    kind : {"lab", "notebook", "collaboration"}
        The last is a ``jupyter lab`` whose notebooks are shared documents.
    home : Path
        Holds everything the server writes; its folder ``notebooks`` is what it serves.
    """

    def __init__(self, kind: str, home: Path) -> None:
        self.kind, self.home, self.root = kind, home, home / "notebooks"

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True)
        for name, settings in SETTINGS.items():
            file = self.home / "settings" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(settings))
        own = {
            "HOME": self.home,
            "IPYTHONDIR": self.home / "ipython",
            "JUPYTER_CONFIG_DIR": self.home / "config",
            "JUPYTER_DATA_DIR": self.home / "data",
            "JUPYTER_RUNTIME_DIR": self.home / "runtime",
            "XDG_CACHE_HOME": self.home / "cache",
            "XDG_CONFIG_HOME": self.home / "xdg-config",
            "XDG_DATA_HOME": self.home / "xdg-data",
        }
        command, app, _, shared = APPS[self.kind]
        self._log = (self.home / "server.log").open("wb")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter", command, "--no-browser", "--allow-root"),
                *("--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"),
                *(f"--ServerApp.root_dir={self.root}", f"--YDocExtension.disable_rtc={not shared}"),
                *(f"--{app}.expose_app_in_browser=True", f"--{app}.user_settings_dir={self.home / 'settings'}"),
            ],
            env={**os.environ, **{name: str(path) for name, path in own.items()}},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.url = self._ready()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _ready(self) -> str:
        end = time.monotonic() + START_SECONDS
        known = self.home / "runtime" / f"jpserver-{self._process.pid}.json"
        while time.monotonic() < end and self._process.poll() is None:
            try:
                url: str = json.loads(known.read_text())["url"]
                self.ask("GET", "api/status", url)
            except (OSError, ValueError):
                time.sleep(0.1)
            else:
                return url
        self.__exit__()
        raise RuntimeError(f"jupyter {self.kind} did not start:\n{self.log()[-3000:]}")

    def log(self) -> str:
        """Everything the server and its kernels have printed."""
        return (self.home / "server.log").read_text(errors="replace")

    def ask(self, method: str, path: str, url: str | None = None) -> Any:
        """Call the server's REST interface."""
        request = urllib.request.Request((url or self.url) + path, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def stop_kernels(self) -> None:
        """End what a test left running."""
        for session in self.ask("GET", "api/sessions"):
            self.ask("DELETE", f"api/sessions/{session['id']}")


class Desk:
    """One person at a server: what a test opens notebooks with.

    Attributes
    ----------
    folder : Path
        Where notebooks, pictures and clips of this test live; the kernels' working folder.
    context : playwright.sync_api.BrowserContext
        The browser profile.
    """

    def __init__(self, server: Server, context: BrowserContext, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.context = context

    def write(self, name: str, cells: Sequence[str]) -> Path:
        """A new notebook ``name`` in :attr:`folder` with these code cells."""
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return path

    def open(self, path: Path | str, *, theme: str = "light", width: int = 1100) -> NotebookPage:
        """Open a notebook in a window of its own and wait until its kernel is idle.

        Parameters
        ----------
        path : path
            Absolute, or relative to :attr:`folder`.
        theme : {"light", "dark"}
        width : int
            Of the window, in pixels.
        """
        page = self.context.new_page()
        page.set_viewport_size({"width": width, "height": HEIGHT})
        opened = NotebookPage(page, (self.folder / path).resolve(), self.server)
        opened.load()
        opened.theme(theme)
        return opened

    def close(self) -> None:
        """Close every window and end the kernels."""
        for page in self.context.pages:
            page.close()
        self.server.stop_kernels()


class NotebookPage:
    """A notebook that is open in the browser.

    Attributes
    ----------
    page : playwright.sync_api.Page
    path : Path
        The notebook's file.
    complaints : list of str
        Errors of the page's console and uncaught exceptions, as they come; what Notebook 7 says by itself is left out.
    """

    def __init__(self, page: Page, path: Path, server: Server) -> None:
        self.page, self.path, self.server = page, path, server
        self.complaints: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        # What a person would press when a shared document takes more than 5 s to load:
        page.add_locator_handler(page.get_by_role("button", name="Continue waiting"), lambda button: button.click())

    def _listen(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self._complain(f"{said.text} {said.location['url']}".strip())

    def _complain(self, text: str) -> None:
        if not ITS_OWN.fullmatch(text):
            self.complaints.append(text)

    def load(self) -> None:
        """Load the page (again) and wait until the notebook has its kernel."""
        _, _, address, _ = APPS[self.server.kind]
        self.page.goto(self.server.url + address.format(quote(str(self.path.relative_to(self.server.root)))))
        self.page.wait_for_function(
            """() => {
                const panel = window.jupyterapp?.shell?.currentWidget;
                return panel?.context?.isReady && panel.content.model && panel.sessionContext.isReady
                    && panel.sessionContext.session?.kernel?.status === "idle";
            }"""
        )
        self.js("app.shell.collapseLeft();")

    def js(self, body: str, argument: object = None) -> Any:
        """Run JavaScript that may use ``app``, ``panel``, ``model`` (the notebook's) and ``argument``."""
        return self.page.evaluate(f"async (argument) => {{ {PANEL} {body} }}", argument)

    def until(self, condition: str, argument: object = None, *, timeout: float = PATIENCE_SECONDS) -> None:
        """Wait until a JavaScript expression over ``app``, ``panel``, ``model``, ``argument`` holds."""
        self.page.wait_for_function(
            f"(argument) => {{ {PANEL} return {condition}; }}", arg=argument, timeout=timeout * 1000, polling=50
        )

    def run_cell(self, index: int, *, wait: bool = True) -> None:
        """Run one cell as Ctrl+Enter does; with ``wait`` until it has ended."""
        self.js(
            """panel.content.activeCellIndex = argument.index;
               panel.content.deselectAll();
               const done = app.commands.execute("notebook:run-cell");
               if (argument.wait) await done;""",
            {"index": index, "wait": wait},
        )

    def run_all(self, *, wait: bool = True) -> None:
        """Run > Run All Cells; with ``wait`` until the last one has ended."""
        self.js(
            'const done = app.commands.execute("notebook:run-all-cells"); if (argument) await done;',
            wait,
        )

    def wait_idle(self) -> None:
        """Wait until the kernel has worked off everything that was sent to it so far."""
        self.js('await panel.sessionContext.session.kernel.requestExecute({code: "", silent: true}).done;')

    def execute(self, code: str) -> None:
        """Run code in the notebook's kernel that belongs to no cell, and wait for it."""
        self.js(
            "await panel.sessionContext.session.kernel.requestExecute({code: argument, store_history: false}).done;",
            code,
        )

    def save(self) -> None:
        """Save, and wait until the file is written."""
        self.js("await panel.context.save();")

    def notebook(self) -> Any:
        """The saved file, read and validated by nbformat."""
        saved = nbformat.read(self.path, as_version=nbformat.NO_CONVERT)
        nbformat.validate(saved)
        return saved

    def saved(self, done: Callable[[Any], object], *, timeout: float = PATIENCE_SECONDS) -> Any:
        """Save, and the file once it is as ``done`` says: a shared document is written a little later."""
        end = time.monotonic() + timeout
        while True:
            self.save()
            if done(found := self.notebook()):
                return found
            assert time.monotonic() < end, f"saved is only {str([cell.metadata for cell in found.cells])[:3000]}"
            self.page.wait_for_timeout(200)

    def cell(self, index: int) -> Any:
        """A cell as the open document holds it now (unsaved)."""
        return self.js("return model.cells.get(argument).toJSON();", index)

    def runs(self, index: int) -> list[dict[str, Any]] | None:
        """The runs in a cell's metadata now, or None."""
        metadata = self.cell(index)["metadata"].get("wan_notebook")
        return metadata and metadata["runs"]

    @property
    def dirty(self) -> bool:
        """Whether the page thinks that there is something to save."""
        return bool(self.js("return model.dirty;"))

    def command(self, name: str, index: int) -> None:
        """Select a cell and execute a command of the application on it."""
        self.js(
            """panel.content.activeCellIndex = argument.index;
               panel.content.deselectAll();
               await app.commands.execute(argument.name);""",
            {"index": index, "name": name},
        )

    def move(self, source: int, target: int) -> None:
        """Move a cell."""
        self.js("model.sharedModel.moveCell(argument[0], argument[1]);", [source, target])

    def restart(self) -> None:
        """Restart the kernel."""
        self.js("await panel.sessionContext.session.kernel.restart();")

    def theme(self, name: str) -> None:
        """Switch to the ``light`` or ``dark`` theme."""
        wanted = f"JupyterLab {name.capitalize()}"
        if self.page.get_attribute("body", "data-jp-theme-name") != wanted:
            self.js('await app.commands.execute("apputils:change-theme", {theme: argument});', wanted)
            self.page.wait_for_selector(f'body[data-jp-theme-name="{wanted}"]', state="attached")
            self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def screenshot(self, path: Path, theme: str = "light", width: int = 1100) -> None:
        """Save a picture of the window."""
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.theme(theme)
        self.page.screenshot(path=path)
