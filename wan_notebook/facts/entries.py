"""The entries of ``catalog.toml`` made into nouns, one function for each kind of entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wan_notebook.facts.nouns import AudioLimits, ImageLimits, ModelSpec, RateLimit, Region, ServiceFacts, Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wan_notebook.facts.nouns import Source

__all__ = ["model_of", "region_of", "service_of", "unknown_model", "wire_of"]


def model_of(
    name: str,
    entry: Mapping[str, Any],
    limits: Mapping[str, Any],
    wires: Mapping[str, Wire],
    sources: Mapping[str, Source],
) -> ModelSpec:
    durations = entry["durations"]
    if isinstance(durations, dict):
        durations = range(durations["from"], durations["to"] + 1)
    rate = entry["rate"]
    low, high = entry["run_seconds"]
    return ModelSpec(
        name=name,
        known=True,
        resolutions=tuple(entry["resolutions"]),
        resolution=entry["resolution"],
        service_resolution=entry["service_resolution"],
        durations=tuple(durations),
        duration=entry["duration"],
        audio=entry["audio"],
        audio_url=entry["audio_url"],
        shot_types=tuple(entry["shot_types"]),
        template=entry["template"],
        prompt_chars=entry["prompt_chars"],
        negative_prompt_chars=entry["negative_prompt_chars"],
        image=_image_limits(limits, entry["image_bytes"], entry.get("image_ratio_max")),
        audio_file=_audio_limits(limits, entry.get("audio_seconds_min")),
        run_seconds=(low, high),
        wire=wires[entry["wire"]],
        regions=tuple(entry["regions"]),
        twin=entry.get("twin"),
        rate=RateLimit(**{**rate, "source": sources[rate["source"]]}),
        source=sources[entry["source"]],
    )


def service_of(entry: Mapping[str, Any], sources: Mapping[str, Source]) -> ServiceFacts:
    facts = {name: value for name, value in entry.items() if name != "sources"}
    return ServiceFacts(**{**facts, "source": sources[entry["source"]]})


def wire_of(name: str, entry: Mapping[str, Any], sources: Mapping[str, Source]) -> Wire:
    return Wire(name, entry["places"], entry.get("listed", ""), sources[entry["source"]])


def unknown_model(raw: Mapping[str, Any], wires: Mapping[str, Wire]) -> ModelSpec:
    """What is assumed of a model that is not in the catalogue: only what the protocol itself says."""
    return ModelSpec(
        name="",
        known=False,
        resolutions=(),
        resolution=raw["defaults"]["resolution"],
        service_resolution=None,
        durations=(),
        duration=raw["defaults"]["duration"],
        audio="unknown",
        audio_url=True,
        shot_types=(),
        template="unknown",
        prompt_chars=None,
        negative_prompt_chars=None,
        image=_image_limits(raw["limits"], max(entry["image_bytes"] for entry in raw["models"].values())),
        audio_file=_audio_limits(raw["limits"]),
        run_seconds=None,
        wire=wires["img_url"],
        regions=(),
        twin=None,
        rate=None,
        source=None,
    )


def _image_limits(limits: Mapping[str, Any], size: int, ratio: int | None = None) -> ImageLimits:
    entry = limits["image"]
    return ImageLimits(
        formats=tuple(entry["formats"]),
        side_min=entry["side_min"],
        side_max=entry["side_max"],
        ratio_max=ratio,
        bytes=size,
        base64_bytes=entry["base64_bytes"],
    )


def _audio_limits(limits: Mapping[str, Any], shortest: int | None = None) -> AudioLimits:
    entry = limits["audio"]
    return AudioLimits(
        formats=tuple(entry["formats"]),
        seconds_min=shortest or entry["seconds_min"],
        seconds_max=entry["seconds_max"],
        bytes=entry["bytes"],
    )


def region_of(name: str, entry: Mapping[str, Any], sources: Mapping[str, Source]) -> Region:
    source = sources[entry["source"]]
    return Region(
        name=name,
        vendor_id=entry["vendor_id"],
        aliases=tuple(dict.fromkeys((entry["vendor_id"], *entry["aliases"]))),
        base_url=entry.get("base_url"),
        workspace_base_url=entry.get("workspace_base_url"),
        currency=entry["currency"],
        prices=tuple(entry.get("prices", [name])),
        uploads=entry.get("uploads", False),
        templates=entry.get("templates", False),
        every_model=entry.get("every_model", False),
        source=source.tag,
        date=source.date,
    )
