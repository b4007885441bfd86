"""A sound track for the clip: measured in the cell from its bytes, and later decoded once to be sure that it plays.

What a file is, its bytes say, never its name. WAV and MP3 are what the API reference of 2026-05-22 takes. Their length
is counted here without a codec: from the header of a WAV, and frame by frame for an MP3, whose header may not say it.
"""

from __future__ import annotations

import io
import os
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.media.intake import GONE, Raw, about, find_file, snapshot
from wan_notebook.words.addresses import is_address, public_url
from wan_notebook.words.wording import shown

__all__ = ["OTHER_SUFFIX", "SOUND_MIME", "SoundFacts", "load_sound", "measure_sound"]

SOUND_MIME = {"wav": "audio/wav", "mp3": "audio/mpeg"}
WAYS = "the path of a wav or mp3 file, its public http(s) or oss:// address, its bytes or the open file"
SUFFIXES = frozenset({".wav", ".mp3"})
# What an address of no wav or mp3 ends in. Any other ending says nothing: a script may serve a sound.
OTHER_SUFFIX = re.compile(
    r"\.(aac|ac3|aiff?|amr|ape|au|caf|flac|m4a|midi?|mka|og[ag]|opus|wma|avi|mkv|mov|mp4|webm|bmp|gif|jpe?g|png|webp|svg|pdf|zip)"
)
MOST_BYTES = 16 * 1024 * 1024  # a little more than the service takes: beyond it only the size is of interest
PADDING_SECONDS = 0.3  # what encoders add to a sound's ends may be counted or not
OTHER = (
    (r"fLaC", "a FLAC sound"),
    (r"OggS", "an Ogg sound"),
    (r"....ftyp", "an MP4 file (m4a sound or video)"),
    (r"\xff[\xf0\xf1\xf8\xf9]", "an AAC sound"),
    (r"FORM....AIF", "an AIFF sound"),
    (r"\x1aE\xdf\xa3", "a WebM or Matroska file"),
    (r"(RIFX|RF64)", "an unusual kind of WAV"),
    (r"\xff\xd8\xff|\x89PNG|GIF8|BM|RIFF....WEBP", "a picture"),
    (r"\s*<((?i:!doctype)|(?i:html))", "a web page, not the sound on it"),
    (r"version https://git-lfs", "a Git LFS pointer: run git lfs pull"),
)
# MPEG audio: bit rates in kbit/s by (MPEG 1?, layer), and sample rates by version (ISO 11172-3, 13818-3).
BITRATES = {
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
MPEG_1, LAYER_3 = 3, 1  # as the header writes them


@dataclass(frozen=True)
class SoundFacts:
    """What the bytes of a sound say.

    Parameters
    ----------
    kind : str
        ``url`` and ``oss`` (not looked at), ``file``, ``bytes`` or ``kept`` (those that an earlier run sent).
    name : str
        File name, or a stand-in for it; of a URL the last part of its path.
    source : str, Path or bytes
        What :func:`load_sound` reads; a path is absolute.
    role : str
        The request's field.
    format, mime : str or None
        ``wav`` or ``mp3``; None where it was not looked at.
    bytes : int or None
    seconds : float or None
        Its length; None where it was not looked at.
    changes : tuple of str
        What had been done to a kept one before it was sent.
    """

    kind: str
    name: str
    source: Any = field(repr=False)
    role: str = "audio_url"
    format: str | None = None
    mime: str | None = None
    bytes: int | None = None
    seconds: float | None = None
    changes: tuple[str, ...] = ()


def measure_sound(source: object, *, role: str = "audio_url", folder: Path | None = None) -> SoundFacts:
    """What a sound is and how long.

    Parameters
    ----------
    source : str, os.PathLike, bytes or binary file
        A string is an http(s) or ``oss://`` address (not fetched) or a path (``~``, ``file://``).
    role : str
        The request's field, which problems name.
    folder : Path, optional
        What a relative path is relative to; the working directory if not given.

    Raises
    ------
    InvalidRequestError
        It is no WAV or MP3, or cannot be read.
    """
    if not isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview)) and not hasattr(source, "read"):
        seen = hasattr(source, "__array_interface__") or hasattr(source, "savefig")
        raise _refuse(
            role, source, "it is a picture, not a sound" if seen else "it is no sound", "Give a wav or mp3 file"
        )
    with about(role, WAYS):
        held = snapshot(source)
    if isinstance(held, bytes):
        return _facts(io.BytesIO(held), SoundFacts("bytes", "sound", held, role, bytes=len(held)), held)
    held = str(held)
    if is_address(held):
        kind = "oss" if held[:3].lower() == "oss" else "url"
        return SoundFacts(kind, public_url(held).rstrip("/").rpartition("/")[2] or "sound", held, role)
    if held[:5].lower() == "data:":
        fix = "Give the file itself: it goes through the service's temporary upload"
        raise _refuse(role, held, "a sound cannot be sent as a data: URI", fix)
    with about(role, WAYS):
        path = find_file(held, folder, SUFFIXES)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            return _facts(file, SoundFacts("file", path.name, path, role, bytes=size), held)
    except OSError as error:
        why = f"it cannot be read ({error.strerror or error})"
        raise _refuse(role, held, why, "Check its permissions") from None


