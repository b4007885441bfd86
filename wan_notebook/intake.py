"""The many ways to hand over an image: path, address, ``data:`` URI, bytes, file, PIL image, array."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.wording import shown, suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from PIL.Image import Image

__all__ = ["Raw", "about", "decode_data_uri", "find_file", "snapshot"]

Raw = bytes  # for classes that have a field called ``bytes``
WAYS = "a path, an http(s) URL, a data: URI, bytes, an open binary file, a PIL image or an array"
EIGHT_BITS = "Give height x width x 3 values of type uint8, e.g. (255 * array).astype('uint8')"
DATA_URI = re.compile(r"data:(?P<mime>[^;,]*)(?P<rest>[^,]*),", re.IGNORECASE)
LOOKS_LIKE_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{200,}={0,2}")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


@contextlib.contextmanager
def about(role: str, allowed: str = "") -> Iterator[None]:
    """Problems found inside name this field of the request, and, if given, what it takes."""
    try:
        yield
    except InvalidRequestError as error:
        found = [replace(p, field=role, allowed=allowed or p.allowed) for p in error.problems]
        raise InvalidRequestError(found) from None


def snapshot(source: object) -> str | bytes | Image:
    """Hold on to what was given, so that it cannot change any more: text, bytes or a PIL image of its own.

    Raises
    ------
    InvalidRequestError
        It is nothing an image can come as.
    """
    if isinstance(source, str):
        return source.strip()
    if isinstance(source, os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if hasattr(source, "read"):
        return _read(source)
    from PIL import Image

    if not isinstance(source, Image.Image) and not hasattr(source, "__array_interface__"):
        raise refuse(source, "it is nothing an image can come as", "A tensor needs .numpy()")
    try:
        held = source.copy() if isinstance(source, Image.Image) else Image.fromarray(source).copy()
    except (OSError, SyntaxError, TypeError, ValueError, KeyError) as error:
        raise refuse(source, f"no picture can be made of it ({error})", EIGHT_BITS) from None
    if held.mode in ("I", "F", "LAB"):
        raise refuse(source, f"its values are no 8-bit colours (mode {held.mode})", EIGHT_BITS)
    return held


def _read(file: object) -> bytes:
    seek, read = getattr(file, "seek", None), getattr(file, "read")  # noqa: B009  any object with a read method will do
    try:
        with contextlib.suppress(OSError, ValueError):
            if seek is not None:
                seek(0)  # a buffer that was just written stands at its end
        data = read()
    except (OSError, ValueError) as error:
        raise refuse(file, f"it cannot be read ({error})", "Open it again, as 'rb'") from None
    if not isinstance(data, bytes):
        raise refuse(file, "it is open as text", "Open it as 'rb'")
    return data


def decode_data_uri(uri: str) -> bytes:
    """The bytes in a ``data:`` URI.

    Raises
    ------
    InvalidRequestError
        It is not ``data:{mime};base64,{data}``.
    """
    found = DATA_URI.match(uri)
    if found is None or "base64" not in found["rest"].lower():
        raise refuse(uri, "it is no base64 data URI", "Write data:image/png;base64,…")
    try:
        return base64.b64decode("".join(uri[found.end() :].split()), validate=True)
    except (binascii.Error, ValueError):
        raise refuse(uri, "its base64 text is damaged", "Encode the file again, or give its path") from None


def find_file(text: str, folder: Path | None = None, suffixes: Collection[str] = SUFFIXES) -> Path:
    """The existing file a path means, made absolute.

    Parameters
    ----------
    text : str
        A path; ``~`` and the vendor's ``file://`` forms (``file://./cat.png``, ``file:///data/cat.png``) too.
    folder : Path, optional
        What a relative path is relative to; the working directory if not given.
    suffixes : collection of str
        How the names end of those files that may be suggested instead.

    Raises
    ------
    InvalidRequestError
        There is no such file; names the closest one in the same folder.
    """
    if "://" in text and not text.lower().startswith("file://"):
        raise refuse(
            text,
            f"addresses of the kind {text.partition('://')[0]}:// are not fetched",
            "Give an https:// address, or copy the file here and give its path",
        )
    plain = text[7:] if text.lower().startswith("file://") else text
    try:
        for spelling in dict.fromkeys((plain, unquote(plain) if plain != text else plain)):
            path = (folder or Path()) / Path(spelling).expanduser()
            if path.is_file():
                return path.absolute()
        path = (folder or Path()) / Path(plain).expanduser()
        if path.is_dir():
            raise refuse(text, "it is a folder", f"Name one file in it{_example(path, suffixes)}")
        if path.exists():
            raise refuse(text, "it is no ordinary file", "Give a file")
        fix = _closest(path, suffixes)
    except (OSError, RuntimeError, ValueError) as error:  # name too long, no such user, not allowed to look
        if isinstance(error, InvalidRequestError):
            raise
        if LOOKS_LIKE_BASE64.match(text):
            raise refuse(text, "it is base64 text without its head", "Put data:image/png;base64, before it") from None
        reason = getattr(error, "strerror", None) or str(error)
        raise refuse(text, f"it cannot be looked up ({reason})", "Check the path") from None
    raise refuse(text, "there is no such file", fix)


def _closest(path: Path, suffixes: Collection[str]) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {shown(folder.name)} in {shown(folder.parent.resolve().name or '/')}"
    close = suggest(path.name, [entry.name for entry in _files(folder, suffixes)])
    if close:
        return f"Did you mean {shown(close)}?"
    return f"The working folder is {shown(folder.resolve().name or '/')}; check the path"


def _example(folder: Path, suffixes: Collection[str]) -> str:
    first = next(iter(_files(folder, suffixes)), None)
    return f", e.g. {shown(first.name)}" if first else ""


def _files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.suffix.lower() in suffixes)[:1000]


def refuse(value: object, problem: str, fix: str) -> InvalidRequestError:
    """The refusal of an image."""
    return InvalidRequestError([Problem("image", shown(value), problem, WAYS, fix)])
