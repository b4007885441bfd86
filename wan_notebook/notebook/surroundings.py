"""Where this code runs: which front end is there, which cell, which notebook. Only looks, never speaks.

Everything is asked in the cell, because the answer belongs to the request that the kernel is working on. Importing this
imports nothing of Jupyter, and without IPython every question has an answer, too.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import os
import re
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from IPython.core.interactiveshell import InteractiveShell

__all__ = [
    "cell_id",
    "front_end",
    "here",
    "in_cell",
    "in_task",
    "kernel",
    "namespace",
    "notebook_folder",
    "notebook_path",
    "parent",
    "preferences",
    "run_mode",
    "scope",
    "shell",
    "source_sha256",
]

LAB = "jupyterlab/notebook"  # JupyterLab 4 and Notebook 7 tell a kernel the same things
CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)  # nbformat 4.5; VS Code sends an address of its own instead
STARTED_BESIDE = (LAB, "jupyter", "headless")  # these start a kernel in the notebook's folder
WAITING_PLACES = ("script", "terminal", "headless", "console")  # where nobody would see what comes after the cell

T = TypeVar("T")

_elsewhere = contextvars.ContextVar("wan_notebook_elsewhere", default=False)


def shell() -> InteractiveShell | None:
    """The running IPython, if there is one."""
    if "IPython" not in sys.modules:  # then it cannot be running, and a script does not pay for its import
        return None
    from IPython import get_ipython

    running: InteractiveShell | None = get_ipython()
    return running


def namespace() -> dict[str, Any]:
    """What the notebook's names hold; nothing in a script."""
    return getattr(shell(), "user_ns", {})


def kernel() -> Any:
    """The running kernel, or None in a terminal and in a script."""
    return getattr(shell(), "kernel", None)


def parent() -> dict[str, Any]:
    """The message the kernel is working on; empty where there is no kernel."""
    running = kernel()
    return (running.get_parent() or {}) if running is not None else {}


def caller() -> str:
    """Which page the kernel is working for: the session of its messages; empty where there is none."""
    return str(parent().get("header", {}).get("session", ""))


def in_cell() -> bool:
    """Whether a cell is being executed, and not a callback of a widget or of the plugin."""
    return _kind(parent()) == "execute_request" and not _elsewhere.get()


def in_task() -> bool:
    """Whether a scheduler called this: Dask, ipyparallel (``apply``, ``map``) or a pool of processes.

    It may call again, here or elsewhere, what it lost the answer to; and nobody sees what is shown meanwhile.
    """
    processes, dask = sys.modules.get("multiprocessing"), sys.modules.get("distributed")
    if processes is not None and processes.parent_process() is not None:
        return True
    if dask is not None:
        with contextlib.suppress(ValueError):  # this is no task of a worker
            return bool(dask.get_worker())
    return _kind(parent()) == "apply_request"


def front_end() -> str:
    """Who is looking.

    Returns
    -------
    str
        ``jupyterlab/notebook``, ``vscode``, ``colab``, ``jupyter`` (another one with a Jupyter server), ``console``
        (jupyter run, console, qtconsole), ``headless`` (nbclient, nbconvert, papermill), ``terminal`` or ``script``.
    """
    if kernel() is None:
        return "script" if shell() is None else "terminal"
    message = parent()
    if _kind(message).startswith("comm_"):  # a widget was used, so somebody is there
        return LAB if os.environ.get("JPY_SESSION_NAME") else "jupyter"
    if not message.get("content", {}).get("allow_stdin"):
        return "headless"
    cell = message.get("metadata", {}).get("cellId")
    if isinstance(cell, str):
        return "vscode" if cell.startswith("vscode-") else LAB
    if "google.colab" in sys.modules:
        return "colab"
    return "jupyter" if os.environ.get("JPY_SESSION_NAME") else "console"


def run_mode() -> Literal["async", "blocking"]:
    """Whether a cell may end while its job goes on (``async``), or nobody would see the end (``blocking``)."""
    return "blocking" if front_end() in WAITING_PLACES else "async"


def cell_id() -> str | None:
    """The running cell's id in the notebook, where the front end tells it."""
    cell = parent().get("metadata", {}).get("cellId")
    return cell if isinstance(cell, str) and CELL_ID.fullmatch(cell) else None


def source_sha256() -> str | None:
    """SHA-256 of the source of the running cell (of a form's callback: of the cell that made the form)."""
    source = parent().get("content", {}).get("code")
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest() if isinstance(source, str) else None


def execution() -> str:
    """Which execution of a cell this is; the callbacks of a form belong to the one that made the form."""
    return str(parent().get("header", {}).get("msg_id", ""))


def scope() -> str:
    """What identical requests are counted in: an execution of a cell, one press of a button, or a whole script.

    Each call of a scheduler's is counted for itself: a repeated one cannot be told from a second wish for the same.
    """
    if in_task():
        return secrets.token_hex(8)
    if kernel() is not None:
        return execution() if in_cell() else secrets.token_hex(8)
    running = shell()
    return "script" if running is None else f"line {running.execution_count}"


def notebook_path() -> Path | None:
    """The notebook's file, where the front end tells it; it may have been renamed since the kernel was started."""
    where, named = front_end(), None
    if where == "vscode":
        named = namespace().get("__vsc_ipynb_file__")
    elif where in (LAB, "jupyter"):  # elsewhere it is inherited, and another notebook's: `!papermill`, `!python`
        named = os.environ.get("JPY_SESSION_NAME")
    path = Path(named) if isinstance(named, str) and named else None
    return path if path is not None and path.is_absolute() and path.parent.is_dir() else None


def notebook_folder() -> Path:
    """The notebook's folder, else the current one; relative paths start here.

    Where nobody tells the notebook's name (nbclient, nbconvert, papermill) it is the folder the kernel was started in,
    and no ``os.chdir`` of the notebook changes that: links and records are read from where the notebook lies.
    """
    path = notebook_path()
    if path is not None:
        return path.parent
    started = Path(getattr(shell(), "starting_dir", "")) if front_end() in STARTED_BESIDE and not in_task() else None
    return started if started is not None and started.is_absolute() and started.is_dir() else Path.cwd()


def typed(text: str) -> bool | None:
    """Whether ``text`` stands in the running cell (True), in an earlier one of this session (False), or in none."""
    running = shell()
    if running is None:
        return None
    history = [str(code) for code in list(running.user_ns.get("In") or ())]
    code = str(parent().get("content", {}).get("code", "")) if kernel() is not None else "".join(history[-1:])
    if text in code:
        return True
    return False if any(text in code for code in history) else None


def preferences() -> dict[str, Any]:
    """What was set with ``%config`` for this package; empty without IPython."""
    mine = [c for c in getattr(shell(), "configurables", ()) if type(c).__module__.startswith("wan_notebook.")]
    return {name: getattr(c, name) for c in mine for name in c.class_own_traits(config=True)}


def here() -> Callable[[Callable[[], T]], T]:
    """This cell, for later: what the returned callable runs is shown in the output of the cell that is running now.

    A widget's callback belongs to no cell. A form keeps ``place = here()`` when it is made and calls
    ``place(lambda: submit(...))`` when its button is clicked; cards, cell id and run mode are then those of its cell.
    """
    context = contextvars.copy_context()
    context.run(_elsewhere.set, True)
    return lambda call: context.copy().run(call)


def _kind(message: dict[str, Any]) -> str:
    return str(message.get("header", {}).get("msg_type", ""))
