"""The nouns of the catalogue: what is known of a model, a parameter, a region, a price, and where it was read.

All are frozen; :mod:`wan_notebook.facts.catalog` fills them from ``catalog.toml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

__all__ = [
    "AudioLimits",
    "ImageLimits",
    "ModelSpec",
    "ParameterInfo",
    "Price",
    "RateLimit",
    "Region",
    "ServiceFacts",
    "Source",
    "Wire",
]


@dataclass(frozen=True)
class Source:
    """Where a fact was read.

    Parameters
    ----------
    tag, title, url : str
    date : str
        Date of the text itself, ISO.
    """

    tag: str
    title: str
    url: str
    date: str


@dataclass(frozen=True)
class Region:
    """One deployment of the service; model, host and key must be of the same one.

    Parameters
    ----------
    name : str
        Our name: ``singapore``, ``beijing``, ``virginia``, ``frankfurt`` or ``simulator``.
    vendor_id : str
        The vendor's id, e.g. ``ap-southeast-1``; accepted as an alias.
    aliases : tuple of str
        Every other spelling that is accepted, the vendor's id included.
    base_url : str or None
        Shared host; None where only a workspace host exists.
    workspace_base_url : str or None
        Template with ``{workspace}``.
    currency : str
        ISO code of its price table.
    prices : tuple of str
        Names of the price tables, the first that has the rate is used (the simulator uses Singapore's, for models that
        are not offered there Virginia's and Beijing's).
    uploads : bool
        Whether temporary ``oss://`` uploads are documented there.
    templates : bool
        Whether video effects (``template``) work there.
    every_model : bool
        The simulator accepts the models of all regions.
    source : str
    date : str
    """

    name: str
    vendor_id: str
    aliases: tuple[str, ...]
    base_url: str | None
    workspace_base_url: str | None
    currency: str
    prices: tuple[str, ...]
    uploads: bool
    templates: bool
    every_model: bool
    source: str
    date: str


@dataclass(frozen=True)
class ImageLimits:
    """What the service takes as a frame: formats (by their bytes), sides in pixels, shape, size in bytes."""

    formats: tuple[str, ...]
    side_min: int
    side_max: int
    ratio_max: int | None  # longer side to shorter; None where no limit is documented
    bytes: int
    base64_bytes: int  # raw size above which base64 is not used


@dataclass(frozen=True)
class AudioLimits:
    """What the service takes as ``audio_url``: formats, length in seconds, size in bytes."""

    formats: tuple[str, ...]
    seconds_min: int
    seconds_max: int
    bytes: int


@dataclass(frozen=True)
class Wire:
    """How the media of a request are placed in its ``input``.

    Parameters
    ----------
    name : str
    places : mapping of str to str
        Field of the request to the service's name for it. A medium that is not here cannot be sent.
    listed : str
        The field of ``input`` that takes them all as ``[{"type": …, "url": …}, …]``; empty where each has its own.
    source : Source
    """

    name: str
    places: Mapping[str, str]
    listed: str
    source: Source


@dataclass(frozen=True)
class RateLimit:
    """Limits per main account and model."""

    submits_per_second: int
    concurrent: int
    queued: int | None
    source: Source


@dataclass(frozen=True)
class ServiceFacts:
    """Facts that hold for every model."""

    queries_per_second: int
    keep_seconds: int
    upload_seconds: int
    seed_max: int
    fps: int
    list_seconds: int
    page_size: int
    zone_hours: int
    source: Source

    @property
    def keep_hours(self) -> int:
        """How long tasks and clips are kept."""
        return self.keep_seconds // 3600

    @property
    def list_hours(self) -> int:
        """The longest time one list of tasks is about."""
        return self.list_seconds // 3600


@dataclass(frozen=True)
class Price:
    """One row of a price table: money per second of output video."""

    rate: Decimal
    currency: str
    about: bool
    free_quota: str
    source: Source


@dataclass(frozen=True)
class ModelSpec:
    """What one model accepts.

    Parameters
    ----------
    name : str
    known : bool
        False for a model that is not in the catalogue: empty tuples and None then mean "anything goes".
    resolutions, durations, shot_types : tuple
        Accepted values; ``durations`` in whole seconds.
    resolution, duration : str, int
        Our default, always sent.
    service_resolution : str or None
        What the service would use (and bill) if the field were left out.
    audio : str
        ``switch`` (the ``audio`` field exists), ``always`` (every clip has sound), ``silent``, or ``unknown``.
    audio_url : bool
        Whether it takes a sound track.
    template : str
        Video effects: ``documented``, ``undocumented`` (the field exists, no effect is known), ``none`` (no such
        field) or ``unknown``.
    prompt_chars, negative_prompt_chars : int or None
        The service silently cuts what is longer.
    image : ImageLimits
    audio_file : AudioLimits
    run_seconds : tuple of int or None
        Shortest and longest usual time until the clip is ready.
    wire : Wire
        Which media it takes, and where they stand in the request body.
    regions : tuple of str
        Where it is offered.
    twin : str or None
        The same model under its name in another region.
    rate : RateLimit or None
    source : Source or None
    """

    name: str
    known: bool
    resolutions: tuple[str, ...]
    resolution: str
    service_resolution: str | None
    durations: tuple[int, ...]
    duration: int
    audio: str
    audio_url: bool
    shot_types: tuple[str, ...]
    template: str
    prompt_chars: int | None
    negative_prompt_chars: int | None
    image: ImageLimits
    audio_file: AudioLimits
    run_seconds: tuple[int, int] | None
    wire: Wire
    regions: tuple[str, ...]
    twin: str | None
    rate: RateLimit | None
    source: Source | None

    def takes(self, name: str) -> bool:
        """Whether the model has this parameter of a request, as far as is known."""
        lacks = {
            "audio": self.audio in ("always", "silent"),
            "audio_url": not self.audio_url,
            "last_frame": "last_frame" not in self.wire.places,
            "shot_type": self.known and not self.shot_types,
            "template": self.template == "none",
        }
        return not lacks.get(name, False)


@dataclass(frozen=True)
class ParameterInfo:
    """One parameter, as options, form fields and tables need it.

    Parameters
    ----------
    name : str
    kind : str
        ``text``, ``image``, ``sound``, ``choice``, ``integer``, ``flag`` or ``word``.
    choices : tuple
        Accepted values; empty where anything (or anything up to ``limit``) goes.
    default : object
        What is used if it is left out; None where nothing is sent.
    help : str
    where : str
        Part of the request body: ``model``, ``input`` or ``parameters``; ``frame`` for what is done before it.
    wire_name : str
        The service's name for it; of a medium the one the chosen model knows it by.
    applies : bool
        Whether the chosen model has it.
    limit : int or None
        Longest text, or largest number.
    """

    name: str
    kind: str
    choices: tuple[Any, ...]
    default: Any
    help: str
    where: str
    wire_name: str
    applies: bool = True
    limit: int | None = None
