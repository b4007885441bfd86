"""Which address a region answers at, and whose an address is; pure.

``regions`` is the catalogue's wherever it is left out; a test gives its own, with addresses on this machine. Nothing
else, and no document or file, can.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wan_notebook.config import SIMULATOR, WORKSPACE_PATTERN
from wan_notebook.errors import ConfigurationError
from wan_notebook.facts.catalog import catalog
from wan_notebook.words.addresses import is_loopback, without_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wan_notebook.config import Settings
    from wan_notebook.facts.nouns import Region

__all__ = ["Host", "address_of", "hosts", "owner", "region_of", "tariff", "workspace_header"]

WORKSPACE = "{workspace}"
PATH = "/api/v1"


@dataclass(frozen=True)
class Host:
    """One address of the vendor's.

    Parameters
    ----------
    region : str
    base_url : str
    own : bool
        A workspace's own host rather than the region's shared one.
    """

    region: str
    base_url: str
    own: bool

    @property
    def shown(self) -> str:
        """The address as it may be shown and recorded: without the workspace's id."""
        return re.sub(r"//[^./]+\.", f"//{WORKSPACE}.", self.base_url) if self.own else self.base_url


def hosts(workspace: str | None, regions: Mapping[str, Region] | None = None) -> list[Host]:
    """Every address of the vendor's that is known: the shared ones, and with a workspace its own.

    >>> [host.region for host in hosts(None)], len(hosts("ws-1"))
    (['singapore', 'beijing', 'virginia'], 7)
    """
    found = []
    for region in (regions or catalog().regions).values():
        if region.base_url:
            found.append(Host(region.name, region.base_url, own=False))
        if region.workspace_base_url and workspace:
            found.append(Host(region.name, region.workspace_base_url.replace(WORKSPACE, workspace), own=True))
    return found


def owner(base_url: str, regions: Mapping[str, Region] | None = None) -> Host | None:
    """The vendor's host that ``base_url`` is, exactly; None for anybody else's.

    >>> owner("https://ws-1.cn-beijing.maas.aliyuncs.com/api/v1").region
    'beijing'
    >>> owner("https://example.com/ws-1.cn-beijing.maas.aliyuncs.com/api/v1")
    """
    for region in (regions or catalog().regions).values():
        if base_url == region.base_url:
            return Host(region.name, base_url, own=False)
        parts = [re.escape(part) for part in (region.workspace_base_url or "").split(WORKSPACE)]
        if region.workspace_base_url and re.fullmatch(WORKSPACE_PATTERN.pattern.join(parts), base_url):
            return Host(region.name, base_url, own=True)
    return None


def region_of(settings: Settings, regions: Mapping[str, Region] | None = None) -> str:
    """The region's own name; an address of the vendor's decides it, whatever the region said.

    Raises
    ------
    ConfigurationError
        There is no such region.
    """
    found = owner(_origin(settings.base_url) + PATH, regions) if settings.base_url else None
    return found.region if found else catalog().region(settings.region).name


def tariff(settings: Settings, regions: Mapping[str, Region] | None = None) -> tuple[str, bool]:
    """Whose prices count, and whether that is only supposed.

    An address that is none of the vendor's known ones (a gateway, a region that is not in the catalogue) counts as the
    region that was chosen, "about"; where none was chosen it counts as itself, which has no known price. What answers
    on this machine counts as its region.

    Raises
    ------
    ConfigurationError
        There is no such region.
    """
    region, address = region_of(settings, regions), settings.base_url
    if not address or is_loopback(address) or owner(_origin(address) + PATH, regions):
        return region, False
    return (region if settings.region_chosen else _origin(without_workspace(address))), True


def _origin(base_url: str) -> str:
    return "/".join(base_url.split("/")[:3])


def address_of(region: str, settings: Settings, regions: Mapping[str, Region] | None = None) -> str | None:
    """The base URL; None for the simulator, which is started when it is first needed.

    Raises
    ------
    ConfigurationError
        The region has no shared address, and no workspace is set.
    """
    if settings.base_url:
        return settings.base_url
    if region == SIMULATOR:
        return None
    known = (regions or catalog().regions)[region]
    if known.base_url:
        return known.base_url
    if not settings.workspace:
        raise ConfigurationError(
            f"{region} has no shared address: each workspace has its own.",
            hint="Set DASHSCOPE_WORKSPACE_ID (or workspace=). Nothing was sent and nothing is billed.",
        )
    return (known.workspace_base_url or "").replace(WORKSPACE, settings.workspace)


def workspace_header(settings: Settings, base_url: str) -> str | None:
    """The workspace id to send in a header; None where there is none, or where it is in the address already."""
    return settings.workspace if settings.base_url or (settings.workspace or "") not in base_url else None
