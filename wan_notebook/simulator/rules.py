"""What each model takes: the simulator's own reading of the API reference of 2026-05-22.

It deliberately imports nothing of the package and repeats nothing of its catalogue.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from .places import offered, takes_effects
from .refusals import BAD_URL, MESSAGES, Refusal

__all__ = ["MODELS", "Model", "Order", "read_order"]

ANY_SECOND = tuple(range(2, 16))
SEED_MAX = 2**31 - 1
MARKER = re.compile(r"\[simulate: FAILED(?: ([A-Za-z][A-Za-z.]*))?\]")


@dataclass(frozen=True)
class Model:
    """One model's limits, and how long the simulator takes for it at speed 1.

    Attributes
    ----------
    tiers : resolutions, the default one first
    seconds : lengths of the clip
    sound : may be switched, is always there, or never
    shots : takes ``shot_type``
    prompt_kept : characters kept of a prompt
    image_mb : most megabytes of the first frame
    limit : submits per second, and tasks at work at a time (rate-limit page of 2026-05-27)
    fixed, each : run time at 720P = ``fixed`` + ``each`` x seconds of clip. From the examples in the service's
        documents (2.6-flash, 10 s: 59 and 73 s; 2.5, 10 s: 580 s), the others scaled by what they say of the pace.
    """

    family: str
    tiers: tuple[str, ...]
    seconds: tuple[int, ...]
    sound: Literal["switch", "always", "never"]
    shots: bool
    prompt_kept: int
    image_mb: int
    limit: int
    fixed: float
    each: float
    media: bool = False

    def run_seconds(self, tier: str, seconds: int) -> float:
        """Simulated seconds from RUNNING to SUCCEEDED."""
        return (self.fixed + self.each * seconds) * {"480P": 0.7, "720P": 1.0, "1080P": 1.5}[tier]


def _wan26(fixed: float, each: float, *, switch: bool = False, seconds: tuple[int, ...] = ANY_SECOND) -> Model:
    sound: Literal["switch", "always"] = "switch" if switch else "always"
    return Model("2.6", ("1080P", "720P"), seconds, sound, True, 1500, 20, 5, fixed, each)


def _silent(family: str, tiers: tuple[str, ...], seconds: tuple[int, ...], fixed: float) -> Model:
    return Model(family, tiers, seconds, "never", False, 800, 10, 2, fixed, 4)


_WAN27 = Model("2.7", ("1080P", "720P"), ANY_SECOND, "always", False, 5000, 20, 5, 60, 10, media=True)
_TURBO = _silent("2.1", ("720P", "480P"), (3, 4, 5), 60)
_PLUS = _silent("2.1", ("720P",), (5,), 180)

MODELS: dict[str, Model] = {
    "wan2.7-i2v": _WAN27,
    "wan2.7-i2v-2026-04-25": _WAN27,
    "wan2.6-i2v-flash": _wan26(25, 4, switch=True),
    "wan2.6-i2v": _wan26(60, 10),
    "wan2.6-i2v-us": _wan26(60, 10, seconds=(5, 10, 15)),
    "wan2.5-i2v-preview": Model("2.5", ("1080P", "720P", "480P"), (5, 10), "always", False, 1500, 20, 5, 80, 50),
    "wan2.2-i2v-flash": _silent("2.2", ("720P", "480P", "1080P"), (5,), 30),
    "wan2.2-i2v-plus": _silent("2.2", ("1080P", "480P"), (5,), 120),
    "wan2.1-i2v-turbo": _TURBO,
    "wanx2.1-i2v-turbo": _TURBO,
    "wan2.1-i2v-plus": _PLUS,
    "wanx2.1-i2v-plus": _PLUS,
}

MEDIA_SETS = (
    {"first_frame"},
    {"first_frame", "driving_audio"},
    {"first_frame", "last_frame"},
    {"first_frame", "last_frame", "driving_audio"},
    {"first_clip"},
    {"first_clip", "last_frame"},
)


@dataclass(frozen=True)
class Order:
    """A submit the service has accepted, every default filled in.

    Attributes
    ----------
    media : kind of medium -> URL; kinds are those of wan2.7 (``first_frame``, ``last_frame``, ``driving_audio``,
        ``first_clip``), also for the older models
    sound : the clip gets an audio track
    multi : several shots; only true where it takes effect
    doomed : what the task will fail with (code, message), from the start
    """

    model_name: str
    model: Model
    prompt: str
    media: dict[str, str]
    resolution: str
    duration: int
    prompt_extend: bool
    multi: bool
    sound: bool
    watermark: bool
    seed: int | None
    doomed: tuple[str | None, str | None] | None

    @property
    def actual_prompt(self) -> str | None:
        """The rewritten prompt; the 2.6 family never tells it."""
        if not self.prompt_extend or self.model.family == "2.6":
            return None
        return (self.prompt or "The picture comes to life") + " (simulated rewrite)"

    def usage(self) -> dict[str, Any]:
        """What is billed, in the words of the model's family."""
        if self.model.family == "2.1":
            return {"video_duration": self.duration, "video_ratio": "standard", "video_count": 1}
        usage: dict[str, Any] = {"duration": self.duration, "video_count": 1, "SR": int(self.resolution[:-1])}
        if self.model.family in ("2.6", "2.7"):
            usage |= {"input_video_duration": 0, "output_video_duration": self.duration}
        if self.model.sound == "switch":
            usage["audio"] = self.sound
        return usage


