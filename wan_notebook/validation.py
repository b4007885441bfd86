"""What a request must obey before any money is spent, where the rules of the chosen model meet.

The rules come from the API reference of 2026-05-22 and the guide, their numbers from the catalogue. Every rule yields
problems instead of raising, so that all of them are seen at once; values that could not even be read are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wan_notebook.addresses import extension, is_address, unreachable, wrong_address
from wan_notebook.catalog import catalog
from wan_notebook.errors import Problem
from wan_notebook.fields import allowed
from wan_notebook.media import changes
from wan_notebook.wording import one_of, shown, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from wan_notebook.facts import ModelSpec
    from wan_notebook.media import ImageFacts

__all__ = ["check", "notes", "regional"]


NEAR_ONLY = "can be fetched from this machine or network only: the real service cannot reach it"


def check(values: Mapping[str, Any], facts: ImageFacts | None, readable: Callable[[str], bool]) -> list[Problem]:
    """Every problem of a request whose fields could be read one by one.

    Parameters
    ----------
    values : mapping of field name to value
    facts : ImageFacts or None
        Of the first frame; None where it could not be measured, which is a problem of its own.
    readable : callable
        Whether the field of this name could be read; rules about the others wait until it can.
    """
    spec = catalog().model(values["model"]) if readable("model") else catalog().unknown
    found = [problem for rule in RULES for problem in rule(values, spec)]
    if facts is not None:
        found += _image(facts, spec)
    elif readable("image") and values["image"] is None:
        fix = "Give image=…, or --image in a cell"
        found.insert(0, Problem("image", "", "a first frame is required", allowed("image", spec), fix))
    return found


def notes(values: Mapping[str, Any], facts: ImageFacts) -> tuple[str, ...]:
    """What the person should know about a valid request."""
    spec = catalog().model(values["model"])
    said = list(changes(facts))
    if values["audio_url"] and values["audio"] is False:
        said.append("audio_url is sent but not heard: with audio off the clip is silent")
    if values["audio"] and spec.audio == "always":
        said.append(f"{spec.name} always makes sound: audio is not sent")
    if values["template"] and values["prompt"]:
        said.append("the service ignores the prompt when a template is set")
    addresses = (facts.source if facts.kind == "url" else "", values["audio_url"])
    said += [f"{shown(url)} {NEAR_ONLY}" for url in addresses if url and unreachable(url)]
    return tuple(said)


def regional(spec: ModelSpec, template: str | None, region_name: str) -> list[Problem]:
    """What cannot work in a region: a model or an effect that is not offered there."""
    region, found = catalog().find_region(region_name), []
    if region is None:
        return []
    if spec.known and not region.every_model and region.name not in spec.regions:
        here = [name for name, other in catalog().models.items() if region.name in other.regions]
        fix = f"In {region.name} its name is {spec.twin}" if spec.twin in here else f"Use {', '.join(here)} there"
        places = f"{spec.name} in: {', '.join(spec.regions)}"
        found.append(Problem("model", spec.name, f"it is not offered in {region.name}", places, fix))
    if template is not None and not region.templates:
        able = ", ".join(r.name for r in catalog().regions.values() if r.templates)
        said = f"video effects do not work in {region.name}"
        found.append(Problem("template", shown(template), said, f"template in: {able}", "Leave it out"))
    return found


def _length(values: Mapping[str, Any], spec: ModelSpec) -> Iterator[Problem]:
    for name, most in (("prompt", spec.prompt_chars), ("negative_prompt", spec.negative_prompt_chars)):
        said = values[name]
        if said and most is not None and len(said) > most:
            over = len(said) - most
            yield Problem(
                name,
                shown(said),
                f"it has {len(said)} characters; the service would silently cut the last {over} and bill the clip",
                allowed(name, spec),
                f"Shorten it by {over}",
            )


def _choices(values: Mapping[str, Any], spec: ModelSpec) -> Iterator[Problem]:
    for name, takes in (("resolution", spec.resolutions), ("duration", spec.durations)):
        value = values[name]
        if value is None or value in takes or (not takes and (name != "duration" or value > 0)):
            continue
        yield Problem(
            name,
            shown(value),
            f"{spec.name or 'the model'} does not make it",
            allowed(name, spec),
            _meant(value, takes),
        )
    seed = values["seed"]
    if seed is not None and not 0 <= seed <= catalog().service.seed_max:
        yield Problem(
            "seed", shown(seed), "it is out of range", allowed("seed", spec), "Leave it out to have one drawn"
        )


def _shots(values: Mapping[str, Any], spec: ModelSpec) -> Iterator[Problem]:
    value = values["shot_type"]
    if value is None or not spec.known:
        return
    if not spec.shot_types:
        able = one_of([m.name for m in catalog().models.values() if m.shot_types])
        yield Problem(
            "shot_type", shown(value), f"{spec.name} has no such parameter", "", f"Leave it out, or use {able}"
        )
    elif value not in spec.shot_types:
        fix = _meant(value, spec.shot_types)
        yield Problem("shot_type", shown(value), "there is no such shot type", allowed("shot_type", spec), fix)
    elif value == "multi" and values["prompt_extend"] is False:
        yield Problem(
            "shot_type",
            shown(value),
            "several shots need prompt_extend: the rewriting of the prompt is what plans them",
            "multi together with prompt_extend=True",
            "Set prompt_extend=True, or shot_type='single'",
        )


def _sound(values: Mapping[str, Any], spec: ModelSpec) -> Iterator[Problem]:
    value = values["audio"]
    if spec.audio == "always" and value is False:
        able = one_of([m.name for m in catalog().models.values() if m.audio == "switch"])
        silent = f"Use {able} for a silent clip (half its price with sound), or leave audio out"
        yield Problem("audio", "False", f"{spec.name} always makes sound", "leave it out, or True", silent)
    if spec.audio == "silent" and value is not None:
        able = one_of([m.name for m in catalog().models.values() if m.audio in ("switch", "always")])
        fix = f"Leave it out, or use {able} for sound" if value else "Leave it out: this model is always silent"
        yield Problem("audio", shown(value), f"{spec.name} has no such parameter, its clips are silent", "", fix)


def _track(values: Mapping[str, Any], spec: ModelSpec) -> Iterator[Problem]:
    url = values["audio_url"]
    if url is None:
        return
    takes = allowed("audio_url", spec)
    if not spec.audio_url:
        able = one_of([m.name for m in catalog().models.values() if m.audio_url])
        fix = f"Leave it out, or use {able}"
        yield Problem("audio_url", shown(url), f"{spec.name} takes no sound track", "", fix)
    elif not is_address(url):
        what = "a data: URI" if url[:5].lower() == "data:" else "a local path or another kind of address"
        fix = "Put the file on a web server the service can reach, and give its address"
        yield Problem("audio_url", shown(url), f"it is {what}; today it must be a public address", takes, fix)
    elif wrong := wrong_address(url):
        yield Problem("audio_url", shown(url), wrong[0], takes, wrong[1])
    elif (suffix := extension(url)) and suffix.lstrip(".") not in spec.audio_file.formats:
        yield Problem("audio_url", shown(url), f"it is a {suffix} file", takes, "Convert it to mp3")


RULES = (_length, _choices, _shots, _sound, _track)


def _image(facts: ImageFacts, spec: ModelSpec) -> Iterator[Problem]:
    limits, name, takes = spec.image, facts.name, allowed("image", spec)
    if facts.kind in ("url", "oss") and (wrong := wrong_address(facts.source)):
        yield Problem("image", shown(facts.source), wrong[0], takes, wrong[1])
    if not spec.known:  # its limits are the service's to know
        return
    if facts.width is not None and facts.height is not None:
        size = f"it is {facts.width} x {facts.height} pixels"
        if min(facts.width, facts.height) < limits.side_min:
            yield Problem("image", shown(name), size, takes, f"Enlarge or pad it to {limits.side_min} pixels per side")
        if max(facts.width, facts.height) > limits.side_max:
            yield Problem("image", shown(name), size, takes, f"Shrink it to {limits.side_max} pixels per side")
    if facts.bytes is not None and facts.bytes > limits.bytes:
        size = f"it has {facts.bytes / 1024 / 1024:.1f} MB"
        yield Problem("image", shown(name), size, takes, "Shrink it, or save it as JPEG")


def _meant(value: object, takes: Iterable[object]) -> str:
    """The closest allowed value, as advice."""
    choices = list(takes)
    if isinstance(value, int):
        numbers = [c for c in choices if isinstance(c, int)]
        return f"Use {min(numbers, key=lambda c: abs(c - value))}" if numbers else "Use a positive number"
    close = suggest(str(value), choices)
    return f"Did you mean {close}?" if close else f"Use {one_of(choices)}"
