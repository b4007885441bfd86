"""The media of a request, made ready as its fields ask: for a job before its submit, and for a dry run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wan_notebook.errors import InvalidRequestError
from wan_notebook.media.medium import ImageFacts, measure
from wan_notebook.media.preparation import prepare
from wan_notebook.request import frames

if TYPE_CHECKING:
    from wan_notebook.media.medium import Facts, SentMedia
    from wan_notebook.request.declaration import I2VRequest

__all__ = ["MOST_PINNED", "needs_fetching", "pinned", "provide", "upload_above"]

MOST_PINNED = 64 * 1024 * 1024  # a picture at an address may be larger than what the model takes, to be made to fit


def upload_above(request: I2VRequest, *, uploads: bool) -> int | None:
    """Bytes above which a frame is uploaded rather than sent as base64; None for never.

    Parameters
    ----------
    request : I2VRequest
    uploads : bool
        Whether temporary uploads are documented for the region.
    """
    if request.upload == "oss":
        return -1
    return request.spec.image.base64_bytes if uploads and request.upload == "auto" else None


def provide(request: I2VRequest, facts: Facts, *, max_raw_base64: int | None) -> SentMedia:
    """One medium as it will be sent. Heavy: decodes the whole of it; run it in a thread.

    Parameters
    ----------
    request : I2VRequest
    facts : ImageFacts or SoundFacts
        One of ``request.media_facts``.
    max_raw_base64 : int or None
        What :func:`upload_above` gave.

    Raises
    ------
    InvalidRequestError
        The medium is damaged, changed since it was measured, or is too large to be sent.
    """
    limits = request.spec.image
    most = frames.most_bytes(request.spec, base64=max_raw_base64 is None)
    framing = request.framing
    item = prepare(facts, framing, max_raw_base64=max_raw_base64, max_bytes=most, side_min=limits.side_min)
    if item.how == "oss" and item.url is None:
        return replace(item, notes=tuple(dict.fromkeys((*item.notes, frames.stored(item.name)))))
    return item


def needs_fetching(request: I2VRequest, facts: Facts) -> bool:
    """Whether a picture at an address is to be fetched, for :func:`pinned`."""
    return request.pin and isinstance(facts, ImageFacts) and facts.kind == "url"


def pinned(request: I2VRequest, facts: Facts, data: bytes, *, max_raw_base64: int | None) -> SentMedia:
    """As :func:`provide`, of a picture at an address whose bytes were fetched.

    It is sent as that address all the same, unless it had to be changed.

    Raises
    ------
    InvalidRequestError
        Also where it is no image, or none this model takes.
    """
    found = measure(data, role=facts.role)
    found = replace(found, name=f"{facts.name.rpartition('.')[0] or facts.name}.{(found.format or '').lower()}")
    if wrong := list(frames.problems(found, request.framing, request.spec)):
        raise InvalidRequestError(wrong)
    item = provide(request, found, max_raw_base64=max_raw_base64)
    if item.data != data:
        return replace(item, notes=(f"{facts.name} was fetched here, and is sent changed", *item.notes))
    note = f"{facts.name} was fetched here and is kept; the service fetches its address once more by itself"
    return replace(item, how="url", url=facts.source, notes=(note,))
