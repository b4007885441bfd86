"""The shape of a first frame: cut out, put on a larger ground, made smaller; pure numbers.

The service has no parameter for the aspect ratio (the guide's FAQ): a clip has the shape of its first frame, so the
frame is prepared instead. Everything happens around the centre, and nothing is ever enlarged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Framing", "Layout", "ratio_of"]

LARGEST = 100  # beyond it a ratio is no shape of a picture any more
RATIO = re.compile(r"\s*([0-9]{1,3})\s*[:/xX×]\s*([0-9]{1,3})\s*", re.ASCII)

Size = tuple[int, int]


def ratio_of(text: str) -> Size | None:
    """Width and height of a ratio as people write it; None for anything else.

    >>> ratio_of("16:9"), ratio_of("4 x 3"), ratio_of("0:1"), ratio_of("1.78")
    ((16, 9), (4, 3), None, None)
    """
    found = RATIO.fullmatch(text)
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    return (width, height) if 1 <= width <= LARGEST and 1 <= height <= LARGEST else None


@dataclass(frozen=True)
class Layout:
    """What becomes of a picture: ``box`` is cut out of it, brought to the size ``picture``, and laid on ``canvas``."""

    box: tuple[int, int, int, int]
    picture: Size
    canvas: Size

    def smaller(self, share: float) -> Layout:
        """The same layout with its sides multiplied by ``share`` (below 1)."""
        picture = (max(1, int(self.picture[0] * share)), max(1, int(self.picture[1] * share)))
        canvas = (max(picture[0], int(self.canvas[0] * share)), max(picture[1], int(self.canvas[1] * share)))
        return Layout(self.box, picture, canvas)


@dataclass(frozen=True)
class Framing:
    """What is asked of a first frame.

    Parameters
    ----------
    crop, pad : (width, height) or None
        The ratio to cut to, or to reach by black bars; not both.
    fit : bool
        Whether a picture that is too large is made smaller.
    side_max : int or None
        Pixels of a side beyond which it is too large; None where that is not known.
    """

    crop: Size | None = None
    pad: Size | None = None
    fit: bool = False
    side_max: int | None = None

    @property
    def asked(self) -> bool:
        """Whether anything may happen to a frame."""
        return bool(self.crop or self.pad or self.fit)

    def layout(self, size: Size) -> Layout:
        """What becomes of a picture of this size (after the rotation its EXIF asks for).

        >>> Framing(crop=(16, 9)).layout((451, 300))
        Layout(box=(0, 23, 451, 277), picture=(451, 254), canvas=(451, 254))
        >>> Framing(pad=(1, 1), fit=True, side_max=400).layout((800, 400)).canvas
        (400, 400)
        """
        box = (0, 0, *size)
        if self.crop:
            width, height = _inside(size, self.crop)
            left, top = (size[0] - width) // 2, (size[1] - height) // 2
            box = (left, top, left + width, top + height)
        picture = canvas = (box[2] - box[0], box[3] - box[1])
        if self.pad:
            canvas = _around(picture, self.pad)
        if self.fit and self.side_max and max(canvas) > self.side_max:
            longest = max(canvas)
            picture = _scaled(picture, self.side_max, longest)
            canvas = _scaled(canvas, self.side_max, longest)
        return Layout(box, picture, canvas)

    def note(self, size: Size) -> str:
        """What is done to a picture of this size, in words for the person who gave it; empty if nothing is.

        >>> Framing(crop=(16, 9)).note((451, 300))
        'cropped to 16:9: 451 x 300 pixels become 451 x 254'
        """
        layout = self.layout(size)
        cut = (layout.box[2] - layout.box[0], layout.box[3] - layout.box[1])
        done = {
            f"cropped to {_words(self.crop)}": cut != size,
            f"padded with black to {_words(self.pad)}": layout.canvas != layout.picture,
            "made smaller": layout.picture != cut,
        }
        said = " and ".join(words for words, happens in done.items() if happens)
        now = "{} x {}".format(*layout.canvas)
        return f"{said}: {size[0]} x {size[1]} pixels become {now}" if said else ""


def _inside(size: Size, ratio: Size) -> Size:
    """The largest part of ``size`` with the ratio, to the nearest pixel."""
    (width, height), (wide, high) = size, ratio
    if width * high > height * wide:
        return max(1, (2 * height * wide + high) // (2 * high)), height
    return width, max(1, (2 * width * high + wide) // (2 * wide))


def _around(size: Size, ratio: Size) -> Size:
    """The smallest ground with the ratio that ``size`` lies on, up to the next pixel."""
    (width, height), (wide, high) = size, ratio
    if width * high > height * wide:
        return width, -(-width * high // wide)
    return -(-height * wide // high), height


def _scaled(size: Size, part: int, whole: int) -> Size:
    width, height = (max(1, (2 * side * part + whole) // (2 * whole)) for side in size)
    return width, height


def _words(ratio: Size | None) -> str:
    return "{}:{}".format(*ratio) if ratio else ""
