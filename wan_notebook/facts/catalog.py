"""Known facts: what each model accepts, costs and is limited to, with source and date.

The facts are data (``catalog.toml``); this room only reads them, once, on first use.

>>> catalog().model("wan2.6-i2v-flash").resolutions
('720P', '1080P')
>>> catalog().region("ap-southeast-1").name
'singapore'
>>> catalog().model("wan9-i2v").known
False
"""

from __future__ import annotations

import functools
import math
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import ConfigurationError
from wan_notebook.facts.entries import model_of, region_of, service_of, unknown_model, wire_of
from wan_notebook.facts.nouns import ModelSpec, Price, Region, ServiceFacts, Source, Wire
from wan_notebook.words.wording import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Catalog", "ModelSpec", "Region", "catalog", "predicted_size", "regions", "suggest"]


@dataclass(frozen=True)
class Catalog:
    """All known facts. Get it from :func:`catalog`."""

    models: Mapping[str, ModelSpec]
    regions: Mapping[str, Region]
    service: ServiceFacts
    wires: Mapping[str, Wire]
    effects: tuple[str, ...]
    unknown: ModelSpec = field(repr=False)
    pixels: Mapping[str, Any] = field(repr=False)
    prices: Mapping[str, Any] = field(repr=False)
    sources: Mapping[str, Source] = field(repr=False)
    families: Mapping[str, str] = field(repr=False)
    errors: Sequence[Mapping[str, Any]] = field(repr=False)

    def model(self, name: str) -> ModelSpec:
        """Look up a model; one that is not in the catalogue gets ``known=False`` and permissive limits.

        Its media are placed as those of its family:

        >>> catalog().model("wan2.7-i2v-2030-01-01").wire.name, catalog().model("wan9-i2v").wire.name
        ('media', 'img_url')
        """
        spec = self.models.get(name)
        if spec is not None:
            return spec
        family = next((wire for start, wire in self.families.items() if name.lower().startswith(start)), None)
        wire = self.wires[family] if family else self.unknown.wire
        return ModelSpec(**{**vars(self.unknown), "name": name, "wire": wire})

    def find_region(self, name_or_alias: str) -> Region | None:
        """Look up a region by name, vendor id or alias, in any case; None when there is none."""
        word = name_or_alias.strip().lower()
        return next((r for r in self.regions.values() if word == r.name or word in r.aliases), None)

    def region(self, name_or_alias: str) -> Region:
        """Look up a region.

        Raises
        ------
        ConfigurationError
            There is no such region; names the known ones and the closest.
        """
        region = self.find_region(name_or_alias)
        if region is not None:
            return region
        spellings = {spelling: r.name for r in self.regions.values() for spelling in (r.name, *r.aliases)}
        close = suggest(name_or_alias, spellings)
        meant = f" Did you mean {spellings[close]}?" if close else ""
        raise ConfigurationError(
            f"There is no region {name_or_alias[:60]!r}.",
            hint=f"Known: {', '.join(self.regions)}.{meant} Nothing was sent and nothing is billed.",
        )

    def price(self, model: str, region: str, resolution: str, *, audio: bool = True) -> Price | None:
        """Price of one second of output video.

        Parameters
        ----------
        model, region, resolution : str
        audio : bool
            False for a clip asked for without sound, where that has a price of its own.

        Returns
        -------
        Price or None
            None when it is unknown; that never means free.
        """
        found = self.find_region(region)
        tables = [self.prices[name] for name in found.prices] if found else []
        for table in tables:
            row = table["models"].get(model, {})
            rates = row if audio else row.get("silent", row)
            if resolution in rates:
                break
        else:
            return None
        free = row.get("free_seconds")
        return Price(
            rate=rates[resolution],
            currency=row.get("currency", table["currency"]),
            about=row.get("about", table["about"]),
            free_quota=f"{free} s in the {table['free_days']} days after activation" if free else "",
            source=self.sources[table["source"]],
        )


@functools.cache
def catalog() -> Catalog:
    """The catalogue, read on first use."""
    text = resources.files("wan_notebook.facts").joinpath("catalog.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(text, parse_float=Decimal)
    sources = {
        tag: Source(tag, entry["title"], entry["url"], entry["date"].isoformat())
        for tag, entry in raw["sources"].items()
    }
    wires = {name: wire_of(name, entry, sources) for name, entry in raw["wires"].items()}
    return Catalog(
        models={name: model_of(name, entry, raw["limits"], wires, sources) for name, entry in raw["models"].items()},
        regions={name: region_of(name, entry, sources) for name, entry in raw["regions"].items()},
        service=service_of(raw["service"], sources),
        wires=wires,
        effects=tuple(raw["effects"]["names"]),
        unknown=unknown_model(raw, wires),
        pixels=raw["pixels"],
        prices=raw["prices"],
        sources=sources,
        families={start: name for name, entry in raw["wires"].items() for start in entry.get("families", ())},
        errors=[{"source": sources[raw["errors"]["source"]].tag, **row} for row in raw["errors"]["rows"]],
    )


def regions() -> tuple[Region, ...]:
    """All regions, ours first choice first."""
    return tuple(catalog().regions.values())


def predicted_size(width: int, height: int, resolution: str) -> tuple[int, int] | None:
    """Size of the clip to expect for a first frame, "about": the aspect is kept, both sides are multiples of 16.

    Parameters
    ----------
    width, height : int
        Of the first frame, in pixels.
    resolution : str

    Returns
    -------
    tuple of int or None
        None for a resolution whose pixel target is not known.

    Examples
    --------
    >>> predicted_size(750, 1000, "720P")
    (816, 1104)
    """
    pixels = catalog().pixels
    target, step = pixels.get(resolution), pixels["multiple"]
    if target is None or width < 1 or height < 1:
        return None
    wide = math.isqrt(target * width // height) // step * step
    high = math.isqrt(target * height // width) // step * step
    return max(wide, step), max(high, step)