def read_order(body: object, region: str | None = None) -> Order:
    """The order in a submit's JSON body, for a simulator that stands in this region.

    Raises
    ------
    Refusal
        400 with the service's code and message.
    """
    if not isinstance(body, dict):
        raise Refusal(400, "InvalidParameter", "Required body invalid, please check the request body format.")
    name = body.get("model")
    if name is None:
        raise _missing("model")
    if not isinstance(name, str) or name not in MODELS or not offered(name, region):
        raise Refusal(400, "InvalidParameter", "Model not exist.")
    model = MODELS[name]
    given = body.get("input")
    if not isinstance(given, dict):
        raise _missing("input")
    options = body.get("parameters")
    if options is None:
        options = {}
    if not isinstance(options, dict):
        raise _outside("parameters must be an object")

    prompt = _text(given, "prompt")[: model.prompt_kept]
    _text(
        given, "negative_prompt"
    )  # must be text; a camera move has no further use for it, nor for the name of an effect
    _check_effect(_text(given, "template"), region)
    doomed = _asked_to_fail(prompt)
    resolution = _choice(options, "resolution", model.tiers, model.tiers[0])
    duration = _whole(options, "duration", 5)
    if duration not in model.seconds:
        raise _outside(f"duration must be one of {list(model.seconds)}")
    extend = _switch(options, "prompt_extend", default=True)
    shot = _choice(options, "shot_type", ("single", "multi"), "single") if model.shots else "single"
    sound = model.sound != "never"
    if model.sound == "switch":
        sound = _switch(options, "audio", default=True)
    if model.media:
        media, missing = _media_list(given)
        doomed = missing or doomed
    else:
        media = _named_media(given, wants_audio=sound)
    return Order(
        model_name=name,
        model=model,
        prompt=prompt,
        media=media,
        resolution=resolution,
        duration=duration,
        prompt_extend=extend,
        multi=shot == "multi" and extend,
        sound=sound,
        watermark=_switch(options, "watermark", default=False),
        seed=_seed(options),
        doomed=doomed,
    )


def _check_effect(template: str, region: str | None) -> None:
    if template and not takes_effects(region):
        raise _outside("template is not available in this region")


def _named_media(given: dict[str, Any], *, wants_audio: bool) -> dict[str, str]:
    image = _text(given, "img_url")
    if not image:
        raise _missing("input.img_url")
    media = {"first_frame": _url(image)}
    # audio=false beats a given audio, which then is not even fetched; the silent models have no such field.
    audio = _text(given, "audio_url") if wants_audio else ""
    if audio:
        media["driving_audio"] = _url(audio, data=False)
    return media


def _media_list(given: dict[str, Any]) -> tuple[dict[str, str], tuple[str, str] | None]:
    items = given.get("media")
    if not items:
        # Reported by users: the old shape is accepted at submit and fails afterwards.
        return {}, ("InvalidParameter", "Field required: input.media")
    if not isinstance(items, list):
        raise _outside("input.media must be a list")
    media: dict[str, str] = {}
    for item in items:
        kind, url = (item.get("type"), item.get("url")) if isinstance(item, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(url, str) or kind in media:
            raise _outside("input.media takes each type once, with a url")
        media[kind] = _url(url, data=kind in ("first_frame", "last_frame"))
    if set(media) not in MEDIA_SETS:
        raise _outside("input.media holds a combination of types that is not supported")
    return media, None


def _url(url: str, *, data: bool = True) -> str:
    if url.startswith(("http://", "https://", "oss://")) or (data and url.startswith("data:")):
        return url
    raise Refusal(400, "InvalidURL", BAD_URL)


def _asked_to_fail(prompt: str) -> tuple[str | None, str | None] | None:
    found = MARKER.search(prompt)
    if not found:
        return None
    code = found[1]
    return (code, MESSAGES.get(code, "The simulator was asked to fail this task.")) if code else (None, None)


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _outside(f"{name} must be a string")
    return value


def _choice(options: dict[str, Any], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = options.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or value not in allowed:
        raise _outside(f"{name} must be one of {sorted(allowed)}")
    return value


def _whole(options: dict[str, Any], name: str, default: int) -> int:
    value = options.get(name, default)
    if value is None:
        return default
    if type(value) is not int:
        raise _outside(f"{name} must be an integer")
    return value


def _switch(options: dict[str, Any], name: str, *, default: bool) -> bool:
    value = options.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise _outside(f"{name} must be a boolean")
    return value


def _seed(options: dict[str, Any]) -> int | None:
    if options.get("seed") is None:
        return None
    seed = _whole(options, "seed", 0)
    if not 0 <= seed <= SEED_MAX:
        raise _outside(f"seed must be in [0, {SEED_MAX}]")
    return seed


def _missing(name: str) -> Refusal:
    return Refusal(400, "InvalidParameter", f"Field required: {name}")


def _outside(what: str) -> Refusal:
    return Refusal(400, "InvalidParameter", f"the parameters must conform to the specification: {what}.")
