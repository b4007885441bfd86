"""Pictures, sounds and clips given to the service: are they what it takes? By their bytes, not their names."""

from __future__ import annotations

import base64
import binascii
import io
import re

import av
from PIL import Image, UnidentifiedImageError

from .refusals import BAD_URL, CORRUPTED, FORMAT_ERROR, SIDES, TOO_LARGE, BadInput

__all__ = ["LARGEST_MB", "check", "decode_data_uri", "open_picture"]

MB = 1024 * 1024
AUDIO_MB = 15
CLIP_MB = 100
LARGEST_MB = CLIP_MB
SIDE_MIN, SIDE_MAX = 240, 8000
SLACK_SECONDS = 0.1
"""An MP3's padding must not make a 30 s sound too long."""
CLIP_SECONDS = (2, 10)
CLIP_SIDE_MAX = 4096
FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "BMP": "image/bmp", "WEBP": "image/webp"}
MIME = {**FORMATS, "MPO": "image/jpeg"}
"""A phone's JPEG with a second picture behind the first is what Pillow calls MPO."""
DATA_URI = re.compile(r"data:(image/(?:jpeg|png|bmp|webp));base64,", re.ASCII)


def decode_data_uri(uri: str) -> tuple[str, bytes]:
    """(mime, bytes) of ``data:{mime};base64,{data}``.

    Raises
    ------
    BadInput
        Another mime than the four documented ones, or no base64.
    """
    head = DATA_URI.match(uri)
    if not head:
        raise BadInput("InvalidParameter", FORMAT_ERROR)
    try:
        return head[1], base64.b64decode(uri[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("InvalidParameter", CORRUPTED) from None


def check(kind: str, data: bytes, *, image_mb: int, wan27: bool, mime: str | None = None) -> None:
    """Look at one medium as the service does.

    Parameters
    ----------
    kind : {"first_frame", "last_frame", "driving_audio", "first_clip"}
    data : bytes
    image_mb : int
        Most megabytes of a picture for this model.
    wan27 : bool
        The stricter shape (1:8 to 8:1) and the shorter sounds (2 s) of wan2.7.
    mime : str, optional
        What the bytes were said to be; they must be that.

    Raises
    ------
    BadInput
    """
    if kind == "driving_audio":
        _check_sound(data, 2 if wan27 else 3)
    elif kind == "first_clip":
        _check_clip(data)
    else:
        _check_image(data, image_mb, wan27=wan27, mime=mime)


def _check_image(data: bytes, most_mb: int, *, wan27: bool, mime: str | None) -> None:
    if len(data) > most_mb * MB:
        raise BadInput("InvalidParameter", TOO_LARGE)
    try:
        with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
            if mime is not None and MIME.get(image.format or "") != mime:
                raise BadInput("InvalidParameter", FORMAT_ERROR)
            if image.format == "PNG" and ("A" in image.mode or "transparency" in image.info):
                raise BadInput("InvalidParameter", FORMAT_ERROR)  # no alpha channel
            low, high = sorted(image.size)
            if low < SIDE_MIN or high > SIDE_MAX or (wan27 and high > 8 * low):
                raise BadInput("InvalidParameter", SIDES)
            image.load()
    except UnidentifiedImageError:
        raise BadInput("InvalidParameter", FORMAT_ERROR) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadInput("InvalidParameter", SIDES) from None
    except (OSError, SyntaxError, ValueError):
        raise BadInput("InvalidParameter", CORRUPTED) from None


def _check_sound(data: bytes, shortest: int) -> None:
    if len(data) > AUDIO_MB * MB:
        raise BadInput("InvalidURL", "File size is larger than 15MB.")
    try:
        with av.open(io.BytesIO(data), "r") as container:
            wanted = container.format.name in ("wav", "mp3") and container.streams.audio
            stream = container.streams.audio[0] if wanted else None
            seconds = 0.0
            if stream is not None:
                for frame in container.decode(stream):
                    seconds += frame.samples / frame.sample_rate
    except (av.FFmpegError, ValueError):
        stream, seconds = None, 0.0
    if stream is None or seconds == 0:
        raise BadInput("InvalidURL", "File type is not supported. Allowed types are: .wav, .mp3.")
    if seconds > 30 + SLACK_SECONDS:
        raise BadInput("InvalidURL", "The input audio is longer than 30s.")
    if seconds < shortest - SLACK_SECONDS:
        raise BadInput("InvalidFile.Duration", f"The input audio is shorter than {shortest}s.")


def _check_clip(data: bytes) -> None:
    if len(data) > CLIP_MB * MB:
        raise BadInput("InvalidParameter", TOO_LARGE)
    try:
        with av.open(io.BytesIO(data), "r") as container:
            stream = container.streams.video[0]
            form = container.format.name  # one reader for mp4 and mov, named after both
            seconds = float((stream.duration or 0) * (stream.time_base or 0))
            low, high = sorted((stream.width, stream.height))
    except (av.FFmpegError, IndexError, ValueError):
        raise BadInput("InvalidURL", BAD_URL) from None
    if "mp4" not in form:
        raise BadInput("InvalidFile.Format", "The input video must be mp4 or mov.")
    if not CLIP_SECONDS[0] - SLACK_SECONDS <= seconds <= CLIP_SECONDS[1] + SLACK_SECONDS:
        raise BadInput("InvalidFile.Duration", "The input video must last 2 to 10 seconds.")
    if low < SIDE_MIN or high > CLIP_SIDE_MAX or high > 8 * low:
        raise BadInput("InvalidFile.Resolution", "The input video must have sides of 240 to 4096 pixels, 1:8 to 8:1.")


def open_picture(kind: str, data: bytes) -> Image.Image:
    """The RGB picture a clip starts from: the image itself, or the first frame of a given clip."""
    if kind == "first_clip":
        try:
            with av.open(io.BytesIO(data), "r") as container:
                for frame in container.decode(video=0):
                    first: Image.Image = frame.to_image(threads=1)  # type: ignore[no-untyped-call]  # PyAV leaves it untyped
                    return first.convert("RGB")
        except (av.FFmpegError, IndexError, ValueError):
            pass
        raise BadInput("InvalidURL", BAD_URL)
    with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
        return image.convert("RGB")
