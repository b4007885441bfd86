"""What is inside a saved MP4: its facts and a poster."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import WanError
from wan_notebook.media.sheets import boxed
from wan_notebook.media.stills import no_video, opened, picture_of
from wan_notebook.tasks import Clip

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from PIL.Image import Image

__all__ = ["begins_with", "misfit", "poster_of", "probe_clip"]

POSTER_SIDE = 640
POSTER_BYTES = 60_000
GLANCE, ALIKE = (32, 32), 12  # pixels; mean difference of 255 that a JPEG of low quality may make
MOST_PIXELS = 4096 * 4096
SLACK_SECONDS, SLACK_FPS = 0.05, 0.01  # an MP4's own rounding
SLACK_BILLED = 0.5  # seconds: the service reports whole ones
MEASURED = ("width", "height", "video_codec", "audio_codec", "audio")


def probe_clip(path: str | os.PathLike[str]) -> Clip:
    """Read the facts of a saved clip from the file itself.

    Parameters
    ----------
    path : path of an MP4

    Returns
    -------
    Clip
        With the sha256 of the whole file and a small JPEG of the first frame.

    Raises
    ------
    WanError
        The file is no MP4 video, is incomplete or cannot be read.
    """
    path = Path(path)
    with opened(path) as (container, stream):
        _check_whole(path)
        first = picture_of(next(container.decode(stream)))
        audio = container.streams.audio[0].codec_context.name if container.streams.audio else None
        # The picture's own length: a sound track may be longer or shorter by a fraction of a frame.
        ticks = stream.duration * stream.time_base if stream.duration and stream.time_base else None
        seconds = float(ticks) if ticks is not None else (container.duration or 0) / 1_000_000
        return Clip(
            path=path,
            sha256=_sha256(path),
            bytes=path.stat().st_size,
            width=first.width,
            height=first.height,
            duration=round(seconds, 3),
            fps=round(float(stream.average_rate or 0), 3),
            video_codec=stream.codec_context.name,
            audio_codec=audio,
            poster=_poster(first),
        )


def misfit(path: Path, claimed: Mapping[str, Any], usage: Mapping[str, Any]) -> str:
    """What a clip is not that its record says of it, in words; empty where there is nothing."""
    try:
        return next(_misfits(probe_clip(path), claimed, usage), "")
    except WanError as error:
        return error.message


def _misfits(clip: Clip, claimed: Mapping[str, Any], usage: Mapping[str, Any]) -> Iterator[str]:
    for name in MEASURED:
        if getattr(clip, name) != claimed[name]:
            yield f"its {name} is {getattr(clip, name)}, not {claimed[name]}"
    if abs(clip.duration - claimed["duration"]) > SLACK_SECONDS:
        yield f"it lasts {clip.duration:g} s, not {claimed['duration']:g} s"
    if abs(clip.fps - claimed["fps"]) > SLACK_FPS:
        yield f"it has {clip.fps:g} frames per second, not {claimed['fps']:g}"
    billed = usage.get("output_video_duration") or usage.get("duration")
    if billed is not None and abs(clip.duration - billed) > SLACK_BILLED:
        yield f"it lasts {clip.duration:g} s, the service reported {billed:g} s"


def poster_of(path: Path, size: tuple[int, int]) -> bytes:
    """A JPEG of ``size`` that shows a clip's first frame; the rest of the file is not read.

    Raises
    ------
    WanError
        The file is no MP4 video or cannot be read.
    """
    with opened(path) as (container, stream):
        return boxed(picture_of(next(container.decode(stream))), size)


def begins_with(path: Path, poster: str) -> bool:
    """Whether a picture (base64, from a document) is a clip's first frame, as far as a small JPEG can be.

    Raises
    ------
    WanError
        The file is no MP4 video or cannot be read.
    """
    from PIL import Image, ImageChops, ImageStat

    try:
        with Image.open(io.BytesIO(base64.b64decode(poster))) as image:
            if image.width * image.height > MOST_PIXELS:
                return False
            shown = image.convert("RGB").resize(GLANCE)
    except (OSError, ValueError, SyntaxError):
        return False
    with opened(path) as (container, stream):
        first = picture_of(next(container.decode(stream))).convert("RGB").resize(GLANCE)
    return max(ImageStat.Stat(ImageChops.difference(shown, first)).mean) < ALIKE


def _check_whole(path: Path) -> None:
    """A download that broke off may still open and play; but the boxes an MP4 is made of then end beyond the file."""
    size, position = path.stat().st_size, 0
    with path.open("rb") as file:
        while position < size:
            file.seek(position)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:  # the length stands in the next 8 bytes
                length = int.from_bytes(head[8:16], "big")
            elif length == 0:  # the last box, up to the end
                return
            position += max(length, 8)
    if position != size:
        raise no_video(path, "it is incomplete")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _poster(image: Image) -> bytes:
    image = image.copy()
    image.thumbnail((POSTER_SIDE, POSTER_SIDE))
    for quality in (80, 60, 40, 20):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        if file.tell() <= POSTER_BYTES:
            break
    return file.getvalue()
