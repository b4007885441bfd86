"""Frames of a saved MP4 as pictures."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wan_notebook.errors import WanError
from wan_notebook.forks import held_at_forks
from wan_notebook.media.origins import Origin, digest_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from PIL.Image import Image

__all__ = ["Still", "evenly", "frame", "no_video", "opened", "picture_of", "pyav", "spread"]

_loading = held_at_forks(threading.RLock())


class Still(NamedTuple):
    """A frame of a clip: its number, its time in seconds, its picture."""

    number: int
    seconds: float
    picture: Image


def frame(path: str | os.PathLike[str], index: int, *, run_id: str) -> Image:
    """One frame of a clip; it remembers the run and its number.

    Parameters
    ----------
    path : path of an MP4
    index : int
        Counted from 0; negative from the end, -1 is the last.
    run_id : str
        The run that made the clip.

    Raises
    ------
    WanError
        The file is no MP4 video.
    IndexError
        The clip has fewer frames.
    """
    path = Path(path)
    with opened(path) as (container, stream):
        number = index if index >= 0 else _count(container, stream) + index
        found = _picked(container, stream, [number])
    if not found:
        with opened(path) as (container, stream):
            raise IndexError(f"{path.name} has {_count(container, stream)} frames, counted from 0: no frame {index}")
    return _marked(found, path, run_id)[0]


def evenly(path: str | os.PathLike[str], count: int, *, run_id: str) -> list[Image]:
    """``count`` frames of a clip, evenly spaced from the first to the last; all it has, where it has fewer.

    Parameters and errors as of :func:`frame`.
    """
    return _marked(spread(path, count), Path(path), run_id)


def spread(path: str | os.PathLike[str], count: int) -> list[Still]:
    """The frames of :func:`evenly`, with their times."""
    with opened(Path(path)) as (container, stream):
        last = _count(container, stream) - 1
        steps = max(count - 1, 1)
        return _picked(container, stream, sorted({round(step * last / steps) for step in range(max(count, 0))}))


def _marked(found: Sequence[Still], path: Path, run_id: str) -> list[Image]:
    return [Origin(run_id, number, path.stem, digest_of(picture)).mark(picture) for number, _, picture in found]


def _count(container: InputContainer, stream: VideoStream) -> int:
    count = stream.frames or sum(1 for packet in container.demux(stream) if packet.size)
    container.seek(0)
    return count


def _picked(container: InputContainer, stream: VideoStream, numbers: Sequence[int]) -> list[Still]:
    found: list[Still] = []
    if not numbers or numbers[0] < 0:
        return found
    for number, picture in enumerate(container.decode(stream)):
        if number in numbers:
            found.append(Still(number, picture.time or 0.0, picture_of(picture)))
        if number >= numbers[-1]:
            break
    return found


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and the picture of an MP4.

    Raises
    ------
    WanError
        The file is no MP4 video.
    """
    av = pyav()
    try:
        with av.open(str(path), format="mp4") as container:
            if not container.streams.video:
                raise no_video(path, "it holds no picture")
            yield container, container.streams.video[0]
    except (av.FFmpegError, StopIteration, OSError) as error:
        # An empty file, an HTML page saved as .mp4, a download that broke off.
        raise no_video(path, getattr(error, "strerror", None) or str(error) or "no frame in it") from None


def pyav() -> Any:
    """PyAV, loaded when it is first needed: a process forked half way could never load it, nor PIL."""
    with _loading:
        import av
        from PIL import Image

        Image.preinit()  # loads more, late
    return av


def picture_of(picture: VideoFrame) -> Image:
    """A decoded frame as a PIL image.

    PyAV keeps its converter with the thread. One with threads of its own could not be freed by a process that is forked
    from this one (a pool of :mod:`multiprocessing`, say): it would wait for ever.
    """
    image: Image = picture.to_image(threads=1)  # type: ignore[no-untyped-call]  # PyAV's stub leaves the keywords untyped
    return image


def no_video(path: Path, reason: str) -> WanError:
    """The error for a file that is no clip."""
    return WanError(f"{path.name} is not a video that can be read ({reason}).", hint="Download it again.")
