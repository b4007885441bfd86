"""What is inside a saved MP4: its facts, a poster, any frame."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from wan_notebook.errors import WanError
from wan_notebook.tasks import Clip

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from PIL.Image import Image

__all__ = ["frame", "probe_clip"]

POSTER_SIDE = 640
POSTER_BYTES = 60_000


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
    with _opened(path) as (container, stream):
        _check_whole(path)
        first = _image(next(container.decode(stream)))
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


def frame(path: str | os.PathLike[str], index: int) -> Image:
    """One frame of a clip.

    Parameters
    ----------
    path : path of an MP4
    index : int
        Counted from 0; negative from the end, -1 is the last.

    Raises
    ------
    WanError
        The file is no MP4 video.
    IndexError
        The clip has fewer frames.
    """
    path = Path(path)
    with _opened(path) as (container, stream):
        if index < 0:
            index += stream.frames or sum(1 for packet in container.demux(stream) if packet.size)
            container.seek(0)
        found = None if index < 0 else next(itertools.islice(container.decode(stream), index, None), None)
        if found is None:
            raise IndexError(f"{path.name} has fewer frames")
        return _image(found)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    import av

    try:
        with av.open(str(path), format="mp4") as container:
            if not container.streams.video:
                raise _no_video(path, "it holds no picture")
            yield container, container.streams.video[0]
    except (av.FFmpegError, StopIteration, OSError) as error:
        # An empty file, an HTML page saved as .mp4, a download that broke off.
        raise _no_video(path, getattr(error, "strerror", None) or str(error) or "no frame in it") from None


def _image(picture: VideoFrame) -> Image:
    image: Image = picture.to_image()  # type: ignore[no-untyped-call]  # PyAV's stub leaves the keywords untyped
    return image


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
        raise _no_video(path, "it is incomplete")


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


def _no_video(path: Path, reason: str) -> WanError:
    return WanError(f"{path.name} is not a video that can be read ({reason}).", hint="Download it again.")
