"""Why does it not work here? Key, region, network, folders, plugin, codecs: each a line, with what to do.

It sends nothing but free GETs, needs neither a key nor a network, takes a few seconds, and never shows a key.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from wan_notebook.config import SIMULATOR, Settings, home
from wan_notebook.errors import ConfigurationError
from wan_notebook.facts.catalog import catalog
from wan_notebook.hall.premises import Finding, codecs, folder, packages, plugin, proxies, simulator_packages
from wan_notebook.ledger.runs import FILE
from wan_notebook.ledger.statements import count
from wan_notebook.ledger.store import Ledger
from wan_notebook.service.connections import open_http
from wan_notebook.service.hosts import Host, address_of, hosts, owner, region_of
from wan_notebook.service.probes import ELSEWHERE, NOBODYS_KEY, PLAN_KEY, is_plan_key, knock, right_place
from wan_notebook.words import markup
from wan_notebook.words.markup import tag
from wan_notebook.words.phrases import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wan_notebook.facts.nouns import Region
    from wan_notebook.service.probes import Probe

__all__ = ["Report", "examine"]

SKEW_SECONDS = 60.0  # an answer's date has whole seconds, and the answer takes a moment
LOOKS = {
    "ok": ("✓", markup.GREEN),
    "info": ("·", markup.GREY),
    "warning": ("!", markup.AMBER),
    "problem": ("✗", markup.RED),
}
NETWORK = "Look at the network, the proxy and the address; without any of them: --region simulator."
OUTPUT = "Give another one: --output-dir, %config WanMagics.output_dir."


@dataclass(frozen=True)
class Report:
    """What the doctor found; shows itself as a table in a notebook and as lines elsewhere."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found that would stop a submit."""
        return not any(finding.level == "problem" for finding in self.findings)

    @property
    def summary(self) -> str:
        """The report in one sentence."""
        topics = {level: [f.topic for f in self.findings if f.level == level] for level in ("problem", "warning")}
        if topics["problem"]:
            return f"A submit would not work here: {', '.join(topics['problem'])}."
        if topics["warning"]:
            return f"Nothing was found that would stop a submit; worth a look: {', '.join(topics['warning'])}."
        return "Nothing was found that would stop a submit."

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"schema": 1, "ok": self.ok, "summary": self.summary, "findings": [asdict(f) for f in self.findings]}

    def __str__(self) -> str:
        width = max(len(finding.topic) for finding in self.findings)
        lines = []
        for found in self.findings:
            lines.append(f"{found.level:8} {found.topic:{width}}  {clean(found.said)}")
            if found.do:
                lines.append(f"{'':8} {'':{width}}  -> {clean(found.do)}")
        return "\n".join([*lines, "", self.summary])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002  IPython's protocol
        return {"text/plain": str(self), "text/html": str(self._html())}

    def _html(self) -> markup.Html:
        cell = "text-align:left;vertical-align:top;padding:3px 14px 3px 0"
        rows = []
        for found in self.findings:
            sign, colour = LOOKS[found.level]
            weight = "normal" if found.level in ("ok", "info") else "bold"
            mark = tag("span", f"{sign} {found.level}", style=f"color:{colour};font-weight:{weight}")
            do = tag("div", "→ ", found.do, style=f"font-weight:{weight}") if found.do else None
            rows.append(
                tag(
                    "tr",
                    tag("td", mark, style=f"{cell};white-space:nowrap"),
                    tag("td", found.topic, style=f"{cell};{markup.WRAP}"),
                    tag("td", tag("div", found.said), do, style=f"{cell};{markup.WRAP_ANYWHERE}"),
                )
            )
        table = tag("table", tag("tbody", *rows), style="border-collapse:collapse;margin:8px 0 0 0;table-layout:auto")
        edge = markup.GREEN if self.ok else markup.RED
        return markup.card(edge, tag("strong", "Doctor", style=markup.NAME), " ", tag("span", self.summary), table)


