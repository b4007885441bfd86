"""A finished clip as HTML5 video: linked where the front end serves files, embedded where it must be.

It is a ``<video src>``, never a ``<source>``: JupyterLab's sanitizer empties the latter in a notebook nobody trusts
(measured, JupyterLab 4.6.6), and the paths it resolves are relative and URL-quoted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from wan_notebook.media.sheets import thumbnail
from wan_notebook.words.markup import MUTED, NAME, WRAP, badge, code, data_uri, row, tag
from wan_notebook.words.phrases import clean, clip_facts, price
from wan_notebook.words.wording import file_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wan_notebook.tasks import Clip, Cost, Task
    from wan_notebook.words.markup import Html

__all__ = ["NOT_REAL", "Film", "figure", "relative_link", "relative_path", "screen", "text_line"]

NOT_REAL = "simulated — not a real Wan clip"
EMBED_CAP = 20_000_000  # bytes; beyond it every save and reload of a notebook becomes painful (measured)
EMBED_UNASKED = 5_000_000  # bytes; embedded without being asked only where no relative link can exist
SHOWN_SIDES = 720, 480  # CSS pixels a clip is shown at, at most
TILE_SIDE, STILL_SIDE = 400, 240  # pixels of the poster of a clip among many, of the picture instead of a player


@dataclass(frozen=True)
class Film:
    """A saved clip and what is told with it.

    Parameters
    ----------
    clip : Clip
    cost : Cost or None
    task : Task or None
    name : str or None
        The variable that holds the job.
    folder : Path or None
        The notebook's folder, which links are relative to; None is the current one.
    simulated : bool
    """

    clip: Clip
    cost: Cost | None
    task: Task | None
    name: str | None
    folder: Path | None
    simulated: bool


def figure(film: Film, *, embed_limit: int = 0, below: Sequence[Html | None] = ()) -> Html:
    """The clip, what it is, what it cost, where it lies; then ``below``.

    Parameters
    ----------
    film : Film
    embed_limit : int
        Largest file, in bytes, that is embedded instead of linked; never more than 20 MB.
    below : sequence of Html
        Notes, times, parameters.
    """
    clip, name = film.clip, film.clip.path.name
    link, embedded = _places(film, embed_limit)
    # A link beside an embedded clip would be dead wherever the page travels alone; the player can save it itself.
    file = tag("a", f"Download {name}", href=link, download=name) if link and not embedded else code(name)
    digest = tag("span", "sha256 ", code(f"{clip.sha256[:12]}…"), title=clip.sha256)
    caption = tag(
        "figcaption",
        row(film.name and tag("strong", film.name, style=NAME), *clip_facts(clip), film.simulated and badge(NOT_REAL)),
        row(price(film.cost, simulated=film.simulated)),
        row(file, file_size(clip.bytes), digest),
        film.task and row(tag("span", "Task id ", code(film.task.task_id)), style=f"margin-top:4px;{MUTED}"),
        *below,
        style="margin-top:6px;text-align:left",
    )
    look = f"margin:0;max-width:{SHOWN_SIDES[0]}px;line-height:1.45;{WRAP}"
    return tag("figure", _video(film, embedded or link), caption, style=look)


def screen(film: Film, *, embed_limit: int = 0, muted: bool = False) -> Html:
    """The clip alone, as wide as there is room; ``embed_limit`` as of :func:`figure`.

    Parameters
    ----------
    muted : bool
        Whether it begins without its sound.
    """
    link, embedded = _places(film, embed_limit)
    return _video(film, embedded or link, muted=muted, wide=True)


def _places(film: Film, embed_limit: int) -> tuple[str, str]:
    """Where the file is, and itself if it is embedded; each may be empty."""
    link = relative_link(film.clip.path, film.folder)
    return link, _data_uri(film.clip, embed_limit if link else max(embed_limit, EMBED_UNASKED))


def _video(film: Film, source: str, *, muted: bool = False, wide: bool = False) -> Html:
    if not source:
        return tag("div", "The file is on another drive and too large to embed: open it from there.", style=MUTED)
    clip = film.clip
    spoken = f"Video {film.name or clip.path.stem}: {', '.join(clip_facts(clip))}"
    spoken += ", simulated" if film.simulated else ""
    width, height = _shown_size(clip)
    poster = (thumbnail(clip.poster or b"", TILE_SIDE) if wide else clip.poster) or b""
    still = thumbnail(clip.poster or b"", STILL_SIDE)
    return tag(
        "video",
        # what is left where a viewer takes the player away
        still and tag("img", src=data_uri("image/jpeg", still), alt=spoken, width=STILL_SIDE),
        f"{spoken}. This viewer does not play video.",
        controls=True,
        muted=muted,
        preload="metadata",
        src=source,
        poster=poster and data_uri("image/jpeg", poster),
        title=spoken,
        width=width,
        height=height,
        style=f"display:block;{'width:100%;' if wide else ''}max-width:100%;height:auto;border-radius:6px;"
        "background-color:rgba(128,128,128,0.15)",
    )


def text_line(film: Film) -> str:
    """The same in one line, for terminals and viewers without HTML."""
    where = relative_path(film.clip.path, film.folder)
    shown = film.clip.path.name if where is None or where.startswith("../") else where
    paid = "simulated, nothing billed" if film.simulated else str(film.cost or "price unknown")
    facts = ", ".join(clip_facts(film.clip)).replace("×", "x")
    parts = [f"{film.name or 'wan'}: {shown}", facts, paid, film.task and f"task {film.task.task_id}"]
    return clean(" · ".join(part for part in parts if part))


def relative_path(path: Path, folder: Path | None) -> str | None:
    """``path`` as seen from ``folder``, with forward slashes; None where there is no such way (another drive)."""
    base, path = (folder or Path()).absolute(), path.absolute()
    try:
        if not path.is_relative_to(base) and path.resolve().is_relative_to(base.resolve()):
            return path.resolve().relative_to(base.resolve()).as_posix()
        return Path(os.path.relpath(path, base)).as_posix()
    except ValueError:
        return None


def relative_link(path: Path, folder: Path | None) -> str:
    """:func:`relative_path`, URL-quoted; empty where there is none."""
    where = relative_path(path, folder)
    return quote(os.fsencode(where)) if where else ""


def _data_uri(clip: Clip, limit: int) -> str:
    """The file itself if it has at most ``limit`` bytes; empty if it has more or cannot be read."""
    try:
        if not 0 < clip.path.stat().st_size <= min(limit, EMBED_CAP):
            return ""
        return data_uri("video/mp4", clip.path.read_bytes())
    except OSError:
        return ""


def _shown_size(clip: Clip) -> tuple[int, int]:
    scale = min(1.0, SHOWN_SIDES[0] / max(1, clip.width), SHOWN_SIDES[1] / max(1, clip.height))
    return round(clip.width * scale), round(clip.height * scale)
