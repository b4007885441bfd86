"""Where does a key belong? Asked of the vendor's hosts with the shortest task list, which costs nothing.

Only GETs are sent here. A key goes to https hosts of the vendor's, and to addresses on this machine, and nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

from wan_notebook.errors import TransportError
from wan_notebook.facts.explanations import BILL, explain
from wan_notebook.service.client import WanClient
from wan_notebook.service.hosts import address_of, hosts, owner, region_of
from wan_notebook.service.wire import decode_error
from wan_notebook.words.addresses import is_loopback
from wan_notebook.words.answers import json_object
from wan_notebook.words.wording import one_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from wan_notebook.config import Settings
    from wan_notebook.errors import AuthenticationError
    from wan_notebook.facts.explanations import Explanation
    from wan_notebook.facts.nouns import Region
    from wan_notebook.service.hosts import Host

__all__ = [
    "ELSEWHERE",
    "NOBODYS_KEY",
    "PLAN_KEY",
    "Guide",
    "Probe",
    "is_plan_key",
    "knock",
    "of_the_key",
    "right_place",
]

PROBE_SECONDS = 4.0
REMEMBERED_SECONDS = 60.0
OK, UNAUTHORIZED, REDIRECTS = 200, 401, range(300, 400)
PLAN_KEY = "It is a plan key (sk-sp-...), which works on its plan's own host only: take an ordinary Model Studio key."
ELSEWHERE = "The base URL stands above the region: look whether the key belongs there, or leave the base URL out."
NOBODYS_KEY = "It is wrong, was deleted, or belongs to a region that did not answer: copy it again from its console."

Verdict = Literal["taken", "refused", "open", "unreachable", "strange"]


@dataclass(frozen=True)
class Probe:
    """What one host said.

    Parameters
    ----------
    host : Host
    verdict : {"taken", "refused", "open", "unreachable", "strange"}
        Of the key. ``open``: the service answers, but says neither yes nor no to it. ``strange``: something answers
        that is not the service.
    said : str
        In a few words.
    meant : Explanation or None
        What that means, where it said no by a code.
    ahead_seconds : float or None
        How far its clock is ahead of ours; None where it shows none, or is the simulator's.
    """

    host: Host
    verdict: Verdict
    said: str
    meant: Explanation | None = None
    ahead_seconds: float | None = None


async def knock(hosts: Sequence[Host], *, http: httpx.AsyncClient, key: str, workspace: str | None) -> list[Probe]:
    """Ask all ``hosts`` at once whether they take ``key``; takes about four seconds at most.

    Parameters
    ----------
    key : str
        Empty: only whether they answer.
    workspace : str, optional
        Named to the shared hosts.
    """
    return list(await asyncio.gather(*(_knock(host, http, key, workspace) for host in hosts)))


async def _knock(host: Host, http: httpx.AsyncClient, key: str, workspace: str | None) -> Probe:
    local = is_loopback(host.base_url)
    if not (local or host.base_url.startswith("https://")):
        return Probe(host, "unreachable", "not asked: it is not https")
    named = None if host.own else workspace
    client = WanClient(http=http, base_url=host.base_url, key=lambda: key, loopback=local, workspace=named)
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            status, headers, data = await client.knock()
    except TransportError as error:
        return Probe(host, "unreachable", error.message.partition(";")[0].rstrip("."))
    except TimeoutError:
        return Probe(host, "unreachable", f"no answer within {PROBE_SECONDS:g} s")
    ahead = None if client.simulator_speed else _ahead(headers.get("date"))
    return Probe(host, *_verdict(status, data), ahead)


def _verdict(status: int, data: bytes) -> tuple[Verdict, str, Explanation | None]:
    try:
        answer = json_object(data)
    except TransportError:
        redirect = " a redirect:" if status in REDIRECTS else ""
        said = f"what answers is not the service (HTTP {status},{redirect} no JSON): a proxy, a login page?"
        return "strange", said, None
    if status == OK and {"data", "total", "request_id"} & set(answer):
        return "taken", "takes the key", None
    code, message, _ = decode_error(data)
    meant = explain(code, message, status=status)
    if status == UNAUTHORIZED and of_the_key(code):
        return "refused", "refuses the key", meant
    if code is None:
        return "strange", f"what answers is not the service (HTTP {status}): is the base URL right?", None
    return "open", f"answers {code} (HTTP {status}): {meant.cause}", meant


def _ahead(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time() if date else None
    except (ValueError, OverflowError):
        return None


def of_the_key(code: str | None) -> bool:
    """Whether a 401 with this code is about the key; the other one there is, NOT AUTHORIZED, is about the workspace."""
    return "authorized" not in (code or "").lower()


def is_plan_key(key: str) -> bool:
    """Whether a key is one of a coding plan (error codes, edition of 2026-05-25)."""
    return key.startswith("sk-sp-")


def right_place(here: Host, found: Sequence[Probe], *, by_address: bool) -> str:
    """What to do about a key that ``here`` refused; empty where nobody else takes it.

    Parameters
    ----------
    found : sequence of Probe
        What the other hosts say.
    by_address : bool
        A base URL was given, which stands above the region.
    """
    taken = [probe.host for probe in found if probe.verdict == "taken"]
    if not taken:
        return ""
    shared = {host.region for host in (here, *(probe.host for probe in found)) if not host.own}
    there = next((host for host in taken if host.region == here.region), taken[0])
    kinds = {True: "the workspace's own host", False: "the shared host"}
    place, refusing = there.region, here.region
    if there.region == here.region or (there.own and there.region in shared):
        place, refusing = f"{there.region} at {kinds[there.own]}", f"{here.region} at {kinds[here.own]}"
    if there.own and there.region in shared:
        cure = f"set the base URL (base_url, DASHSCOPE_HTTP_BASE_URL) to {there.shown}"
    else:
        drop = "leave the base URL out (base_url, DASHSCOPE_HTTP_BASE_URL) and " if by_address else ""
        cure = f"{drop}write --region {there.region}"
    return f"The key is valid in {place}, not in {refusing}: {cure}."


class Guide:
    """Finds where a refused key belongs, asking nobody twice within a minute.

    Parameters
    ----------
    regions : mapping, optional
        Instead of the catalogue's.
    """

    def __init__(self, regions: Mapping[str, Region] | None = None) -> None:
        self.regions = regions
        self._asked: dict[tuple[object, ...], tuple[float, asyncio.Task[str]]] = {}

    async def advise(self, error: AuthenticationError, http: httpx.AsyncClient, settings: Settings) -> None:
        """Name the right place in ``error``'s hint, if there is one.

        Other hosts are asked only where the one in use is the vendor's own: a key for somebody else's address is none
        of the vendor's business.
        """
        if settings.key is None or not of_the_key(error.code):
            return
        if is_plan_key(settings.key.reveal()):
            error.hint = f"{PLAN_KEY} {BILL[error.billed is False]}"
            return
        base_url = address_of(region_of(settings, self.regions), settings, self.regions)
        here = owner(base_url, self.regions) if base_url else None
        if here is None:
            if settings.base_url is not None:  # what the catalogue says of regions does not help there
                error.hint = f"{ELSEWHERE} {BILL[error.billed is False]}"
            return
        for old in [name for name, (at, _) in self._asked.items() if time.monotonic() - at > REMEMBERED_SECONDS]:
            del self._asked[old]
        name = (here, settings.key, settings.workspace)
        if name not in self._asked:
            finding = asyncio.create_task(self._find(here, http, settings))
            self._asked[name] = time.monotonic(), finding
        advice = await asyncio.shield(self._asked[name][1])
        if advice:
            error.hint = f"{advice} {BILL[error.billed is False]}"  # what it may have been is of no more use

    async def _find(self, here: Host, http: httpx.AsyncClient, settings: Settings) -> str:
        key = settings.require_key().reveal()
        others = [host for host in hosts(settings.workspace, self.regions) if host != here]
        found = await knock(others, http=http, key=key, workspace=settings.workspace)
        advice = right_place(here, found, by_address=settings.base_url is not None)
        if advice:
            return advice
        asked = dict.fromkeys(probe.host.region for probe in found if probe.verdict == "refused")
        return f"It was refused in {one_of(list(asked))}, too. {NOBODYS_KEY}" if asked else ""
