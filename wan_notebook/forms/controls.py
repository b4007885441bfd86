"""The controls of a form: one field per parameter, made from its declaration.

A field's label says what it is, and why it cannot be used where the chosen model does not have it; the line below says
what is wrong with the value, what will happen with it, or what the parameter is for.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ipywidgets import (
    HTML,
    Button,
    Checkbox,
    Combobox,
    Dropdown,
    HBox,
    Layout,
    Text,
    Textarea,
    VBox,
)

from wan_notebook.facts.catalog import catalog
from wan_notebook.request.declaration import parameters
from wan_notebook.words.markup import MUTED, RED, WRAP, tag
from wan_notebook.words.wording import holds_key, one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wan_notebook.errors import Problem
    from wan_notebook.facts.nouns import ModelSpec, ParameterInfo, Region

__all__ = ["BESIDE", "ParameterField", "SeedField", "label", "sentence", "why_not"]

WHOLE_ROW = ("text", "image", "sound")  # kinds that need the width
FIELD, BELOW = "wan-field", "wan-below"  # classes: the plugin tells the page that what is below describes the control
ABOVE = {"flex_flow": "column", "align_items": "stretch", "width": "auto", "height": "auto", "margin": "0"}
BESIDE = {"width": "auto", "margin": "0 0 0 6px"}
LABELS = {"audio_url": "Sound to follow", "prompt_extend": "Rewrite the prompt"}  # where the field's name says less
LABEL = {"description_width": "fit-content"}


class ParameterField(VBox):  # type: ignore[misc]  # ipywidgets comes without types
    """One parameter: its control and the line below.

    Parameters
    ----------
    info : ParameterInfo
        As the chosen model has it; :meth:`reshape` gives another.
    value : object
        What was given; None for the default.
    changed : callable
        Called after every change a person makes, on whatever thread the front end is served by.
    """

    def __init__(self, info: ParameterInfo, value: object, changed: Callable[[], None]) -> None:
        # Not grid_column: ipywidgets 8.1 takes it away again when it applies the grid_area it was not given.
        area = "auto / 1 / auto / -1" if info.kind in WHOLE_ROW else "auto"
        super().__init__(layout=Layout(grid_area=area, min_width="0", overflow="hidden"))
        self.info, self.note = info, ""
        self.touched, self._quiet = False, False
        self._changed, self._wanted = changed, value
        self.add_class(FIELD)
        self.line = HTML(layout=Layout(margin="0", width="auto", min_width="0"))
        self.counter = HTML(layout=Layout(margin="0 0 0 auto", width="auto", flex="0 0 auto", display="none"))
        # They are two, so that a problem which stays is not told again with every character.
        self.below = HBox([self.line, self.counter], layout=Layout(width="100%", grid_gap="12px")).add_class(BELOW)
        self._build()

    @property
    def value(self) -> Any:
        """What goes into the request; None where it is left out: empty, not for this model, a default nobody chose."""
        said = self.control.value.strip() if isinstance(self.control.value, str) else self.control.value
        unchosen = said == self.info.default and said != self._wanted
        return None if unchosen or said == "" or not self.info.applies else said

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the field itself, before any request is made of it."""
        return ()

    @property
    def chosen(self) -> bool:
        """Whether it was given, or a person has touched it."""
        return self.touched or self._wanted is not None

    def reshape(self, info: ParameterInfo, model: ModelSpec, region: Region) -> None:
        """Offer what ``model`` offers. What a person chose is kept where it is possible, and else comes back later."""
        short, note = ("", "") if info.applies else why_not(info.name, model)
        if info.name == "template" and info.applies and not self._wanted and (why := _no_effects(model, region)):
            info, short, note = replace(info, applies=False), "not offered", why
        if info != self.info:
            same = (info.kind, info.choices) == (self.info.kind, self.info.choices)
            self.info = info
            if same and isinstance(self.control, (Text, Textarea)):
                self.control.disabled = not info.applies
            else:
                self._build()
        self.note = note
        self.control.description = f"{label(info.name)} ({short})" if short else label(info.name)
        if not info.applies and isinstance(self.control, Checkbox):
            self._set(model.audio == "always" and info.name == "audio")

    def say(self, problems: Sequence[Problem]) -> None:
        """Write the line below: what is wrong, or the usual. What is only missing is no reason to shout at first."""
        words = " ".join(map(self.advice, problems)) or self.usual()
        loud = bool(problems) and (self.touched or problems[0].value != "")
        if loud and isinstance(self.control.value, str) and holds_key(self.control.value):
            self._wanted = None
            self._set("")  # it must stay neither on the screen nor in the state of the widget
        look = f"border-left:3px solid {RED};padding-left:6px" if loud else MUTED
        shape = "line-height:1.4;min-height:1.4em"
        self.line.value = str(tag("div", words, role=loud and "alert", style=f"{look};{shape};{WRAP}"))
        count = self.count()
        self.counter.layout.display = "" if count else "none"
        self.counter.value = str(count and tag("div", count, style=f"{MUTED};{shape};white-space:nowrap"))

    def advice(self, problem: Problem) -> str:
        """A problem in words; the field's name and value stand above it already."""
        fix = f"{problem.fix}." if problem.fix and problem.fix[-1] not in ".?!" else problem.fix
        return f"{sentence(problem.problem)}. {fix}".strip()

    def usual(self) -> str:
        """What the line says when nothing is wrong."""
        wanted, choices = self._wanted, self.info.choices
        if choices and wanted is not None and wanted not in choices and self.info.applies:
            return f"{wanted} is not possible with this model"
        return sentence(self.note or self.info.help)

    def count(self) -> str:
        """Characters used and allowed, for texts."""
        if self.info.kind != "text" or self.info.limit is None:
            return ""
        return f"{len(self.control.value.strip())} / {self.info.limit} characters"

    def extras(self) -> list[Any]:
        """What stands beside the control."""
        return []

    def preview(self, picture: bytes | None) -> None:
        """Show what a picture looks like; fields of other kinds have none."""

    def _build(self) -> None:
        info, choices = self.info, self.info.choices
        possible = self._wanted in choices if choices else info.applies
        start = self._wanted if self._wanted is not None and possible else info.default
        how: dict[str, Any] = {"disabled": not info.applies, "tooltip": info.help, "layout": Layout(**ABOVE)}
        beside = self.extras()
        self.below.layout.margin = "-5px 0 0 0" if info.kind == "flag" else "0"  # a box's line is higher than the box
        if info.kind == "flag":
            control = Checkbox(value=bool(start), indent=False, **how)
        elif choices or (info.kind == "choice" and not info.applies):
            unsaid = [("not set", None)] if info.default is None else []
            options = [*unsaid, *((str(choice), choice) for choice in choices)]
            at = [value for _, value in options].index(start)  # value=None would choose nothing, not "not set"
            control = Dropdown(index=at, options=options, style=LABEL, **how)
            control.layout.height = "56px"  # label and list; left alone, the list grows as high as it is wide
        else:
            how = {
                "value": "" if start is None else str(start),
                "placeholder": self.placeholder(),
                "style": LABEL,
                **how,
            }
            control = self.writing(**how)
        control.description = label(info.name)
        self.control = control
        control.observe(self._edited, "value")
        if beside:
            control.layout.flex = "1 1 70px"
            row = HBox([control, *beside], layout=Layout(align_items="flex-end", width="100%"))
            self.children = [row, self.below]
        else:
            self.children = [control, self.below]

    def placeholder(self) -> str:
        """What an empty text control shows."""
        return ""

    def writing(self, **how: Any) -> Any:
        """The control for what is written."""
        if self.info.name == "template":
            return Combobox(options=catalog().effects, **how)
        rows = 3 if self.info.name == "prompt" else 2
        return Textarea(rows=rows, **how) if self.info.kind == "text" else Text(**how)

    def _edited(self, change: Any) -> None:
        if not self._quiet:
            self.touched, self._wanted = True, change["new"]
            self._changed()

    def _set(self, value: object, control: Any = None) -> None:
        """Change a control without it counting as a person's choice."""
        self._quiet = True
        (control or self.control).value = value
        self._quiet = False


