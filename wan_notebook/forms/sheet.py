"""All fields of a form together: made from the declaration, reshaped for the chosen model, read as a request."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Button, GridBox, HBox, Layout, VBox

from wan_notebook.config import Settings
from wan_notebook.engine import pricing
from wan_notebook.errors import NOT_BILLED, ConfigurationError, InvalidRequestError, Problem
from wan_notebook.facts.catalog import catalog
from wan_notebook.facts.nouns import ParameterInfo
from wan_notebook.forms.controls import label
from wan_notebook.forms.pickers import MediaField, field_for
from wan_notebook.hall.session import session
from wan_notebook.notebook import frontend
from wan_notebook.request.declaration import I2VRequest, UnknownModelWarning, parameters
from wan_notebook.words.addresses import public_url
from wan_notebook.words.markup import MUTED, WRAP, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from wan_notebook.forms.controls import ParameterField
    from wan_notebook.tasks import Cost

__all__ = ["Sheet", "beginning"]

SOME_IMAGE = {"image": "https://example.com/", "pin": True}  # stands for the first frame while none is chosen
# What everybody needs; whatever else a request has is below it, behind a button.
FIRST = ("model", "region", "prompt", "negative_prompt", "image", "resolution", "duration", "audio", "seed")
GRID = {
    "grid_template_columns": "repeat(auto-fit, minmax(min(250px, 100%), 1fr))",
    "grid_gap": "8px 18px",
    "width": "100%",
}


class Sheet(VBox):  # type: ignore[misc]  # ipywidgets comes without types
    """The fields, those that everybody needs first.

    Parameters
    ----------
    changed : callable
        Called after every change a person makes.

    Attributes
    ----------
    fields : dict of str to ParameterField
        One per parameter of :class:`I2VRequest`, and ``region``.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.fields: dict[str, ParameterField] = {}
        self._changed = changed
        self._first, self._further = GridBox(layout=Layout(**GRID)), GridBox(layout=Layout(**GRID))
        self.more = Button(tooltip="Show or hide the other settings", layout=Layout(width="auto", margin="0"))
        self.more.on_click(lambda _: self._unfold(self._further.layout.display == "none"))
        self._offered = HTML(layout=Layout(margin="0", flex="1 1 200px", min_width="0"))
        row = Layout(align_items="center", flex_flow="row wrap", grid_gap="4px 10px", width="100%")
        fold = HBox([self.more, self._offered], layout=row)
        super().__init__([self._first, fold, self._further], layout=Layout(width="100%", grid_gap="8px"))

    @property
    def region(self) -> str:
        """The chosen region."""
        return str(self.fields["region"].control.value)

    @property
    def media(self) -> dict[str, MediaField]:
        """The fields for pictures and sounds."""
        return {name: field for name, field in self.fields.items() if isinstance(field, MediaField)}

    @property
    def values(self) -> dict[str, Any]:
        """What is chosen, by the names of the request's fields."""
        said = {name: field.value for name, field in self.fields.items() if name != "region"}
        return {name: value for name, value in said.items() if value is not None}

    @property
    def request(self) -> I2VRequest:
        """The request as the fields say it.

        Raises
        ------
        InvalidRequestError
            All its problems at once.
        """
        own = [problem for field in self.fields.values() for problem in field.problems]
        named = {problem.field for problem in own}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownModelWarning)  # the price says it
            try:
                request = I2VRequest(**self.values)
            except InvalidRequestError as error:
                rest = [problem for problem in error.problems if problem.field not in named]
                raise InvalidRequestError([*own, *rest]) from None
        if own:
            raise InvalidRequestError(own)
        return request

    def draft(self, wrong: set[str]) -> I2VRequest | None:
        """The request without what is wrong with it: enough for a price."""
        values = {name: value for name, value in self.values.items() if name not in wrong}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UnknownModelWarning)
                return I2VRequest(**(values if "image" in values else {**values, **SOME_IMAGE}))
        except InvalidRequestError:
            return None

    def look_up(self, draft: I2VRequest) -> tuple[Settings | None, Cost, tuple[Problem, ...]]:
        """The settings and the price of a request there, and what cannot work there."""
        region = self.region
        try:
            settings = Settings.resolve(region=region, preferences=frontend.preferences())
            _, cost = session().check(draft, settings)
        except InvalidRequestError as error:
            return None, pricing.estimate(draft, region), error.problems
        except ConfigurationError as error:
            said = error.message.partition(", so nothing")[0].rstrip(".")  # nobody asked yet to send anything
            problem = Problem("region", region, said, fix=error.hint.removesuffix(NOT_BILLED).rstrip())
            return None, pricing.estimate(draft, region), (problem,)
        return settings, cost, ()

    def build(self, start: Mapping[str, Any], region: str | None) -> None:
        """Make the fields anew, holding what :func:`beginning` gave."""
        infos = _infos(start.get("model"), region)
        self.fields.clear()
        self.fields.update({info.name: field_for(info, start.get(info.name), self._changed) for info in infos})
        self._first.children = [self.fields[name] for name in FIRST]
        rest = [field for name, field in self.fields.items() if name not in FIRST]
        self._further.children = sorted(rest, key=lambda field: field.info.kind == "flag")  # boxes beside boxes
        self._unfold(any(field.chosen for field in self._further.children))

    def fill(self, values: Mapping[str, Any]) -> list[str]:
        """Make the fields anew, holding ``values`` of anybody's; the region stays.

        Returns
        -------
        list of str
            What could not be used, with the reason.

        Raises
        ------
        InvalidRequestError
        """
        lost: dict[str, str] = {}
        while True:
            try:
                start = beginning(None, {name: value for name, value in values.items() if name not in lost})
                break
            except InvalidRequestError as error:
                wrong = {found.field: found.problem for found in error.problems if found.field in values}
                if not wrong.keys() - lost.keys():
                    raise
                lost |= wrong
        self.build(start, self.region)
        return [f"{label(name).lower()} ({said})" for name, said in lost.items()]

    def reshape(self) -> None:
        """Offer what the chosen model and region have."""
        model, region = catalog().model(self.fields["model"].control.value), catalog().region(self.region)
        for info in parameters(model.name):
            if info.name != "model":
                self.fields[info.name].reshape(info, model, region)
        self._offered.value = str(tag("div", _named(self._further.children), style=f"{MUTED};line-height:1.4;{WRAP}"))

    def note(self, size: tuple[int, int] | None, address: str | None) -> None:
        """Note the size of the clip to expect, and where requests go."""
        self.fields["image"].note = f"; the clip will have about {size[0]} × {size[1]}" if size else ""
        self.fields["region"].note = f"Requests go to {public_url(address)}" if address else ""

    def say(self, problems: Iterable[Problem]) -> None:
        """Show each problem at its field; one behind the button is brought to light."""
        found = list(problems)
        for name, field in self.fields.items():
            field.say([problem for problem in found if problem.field == name])
        if {problem.field for problem in found} & {field.info.name for field in self._further.children}:
            self._unfold(True)

    def _unfold(self, wide: bool) -> None:
        self._further.layout.display = "" if wide else "none"
        self.more.description = "Fewer settings" if wide else "More settings"
        self.more.icon = "angle-up" if wide else "angle-down"
        self._offered.layout.display = "none" if wide else ""


