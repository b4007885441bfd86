"""Does a page look as the one that is drawn anew from the same record? Element by element; pure.

Nothing may stand on it, or be hidden on it, that the drawn one does not have. Only what the moment knew may differ: the
remarks, the clocks, the names of what was sent, the pictures (they are looked at elsewhere), and whether a clip is
linked, embedded or was taken out of the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import zip_longest
from typing import TYPE_CHECKING

from wan_notebook.request.declaration import I2VRequest
from wan_notebook.windows import rendering
from wan_notebook.words.markup import bullets

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["WEB", "Element", "alien", "read", "texts", "unlike"]

KNOWN = re.compile(
    "a|bdi|code|dd|details|div|dl|dt|figcaption|figure|img|li|ol|pre|span|strong|summary|table|tbody|td|th|thead|tr|ul|video"
)
HIDING = re.compile(r"display:none|visibility|position|z-index|transform|clip|filter|opacity:0(?!\.[1-9])|:-|url\(")
CLOCK = re.compile(r"((queued|ran) [^<]{1,40})+ by the (simulator|service)'s clock|in all [\d: hmin]{1,20} here")
PICTURE = re.compile(r"data:image/(jpeg|png);base64,[A-Za-z0-9+/=\s]*")
MEDIA = re.compile(r"image|last_frame|audio_url")
AS_SENT = re.compile(r"(image|last_frame) as it is sent: \d+ × \d+ pixels")
LIVING = re.compile(r"Save it from the browser: open the clip at the service \([\w :-]{1,60}\)")
WEB = re.compile(r"https?://")
NOTES = str(bullets("x")).partition(">")[0]  # how the list of remarks begins
PROMPTS = re.compile(r"Prompt|Video effect")
SAVE = "Download "


@dataclass
class Element:
    """One element; a whole page is one without a name."""

    name: str = ""
    given: dict[str, str] = field(default_factory=dict)
    within: list[Element | str] = field(default_factory=list)

    def all(self) -> Iterator[Element]:
        """It and all elements within, in order."""
        yield self
        for one in self.within:
            if isinstance(one, Element):
                yield from one.all()

    @property
    def words(self) -> str:
        """All of its text."""
        return " ".join("".join(one if isinstance(one, str) else f" {one.words} " for one in self.within).split())


def read(page: str) -> Element:
    """The elements of a page.

    Raises
    ------
    ValueError
        It holds what no card holds: a comment, or elements that do not end where they should.
    """
    reader = _Reader()
    reader.feed(page)
    reader.close()
    if len(reader.open) > 1:
        raise ValueError(f"<{reader.open[-1].name}> does not end")
    return reader.open[0]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element()]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {})
        for name, value in attrs:
            if name in element.given:
                raise ValueError(f"<{tag}> has two {name}")
            element.given[name] = value or ""
        self.open[-1].within.append(element)
        self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1].name != tag or len(self.open) == 1:
            raise ValueError(f"</{tag}> ends nothing")
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].within.append(data)

    def handle_comment(self, data: str) -> None:
        raise ValueError(f"a comment is not of a card: {data[:40]!r}")

    def handle_decl(self, decl: str) -> None:
        self.handle_comment(decl)

    def handle_pi(self, data: str) -> None:
        self.handle_comment(data)

    def unknown_decl(self, data: str) -> None:
        self.handle_comment(data)


def texts(element: Element) -> Iterator[str]:
    """The texts between one element and the next, in order."""
    held = ""
    for one in (*element.within, None):
        if isinstance(one, str):
            held += one
        else:
            yield from filter(None, [_plain(held)])
            yield from texts(one) if one else ()
            held = ""


def alien(page: Element) -> str:
    """The first element that no card of any version has; empty where there is none."""
    for one in page.all():
        if one.name and not KNOWN.fullmatch(one.name):
            return f"<{one.name}> is not of a card"
        if any(name.startswith("on") for name in one.given):
            return f"<{one.name}> does something when it is touched"
        if HIDING.search(re.sub(r"\s", "", one.given.get("style", "")).lower()):
            return f"<{one.name}> is hidden or laid over others"
        if one.name == "img" and not PICTURE.fullmatch(one.given.get("src", "")):
            return "a picture is not in the card itself"
    return ""


def unlike(page: Element, drawn: Element, *, partly: bool) -> str:
    """The first thing in which a page is not like the drawn one; empty where it is.

    Parameters
    ----------
    page, drawn : Element
    partly : bool
        Whether the record holds only a part of the texts or values, so that these cannot be compared.
    """
    if sum(_is_notes(one) for one in page.all()) > 1:
        return "a second list of remarks is not of this card"
    for one, other in zip_longest(_tokens(page, partly), _tokens(drawn, partly)):
        if one != other:
            return f"{_shown(other)} is not there" if one is None else f"{_shown(one)} is not of this card"
    return ""


def _shown(token: tuple[str, ...] | None) -> str:
    return "its end" if token is None else repr(token[1]) if token[0] == "text" else f"<{token[0]}>"


def _tokens(element: Element, partly: bool) -> Iterator[tuple[str, ...]]:
    """What must be the same, in order."""
    text = ""
    for one in element.within:
        if isinstance(one, str):
            text += one
        elif not _free(one, partly) and (element.name, one.name) != ("video", "img"):
            yield from _said(text)
            text = ""
            name, given = _look(one)
            yield (name, *(f"{key}={value}" for key, value in sorted(given.items())))
            yield from _tokens(one, partly)
            yield (f"/{name}",)
    yield from _said(text)


def _said(text: str) -> Iterator[tuple[str, ...]]:
    if said := _plain(text):
        yield "text", rendering.REPEATABLE if said == rendering.PARTLY_KNOWN else said


def _plain(text: str) -> str:
    """A link to save a file says the same as the file's name."""
    return " ".join(text.split()).removeprefix(SAVE)


