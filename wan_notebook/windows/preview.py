"""What a request would be, before it is sent: a frozen DryRun, which shows itself as a page and as text.

What a notebook keeps of it (its output) leaves out the queries of addresses, which may be somebody's signature; its
attributes and ``print`` have them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wan_notebook.facts.catalog import catalog
from wan_notebook.media.medium import SentMedia
from wan_notebook.record.provenance import cost_facts
from wan_notebook.service.wire import data_uri_length
from wan_notebook.windows import snippets
from wan_notebook.windows.asked import frames_as_sent
from wan_notebook.words import markup
from wan_notebook.words.addresses import is_address, public_url
from wan_notebook.words.markup import MUTED, fact, row, tag
from wan_notebook.words.phrases import clean, harmless, price
from wan_notebook.words.privacy import HIDDEN, TEXTS
from wan_notebook.words.wording import file_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wan_notebook.errors import Problem
    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.tasks import Cost
    from wan_notebook.windows.asked import Asked
    from wan_notebook.windows.snippets import Call
    from wan_notebook.words.markup import Html

__all__ = ["HEAD", "DryRun"]

UPLOADED = "oss://…"  # stands for the address of what would be uploaded first
HEAD = 24  # bytes of a medium that are shown: enough to see what kind of file it is
PLAYED = "for the simulator"
NOTHING = "nothing was sent, nothing is billed"
PROMPT_CUT = "what is private is left out here, because outputs are saved and shared: print(…) shows it"
QUERY_CUT = "the query of an address is left out here, because outputs are saved and shared: print(…) shows it"


@dataclass(frozen=True)
class DryRun:
    """What :func:`wan_notebook.dry_run` finds out without sending anything; shows itself in a notebook.

    Attributes
    ----------
    request : I2VRequest
    region : str
        ``singapore``, ``beijing``, ``virginia``, ``frankfurt`` or ``simulator``.
    call : wan_notebook.windows.snippets.Call
        What :attr:`url`, :attr:`headers`, :attr:`body`, :attr:`curl` and :attr:`sdk` are made from.
    body_bytes : int
        Length of the body as it would be sent; that of an address an upload would return is not known.
    media : tuple of SentMedia
        Each medium as it would be sent, without its bytes.
    asked : wan_notebook.windows.asked.Asked
        The values, each given or default. A seed that was not given is an example: one is drawn at submit.
    cost : Cost
        The estimate; ``cost.amount`` is None where the price is not known.
    notes : tuple of str
    problems : tuple of Problem
        Why a submit would be refused in this region; empty for a request that can be sent.
    name : str or None
    private : bool
        What a notebook keeps of it leaves out the prompts, too.
    """

    request: I2VRequest
    region: str
    call: Call
    body_bytes: int
    asked: Asked
    cost: Cost
    simulated: bool
    media: tuple[SentMedia, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    name: str | None = None
    private: bool = False

    method = "POST"

    @property
    def url(self) -> str:
        """Where it would go; ``{workspace}`` stands for the workspace id."""
        return self.call.url

    @property
    def headers(self) -> dict[str, str]:
        """The headers; the key's is ``Bearer $DASHSCOPE_API_KEY``, and no key is ever in it."""
        return {"Authorization": f"Bearer ${snippets.KEY_VARIABLE}", **self.call.headers}

    @property
    def body(self) -> dict[str, Any]:
        """The body, base64 shortened to its head and its length, ``oss://…`` for what would be uploaded first."""
        shown: dict[str, Any] = _with_media(self.call.body, _shortened)
        return shown

    @property
    def curl(self) -> str:
        """A command line for bash that sends exactly this body; it reads the key from ``DASHSCOPE_API_KEY``."""
        return snippets.curl(self.call)

    @property
    def sdk(self) -> str:
        """Python source that sends it with the vendor's SDK."""
        return snippets.sdk(self.call)

    @property
    def predicted_size(self) -> tuple[int, int] | None:
        """Width and height of the clip, "about"; None where the first frame's size is not known."""
        return self.request.predicted_size

    @property
    def seconds(self) -> int:
        """Length of the clip, which is what is billed."""
        return int(self.request.effective()["duration"])

    @property
    def fps(self) -> int:
        """Frames per second as documented; the finished file says what they are."""
        return catalog().service.fps

    @property
    def sound(self) -> bool | None:
        """Whether the clip has sound; None for a model that is not in the catalogue."""
        return self.asked.sound

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; money as text, so that nothing is rounded."""
        size = self.predicted_size
        values = {**self.asked.values, **{name: facts.name for name, facts in self.request.media_facts.items()}}
        return {
            "dry_run": True,
            "region": self.region,
            "simulated": self.simulated,
            "request": {"method": self.method, "url": self.url, "headers": self.headers, "body": self.body},
            "values": {name: {"value": values[name], "from": mark} for name, _, mark in self.asked.rows()},
            "clip": {
                "width": size and size[0],
                "height": size and size[1],
                "seconds": self.seconds,
                "fps": self.fps,
                "sound": self.sound,
            },
            "cost": {**(cost_facts(self.cost) or {}), "free_quota": self.cost.free_quota or None},
            "curl": self.curl,
            "sdk": self.sdk,
            "notes": list(self.notes),
            "problems": [str(problem) for problem in self.problems],
        }

    def __str__(self) -> str:
        return _text(self)

    def __repr__(self) -> str:
        return f"<DryRun {self.name or self.request.model}: {NOTHING}; print it to see it>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython's protocol
        kept = _without_queries(self)
        return {"text/html": str(_page(kept)), "text/plain": _text(kept)}


def _with_media(value: Any, change: Callable[[SentMedia], object]) -> Any:
    if isinstance(value, SentMedia):
        return change(value)
    if isinstance(value, dict):
        return {name: _with_media(part, change) for name, part in value.items()}
    return [_with_media(part, change) for part in value] if isinstance(value, list) else value


def _shortened(item: SentMedia) -> str:
    if item.how == "oss":
        return UPLOADED
    head = base64.b64encode((item.data or b"")[:HEAD]).decode()
    return f"data:{item.mime};base64,{head}… ({data_uri_length(item):,} characters)"


def _without_queries(dry: DryRun) -> DryRun:
    """The same, as it may be saved."""

    def text(part: Any) -> Any:
        return HIDDEN if dry.private else part

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: text(part) if name in TEXTS else cut(part) for name, part in value.items()}
        if isinstance(value, list):
            return [cut(part) for part in value]
        if isinstance(value, str) and is_address(value) and public_url(value) != value:
            return f"{public_url(value)}?…"
        return value

    body = cut(dry.call.body)
    if body == dry.call.body:
        return dry
    return replace(dry, call=replace(dry.call, body=body), notes=(*dry.notes, PROMPT_CUT if dry.private else QUERY_CUT))


def _json(dry: DryRun) -> str:
    return snippets.plain_json(json.dumps(dry.body, ensure_ascii=False, indent=2))


def _request_text(dry: DryRun) -> str:
    head = [f"{dry.method} {dry.url}", *(f"{name}: {value}" for name, value in dry.headers.items())]
    return "\n".join([*head, "", _json(dry)])


def _clip(dry: DryRun) -> str:
    size = dry.predicted_size
    shape = f"about {size[0]}×{size[1]}" if size else "size unknown: the first frame is at an address, not looked at"
    sound = {True: "with sound", False: "silent", None: "sound unknown"}[dry.sound]
    return f"{shape} · {dry.seconds} s · {dry.fps} fps as documented · {sound}"


def _money(dry: DryRun) -> tuple[str, str]:
    """The price, and what is free of it."""
    quota = f"free quota, not deducted: {dry.cost.free_quota}" if dry.cost.free_quota and not dry.simulated else ""
    said = price(dry.cost, simulated=dry.simulated)
    return (said if dry.cost.amount is not None or dry.simulated else f"{said} · {dry.region.title()}"), quota


def _titles(dry: DryRun) -> dict[str, str]:
    size = "not as it will be sent" if dry.call.unsettled else file_size(dry.body_bytes)
    return {
        f"{dry.method} request, {size}": _request_text(dry),
        "The same with curl": dry.curl,
        "The same with the vendor's SDK": dry.sdk,
    }


def _page(dry: DryRun) -> Html:
    quiet = f"margin-top:6px;{MUTED}"
    head = row(
        tag("strong", f"Dry run: {dry.name}" if dry.name else "Dry run", style=markup.NAME),
        NOTHING,
        dry.simulated and markup.badge(PLAYED),
        style="margin:0",
    )
    wrong = [tag("li", str(problem), style="margin:0") for problem in dry.problems]
    refused = wrong and tag(
        "div",
        tag("strong", "It would be refused:"),
        tag("ul", *wrong, style="margin:2px 0 0 0;padding-left:1.3em"),
        style=f"border-left:3px solid {markup.RED};padding-left:8px;margin-top:8px",
    )
    cost, quota = _money(dry)
    facts = markup.facts(*dry.asked.strip(), fact("Clip", _clip(dry)), fact("Price", cost, quota and f"· {quota}"))
    folds = [markup.fold(title, markup.source(text)) for title, text in _titles(dry).items()]
    every = markup.fold("Every value", markup.table(dry.asked.rows()))
    notes = markup.bullets(clean(note) for note in dry.notes)
    bill = "; the simulator bills nothing" if dry.simulated else ", and are billed when they run"
    return markup.card(
        markup.RED if dry.problems else markup.GREY,
        head,
        refused,
        facts,
        frames_as_sent(dry.media),
        notes,
        *folds,
        every,
        tag("div", f"Copied commands read the key from DASHSCOPE_API_KEY{bill}.", style=quiet),
    )


def _text(dry: DryRun) -> str:
    cost, quota = _money(dry)
    lines = [f"Dry run{f' of {clean(dry.name)}' if dry.name else ''}: {NOTHING}."]
    if dry.simulated:
        lines.append(f"({PLAYED})")
    lines += ["", *_listed("It would be refused:", map(str, dry.problems))]
    rows: Sequence[tuple[str, str, str]] = [
        *dry.asked.rows(),
        ("clip", _clip(dry), ""),
        ("price", cost, quota),
    ]
    wide = max(len(name) for name, _, _ in rows)
    lines += [f"{name:<{wide}}  {clean(value)}{f'  ({clean(mark)})' if mark else ''}" for name, value, mark in rows]
    lines += ["", *_listed("Notes:", dry.notes)]
    for title, source in _titles(dry).items():
        lines += [f"--- {title} ---", source, ""]
    return harmless("\n".join(lines).rstrip())


def _listed(title: str, items: Iterable[str]) -> list[str]:
    said = [f"  - {clean(item)}" for item in items]
    return [title, *said, ""] if said else []
