"""A real kernel, spoken to over its sockets as a front end does: with a cell id, with stdin, following display ids."""

from __future__ import annotations

import os
import queue
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jupyter_client.manager import KernelManager
from keyhunt import hunt

if TYPE_CHECKING:
    from collections.abc import Callable

MIME = "application/vnd.wan-notebook.v1+json"


@dataclass
class Cell:
    """What one executed cell has put out so far."""

    msg_id: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    idle: bool = False
    error: list[str] | None = None

    @property
    def text(self) -> str:
        """Everything printed."""
        return "".join(o.get("text", "") for o in self.outputs)

    @property
    def bundles(self) -> list[dict[str, Any]]:
        """The data of the displayed outputs."""
        return [o["data"] for o in self.outputs if "data" in o]

    @property
    def record(self) -> dict[str, Any]:
        """The record in the first output that holds one."""
        return next(data[MIME] for data in self.bundles if MIME in data)


class LiveKernel:
    """One kernel process and the document a front end would show."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = {**os.environ, **(environment or {})}
        self.cells: dict[str, Cell] = {}
        self.displays: dict[str, dict[str, Any]] = {}
        self.updates = 0

    def __enter__(self) -> Self:
        from ipykernel.kernelspec import write_kernel_spec

        self._specs = tempfile.TemporaryDirectory()
        write_kernel_spec(str(Path(self._specs.name) / "wan-test"))
        self.manager = KernelManager(kernel_name="wan-test")
        self.manager.kernel_spec_manager.kernel_dirs = [self._specs.name]
        assert self.manager.kernel_spec.argv[0] == sys.executable
        self.manager.start_kernel(cwd=str(self.folder), env=self.environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        hunt.look("the outputs of a kernel", self.cells, self.displays)
        self._specs.cleanup()

    def send(self, code: str, *, cell_id: str | None = "cell-1", allow_stdin: bool = True) -> Cell:
        """Ask for ``code`` to be executed; does not wait."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": allow_stdin,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content)
        message["metadata"] = {"cellId": cell_id} if cell_id else {}
        self.client.shell_channel.send(message)
        cell = self.cells[message["header"]["msg_id"]] = Cell(message["header"]["msg_id"])
        return cell

    def run(self, code: str, *, timeout: float = 120, **how: Any) -> Cell:
        """Execute ``code`` and wait until the kernel is idle again."""
        cell = self.send(code, **how)
        self.until(lambda: cell.idle, timeout, f"the cell did not end: {code[:80]}")
        return cell

    def answer(self, text: str) -> str:
        """Type ``text`` when the kernel asks for it; what it asked, with ``(unseen)`` before it for a password."""
        asked = self.client.get_stdin_msg(timeout=120)["content"]
        self.client.input(text)
        return f"{'(unseen) ' if asked['password'] else ''}{asked['prompt']}"

    def interrupt(self) -> None:
        """The stop button."""
        self.manager.interrupt_kernel()

    def until(self, condition: Callable[[], object], timeout: float = 120, what: str = "condition not met") -> None:
        """Take messages in until ``condition()`` holds."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(what)
            try:
                self._take(self.client.get_iopub_msg(timeout=0.2))
            except queue.Empty:
                continue

    def _take(self, message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        cell = self.cells.get(message["parent_header"].get("msg_id", ""))
        display_id = content.get("transient", {}).get("display_id") if isinstance(content, dict) else None
        if kind == "update_display_data":
            self.updates += 1
            if display_id in self.displays:
                self.displays[display_id].update(data=content["data"], metadata=content["metadata"])
            return
        if cell is None:
            return
        if kind == "status" and content["execution_state"] == "idle":
            cell.idle = True
        elif kind in ("display_data", "execute_result"):
            output = {"data": content["data"], "metadata": content["metadata"]}
            cell.outputs.append(output)
            if display_id:
                self.displays[display_id] = output
        elif kind == "stream":
            cell.outputs.append({"text": content["text"]})
        elif kind == "error":
            cell.error = content["traceback"]
