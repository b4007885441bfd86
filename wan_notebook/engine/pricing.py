"""Seconds times rate: money from the dated catalogue. An unknown price is unknown, never 0."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from wan_notebook.facts.catalog import catalog
from wan_notebook.tasks import Cost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.tasks import Usage

__all__ = ["actual", "estimate", "nothing", "saving_of_silence"]


def estimate(request: I2VRequest, region_name: str, about: bool = False) -> Cost:
    """What a request will cost if it succeeds; failed tasks are not billed.

    Parameters
    ----------
    request : I2VRequest
    region_name : str
        Name, vendor id or alias; ``simulator`` is priced like Singapore (play money). Anything else has no price.
    about : bool
        Whether it is only supposed that this region's prices count.

    Returns
    -------
    Cost
        ``amount`` is None where the model or the region has no known price.

    Examples
    --------
    >>> from wan_notebook.request.declaration import I2VRequest
    >>> str(estimate(I2VRequest(image="https://example.com/cat.png", audio=False), "singapore"))
    'about 0.125 USD'
    """
    return _estimate(request, region_name, request.effective(), about=about)


def _estimate(request: I2VRequest, region_name: str, values: Mapping[str, Any], *, about: bool = False) -> Cost:
    seconds = values["duration"]
    return _cost(
        request.model,
        region_name,
        resolution=values["resolution"],
        audio=_sound(request, values),
        seconds=float(seconds) if seconds and seconds > 0 else None,  # -1 lets some models choose
        estimated=True,
        about=about,
    )


def _sound(request: I2VRequest, values: Mapping[str, Any]) -> bool | None:
    """Whether the clip is paid for with sound; None where a request that is only recalled does not say."""
    if values["audio"] is None and request.spec.audio == "switch":
        return None
    return values["audio"] is not False


def actual(usage: Usage | None, request: I2VRequest, region_name: str, about: bool = False) -> Cost:
    """What a finished task cost, from the seconds, tier and sound the service reported.

    What it did not report is taken from the request; without the seconds the cost stays an estimate.
    """
    supposed = estimate(request, region_name, about=about)
    if usage is None or usage.billed_seconds is None:
        return supposed
    values = request.effective()
    return _cost(
        request.model,
        region_name,
        resolution=f"{usage.SR}P" if usage.SR else values["resolution"],
        audio=_sound(request, values) if usage.audio is None else usage.audio,
        seconds=usage.billed_seconds,
        estimated=False,
        about=about,
    )


def nothing(cost: Cost) -> Cost:
    """The cost of a run for which nothing new is paid."""
    return replace(cost, amount=Decimal(0), seconds=0.0, estimated=False, about=False)


def saving_of_silence(request: I2VRequest, region_name: str) -> Cost | None:
    """What the same clip would cost less without sound; None where it cannot be had, or has none already."""
    values = request.effective()
    if request.spec.audio != "switch" or values["audio"] in (None, False):
        return None
    loud = _estimate(request, region_name, values)
    silent = _estimate(request, region_name, {**values, "audio": False})
    if loud.amount is None or silent.amount is None or loud.rate is None or silent.rate is None:
        return None
    saved = loud.amount - silent.amount
    return replace(loud, amount=saved, rate=loud.rate - silent.rate) if saved > 0 else None


def _cost(
    model: str | None,
    region_name: str,
    *,
    resolution: str | None,
    audio: bool | None,
    seconds: float | None,
    estimated: bool,
    about: bool,
) -> Cost:
    region = catalog().find_region(region_name)
    price = None
    if model is not None and resolution is not None and audio is not None:
        price = catalog().price(model, region_name, resolution, audio=audio)
    return Cost(
        amount=price.rate * Decimal(str(seconds)) if price and seconds is not None else None,
        currency=price.currency if price else (region.currency if region else ""),
        rate=price.rate if price else None,
        seconds=seconds,
        estimated=estimated,
        about=(about or price.about) if price else False,
        region=region.name if region else region_name,
        table_date=price.source.date if price else "",
        source=price.source.title if price else "",
        free_quota=price.free_quota if price else "",
    )
