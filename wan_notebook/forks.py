"""What must not be under way while this process forks: the child would find it begun, and nobody there to end it."""

from __future__ import annotations

import logging  # noqa: F401  has its own lock at forks: taken after ours, which may be held by who asks for it
import os
from threading import get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

__all__ = ["held_at_forks"]


def held_at_forks(lock: threading.RLock) -> threading.RLock:
    """``lock``, which no thread holds while this process forks: the child would wait for it for ever."""
    holding: set[int] = set()  # threads that fork; none of those that began to before the lock was made

    def hold() -> None:
        lock.acquire()
        holding.add(get_ident())

    def let() -> None:
        if get_ident() in holding:
            holding.remove(get_ident())
            lock.release()

    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(before=hold, after_in_parent=let, after_in_child=let)
    return lock
