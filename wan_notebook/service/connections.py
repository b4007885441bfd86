"""The connection pool every call goes over, and how long each step may take."""

from __future__ import annotations

import logging
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import httpx

from wan_notebook.errors import ConfigurationError
from wan_notebook.words.addresses import is_loopback
from wan_notebook.words.wording import redacted

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["CONNECT_SECONDS", "QUERY_SECONDS", "TRANSFERS", "open_http"]

TRANSFERS = 8  # uploads and downloads at once
CONNECT_SECONDS, QUERY_SECONDS = 5.0, 10.0
LOGS = ("httpcore.http11", "httpcore.proxy")  # they log the headers of answers, and one may repeat the key
KEEPALIVE_SECONDS = 180.0  # longer than any poll interval, or each query would shake hands anew


class Connections(httpx.AsyncClient):
    """A pool that reaches every address of this machine directly, whatever proxy is set for the others."""

    def __init__(self, **how: Any) -> None:
        how["verify"] = httpx.create_ssl_context()  # made once for both
        super().__init__(**how)
        self._direct = httpx.AsyncClient(**how, mounts=dict.fromkeys(("http://", "https://", "all://")))

    async def send(self, request: httpx.Request, **how: Any) -> httpx.Response:
        """As httpx's own."""
        send = self._direct.send if is_loopback(str(request.url)) else super().send
        return await send(request, **how)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._direct.aclose()
        await super().aclose()

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        where: TracebackType | None = None,
    ) -> None:
        await self._direct.aclose()
        await super().__aexit__(kind, error, where)


def open_http(user_agent: str) -> httpx.AsyncClient:
    """The one HTTP connection pool of this process; made on the runner's loop.

    Raises
    ------
    ConfigurationError
        The proxy or certificate settings of this machine cannot be used.
    """
    for name in LOGS:
        logging.getLogger(name).addFilter(_without_keys)
    try:
        return Connections(
            headers={"User-Agent": user_agent},
            timeout=httpx.Timeout(QUERY_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=KEEPALIVE_SECONDS),
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # keeps none: all hosts and keys share the pool
        )
    except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
        reason = "a SOCKS proxy needs the package socksio" if isinstance(error, ImportError) else type(error).__name__
        raise ConfigurationError(
            f"the proxy or certificate settings of this machine cannot be used ({reason}).",
            hint="Look at HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR "
            '(for SOCKS: python -m pip install "httpx[socks]"). Nothing was sent and nothing is billed.',
        ) from None


def _without_keys(record: logging.LogRecord) -> bool:
    record.msg, record.args = redacted(record.getMessage()), ()
    return True
