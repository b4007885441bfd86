"""What is asked of the service, value by value, each marked as given or default; shared by the card and the dry run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wan_notebook.facts.catalog import predicted_size
from wan_notebook.request.declaration import parameters
from wan_notebook.service.wire import EXPLICIT
from wan_notebook.words import markup
from wan_notebook.words.addresses import public_url
from wan_notebook.words.markup import fact, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wan_notebook.media.medium import SentMedia
    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.words.markup import Html

__all__ = ["Asked", "frames_as_sent"]

STRIP = ("model", "resolution", "duration", "audio", "seed")
TEXTS = ("prompt", "negative_prompt")


@dataclass(frozen=True)
class Asked:
    """The values of one request.

    Parameters
    ----------
    request : I2VRequest
    seed : int or None
        The one given, or the one drawn; None where it is not known.
    drawn : str
        What is said of a seed that was not given.
    """

    request: I2VRequest
    seed: int | None
    drawn: str = "drawn here"

    @property
    def values(self) -> dict[str, Any]:
        """Every field with our defaults filled in; None where nothing is sent."""
        return {**self.request.effective(), "seed": self.seed}

    def words(self, name: str) -> str:
        """A value as people read it; empty where there is none."""
        value = self.values.get(name)
        if name == "audio" and value is None:
            return {"always": "always on", "silent": "none"}.get(self.request.spec.audio, "unknown")
        if isinstance(value, bool):
            return "on" if value else "off"
        return "" if value is None else f"{value} s" if name == "duration" else str(value)

    def mark(self, name: str) -> str:
        """Where a value comes from: given, default, or the model."""
        if name in self.request.given:
            return "given"
        if name == "audio" and self.request.spec.audio != "switch":
            return "for this model"
        if self.values.get(name) is None:
            return ""
        if name == "seed":
            return self.drawn
        return "default" if name in EXPLICIT or name == "model" else "default, not sent"

    @property
    def sound(self) -> bool | None:
        """Whether the clip has sound; None for a model that is not in the catalogue."""
        spec = self.request.spec
        if spec.audio == "switch" or (spec.audio == "unknown" and self.request.audio is not None):
            return self.request.effective()["audio"] is not False
        return {"always": True, "silent": False}.get(spec.audio)

    def shape(self, media: Iterable[SentMedia] = ()) -> tuple[int, int] | None:
        """Width and height of the clip to expect, "about": by the first frame as it is sent, else as it was given."""
        frame = next((item for item in media if item.role == "image" and item.width and item.height), None)
        if frame is None or frame.width is None or frame.height is None:
            return self.request.predicted_size
        return predicted_size(frame.width, frame.height, str(self.values["resolution"]))

    def strip(self) -> list[Html | None]:
        """The values that say most, side by side."""
        return [fact(name.capitalize(), self.words(name), self.mark(name)) for name in STRIP]

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Every value but the texts, media first: name, value as it is sent, where it comes from."""
        media = self.request.media_facts
        here = {info.name for info in parameters() if info.where == "frame"} - self.request.given  # done if asked for
        for name, facts in media.items():
            yield name, public_url(facts.source) if facts.kind == "url" else facts.name, "given"
        for name, value in self.values.items():
            if name not in (*TEXTS, *media, *here) and value is not None:
                shown = str(value)
                yield name, shown.lower() if isinstance(value, bool) else shown, self.mark(name)


def frames_as_sent(media: Iterable[SentMedia]) -> Html | None:
    """The frames that are cropped, padded or made smaller, to look at."""
    shown = [
        tag(
            "div",
            tag("img", src=markup.data_uri("image/jpeg", item.preview), alt=f"{item.role} as it is sent"),
            tag("div", f"{item.role} as it is sent: {item.width} × {item.height} pixels", style=markup.MUTED),
            style="margin:8px 14px 0 0",
        )
        for item in media
        if item.preview
    ]
    return tag("div", *shown, style="display:flex;flex-wrap:wrap") if shown else None
