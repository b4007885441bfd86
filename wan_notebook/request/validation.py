"""What a request must obey before any money is spent, where the rules of the chosen model meet.

The rules come from the API reference of 2026-05-22 and the guide, their numbers from the catalogue. Every rule yields
problems instead of raising, so that all of them are seen at once; values that could not even be read are left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import Problem
from wan_notebook.facts.catalog import catalog
from wan_notebook.media.medium import ImageFacts
from wan_notebook.media.sounds import OTHER_SUFFIX, SoundFacts
from wan_notebook.request import frames
from wan_notebook.request.fields import allowed
from wan_notebook.words.addresses import extension, unreachable, wrong_address
from wan_notebook.words.wording import file_size, one_of, shown, slip, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from wan_notebook.facts.nouns import ModelSpec
    from wan_notebook.media.medium import Facts

__all__ = ["check", "notes", "regional", "unlisted"]


TIER = re.compile(r"[0-9]{1,9}P")
ROUNDING = 0.1  # seconds: encoders do not cut a sound to the sample
LACKS = {
    "last_frame": "takes no last frame",
    "audio_url": "takes no sound track",
    "shot_type": "has no such parameter",
    "template": "has no video effects",
}
NEAR_ONLY = "can be fetched from this machine or network only: the real service cannot reach it"


def check(values: Mapping[str, Any], facts: Mapping[str, Facts], readable: Callable[[str], bool]) -> list[Problem]:
    """Every problem of a request whose fields could be read one by one.

    Parameters
    ----------
    values : mapping of field name to value
    facts : mapping of field name to ImageFacts or SoundFacts
        Of the media that could be measured; the others are a problem of their own.
    readable : callable
        Whether the field of this name could be read; rules about the others wait until it can.
    """
    spec = catalog().model(values["model"]) if readable("model") else catalog().unknown
    found = [problem for rule in RULES for problem in rule(values, spec)]
    found += [problem for item in facts.values() for problem in _medium(item, values, spec)]
    found += frames.travelling(values, facts, spec)
    if readable("image") and values["image"] is None:
        fix = "Give image=…, or --image in a cell"
        found.insert(0, Problem("image", "", "a first frame is required", allowed("image", spec), fix))
    return found


def notes(values: Mapping[str, Any], facts: Mapping[str, Facts]) -> tuple[str, ...]:
    """What the person should know about a valid request."""
    spec = catalog().model(values["model"])
    said = [*([] if spec.known else [unlisted(spec.name)]), *frames.notes(values, facts, spec)]
    if values["audio_url"] is not None and values["audio"] is False:
        said.append("audio_url is sent but not heard: with audio off the clip is silent")
    else:
        duration = spec.duration if values["duration"] is None else values["duration"]
        said += [heard for item in facts.values() if isinstance(item, SoundFacts) and (heard := _heard(item, duration))]
    said += _effect(values, spec)
    addresses = [item.source for item in facts.values() if item.kind == "url"]
    said += [f"{shown(url)} {NEAR_ONLY}" for url in addresses if unreachable(url)]
    return tuple(said)


def unlisted(model: str) -> str:
    """What is said of a model nobody here knows."""
    close = suggest(model, catalog().models)
    meant = f" (did you mean {close}?)" if close else ""
    return f"model {shown(model)} is not in the catalogue{meant}: it is sent as it is, its price is unknown"


def _heard(facts: SoundFacts, duration: int) -> str:
    """What becomes of a sound that is longer or shorter than the clip; nothing is known of one given by its address."""
    if facts.seconds is None or duration <= 0 or abs(facts.seconds - duration) <= ROUNDING:
        return ""
    rest = "the rest is cut" if facts.seconds > duration else f"silent after {facts.seconds:.1f} s"
    return f"sound: {facts.seconds:.1f} s, the clip has {duration} s: {rest}"


def _effect(values: Mapping[str, Any], spec: ModelSpec) -> Iterator[str]:
    name, known = values["template"], catalog().effects
    if name is None:
        return
    if values["prompt"]:
        yield "the service ignores the prompt when a template is set"
    if spec.template == "undocumented":
        yield f"no video effect is documented for {spec.name}, only for {one_of(_able('template'))}"
    if name not in known:
        close = suggest(name, known)
        meant = f"; did you mean {close}?" if close else ""
        yield f"template {shown(name)} is none of the effects known here ({one_of(known)}; the page lists more){meant}"


def regional(values: Mapping[str, Any], spec: ModelSpec, facts: Mapping[str, Facts], region_name: str) -> list[Problem]:
    """What cannot work in a region: a model, an effect or an upload that is not offered there."""
    region, found = catalog().find_region(region_name), []
    if region is None:
        return []
    if spec.known and not region.every_model and region.name not in spec.regions:
        here = [name for name, other in catalog().models.items() if region.name in other.regions]
        fix = f"In {region.name} its name is {spec.twin}" if spec.twin in here else f"Use {', '.join(here)} there"
        places = f"{spec.name} in: {', '.join(spec.regions)}"
        found.append(Problem("model", spec.name, f"it is not offered in {region.name}", places, fix))
    template = values["template"]
    if template is not None and not region.templates:
        able = ", ".join(r.name for r in catalog().regions.values() if r.templates)
        said = f"video effects do not work in {region.name}"
        found.append(Problem("template", shown(template), said, f"template in: {able}", "Leave it out"))
    if not region.uploads:
        found += _uploads(values, facts, spec, region.name)
    return found


def _uploads(
    values: Mapping[str, Any], facts: Mapping[str, Facts], spec: ModelSpec, region_name: str
) -> Iterator[Problem]:
    able = f"uploads in: {', '.join(r.name for r in catalog().regions.values() if r.uploads)}"
    missing = f"the temporary upload is not documented for {region_name}"
    for name, item in facts.items():
        if item.kind in frames.ELSEWHERE:
            continue
        if isinstance(item, SoundFacts):
            said = f"a sound of your own needs the temporary upload, which is not documented for {region_name}"
            fix = "Put the file on a web server the service can reach, and give its https:// address"
            yield Problem(name, shown(item.name), said, able, fix)
        elif values["upload"] == "oss":
            yield Problem("upload", "oss", missing, able, "Leave it out: the picture is sent as base64")
    if values["upload"] == "auto":
        fix = "Add fit=True (--fit) to have it made smaller, or give an https:// address"
        for name, said in frames.only_small(facts, values, spec):
            yield Problem(name, "", f"{said}, and {missing}", able, fix)


def _misspelt(values: Mapping[str, Any], spec: ModelSpec) -> Iterator[Problem]:
    models = catalog().models
    if values["model"] not in models and (close := slip(values["model"], models)):
        yield Problem(
            "model", shown(values["model"]), "there is no such model", allowed("model", spec), f"Did you mean {close}?"
        )


def _length(values: Mapping[str, Any], spec: ModelSpec) -> Iterator[Problem]:
    for name, most in (("prompt", spec.prompt_chars), ("negative_prompt", spec.negative_prompt_chars)):
        said = values[name]
        if said and most is not None and len(said) > most:
            over = len(said) - most
            yield Problem(
                name,
                "",
                f"it has {len(said)} characters; the service would silently cut the last {over} and bill the clip",
                allowed(name, spec),
                f"Shorten it by {over}",
            )


def _choices(values: Mapping[str, Any], spec: ModelSpec) -> Iterator[Problem]:
    for name, takes in (("resolution", spec.resolutions), ("duration", spec.durations)):
        value = values[name]
        if value is None or value in takes or not takes:
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
    if value is None or not spec.shot_types:
        return
    if value not in spec.shot_types:
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
        silent = f"Use {one_of(_able('audio'))} for a silent clip, or leave audio out"
        yield Problem("audio", "False", f"{spec.name} always makes sound", "leave it out, or True", silent)
    if spec.audio == "silent" and value is not None:
        able = one_of([m.name for m in catalog().models.values() if m.audio in ("switch", "always")])
        fix = f"Leave it out, or use {able} for sound" if value else "Leave it out: this model is always silent"
        yield Problem("audio", shown(value), f"{spec.name} has no such parameter, its clips are silent", "", fix)


def _lacking(values: Mapping[str, Any], spec: ModelSpec) -> Iterator[Problem]:
    for name, lacks in LACKS.items():
        if values[name] is not None and not spec.takes(name):
            fix = f"Leave it out, or use {one_of(_able(name))}"
            yield Problem(name, shown(values[name]), f"{spec.name or 'the model'} {lacks}", "", fix)


def _able(name: str) -> list[str]:
    """The models that have a parameter, as far as it is documented."""
    models = [spec for spec in catalog().models.values() if spec.takes(name)]
    return [spec.name for spec in models if name != "template" or spec.template == "documented"]


RULES = (_misspelt, _length, _choices, _shots, _sound, _lacking)


def _medium(facts: Facts, values: Mapping[str, Any], spec: ModelSpec) -> Iterator[Problem]:
    takes = allowed(facts.role, spec)
    if facts.kind in ("url", "oss") and (wrong := wrong_address(facts.source)):
        yield Problem(facts.role, shown(facts.source), wrong[0], takes, wrong[1])
    if isinstance(facts, ImageFacts):
        yield from frames.problems(facts, frames.framing(values, spec), spec)
    else:
        yield from (Problem(facts.role, shown(facts.name), said, takes, fix) for said, fix in _track(facts, spec))


def _track(facts: SoundFacts, spec: ModelSpec) -> Iterator[tuple[str, str]]:
    limits = spec.audio_file
    if not spec.audio_url:
        return  # said already
    if facts.kind == "url":
        suffix = extension(facts.source)
        if OTHER_SUFFIX.fullmatch(suffix):
            yield f"it is a {suffix} file", "Convert it to mp3"
    if facts.bytes is not None and facts.bytes > limits.bytes:
        yield f"it has {file_size(facts.bytes)}", "Save it as mp3, or shorten it"
    if facts.seconds is not None and facts.seconds > limits.seconds_max + ROUNDING:
        yield f"it is {facts.seconds:g} s long", f"Cut it to {limits.seconds_max} s"
    if facts.seconds is not None and facts.seconds < limits.seconds_min - ROUNDING:
        yield f"it is {facts.seconds:g} s long", f"Lengthen it to {limits.seconds_min} s, e.g. with silence"


def _meant(value: object, takes: Iterable[object]) -> str:
    """The closest allowed value, as advice."""
    choices = list(takes)
    lines = {int(c[:-1]): c for c in map(str, choices) if TIER.fullmatch(c)}
    if lines and TIER.fullmatch(str(value)):
        return f"Use {lines[min(lines, key=lambda height: abs(height - int(str(value)[:-1])))]}"
    if isinstance(value, int):
        numbers = [c for c in choices if isinstance(c, int)]
        return f"Use {min(numbers, key=lambda c: abs(c - value))}" if numbers else "Use a positive number"
    close = suggest(str(value), choices)
    return f"Did you mean {close}?" if close else f"Use {one_of(choices)}"
