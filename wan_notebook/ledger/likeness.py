"""Is that task this run's, and are two runs the same request? What the ledger keeps, compared; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wan_notebook.ledger.runs import told
from wan_notebook.words.privacy import sealed

if TYPE_CHECKING:
    from wan_notebook.ledger.runs import Run

__all__ = ["at_the_same_time", "has_prompt", "same_but_for_its_number"]

CUT = "…"  # what stands where the ledger shortened a text
LONG = 100  # characters from which on the beginning of a prompt is one of its own


def has_prompt(run: Run, shown: str) -> bool:
    """Whether ``shown``, the prompt that the service shows of a task, is a run's; either may have been cut.

    >>> from wan_notebook.ledger.runs import Run
    >>> run = Run("run-1", "submitting", 0.0, request='{"prompt": "The cat looks up."}')
    >>> has_prompt(run, "The cat looks up. "), has_prompt(run, "The cat looks")
    (True, False)
    """
    asked = _prompt(run)
    if isinstance(asked, dict):
        return asked in (sealed(shown), sealed(shown.strip()))
    shown, asked = shown.strip(), str(asked or "").strip()
    if asked.endswith(CUT) and len(asked) > len(CUT) and shown.startswith(asked.removesuffix(CUT)):
        return True
    return shown == asked or (len(shown) >= max(LONG, len(asked) // 2) and asked.startswith(shown))


def same_but_for_its_number(one: Run, other: Run) -> bool:
    """Whether two runs are the same request twice, so that it is all one which task is whose."""
    return one.asked_key == other.asked_key and _media(one) == _media(other)


def at_the_same_time(one: Run, other: Run, seconds: float) -> bool:
    """Whether two POSTs went out within so many seconds."""
    return abs((one.sent_at or one.created_at) - (other.sent_at or other.created_at)) <= seconds


def _prompt(run: Run) -> Any:
    return told(run.request).get("prompt")


def _media(run: Run) -> list[tuple[Any, ...]]:
    inputs = told(run.record).get("inputs")
    known = [item for item in inputs if isinstance(item, dict)] if isinstance(inputs, list) else []
    return sorted((str(item.get("role")), str(item.get("sha256") or item.get("url"))) for item in known)
