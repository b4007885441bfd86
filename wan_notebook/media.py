"""The first frame: measured cheaply from its header, and later made ready to send.

:func:`measure` runs in the cell and reads no more than a header; :func:`prepare` decodes, rotates, flattens and hashes,
and belongs into a thread. The format of an image is what its bytes say, never what its name says. The four formats are
those of the API reference of 2026-05-22, which also says that a PNG must have no alpha channel.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from wan_notebook.addresses import is_address, public_url
from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.intake import Raw, decode_data_uri, find_file, snapshot
from wan_notebook.pixels import (
    MIME,
    DamagedImageError,
    decode,
    encode,
    format_of,
    open_image,
    orientation_of,
    upright,
)
from wan_notebook.wording import shown

__all__ = ["ImageFacts", "SentMedia", "changes", "measure", "prepare", "public_url"]

SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class ImageFacts:
    """What the header of a first frame says.

    Parameters
    ----------
    kind : str
        ``url`` and ``oss`` (not looked at), ``data``, ``file``, ``bytes`` or ``pixels`` (PIL image, array).
    name : str
        File name, or a stand-in for it; of a URL the last part of its path.
    format, mime : str or None
        By the bytes: JPEG, PNG, BMP or WEBP. None where the image was not looked at or has no bytes yet.
    width, height : int or None
        In pixels, after the rotation its EXIF asks for.
    bytes : int or None
        Size of the encoded image.
    has_alpha : bool
    orientation : int
        EXIF orientation, 1 for upright.
    animated : bool
    source : str, Path, bytes or PIL image
        What :func:`prepare` reads; a path is absolute.
    """

    kind: str
    name: str
    source: Any = field(repr=False)
    format: str | None = None
    mime: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    has_alpha: bool = False
    orientation: int = 1
    animated: bool = False


@dataclass(frozen=True)
class SentMedia:
    """One medium exactly as it is sent; frozen and picklable.

    Parameters
    ----------
    role : str
        ``image`` or ``audio``.
    how : str
        ``base64``, ``oss`` (to be uploaded while ``url`` is None) or ``url``.
    name, mime : str
        ``mime`` is empty for a URL, which is not looked at.
    sha256 : str or None
        Of ``data``; None for a URL.
    bytes : int
        Length of ``data``; 0 for a URL.
    width, height : int or None
    data : bytes or None
    url : str or None
        As given.
    notes : tuple of str
        What was changed on the way.
    """

    role: str
    how: str
    name: str
    mime: str
    sha256: str | None
    bytes: int
    width: int | None
    height: int | None
    data: Raw | None = field(default=None, repr=False)
    url: str | None = None
    notes: tuple[str, ...] = ()


def measure(source: object, *, folder: Path | None = None) -> ImageFacts:
    """Read the header of a first frame.

    Parameters
    ----------
    source : str, os.PathLike, bytes, PIL image, array or binary file
        A string is an http(s) or ``oss://`` address (not fetched), a ``data:`` URI, or a path (``~``, ``file://``).
    folder : Path, optional
        What a relative path is relative to; the working directory if not given.

    Raises
    ------
    InvalidRequestError
        It is no JPEG, PNG, BMP or WEBP image, or cannot be read.
    """
    held = snapshot(source)
    if isinstance(held, bytes):
        return _from_bytes(held, kind="bytes", name="image", value=held)
    if not isinstance(held, str):
        return ImageFacts(
            "pixels", "image.png", held, width=held.width, height=held.height, has_alpha=held.has_transparency_data
        )
    if is_address(held):
        kind = "oss" if held[:3].lower() == "oss" else "url"
        return ImageFacts(kind, public_url(held).rstrip("/").rpartition("/")[2] or "image", held)
    if held[:5].lower() == "data:":
        return _from_bytes(decode_data_uri(held), kind="data", name="image", value=held)
    path = find_file(held, folder)
    try:
        with path.open("rb") as file:
            return _facts(file, kind="file", name=path.name, source=path, size=path.stat().st_size, value=held)
    except OSError as error:
        raise _refuse(held, f"it cannot be read ({error.strerror or error})", "Check its permissions") from None


def prepare(facts: ImageFacts, *, max_raw_base64: int | None = None, max_bytes: int | None = None) -> SentMedia:
    """Make a first frame ready to send. Heavy: decodes the whole image; run it in a thread.

    The original bytes are kept untouched when nothing has to change. Otherwise the image is turned upright, put on
    white, and encoded as PNG (as JPEG of quality 95 when the PNG would exceed ``max_bytes``), and a note says so.

    Parameters
    ----------
    facts : ImageFacts
    max_raw_base64 : int, optional
        Bytes above which ``how`` is ``oss`` rather than ``base64``; never, if not given.
    max_bytes : int, optional
        Largest image the model takes.

    Raises
    ------
    InvalidRequestError
        The image is damaged, changed since it was measured, or is too large to be sent.
    """
    if facts.kind in ("url", "oss"):
        return SentMedia("image", facts.kind, facts.name, "", None, 0, None, None, url=facts.source)
    if facts.kind == "pixels":
        image, data, mime = facts.source, b"", MIME["PNG"]
    else:
        data, mime = _read(facts), facts.mime or ""
        try:
            image = decode(data, facts.format or "")
        except DamagedImageError as error:
            raise _refuse(facts.name, f"its pixels are damaged ({error})", "Save it or copy it again") from None
    notes = changes(facts)
    if notes or facts.kind == "pixels":
        data, mime = encode(upright(image, facts.orientation, flatten=facts.has_alpha), max_bytes)
        if mime == MIME["JPEG"]:
            notes += ("the image is sent as JPEG of quality 95: as PNG it would be too large",)
    if max_bytes is not None and len(data) > max_bytes:
        raise _refuse(facts.name, f"it would be sent as {_mb(len(data))}", "Make it smaller", f"up to {_mb(max_bytes)}")
    return SentMedia(
        role="image",
        how="oss" if max_raw_base64 is not None and len(data) > max_raw_base64 else "base64",
        name=Path(facts.name).stem + {"image/jpeg": ".jpg"}.get(mime, f".{mime.partition('/')[2]}"),
        mime=mime,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        width=facts.width,
        height=facts.height,
        data=data,
        notes=notes,
    )


def changes(facts: ImageFacts) -> tuple[str, ...]:
    """What :func:`prepare` will change, in words for the person who gave the image."""
    notes = []
    if facts.orientation != 1:
        notes.append("the image is turned upright as its EXIF says")
    if facts.has_alpha:
        notes.append("the image has transparent parts: they become white, the service takes no alpha channel")
    if facts.animated:
        notes.append("the image is animated: only its first picture is sent")
    return tuple(notes)


def _from_bytes(data: Raw, *, kind: str, name: str, value: object) -> ImageFacts:
    return _facts(io.BytesIO(data), kind=kind, name=name, source=data, size=len(data), value=value)


def _facts(file: BinaryIO, *, kind: str, name: str, source: object, size: int, value: object) -> ImageFacts:
    if size == 0:
        raise _refuse(value, "it is empty (0 bytes)", "Give an image")
    format_ = format_of(file.read(32))
    if format_ not in MIME:
        raise _refuse(value, f"it is {format_}", "Convert it first, e.g. to PNG")
    file.seek(0)
    try:
        image = open_image(file, format_)
    except DamagedImageError as error:
        raise _refuse(value, f"it begins like {format_} but is damaged ({error})", "Save it or copy it again") from None
    orientation = orientation_of(image)
    width, height = image.size if orientation not in SIDEWAYS else image.size[::-1]
    return ImageFacts(
        kind=kind,
        name=name if kind == "file" else f"{name}.{format_.lower()}",
        source=source,
        format=format_,
        mime=MIME[format_],
        width=width,
        height=height,
        bytes=size,
        has_alpha=image.has_transparency_data,
        orientation=orientation,
        animated=getattr(image, "is_animated", False),
    )


def _read(facts: ImageFacts) -> Raw:
    if not isinstance(facts.source, Path):
        return bytes(facts.source)
    try:
        data = facts.source.read_bytes()
    except OSError as error:
        raise _refuse(facts.name, f"it cannot be read any more ({error.strerror})", "Run the cell again") from None
    now = _from_bytes(data, kind="file", name=facts.name, value=facts.name)
    if (now.format, now.width, now.height) != (facts.format, facts.width, facts.height):
        raise _refuse(facts.name, "the file changed after it was checked", "Run the cell again")
    return data


def _mb(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MB"


def _refuse(value: object, problem: str, fix: str, allowed: str = "JPEG, PNG, BMP or WEBP") -> InvalidRequestError:
    return InvalidRequestError([Problem("image", shown(value), problem, allowed, fix)])
