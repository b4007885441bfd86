"""A form with the fields of a request; *Generate* starts a job whose card appears below it.

The fields are made from :func:`wan_notebook.request.declaration.parameters`, so that a new parameter has its field at
once. Widgets are for input and for the cancel rows only: a card is a plain output of the form's cell, which a saved
notebook keeps.
"""

from __future__ import annotations

import secrets
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ipywidgets import HTML, Button, HBox, Layout, VBox

from wan_notebook.config import SIMULATOR
from wan_notebook.errors import BudgetError, InvalidRequestError, Problem, WanError
from wan_notebook.forms.afterthoughts import Findings, Thinker, consider
from wan_notebook.forms.controls import label
from wan_notebook.forms.errands import Errands
from wan_notebook.forms.jobrows import JobRow
from wan_notebook.forms.pricetag import PriceTag
from wan_notebook.forms.sheet import Sheet, beginning
from wan_notebook.hall.session import session
from wan_notebook.media.intake import look_in
from wan_notebook.notebook import cards, cells, frontend
from wan_notebook.notebook.formpages import FORM, served_at_once
from wan_notebook.words import phrases
from wan_notebook.words.markup import LINE, MUTED, NAME, bullets, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wan_notebook.config import Settings
    from wan_notebook.engine.job import Job
    from wan_notebook.forms.controls import ParameterField
    from wan_notebook.ledger.runs import Run
    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.tasks import Cost, JobState, JobUpdate

__all__ = ["Form", "form"]

AGAIN_SECONDS = 1.0  # a double click, or clicks that had to wait for a cell, start one job
ROWS = 5
TITLE = "Image to video"
ABOUT = "a form; where it is not shown below, run this cell"
FALLBACK = "The form is shown by a live kernel only."
BOX = {
    "max_width": "775px",  # as wide as a card
    "margin": "2px 0 10px 0",
    "padding": "12px 14px",
    "border": f"1px solid {LINE}",
    "grid_gap": "6px",
}

