"""What lies beside a notebook, against a record of it: inputs, the clip, and the record beside the clip.

Only files that the record names by relative paths inside the notebook's own folder are opened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import WanError
from wan_notebook.media.pixels import format_of, open_image
from wan_notebook.record.claims import another_story
from wan_notebook.record.documents import genuine, inside
from wan_notebook.record.findings import DIFFERS, OK, UNKNOWN, Finding
from wan_notebook.record.footage import misfit
from wan_notebook.record.model import faults
from wan_notebook.record.provenance import digest
from wan_notebook.record.sidefiles import SUFFIX, load_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["ELSEWHERE", "clip_of", "elsewhere", "inputs_of"]

ELSEWHERE = "it was kept outside the notebook's folder, or is gone"


def inputs_of(at: Finding, record: dict[str, Any], folder: Path) -> Iterator[Finding]:
    """Whether the inputs are what was sent, and are still what they were."""
    at = replace(at, what="input")
    sent = str(record["request"]["sent"])
    for item in record["inputs"]:
        name = item["name"] or item["role"]
        if item["sha256"] is None:
            yield replace(at, result=UNKNOWN, words=f"{name}: given by its address and not kept")
            continue
        problem = "" if record["request"]["sent"] is None or item["sha256"] in sent else "it is not what was sent"
        if not problem and elsewhere(folder, item):
            yield replace(at, result=UNKNOWN, words=f"{name}: {ELSEWHERE}")
            continue
        path, wrong = genuine(folder, item)
        problem = problem or wrong or (_another_size(path, item) if path else "")
        yield replace(at, result=DIFFERS if problem else OK, words=f"{name}: {problem}" if problem else name)


def _another_size(path: Path, item: Mapping[str, Any]) -> str:
    """Whether a kept picture has other sides than the record says."""
    if None in (item["width"], item["height"]):
        return ""
    try:
        with path.open("rb") as file:
            picture = open_image(file, format_of(file.read(32)))
            width, height = picture.size
    except (OSError, ValueError, SyntaxError):
        return ""  # its bytes are those that were sent, whatever they are
    right = (item["width"], item["height"]) in ((width, height), (height, width))
    return "" if right else f"it has {width}×{height} pixels, not {item['width']}×{item['height']}"


def elsewhere(folder: Path, item: Mapping[str, Any]) -> bool:
    """Whether a file was kept outside the notebook's folder: then its bare name is recorded, and nothing more."""
    return item["path"] is not None and "/" not in item["path"] and inside(folder, item["path"]) is None


def clip_of(at: Finding, record: dict[str, Any], folder: Path) -> Iterator[Finding]:
    """Whether the clip is the one the record tells of, and the record beside it tells the same."""
    claimed, at = record["clip"], replace(at, what="clip")
    if claimed is None:
        if record["state"] == "downloaded":
            yield replace(at, result=DIFFERS, words="it is said to be saved, but the record names no file")
        return
    if elsewhere(folder, claimed):
        yield replace(at, result=UNKNOWN, words=f"{claimed['path']}: {ELSEWHERE}")
        return
    film, problem = genuine(folder, claimed)
    problem = misfit(film, claimed, record["usage"] or {}) if film else problem
    yield replace(
        at, result=DIFFERS if problem else OK, words=f"{claimed['path']}: {problem}" if problem else claimed["path"]
    )
    path = inside(folder, claimed["path"] + SUFFIX)
    if path is not None:
        yield _side_file(replace(at, what="side file"), path, record)
    elif film:
        yield replace(at, what="side file", result=UNKNOWN, words="there is no record beside the clip")


def _side_file(at: Finding, path: Path, record: dict[str, Any]) -> Finding:
    try:
        side = load_record(path)
    except WanError as error:
        return replace(at, result=DIFFERS, words=error.message)
    wrong = faults(side)
    if wrong:
        return replace(at, result=DIFFERS, words=wrong[0])
    if digest({key: value for key, value in side.items() if key != "record_sha256"}) != side["record_sha256"]:
        return replace(at, result=DIFFERS, words="it was edited")
    other = another_story(side, record)
    return replace(at, result=DIFFERS, words=f"it tells another story than the notebook: {other}") if other else at
