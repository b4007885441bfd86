"""A notebook without its private prompts, to be given away: what they stand in is left out, the records stay.

The text of a private prompt is not recorded; it stands in the notebook's own cells. Private is a cell with a private
run, one that says so itself, and, where anything is private, one that asks for a clip of which no run is recorded (a
refused one, a dry run) and one that sets a variable these use. Every other text that shares a dozen characters with
theirs is left out too: rather too much than a word of a prompt.
"""

from __future__ import annotations

import copy
import hashlib
import html
import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wan_notebook.record.provenance import MIME
from wan_notebook.record.recorder import KEY, records
from wan_notebook.words.privacy import HIDDEN, SHARED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["SEALED", "redacted"]

SEALED = "# The source of this cell is private and was left out.\n"
SETTING = re.compile(r"^.*\bWanMagics\.private\b.*$", re.MULTILINE)
SAYS_SO = re.compile(r"--private\b|\bprivate['\"]?\s*[=:](?!=)\s*(?!False\b)")
ASKS = re.compile(r"\bwan_i2v\b|\bprompt['\"]?\s*[=:](?!=)")
MAGIC = re.compile(r"^\s*%%?wan_i2v\b(.*)$", re.MULTILINE)
STRING = re.compile(r'"""(.*?)"""|\'\'\'(.*?)\'\'\'|"((?:\\.|[^"\\\n])*)"|\'((?:\\.|[^\'\\\n])*)\'', re.DOTALL)
SETS = re.compile(r"^\s*([A-Za-z_][\w, ]*?)\s*(?::[^=\n]*)?[+]?=(?!=)", re.MULTILINE)
NAME = re.compile(r"[A-Za-z_]\w*")
INSERTED = re.compile(r"\{([^{}]*)\}|\$([A-Za-z_]\w*)")
PICTURE = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]*")
TAG = re.compile(r"<[^<>]*>")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PIXELS = ("image/png", "image/jpeg", "image/gif", "video/mp4", "audio/")
PRIVATE = "they are private"
UNRECORDED = "it asks for a clip and no run of it is recorded, so they may be private, too"
SETS_IT = "it sets a variable that a private cell uses"
SHARES = "it holds a text of a private cell"
LEAST = 3  # characters of a text that is looked for


def redacted(notebook: dict[str, Any]) -> tuple[dict[str, Any], dict[int, str]]:
    """``notebook`` without private texts.

    Parameters
    ----------
    notebook : dict
        JSON of format 4; it is not changed.

    Returns
    -------
    notebook : dict
        A copy, or itself where nothing in it is private.
    cells : dict of int to str
        Places, from 0, of the cells that lost something, and why.
    """
    cells = [_Cell(one) for one in notebook["cells"]]
    public: set[str] = set()
    for index, record in records(notebook):
        cells[index].private |= bool(record.get("private"))
        cells[index].recorded = True
        public |= set() if record.get("private") else {str(record.get("source_sha256"))}
    for cell in cells:
        cell.recorded |= cell.digest() in public  # its output is shown by another one
        cell.private |= cell.code and SAYS_SO.search(SETTING.sub("", cell.source)) is not None
    if not any(cell.private for cell in cells) and not any(SETTING.search(cell.source) for cell in cells if cell.code):
        return notebook, {}
    for cell in cells:
        if cell.code and not cell.private and not cell.recorded and ASKS.search(cell.source):
            cell.private, cell.why = True, UNRECORDED
    while _spread(cells):
        pass
    known = _Secrets(text for cell in cells if cell.private for text in cell.texts())
    shown = known.cut({name: value for name, value in notebook.items() if name != "cells"})
    shown["cells"] = [_cut(cell, known) for cell in cells]
    changed = [place for place, one in enumerate(shown["cells"]) if one != notebook["cells"][place]]
    return {name: shown[name] for name in notebook}, {
        place: cells[place].why if cells[place].private else SHARES for place in changed
    }


