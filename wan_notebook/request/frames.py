"""The frames of a request, as far as they are prepared here: what may be asked, what a frame must be, how it travels.

The service takes no aspect ratio, no picture of any size and no file: a frame is cropped, padded and made to fit before
it is sent, and goes as base64 text or through the temporary store.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.facts.catalog import catalog
from wan_notebook.media.framing import Framing, ratio_of
from wan_notebook.media.medium import ImageFacts
from wan_notebook.media.pixels import MOST_PIXELS
from wan_notebook.media.preparation import changes, prepare
from wan_notebook.request.fields import allowed
from wan_notebook.words.addresses import is_loopback
from wan_notebook.words.wording import file_size, one_of, shown, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from PIL.Image import Image

    from wan_notebook.facts.nouns import ModelSpec
    from wan_notebook.media.medium import Facts

__all__ = ["WAYS", "framing", "most_bytes", "notes", "only_small", "problems", "shown_as_sent", "stored", "travelling"]

ALIKE = 0.02  # the share by which two shapes may differ before it is said
SHAPES = ((16, 9), (4, 3), (1, 1))
WAYS = ("auto", "base64", "oss")
ELSEWHERE = ("url", "oss")  # kinds of a picture that is not here
MB = 1024 * 1024


def framing(values: Mapping[str, Any], spec: ModelSpec) -> Framing:
    """What is asked of the frames."""
    crop, pad = (ratio_of(values[name]) if values[name] else None for name in ("crop", "pad"))
    return Framing(crop, pad, fit=bool(values["fit"]), side_max=spec.image.side_max)


def most_bytes(spec: ModelSpec, *, base64: bool) -> int:
    """Largest frame that can go out: what the model takes, and where there is only base64 what one data URI takes."""
    return min(spec.image.bytes, spec.image.base64_bytes) if base64 else spec.image.bytes


def only_small(facts: Mapping[str, Facts], values: Mapping[str, Any], spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """(field, what is wrong) of every frame that is too large for base64, sent as it is."""
    most = most_bytes(spec, base64=True)
    for item in (item for item in facts.values() if isinstance(item, ImageFacts)):
        told = item.bytes or 0
        if most < told <= spec.image.bytes and not changes(item, framing(values, spec)) and not values["fit"]:
            said = f"{shown(item.name)} has {file_size(told)}, as base64 the service takes {file_size(most)} at most"
            yield item.role, said


def problems(facts: ImageFacts, asked: Framing, spec: ModelSpec) -> Iterator[Problem]:
    """What is wrong with a frame as it would be sent, as far as its header says it."""
    limits, role, name, takes = spec.image, facts.role, shown(facts.name), allowed(facts.role, spec)
    if not spec.known or facts.size is None:  # its limits are the service's to know, or its size is
        return
    width, height = asked.layout(facts.size).canvas
    size = f"it is {facts.size[0]} x {facts.size[1]} pixels"
    if (width, height) != facts.size:
        size += f" and would be sent as {width} x {height}"
    low, high = sorted((width, height))
    if low < limits.side_min:
        small = min(facts.size) < limits.side_min  # itself, not only after what is asked for
        fix = f"Enlarge it to {limits.side_min} pixels per side. " * small + _ways(facts.size, spec)
        yield Problem(role, name, size, takes, fix)
    if high > limits.side_max:
        yield Problem(role, name, size, takes, _smaller(facts.size, asked, spec))
    if limits.ratio_max and high > limits.ratio_max * low:
        fix = f"Crop or pad it to {limits.ratio_max}:1 at most. {_ways(facts.size, spec)}".rstrip()
        yield Problem(role, name, f"{size}, too long and narrow", takes, fix)
    if facts.bytes is not None and facts.bytes > limits.bytes and not changes(facts, asked) and not asked.fit:
        most = f"{limits.bytes // MB} MB"
        fix = f"Add fit=True (--fit): it is encoded anew, with {width} x {height} pixels where that fits into {most}"
        yield Problem(role, name, f"it has {file_size(facts.bytes)}", takes, fix)


def _smaller(size: tuple[int, int], asked: Framing, spec: ModelSpec) -> str:
    fitted = replace(asked, fit=True).layout(size).canvas
    if _suits(fitted, size, spec):
        return f"Add fit=True (--fit): it is then sent as {fitted[0]} x {fitted[1]} pixels"
    return _ways(size, spec) or f"Shrink it to {spec.image.side_max} pixels per side"


def _suits(sent: tuple[int, int], size: tuple[int, int], spec: ModelSpec) -> bool:
    """Whether a picture of this ``size`` can be made one that can be sent."""
    (low, high), limits = sorted(sent), spec.image
    narrow = bool(limits.ratio_max) and high > (limits.ratio_max or 0) * low
    return limits.side_min <= low and high <= limits.side_max and not narrow and size[0] * size[1] <= MOST_PIXELS


def _ways(size: tuple[int, int], spec: ModelSpec) -> str:
    """The first crop and the first padding that make a frame of it; empty where none does."""
    shapes = SHAPES if size[0] >= size[1] else [(high, wide) for wide, high in SHAPES]
    found = []
    for wish in ("crop", "pad"):
        for shape, fit in ((shape, fit) for shape in shapes for fit in (False, True)):
            asked = Framing(**{wish: shape}, fit=fit, side_max=spec.image.side_max)
            sent = asked.layout(size).canvas
            if _suits(sent, size, spec):
                ratio = "{}:{}".format(*shape)
                how = f'{wish}="{ratio}"{", fit=True" * fit} (--{wish} {ratio}{" --fit" * fit})'
                found.append(f"{how}: {sent[0]} x {sent[1]}")
                break
    return f"What works: {'; or '.join(found)}" if found else ""


def travelling(values: Mapping[str, Any], facts: Mapping[str, Facts], spec: ModelSpec) -> Iterator[Problem]:
    """What cannot be done to the frames of a request, or not in this way."""
    upload, frames = values["upload"], [item for item in facts.values() if isinstance(item, ImageFacts)]
    if upload not in WAYS:
        close = suggest(str(upload), WAYS)
        fix = f"Did you mean {close}?" if close else "Leave it out to go by the size of the picture"
        yield Problem("upload", shown(upload), "there is no such way", one_of(WAYS), fix)
    if values["crop"] and values["pad"]:
        yield Problem(
            "pad", values["pad"], "a frame is either cropped or padded, not both", "", "Leave one of them out"
        )
    for item in frames:
        yield from _elsewhere(item, values)
    if upload == "base64":
        fix = "Leave upload out, or add fit=True (--fit)"
        yield from (Problem("upload", upload, said, one_of(WAYS), fix) for _, said in only_small(facts, values, spec))


def _elsewhere(item: ImageFacts, values: Mapping[str, Any]) -> Iterator[Problem]:
    """What needs the picture itself, where only its address was given."""
    if item.kind not in ELSEWHERE:
        return
    name = shown(item.source)
    if item.kind == "oss":
        for wish in ("crop", "pad", "fit", "pin"):
            if values[wish]:
                yield Problem(wish, _said(values[wish]), f"{name} cannot be read back", "", "Give the picture itself")
        return
    if values["pin"] and item.source[:5].lower() == "http:" and not is_loopback(item.source):
        fix = "Give its https:// address, or download it and give the file"
        yield Problem("pin", "True", f"{name} is not https: pictures are fetched over https only", "", fix)
    for wish in ("crop", "pad", "fit"):
        if values[wish] and not values["pin"]:
            said = f"{name} is at an address: it is not fetched here, so it cannot be changed"
            yield Problem(wish, _said(values[wish]), said, "", "Add pin=True (--pin) to have it fetched and kept")


def _said(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def notes(values: Mapping[str, Any], facts: Mapping[str, Facts], spec: ModelSpec) -> Iterator[str]:
    """What the person should know about the frames of a valid request."""
    asked = framing(values, spec)
    for item in facts.values():
        if isinstance(item, ImageFacts):
            yield from changes(item, asked)
        if item.kind == "oss":
            yield f"{shown(item.source)} is {STORED.format(hours=_hours())} it was uploaded for"
    pictures = [item for item in facts.values() if isinstance(item, ImageFacts)]
    sizes = {item.role: asked.layout(item.size).canvas for item in pictures if item.size}
    if {"image", "last_frame"} <= set(sizes):
        (wide, high), (last_wide, last_high) = sizes["image"], sizes["last_frame"]
        if abs(wide * last_high / (high * last_wide) - 1) > ALIKE:
            yield (
                f"the last frame has another shape ({last_wide} x {last_high}) than the first ({wide} x {high}), "
                "which the clip takes; what becomes of the last is not documented (crop or pad give both one shape)"
            )
    if values["upload"] != "auto" and all(item.kind in ELSEWHERE for item in facts.values()):
        yield f"upload={values['upload']} changes nothing: the picture is at an address"


STORED = "kept in the service's temporary store for {hours} h after its upload, only for the model and account"


def stored(name: str) -> str:
    """What is said of a medium that is uploaded."""
    return f"{shown(name)} is uploaded, and {STORED.format(hours=_hours())} of this job"


def _hours() -> int:
    return catalog().service.upload_seconds // 3600


def shown_as_sent(facts: ImageFacts, asked: Framing, most: int, spec: ModelSpec) -> Image:
    """A frame as it will be sent, to look at.

    Raises
    ------
    InvalidRequestError
    """
    from PIL import Image

    if facts.kind in ELSEWHERE:
        fix = "Look at it in a browser, or give the picture itself"
        raise InvalidRequestError([Problem(facts.role, shown(facts.source), "nobody has fetched it yet", "", fix)])
    image: Image.Image = Image.open(
        io.BytesIO(prepare(facts, asked, max_bytes=most, side_min=spec.image.side_min).data or b"")
    )
    image.load()
    return image
