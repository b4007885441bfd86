"""From a finished task to a saved clip: fetched at once, tried again while the service keeps it, never half a file.

A coroutine for the runner's loop. The clip is made and billed when it begins, so nothing but the end of the 24 hours,
or a reason that lies here and does not go away (no space, no right to write), ends the trying.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from wan_notebook.engine.clips import reserve, settle
from wan_notebook.errors import DownloadError, ServiceError, TransportError, WanError
from wan_notebook.facts.catalog import catalog
from wan_notebook.record.footage import probe_clip
from wan_notebook.service import polling
from wan_notebook.tasks import TaskStatus
from wan_notebook.words.addresses import expires
from wan_notebook.words.phrases import moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wan_notebook.service.client import WanClient
    from wan_notebook.tasks import Clip, Task

__all__ = ["SAFE", "deliver"]

TRIES = 8  # in a row, of what looks like an end: no space, no video, an address that says no; about three minutes
LONGEST_WAIT_SECONDS = 60.0
SAFE = "the clip is finished and safe at the service"


async def deliver(
    client: WanClient,
    task: Task,
    *,
    folder: Path,
    stem: str,
    run_id: str,
    heard: Callable[[Task], None],
    note: Callable[[str], None],
) -> Clip:
    """Save the clip of a succeeded task.

    Parameters
    ----------
    folder : Path
        Where clips are kept.
    stem : str
        The clip's file name without its ending.
    run_id : str
        The run whose clip it is: nobody else touches what is not complete yet.
    heard : callable
        Told what the service says of the task now: after 24 h, and after some troubles, its address is a new one.
    note : callable
        ``note(text)`` puts a remark on the card.

    Raises
    ------
    DownloadError
        It cannot be saved; ``url`` is where it still is.
    """
    loop = asyncio.get_running_loop()
    begun, refused, tries = loop.time(), 0, 0
    while True:
        try:
            return await _saved(client, task, folder, stem, run_id)
        except DownloadError as error:
            speed, tries = client.simulator_speed or 1.0, tries + 1
            refused = 0 if error.passing else refused + 1
            if refused == TRIES or (loop.time() - begun) * speed > catalog().service.keep_seconds:
                raise
            end = expires(task.video_url or "")
            until = f"until {moment(end)}" if end else f"for {catalog().service.keep_hours} h"
            note(f"{SAFE} {until}; the download is tried again ({error.message})")
            await asyncio.sleep(max(min(2.0**tries, LONGEST_WAIT_SECONDS) / speed, polling.FLOOR_SECONDS))
        with contextlib.suppress(TransportError, ServiceError):
            # the address may have run out: the task knows a fresh one
            found = await client.fetch(task.task_id)
            if found.status is TaskStatus.SUCCEEDED and (found := task.then(found)) != task:
                task = found
                heard(task)


async def _saved(client: WanClient, task: Task, folder: Path, stem: str, run_id: str) -> Clip:
    def failed(reason: str, *, passing: bool = False) -> DownloadError:
        return DownloadError(reason, url=task.video_url or "", task_id=task.task_id, passing=passing)

    if task.video_url is None:
        raise failed("the service names no address for the clip.", passing=True)
    try:
        part = await asyncio.to_thread(reserve, folder, stem, run_id)
    except WanError as error:
        raise failed(error.message) from None
    try:
        await client.download(task.video_url, part, task_id=task.task_id)
        clip = await asyncio.to_thread(probe_clip, part)
        final = await asyncio.to_thread(settle, part, folder, stem)
    except DownloadError:
        raise
    except WanError as error:
        raise failed(error.message) from None
    except OSError as error:
        raise failed(f"the clip cannot be saved ({error.strerror or type(error).__name__}).") from None
    finally:
        with contextlib.suppress(OSError):  # after all went well there is none
            part.unlink(missing_ok=True)
    return replace(clip, path=final)
