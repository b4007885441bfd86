"""Where calls go: the region and address of the settings, and a client there over one connection pool."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING
from urllib.request import getproxies

from wan_notebook.config import home
from wan_notebook.errors import ConfigurationError
from wan_notebook.hall.accounts import fingerprint
from wan_notebook.service.client import WanClient
from wan_notebook.service.connections import TRANSFERS, open_http
from wan_notebook.service.hosts import address_of, region_of, tariff, workspace_header
from wan_notebook.service.probes import Guide
from wan_notebook.words.addresses import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from wan_notebook.config import Settings
    from wan_notebook.facts.nouns import Region

__all__ = ["Switchboard"]


class Switchboard:
    """One process's way out.

    Parameters
    ----------
    user_agent : str
    regions : mapping of str to Region, optional
        Instead of the catalogue's: the same names at other addresses.
    """

    def __init__(self, user_agent: str, regions: Mapping[str, Region] | None = None) -> None:
        self._user_agent, self._regions, self._guide = user_agent, regions, Guide(regions)
        self._http: httpx.AsyncClient | None = None
        self._proxies: dict[str, str] = {}
        self._earlier: list[httpx.AsyncClient] = []  # jobs may still be using them
        self._clients: dict[tuple[Settings, str], WanClient] = {}
        self._transfers = asyncio.Semaphore(TRANSFERS)

    def region(self, settings: Settings) -> str:
        """The name of the region."""
        return region_of(settings, self._regions)

    def tariff(self, settings: Settings) -> tuple[str, bool]:
        """Whose prices count, and whether that is only supposed."""
        return tariff(settings, self._regions)

    def place(self, settings: Settings) -> tuple[str, str | None]:
        """The region's name and its base URL (None for the simulator), if the service can be asked there.

        Raises
        ------
        ConfigurationError
            Unknown region, no key, no workspace where the region needs one.
        """
        region = self.region(settings)
        settings.require_key()
        return region, address_of(region, settings, self._regions)

    def account(self, settings: Settings) -> str | None:
        """What the ledger knows the key by; never anything of the key itself."""
        return fingerprint(settings.require_key(), home())

    async def connect(self, settings: Settings) -> WanClient:
        """The client there; the simulator is started first where that is the region. On the runner's loop only."""
        _, base_url = self.place(settings)
        if base_url is None:
            base_url = await asyncio.to_thread(_simulator)
        if self._http is None or getproxies() != self._proxies:  # a proxy was set, or mended, in the running kernel
            self._earlier += [self._http] if self._http else []
            self._clients.clear()
            self._proxies, self._http = getproxies(), open_http(self._user_agent)
        known = self._clients.get((settings, base_url))  # it knows already whether a simulator is there
        if known is None:
            known = self._clients[settings, base_url] = WanClient(
                http=self._http,
                transfers=self._transfers,
                base_url=base_url,
                key=settings.require_key().reveal,
                loopback=is_loopback(base_url),
                workspace=workspace_header(settings, base_url),
                advise=partial(self._guide.advise, http=self._http, settings=settings),
            )
        return known

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        if self._http is not None:
            for http in (self._http, *self._earlier):
                await http.aclose()
            self._http = None
            self._earlier.clear()
            self._clients.clear()
            self._transfers = asyncio.Semaphore(TRANSFERS)  # the old one belongs to the loop that ends


def _simulator() -> str:
    from wan_notebook.simulator import ensure_running

    try:
        return ensure_running(home())
    except (ImportError, RuntimeError, OSError) as error:
        raise ConfigurationError(f"the simulator did not start: {error}", hint="Nothing is billed.") from None