class SeedField(ParameterField):
    """A whole number, or a button that draws one."""

    def placeholder(self) -> str:
        return "drawn when the job starts"

    def extras(self) -> list[Any]:
        button = Button(
            description="Roll",
            icon="random",
            tooltip="Roll the dice: draw a seed now, to keep it for the next clips",
            layout=Layout(**BESIDE),
        )
        button.on_click(lambda _: setattr(self.control, "value", str(secrets.randbelow((self.info.limit or 0) + 1))))
        return [button]


def why_not(name: str, model: ModelSpec) -> tuple[str, str]:
    """Why the chosen model does not have a parameter: in short, and in a line."""
    if name == "audio" and model.audio in ("always", "silent"):
        makes = "always makes sound" if model.audio == "always" else "makes silent clips"
        return "always on" if model.audio == "always" else "always off", f"{model.name} {makes}"
    able = [other for other in catalog().models if any(p.name == name and p.applies for p in parameters(other))]
    able = [other for other in able if name != "template" or catalog().model(other).template == "documented"]
    return "not offered", f"not with {model.name}" + (f", only with {one_of(able)}" if able else "")


def _no_effects(model: ModelSpec, region: Region) -> str:
    """Why no video effect can be chosen here; empty where one can."""
    if model.template == "undocumented":
        able = [other.name for other in catalog().models.values() if other.template == "documented"]
        return f"no video effect is known of {model.name}, only of {one_of(able)}"
    able = [other.name for other in catalog().regions.values() if other.templates]
    return "" if region.templates else f"not in {region.name}, only in {one_of(able)}"


def sentence(words: str) -> str:
    """With a capital letter, unless it begins with a name that has none.

    >>> sentence("the model that makes the clip"), sentence("wan2.7-i2v always makes sound")
    ('The model that makes the clip', 'wan2.7-i2v always makes sound')
    """
    first = words.partition(" ")[0]
    return f"{words[:1].upper()}{words[1:]}" if first.isalpha() else words


def label(name: str) -> str:
    return LABELS.get(name) or name.replace("_", " ").capitalize()
