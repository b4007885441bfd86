"""What a record says it was made with."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version

__all__ = ["versions"]


@cache
def versions(front_end: str) -> dict[str, str]:
    """The versions of the package and Python, the system and the front end."""
    return {
        "wan_notebook": version("wan-notebook"),
        "python": platform.python_version(),
        "platform": platform.system(),
        "front_end": front_end,
    }
