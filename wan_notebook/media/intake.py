"""The many ways to hand over an image: path, address, ``data:`` URI, bytes, file, PIL image, array, figure, frame.

Nothing of the libraries these come from is imported: what a thing can do says what it is.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import glob
import os
import re
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.media.arrays import VALUES, drawn, eight_bits, figure_of
from wan_notebook.words.wording import shown, suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from PIL.Image import Image

__all__ = ["GONE", "Raw", "about", "decode_data_uri", "find_file", "find_files", "look_in", "snapshot"]

Raw = bytes  # for classes that have a field called ``bytes``
WAYS = "a path, an http(s) URL, a data: URI, bytes, an open binary file, a PIL image, an array or a figure"
GONE = "Run the cell again; for another machine give the bytes: Path(...).read_bytes()"
DATA_URI = re.compile(r"data:(?P<mime>[^;,]*)(?P<rest>[^,]*),", re.IGNORECASE)
LOOKS_LIKE_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{200,}={0,2}")
# file://./a.png and file://D:/a.png (the vendor's forms), file:///data/a.png, file:///D:/a.png, file://localhost/a.png
FILE_ADDRESS = re.compile(r"^file:(//(localhost(?=/))?)?(/(?=[A-Za-z]:[/\\]))?", re.IGNORECASE)
WINDOWS_PATH = re.compile(r"[A-Za-z]:[/\\]")
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
    if type(source).__module__.startswith("wan_notebook.") and hasattr(source, "frame"):  # a Job, a VideoResult
        raise refuse(
            source, "a clip is no image", "Take one of its frames: .frame(-1) is the last, .frame(0) the first"
        )
    if isinstance(source, os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if hasattr(source, "read"):
        return _read(source)
    return _picture(source)


def _picture(source: object) -> Image:
    from PIL import Image

    figure = figure_of(source)
    if figure is None and not isinstance(source, Image.Image) and not hasattr(source, "__array_interface__"):
        raise refuse(source, "it is nothing an image can come as", "A tensor needs .numpy()")
    held: Image.Image
    try:
        if figure is not None:
            held = drawn(figure)
        elif isinstance(source, Image.Image):
            held = source.copy()
        else:
            held = _from_array(Image, eight_bits(source))
    except Exception as error:  # noqa: BLE001  also whatever drawing the person's own figure raises
        raise refuse(source, f"no picture can be made of it ({error})", VALUES if figure is None else "") from None
    if held.mode in ("I", "F", "LAB"):
        raise refuse(source, f"its values are no 8-bit colours (mode {held.mode})", VALUES)
    if not held.width or not held.height:
        raise refuse(source, "it has no pixels", "Give an image")
    return held


def _from_array(pillow: Any, array: Any) -> Image:
    try:
        picture: Image = pillow.fromarray(array).copy()
    except TypeError:
        raise ValueError(f"its values are of type {getattr(array, 'dtype', 'unknown')}") from None
    return picture


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
        A path; ``~``, backslashes, and ``file://`` addresses (``file://./cat.png``, ``file:///data/cat.png``,
        ``file://D:/cat.png``) too. A name is first taken as it stands, so ``a+b.png`` and ``%41.png`` are found.
    folder : Path, optional
        What a relative path is relative to; the working directory if not given.
    suffixes : collection of str
        How the names end of those files that may be suggested instead.

    Raises
    ------
    InvalidRequestError
        There is no such file; names the closest one in the same folder.
    """
    if "://" in text and text[:5].lower() != "file:":
        raise refuse(
            text,
            f"addresses of the kind {text.partition('://')[0]}:// are not fetched",
            "Give an https:// address, or copy the file here and give its path",
        )
    folders = [folder or Path(), *_also]
    try:
        for spelling in _spellings(text):
            for start in folders:
                path = start / Path(spelling).expanduser()
                if path.is_file():
                    return path.absolute()
        problem, fix = _missing(folders[0] / Path(next(_spellings(text))).expanduser(), suffixes)
    except (OSError, RuntimeError, ValueError) as error:  # name too long, no such user, not allowed to look
        if LOOKS_LIKE_BASE64.match(text):
            raise refuse(text, "it is base64 text without its head", "Put data:image/png;base64, before it") from None
        reason = getattr(error, "strerror", None) or str(error)
        raise refuse(text, f"it cannot be looked up ({reason})", "Check the path") from None
    if WINDOWS_PATH.match(FILE_ADDRESS.sub("", text)) and os.name != "nt":
        problem, fix = "it is a Windows path, and this machine has no drives", "Copy it here and give its path here"
    if any(sign in text for sign in "\n\r\t"):
        fix = "In Python a backslash before n, r or t is no backslash: write r'…', or / instead"
    raise refuse(text, problem, fix)


def _missing(path: Path, suffixes: Collection[str]) -> tuple[str, str]:
    if path.is_dir():
        return "it is a folder", f"Name one file in it{_example(path, suffixes)}"
    if path.exists():
        return "it is no ordinary file", "Give a file"
    return "there is no such file", _closest(path, suffixes)


def _spellings(text: str) -> Iterator[str]:
    """How a path may be spelt on the disk: first as it stands, then without what an address or Windows adds to it."""
    plain = FILE_ADDRESS.sub("", text)
    ways = [plain, unquote(plain) if plain != text else plain]
    ways += [way.replace("\\", "/") for way in ways]
    ways += [unicodedata.normalize(form, way) for form in ("NFC", "NFD") for way in ways]  # as macOS writes é
    yield from dict.fromkeys(ways)


_also: list[Path] = []  # the notebook's folder, once a door has said it


def look_in(folder: Path) -> None:
    """Look for relative paths in ``folder``, too, where the working folder has no such file."""
    _also[:] = [folder]


def find_files(pattern: str) -> list[Path]:
    """The files that a name with ``*`` and ``?`` stands for: in the working folder, else in the notebook's."""
    named = Path(pattern).expanduser()
    for folder in (Path(), *_also):
        place = folder / named  # an absolute one stays as it is
        found = sorted(Path(name) for name in glob.glob(str(place)) if Path(name).is_file())  # noqa: PTH207  also with a drive
        if found:
            return found
    return []


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
