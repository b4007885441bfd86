"""The names of a request's parameters, and those that people know from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wan_notebook.errors import Problem
from wan_notebook.facts.catalog import catalog
from wan_notebook.words.wording import shown, suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["ALIASES", "by_name"]

ALIASES = {"img_url": "image"}
CLIPS = "Continuing a clip (first_clip) is not supported here, only clips made from a first frame"
SHAPE = "The service has no such parameter: a clip has the shape of its first frame. Use crop='16:9' or pad='16:9'"
# Parameters people know from elsewhere, and what to do instead.
ELSEWHERE = {
    "n": "The service has no such parameter: one task makes one clip, submit it several times",
    "size": f"{SHAPE}, and resolution gives the number of pixels",
    "ratio": SHAPE,
    "aspect_ratio": SHAPE,
    "fps": "The service has no such parameter: clips have {fps} frames per second",
    "extend_prompt": "Its documented name is prompt_extend",
    "first_frame_url": "Its name here is image (or img_url)",
    "last_frame_url": "Its name here is last_frame",
    "first_frame": "Its name here is image (or img_url)",
    "driving_audio": "Its name here is audio_url",
    "media": "Give its parts by name: image, last_frame and audio_url",
    "first_clip": CLIPS,
    "video_url": CLIPS,
    "api_key": "It is not part of a request: give it to submit() or generate(), or set DASHSCOPE_API_KEY",
    "workspace": "It is not part of a request: set DASHSCOPE_WORKSPACE_ID",
    "region": "It is not part of a request: give it to submit() or generate()",
}


def unknown_field(name: str, value: object, known: Iterable[str]) -> Problem:
    """The problem of a parameter that does not exist."""
    fix = ELSEWHERE.get(name, "").format(fps=catalog().service.fps)
    if not fix:
        close = suggest(name, known)
        fix = f"Did you mean {close}?" if close else "Leave it out"
    untold = name == "api_key" or "prompt" in fix or (isinstance(value, str) and len(value.split()) > 1)  # a prompt?
    return Problem(shown(name), "" if untold else shown(value), "there is no such parameter", "", fix)


def by_name(given: Mapping[str, Any], names: Collection[str]) -> tuple[dict[str, Any], list[Problem]]:
    """Arguments under their fields' names (None means left out), and a problem for each that has no field."""
    known: dict[str, Any] = {}
    problems = []
    for name, value in _unlisted(given).items():
        field = ALIASES.get(name, name)
        if field not in names:
            problems.append(unknown_field(name, value, names))
        elif field in known:
            both = f"{field} and img_url are two names of one parameter"
            problems.append(Problem(field, "", both, "", f"Give one of them, e.g. {field}=…"))
        elif value is not None:
            known[field] = value
    return known, problems


def _unlisted(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The vendor's list of media under our names, so that arguments written for its SDK can be pasted in.

    Their order is not kept: they go out as first frame, last frame, sound.

    A list that cannot be read so stays where it is; it is then said to be no parameter.
    """
    wire = catalog().model(str(given.get("model"))).wire
    items = given.get(wire.listed)
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, dict) for item in items):
        return given
    ours = {"first_clip": "first_clip", **{name: field for field, name in wire.places.items()}}
    parts = {ours.get(str(item.get("type")), ""): item.get("url") for item in items}
    if len(parts) < len(items) or "" in parts or given.keys() & parts.keys():
        return given
    return {**{name: value for name, value in given.items() if name != wire.listed}, **parts}
