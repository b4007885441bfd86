"""Where a simulator may stand, and what is offered there.

Models by the guide of 2026-02-12 and the price page of 2026-05-26, video effects by their page of 2026-06-29 (Beijing
only), temporary uploads by their page of 2026-10 (Singapore and Beijing; whether others have them was not found).
"""

from __future__ import annotations

__all__ = ["offered", "takes_effects", "takes_uploads", "vendor_id"]

VENDOR_IDS = {
    "singapore": "ap-southeast-1",
    "beijing": "cn-beijing",
    "virginia": "us-east-1",
    "frankfurt": "eu-central-1",
}
GLOBAL = {"wan2.6-i2v"}
UNITED_STATES = {"wan2.6-i2v-us"}


def offered(model_name: str, region: str | None) -> bool:
    """Whether a region has a model; a simulator that stands nowhere in particular has all of them.

    Examples
    --------
    >>> offered("wanx2.1-i2v-plus", "beijing"), offered("wanx2.1-i2v-plus", "singapore")
    (True, False)
    """
    if region == "virginia":
        return model_name in GLOBAL | UNITED_STATES
    if region == "frankfurt":
        return model_name in GLOBAL
    if region == "singapore":
        return model_name not in UNITED_STATES and not model_name.startswith("wanx2.1-")
    if region == "beijing":
        return model_name not in UNITED_STATES and not model_name.startswith("wan2.1-")
    return True


def takes_effects(region: str | None) -> bool:
    """Whether ``template`` works there."""
    return region in (None, "beijing")


def takes_uploads(region: str | None) -> bool:
    """Whether files can be put into the temporary store there."""
    return region in (None, "singapore", "beijing")


def vendor_id(region: str | None) -> str:
    """A region as the list of tasks names it; nowhere in particular is Singapore."""
    return VENDOR_IDS.get(region or "singapore", region or "")
