"""Media made ready to send: decoded, turned upright, flattened, framed, encoded, hashed. Heavy: for a thread."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.media.framing import Framing
from wan_notebook.media.intake import GONE, Raw, about
from wan_notebook.media.medium import EXTENSIONS, ImageFacts, SentMedia, measure
from wan_notebook.media.pixels import MIME, DamagedImageError, decode, encode, reframed, squeezed, thumbnail, upright
from wan_notebook.media.sounds import SoundFacts, load_sound
from wan_notebook.words.wording import file_size, shown

if TYPE_CHECKING:
    from PIL.Image import Image

    from wan_notebook.media.medium import Facts

__all__ = ["changes", "prepare"]

PLAIN = Framing()
PIXELS = ("pixels", "frame")  # kinds whose source is a PIL image


def prepare(
    facts: Facts,
    framing: Framing = PLAIN,
    *,
    max_raw_base64: int | None = None,
    max_bytes: int | None = None,
    side_min: int = 1,
) -> SentMedia:
    """Make a medium ready to send.

    The original bytes are kept untouched when nothing has to change. Otherwise an image is turned upright, put on
    white, framed, and encoded as PNG (what came as JPEG, or would exceed ``max_bytes`` as PNG, as JPEG of quality 95),
    and a note says so.

    Parameters
    ----------
    facts : ImageFacts or SoundFacts
    framing : Framing
        Crop, padding, and whether an image that is too large is made smaller.
    max_raw_base64 : int, optional
        Bytes above which ``how`` is ``oss`` rather than ``base64``; never, if not given. Sounds are always uploaded.
    max_bytes : int, optional
        Largest image that can be sent.
    side_min : int
        Pixels below which no side is made smaller.

    Raises
    ------
    InvalidRequestError
        The medium is damaged, changed since it was measured, or is too large to be sent.
    """
    if facts.kind in ("url", "oss"):
        return SentMedia(facts.role, facts.kind, facts.name, "", None, 0, None, None, url=facts.source)
    if isinstance(facts, SoundFacts):
        return replace(_sent(facts, load_sound(facts), facts.mime or "", how="oss"), notes=facts.changes)
    with about(facts.role):
        item = _made(facts, framing, max_bytes, side_min)
    return replace(item, how="oss" if max_raw_base64 is not None and item.bytes > max_raw_base64 else "base64")


def changes(facts: ImageFacts, framing: Framing = PLAIN) -> tuple[str, ...]:
    """What :func:`prepare` will change, in words for the person who gave the image."""
    notes = []
    if facts.orientation != 1:
        notes.append("the image is turned upright as its EXIF says")
    if facts.has_alpha:
        notes.append("the image has transparent parts: they become white, the service takes no alpha channel")
    if facts.animated:
        notes.append("the image is animated: only its first picture is sent")
    if facts.size is not None and (framed := framing.note(facts.size)):
        notes.append(f"the {'last' if facts.role == 'last_frame' else 'first'} frame is {framed}")
    return tuple(notes)


def _made(facts: ImageFacts, framing: Framing, max_bytes: int | None, side_min: int) -> SentMedia:
    image, data = _opened(facts)
    mime, notes, preview = facts.mime or "", changes(facts, framing), None
    size = facts.size or image.size
    if notes or not data or (framing.fit and _above(data, max_bytes)):
        image_now = reframed(upright(image, facts.orientation, flatten=facts.has_alpha), framing.layout(size))
        photograph = facts.format == "JPEG"
        data, mime = encode(image_now, max_bytes, photograph=photograph)
        size = image_now.size
        too_large = framing.fit and max_bytes is not None and len(data) > max_bytes
        if mime == MIME["JPEG"] and not photograph and not too_large:
            notes += ("the image is sent as JPEG of quality 95: as PNG it would be too large",)
        if too_large and max_bytes is not None:
            data, size, note = _fitted(image_now, facts, max_bytes, side_min)
            notes += (note,)
        preview = thumbnail(image_now) if framing.asked else None
    if max_bytes is not None and len(data) > max_bytes:
        fix = "Add fit=True (--fit) to have it made smaller"
        raise _refuse(facts.name, f"it would be sent as {file_size(len(data))}", fix, f"up to {file_size(max_bytes)}")
    origin = facts.origin and facts.origin.compared(image)
    made = _sent(facts, data, mime, how="base64")
    return replace(made, width=size[0], height=size[1], notes=(*facts.changes, *notes), origin=origin, preview=preview)


def _opened(facts: ImageFacts) -> tuple[Image, Raw]:
    """An image, and its bytes where it has any yet."""
    if facts.kind in PIXELS:
        return facts.source, b""
    data = _read(facts)
    try:
        return decode(data, facts.format or ""), data
    except DamagedImageError as error:
        raise _refuse(facts.name, f"its pixels are damaged ({error})", "Save it or copy it again") from None


def _fitted(image: Image, facts: ImageFacts, max_bytes: int, side_min: int) -> tuple[Raw, tuple[int, int], str]:
    found = squeezed(image, max_bytes, side_min)
    if found is None:
        said = f"even as a poor JPEG of {side_min} pixels it has more than {file_size(max_bytes)}"
        raise _refuse(facts.name, said, "Crop it")
    data, quality, size = found
    sent = f"with {size[0]} x {size[1]} pixels: {file_size(len(data))}, to fit"
    note = f"the image is sent as JPEG of quality {quality} {sent}"
    return data, size, note


def _sent(facts: Facts, data: Raw, mime: str, *, how: str) -> SentMedia:
    name = f"{Path(facts.name).stem}.{EXTENSIONS[mime]}"
    summed = hashlib.sha256(data).hexdigest()
    return SentMedia(facts.role, how, name, mime, summed, len(data), None, None, data)


def _read(facts: ImageFacts) -> Raw:
    if not isinstance(facts.source, Path):
        return bytes(facts.source)
    try:
        data = facts.source.read_bytes()
    except OSError as error:
        raise _refuse(facts.name, f"it cannot be read here ({error.strerror})", GONE) from None
    now = measure(data) if data else None
    if now is None or (now.format, now.size) != (facts.format, facts.size):
        raise _refuse(facts.name, "the file changed after it was checked", "Run the cell again")
    return data


def _above(data: Raw, most: int | None) -> bool:
    return most is not None and len(data) > most


def _refuse(value: object, problem: str, fix: str, allowed: str = "JPEG, PNG, BMP or WEBP") -> InvalidRequestError:
    return InvalidRequestError([Problem("image", shown(value), problem, allowed, fix)])