def beginning(request: I2VRequest | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """What fields hold at first, read and checked as a request reads it; a missing image is no problem yet.

    Raises
    ------
    InvalidRequestError
    """
    if request is not None:
        given = {**{name: getattr(request, name) for name in request.given}, **given}
    bare = not {"image", "img_url"} & given.keys()
    checked = I2VRequest(**{**given, **(SOME_IMAGE if bare else {})})
    return {name: getattr(checked, name) for name in checked.given if not bare or name in given}


def _infos(model: str | None, region: str | None) -> list[ParameterInfo]:
    """The parameters in the order of the page: model and region decide about the others."""
    table = {info.name: info for info in parameters(model)}
    if model and model not in table["model"].choices:
        table["model"] = replace(table["model"], choices=(*table["model"].choices, model))
    known = Settings.resolve(region=region, preferences=frontend.preferences()).region
    where = ParameterInfo(
        name="region",
        kind="choice",
        choices=tuple(catalog().regions),
        default=catalog().region(known).name,
        help="where the clip is made; its key and prices count",
        where="",
        wire_name="",
    )
    return [table.pop("model"), where, *table.values()]


def _named(fields: Iterable[ParameterField]) -> str:
    """What the further settings are, and which of them the chosen model does not have."""
    table = [(label(field.info.name).lower(), field.info.applies) for field in fields]
    offered, not_so = ([name for name, applies in table if applies is wanted] for wanted in (True, False))
    return ", ".join(offered) + (f"; not offered here: {', '.join(not_so)}" if not_so else "")
