"""The form's fields for pictures and sounds, and the one place that chooses a field for a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Combobox, FileUpload, HBox, Layout, VBox

from wan_notebook.errors import InvalidRequestError
from wan_notebook.forms.controls import BESIDE, ParameterField, SeedField, label
from wan_notebook.forms.suggestions import behind, files, name_of, variables
from wan_notebook.media.medium import ImageFacts
from wan_notebook.media.sounds import SoundFacts
from wan_notebook.request.declaration import MEASURES
from wan_notebook.words.markup import data_uri, tag
from wan_notebook.words.phrases import path_shortened
from wan_notebook.words.wording import file_size, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from wan_notebook.errors import Problem
    from wan_notebook.facts.nouns import ModelSpec, ParameterInfo, Region

__all__ = ["MediaField", "field_for"]

LONGEST = 36  # characters of a file's name
UPLOADS = {
    "image": ("image/png,image/jpeg,image/bmp,image/webp", "A picture"),
    "sound": ("audio/wav,audio/mpeg,.wav,.mp3", "A sound"),
}


class MediaField(ParameterField):
    """A picture or a sound: its path or address, a variable, a file from this computer, or what was given in Python."""

    def __init__(self, info: ParameterInfo, value: object, changed: Callable[[], None]) -> None:
        self.held = None if isinstance(value, str) else value
        self._file = ""  # the name of a file from this computer
        self._files = files(info.kind)
        self._taken: dict[tuple[int, int], Any] = {}
        self.picture = HTML(layout=Layout(margin="0", flex="0 0 auto", display="none"))
        super().__init__(info, value if isinstance(value, str) else None, changed)

    @property
    def value(self) -> Any:
        """Text, what a variable holds, the bytes of the chosen file, or the object given in Python."""
        return self._read()[0]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """A variable that is not there, or has no picture yet."""
        return self._read()[1]

    @property
    def chosen(self) -> bool:
        """As of any field."""
        return super().chosen or self.held is not None

    @property
    def words(self) -> str | None:
        """What stands for it in a cell: what is written, or the variable that holds it; None where nothing does."""
        said = super().value if self.held is None else name_of(self.held)
        return said if isinstance(said, str) else None

    def _read(self) -> tuple[Any, tuple[Problem, ...]]:
        if self.held is not None and self.info.applies:
            return self.held, ()
        said = super().value
        if not isinstance(said, str) or not said.startswith("$"):
            return said, ()
        try:
            return behind(self.info.name, said, self._taken), ()
        except InvalidRequestError as error:
            return None, error.problems

    def reshape(self, info: ParameterInfo, model: ModelSpec, region: Region) -> None:
        """As of any field; the button is for those models only that take the medium."""
        super().reshape(info, model, region)
        self.upload.disabled = not self.info.applies
        suggested = tuple(self._suggested())
        if self.control.options != suggested:
            self.control.options = suggested

    def preview(self, picture: bytes | None) -> None:
        """Show the frame as it will be sent, small."""
        shown_here = picture is not None and self.info.applies
        look = "display:block;max-width:96px;max-height:84px;margin:2px 12px 0 0;border-radius:3px"
        alt = f"{label(self.info.name)}, as it will be sent"
        image = picture and tag("img", src=data_uri("image/jpeg", picture), alt=alt, style=look)
        self.picture.value = str(image) if image and shown_here else ""
        self.picture.layout.display = "" if shown_here else "none"

    def placeholder(self) -> str:
        example = "images/cat.png" if self.info.kind == "image" else "audio/verse.mp3"
        variable = ", $variable" if self.info.kind == "image" else ""
        return f"{example}, https://…{variable}" if self.held is None else f"({shown(self.held)})"

    def writing(self, **how: Any) -> Any:
        """Text, with the notebook's pictures, sounds and variables to choose from."""
        return Combobox(options=self._suggested(), **how)

    def _suggested(self) -> list[str]:
        return [*variables(self.info.kind), *self._files]

    def _build(self) -> None:
        super()._build()
        beside = VBox(list(self.children), layout=Layout(flex="1 1 auto", min_width="0"))
        self.children = [HBox([self.picture, beside], layout=Layout(width="100%", align_items="flex-start"))]

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
        if self.info.name == "image" and self.value is None and not self.problems:
            return "A first frame is required: its path, its address, or a file from this computer (up to 10 MB)."
        return super().advice(problem)

    def usual(self) -> str:
        """What is known of the chosen file, and what it means for the clip."""
        try:
            facts = MEASURES[self.info.name](self.value) if self.value is not None else None
        except InvalidRequestError:
            facts = None
        if facts is None:
            return super().usual()
        name, size = path_shortened(self._file or self._variable() or facts.name, LONGEST), file_size(facts.bytes or 0)
        if isinstance(facts, SoundFacts) and facts.seconds is not None:
            return f"{name}: {facts.seconds:.1f} s, {facts.format} {size}{self.note}"
        if isinstance(facts, ImageFacts) and facts.width is not None:
            kind = f"{facts.format} {size}" if facts.bytes else "given in Python"
            return f"{name}: {facts.width} × {facts.height} pixels, {kind}{self.note}"
        unknown = "size" if self.info.kind == "image" else "length"
        return f"{name or 'The address'} is fetched by the service; its {unknown} is not known here"

    def _variable(self) -> str:
        words = self.words or ""
        return words if words.startswith("$") else ""

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
