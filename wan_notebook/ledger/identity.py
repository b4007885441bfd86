"""What makes two requests the same: the reuse key; pure.

The key is made of the request as it takes effect (a seed that was not given is null), the digests of the media as they
are sent, where it goes, and its ordinal: the how-manieth identical request it is in one execution of a cell, or in one
process of a script. So a loop of four identical requests makes four clips, and finds the same four the next time.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wan_notebook.record.provenance import digest
from wan_notebook.request.declaration import parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wan_notebook.media.medium import SentMedia
    from wan_notebook.request.declaration import I2VRequest

__all__ = ["Turn", "Turns", "asked_key", "reuse_key"]

VERSION = 1  # of the way keys are made
BODY = ("model", "input", "parameters")  # how a medium travels or is prepared is no part of the request
MAX_SCOPES = 1000
PORTS = {"http": 80, "https": 443}
HERE = ("localhost", "::1")


def asked_key(request: I2VRequest, *, region: str, endpoint: str) -> str:
    """The part of the key that is known before the media are read.

    Examples
    --------
    >>> from wan_notebook.request.declaration import I2VRequest
    >>> cat = I2VRequest(prompt="Up", image="https://example.com/cat.png")
    >>> key = asked_key(cat, region="singapore", endpoint="")
    >>> key == asked_key(cat.replace(duration=5), region="singapore", endpoint="")  # the default, said explicitly
    True
    >>> key == asked_key(cat.replace(seed=1), region="singapore", endpoint="")
    False
    >>> here = asked_key(cat, region="singapore", endpoint="http://127.0.0.1:80/api/v1")
    >>> here == asked_key(cat, region="singapore", endpoint="HTTP://LocalHost//api/v1/")
    True
    """
    values = request.effective()
    asked = {
        info.name: values[info.name]
        for info in parameters()
        if info.where in BODY and info.name not in request.media_facts and values[info.name] not in (None, "")
    }
    return digest({"version": VERSION, "request": asked, "region": region, "endpoint": _place(endpoint)})


def _place(endpoint: str) -> str:
    """One spelling for an address that can be written in several ways."""
    try:
        parts = urlsplit(endpoint)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        return endpoint
    if not host or "@" in parts.netloc:
        return endpoint
    host = "127.0.0.1" if host in HERE else f"[{host}]" if ":" in host else host
    shown = "" if port in (None, PORTS.get(parts.scheme)) else f":{port}"
    path = re.sub("/+", "/", parts.path).rstrip("/")
    return f"{parts.scheme}://{host}{shown}{path}" + (f"?{parts.query}" if parts.query else "")


def reuse_key(asked: str, media: Mapping[str, SentMedia], ordinal: int) -> str:
    """The whole key.

    Parameters
    ----------
    asked : str
        What :func:`asked_key` gave.
    media : mapping of field name to SentMedia
        As sent; a medium at an address counts by its address, unless it was pinned.
    ordinal : int
        From 1.
    """
    sent = {name: item.sha256 or item.url for name, item in media.items()}
    return digest({"asked": asked, "media": sent, "ordinal": ordinal})


class Turn:
    """One request's place among those of its execution; they are counted in the order they were made in.

    The place of one that brought no clip is free again: a script that tries once more means the same clip, which may be
    paid for, and not a further one.
    """

    def __init__(self, before: Turn | None, taken: defaultdict[str, set[int]]) -> None:
        self._before, self._taken = before, taken
        self._mine: tuple[str, int] | None = None
        self.over = asyncio.Event()

    async def ordinal(self, key: str) -> int:
        """The how-manieth request with this ``key`` of the same execution it is."""
        if self._before is not None:
            await self._before.over.wait()
            self._before = None
        taken = self._taken[key]
        ordinal = next(n for n in count(1) if n not in taken)
        taken.add(ordinal)
        self._mine = key, ordinal
        self.pass_on()
        return ordinal

    def give_back(self) -> None:
        """Free the place: nothing came of the request."""
        if self._mine is not None:
            key, ordinal = self._mine
            self._taken[key].discard(ordinal)
            self._mine = None

    def pass_on(self) -> None:
        """Let the next one be counted, also where this one came to nothing."""
        self.over.set()


class Turns:
    """The turns of every execution of this process."""

    def __init__(self) -> None:
        self._scopes: dict[str, tuple[Turn, defaultdict[str, set[int]]]] = {}
        self._alone = threading.Lock()

    def take(self, scope: str) -> Turn:
        """The next turn in ``scope``: one execution of a cell, a whole script, or one call of a scheduler's."""
        with self._alone:
            before, taken = self._scopes.pop(scope, None) or (None, defaultdict[str, set[int]](set))
            turn = Turn(before, taken)
            self._scopes[scope] = (turn, taken)
            while len(self._scopes) > MAX_SCOPES:
                self._scopes.pop(next(iter(self._scopes)))
        return turn
