"""A form with the fields of a request; *Generate* starts a job whose card appears below it.

The fields are made from :func:`wan_notebook.request.declaration.parameters`, so that a new parameter has its field at
once. Widgets are for input and for the cancel rows only: a card is a plain output of the form's cell, which a saved
notebook keeps.
"""

from __future__ import annotations

import threading
import time
import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Button, Checkbox, GridBox, HBox, Layout, VBox

from wan_notebook.config import SIMULATOR, Settings
from wan_notebook.engine import pricing
from wan_notebook.errors import NOT_BILLED, ConfigurationError, InvalidRequestError, Problem, WanError
from wan_notebook.facts.catalog import catalog
from wan_notebook.facts.nouns import ParameterInfo
from wan_notebook.forms.jobrows import JobRow
from wan_notebook.forms.pickers import field_for
from wan_notebook.hall.session import session
from wan_notebook.media.intake import look_in
from wan_notebook.notebook import cells, frontend
from wan_notebook.request.declaration import I2VRequest, UnknownModelWarning, parameters
from wan_notebook.words import phrases
from wan_notebook.words.addresses import public_url
from wan_notebook.words.markup import MUTED, NAME, RED, WRAP, bullets, tag

if TYPE_CHECKING:
    from wan_notebook.engine.job import Job
    from wan_notebook.tasks import Cost

__all__ = ["Form", "form"]

SOME_IMAGE = {"image": "https://example.com/", "pin": True}  # stands for the first frame while none is chosen
AGAIN_SECONDS = 1.0  # a double click, or clicks that had to wait for a cell, start one job
ROWS = 5
FALLBACK = "A wan-notebook form: run this cell in a live kernel to use it."


def form(request: I2VRequest | None = None, /, *, region: str | None = None, **parameters: Any) -> Form:
    """Make a form. Display it, and *Generate* starts jobs whose cards appear below it.

    Parameters
    ----------
    request : I2VRequest, optional
        What the fields hold at first.
    region : {"singapore", "beijing", "virginia", "frankfurt", "simulator"}, optional
        What is chosen at first; otherwise by the settings, as in :func:`wan_notebook.submit`.
    **parameters
        The fields of :class:`I2VRequest`, beside or instead of ``request``'s. What is left out can be filled in later.

    Returns
    -------
    Form
        An ipywidgets container.

    Raises
    ------
    InvalidRequestError
        A given value cannot be used.
    ConfigurationError
        Unknown region.

    Examples
    --------
    >>> form(image="images/chelsea.png", duration=3)  # doctest: +SKIP
    """
    return Form(request, region=region, **parameters)


