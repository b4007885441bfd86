"""The frames and the sound of a request: measured cheaply in the cell, and later made ready to send.

:func:`measure` runs in the cell and reads no more than an image's header; :func:`prepare` decodes, rotates, flattens
and hashes, and belongs into a thread. Sounds are measured in :mod:`wan_notebook.sounds`. The format of an image is what
its bytes say, never what its name says; the four formats are those of the API reference of 2026-05-22.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from wan_notebook.addresses import is_address, public_url
from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.intake import Raw, about, decode_data_uri, find_file, snapshot
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
from wan_notebook.sounds import SoundFacts, load_sound
from wan_notebook.wording import shown

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["EXTENSIONS", "Facts", "ImageFacts", "SentMedia", "changes", "measure", "prepare", "public_url"]

EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/bmp": "bmp",
    "image/webp": "webp",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
}
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class ImageFacts:
    """What the header of a frame says.

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
    role : str
        The request's field: ``image`` or ``last_frame``.
    """

    kind: str
    name: str
    source: Any = field(repr=False)
    role: str = "image"
    format: str | None = None
    mime: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    has_alpha: bool = False
    orientation: int = 1
    animated: bool = False


Facts = ImageFacts | SoundFacts


@dataclass(frozen=True)
class SentMedia:
    """One medium exactly as it is sent; frozen and picklable.

    Parameters
    ----------
    role : str
        The request's field: ``image``, ``last_frame`` or ``audio_url``.
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


def measure(source: object, *, role: str = "image", folder: Path | None = None) -> ImageFacts:
    """Read the header of a frame.

    Parameters
    ----------
    source : str, os.PathLike, bytes, PIL image, array or binary file
        A string is an http(s) or ``oss://`` address (not fetched), a ``data:`` URI, or a path (``~``, ``file://``).
    role : str
        The request's field, which problems name.
    folder : Path, optional
        What a relative path is relative to; the working directory if not given.

    Raises
    ------
    InvalidRequestError
        It is no JPEG, PNG, BMP or WEBP image, or cannot be read.
    """
    with about(role):
        return replace(_measured(snapshot(source), folder), role=role)


def _measured(held: str | bytes | Image, folder: Path | None) -> ImageFacts:
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


def prepare(facts: Facts, *, max_raw_base64: int | None = None, max_bytes: int | None = None) -> SentMedia:
    """Make a medium ready to send. Heavy: decodes the whole of it; run it in a thread.

    The original bytes are kept untouched when nothing has to change. Otherwise an image is turned upright, put on
    white, and encoded as PNG (as JPEG of quality 95 when the PNG would exceed ``max_bytes``), and a note says so.

    Parameters
    ----------
    facts : ImageFacts or SoundFacts
    max_raw_base64 : int, optional
        Bytes above which ``how`` is ``oss`` rather than ``base64``; never, if not given. Sounds are always uploaded.
    max_bytes : int, optional
        Largest image the model takes.

    Raises
    ------
    InvalidRequestError
        The medium is damaged, changed since it was measured, or is too large to be sent.
    """
    if facts.kind in ("url", "oss"):
        return SentMedia(facts.role, facts.kind, facts.name, "", None, 0, None, None, url=facts.source)
    if isinstance(facts, SoundFacts):
        return _sent(facts, load_sound(facts), facts.mime or "", how="oss")
    with about(facts.role):
        return _prepared(facts, max_raw_base64, max_bytes)


def _prepared(facts: ImageFacts, max_raw_base64: int | None, max_bytes: int | None) -> SentMedia:
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
    how = "oss" if max_raw_base64 is not None and len(data) > max_raw_base64 else "base64"
    return replace(_sent(facts, data, mime, how=how), width=facts.width, height=facts.height, notes=notes)


def _sent(facts: Facts, data: Raw, mime: str, *, how: str) -> SentMedia:
    name = f"{Path(facts.name).stem}.{EXTENSIONS[mime]}"
    summed = hashlib.sha256(data).hexdigest()
    return SentMedia(facts.role, how, name, mime, summed, len(data), None, None, data)


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
