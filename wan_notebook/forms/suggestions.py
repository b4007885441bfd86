"""What a medium can be in this notebook: variables and files that a form suggests, and what ``$name`` stands for.

A form reads while somebody is typing, so nothing is evaluated: a variable's name is looked up, and a frame is taken of
a job's clip. Everything else is for the magic's line.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from wan_notebook.engine.job import Job
from wan_notebook.errors import InvalidRequestError, Problem, WanError
from wan_notebook.notebook.surroundings import namespace, notebook_folder
from wan_notebook.words.phrases import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["behind", "files", "name_of", "variables"]

VARIABLE = re.compile(r"\$([^\W\d]\w*)(?:\.frame\(\s*(-?\d{1,6})?\s*\))?")
ENDINGS = {
    "image": (".png", ".jpg", ".jpeg", ".bmp", ".webp"),
    "sound": (".wav", ".mp3"),
}
MOST = 40  # suggestions of one sort
LOOKED_AT = 500  # entries of one folder
PICTURES = (("PIL.", "mode"), ("numpy", "shape"), ("matplotlib.figure", "savefig"))  # a type's home, and what it has
FLAT = (2, 3)  # dimensions of an array that can be a picture


def behind(role: str, text: str, taken: dict[tuple[int, int], Any]) -> Any:
    """What ``$name`` or ``$job.frame(-1)`` stands for.

    Parameters
    ----------
    role : str
        The field it was written into.
    text : str
    taken : dict
        Frames that were taken before; taking one decodes the clip.

    Raises
    ------
    InvalidRequestError
        It stands for nothing.
    """

    def wrong(said: str, fix: str) -> InvalidRequestError:
        return InvalidRequestError([Problem(role, text, said, fix=fix)])

    found = VARIABLE.fullmatch(text)
    if found is None:
        raise wrong("it is no variable's name", "Write $name, or $job.frame(-1) for the last frame of a job's clip")
    name, index, held = found[1], int(found[2] or -1), namespace()
    if name not in held:
        raise wrong(f"there is no variable {name} in this notebook", "Run the cell that defines it")
    if "." not in text:
        return held[name]
    job = held[name]
    if not isinstance(job, Job):
        raise wrong(f"{name} is no job", f"Write ${name}")
    if not job.done():
        raise wrong(f"{name} has no clip yet", "Wait until it is done")
    if (id(job), index) not in taken:
        try:
            taken[id(job), index] = job.frame(index)
        except (WanError, IndexError) as error:
            raise wrong(clean(error).rstrip("."), "Choose another picture") from None
    return taken[id(job), index]


def variables(kind: str) -> list[str]:
    """The notebook's variables that can be such a medium, as they are written in a form."""
    if kind != "image":
        return []
    names: list[str] = []
    for name, value in list(namespace().items()):
        if name.startswith("_") or len(names) >= MOST:
            continue
        if isinstance(value, Job):
            names += [f"${name}.frame(-1)"] if value.done() and value.update.clip is not None else []
        elif _picture(value):
            names.append(f"${name}")
    return names


def files(kind: str) -> list[str]:
    """The pictures or sounds beside the notebook and in the folders there, as relative paths."""
    folder = os.fspath(notebook_folder())
    found = [name for name, _ in _listed(folder, kind)]
    for name, is_folder in sorted(_listed(folder, "")):
        if is_folder:
            found += [f"{name}/{inner}" for inner, _ in sorted(_listed(os.path.join(folder, name), kind))]  # noqa: PTH118  as listed
    return found[:MOST]


def name_of(value: object) -> str | None:
    """The variable of the notebook that holds this very object, as it is written in a form."""
    found = (name for name, held in list(namespace().items()) if held is value and not name.startswith("_"))
    return next((f"${name}" for name in found), None)


def _picture(value: object) -> bool:
    home = type(value).__module__
    fits = any(home.startswith(start) and hasattr(value, mark) for start, mark in PICTURES)
    return fits and (not home.startswith("numpy") or len(getattr(value, "shape", ())) in FLAT)


def _listed(folder: str, kind: str) -> Iterator[tuple[str, bool]]:
    """Files of a kind in a folder, or its folders; nothing hidden."""
    try:
        with os.scandir(folder) as entries:
            for _, entry in zip(range(LOOKED_AT), entries, strict=False):
                wanted = entry.is_file() and entry.name.lower().endswith(ENDINGS[kind]) if kind else entry.is_dir()
                if wanted and not entry.name.startswith((".", "_")):
                    yield entry.name, not kind
    except OSError:
        return
