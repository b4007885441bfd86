"""A given URL, fetched as the service would fetch it."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
from typing import TYPE_CHECKING

import httpx

from .inspection import LARGEST_MB
from .refusals import BAD_URL, DOWNLOAD_FAILED, TOO_LARGE, BadInput

if TYPE_CHECKING:
    import ssl

__all__ = ["fetch"]

SECONDS = 20.0
ALTOGETHER_SECONDS = 60.0
HOPS = 5


class _ElsewhereError(Exception):
    """Plain http to another machine: the simulator stays on this one."""


async def fetch(url: str) -> bytes:
    """The bytes behind ``url``.

    Raises
    ------
    BadInput
        With the service's code for what went wrong.
    """
    limits = httpx.Timeout(SECONDS, connect=5)
    # A proxy is for the way out; it has no business between two ports of this machine.
    outside = url.startswith("https:")
    try:
        async with (
            asyncio.timeout(ALTOGETHER_SECONDS),
            httpx.AsyncClient(
                timeout=limits,
                follow_redirects=True,
                max_redirects=HOPS,
                trust_env=outside,
                verify=_certificates(),
                event_hooks={"request": [_stay_here]},
            ) as client,
            client.stream("GET", url) as answer,
        ):
            return await _read(answer)
    except _ElsewhereError:
        raise BadInput(
            "InvalidParameter", f"{DOWNLOAD_FAILED} (the simulator fetches plain http from this machine only)"
        ) from None
    except httpx.InvalidURL:
        raise BadInput("InvalidURL", BAD_URL) from None
    except (httpx.TimeoutException, TimeoutError):
        raise BadInput(
            "InvalidURL.Timeout", f"Download {_host(url)} timeout, please check network connection."
        ) from None
    except httpx.ConnectError:
        raise BadInput(
            "InvalidURL.ConnectionRefused", f"Connection to {_host(url)} refused, please provide available URL."
        ) from None
    except httpx.HTTPError:
        raise BadInput("InvalidParameter", DOWNLOAD_FAILED) from None


async def _read(answer: httpx.Response) -> bytes:
    if answer.status_code != httpx.codes.OK:
        raise BadInput("InvalidParameter", DOWNLOAD_FAILED)
    if "content-length" not in answer.headers:
        raise BadInput("InvalidParameter", "Missing Content-Length of multimodal url")
    if answer.headers.get("content-type", "").startswith("text/"):
        raise BadInput("InvalidParameter", "Wrong Content-Type of multimodal url")
    data = bytearray()
    async for piece in answer.aiter_bytes():
        data += piece
        if len(data) > LARGEST_MB * 1024 * 1024:
            raise BadInput("InvalidParameter", TOO_LARGE)
    return bytes(data)


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Read once: it takes longer than most fetches."""
    return httpx.create_ssl_context()


async def _stay_here(request: httpx.Request) -> None:
    if request.url.scheme == "https" or request.url.host == "localhost":
        return
    try:
        if ipaddress.ip_address(request.url.host).is_loopback:
            return
    except ValueError:
        pass
    raise _ElsewhereError


def _host(url: str) -> str:
    return httpx.URL(url).host
