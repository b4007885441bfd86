"""Saved clips at a glance: posters, not players, because a page of players would load a page of videos."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wan_notebook.media.sheets import poster_sheet
from wan_notebook.words.markup import MUTED, WRAP, badge, bullets, data_uri, row, tag
from wan_notebook.words.phrases import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wan_notebook.words.markup import Html

__all__ = ["Gallery", "Tile"]

COLUMNS, NARROWEST = 4, 230  # posters in a row, where there is room; pixels, so that a call fits in one line
HOW_TO = (
    "A click on a poster opens its clip; the line below it, run in a cell, gives the clip (import wan_notebook as wan)."
)
SMALL = "opacity:0.75;font-size:0.85em"
FILL = "display:block;width:100%;height:auto;border-radius:6px"


@dataclass(frozen=True)
class Tile:
    """One saved clip.

    Parameters
    ----------
    run_id : str
    label : str
    facts : tuple of str
        When it was made, what it cost, of which model.
    simulated : bool
    poster : bytes or None
        A small JPEG.
    link : str
        Where a page finds the clip; empty where it cannot.
    path : str
        The file, for people.
    problem : str
        Why it cannot be shown; empty where all is well.
    """

    run_id: str
    label: str
    facts: tuple[str, ...]
    simulated: bool
    poster: bytes | None
    link: str
    path: str
    problem: str = ""

    @property
    def call(self) -> str:
        """What gives the clip."""
        return f'wan.clip("{self.run_id}")'


@dataclass(frozen=True)
class Gallery:
    """One page of saved clips; shows itself in a notebook, and iterates over the ids of its runs.

    Attributes
    ----------
    tiles : tuple of Tile
    title : str
    remarks : tuple of str
        Which page comes next, for instance.
    """

    tiles: tuple[Tile, ...]
    title: str
    remarks: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[str]:
        return (tile.run_id for tile in self.tiles)

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, place: int) -> str:
        return self.tiles[place].run_id

    def __str__(self) -> str:
        lines = [
            " · ".join(
                clean(part)
                for part in (
                    tile.run_id,
                    tile.label,
                    *tile.facts,
                    tile.simulated and "simulated",
                    tile.problem or tile.path,
                )
                if part
            )
            for tile in self.tiles
        ]
        return "\n".join([self.title, *lines, *self.remarks])

    __repr__ = __str__

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython's protocol
        data: dict[str, Any] = {"text/html": str(self._page()), "text/plain": str(self)}
        if any(tile.poster for tile in self.tiles):
            posters = [(tile.poster, tile.label) for tile in self.tiles]
            data["image/jpeg"] = base64.b64encode(poster_sheet(posters, COLUMNS)).decode()
        return data

    def _page(self) -> Html:
        look = f"flex:1 1 {100 // COLUMNS - 3}%;min-width:{NARROWEST}px;padding:0 6px;box-sizing:border-box"
        tiles = [tag("div", *_parts(tile), style=look) for tile in self.tiles]
        tiles += [tag("div", style=look)] * (COLUMNS - 1)  # they keep the last row's posters in line
        grid = self.tiles and tag("div", *tiles, style="display:flex;flex-wrap:wrap;margin:8px -6px 0 -6px")
        head = row(tag("strong", self.title), self.tiles and HOW_TO, style=MUTED)
        return tag("div", head, grid, bullets(self.remarks), style=f"max-width:1200px;line-height:1.45;{WRAP}")


def _parts(tile: Tile) -> Iterator[object]:
    if tile.poster:
        still = tag(
            "img", src=data_uri("image/jpeg", tile.poster), alt=f"Poster of {tile.label}", title=tile.path, style=FILL
        )
        yield tag("a", still, href=tile.link, target="_blank", style="display:block") if tile.link else still
    else:
        yield tag("div", tile.problem, style="border:1px dashed;border-radius:6px;padding:26% 10px;opacity:0.75")
    yield row(tag("strong", tile.label), tile.simulated and badge("simulated"))
    yield from (tag("div", fact, style=SMALL) for fact in tile.facts)
    yield tag("code", tile.call, style="font-size:10.5px;overflow-wrap:anywhere") if not tile.problem else None
    yield tag("div", style="height:14px")