def load_sound(facts: SoundFacts) -> Raw:
    """The bytes of a sound, after it was played through once in silence. Heavy: run it in a thread.

    Raises
    ------
    InvalidRequestError
        It changed since it was measured, or it does not play for as long as its header says.
    """
    try:
        data = facts.source.read_bytes() if isinstance(facts.source, Path) else bytes(facts.source)
    except OSError as error:
        raise _refuse(facts.role, facts.name, f"it cannot be read here ({error.strerror})", GONE) from None
    if len(data) != facts.bytes:
        raise _refuse(facts.role, facts.name, "the file changed after it was checked", "Run the cell again")
    plays = _played_seconds(data, facts.format or "")
    if plays is None or abs(plays - (facts.seconds or 0)) > PADDING_SECONDS:
        half = "" if plays is None else f", it plays for {plays:.1f} s instead of {facts.seconds:.1f} s"
        said = f"its sound is damaged{half}"
        raise _refuse(facts.role, facts.name, said, "Save it or copy it again")
    return data


def _facts(file: BinaryIO, facts: SoundFacts, given: object) -> SoundFacts:
    if not facts.bytes:
        raise _refuse(facts.role, given, "it is empty (0 bytes)", "Give a sound")
    data = file.read(MOST_BYTES)
    format_ = _format(data)
    if format_ not in SOUND_MIME:
        raise _refuse(facts.role, given, f"it is {format_}", "Convert it first, e.g. with ffmpeg -i … sound.mp3")
    seconds = _wav_seconds(data) if format_ == "wav" else _mp3_seconds(data)
    seconds = seconds or _played_seconds(data, format_) or 0.0  # an unusual header
    if not seconds:
        raise _refuse(facts.role, given, f"it begins like {format_} but is damaged", "Save it or copy it again")
    name = facts.name if facts.kind == "file" else f"{facts.name}.{format_}"
    return SoundFacts(
        facts.kind, name, facts.source, facts.role, format_, SOUND_MIME[format_], facts.bytes, round(seconds, 3)
    )


def _format(data: Raw) -> str:
    """``wav``, ``mp3``, or words for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[:3] == b"ID3" or _mp3_frame(data[:4]) is not None:
        return "mp3"
    text = data[:32].decode("latin-1")
    return next((name for sign, name in OTHER if re.match(sign, text, re.DOTALL)), "no wav or mp3")


def _wav_seconds(data: Raw) -> float:
    """Length by the header's bytes per second and the size of the sound in it; 0 where it is damaged."""
    place, rate = 12, 0
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if name == b"fmt " and place + 24 <= len(data):
            (rate,) = struct.unpack_from("<I", data, place + 16)
        if name == b"data":
            return min(size, len(data) - place - 8) / rate if rate else 0.0
        place += 8 + size + size % 2
    return 0.0


def _mp3_seconds(data: Raw) -> float:
    """Length by its frames, all of them (few files say it), less the padding the encoder noted down."""
    place = 0
    if data[:3] == b"ID3" and len(data) > 10:  # noqa: PLR2004  the tag's own head; its size has seven bits a byte
        place = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    seconds, first = 0.0, True
    while 0 <= place <= len(data) - 4:
        frame = _mp3_frame(data[place : place + 4])
        if frame is None:
            place = data.find(b"\xff", place + 1)  # between frames there may be something else
            continue
        length, samples, rate = frame
        table = re.search(rb"Xing|Info|VBRI", data[place : place + 64]) if first else None
        if table:  # the first frame of many files is a table of contents, not sound
            seconds -= _padding(data[place + table.start() : place + length]) / rate
        else:
            seconds += samples / rate
        first, place = False, place + length
    return max(seconds, 0.0)


def _padding(table: Raw) -> int:
    """Samples before and after the sound, which players leave out: in the LAME part behind a Xing table."""
    if table[:4] == b"VBRI" or len(table) < 8:  # noqa: PLR2004  name and flags
        return 0
    flags = table[7]
    place = 8 + 4 * (flags & 1) + 2 * (flags & 2) + 25 * (flags & 4) + (flags & 8) // 2 + 21
    both = int.from_bytes(table[place : place + 3], "big")
    return (both >> 12) + (both & 0xFFF)


def _mp3_frame(head: Raw) -> tuple[int, int, int] | None:
    """(bytes, samples, samples per second) of the frame that begins with ``head``."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:  # noqa: PLR2004  eleven bits mark a frame
        return None
    version, layer, bits, tempo = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer != LAYER_3 or bits in (0, 15) or tempo == 3:  # noqa: PLR2004  reserved values
        return None
    newest = version == MPEG_1
    rate, samples = RATES[version][tempo], 1152 if newest else 576
    length = samples // 8 * BITRATES[newest, 3][bits - 1] * 1000 // rate + (head[2] >> 1 & 1)
    return length, samples, rate


def _played_seconds(data: Raw, format_: str) -> float | None:
    """Length by playing it to its end; None where that does not work."""
    from wan_notebook.media.stills import pyav

    av, seconds = pyav(), 0.0
    try:
        with av.open(io.BytesIO(data), "r", format=format_) as container:
            for sound in container.decode(container.streams.audio[0]):
                seconds += sound.samples / sound.sample_rate
    except (av.FFmpegError, ValueError, IndexError):
        return None
    return seconds


def _refuse(role: str, value: object, problem: str, fix: str) -> InvalidRequestError:
    return InvalidRequestError([Problem(role, shown(value), problem, WAYS, fix)])
