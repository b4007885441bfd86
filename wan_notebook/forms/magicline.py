"""A request as the ``%%wan_i2v`` cell that makes it again, which :mod:`wan_notebook.doors.options` reads; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wan_notebook.request.declaration import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wan_notebook.request.declaration import I2VRequest

__all__ = ["cell_source"]

PLAIN = re.compile(r"[\w@%+:,./~\\-]+")
QUOTABLE = re.compile(r"[^\"'{}$\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
# IPython takes such a beginning for an input prompt and cuts it off, unless a line stands before it. (`>>>` anywhere.)
PROMPT_SIGN = re.compile(r"\.\.\.|In ?\[")


def cell_source(request: I2VRequest, *, media: Mapping[str, str], region: str | None = None) -> str:
    """The source of a cell that makes this request.

    Parameters
    ----------
    request : I2VRequest
    media : mapping of field name to str
        What stands for each medium: a path, an address, or ``$name`` for a variable of the notebook.
    region : str, optional
        Where it is not the one of the settings.

    Examples
    --------
    >>> from wan_notebook.request.declaration import I2VRequest
    >>> cat = I2VRequest(prompt="It looks up.", image="https://a.org/cat.png", negative_prompt="a dog", audio=False)
    >>> print(cell_source(cat, media={"image": "images/cat.png"}))
    %%wan_i2v --image images/cat.png --no-audio --negative-prompt "a dog"
    It looks up.
    """
    words = ["%%wan_i2v"]
    for name, kind in KINDS.items():
        if name not in request.given or name == "prompt":
            continue
        value, option = getattr(request, name), f"--{name.replace('_', '-')}"
        if kind == "flag":
            words.append(option if value else option.replace("--", "--no-", 1))
        else:
            said = media.get(name) or ""
            words.append(f"{option} {said}" if said.startswith("$") else _option(option, said or str(value)))
    if region is not None:
        words.append(_option("--region", region))
    body = request.prompt.strip()
    return "\n".join([" ".join(words), *([""] if PROMPT_SIGN.match(body) else []), body])


def _option(option: str, text: str) -> str:
    """A value that begins with a dash would be taken for an option."""
    word = _word(text)
    return f"{option}={word}" if text.startswith("-") else f"{option} {word}"


def _word(text: str) -> str:
    """One word of the line that is read as this text."""
    if PLAIN.fullmatch(text):
        return text
    if QUOTABLE.fullmatch(text) and not text.startswith("-"):
        return f'"{text}"'
    return "{'" + "".join(c if QUOTABLE.fullmatch(c) else _escaped(c) for c in text) + "'}"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004  as Python writes them
