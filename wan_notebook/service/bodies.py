"""Bodies on their way to the service: each piece of a file has its time, each of a paid request its permission."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

__all__ = ["Paced", "Watched"]


class Watched(io.BytesIO):
    """A file that is read piece by piece; each of them has its time."""

    def __init__(self, data: bytes, limit: asyncio.Timeout, seconds: float) -> None:
        super().__init__(data)
        self._limit, self._seconds = limit, seconds

    def read(self, size: int | None = -1, /) -> bytes:
        self._limit.reschedule(asyncio.get_running_loop().time() + self._seconds)
        return super().read(size)


class Paced:
    """A body sent piece by piece, which knows whether any of it went out."""

    def __init__(self, pieces: Iterator[bytes], hold: Callable[[], Awaitable[None]] | None) -> None:
        self._pieces, self._hold, self.begun = pieces, hold, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if self._hold is not None:
                await self._hold()
            self.begun = True
            yield piece
