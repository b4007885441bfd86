"""Pictures as bytes: what they are, opening them without decoding, turning, framing and encoding them."""

from __future__ import annotations

import io
import re
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

    from wan_notebook.media.framing import Layout

__all__ = [
    "MIME",
    "MOST_PIXELS",
    "DamagedImageError",
    "decode",
    "encode",
    "format_of",
    "open_image",
    "orientation_of",
    "reframed",
    "squeezed",
    "thumbnail",
    "upright",
]

MIME = {"JPEG": "image/jpeg", "PNG": "image/png", "BMP": "image/bmp", "WEBP": "image/webp"}
# Opened by their own plugins: no guessing by name, and none of Image.open's global warnings about large images.
PLUGINS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
}
OTHER = (  # what a file that cannot be sent is called in the message
    (r"GIF8", "a GIF image"),
    (r"II\*\x00|MM\x00\*", "a TIFF image"),
    (r"....ftyp(avif|avis)", "an AVIF image"),
    (r"....ftyp(heic|heix|mif1|msf1)", "a HEIC image"),
    (r"....ftyp", "a video"),
    (r"%PDF", "a PDF document"),
    (r"\s*(<\?xml|<svg)", "an SVG or XML document"),
    (r"\s*<(!doctype|html)", "a web page, not the image it shows"),
    (r"version https://git-lfs", "a Git LFS pointer: run git lfs pull"),
)
ORIENTATION = 0x0112  # the EXIF tag
WHITE = (255, 255, 255, 255)
GOOD, QUALITIES = 95, (90, 80, 70, 60)  # of JPEG: what nobody sees, and what is tried to make a file small enough
STEP = 0.85  # of the sides, when quality alone does not help
THUMBNAIL_SIDE, THUMBNAIL_BYTES = 160, 12_000
MOST_PIXELS = (
    200_000_000  # three times the largest frame any known model takes; beyond it a small file can fill a machine
)


class DamagedImageError(ValueError):
    """Pillow cannot follow the header or the pixels; for this package's own rooms."""


def format_of(head: bytes) -> str:
    """What a file is, by its first bytes: a key of :data:`MIME`, or words for anything else.

    Examples
    --------
    >>> format_of(b"GIF89a")
    'a GIF image'
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:2] == b"BM":
        return "BMP"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    text = head.decode("latin-1")
    matches = (name for sign, name in OTHER if re.match(sign, text, re.DOTALL | re.IGNORECASE))
    return next(matches, "not an image this service takes")


def open_image(file: BinaryIO, format_: str) -> ImageFile:
    """Read the header of an image of a known format; the pixels stay unread.

    Raises
    ------
    DamagedImageError
    """
    module, name = PLUGINS[format_]
    plugin: Callable[[BinaryIO], ImageFile] = getattr(import_module(module), name)
    try:
        return plugin(file)
    except (SyntaxError, OSError, ValueError) as error:
        raise DamagedImageError(str(error)) from None


def orientation_of(image: ImageFile) -> int:
    """EXIF orientation, 1 (upright) to 8. Broken EXIF is common and harmless: it counts as upright."""
    exif = image.info.get("exif")
    if not isinstance(exif, bytes):
        return 1
    from PIL.Image import Exif

    tags = Exif()
    try:
        tags.load(exif)
        value = tags.get(ORIENTATION, 1)
    except (SyntaxError, OSError, ValueError, KeyError, TypeError):
        return 1
    return value if value in range(1, 9) else 1


def decode(data: bytes, format_: str) -> Image:
    """All pixels of an image.

    Raises
    ------
    DamagedImageError
    """
    image = open_image(io.BytesIO(data), format_)
    if image.width * image.height > MOST_PIXELS:
        raise DamagedImageError(f"{image.width} x {image.height} pixels are more than any picture has")
    try:
        image.load()
    except (SyntaxError, OSError, ValueError) as error:
        raise DamagedImageError(str(error)) from None
    return image


def upright(image: Image, orientation: int, *, flatten: bool) -> Image:
    """Turn an image as its EXIF orientation asks, and put what is transparent on white."""
    from PIL.Image import Transpose, alpha_composite, new

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    if orientation in turns:
        image = image.transpose(turns[orientation])
    if flatten:
        front = image.convert("RGBA")
        flat = alpha_composite(new("RGBA", front.size, WHITE), front).convert("RGB")
        flat.info = {key: value for key, value in image.info.items() if key == "icc_profile"}
        return flat
    if image.mode in ("RGB", "L"):
        return image
    if image.mode.startswith("I"):  # 16 bits of grey
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    image = image.convert("RGB")
    image.info.pop("icc_profile", None)  # it described the colours before
    return image


def reframed(image: Image, layout: Layout) -> Image:
    """Cut out, made smaller and laid on black, as ``layout`` says; never changed in place."""
    from PIL.Image import Resampling, new

    if layout.box != (0, 0, *image.size):
        image = image.crop(layout.box)
    if layout.picture != image.size:
        image = image.resize(layout.picture, Resampling.LANCZOS, reducing_gap=3.0)
    if layout.canvas != layout.picture:
        canvas = new(image.mode, layout.canvas)
        (width, height), (wide, high) = layout.picture, layout.canvas
        canvas.paste(image, ((wide - width) // 2, (high - height) // 2))
        canvas.info = {key: value for key, value in image.info.items() if key == "icc_profile"}
        return canvas
    return image


def encode(image: Image, max_bytes: int | None, *, photograph: bool = False) -> tuple[bytes, str]:
    """PNG, or JPEG of quality 95 where the PNG would exceed ``max_bytes``; with its MIME type.

    A ``photograph``, which came as JPEG, becomes JPEG at once: its PNG would be large, slow and no better.
    """
    file = io.BytesIO()
    if not photograph:
        image.save(file, "PNG")
        if max_bytes is None or file.tell() <= max_bytes:
            return file.getvalue(), MIME["PNG"]
    return _jpeg(image, GOOD), MIME["JPEG"]


def squeezed(image: Image, max_bytes: int, side_min: int) -> tuple[bytes, int, tuple[int, int]] | None:
    """A JPEG of at most ``max_bytes``, with its quality and size: first by quality, then by smaller sides.

    None where the shorter side would have to be below ``side_min``.
    """
    for quality in QUALITIES:
        data = _jpeg(image, quality)
        if len(data) <= max_bytes:
            return data, quality, image.size
    while min(image.size) * STEP >= max(side_min, 1):
        image = image.resize((int(image.width * STEP), int(image.height * STEP)), reducing_gap=3.0)
        data = _jpeg(image, QUALITIES[-1])
        if len(data) <= max_bytes:
            return data, QUALITIES[-1], image.size
    return None


def thumbnail(image: Image) -> bytes:
    """A small JPEG (160 pixels, 12 KB at most) of an opaque picture; empty where even that is too much."""
    share = min(1.0, THUMBNAIL_SIDE / max(image.size))
    small = image.resize((max(1, int(image.width * share)), max(1, int(image.height * share))), reducing_gap=2.0)
    small.info.clear()
    tries = (_jpeg(small, quality, subsampling=2) for quality in (80, 60, 40, 20))
    return next((data for data in tries if len(data) <= THUMBNAIL_BYTES), b"")


def _jpeg(image: Image, quality: int, subsampling: int = 0) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file.getvalue()
