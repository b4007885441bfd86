"""The form's fields for pictures and sounds, and the one place that chooses a field for a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ipywidgets import FileUpload, Layout

from wan_notebook.errors import InvalidRequestError
from wan_notebook.forms.controls import BESIDE, ParameterField, SeedField
from wan_notebook.media.medium import ImageFacts
from wan_notebook.media.sounds import SoundFacts
from wan_notebook.request.declaration import MEASURES
from wan_notebook.words.wording import file_size, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from wan_notebook.errors import Problem
    from wan_notebook.facts.nouns import ModelSpec, ParameterInfo

__all__ = ["MediaField", "field_for"]

UPLOADS = {
    "image": ("image/png,image/jpeg,image/bmp,image/webp", "A picture"),
    "sound": ("audio/wav,audio/mpeg,.wav,.mp3", "A sound"),
}


class MediaField(ParameterField):
    """A picture or a sound: its path or address, a file from this computer, or what was given in Python."""

    def __init__(self, info: ParameterInfo, value: object, changed: Callable[[], None]) -> None:
        self.held = None if isinstance(value, str) else value
        self._file = ""  # the name of a file from this computer
        super().__init__(info, value if isinstance(value, str) else None, changed)

    @property
    def value(self) -> Any:
        """Text, the bytes of the chosen file, or the object given in Python."""
        return self.held if self.held is not None and self.info.applies else super().value

    def reshape(self, info: ParameterInfo, model: ModelSpec) -> None:
        """As of any field; the button is for those models only that take the medium."""
        super().reshape(info, model)
        self.upload.disabled = not info.applies

    def placeholder(self) -> str:
        example = "images/cat.png" if self.info.kind == "image" else "audio/verse.mp3"
        return f"{example} or https://…" if self.held is None else f"({shown(self.held)})"

    def extras(self) -> list[Any]:
        accept, what = UPLOADS[self.info.kind]
        self.upload = FileUpload(
            accept=accept,
            description=f"Choose {self.info.name.removesuffix('_url').replace('_', ' ')}",
            tooltip=f"{what} from this computer, up to 10 MB; a larger one by its path",
            layout=Layout(**BESIDE),
        )
        self.upload.observe(self._uploaded, "value")
        return [self.upload]

    def advice(self, problem: Problem) -> str:
        """As of any field, in the words of a form."""
        if self.value is None and self.info.name == "image":
            return "A first frame is required: its path, its address, or a file from this computer (up to 10 MB)."
        return super().advice(problem)

    def usual(self) -> str:
        """What is known of the chosen file, and what it means for the clip."""
        try:
            facts = MEASURES[self.info.name](self.value) if self.value is not None else None
        except InvalidRequestError:
            facts = None
        if facts is None:
            return super().usual() if self.info.name != "image" else self.info.help
        name, size = self._file or facts.name, file_size(facts.bytes or 0)
        if isinstance(facts, SoundFacts) and facts.seconds is not None:
            return f"{name}: {facts.seconds:.1f} s, {facts.format} {size}{self.note}"
        if isinstance(facts, ImageFacts) and facts.width is not None:
            kind = f"{facts.format} {size}" if facts.bytes else "given in Python"
            return f"{name}: {facts.width} × {facts.height} pixels, {kind}{self.note}"
        unknown = "size" if self.info.kind == "image" else "length"
        return f"{name or 'the address'} is fetched by the service; its {unknown} is not known here"

    def _edited(self, change: Any) -> None:
        if not self._quiet and change["new"].strip():
            self.held, self._file = None, ""
            self._set((), self.upload)
            self.control.placeholder = self.placeholder()
        super()._edited(change)

    def _uploaded(self, change: Any) -> None:
        if self._quiet or not change["new"]:
            return
        self.held, self._file = bytes(change["new"][0]["content"]), shown(change["new"][0]["name"])
        self.touched = True
        self._set("")
        self.control.placeholder = self._file
        self._changed()


def field_for(info: ParameterInfo, value: object, changed: Callable[[], None]) -> ParameterField:
    """The field of a parameter."""
    kind = MediaField if info.kind in UPLOADS else SeedField if info.name == "seed" else ParameterField
    return kind(info, value, changed)
