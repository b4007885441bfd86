"""Where clips are made: media fetched and checked, then rendered on two threads of their own, each clip once."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from . import render
from .fetching import fetch
from .inspection import check, decode_data_uri, open_picture
from .refusals import MESSAGES, BadInput

if TYPE_CHECKING:
    from PIL import Image

    from .clock import Clock
    from .rules import Order
    from .storage import Storage
    from .tasks import Task

__all__ = ["Kitchen"]

COOKS = 2
LOG = logging.getLogger(__name__)


class Kitchen:
    """Prepares what a task will deliver.

    Parameters
    ----------
    storage : Storage
    clock : Clock
    shape_only : bool
        Render clips of the right shape with cheap content, the same for every seed.
    """

    def __init__(self, storage: Storage, clock: Clock, *, shape_only: bool) -> None:
        self._storage = storage
        self._clock = clock
        self._shape_only = shape_only
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(COOKS, thread_name_prefix="wan-simulator-render")
        self._clips: dict[str, asyncio.Future[None]] = {}
        self._orders: set[asyncio.Task[None]] = set()

    async def held_media(self, order: Order, account: str) -> dict[str, bytes]:
        """The media that came with the submit or lie in the storage, checked.

        Raises
        ------
        BadInput
        """
        media = {}
        for kind, url in order.media.items():
            mime = None
            if url.startswith("data:"):
                mime, data = await asyncio.to_thread(decode_data_uri, url)
            elif url.startswith("oss://"):
                data = self._storage.read_upload(url, account, order.model_name)
            else:
                continue
            await self._check(order, kind, data, mime)
            media[kind] = data
        return media

    def begin(self, task: Task, media: dict[str, bytes]) -> None:
        """Start on a task's clip; its ``prepared`` tells when it is done."""
        work = asyncio.create_task(self._prepare(task, media))
        self._orders.add(work)
        work.add_done_callback(self._orders.discard)

    async def _prepare(self, task: Task, media: dict[str, bytes]) -> None:
        try:
            if task.failure is None:
                for kind, url in task.order.media.items():
                    if kind not in media:
                        media[kind] = await fetch(url)
                        await self._check(task.order, kind, media[kind])
                await self._make(task, media)
        except BadInput as problem:
            task.failure = (problem.code, problem.message)
        except Exception:
            LOG.exception("the simulator could not prepare task %s", task.task_id)
            task.failure = ("InternalError.Algo", MESSAGES["InternalError.Algo"])
        finally:
            task.prepared = self._clock.now()

    async def _check(self, order: Order, kind: str, data: bytes, mime: str | None = None) -> None:
        model = order.model
        await asyncio.to_thread(check, kind, data, image_mb=model.image_mb, wan27=model.media, mime=mime)

    async def _make(self, task: Task, media: dict[str, bytes]) -> None:
        order = task.order
        kind = "first_frame" if "first_frame" in media else "first_clip"
        picture = await asyncio.to_thread(open_picture, kind, media[kind])
        voice = media.get("driving_audio")
        audio = None
        if order.sound:
            audio = hashlib.sha256(voice).hexdigest() if voice else ""
        # Without a seed the service draws one, and does not tell which.
        seed = secrets.randbelow(2**31) if order.seed is None else order.seed
        script = render.Script(
            frame=hashlib.sha256(media[kind]).hexdigest(),
            seconds=order.duration,
            size=render.clip_size(picture.size, order.resolution),
            seed=0 if self._shape_only else seed,
            multi=order.multi,
            watermark=order.watermark,
            audio=audio,
            shape=self._shape_only,
        )
        # Two orders for the same clip share it, also while it is still being made.
        name = hashlib.sha256(repr(script).encode()).hexdigest()[:32]
        task.clip = name
        if not self._made_or_in_the_making(name):
            self._clips[name] = asyncio.get_running_loop().run_in_executor(
                self._threads, self._cook, name, script, picture, voice
            )
        await asyncio.shield(self._clips[name])

    def _made_or_in_the_making(self, name: str) -> bool:
        clip = self._clips.get(name)
        return clip is not None and (not clip.done() or self._storage.clip(name).exists())

    def _cook(self, name: str, script: render.Script, picture: Image.Image, voice: bytes | None) -> None:
        target = self._storage.clip(name)
        part = target.with_suffix(".part")
        part.touch(mode=0o600)
        try:
            render.render(script, picture, voice, part, self._stop)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    async def close(self) -> None:
        """End at once: what is not finished is given up."""
        self._stop.set()
        for work in self._orders:
            work.cancel()
        await asyncio.gather(*self._orders, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        # Looked at, so that none is reported as an error nobody saw.
        for clip in self._clips.values():
            if clip.done() and not clip.cancelled():
                clip.exception()
