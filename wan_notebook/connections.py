"""The connection pool every call goes over, and how long each step may take."""

from __future__ import annotations

import httpx

from wan_notebook.errors import ConfigurationError

__all__ = ["CONNECT_SECONDS", "QUERY_SECONDS", "TRANSFERS", "open_http"]

TRANSFERS = 8  # uploads and downloads at once
CONNECT_SECONDS, QUERY_SECONDS = 5.0, 10.0
KEEPALIVE_SECONDS = 180.0  # longer than any poll interval, or each query would shake hands anew


def open_http(user_agent: str) -> httpx.AsyncClient:
    """The one HTTP connection pool of this process; made on the runner's loop.

    Raises
    ------
    ConfigurationError
        The proxy or certificate settings of this machine cannot be used.
    """
    direct = dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]"))  # never through a proxy
    try:
        return httpx.AsyncClient(
            headers={"User-Agent": user_agent},
            timeout=httpx.Timeout(QUERY_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=KEEPALIVE_SECONDS),
            follow_redirects=False,
            mounts=direct,
        )
    except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
        reason = "a SOCKS proxy needs the package socksio" if isinstance(error, ImportError) else type(error).__name__
        raise ConfigurationError(
            f"the proxy or certificate settings of this machine cannot be used ({reason}).",
            hint="Look at HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR "
            '(for SOCKS: python -m pip install "httpx[socks]"). Nothing was sent and nothing is billed.',
        ) from None
