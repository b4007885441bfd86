"""Clips side by side: players that run together where the page may run a script, and what differs between them.

A notebook nobody trusts loses the script and nothing else: each player then works by itself, and the page says so.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from wan_notebook.media.sheets import poster_sheet
from wan_notebook.request.declaration import parameters
from wan_notebook.windows.player import relative_path, screen
from wan_notebook.words import markup
from wan_notebook.words.markup import MUTED, WRAP, badge, columns, row, tag
from wan_notebook.words.phrases import clean, clip_facts, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wan_notebook.hall.exhibits import Exhibit
    from wan_notebook.words.markup import Html

__all__ = ["Comparison"]

APART = "Each player works by itself here. In a trusted notebook they start, pause and seek together."
SMALL = "opacity:0.75;font-size:0.85em"
SIMULATED = "simulated"
CELL, SHORT = 160, 36  # characters of a value in the table, below a player
NARROWEST, WIDE, WIDEST = 180, 480, 1200  # pixels of a player, at least and at most, and of all
ORDER = [info.name for info in parameters()]
UNKNOWN = "–"
DIGEST = re.compile(r" \([0-9a-f]{8}…\)$")


@dataclass(frozen=True)
class Comparison:
    """Clips side by side; shows itself in a notebook.

    Attributes
    ----------
    exhibits : tuple of Exhibit
        One for each clip, in the order they were given.
    columns : int
        Players in a row, where there is room.
    embed_limit : int
        Largest clip, in bytes, that is embedded instead of linked.
    """

    exhibits: tuple[Exhibit, ...]
    columns: int = 4
    embed_limit: int = 0
    left_out: int = 0
    publish: Callable[[Comparison], None] | None = None

    @property
    def differing(self) -> dict[str, tuple[str, ...]]:
        """The parameters that are not the same for all: name to the value of each clip, ``–`` where none is known."""
        known = [exhibit.values for exhibit in self.exhibits]
        rows = {name: tuple(values.get(name, UNKNOWN) for values in known) for name in _names(known)}
        return {name: _plain(row) for name, row in rows.items() if len(set(_plain(row))) > 1}

    @property
    def shared(self) -> dict[str, str]:
        """The parameters that are the same for all."""
        known = [exhibit.values for exhibit in self.exhibits]
        differing = self.differing
        return {name: max(values.get(name, "") for values in known) for name in _names(known) if name not in differing}

    def __str__(self) -> str:
        differing = self.differing
        lines = []
        for place, exhibit in enumerate(self.exhibits):
            film = exhibit.film
            where = film and (relative_path(film.clip.path, film.folder) or film.clip.path.name)
            facts = [f"{name} {shortened(clean(values[place]), CELL)}" for name, values in differing.items()]
            said = [_title(place, exhibit), where, exhibit.problem, *facts, exhibit.simulated and SIMULATED]
            lines.append(clean(" · ".join(part for part in said if part)))
        return "\n".join([*lines, *self._remarks()])

    __repr__ = __str__

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython's protocol
        data: dict[str, Any] = {"text/html": str(self._page()), "text/plain": str(self)}
        shown = [(e.film.clip.poster if e.film else None, _title(place, e)) for place, e in enumerate(self.exhibits)]
        if any(poster for poster, _ in shown):
            picture = poster_sheet(shown, self.columns)
            data["image/jpeg"] = base64.b64encode(picture).decode()
        return data

    def _ipython_display_(self) -> None:
        if self.publish is None:
            raise NotImplementedError  # IPython then asks for the bundle
        self.publish(self)

    def _remarks(self) -> list[str]:
        told = [f"{self.left_out} more are not shown: compare fewer of them"] if self.left_out else []
        return told + ([] if self.differing or len(self.exhibits) < 2 else ["no known parameter differs"])  # noqa: PLR2004

    def _page(self) -> Html:
        loud = next((place for place, e in enumerate(self.exhibits) if e.film and e.film.clip.audio), None)
        tiles = [self._tile(place, exhibit, muted=place != loud) for place, exhibit in enumerate(self.exhibits)]
        several = sum(exhibit.film is not None for exhibit in self.exhibits) > 1
        bar = several and tag("div", APART, **{"class": "wan-together-bar"}, style=f"margin:0 0 8px 0;{MUTED}")
        tiles += [tag("div", style=self._look())] * (self.columns - 1)  # they keep the last row's players in line
        grid = tag("div", *tiles, style="display:flex;flex-wrap:wrap;margin:0 -6px")
        code = files("wan_notebook.windows").joinpath("together.js").read_text("utf-8")
        players = tag("div", bar, grid, several and markup.script(code), **{"class": "wan-together"})
        return tag(
            "div",
            players,
            self._table(),
            self._same(),
            style=f"max-width:{min(WIDEST, self.columns * WIDE)}px;line-height:1.45;{WRAP}",
        )

    def _tile(self, place: int, exhibit: Exhibit, *, muted: bool) -> Html:
        film = exhibit.film
        if film is None:
            empty = "border:1px dashed;border-radius:6px;padding:24px 10px;opacity:0.75"
            shown: object = tag("div", exhibit.problem, style=empty)
        else:
            shown = screen(film, embed_limit=self.embed_limit, muted=muted)
        differing = self.differing
        words = [
            tag("span", f"{name} {shortened(clean(values[place]), SHORT)}")
            for name, values in differing.items()
            if values[place] != UNKNOWN
        ]
        title = row(
            tag("strong", _title(place, exhibit)), exhibit.simulated and badge(SIMULATED), style="margin-top:4px"
        )
        return tag(
            "div",
            shown,
            title,
            row(*words, style="font-size:0.9em"),
            film and tag("div", " · ".join((*clip_facts(film.clip)[:2], _paid(exhibit))), style=SMALL),
            film and exhibit.problem and tag("div", exhibit.problem, style=MUTED),
            tag("div", style="height:12px"),
            style=self._look(),
        )

    def _look(self) -> str:
        """As wide as its share of a row, but never narrower than what can be looked at."""
        return f"flex:1 1 {100 // self.columns - 3}%;min-width:{NARROWEST}px;padding:0 6px;box-sizing:border-box"

    def _table(self) -> Html | None:
        """Only what differs."""
        differing = self.differing
        if not differing:
            return tag("div", *self._remarks(), style=MUTED) if self._remarks() else None
        rows = [
            (_title(place, exhibit), *(shortened(clean(values[place]), CELL) for values in differing.values()))
            for place, exhibit in enumerate(self.exhibits)
        ]
        table = columns(("Clip", *differing), rows)
        return tag("div", table, markup.bullets(self._remarks()), style="overflow-x:auto")

    def _same(self) -> Html | None:
        same = [(name, value, "") for name, value in self.shared.items()]
        return markup.fold("The same for all", markup.table(same)) if same else None


def _title(place: int, exhibit: Exhibit) -> str:
    return f"{place + 1} {exhibit.label}"


def _paid(exhibit: Exhibit) -> str:
    return "nothing billed" if exhibit.simulated else str((exhibit.film and exhibit.film.cost) or "price unknown")


def _plain(values: tuple[str, ...]) -> tuple[str, ...]:
    """Without the digests behind the names of files, unless they are what tells two files of one name apart."""
    names = tuple(DIGEST.sub("", value) for value in values)
    digests = {value for value, name in zip(values, names, strict=True) if value != name}
    return values if len(digests) > len({DIGEST.sub("", value) for value in digests}) else names


def _names(known: Sequence[Mapping[str, str]]) -> list[str]:
    """The names of all values, in the order of the request's declaration."""
    found = dict.fromkeys(name for values in known for name in values)
    return sorted(found, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
