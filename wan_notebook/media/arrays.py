"""Arrays and figures as pictures. Neither numpy nor matplotlib is imported: what a thing can do says what it is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["VALUES", "drawn", "eight_bits", "figure_of"]

VALUES = "Give height x width (x 3 or 4) values, of type uint8, or floats from 0 to 1"
ROUNDING = 1e-3  # how far floats may stand outside 0 to 1: resizing leaves such traces
MOST_COLOURS = 4  # an array whose last axis is longer holds no colours there


def eight_bits(array: Any) -> Any:
    """An array as Pillow takes it: floats from 0 to 1 become 0 to 255, a last axis of one value goes."""
    shape = tuple(getattr(array, "shape", ()))
    if shape and len(shape) not in (2, 3):
        raise ValueError(f"shape {shape} is no height x width (x colours)")
    if len(shape) == 3 and shape[2] > MOST_COLOURS and shape[0] in (1, 3, 4):  # noqa: PLR2004  colours come first
        raise ValueError(f"shape {shape}: its colours come first; array.transpose(1, 2, 0) puts them last")
    if len(shape) == 3 and shape[2] == 1:  # noqa: PLR2004  height, width, colours
        array = array[:, :, 0]
    if array.__array_interface__["typestr"][1:2] != "f" or not hasattr(array, "clip"):
        return array
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # also where a value is no number
        raise ValueError(f"its floats go from {low:g} to {high:g}")
    return (array.clip(0, 1) * 255).round().astype("uint8")


def figure_of(source: object) -> Any:
    """The matplotlib figure something is, or is part of (axes, a subfigure); None for anything else."""
    for _ in range(3):
        if callable(getattr(source, "savefig", None)):
            return source
        source = getattr(source, "figure", None)
    return None


def drawn(figure: Any) -> Image.Image:
    """A figure as a picture of its own."""
    from PIL import Image

    file = io.BytesIO()
    figure.savefig(file, format="png")
    picture: Image.Image = Image.open(file)
    picture.load()
    opaque = picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (255, 255)
    return picture.convert("RGB") if opaque else picture
