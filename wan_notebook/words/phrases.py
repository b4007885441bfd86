"""Short phrases for times, money, sizes and text of unknown origin, as the windows show them; pure."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from wan_notebook.words.wording import redacted

if TYPE_CHECKING:
    from wan_notebook.tasks import Clip, Cost

__all__ = [
    "clean",
    "clip_facts",
    "clock",
    "harmless",
    "moment",
    "path_shortened",
    "price",
    "shortened",
    "silence",
    "unpriced",
]

# Control characters, lone surrogates and marks that reorder text: a prompt must not forge the lines around it.
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
CODECS = {"h264": "H.264", "hevc": "H.265", "aac": "AAC"}


def harmless(text: str) -> str:
    """``text`` without API keys and without anything invisible that could forge or reorder what stands around it."""
    return UNSEEN.sub("", redacted(text))


def clean(value: object) -> str:
    """``value`` as one line of :func:`harmless` text.

    >>> clean("a\\n\\x1b[31mb")
    'a [31mb'
    """
    return harmless(" ".join(str(value).split()))


def shortened(text: str, most: int) -> str:
    """``text``, its end replaced by an ellipsis where it is longer than ``most`` characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def path_shortened(text: str, most: int) -> str:
    """A path, shortened in its middle: which disk it is on and which file it is stay.

    >>> path_shortened("/home/somebody/wan_outputs/cat-20261123-192501.mp4", 30)
    '/home/som…-20261123-192501.mp4'
    """
    head = most // 3 - 1
    return text if len(text) <= most else f"{text[:head]}…{text[head + 1 - most :]}"


def clock(seconds: float) -> str:
    """A length of time.

    >>> clock(42.7), clock(3725)
    ('0:42', '1:02:05')
    """
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(at: str | float | None) -> str:
    """An instant (ISO-8601, or seconds since the epoch) to the minute, in UTC; empty if it is none.

    >>> moment("2026-11-23T19:25:01.123Z"), moment("soon")
    ('2026-11-23 19:25 UTC', '')
    """
    try:
        when = datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at or 0, UTC)
        return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""
    except (ValueError, OverflowError, OSError):
        return ""


def price(cost: Cost | None, *, simulated: bool) -> str:
    """What it costs, where, and how old the price is; unknown is said, never 0."""
    if cost is None or cost.amount is None:
        return "nothing is billed: simulated" if simulated else "price unknown"
    if not cost.amount:
        return "0 spent: nothing new was made"
    dated = f"price table of {cost.table_date}" if cost.table_date else ""
    if simulated:
        return f"nothing is billed: simulated (a real one: {' · '.join(filter(None, (str(cost), dated)))})"
    billed = "" if cost.estimated else f"{cost.seconds:g} s billed"
    return " · ".join(filter(None, (str(cost), billed, cost.region.title(), dated)))


def unpriced(cost: Cost) -> list[str]:
    """Why the price of an address is unknown; empty where a region's prices count."""
    if cost.amount is not None or "://" not in cost.region:
        return []
    what = f"{cost.region} is no known address of the vendor's"
    return [f"its price is unknown: {what}; --region says whose prices count"]


def silence(cost: Cost, saving: Cost) -> str:
    """What the same clip would cost without sound.

    Parameters
    ----------
    cost, saving : Cost
        The price with sound, and what is saved; both known.
    """
    full, saved = cost.amount or Decimal(), saving.amount or Decimal()
    half = ", half as much" if full == 2 * saved else ""
    return f"without sound (--no-audio, audio=False) it would cost {replace(cost, amount=full - saved)}{half}"


def clip_facts(clip: Clip) -> list[str]:
    """Size, length, frame rate, codecs, each a short phrase."""
    video, audio = (CODECS.get(codec or "", codec) for codec in (clip.video_codec, clip.audio_codec))
    sound = f"{audio} sound" if audio else "silent"
    return [f"{clip.width}×{clip.height}", f"{clip.duration:.1f} s", f"{clip.fps:.4g} fps", str(video), sound]
