"""One field of a request at a time: from what people write to what the service takes, or why that cannot be."""

from __future__ import annotations

import operator
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.facts.catalog import catalog
from wan_notebook.media.framing import LARGEST, ratio_of
from wan_notebook.media.intake import snapshot
from wan_notebook.words.addresses import lower_scheme
from wan_notebook.words.wording import holds_key, kind, one_of, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError

    from wan_notebook.facts.nouns import ModelSpec

__all__ = [
    "Wrong",
    "address",
    "allowed",
    "as_ours",
    "flag",
    "lower",
    "model_name",
    "picture",
    "ratio",
    "some_text",
    "sound",
    "text",
    "tier",
    "unreadable",
    "whole",
    "word",
]

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Wrong(ValueError):  # noqa: N818  never seen outside; pydantic collects it with the field's name
    """A value that cannot be that field at all."""

    def __init__(self, problem: str, fix: str = "", *, secret: bool = False) -> None:
        super().__init__(problem)
        self.problem, self.fix, self.secret = problem, fix, secret


def text(value: object) -> object:
    """Text without keys, control characters or broken Unicode."""
    value = _plain(value)
    if not isinstance(value, str):
        raise Wrong(f"this is {_a(value)}, not text", "Put it in quotes")
    if holds_key(value if value[:5].lower() != "data:" else value[:200]):
        raise Wrong(
            "this holds what looks like an API key; nothing of it is kept or sent",
            "Revoke that key in the console if it was shown to anybody, and set DASHSCOPE_API_KEY instead",
            secret=True,
        )
    found = UNPRINTABLE.search(value)
    if found:
        raise Wrong(f"it holds the invisible character U+{ord(found[0]):04X} at position {found.start()}", "Remove it")
    return value


def some_text(value: object) -> object:
    """As :func:`text`; None for the empty string."""
    return text(value) or None


def word(value: object) -> object:
    """One word, with blanks around it taken off; None if nothing is left."""
    return str(text(value)).strip() or None


def tier(value: object) -> object:
    """A resolution in any case, and a bare 720 for 720P."""
    value = _plain(value)
    said = word(str(value) if isinstance(value, int) and not isinstance(value, bool) else value)
    if not isinstance(said, str):
        return None
    return f"{said}P" if said.isdecimal() else said.upper()


def ratio(value: object) -> object:
    """A ratio as ``16:9``, also from (16, 9), 16x9 and 16/9 as text."""
    if isinstance(value, (tuple, list)) and len(value) == 2:  # noqa: PLR2004  width and height
        value = f"{value[0]}:{value[1]}"
    said = word(value) if isinstance(value, str) else str(value)
    if not isinstance(said, str):
        return None
    found = ratio_of(said)
    if found is None:
        raise Wrong("it is no ratio", "Write width:height, e.g. 16:9")
    return f"{found[0]}:{found[1]}"


def lower(value: object) -> object:
    """One word in lower case."""
    said = word(value)
    return said.lower() if isinstance(said, str) else None


def model_name(value: object) -> object:
    """A model; one of the catalogue in any case."""
    said = word(value)
    if not isinstance(said, str):
        raise Wrong("it is empty", "Leave it out, or name a model")
    return said.lower() if said.lower() in catalog().models else said


def whole(value: object) -> object:
    """A whole number, also written as text or as 5.0; neither True nor 5.5."""
    value = _plain(value)
    if isinstance(value, str):
        stripped = str(text(value)).strip()
        if not stripped:
            return None
        if not re.fullmatch(r"[+-]?[0-9]{1,18}(\.0+)?", stripped, re.ASCII):
            raise Wrong("it is not a whole number", _whole_fix(stripped))
        return int(stripped.partition(".")[0])
    if isinstance(value, bool):
        raise Wrong("it is a yes/no, not a number", "Write a whole number")
    if isinstance(value, float):
        if not value.is_integer():
            raise Wrong("it is not a whole number", _whole_fix(str(value)))
        return int(value)
    try:
        return operator.index(value)  # type: ignore[arg-type]  # whatever has no index raises TypeError
    except TypeError:
        raise Wrong(f"this is {_a(value)}, not a whole number", "Write a whole number") from None


def flag(value: object) -> object:
    """Yes or no, also as text."""
    value = _plain(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, str)):
        said = str(text(str(value))).strip().lower()
        if said in ("true", "yes", "on", "1"):
            return True
        if said in ("false", "no", "off", "0"):
            return False
    raise Wrong("it is neither true nor false", "Write True or False")


