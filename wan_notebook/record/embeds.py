"""Videos embedded in a saved notebook, taken out again; the records, posters and everything else stay.

Where a record beside the video names its clip by a relative path, and that file is the clip of the record, the player
is linked to it; elsewhere it keeps its poster only.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from wan_notebook.record.documents import Document, genuine
from wan_notebook.record.provenance import MIME, is_record

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

__all__ = ["StripReport", "plays", "strip"]

EMBEDDED = re.compile(r"""(\ssrc=)(["'])data:video/[\w.+-]+;base64,[A-Za-z0-9+/=\s]*\2""")
PLAYER = re.compile(r"""[<]video[^>]*?\ssrc=(["'])(.*?)\1""", re.DOTALL)
ELSEWHERE = re.compile(r"//|[A-Za-z][A-Za-z0-9+.-]*:")
VIDEO = "video/"


@dataclass(frozen=True)
class StripReport:
    """What :func:`strip` did.

    Parameters
    ----------
    path : Path
        The file that holds the result.
    videos : int
        How many embedded videos were taken out.
    linked : int
        How many of them are linked to their clip's file now.
    saved : int
        Bytes of text that are gone.
    """

    path: Path
    videos: int
    linked: int
    saved: int

    def __str__(self) -> str:
        return f"{self.path}: videos taken out: {self.videos} ({self.saved} bytes), of them now linked: {self.linked}"


def strip(path: str | os.PathLike[str], output: str | os.PathLike[str] | None = None) -> StripReport:
    """Take the embedded videos out of a saved notebook: atomically, changing nothing else in it.

    Parameters
    ----------
    path : path
        The notebook.
    output : path, optional
        Where the result goes instead; it is then written in any case and ``path`` stays untouched.

    Raises
    ------
    WanError
        Not a notebook of format 4, unreadable or too large, or changed by someone else meanwhile.
    """
    document = Document.read(path)
    target = document.path if output is None else Path(output)
    videos = linked = saved = 0
    for data in _bundles(document.notebook):
        link = _clip_link(data.get(MIME), document.path.parent)
        for kind in [kind for kind in data if kind.startswith(VIDEO)]:
            videos, saved = videos + 1, saved + len(str(data.pop(kind)))
        page = data.get("text/html")
        before = "".join(map(str, page)) if isinstance(page, list) else page
        if not isinstance(before, str):
            continue
        after, count = EMBEDDED.subn(rf"\g<1>\g<2>{link}\g<2>" if link else "", before)
        if count:
            data["text/html"] = after.splitlines(keepends=True) if isinstance(page, list) else after
            videos, linked, saved = videos + count, linked + (count if link else 0), saved + len(before) - len(after)
    if videos or output is not None:
        document.write(target)
    return StripReport(target, videos, linked, saved)


def _bundles(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for cell in notebook["cells"]:
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        for output in outputs if isinstance(outputs, list) else []:
            data = output.get("data") if isinstance(output, dict) else None
            if isinstance(data, dict):
                yield data


def _clip_link(record: object, folder: Path) -> str:
    """The URL-quoted relative path of the record's clip, if it is that very file and lies in the notebook's folder."""
    if not isinstance(record, dict) or not is_record(record) or not isinstance(record.get("clip"), dict):
        return ""
    clip = record["clip"]
    path, _ = genuine(folder, {name: clip.get(name) for name in ("path", "sha256", "bytes")})
    return quote(str(clip["path"])) if path else ""


def plays(data: Mapping[str, Any], clip: Mapping[str, Any]) -> bool | None:
    """Whether the players of an output play the clip of a record: it, or it beside an earlier one (of a replay).

    Parameters
    ----------
    data : mapping
        MIME type to content.
    clip : mapping
        Of the record.

    Returns
    -------
    bool or None
        None where there is no player.
    """
    page = data.get("text/html")
    page = "".join(map(str, page)) if isinstance(page, list) else str(page)
    sources = [html.unescape(source) for _, source in PLAYER.findall(page)]
    return any(_is(source, clip) for source in sources) if sources else None


def _is(source: str, clip: Mapping[str, Any]) -> bool:
    if source.startswith("data:"):
        try:
            embedded = base64.b64decode(source.partition(",")[2])
        except ValueError:
            return False
        return hashlib.sha256(embedded).hexdigest() == str(clip["sha256"])
    return not ELSEWHERE.match(source) and f"/{unquote(source)}".endswith(f"/{clip['path']}")
