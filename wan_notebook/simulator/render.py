"""A camera move over the given picture, as a real H.264 MP4.

The picture is turned into three YUV planes once; each frame is then a crop of those planes, so a frame costs a few
milliseconds, and the colours of the first frame are the picture's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av

from . import camera, sound

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    from PIL import Image

__all__ = ["FPS", "Abandoned", "Script", "clip_size", "render"]

FPS = 30
STILL_SECONDS = 2
PIXELS = {"480P": 832 * 480, "720P": 1280 * 720, "1080P": 1920 * 1080}
"""Pixels of a tier. 720P as documented (750x1000 becomes 816x1104); the other two are not documented for image-to-video
and taken from the tiers of text-to-video."""


class Abandoned(Exception):  # noqa: N818  the server is closing; nothing went wrong
    """The rendering was told to stop."""


@dataclass(frozen=True)
class Script:
    """Everything a clip depends on, and therefore its key in the store.

    Attributes
    ----------
    frame : sha256 of the first frame's bytes
    seconds, size : of the clip
    seed : steers the camera and the chord
    audio : None for a silent clip, "" for a made-up sound, else the sha256 of the given one
    shape : render the right shape with cheap content
    """

    frame: str
    seconds: int
    size: tuple[int, int]
    seed: int
    multi: bool
    watermark: bool
    audio: str | None
    shape: bool


def clip_size(picture: tuple[int, int], resolution: str) -> tuple[int, int]:
    """Width and height of the clip: the picture's shape, the tier's pixels, sides rounded down to multiples of 16.

    Examples
    --------
    >>> clip_size((750, 1000), "720P")
    (816, 1104)
    """
    width, height = picture
    pixels = PIXELS[resolution]
    return (
        max(math.isqrt(pixels * width // height) // 16, 1) * 16,
        max(math.isqrt(pixels * height // width) // 16, 1) * 16,
    )


def render(script: Script, picture: Image.Image, audio: bytes | None, target: Path, stop: threading.Event) -> None:
    """Write the clip to ``target``.

    Parameters
    ----------
    script : Script
    picture : PIL.Image.Image
        RGB; the first frame.
    audio : bytes, optional
        The given sound.
    target : Path
    stop : threading.Event
        Set it to end early.

    Raises
    ------
    Abandoned
        ``stop`` was set.
    """
    track = None
    if script.audio is not None:
        track = sound.chord(script.seconds, script.seed) if audio is None else sound.given(audio, script.seconds)
    # +faststart: a browser can play before it has everything.
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        container.metadata["comment"] = "simulated"
        _encode(container, script, picture, track, stop)


def _encode(
    container: av.container.OutputContainer,
    script: Script,
    picture: Image.Image,
    track: bytes | None,
    stop: threading.Event,
) -> None:
    width, height = script.size
    video = container.add_stream("libx264", rate=FPS)
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    video.options = {"preset": "ultrafast" if script.shape else "superfast", "crf": "23", "threads": "2"}
    if script.shape:  # each second can be decoded by itself, so that it can be repeated
        video.options |= {"g": str(FPS), "x264-params": "scenecut=0"}
    context = video.codec_context
    context.color_range, context.colorspace, context.color_primaries, context.color_trc = (
        1,
        1,
        1,
        1,
    )  # BT.709, limited: untold, browsers guess
    voice = None
    if track is not None:
        voice = container.add_stream("aac", rate=sound.RATE, layout="stereo")
        voice.bit_rate = 128_000
    for second, packets in enumerate(_seconds(video, script, picture, stop)):
        container.mux(packets)
        if track is not None and voice is not None:
            container.mux(voice.encode(_samples(track, second)))
    if voice is not None:
        container.mux(voice.encode(None))


def _seconds(
    video: av.VideoStream, script: Script, picture: Image.Image, stop: threading.Event
) -> Iterator[list[av.Packet[Any]]]:
    """The encoded picture, second by second; of a clip that only has the shape, two seconds over and over."""
    count = min(script.seconds, STILL_SECONDS) if script.shape else script.seconds
    moving = camera.frames(
        picture,
        script.size,
        count * FPS,
        seed=script.seed,
        multi=script.multi,
        marked=script.watermark,
        still=script.shape,
    )
    drawn, frame = None, None
    packets: list[av.Packet[Any]] = []
    for number, planes in enumerate(moving):
        if stop.is_set():
            raise Abandoned
        if frame is None or planes is not drawn:
            drawn, frame = planes, _frame(planes)
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        packets += video.encode(frame)
        if number == count * FPS - 1:
            packets += video.encode(None)
        if not script.shape and number % FPS == FPS - 1:
            yield packets
            packets = []
    for second in range(script.seconds if script.shape else 0):
        first = second % count * FPS
        yield [_moved(packet, second * FPS - first) for packet in packets[first : first + FPS]]


def _moved(packet: av.Packet[Any], frames: int) -> av.Packet[Any]:
    """The same picture so many frames later."""
    copy: av.Packet[Any] = av.Packet(bytes(packet))
    copy.stream, copy.time_base, copy.is_keyframe = packet.stream, packet.time_base, packet.is_keyframe
    copy.pts, copy.dts, copy.duration = (packet.pts or 0) + frames, (packet.dts or 0) + frames, 1
    return copy


def _samples(track: bytes, second: int) -> av.AudioFrame:
    frame = av.AudioFrame(format="s16", layout="stereo", samples=sound.RATE)
    frame.sample_rate = sound.RATE
    frame.pts = second * sound.RATE
    frame.time_base = Fraction(1, sound.RATE)
    frame.planes[0].update(track[second * sound.RATE * 4 : (second + 1) * sound.RATE * 4])
    return frame


def _frame(planes: camera.Planes) -> av.VideoFrame:
    frame = av.VideoFrame(*planes[0].size, "yuv420p")
    for target, source in zip(frame.planes, planes, strict=True):
        target.update(source.tobytes("raw", "L", target.line_size, 1).ljust(target.buffer_size, b"\0"))
    return frame
