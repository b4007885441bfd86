"""The turnstile of one sweep: its members come through in order, one at a time; each of their pictures is read once.

A coroutine's tool, for the runner's loop.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.request.provision import provide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wan_notebook.media.medium import Facts, SentMedia
    from wan_notebook.request.declaration import I2VRequest

__all__ = ["Turnstile", "picked_up", "set_down"]

AT_ONCE = 1  # of one model: where a kernel ends in the middle of a submit, no more than one has to be looked for
KEPT_IN_HAND = 2  # prepared media, for the members that follow


class Turnstile:
    """What the members of a sweep wait at."""

    def __init__(self) -> None:
        self._doors: dict[str, asyncio.Semaphore] = {}
        self._bench = asyncio.Lock()
        self._ready: dict[tuple[Any, ...], tuple[object, SentMedia]] = {}

    async def provide(self, request: I2VRequest, facts: Facts, above: int | None) -> SentMedia:
        """As :func:`wan_notebook.request.provision.provide`, one medium at a time, and the same one only once."""
        source = facts.source
        which = str(source) if isinstance(source, (str, Path)) else id(source)
        key = (facts.role, which, request.framing, request.model, above)
        async with self._bench:
            if key not in self._ready:
                item = await asyncio.to_thread(provide, request, facts, max_raw_base64=above)
                self._ready[key] = source, item  # held, so that its id stays its own
                while len(self._ready) > KEPT_IN_HAND:
                    self._ready.pop(next(iter(self._ready)))
            return self._ready[key][1]

    def door(self, model: str) -> asyncio.Semaphore:
        """What the members of one model come through, in the order in which they came to it."""
        return self._doors.setdefault(model, asyncio.Semaphore(AT_ONCE))


def set_down(media: Mapping[str, SentMedia]) -> dict[str, SentMedia]:
    """Media whose bytes are kept in a file: nobody has to hold them while a member waits."""
    return {name: replace(item, data=None) for name, item in media.items()}


async def picked_up(media: Mapping[str, SentMedia], kept: Mapping[str, Path]) -> dict[str, SentMedia]:
    """The same media with their bytes again.

    Raises
    ------
    InvalidRequestError
        A file is not there any more.
    """
    found = {}
    for name, item in media.items():
        path = kept.get(item.sha256 or "")
        try:
            data = await asyncio.to_thread(path.read_bytes) if path is not None and item.bytes else None
        except OSError as error:
            problem = f"its kept copy cannot be read ({error.strerror})"
            raise InvalidRequestError([Problem(name, item.name, problem)]) from None
        if data is not None and hashlib.sha256(data).hexdigest() != item.sha256:
            raise InvalidRequestError([Problem(name, item.name, "its kept copy is not what it was")])
        found[name] = replace(item, data=data)
    return found