def examine(
    *,
    region: str | None = None,
    preferences: Mapping[str, Any] | None = None,
    outputs: Path,
    front_end: str,
    plugin_answered: bool | None = None,
    regions: Mapping[str, Region] | None = None,
) -> Report:
    """Look at everything a submit needs.

    Parameters
    ----------
    region : str, optional
        As given with ``--region``.
    preferences : mapping, optional
        What ``%config WanMagics`` says.
    outputs : Path
        Where clips would be kept.
    front_end : str
        As :func:`wan_notebook.notebook.frontend.front_end` names it.
    plugin_answered : bool or None
        Whether the JupyterLab plugin has spoken.
    regions : mapping of str to Region, optional
        Instead of the catalogue's: the same names at other addresses.
    """
    findings: list[Finding] = []
    address, simulated, reached = None, False, True
    try:
        settings = Settings.resolve(region=region, preferences=preferences)
        findings.append(_key(settings))
        name = region_of(settings, regions)
        simulated = name == SIMULATOR and settings.base_url is None
        findings += _place(settings, name)
        try:
            address = address_of(name, settings, regions)
        except ConfigurationError as error:
            findings.append(Finding("settings", "problem", error.message, error.hint))
        if address is None and simulated:
            findings += _simulator()
        else:
            said, reached = _apart(_service(settings, name, address, regions))
            findings += said
    except ConfigurationError as error:
        findings.append(Finding("settings", "problem", error.message, error.hint))
    return Report(
        (
            *findings,
            *([] if simulated else [proxies(address, reached=reached)]),
            folder("clips", outputs, do=OUTPUT),
            *_state(needed=simulated),
            *plugin(front_end, answered=plugin_answered),
            *packages(front_end),
            *codecs(front_end),
            simulator_packages(needed=simulated),
        )
    )


def _key(settings: Settings) -> Finding:
    if settings.key is None:
        do = "%wan_login, DASHSCOPE_API_KEY before Jupyter starts, or ~/.dashscope/api_key; or --region simulator."
        return Finding("key", "problem", "not set", do)
    if settings.region == SIMULATOR and settings.base_url is None:
        return Finding("key", "info", "none is needed: the simulator has its own and never gets yours")
    key, said = settings.key.reveal(), f"set ({settings.key_source})"
    if is_plan_key(key):
        return Finding("key", "problem", said, PLAN_KEY)
    if not key.startswith(("sk-", "st-")):  # st-: short-lived ones
        return Finding(
            "key", "warning", said, "Model Studio keys begin with sk-, and this one does not: copy it again."
        )
    return Finding("key", "ok", said)


def _place(settings: Settings, name: str) -> list[Finding]:
    source = settings.region_source
    if settings.base_url and name != catalog().region(settings.region).name:
        source = f"decided by the base URL; {settings.region_source} says {settings.region}"
    findings = [Finding("region", "ok", f"{name} ({source})")]
    if settings.base_url:
        known = owner(settings.base_url)
        shown = known.shown if known else settings.base_url
        said = f"{shown} ({settings.base_url_source}), which stands above the region"
        findings.append(Finding("base URL", "ok", said))
    if settings.workspace:
        findings.append(Finding("workspace", "ok", f"set ({settings.workspace_source})"))
    return findings


def _state(*, needed: bool) -> Iterator[Finding]:
    try:
        yield folder("state", home(), do="Name another folder in WAN_NOTEBOOK_HOME.", needed=needed)
    except ConfigurationError as error:
        yield Finding("state", "problem", error.message, error.hint)
        return
    if (home() / FILE).exists():
        with closing(Ledger(home())) as ledger:
            known = count(len(ledger.runs()), "run")
        bad = Finding("ledger", "warning", f"{ledger.trouble}: submitting asks first, or needs --yes", ledger.remedy)
        yield bad if ledger.trouble else Finding("ledger", "ok", f"{known} in it")


