"""HTML elements whose text is always escaped, in the one look of this package; pure.

What is used here is what JupyterLab's sanitizer leaves in a notebook nobody trusts (read and measured in JupyterLab
4.6.6): inline styles of a fixed list with plain values (no ``var()``, no ``currentColor``), ``title`` but neither
``aria-label`` nor ``role``. Colours are translucent or the text's own, so light and dark themes both work. There are no
heading tags, because JupyterLab's table of contents would list them.
"""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

from wan_notebook.words.phrases import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "AMBER",
    "BLUE",
    "GREEN",
    "GREY",
    "LINE",
    "MUTED",
    "NAME",
    "RED",
    "WRAP",
    "WRAP_ANYWHERE",
    "Html",
    "badge",
    "bullets",
    "card",
    "code",
    "columns",
    "data_uri",
    "fact",
    "facts",
    "fold",
    "quoted",
    "row",
    "script",
    "source",
    "steps",
    "table",
    "tag",
]

BLUE, GREEN, AMBER, RED, GREY = "#4a86e8", "#34a058", "#d08a10", "#d9534f", "#8a8f98"
MUTED = "opacity:0.75;font-size:0.9em"
WRAP = "overflow-wrap:break-word"
WRAP_ANYWHERE = "overflow-wrap:anywhere"  # for cells of tables: the other one would leave them as wide as a long path
LONG_WORD = 16
NAME = "font-size:1.15em"
LINE = "rgba(128,128,128,0.35)"


class Html(str):
    """Text that is markup already; every other text is escaped.

    Made by :func:`tag` and, of base64, by :func:`data_uri`; nothing else may.
    """

    __slots__ = ()


def tag(name: str, *children: object, **attributes: object) -> Html:
    """One element; all text in it is cleaned and escaped.

    Children and attributes that are None, False or empty are left out.

    Examples
    --------
    >>> tag("b", "<script>", title='"')
    '<b title="&quot;">&lt;script&gt;</b>'
    """
    opening = "".join(
        f" {key}" if value is True else f' {key}="{_escaped(value)}"' for key, value in attributes.items() if value
    )
    return Html(f"<{name}{opening}>{''.join(_escaped(child) for child in children if child)}</{name}>")


def data_uri(mime: str, data: bytes) -> Html:
    """``data`` as an address. It needs no escaping, which would take seconds for a clip."""
    return Html(f"data:{mime};base64,{base64.b64encode(data).decode()}")


def script(code: str) -> Html:
    """A program for pages that run any: of ours, never with anything in it that came from elsewhere."""
    if "</" in code or "<!" in code:
        raise ValueError("this would end the element")
    return Html(f"<script>{code}</script>")


def _escaped(value: object) -> str:
    return value if isinstance(value, Html) else html.escape(harmless(str(value)), quote=True)


def card(colour: str, *children: object) -> Html:
    """A box with a coloured edge. The colour never says anything that the text does not say."""
    edges = f"border:1px solid {LINE};border-left:4px solid {colour};border-radius:6px"
    return tag("div", *children, style=f"{edges};padding:10px 14px;max-width:740px;line-height:1.45;{WRAP}")


def row(*phrases: object, style: str = "margin-top:4px") -> Html | None:
    """A line of phrases that wraps where it must; None if there is nothing to say."""
    shown = [tag("span", phrase, style="margin-right:1em") for phrase in phrases if phrase]
    return tag("div", *(part for span in shown for part in (span, " ")), style=style) if shown else None


def fact(label: str, value: object, mark: str = "") -> Html | None:
    """One labelled value for :func:`facts`; None if there is no value."""
    if not value:
        return None
    shown = value if isinstance(value, Html) else tag("bdi", value)
    block = "display:block;float:none;width:auto;margin:0"  # JupyterLab floats dt and dd side by side
    return tag(
        "div",
        tag("dt", label, style=f"{block};font-weight:normal;{MUTED}"),
        tag("dd", shown, mark and tag("span", f" {mark}", style=MUTED), style=block),
        style="margin:0 22px 6px 0;min-width:0;max-width:100%",
    )