def picture(value: object) -> object:
    """A frame in a form that cannot change any more: text, bytes or a PIL image."""
    held = snapshot(value)
    return address(held) if isinstance(held, str) else held


def sound(value: object) -> object:
    """A sound track in a form that cannot change any more: text or bytes."""
    held = snapshot(value)
    return address(held) if isinstance(held, str) else held


def address(value: object) -> object:
    """As :func:`word`, the scheme of an address in small letters."""
    said = word(value)
    return lower_scheme(said) if isinstance(said, str) else None


def _plain(value: Any) -> Any:
    """A scalar of numpy or pandas as Python's own, a path as text."""
    if hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "shape", None) == ():
        return value.item()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _a(value: object) -> str:
    return {int: "a number", float: "a number", bool: "a yes/no"}.get(type(value)) or kind(value)


def _whole_fix(said: str) -> str:
    """What to write instead; only where there is no doubt which number is meant."""
    meant = re.fullmatch(r"([+-]?[0-9]{1,9})(\.[0-9]+)?\s*[^\W\d_]*", said, re.ASCII)
    if re.fullmatch(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?[eE]\+?[0-9]{1,2}", said, re.ASCII):
        return f"Write {float(said):.0f}" if float(said).is_integer() else "Write a whole number of digits only"
    return f"Write {meant[1]}" if meant else "Write a whole number of digits only"


def allowed(name: str, spec: ModelSpec) -> str:
    """What a field takes, in words, for the chosen model; empty where it has no bounds."""
    image, track, yes_or_no = spec.image, spec.audio_file, "true or false"
    shape = f"from 1:{image.ratio_max} to {image.ratio_max}:1, " if image.ratio_max else ""
    frame = (
        f"one {one_of(image.formats)} image, {image.side_min} to {image.side_max} pixels per side, "
        f"{shape}up to {image.bytes // 1024 // 1024} MB"
    )
    words: dict[str, str] = {
        "prompt": f"up to {spec.prompt_chars} characters" if spec.prompt_chars else "text",
        "negative_prompt": f"up to {spec.negative_prompt_chars} characters" if spec.negative_prompt_chars else "text",
        "image": frame,
        "last_frame": frame,
        "model": one_of(catalog().models),
        "resolution": one_of(spec.resolutions),
        "duration": _seconds(spec.durations),
        "audio": yes_or_no,
        "audio_url": (
            f"a {one_of(track.formats)} file or its public http(s) or oss:// address, "
            f"{track.seconds_min} to {track.seconds_max} s, up to {track.bytes // 1024 // 1024} MB"
        ),
        "shot_type": one_of(spec.shot_types),
        "prompt_extend": yes_or_no,
        "watermark": yes_or_no,
        "fit": yes_or_no,
        "crop": f"width:height, whole numbers from 1 to {LARGEST}",
        "pad": f"width:height, whole numbers from 1 to {LARGEST}",
        "pin": yes_or_no,
        "seed": f"whole numbers from 0 to {catalog().service.seed_max}",
    }
    return words.get(name, "")


def _seconds(takes: tuple[int, ...]) -> str:
    if not takes:
        return "whole seconds"
    first, last = takes[0], takes[-1]
    unbroken = len(takes) == last - first + 1 and len(takes) > 3  # noqa: PLR2004  three still read well as a list
    return f"whole seconds from {first} to {last}" if unbroken else f"{one_of(takes)} (seconds)"


def unreadable(item: Any, known: Mapping[str, Any], spec: ModelSpec) -> Sequence[Problem]:
    """Our words for what pydantic collected about one field."""
    name, reason = str(item["loc"][0]), item.get("ctx", {}).get("error")
    if isinstance(reason, InvalidRequestError):
        return [replace(problem, field=name) for problem in reason.problems]
    if isinstance(reason, Wrong):
        value = "" if reason.secret else shown(known[name])
        return [Problem(name, value, reason.problem, allowed(name, spec), reason.fix)]
    return [Problem(name, shown(known[name]), str(item["msg"]), allowed(name, spec))]


def as_ours(error: ValidationError) -> InvalidRequestError:
    """The error of ours inside pydantic's, which wraps whatever a constructor raises."""
    first = error.errors()[0]
    reason = first.get("ctx", {}).get("error")
    if isinstance(reason, InvalidRequestError):
        return reason
    return InvalidRequestError([Problem("request", "", str(first["msg"]), "a mapping of parameters to values")])
