"""A finished clip, streamed from its address into a file."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpx

from wan_notebook.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["STALL_SECONDS", "download"]

CONNECT_SECONDS, STALL_SECONDS = 5.0, 60.0
MAX_CLIP_BYTES, MAX_REDIRECTS = 1024 * 1024 * 1024, 5
OK, REDIRECTS = 200, range(300, 400)


async def download(
    http: httpx.AsyncClient, url: str, part: Path, *, task_id: str, trusted: Callable[[str], bool]
) -> tuple[int, str]:
    """Stream the finished clip into the file ``part``; returns (bytes, sha256).

    No Authorization header goes to the host of the clip. Redirects are followed to trusted addresses only.

    Raises
    ------
    DownloadError
        ``passing`` where it may mend itself.
    """

    def failed(reason: str, *, passing: bool = False) -> DownloadError:
        return DownloadError(reason, url=url, task_id=task_id, passing=passing)

    address = url
    for _ in range(MAX_REDIRECTS):
        if not trusted(address):
            raise failed("the clip's address is not https.")
        try:
            async with http.stream(
                "GET", address, timeout=httpx.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS)
            ) as answer:
                if answer.status_code in REDIRECTS and "location" in answer.headers:
                    address = urljoin(address, answer.headers["location"])
                    continue
                if answer.status_code != OK:
                    later = answer.status_code in (408, 429) or answer.status_code >= 500  # noqa: PLR2004  may mend itself
                    raise failed(f"the clip's address answered HTTP {answer.status_code}.", passing=later)
                return await _saved(answer, part, failed)
        except httpx.HTTPError as error:
            raise failed(f"the download broke off ({type(error).__name__}).", passing=True) from None
    raise failed("the clip's address redirects in a circle.")


async def _saved(answer: httpx.Response, part: Path, failed: Callable[[str], DownloadError]) -> tuple[int, str]:
    expected = answer.headers.get("content-length", "")
    count, summed = 0, hashlib.sha256()
    try:
        with part.open("wb") as file:
            async for piece in answer.aiter_bytes():
                count += len(piece)
                if count > MAX_CLIP_BYTES:
                    raise failed("the clip is larger than 1 GiB, which no clip of this service is.")
                summed.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise failed(f"the clip cannot be saved ({error.strerror or type(error).__name__}).") from None
    if "content-encoding" not in answer.headers and expected.isdigit() and int(expected) != count:
        raise failed(f"only {count} of {expected} bytes of the clip came.")
    return count, summed.hexdigest()
