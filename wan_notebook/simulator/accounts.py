"""Who is calling, and how often they may."""

from __future__ import annotations

import hashlib
from collections import deque

from .refusals import RATE, Refusal

__all__ = ["Meter", "account_of"]


def account_of(authorization: str | None, region: str | None = None) -> str:
    """The account behind an ``Authorization`` header.

    Every ``Bearer sk-...`` is an account of its own, except ``sk-invalid*``, the coding-plan keys ``sk-sp-*`` and keys
    of another region, which are refused as the service refuses them.

    Parameters
    ----------
    authorization : str or None
    region : str, optional
        Where this simulator stands: then it takes ``sk-region-REGION*`` of that region and no other key. One that
        stands nowhere in particular takes every key except ``sk-region-beijing*``.

    Raises
    ------
    Refusal
        401 InvalidApiKey.
    """
    scheme, _, key = (authorization or "").strip().partition(" ")
    key = key.strip()
    if not key:
        raise Refusal(401, "InvalidApiKey", "No API-key provided.")
    elsewhere = key.startswith("sk-region-beijing") if region is None else not key.startswith(f"sk-region-{region}")
    if elsewhere and key.startswith("sk-"):
        raise Refusal(401, "InvalidApiKey", "Incorrect API key provided.")
    if scheme.lower() != "bearer" or not key.startswith("sk-") or key.startswith(("sk-invalid", "sk-sp-")):
        raise Refusal(401, "InvalidApiKey", "Invalid API-key provided.")
    # The digest, so that no key is ever kept.
    return hashlib.sha256(key.encode()).hexdigest()[:16]


class Meter:
    """Requests per second, counted over the last simulated second."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], deque[float]] = {}

    def count(self, name: tuple[str, ...], per_second: int, now: float) -> None:
        """Count one request under ``name``.

        Raises
        ------
        Refusal
            429 Throttling.RateQuota: ``per_second`` were counted already; this one is not.
        """
        seen = self._seen.setdefault(name, deque(maxlen=per_second))
        if len(seen) == per_second and now - seen[0] < 1:
            raise Refusal(429, "Throttling.RateQuota", RATE)
        seen.append(now)
