"""``wan.run``: async code from synchronous code; the one home of ``nest_asyncio``, which is imported on use only."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, TypeVar

from wan_notebook.engine.job import remark
from wan_notebook.hall.session import session

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["run"]

T = TypeVar("T")
KERNEL_MAJOR = 7  # from ipykernel 7 on, nest_asyncio 1.6.0 silently drops cells that are queued
GOES_ON = (
    "What was submitted goes on and is billed when it succeeds: wan_notebook.jobs() holds it, and its cancel() stops "
    "it while it is PENDING."
)
GOOD_NEST = (1, 7, 3)  # the first nest_asyncio2 that does not


def run(coroutine: Coroutine[object, object, T]) -> T:
    """Run ``coroutine`` to its end and return what it returns, also where an event loop is already running.

    Parameters
    ----------
    coroutine : coroutine
        For example ``wan.agenerate(...)``.

    Notes
    -----
    Without a running loop this is ``asyncio.run``. In a notebook of ipykernel 7 or later the loop is nested with
    ``nest_asyncio2`` (1.7.3 or later); where that is missing the coroutine runs on the background loop. Any other
    running loop is nested with ``nest_asyncio``.
    """
    try:
        return _run(coroutine)
    except KeyboardInterrupt as interrupt:
        if not hasattr(interrupt, "__notes__"):
            remark(interrupt, GOES_ON)
        raise


def _run(coroutine: Coroutine[object, object, T]) -> T:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    try:
        if _in_new_kernel():
            from importlib.metadata import version

            import nest_asyncio2 as nest

            if tuple(int(part) for part in version("nest-asyncio2").split(".")[:3]) < GOOD_NEST:
                raise ImportError
        else:
            import nest_asyncio as nest
        nest.apply(loop)
    except (ImportError, ValueError):  # absent, too old, or a loop that cannot be patched (uvloop)
        return session().runner.wait_for(coroutine)
    task = loop.create_task(coroutine)
    try:
        return loop.run_until_complete(task)
    finally:
        task.cancel()  # after an interrupt it would go on by itself


def _in_new_kernel() -> bool:
    kernel = sys.modules.get("ipykernel")
    return kernel is not None and int(getattr(kernel, "version_info", (0,))[0]) >= KERNEL_MAJOR
