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

from wan_notebook.errors import ConfigurationError
from wan_notebook.keys import Secret, find_key
from wan_notebook.words.addresses import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Secret", "Settings", "checked_base_url", "home"]

DEFAULT_REGION, BY_DEFAULT = "singapore", "the default"
SIMULATOR = "simulator"
SIMULATOR_KEY = "sk-simulator-local"
OUTPUTS = "wan_outputs"
WORKSPACE_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # dashscope 2.0.2, common/env.py


def checked_base_url(url: str) -> str:
    """``url`` in its one spelling (small host, no default port, no trailing slash), if a key may be sent there.

    >>> checked_base_url("https://DashScope.aliyuncs.com:443/api/v1/")
    'https://dashscope.aliyuncs.com/api/v1'

    Raises
    ------
    ConfigurationError
        Not http(s), plain http to another machine, or with a user name, query or fragment.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
        good = bool(host) and not (parts.username or parts.password or parts.query or parts.fragment)
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
    place = (f"[{host}]" if ":" in host else host) + ("" if port in (None, 443) else f":{port}")
    return f"{parts.scheme}://{place}{parts.path.rstrip('/')}"


def home(environ: Mapping[str, str] | None = None) -> Path:
    """The folder for this user's state: ``WAN_NOTEBOOK_HOME``, else the platform's user data folder.

    Raises
    ------
    ConfigurationError
        It is a relative path: every working folder would have a ledger of its own, and pay again for the same request.
    """
    environ = os.environ if environ is None else environ
    if given := environ.get("WAN_NOTEBOOK_HOME"):
        folder = Path(given).expanduser()
        if not folder.is_absolute():
            raise ConfigurationError(
                "WAN_NOTEBOOK_HOME is a relative path, which is another folder in every working folder.",
                hint="Give the whole path, from / or ~ on. Nothing was sent and nothing is billed.",
            )
        return folder
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
        api_key: str | Secret | None = None,
        workspace: str | None = None,
        preferences: Mapping[str, str | None] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        """Settings by the order in this module's docstring.

        Raises
        ------
        ConfigurationError
            Unusable base URL, workspace id or key file; an argument that is empty rather than left out. A missing key
            is not an error yet: see :meth:`require_key`.
        """
        for name, given in (("region", region), ("base_url", base_url), ("workspace", workspace)):
            if given is not None and not given.strip():
                raise ConfigurationError(
                    f"{name} is empty.",
                    hint="Leave it out (None) for the one that is set. Nothing was sent and nothing is billed.",
                )

        def look(variable: str) -> str:  # a traceback may show variables of frames: the environment is none here
            return "" if simulated else (os.environ if environ is None else environ).get(variable, "")

        simulated, preferences = False, preferences or {}
        region, region_source = _first(
            ("--region", region),
            ("%config WanMagics.region", preferences.get("region")),
            ("WAN_NOTEBOOK_REGION", look("WAN_NOTEBOOK_REGION")),
            ("DASHSCOPE_API_REGION", look("DASHSCOPE_API_REGION")),
            (BY_DEFAULT, DEFAULT_REGION),
        )
        region = (region or "").strip()
        from wan_notebook.facts.catalog import catalog

        known = catalog().find_region(region)
        simulated = known is not None and known.name == SIMULATOR
        if simulated:
            # It never sees the real key or workspace, and no base URL of the environment turns it into the service.
            region, preferences = SIMULATOR, {}
            api_key = SIMULATOR_KEY if api_key is None else api_key
            if base_url and not is_loopback(base_url):
                raise ConfigurationError(
                    "the simulator runs on this machine only, and that base URL is elsewhere.",
                    hint="Leave base_url out, or choose the region it belongs to. "
                    "Nothing was sent and nothing is billed.",
                )
        base_url, base_url_source = _first(
            ("base_url=", base_url),
            ("%config WanMagics.base_url", preferences.get("base_url")),
            ("DASHSCOPE_HTTP_BASE_URL", look("DASHSCOPE_HTTP_BASE_URL")),
        )
        workspace, workspace_source = _first(
            ("workspace=", workspace),
            ("%config WanMagics.workspace", preferences.get("workspace")),
            ("DASHSCOPE_WORKSPACE_ID", look("DASHSCOPE_WORKSPACE_ID")),
        )
        if workspace and not WORKSPACE_PATTERN.fullmatch(workspace):
            raise ConfigurationError(
                "the workspace id is not one.",
                hint="Allowed: letters, digits, - and _, at most 64. Check DASHSCOPE_WORKSPACE_ID.",
            )
        found, source = find_key(api_key, look)
        source = "the simulator's own" if simulated and api_key == SIMULATOR_KEY else source
        address = checked_base_url(base_url) if base_url else None
        return cls(region, address, found, source, workspace, region_source, base_url_source, workspace_source)

    @property
    def region_chosen(self) -> bool:
        """Whether somebody named the region."""
        return self.region_source != BY_DEFAULT

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
                "kernel (or the workers of a scheduler); or try it without a key and without cost: --region simulator.",
            )
        return self.key


def _first(*candidates: tuple[str, str | None]) -> tuple[str | None, str]:
    """The first value there is, and where it comes from."""
    return next(((value, source) for source, value in candidates if value), (None, ""))