def facts(*items: Html | None) -> Html:
    """Labelled values side by side, wrapping where the page is narrow."""
    return tag("dl", *items, style="display:flex;flex-wrap:wrap;margin:10px 0 0 0")


def bullets(sentences: Iterable[object]) -> Html | None:
    """A quiet list; None if it would be empty."""
    items = [tag("li", sentence, style="margin:0") for sentence in sentences]
    return tag("ul", *items, style=f"margin:6px 0 0 0;padding-left:1.3em;{MUTED}") if items else None


def code(text: object) -> Html:
    """Something to select and copy: an id, a call."""
    return tag("code", text)


def source(text: str) -> Html:
    """Lines to select and copy as they are: a request, a command, a program."""
    look = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0;padding:8px 10px;border-radius:4px;font-size:0.9em"
    return tag("pre", text, style=f"{look};background-color:rgba(128,128,128,0.12)")


def quoted(text: str, label: str = "") -> Html:
    """A passage of a person's or the service's text, with its own line breaks and direction."""
    look = f"white-space:pre-wrap;margin:2px 0 8px 0;padding-left:10px;border-left:3px solid {LINE};{WRAP}"
    return tag("div", label and tag("div", label, style=MUTED), tag("div", text, dir="auto", style=look))


def fold(summary: str, *children: object) -> Html:
    """Something to open."""
    inner = tag("div", *children, style="margin:6px 0 0 0")
    return tag("details", tag("summary", summary, style="cursor:pointer"), inner, style="margin-top:6px")


def badge(text: str) -> Html:
    """A short word that must be seen."""
    return tag(
        "span", text, style="display:inline-block;border:1px dashed;border-radius:9px;padding:0 8px;font-size:0.85em"
    )


def steps(labels: Sequence[str], now: int) -> Html:
    """Where a job stands: ``labels`` in order, the one at index ``now`` under way, those before it done."""
    items = []
    for index, label in enumerate(labels):
        edge = GREEN if index < now else BLUE if index == now else LINE
        weight = "font-weight:bold" if index == now else "opacity:0.75"
        sign = "✓ " if index < now else ""
        look = f"flex:1 1 0;margin:0 4px 0 0;padding-top:2px;border-top:4px solid {edge};font-size:0.85em"
        items.append(tag("li", tag("span", sign + label, style=weight), style=look))
    return tag("ol", *items, style="display:flex;margin:10px 0 0 0;padding:0;list-style-type:none")


def table(rows: Iterable[tuple[str, object, str]]) -> Html:
    """Name, value and a quiet remark on the value, one line each."""
    cell = "text-align:left;vertical-align:top;padding:2px 14px 2px 6px"
    lines = [
        tag(
            "tr",
            tag("td", name, style=f"{cell};white-space:nowrap"),
            tag("td", tag("bdi", value), " ", tag("span", remark, style=MUTED), style=f"{cell};{WRAP_ANYWHERE}"),
        )
        for name, value, remark in rows
    ]
    return tag("table", tag("tbody", *lines), style="border-collapse:collapse;margin:0;table-layout:auto")


def columns(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """Rows of values below their headings."""
    cell = "text-align:left;vertical-align:top;padding:2px 14px 2px 6px"
    head = tag("tr", *(tag("th", heading, style=cell) for heading in headings))
    lines = [tag("tr", *(tag("td", tag("bdi", value), style=cell + _breaks(value)) for value in row)) for row in rows]
    look = "border-collapse:collapse;margin:0;table-layout:auto"
    return tag("table", tag("thead", head), tag("tbody", *lines), style=look)


def _breaks(value: object) -> str:
    """Ids and paths may be broken where the page is narrow; dates and words may not."""
    return f";{WRAP_ANYWHERE}" if any(len(word) > LONG_WORD for word in str(value).split()) else ""
