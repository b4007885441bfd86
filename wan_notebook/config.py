"""Settings: key, region, base URL, folders, limits.

The order is always: explicit argument, ``%config WanMagics``, ``WAN_NOTEBOOK_*``, the vendor's ``DASHSCOPE_*`` names,
our default; for the key see :mod:`~wan_notebook.keys`. Nothing here is ever read from a project file or a document.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wan_notebook.addresses import is_loopback
from wan_notebook.errors import ConfigurationError
from wan_notebook.keys import Secret, find_key

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Secret", "Settings", "checked_base_url", "home"]

DEFAULT_REGION = "singapore"
SIMULATOR = "simulator"
OUTPUTS = "wan_outputs"
WORKSPACE_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # dashscope 2.0.2, common/env.py


def checked_base_url(url: str) -> str:
    """``url`` without trailing slash, if a key may be sent there.

    Raises
    ------
    ConfigurationError
        Not http(s), plain http to another machine, or with a user name, query or fragment.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and not (parts.username or parts.password or parts.query or parts.fragment)
        _ = parts.port
    except ValueError:
        good = False
    else:
        good = good and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)))
    if not good:
        raise ConfigurationError(
            "the base URL cannot be used.",
            hint="Allowed: https://HOST/api/v1, or plain http to this machine only (http://127.0.0.1:PORT/api/v1). "
            "Check base_url or DASHSCOPE_HTTP_BASE_URL. Nothing was sent and nothing is billed.",
        )
    return url.rstrip("/")


def home(environ: Mapping[str, str] | None = None) -> Path:
    """The folder for this user's state: ``WAN_NOTEBOOK_HOME``, else the platform's user data folder."""
    environ = os.environ if environ is None else environ
    if given := environ.get("WAN_NOTEBOOK_HOME"):
        return Path(given).expanduser()
    from platformdirs import user_data_path

    return user_data_path("wan-notebook", appauthor=False)


@dataclass(frozen=True)
class Settings:
    """What one submit is sent with.

    Parameters
    ----------
    region : str
        ``singapore`` (default), ``beijing``, ``virginia``, ``frankfurt``, ``simulator``, or a vendor id.
    base_url : str or None
        Stands above the region's own address; the region still names the price table.
    key : Secret or None
    key_source : str
        Where the key came from, in words; never the key.
    workspace : str or None
    region_source, base_url_source, workspace_source : str
        Which setting won, in words.
    """

    region: str
    base_url: str | None
    key: Secret | None
    key_source: str
    workspace: str | None
    region_source: str = ""
    base_url_source: str = ""
    workspace_source: str = ""

    @classmethod
    def resolve(
        cls,
        *,
        region: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        workspace: str | None = None,
        preferences: Mapping[str, str | None] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        """Settings by the order in this module's docstring.

        Raises
        ------
        ConfigurationError
            Unusable base URL, workspace id or key file. A missing key is not an error yet: see :meth:`require_key`.
        """
        environ = os.environ if environ is None else environ
        preferences = preferences or {}
        region, region_source = _first(
            ("--region", region),
            ("%config WanMagics.region", preferences.get("region")),
            ("WAN_NOTEBOOK_REGION", environ.get("WAN_NOTEBOOK_REGION")),
            ("DASHSCOPE_API_REGION", environ.get("DASHSCOPE_API_REGION")),
            ("the default", DEFAULT_REGION),
        )
        region = (region or "").strip()
        if region.lower() == SIMULATOR and not base_url:
            # The simulator never sees the real key, and no base URL of the environment turns it into the service.
            key = Secret(api_key) if api_key else Secret("sk-simulator-local")
            return cls(SIMULATOR, None, key, "the simulator's own", None, region_source)
        if region.lower() == SIMULATOR and not is_loopback(base_url or ""):
            raise ConfigurationError(
                "the simulator runs on this machine only, and that base URL is elsewhere.",
                hint="Leave base_url out, or choose the region it belongs to. Nothing was sent and nothing is billed.",
            )
        base_url, base_url_source = _first(
            ("base_url=", base_url),
            ("%config WanMagics.base_url", preferences.get("base_url")),
            ("DASHSCOPE_HTTP_BASE_URL", environ.get("DASHSCOPE_HTTP_BASE_URL")),
        )
        workspace, workspace_source = _first(
            ("workspace=", workspace),
            ("%config WanMagics.workspace", preferences.get("workspace")),
            ("DASHSCOPE_WORKSPACE_ID", environ.get("DASHSCOPE_WORKSPACE_ID")),
        )
        if workspace and not WORKSPACE_PATTERN.fullmatch(workspace):
            raise ConfigurationError(
                "the workspace id is not one.",
                hint="Allowed: letters, digits, - and _, at most 64. Check DASHSCOPE_WORKSPACE_ID.",
            )
        found, source = find_key(api_key, environ)
        address = checked_base_url(base_url) if base_url else None
        return cls(region, address, found, source, workspace, region_source, base_url_source, workspace_source)

    def require_key(self) -> Secret:
        """The key.

        Raises
        ------
        ConfigurationError
            There is none; the message names both ways out.
        """
        if self.key is None:
            raise ConfigurationError(
                "no API key is set, so nothing was sent and nothing is billed.",
                hint="Type it into %wan_login, or set DASHSCOPE_API_KEY (or ~/.dashscope/api_key) and restart the "
                "kernel; or try it without a key and without cost: --region simulator.",
            )
        return self.key


def _first(*candidates: tuple[str, str | None]) -> tuple[str | None, str]:
    """The first value there is, and where it comes from."""
    return next(((value, source) for source, value in candidates if value), (None, ""))