def _simulator() -> list[Finding]:
    from wan_notebook.simulator import find_running

    try:
        running = find_running(home())
    except (ImportError, OSError, ConfigurationError):
        running = None
    said = f"runs at {running}" if running else "starts when it is first used"
    return [Finding("service", "ok", f"the simulator {said}; nothing is billed and no network is needed")]


def _apart(looking: Any) -> tuple[list[Finding], bool]:
    """Run a coroutine on a thread and loop of its own: the kernel's loop is busy, and may have been patched."""

    def run() -> tuple[list[Finding], bool]:
        loop = asyncio.new_event_loop()
        try:
            found: tuple[list[Finding], bool] = loop.run_until_complete(looking)
            return found
        finally:
            loop.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


async def _service(
    settings: Settings, name: str, address: str | None, regions: Mapping[str, Region] | None
) -> tuple[list[Finding], bool]:
    """What the regions say, and whether anything came back from any of them; without an address only the others."""
    here = owner(address, regions) if address else None
    key = settings.key.reveal() if settings.key else ""
    asked = hosts(settings.workspace, regions) if here or address is None else [Host(name, address, own=False)]
    key = "" if is_plan_key(key) else key
    async with open_http("wan-notebook doctor") as http:
        probes = await knock(asked, http=http, key=key, workspace=settings.workspace)
    mine = next((probe for probe in probes if probe.host == (here or asked[0])), None) if address else None
    others = [probe for probe in probes if probe is not mine]
    by_address = settings.base_url is not None
    findings = [_verdict(mine, others, keyed=bool(key), by_address=by_address)] if mine else []
    for probe in others:
        answers = not key and probe.verdict == "refused"
        good = answers or probe.verdict == "taken"
        said = "answers" if answers else probe.said
        findings.append(Finding(_topic(probe.host), "ok" if good else "info", said))
    if here is None and address:
        said = "not asked: a key for a base URL of your own is shown to nobody else"
        findings.append(Finding("other regions", "info", said))
    else:
        alone = sorted({r for r in (regions or catalog().regions) if r != SIMULATOR} - {p.host.region for p in probes})
        findings += [Finding(r, "info", "not asked: it is reached by a workspace's own host only") for r in alone]
    return [*findings, _clock([*([mine] if mine else []), *others])], any(p.verdict != "unreachable" for p in probes)


def _topic(host: Host) -> str:
    return f"{host.region}, workspace's host" if host.own else host.region


def _verdict(mine: Probe, others: list[Probe], *, keyed: bool, by_address: bool) -> Finding:
    topic, cure = f"{_topic(mine.host)} (in use)", mine.meant.cure if mine.meant else NETWORK
    if mine.verdict == "taken":
        return Finding(topic, "ok", mine.said)
    if mine.verdict == "refused" and not keyed:
        return Finding(topic, "info", "answers; whether it would take a key is not known")
    if mine.verdict == "refused":
        place = right_place(mine.host, others, by_address=by_address)
        return Finding(topic, "problem", "refuses the key", place or (ELSEWHERE if by_address else NOBODYS_KEY))
    passing = mine.meant is not None and mine.meant.may_pass
    return Finding(topic, "warning" if passing else "problem", mine.said, cure)


def _clock(probes: list[Probe]) -> Finding:
    ahead = next((probe.ahead_seconds for probe in probes if probe.ahead_seconds is not None), None)
    if ahead is None:
        return Finding("clock", "info", "not compared: no host told the time")
    if abs(ahead) <= SKEW_SECONDS:
        return Finding("clock", "ok", "agrees with the service's to a minute")
    minutes = f"{abs(ahead) / 60:.0f} minutes {'behind' if ahead > 0 else 'ahead of'} the service's"
    do = "Set this computer's clock: times in records, and how long a clip is still kept, are counted by it."
    return Finding("clock", "warning", minutes, do)
