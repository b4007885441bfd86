"""Where the camera looks in each frame: a slow move with a little sway, and cuts when several shots are asked for."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

import av
from PIL import Image

from . import stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Planes", "frames"]

Planes = tuple[Image.Image, Image.Image, Image.Image]
Box = tuple[float, float, float, float]

CLOSER = (0.6, 0.8)
"""Share of the picture's sides the second and third shot show at first."""


@dataclass(frozen=True)
class _Shot:
    """One shot: what of the picture it shows (fractions), and how the camera moves over that."""

    view: Box
    depth: float
    heading: tuple[float, float]
    sway: tuple[float, float]
    nearing: bool


def frames(
    image: Image.Image, size: tuple[int, int], count: int, *, seed: int, multi: bool, marked: bool, still: bool
) -> Iterator[Planes]:
    """``count`` frames as YUV 4:2:0 planes; the first one shows the whole picture.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB.
    size : (width, height)
        Both even.
    count : int
    seed : int
        Another seed is another camera move.
    multi : bool
        Two shots, or three from 150 frames on.
    marked : bool
        Lay on the watermark besides the label.
    still : bool
        Every frame of a shot is its first one, and the very same object.
    """
    stamps = [stamp.label(size)] + ([stamp.watermark(size)] if marked else [])
    shots = _plan(random.Random(seed), multi=multi, count=count)  # noqa: S311  a camera move, not a secret
    length = math.ceil(count / len(shots))
    for number, shot in enumerate(shots):
        source = _planes(_view(image, shot.view, size))
        steps = min(length, count - number * length)
        if still:
            for item in stamps:
                item.lay(source)
            yield from repeat(source, steps)
            continue
        for step in range(steps):
            planes = _crop(source, _look(shot, step / 30, step / max(steps - 1, 1), size))
            for item in stamps:
                item.lay(planes)
            yield planes


def _plan(chance: random.Random, *, multi: bool, count: int) -> list[_Shot]:
    views: list[Box] = [(0, 0, 1, 1)]
    if multi:
        for share in CLOSER[: 1 if count < 150 else 2]:  # noqa: PLR2004  five seconds at 30 fps
            left, top = chance.uniform(0.3, 0.7) * (1 - share), chance.uniform(0.2, 0.6) * (1 - share)
            views.append((left, top, left + share, top + share))
    depth = min(0.07 + 0.02 * count / 30 / len(views), 0.2)
    shots = []
    for number, view in enumerate(views):
        angle = chance.uniform(0, 2 * math.pi)
        shots.append(
            _Shot(
                view=view,
                depth=depth * chance.uniform(0.8, 1.2),
                heading=(math.cos(angle), math.sin(angle)),
                sway=(chance.uniform(0, 6), chance.uniform(0, 6)),
                nearing=number == 0 or chance.random() < 0.5,  # noqa: PLR2004  as often as not
            )
        )
    return shots


def _look(shot: _Shot, seconds: float, share: float, size: tuple[int, int]) -> Box:
    """The part of the shot's picture seen ``seconds`` after its start."""
    eased = share * share * (3 - 2 * share)
    zoom = 1 + shot.depth * (eased if shot.nearing else 1 - eased * 0.8)
    box = []
    for side, heading, phase in zip(size, shot.heading, shot.sway, strict=True):
        seen = side / zoom
        sway = 0.3 * (math.sin(1.1 * seconds + phase) + 0.5 * math.sin(2.3 * seconds + 2 * phase))
        middle = (side - seen) / 2
        start = middle + middle * max(-1.0, min(1.0, heading * 0.6 * eased + sway))
        box += [start, seen]
    return box[0], box[2], min(box[0] + box[1], size[0]), min(box[2] + box[3], size[1])


def _view(image: Image.Image, view: Box, size: tuple[int, int]) -> Image.Image:
    width, height = image.size
    box = (view[0] * width, view[1] * height, view[2] * width, view[3] * height)
    return image.resize(size, Image.Resampling.BICUBIC, box=box)


def _planes(image: Image.Image) -> Planes:
    rgb: av.VideoFrame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]  # PyAV leaves it untyped
    frame = rgb.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", threads=1)
    luma, blue, red = (
        Image.frombytes("L", (plane.width, plane.height), bytes(plane), "raw", "L", plane.line_size, 1)
        for plane in frame.planes
    )
    return luma, blue, red


def _crop(source: Planes, box: Box) -> Planes:
    luma, blue, red = source
    half = (box[0] / 2, box[1] / 2, box[2] / 2, box[3] / 2)
    near = Image.Resampling.BILINEAR
    if (box[0], box[1], box[2], box[3]) == (0, 0, *luma.size):
        return luma.copy(), blue.copy(), red.copy()
    return (
        luma.resize(luma.size, near, box=box),
        blue.resize(blue.size, near, box=half),
        red.resize(red.size, near, box=half),
    )