T = TypeVar("T")


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
    sheet : wan_notebook.forms.sheet.Sheet
        Its fields; ``form.fields["seed"].control.value`` is what one of them holds.
    generate : ipywidgets.Button
    errands : wan_notebook.forms.errands.Errands
        The other buttons.
    price : wan_notebook.forms.pricetag.PriceTag
        What it would cost, and whether a new clip is paid for although this request was made before.
    jobs : list of Job
        Those started here, oldest first.
    """

    def __init__(self, request: I2VRequest | None = None, *, region: str | None = None, **given: Any) -> None:
        look_in(frontend.notebook_folder())
        start = beginning(request, given)
        self.jobs: list[Job] = []
        self.sheet = Sheet(self._changed)
        self._lock = threading.RLock()  # with subshells each control may be served by a thread of its own
        self._place = frontend.here()
        self._ready: tuple[I2VRequest, Settings] | None = None
        self._before: Run | None = None
        self._cost: Cost | None = None
        self._wrong: list[str] = []
        self._started = float("-inf")
        self._thinker = Thinker()
        self.generate = Button(description="Generate", button_style="primary", layout=Layout(margin="0", width="130px"))
        self.generate.on_click(self._generate)
        self.errands = Errands(self)
        self.price = PriceTag(self._decided)
        self.remarks = HTML(layout=Layout(margin="0", width="auto"))
        self.rows = VBox(layout=Layout(width="100%", display="none"))
        foot = Layout(align_items="center", flex_flow="row wrap", grid_gap="6px 8px", width="100%")
        super().__init__(
            [
                self.sheet,
                self.remarks,
                self.price,
                HBox([self.generate, *self.errands.buttons], layout=foot),
                self.errands.panel,
                self.errands.news,
                self.rows,
            ],
            layout=Layout(**BOX),
        )
        self.add_class("wan-form")  # the plugin keeps it readable when its kernel is gone
        self.sheet.build(start, region)
        self._refresh()
        frontend.form_pages().know(self.model_id)

    @property
    def fields(self) -> dict[str, ParameterField]:
        """One per parameter of :class:`I2VRequest`, and ``region``."""
        return self.sheet.fields

    @property
    def request(self) -> I2VRequest:
        """The request as the fields say it.

        Raises
        ------
        InvalidRequestError
            All its problems at once.
        """
        return self.sheet.request

    def fill(self, values: Mapping[str, Any]) -> list[str]:
        """As :meth:`wan_notebook.forms.sheet.Sheet.fill`."""
        with self._lock:
            lost = self.sheet.fill(values)
            self._changed()
        return lost

    def shown_here(self, call: Callable[[], T]) -> T:
        """Call it so that its outputs go below the form; where a run is headless, into the cell that is running."""
        # What a callback shows by itself lands in no cell; and after its cell nobody would see what comes there.
        return call() if frontend.in_cell() and frontend.run_mode() == "blocking" else self._place(call)

    def _changed(self) -> None:
        with self._lock:
            self.price.reset()
            self.errands.tell("")
            self._refresh()

    def _decided(self, _: object) -> None:
        with self._lock:
            self._refresh()

    def _refresh(self) -> None:
        """Reshape the fields for the chosen model, and show what is wrong, or what it would cost."""
        self.sheet.reshape()
        request: I2VRequest | None = None
        problems: tuple[Problem, ...] = ()
        try:
            request = self.request
        except InvalidRequestError as error:
            problems = error.problems
        wrong = {problem.field for problem in problems}
        if not wrong & {"prompt", "template"} and not self.sheet.values.keys() & {"prompt", "template"}:
            problems = (Problem("prompt", "", "say what should happen in the clip"), *problems)
        draft = request or self.sheet.draft(wrong)
        settings, cost, elsewhere = self.sheet.look_up(draft) if draft else (None, None, ())
        problems = (*problems, *elsewhere)
        self.sheet.note(draft.predicted_size if draft else None, settings.base_url if settings else None)
        self._ready = (request, settings) if request and settings and not problems else None
        self.sheet.say(problems)
        self._cost, self._wrong = cost, [label(problem.field).lower() for problem in problems]
        self._think(draft, settings)
        ledger = session().ledger
        notes = [*(request.notes if request else ()), *([ledger.complaint] if ledger.trouble else [])]
        self.remarks.value = str(bullets(phrases.clean(note) for note in notes) or "")
        self.remarks.layout.display = "" if notes else "none"
        for button in (self.errands.dry_run, self.errands.insert):
            button.disabled = request is None or problems[:1] != elsewhere[:1]
        self._conclude()
        served_at_once(self)

    def _think(self, draft: I2VRequest | None, settings: Settings | None) -> None:
        """Look at the pictures, and for an earlier run, when there is time."""
        if draft is None:
            self._noticed(Findings())
            return
        region, base_url = session().switchboard.place(settings) if settings else (self.sheet.region, None)
        work = partial(consider, draft, whole=self._ready is not None, region=region, base_url=base_url)
        if self._thinker.ask((draft, self._ready is not None, region, base_url), work, self._noticed):
            self._before = None

    def _noticed(self, found: Findings) -> None:
        with self._lock:
            self._before = found.before
            for name, field in self.sheet.media.items():
                field.preview(found.pictures.get(name))
            self._conclude()

    def _conclude(self) -> None:
        """The price, and whether *Generate* may be pressed."""
        before, simulated = self._before if self._ready else None, self.sheet.region == SIMULATOR
        doubt = session().ledger.trouble
        self.price.show(self._cost, simulated=simulated, before=before, wrong=self._wrong, doubt=doubt)
        self.generate.disabled = self._ready is None or not self.price.allowed

    def _generate(self, _: object) -> None:
        with self._lock:
            if self._ready is None or self.generate.disabled or time.monotonic() - self._started < AGAIN_SECONDS:
                return
            try:
                session().ledger.tried()
            except WanError as error:
                self.errands.trouble(error)
                return
            self._refresh()  # the key, a file: what the world says now
            if self._ready is None or self.generate.disabled:
                return
            request, settings = self._ready
            row = JobRow(f"Clip {len(self.jobs) + 1}")
            # A callback cannot ask: what has to be confirmed is confirmed above the button. Each press is counted by
            # itself, so that the second is no new clip.
            how: dict[str, Any] = {**self.price.said, "scope": f"press-{secrets.token_hex(8)}"}
            how["watch"] = [row.show, self._heard()]
            try:
                job = row.job = self.shown_here(partial(cells.launch, request, name=None, settings=settings, **how))
            except (WanError, OSError) as error:
                self.errands.trouble(error)
                self.price.asks = isinstance(error, BudgetError)
                self._conclude()
                return
            finally:
                self._started = time.monotonic()  # what was clicked meanwhile waited for this
            self.price.reset()
            self.errands.tell("")
            self.jobs.append(job)
            self.rows.children, self.rows.layout.display = [*self.rows.children, row][-ROWS:], ""
            frontend.form_pages().beside(self.model_id, job.run_id, partial(cards.shown_now, job.run_id))

    def _heard(self) -> Callable[[JobUpdate], None]:
        """Look for an earlier run again whenever the state of a job changes; called on the runner's thread."""
        states: set[JobState] = set()

        def heard(update: JobUpdate) -> None:
            if update.state not in states:
                states.add(update.state)
                self._thinker.again()

        return heard

    def _repr_mimebundle_(self, **how: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**how) or {}
        mark = {FORM: {"form": self.model_id}}
        return {**bundle, **mark, "text/plain": FALLBACK, "text/html": str(tag("div", FALLBACK, style=MUTED))}

    def _ipython_display_(self) -> None:
        """Show a line that every front end can, also of a saved notebook, and the form."""
        from IPython.display import publish_display_data

        self._place = frontend.here()  # the cell that shows the form is the one its cards belong to
        frontend.form_pages().know(self.model_id)
        line = tag(
            "div", tag("strong", TITLE, style=NAME), " ", tag("span", ABOUT, style=MUTED), style="margin:0 0 2px 3px"
        )
        publish_display_data({"text/plain": f"{TITLE}: {ABOUT}", "text/html": str(line)})
        publish_display_data(self._repr_mimebundle_())
