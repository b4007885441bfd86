"""What must not be under way while this process forks: the child would find it begun, and nobody there to end it."""

from __future__ import annotations

import logging  # noqa: F401  has its own lock at forks: taken after ours, which may be held by who asks for it
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

__all__ = ["held_at_forks"]


def held_at_forks(lock: threading.RLock) -> threading.RLock:
    """``lock``, which no thread holds while this process forks: the child would wait for it for ever."""
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
