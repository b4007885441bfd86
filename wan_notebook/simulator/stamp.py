"""The small "simulated" label, and the watermark when it was asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

__all__ = ["Stamp", "label", "watermark"]

WATERMARK = "AI生成"
WATERMARK_LATIN = "AI generated"
CJK_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "PingFang.ttc",
    "STHeiti Light.ttc",
    "msyh.ttc",
    "simsun.ttc",
)
DARK, LIGHT = 20, 235


@dataclass(frozen=True)
class Stamp:
    """Grey ink with its opacity, laid on the planes of a YUV frame.

    Attributes
    ----------
    ink, mask : the luma picture and its opacity
    small_mask : opacity for the two chroma planes, which become grey there
    at : (x, y) of the upper left corner, both even
    """

    ink: Image.Image
    mask: Image.Image
    small_mask: Image.Image
    at: tuple[int, int]

    def lay(self, planes: tuple[Image.Image, Image.Image, Image.Image]) -> None:
        """Put it on a frame's three planes, in place."""
        luma, *chroma = planes
        luma.paste(self.ink, self.at, self.mask)
        for plane in chroma:
            plane.paste(128, (self.at[0] // 2, self.at[1] // 2), self.small_mask)


def label(size: tuple[int, int]) -> Stamp:
    """The upper-left label every simulated clip wears."""
    unit = _unit(size)
    return _pill("simulated", _latin(unit), unit, opacity=150, at=(unit, unit), size=size, right=False)


def watermark(size: tuple[int, int]) -> Stamp:
    """The lower-right text of ``watermark: true``."""
    unit = _unit(size)
    for name in CJK_FONTS:
        try:
            font: _Font = ImageFont.truetype(name, unit)
        except OSError:
            continue
        return _pill(WATERMARK, font, unit, opacity=0, at=(unit, unit), size=size, right=True)
    return _pill(WATERMARK_LATIN, _latin(unit), unit, opacity=0, at=(unit, unit), size=size, right=True)


_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _unit(size: tuple[int, int]) -> int:
    return max(10, round(math.sqrt(size[0] * size[1]) / 48))


def _latin(unit: int) -> _Font:
    return ImageFont.load_default(unit)


def _pill(
    text: str, font: _Font, unit: int, *, opacity: int, at: tuple[int, int], size: tuple[int, int], right: bool
) -> Stamp:
    left, top, right_edge, bottom = font.getbbox(text)
    pad = round(unit * 0.55)
    width = _even(int(right_edge - left) + 2 * pad + unit // 2)
    height = _even(int(bottom - top) + 2 * pad)
    x, y = at
    if right:
        x, y = size[0] - width - x // 2, size[1] - height - y // 2
    # Drawn three times as large and shrunk: round corners without steps.
    ground = Image.new("L", (width * 3, height * 3), 0)
    ImageDraw.Draw(ground).rounded_rectangle((0, 0, width * 3 - 1, height * 3 - 1), height * 1.5, fill=opacity)
    mask = ground.resize((width, height), Image.Resampling.LANCZOS)
    ink = Image.new("L", (width, height), DARK)
    place = ((width - (right_edge - left)) / 2 - left, (height - (bottom - top)) / 2 - top)
    if not opacity:  # a soft shadow keeps bare text readable on white
        ImageDraw.Draw(mask).text((place[0] + 1, place[1] + 1), text, fill=110, font=font, stroke_width=1)
    letters = Image.new("L", (width, height), 0)
    ImageDraw.Draw(letters).text(place, text, fill=235, font=font)
    ink.paste(LIGHT, (0, 0), letters)
    mask.paste(255, (0, 0), letters)
    small = mask.resize((width // 2, height // 2), Image.Resampling.BOX)
    return Stamp(ink, mask, small, (_even(max(x, 0)), _even(max(y, 0))))


def _even(number: int) -> int:
    return number // 2 * 2
