"""What a form finds out a moment after a keystroke, in the background: pictures to look at, an earlier identical run.

Both read and decode whole pictures, which no keystroke should wait for. The newest question counts.
"""

from __future__ import annotations

import io
import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wan_notebook.config import home
from wan_notebook.errors import WanError
from wan_notebook.facts.catalog import catalog
from wan_notebook.ledger.precedents import precedent
from wan_notebook.media.medium import ImageFacts
from wan_notebook.request.provision import needs_fetching, provide, upload_above
from wan_notebook.words.addresses import without_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from wan_notebook.ledger.runs import Run
    from wan_notebook.request.declaration import I2VRequest

__all__ = ["Findings", "Thinker", "consider"]

SIDES = (192, 128)  # of a picture to look at, at most
QUALITY = 85

log = logging.getLogger("wan_notebook")


@dataclass(frozen=True)
class Findings:
    """What was found out about a request.

    Parameters
    ----------
    pictures : dict of str to bytes
        Each frame as it will be sent, small, as JPEG, by the name of its field.
    before : Run or None
        An earlier run of the very same request.
    """

    pictures: dict[str, bytes] = field(default_factory=dict)
    before: Run | None = None


def consider(request: I2VRequest, *, whole: bool, region: str, base_url: str | None) -> Findings:
    """Look at a request at leisure.

    Parameters
    ----------
    request : I2VRequest
    whole : bool
        Whether it could be sent, so that an earlier run can be looked for.
    region : str
    base_url : str or None
        None for the simulator that is not running yet.
    """
    pictures = {}
    for name, facts in request.media_facts.items():
        if isinstance(facts, ImageFacts) and facts.size:
            try:
                pictures[name] = _small(request.prepared(name))
            except (WanError, OSError, ValueError):
                continue  # a damaged picture: the submit says so
    return Findings(pictures, _before(request, region, base_url) if whole else None)


def _small(picture: Any) -> bytes:
    picture.thumbnail(SIDES)
    held = io.BytesIO()
    picture.convert("RGB").save(held, "JPEG", quality=QUALITY)
    return held.getvalue()


def _before(request: I2VRequest, region: str, base_url: str | None) -> Run | None:
    above = upload_above(request, uploads=catalog().region(region).uploads)
    try:
        if any(needs_fetching(request, facts) for facts in request.media_facts.values()):
            return None
        media = {name: provide(request, facts, max_raw_base64=above) for name, facts in request.media_facts.items()}
        return precedent(home(), request, media, region=region, endpoint=without_workspace(base_url or ""))
    except (WanError, OSError):
        return None  # the submit says what is wrong


class Thinker:
    """Answers the newest question on a thread of its own, which ends when there is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._question: tuple[object, Callable[[], Any], Callable[[Any], object]] | None = None
        self._open = self._busy = False

    def ask(self, key: object, work: Callable[[], Any], tell: Callable[[Any], object]) -> bool:
        """Tell ``tell(work())`` some time, unless another question comes first.

        Returns
        -------
        bool
            False for the same question again, which changes nothing.
        """
        with self._lock:
            if self._question is not None and key == self._question[0]:
                return False
            self._question = (key, work, tell)
            self._set_to_work()
            return True

    def again(self) -> None:
        """Answer the newest question once more: the world has changed."""
        with self._lock:
            if self._question is not None:
                self._set_to_work()

    def forget(self) -> None:
        """Answer the same question anew the next time it is asked."""
        with self._lock:
            self._question = None

    def _set_to_work(self) -> None:
        self._open = True
        if not self._busy:
            self._busy = True
            threading.Thread(target=self._think, name="wan_notebook form", daemon=True).start()

    def _think(self) -> None:
        while True:
            with self._lock:
                question, wanted, self._open = self._question, self._open, False
                if question is None or not wanted:
                    self._busy = False
                    return
            _, work, tell = question
            try:
                found = work()
                with self._lock:
                    current = self._question is question
                if current:
                    tell(found)
            except Exception:
                log.exception("a form could not look at its request")