class Form(VBox):  # type: ignore[misc]  # ipywidgets comes without types
    """What :func:`form` makes.

    Attributes
    ----------
    fields : dict of str to wan_notebook.forms.controls.ParameterField
        One per parameter of :class:`I2VRequest`, in the order of the page, and ``region``.
    generate : ipywidgets.Button
    jobs : list of Job
        Those started here, oldest first.
    """

    def __init__(self, request: I2VRequest | None = None, *, region: str | None = None, **given: Any) -> None:
        look_in(frontend.notebook_folder())
        start = _start(request, given)
        self.jobs: list[Job] = []
        self._lock = threading.RLock()  # with subshells each control may be served by a thread of its own
        self._place = frontend.here()
        self._ready: tuple[I2VRequest, Settings] | None = None
        self._started = float("-inf")
        infos = _infos(start.get("model"), region)
        self.fields = {info.name: field_for(info, start.get(info.name), self._changed) for info in infos}
        self.generate = Button(description="Generate", button_style="primary", layout=Layout(flex="0 0 auto"))
        self.generate.on_click(self._generate)
        self.confirmed = Checkbox(indent=False, layout=Layout(width="auto"))
        self.confirmed.observe(self._confirmed, "value")
        self.status = HTML(layout=Layout(flex="1 1 220px", min_width="0", margin="0"))
        self.remarks = HTML(layout=Layout(margin="0", width="auto"))
        self.rows = VBox(layout=Layout(width="100%"))
        grid = Layout(
            grid_template_columns="repeat(auto-fit, minmax(min(250px, 100%), 1fr))", grid_gap="8px 18px", width="100%"
        )
        foot = Layout(align_items="center", flex_flow="row wrap", grid_gap="4px 14px", width="100%")
        super().__init__(
            [
                HTML(str(tag("strong", "Image to video", style=NAME)), layout=Layout(margin="0")),
                GridBox(list(self.fields.values()), layout=grid),
                self.remarks,
                self.confirmed,
                HBox([self.generate, self.status], layout=foot),
                self.rows,
            ],
            layout=Layout(
                max_width="740px",
                margin="0 0 10px 0",
                padding="10px 14px",
                border="1px solid rgba(128,128,128,0.35)",
                grid_gap="6px",
            ),
        )
        self._refresh()

    @property
    def request(self) -> I2VRequest:
        """The request as the fields say it.

        Raises
        ------
        InvalidRequestError
            All its problems at once.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownModelWarning)  # the price line says it
            return I2VRequest(**self._values())

    def _values(self) -> dict[str, Any]:
        said = {name: field.value for name, field in self.fields.items() if name != "region"}
        return {name: value for name, value in said.items() if value is not None}

    def _changed(self) -> None:
        with self._lock:
            self.confirmed.value = False  # it was said of another request
            self._refresh()

    def _confirmed(self, _: object) -> None:
        with self._lock:
            self._refresh()

    def _refresh(self) -> None:
        """Reshape the fields for the chosen model, and show what is wrong, or what it would cost."""
        model = catalog().model(self.fields["model"].control.value)
        for info in parameters(model.name):
            if info.name != "model":
                self.fields[info.name].reshape(info, model)
        request: I2VRequest | None = None
        problems: tuple[Problem, ...] = ()
        try:
            request = self.request
        except InvalidRequestError as error:
            problems = error.problems
        wrong = {problem.field for problem in problems}
        if not wrong & {"prompt", "template"} and not self._values().keys() & {"prompt", "template"}:
            problems = (Problem("prompt", "", "say what should happen in the clip"), *problems)
        draft = request or self._draft(wrong)
        settings, cost, elsewhere = self._look_up(draft) if draft else (None, None, ())
        problems = (*problems, *elsewhere)
        size = draft.predicted_size if draft else None
        self.fields["image"].note = f"; the clip will have about {size[0]} × {size[1]}" if size else ""
        address = settings.base_url if settings else None
        self.fields["region"].note = f"requests go to {public_url(address)}" if address else ""
        self._ready = (request, settings) if request and settings and not problems else None
        for name, field in self.fields.items():
            field.say([problem for problem in problems if problem.field == name])
        doubts, ledger = [], session().ledger
        if self.fields["region"].control.value != SIMULATOR:
            doubts += ["the price is unknown"] if cost is not None and cost.amount is None else []
            doubts += [ledger.trouble] if ledger.trouble else []
        notes = [*(request.notes if request else ()), *([ledger.complaint] if ledger.trouble else [])]
        self.remarks.value = str(bullets(phrases.clean(note) for note in notes) or "")
        self.confirmed.description = f"{' and '.join(doubts).capitalize()}: submit it all the same"
        self.confirmed.layout.display = "" if doubts else "none"
        self.generate.disabled = self._ready is None or bool(doubts and not self.confirmed.value)
        self._tell(cost, [problem.field.replace("_", " ") for problem in problems])

    def _draft(self, wrong: set[str]) -> I2VRequest | None:
        """The request without what is wrong with it: enough for a price."""
        values = {name: value for name, value in self._values().items() if name not in wrong}
        try:
            return I2VRequest(**(values if "image" in values else {**values, **SOME_IMAGE}))
        except InvalidRequestError:
            return None

    def _look_up(self, draft: I2VRequest) -> tuple[Settings | None, Cost, tuple[Problem, ...]]:
        region = self.fields["region"].control.value
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

    def _tell(self, cost: Cost | None, wrong: list[str]) -> None:
        simulated = self.fields["region"].control.value == SIMULATOR
        price = phrases.price(cost, simulated=simulated) if cost else ""
        quota = f"free quota: {cost.free_quota}" if cost and cost.free_quota else ""
        needs = f"still to settle: {', '.join(dict.fromkeys(wrong))}" if wrong else ""
        said = " · ".join(filter(None, (price, quota)))
        lines = said and tag("div", said), needs and tag("div", needs, style=MUTED)
        self.status.value = str(tag("div", *lines, style=f"line-height:1.4;{WRAP}"))

    def _generate(self, _: object) -> None:
        with self._lock:
            if self._ready is None or self.generate.disabled or time.monotonic() - self._started < AGAIN_SECONDS:
                return
            try:
                session().ledger.tried()
            except WanError as error:
                self._complain(error)
                return
            self._refresh()  # the key, a file: what the world says now
            if self._ready is None or self.generate.disabled:
                return
            request, settings = self._ready
            self._started = time.monotonic()
            row = JobRow(f"Clip {len(self.jobs) + 1}")
            # yes: what is in doubt was confirmed above the button, and a callback cannot ask.
            start = partial(cells.launch, request, name=None, settings=settings, yes=True, watch=[row.show])
            try:
                row.job = self._place(start)  # what a callback shows by itself lands in no cell
            except (WanError, OSError) as error:
                self._complain(error)
                return
            self.confirmed.value = False
            self.jobs.append(row.job)
            self.rows.children = [*self.rows.children, row][-ROWS:]

    def _complain(self, error: Exception) -> None:
        said = " ".join(error.lines()) if isinstance(error, WanError) else str(error)
        self.remarks.value = str(tag("div", said, style=f"border-left:3px solid {RED};padding-left:6px;{WRAP}"))

    def _repr_mimebundle_(self, **how: Any) -> dict[str, Any]:
        self._place = frontend.here()  # the cell that shows the form is the one its cards belong to
        bundle = super()._repr_mimebundle_(**how) or {}
        return {**bundle, "text/plain": FALLBACK, "text/html": str(tag("p", FALLBACK))}


def _start(request: I2VRequest | None, given: dict[str, Any]) -> dict[str, Any]:
    """What the fields hold at first, read and checked as a request reads it; a missing image is no problem yet."""
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
