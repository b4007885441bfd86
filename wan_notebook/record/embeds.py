"""Videos embedded in a saved notebook, taken out again; the records, posters and everything else stay.

Only a video that is also a file is taken out: one whose very bytes lie in the notebook's folder, where a record names
them by a relative path; its player is linked to that file. Any other may be the last copy, or is none of ours.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from wan_notebook.record.documents import Document, genuine
from wan_notebook.record.recorder import records

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

__all__ = ["ELSEWHERE", "StripReport", "plays", "strip"]

EMBEDDED = re.compile(r"""(\ssrc=)(["'])data:video/[\w.+-]+;base64,([A-Za-z0-9+/=\s]*)\2""")
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
    kept : int
        How many were left in, because no record names a file of the notebook's folder that is the same.
    saved : int
        Bytes of text that are gone.
    """

    path: Path
    videos: int
    kept: int
    saved: int

    def __str__(self) -> str:
        kept = f"; left in, because their file is not here: {self.kept} (--all takes them out too)" if self.kept else ""
        return f"{self.path}: videos taken out: {self.videos} ({self.saved} bytes){kept}"


def strip(
    path: str | os.PathLike[str], output: str | os.PathLike[str] | None = None, *, everything: bool = False
) -> StripReport:
    """Take the embedded videos out of a saved notebook: atomically, changing nothing else in it.

    Parameters
    ----------
    path : path
        The notebook.
    output : path, optional
        Where the result goes instead; it is then written in any case and ``path`` stays untouched.
    everything : bool
        Take out those whose file is not there, too.

    Raises
    ------
    WanError
        Not a notebook of format 4, unreadable or too large, or changed by someone else meanwhile.
    """
    document = Document.read(path)
    target = document.path if output is None else Path(output)
    links = _links(document)
    videos = kept = saved = 0

    def unplugged(found: re.Match[str]) -> str:
        link = links.get(_digest(found[3]), "")
        return f"{found[1]}{found[2]}{link}{found[2]}" if link else "" if everything else found[0]

    for data in _bundles(document.notebook):
        for kind in [kind for kind in data if kind.startswith(VIDEO)]:
            if everything or _digest("".join(map(str, data[kind]))) in links:
                videos, saved = videos + 1, saved + len(str(data.pop(kind)))
            else:
                kept += 1
        page = data.get("text/html")
        before = "".join(map(str, page)) if isinstance(page, list) else page
        if not isinstance(before, str):
            continue
        after = EMBEDDED.sub(unplugged, before)
        left, count = len(EMBEDDED.findall(after)), len(EMBEDDED.findall(before))
        if after != before:
            data["text/html"] = after.splitlines(keepends=True) if isinstance(page, list) else after
        videos, kept, saved = videos + count - left, kept + left, saved + len(before) - len(after)
    if videos or output is not None:
        document.write(target)
    return StripReport(target, videos, kept, saved)


def _bundles(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for cell in notebook["cells"]:
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        for output in outputs if isinstance(outputs, list) else []:
            data = output.get("data") if isinstance(output, dict) else None
            if isinstance(data, dict):
                yield data


def _links(document: Document) -> dict[str, str]:
    """The URL-quoted relative paths of the clips that records name and that lie in the notebook's folder, by digest."""
    found: dict[str, str] = {}
    for _, record in records(document.notebook):
        clip = record.get("clip")
        if isinstance(clip, dict) and isinstance(clip.get("sha256"), str):
            path, _ = genuine(document.path.parent, {name: clip.get(name) for name in ("path", "sha256", "bytes")})
            if path is not None:
                found[clip["sha256"]] = quote(str(clip["path"]))
    return found


def _digest(embedded: str) -> str:
    try:
        return hashlib.sha256(base64.b64decode(embedded)).hexdigest()
    except ValueError:
        return ""


def plays(source: str, clip: Mapping[str, Any]) -> bool:
    """Whether the source of a player is the clip of a record: its bytes, or its file in the notebook's folder.

    Parameters
    ----------
    source : str
        As in the page, with its escapes resolved.
    clip : mapping
        Of the record.
    """
    if source.startswith("data:"):
        return _digest(source.partition(",")[2]) == str(clip["sha256"])
    return not ELSEWHERE.match(source) and f"/{unquote(source)}".endswith(f"/{clip['path']}")
