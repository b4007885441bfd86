"""What is kept out of everything that is written or shown of a private run: its texts, of which digests stay; pure.

A digest tells whether a prompt that is given again is the same. It also tells that to whoever guesses the prompt.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import InvalidRequestError
from wan_notebook.words.wording import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wan_notebook.errors import WanError
    from wan_notebook.tasks import JobUpdate

__all__ = ["HIDDEN", "TEXTS", "hush", "hushed", "sealed", "sealed_body", "without"]

TEXTS = ("prompt", "negative_prompt")
HIDDEN = "[private]"
SHARED = 12  # characters in a row that another text may share with a private one


def sealed(text: str) -> dict[str, str]:
    """What stands where a private text would be.

    >>> sealed("The cat looks up.")["sha256"][:12]
    'd3de07841214'
    """
    return {"sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()}


def sealed_body(sent: Mapping[str, Any]) -> dict[str, Any]:
    """A body as it is recorded, its texts replaced by their digests."""
    told = dict(sent.get("input") or {})
    texts = {name: sealed(told[name]) for name in TEXTS if isinstance(told.get(name), str)}
    return {**sent, "input": {**told, **texts}}


def hushed(update: JobUpdate) -> JobUpdate:
    """What may be shown and written of a job: all of it, unless it is private. Its request itself is left as it is."""
    if not update.private:
        return update
    task = update.task
    heard = (task.orig_prompt, task.actual_prompt) if task is not None else ()
    texts = [text for text in (update.request.prompt, update.request.negative_prompt, *heard) if text]
    secrets = tuple(dict.fromkeys([*texts, *map(printable, texts)]))  # also as a message repeats them: in one line
    if task is not None:
        message = None if task.message is None else without(task.message, secrets)
        task = replace(task, orig_prompt=None, actual_prompt=None, message=message)
    return replace(
        update,
        task=task,
        sent=None if update.sent is None else sealed_body(update.sent),
        error=None if update.error is None else without(update.error, secrets),
        hint=None if update.hint is None else without(update.hint, secrets),
        notes=tuple(without(note, secrets) for note in update.notes),
    )


def hush(error: WanError, update: JobUpdate) -> WanError:
    """``error`` as a job ends with it: that of a private one does not repeat its texts."""
    if update.private and not isinstance(error, InvalidRequestError):
        quiet = hushed(update)
        error.args, error.hint = (quiet.error, *error.args[1:]), quiet.hint or ""
    return error


@lru_cache(maxsize=256)
def without(text: str, secrets: tuple[str, ...]) -> str:
    """``text`` without what it shares with private texts: the service may repeat a prompt in its message.

    >>> without("rejected: The cat looks u", ("The cat looks up.",))
    'rejected: [private]'
    """
    for secret in secrets:
        enough = min(SHARED, len(secret))
        while (same := SequenceMatcher(None, text, secret, autojunk=False).find_longest_match()).size >= enough:
            cut = text[: same.a] + HIDDEN + text[same.a + same.size :]
            if len(cut) >= len(text):
                return HIDDEN
            text = cut
    return text
