"""The audio track: the given sound, or a soft chord, as 16-bit stereo at 44.1 kHz."""

from __future__ import annotations

import array
import gc
import io
import math
import os
from functools import cache

import av

__all__ = ["RATE", "chord", "given"]

RATE = 44100
LOOP_SECONDS = 2
CHORDS = ((110, 164.5, 220, 277, 329.5), (98, 147, 196, 246.5, 293.5), (130.5, 196, 261.5, 329.5, 392))
"""Frequencies in Hz, multiples of 0.5 so that two seconds can be repeated without a seam."""

if hasattr(os, "register_at_fork"):  # not on Windows
    # What PyAV's resampler leaves for the collector (a circle) has threads of its own: freed in a forked child, which
    # has none of them, it would wait for ever.
    os.register_at_fork(before=gc.collect)


def chord(seconds: int, seed: int) -> bytes:
    """A quiet, slowly breathing chord that fades in and out."""
    loop = _loop(CHORDS[seed % len(CHORDS)])
    track = (loop * (seconds // LOOP_SECONDS + 1))[: seconds * RATE * 2]
    fade = RATE // 2
    for index in range(fade):
        for side in (0, 1):
            track[index * 2 + side] = track[index * 2 + side] * index // fade
            track[-1 - index * 2 - side] = track[-1 - index * 2 - side] * index // fade
    return track.tobytes()


@cache
def _loop(tones: tuple[float, ...]) -> array.array[int]:
    """Two seconds of the chord; the voices stand at different places between left and right."""
    loop = array.array("h")
    step = 2 * math.pi / RATE
    for index in range(RATE * LOOP_SECONDS):
        breath = 0.75 + 0.25 * math.cos(index * step / LOOP_SECONDS)
        left = right = 0.0
        for number, frequency in enumerate(tones):
            wave = math.sin(index * step * frequency + number) / (number + 1.5)
            left += wave * (0.9 - 0.1 * number)
            right += wave * (0.5 + 0.1 * number)
        loop.append(int(3200 * breath * left))
        loop.append(int(3200 * breath * right))
    return loop


def given(data: bytes, seconds: int) -> bytes:
    """The given sound: cut at the end of the clip, or followed by silence."""
    wanted = seconds * RATE * 4
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE)
    track = bytearray()
    with av.open(io.BytesIO(data), "r") as container:
        for frame in container.decode(container.streams.audio[0]):
            for piece in resampler.resample(frame):
                track += bytes(piece.planes[0])[: piece.samples * 4]
            if len(track) >= wanted:
                break
    return bytes(track[:wanted].ljust(wanted, b"\0"))
