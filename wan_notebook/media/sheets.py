"""Small pictures: one of a picture, and many with their labels side by side as one."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

__all__ = ["boxed", "jpeg", "poster_sheet", "sheet", "thumbnail"]

GAP, STRIP, LETTERS = 8, 22, 13  # pixels between pictures, of a line of text, of its letters
PAPER, INK = (24, 26, 30), (236, 238, 240)  # dark in light and dark themes: it shows off pictures in either
NARROWEST, LONGEST = 16, 200  # pixels of a picture; characters of a label
NOTHING = (60, 63, 70)
QUALITY = 80
SHEET_WIDTH = 960


def thumbnail(picture: bytes, side: int) -> bytes:
    """A JPEG made smaller, at most ``side`` pixels wide and high; empty where it is none."""
    return _small(picture, side)


@lru_cache(maxsize=256)
def _small(picture: bytes, side: int) -> bytes:
    image = _opened(picture)
    if image is None:
        return b""
    image.thumbnail((side, side))
    return jpeg(image)


def boxed(image: Image, size: tuple[int, int]) -> bytes:
    """``image`` as a JPEG of exactly ``size``, whole, with dark bars where its shape is another."""
    from PIL import ImageOps

    return jpeg(ImageOps.pad(image.convert("RGB"), size, color=PAPER))


def jpeg(image: Image) -> bytes:
    """``image`` as a JPEG."""
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()


def poster_sheet(posters: Sequence[tuple[bytes | None, str]], columns: int) -> bytes:
    """Posters (JPEG; None for a clip that has none) with their labels, as one JPEG: what viewers without HTML show."""
    from PIL import Image as Images

    blank = Images.new("RGB", (16, 9), NOTHING)
    pictures = [(_opened(poster) or blank, label) for poster, label in posters]
    return jpeg(sheet(pictures, columns=columns, width=SHEET_WIDTH)) if pictures else b""


def sheet(pictures: Sequence[tuple[Image, str]], *, columns: int, width: int, caption: str = "") -> Image:
    """Pictures with a label below each, row by row.

    Parameters
    ----------
    pictures : sequence of (Image, str)
    columns : int
        Pictures in a row, at most.
    width : int
        Of the whole, in pixels.
    caption : str
        A line above all.
    """
    from PIL import Image as Images
    from PIL import ImageDraw, ImageFont

    columns = max(1, min(columns, len(pictures)))
    width = max(width, columns * (GAP + NARROWEST) + GAP)
    wide = (width - GAP * (columns + 1)) // columns
    fitted = [(_fitted(image, wide), label) for image, label in pictures]
    rows = [fitted[start : start + columns] for start in range(0, len(fitted), columns)]
    heights = [max(image.height for image, _ in row) for row in rows]
    top = GAP + (STRIP if caption else 0)
    whole = Images.new("RGB", (width, top + sum(heights) + len(rows) * (STRIP + GAP)), PAPER)
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(LETTERS)
    if caption:
        draw.text((GAP, GAP), _within(caption, draw, font, width - 2 * GAP), fill=INK, font=font)
    for row, high in zip(rows, heights, strict=True):
        for place, (image, label) in enumerate(row):
            left = GAP + place * (wide + GAP)
            whole.paste(image, (left, top))
            text = _within(label, draw, font, wide)
            draw.text((left, top + image.height + 4), text, fill=INK, font=font)
        top += high + STRIP + GAP
    return whole


def _opened(picture: bytes | None) -> Image | None:
    from PIL import Image as Images

    try:
        image: Image = Images.open(io.BytesIO(picture or b""))
        image.load()
    except (OSError, ValueError):
        return None
    return image


def _fitted(image: Image, wide: int) -> Image:
    high = max(1, round(image.height * wide / max(1, image.width)))
    tallest = 2 * wide
    size = (wide, high) if high <= tallest else (max(1, round(wide * tallest / high)), tallest)
    return image.convert("RGB").resize(size)


def _within(text: str, draw: Any, font: Any, wide: int) -> str:
    """``text``, cut where it would leave its picture."""
    text = "".join(character for character in " ".join(text.split())[:LONGEST] if character.isprintable())
    text = text.replace("×", "x")  # not in the font
    length = draw.textlength
    if length(text, font=font) <= wide:
        return text
    while text and length(f"{text}…", font=font) > wide:
        text = text[:-1]
    return f"{text}…"
