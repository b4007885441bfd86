"""A stranger next door: the Wan image-to-video service on loopback, rendering real MP4s.

It speaks the REST protocol of the service (submit, query, list, cancel, temporary upload, signed result URL) and shares
no code with the rest of the package: one misreading of the protocol cannot be made on both sides and cancel out.

What it renders is a camera move over the given picture, visibly stamped "simulated": H.264 at 30 fps, of the size and
length the service would give, with an AAC track when the request has sound. Every answer carries
``X-Wan-Simulator: speed=X``.

Two ways to use it
------------------
>>> from wan_notebook.simulator import Simulator
>>> with Simulator(speed=60) as sim:
...     sim.base_url.endswith("/api/v1")
True

:func:`ensure_running` starts, or finds, the one simulator process of this user; :func:`find_running` only finds it, and
:func:`stop` ends it.

What can be asked of it in a prompt
-----------------------------------
``[simulate: FAILED DataInspectionFailed]``
    The task ends FAILED with that code and the service's message for it.
``[simulate: FAILED]``
    The task ends FAILED with neither code nor message, as the service sometimes does.

Keys
----
Any ``Bearer sk-...`` is an account of its own; ``sk-invalid*``, ``sk-sp-*``, other words and no key get 401, and so
does ``sk-region-beijing*``, as a key of another region. ``Simulator(region="beijing")`` takes that key and no other.

What it chooses where the service's documents are silent
--------------------------------------------------------
- What it already holds (``data:`` and ``oss://`` media) is checked while submitting and refused with 400; what it has
  to fetch is checked once fetched, and then the task ends FAILED.
- Plain http is fetched from this machine only.
- Fields a model does not have are ignored, not refused.
- A full queue (500 waiting tasks) answers 429 ``Throttling.RateQuota``.
- The pixel targets of 480P and 1080P are those of 832x480 and 1920x1080.
- The watermark's text is Chinese where a Chinese font is found, and "AI generated" where none is.
- A last frame (wan2.7) is fetched and checked, and then of no use to a camera move.
- Its ``Date`` header, task times and expiry times all follow its own clock, which runs ``speed`` times as fast as ours.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .process import ensure_running, find_running, stop
    from .server import Simulator

__all__ = ["Simulator", "ensure_running", "find_running", "stop"]


def __getattr__(name: str) -> Any:
    """Load the server only when it is used: starlette and uvicorn are an optional extra."""
    if name == "Simulator":
        return import_module(".server", __name__).Simulator
    if name in ("ensure_running", "find_running", "stop"):
        return getattr(import_module(".process", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