def _look(one: Element) -> tuple[str, dict[str, str]]:
    """An element as it is compared: where a clip lies and its pictures are looked at elsewhere."""
    if one.name == "a" and "download" in one.given:
        return "code", {}
    if one.name == "video":
        return one.name, {key: value for key, value in one.given.items() if key not in ("src", "poster")}
    return one.name, one.given


def _free(one: Element, partly: bool) -> bool:
    """Whether an element is of those that only the moment knew, and holds nothing else."""
    below = [part for part in one.within if isinstance(part, Element)]
    names = {part.name for part in one.all()}
    bare = bool(below) and not any(isinstance(part, str) and part.strip() for part in one.within)
    if one.name == "span":
        return not below and CLOCK.fullmatch(one.words) is not None
    if one.name == "ul":
        return bare and _is_notes(one) and names == {"ul", "li"}
    if one.name == "tr":
        label = below[0].words if bare and names <= {"tr", "td", "bdi", "span"} else ""
        return MEDIA.fullmatch(label) is not None or (partly and label in I2VRequest.model_fields)
    if one.name == "details":
        return partly and PROMPTS.match(one.words) is not None
    if one.name == "div" and bare and all(part.name == "span" and _free(part, partly) for part in below):
        return True
    return one.name == "div" and (
        _is_link(one, names) or (bare and _is_frames(below, names)) or (partly and _is_text(below))
    )


def _is_link(one: Element, names: set[str]) -> bool:
    """Where a clip that is not saved yet still is."""
    links = [part.given.get("href", "") for part in one.all() if part.name == "a"]
    return names == {"div", "a"} and LIVING.fullmatch(one.words) is not None and all(map(WEB.match, links))


def _is_frames(below: list[Element], names: set[str]) -> bool:
    return names == {"div", "img"} and all(part.name == "div" and AS_SENT.fullmatch(part.words) for part in below)


def _is_text(below: list[Element]) -> bool:
    return any("dir" in part.given for part in below)


def _is_notes(one: Element) -> bool:
    return one.name == "ul" and f'<ul style="{one.given.get("style")}"' == NOTES