@dataclass
class _Cell:
    """One cell, and what is known of it."""

    held: Any
    private: bool = False
    recorded: bool = False
    why: str = PRIVATE

    def __post_init__(self) -> None:
        said = self.held.get("source") if isinstance(self.held, dict) else None
        self.code = isinstance(self.held, dict) and self.held.get("cell_type") == "code"
        self.source = "".join(map(str, said)) if isinstance(said, list) else str(said or "")

    def digest(self) -> str:
        return hashlib.sha256(self.source.encode("utf-8", "surrogatepass")).hexdigest()

    def texts(self) -> Iterator[str]:
        """What may be a prompt, or a part of one."""
        magic = MAGIC.search(self.source)
        if magic is not None:
            yield self.source[magic.end() :]
            for word in _words(magic.group(1)):
                yield from re.split(r"[|=]", word) if _like_prose(word) else ()
        for found in STRING.finditer(self.source if magic is None else self.source[: magic.start()]):
            text = next(filter(None, found.groups()), "")
            if _like_prose(text):
                yield from re.split(r"\{[^{}]*\}", text)

    def uses(self) -> set[str]:
        """Names of variables whose values may come into a prompt."""
        if MAGIC.search(self.source) is None:
            return set(NAME.findall(self.source))
        return {name for pair in INSERTED.findall(self.source) for part in pair for name in NAME.findall(part)}


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return [line]


def _like_prose(text: str) -> bool:
    """Whether a text may be a prompt; the name of a file or an option is none."""
    return not text.isascii() or any(map(str.isspace, text.lstrip()))


def _spread(cells: list[_Cell]) -> bool:
    """Make private what sets a variable that a private cell uses; whether there was such a cell."""
    used = {name for cell in cells if cell.private for name in cell.uses()}
    found = False
    for cell in cells:
        if cell.private or cell.recorded or not cell.code or not any(cell.texts()):
            continue
        if used & {name for names in SETS.findall(cell.source) for name in NAME.findall(names)}:
            cell.private = found = True
            cell.why = SETS_IT
    return found


class _Secrets:
    """The texts that must not be told, and what is told without them."""

    def __init__(self, texts: Iterable[str]) -> None:
        plain = {_plain(said) for text in texts for said in (text, json.dumps(text)[1:-1])}
        self.short = {text for text in plain if LEAST <= len(text) < SHARED}
        self.pieces = {text[at : at + SHARED] for text in plain for at in range(len(text) - SHARED + 1)}

    def are_in(self, text: str) -> bool:
        return self._are_in(_plain(text)) or ("<" in text and self._are_in(_plain(TAG.sub("", text))))

    def _are_in(self, text: str) -> bool:
        if any(secret in text for secret in self.short):
            return True
        return any(text[at : at + SHARED] in self.pieces for at in range(len(text) - SHARED + 1))

    def cut(self, value: Any) -> Any:
        """JSON with every text that holds one of them replaced; records are as they were written."""
        if isinstance(value, str):
            return HIDDEN if self.are_in(value) else value
        if isinstance(value, dict):
            return {HIDDEN if self.are_in(name) else name: self._named(name, one) for name, one in value.items()}
        if isinstance(value, list):
            lines = value and all(isinstance(one, str) for one in value)
            return [HIDDEN] if lines and self.are_in("".join(value)) else [self.cut(one) for one in value]
        return value

    def _named(self, name: str, value: Any) -> Any:
        return value if name in (MIME, KEY) or name.startswith(PIXELS) else self.cut(value)


def _cut(cell: _Cell, known: _Secrets) -> Any:
    """A cell as it may be given away: what a person wrote beside runs that are not private stays."""
    if not isinstance(cell.held, dict):
        return known.cut(cell.held)
    shown = known.cut({name: value for name, value in cell.held.items() if name != "source"})
    source = copy.deepcopy(cell.held.get("source"))
    if cell.private or (not cell.recorded and known.are_in(cell.source)):
        source = SEALED if cell.code else HIDDEN
    return {
        name: source if name == "source" else shown[name] for name in cell.held if name == "source" or name in shown
    }


def _plain(text: str) -> str:
    """A text as it is compared: markup, colours and the breaks of lines make no difference."""
    text = html.unescape(COLOUR.sub("", PICTURE.sub("", text)))
    return " ".join(text.replace("\\n", " ").replace("\\'", "'").replace('\\"', '"').split())
