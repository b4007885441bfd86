"""The media of a request as nouns: what a header says of a frame, and one medium exactly as it is sent.

:func:`measure` runs in the cell and reads no more than an image's header; what is heavy is done in
:mod:`wan_notebook.media.preparation`. Sounds are measured in :mod:`wan_notebook.media.sounds`. The format of an image
is what its bytes say, never what its name says; the four formats are those of the API reference of 2026-05-22.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.media.intake import Raw, about, decode_data_uri, find_file, snapshot
from wan_notebook.media.origins import Origin, origin_of
from wan_notebook.media.pixels import MIME, DamagedImageError, format_of, open_image, orientation_of
from wan_notebook.media.sounds import SoundFacts
from wan_notebook.words.addresses import is_address, public_url
from wan_notebook.words.wording import shown

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

__all__ = ["EXTENSIONS", "Facts", "ImageFacts", "SentMedia", "measure", "public_url"]

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
        ``url`` and ``oss`` (not looked at), ``data``, ``file``, ``bytes``, ``pixels`` (PIL image, array, figure),
        ``frame`` (of an earlier clip) or ``kept`` (the very bytes that an earlier run sent).
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
        What is read later; a path is absolute.
    role : str
        The request's field: ``image`` or ``last_frame``.
    origin : Origin or None
        The run and the frame a picture was taken from.
    changes : tuple of str
        What had been done to a kept one before it was sent.
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
    origin: Origin | None = None
    changes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height; None where the image was not looked at."""
        return (self.width, self.height) if self.width is not None and self.height is not None else None


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
    origin : Origin or None
        The run and the frame a picture was taken from.
    preview : bytes or None
        A small JPEG of a frame that was cropped, padded or made smaller; for the card, not for the record.
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
    origin: Origin | None = None
    preview: Raw | None = field(default=None, repr=False)


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
        origin = origin_of(held)
        kind, name = ("frame", f"{origin.name}.png") if origin else ("pixels", "image.png")
        alpha = held.has_transparency_data
        return ImageFacts(kind, name, held, width=held.width, height=held.height, has_alpha=alpha, origin=origin)
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


def _from_bytes(data: Raw, *, kind: str, name: str, value: object) -> ImageFacts:
    return _facts(io.BytesIO(data), kind=kind, name=name, source=data, size=len(data), value=value)


def _facts(file: BinaryIO, *, kind: str, name: str, source: object, size: int, value: object) -> ImageFacts:
    if size == 0:
        raise _refuse(value, "it is empty (0 bytes)", "Give an image")
    format_ = format_of(file.read(32))
    if format_ not in MIME:
        clip = format_ == "a video"
        fix = "Take one of its frames, e.g. job.frame(-1)" if clip else "Convert it first, e.g. to PNG"
        raise _refuse(value, f"it is {format_}", fix)
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


def _refuse(value: object, problem: str, fix: str, allowed: str = "JPEG, PNG, BMP or WEBP") -> InvalidRequestError:
    return InvalidRequestError([Problem("image", shown(value), problem, allowed, fix)])
