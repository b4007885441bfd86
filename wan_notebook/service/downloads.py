"""What is fetched from addresses that are not the service's own: the finished clip, and a first frame that is pinned.

No Authorization header ever goes there.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import httpx

from wan_notebook.errors import DownloadError, TransportError, WanError
from wan_notebook.service.connections import CONNECT_SECONDS
from wan_notebook.words.addresses import is_loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

__all__ = ["STALL_SECONDS", "bounded", "download", "fetch_picture"]

STALL_SECONDS, PICTURE_SECONDS = 60.0, 60.0
PROGRESS_BYTES = 16 * 1024  # in every STALL_SECONDS at least; however long the whole takes
MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_CLIP_BYTES, MAX_REDIRECTS = 1024 * 1024 * 1024, 5
OK, REDIRECTS = 200, range(300, 400)
NOT_PINNED = "Nothing was sent and nothing is billed. Without pin the service fetches the address by itself."


async def download(
    http: httpx.AsyncClient,
    url: str,
    part: Path,
    *,
    task_id: str,
    trusted: Callable[[str], bool],
    stall_seconds: float = STALL_SECONDS,
) -> tuple[int, str]:
    """Stream the finished clip into the file ``part``; returns (bytes, sha256).

    Redirects are followed to trusted addresses only.

    Parameters
    ----------
    stall_seconds : float
        How long nothing of the clip, or next to nothing, may come before the try ends: headers that drip are nothing.
        The whole may take any time.

    Raises
    ------
    DownloadError
        ``passing`` where it may mend itself.
    """

    def failed(reason: str, *, passing: bool = False) -> DownloadError:
        return DownloadError(reason, url=url, task_id=task_id, passing=passing)

    try:
        async with (
            asyncio.timeout(stall_seconds) as limit,
            _opened(http, url, "clip", trusted, failed, stall_seconds=stall_seconds) as answer,
        ):
            return await _saved(answer, part, failed, limit, stall_seconds)
    except TimeoutError:
        raise failed("the download hardly moves.", passing=True) from None


async def fetch_picture(http: httpx.AsyncClient, url: str, *, most: int) -> bytes:
    """The picture at a public address, within a minute.

    Parameters
    ----------
    http : httpx.AsyncClient
    url : str
        https, or a server on this machine; redirects are followed to https only.
    most : int
        Bytes beyond which it is not read.

    Raises
    ------
    TransportError
    """

    def failed(reason: str, *, passing: bool = False) -> TransportError:  # noqa: ARG001  it is not tried again
        return TransportError(f"the image cannot be pinned: {reason}", hint=NOT_PINNED)

    def trusted(address: str) -> bool:
        return address[:6].lower() == "https:" or (address == url and is_loopback(url))

    data = bytearray()
    try:
        async with asyncio.timeout(PICTURE_SECONDS), _opened(http, url, "image", trusted, failed) as answer:
            expected = answer.headers.get("content-length", "")
            async for piece in answer.aiter_bytes():
                data += piece
                if len(data) > most:
                    raise failed(f"it is larger than {most // 1024 // 1024} MB.")
            if "content-encoding" not in answer.headers and expected.isdigit() and int(expected) != len(data):
                raise failed(f"only {len(data)} of {expected} bytes came.")
    except TimeoutError:
        raise failed(f"it did not come within {PICTURE_SECONDS:.0f} s.") from None
    return bytes(data)


async def bounded(answer: httpx.Response) -> bytes:
    """The body of an answer in JSON, which is never long.

    Raises
    ------
    httpx.RemoteProtocolError
        It does not end.
    """
    data = bytearray()
    async for piece in answer.aiter_bytes():
        data += piece
        if len(data) > MAX_ANSWER_BYTES:
            raise httpx.RemoteProtocolError("the answer does not end", request=answer.request)
    return bytes(data)


@contextlib.asynccontextmanager
async def _opened(
    http: httpx.AsyncClient,
    url: str,
    what: str,
    trusted: Callable[[str], bool],
    failed: Callable[..., WanError],
    *,
    stall_seconds: float = STALL_SECONDS,
) -> AsyncIterator[httpx.Response]:
    """The answer with the file itself, after redirects."""
    address, patience = url, httpx.Timeout(stall_seconds, connect=CONNECT_SECONDS)
    try:
        for _ in range(MAX_REDIRECTS):
            _ = urlsplit(address).port  # raises where it is none
            if not trusted(address):
                raise failed(f"the {what}'s address is not https.")
            # as it lies there: only then its length can be checked
            async with http.stream("GET", address, headers={"Accept-Encoding": "identity"}, timeout=patience) as answer:
                if answer.status_code in REDIRECTS and "location" in answer.headers:
                    address = urljoin(address, answer.headers["location"])
                    continue
                if answer.status_code != OK:
                    later = answer.status_code in (408, 429) or answer.status_code >= 500  # noqa: PLR2004  may mend itself
                    raise failed(f"the {what}'s address answered HTTP {answer.status_code}.", passing=later)
                yield answer
                return
        raise failed(f"the {what}'s address redirects in a circle.")
    except httpx.HTTPError as error:
        raise failed(f"the download broke off ({type(error).__name__}).", passing=True) from None
    except (httpx.InvalidURL, ValueError):  # what urlsplit lets through, httpx may not
        raise failed(f"the {what}'s address is no valid one.") from None


async def _saved(
    answer: httpx.Response,
    part: Path,
    failed: Callable[..., DownloadError],
    limit: asyncio.Timeout,
    stall_seconds: float,
) -> tuple[int, str]:
    expected = answer.headers.get("content-length", "")
    count, seen, summed = 0, 0, hashlib.sha256()
    try:
        with part.open("wb") as file:
            async for piece in answer.aiter_bytes():
                count += len(piece)
                if count > MAX_CLIP_BYTES:
                    raise failed("the clip is larger than 1 GiB, which no clip of this service is.")
                if count - seen >= PROGRESS_BYTES:
                    seen = count
                    limit.reschedule(asyncio.get_running_loop().time() + stall_seconds)
                summed.update(piece)
                file.write(piece)
            limit.reschedule(None)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
    except OSError as error:
        raise failed(f"the clip cannot be saved ({error.strerror or type(error).__name__}).") from None
    whole = expected.isascii() and expected.isdigit() and "content-encoding" not in answer.headers
    if whole and int(expected) != count:
        raise failed(f"only {count} of {expected} bytes of the clip came.", passing=True)
    return count, summed.hexdigest()
