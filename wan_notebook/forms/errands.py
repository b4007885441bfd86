"""What the buttons of a form do besides *Generate*: look without sending, insert as a cell, load a record."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ipywidgets import HTML, Button, Dropdown, HBox, Layout, Text, VBox

from wan_notebook.config import Settings
from wan_notebook.engine.clips import keep_input
from wan_notebook.errors import InvalidRequestError, WanError
from wan_notebook.forms.controls import ABOVE, BESIDE, LABEL
from wan_notebook.forms.magicline import cell_source
from wan_notebook.forms.remembered import beside_a_clip, filling, runs_to_load
from wan_notebook.media.preparation import prepare
from wan_notebook.notebook import arguments, frontend
from wan_notebook.notebook.formpages import FORM
from wan_notebook.notebook.rehearsal import rehearse
from wan_notebook.tasks import JobState
from wan_notebook.words.markup import GREEN, MUTED, RED, WRAP, source, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wan_notebook.forms.pricetag import PriceTag
    from wan_notebook.forms.sheet import Sheet
    from wan_notebook.request.declaration import I2VRequest

__all__ = ["Errands"]

AGAIN_SECONDS = 1.0  # a double click inserts one cell
PATIENCE_SECONDS = 2.0  # until the plugin has said that the cell is there
COPY = "Copy this into a cell of its own:"
NO_RUNS, CHOOSE = "no recorded runs yet", "choose a run"


class Form(Protocol):
    """What an errand needs of its form."""

    model_id: str

    @property
    def request(self) -> I2VRequest:
        """The request as the fields say it; InvalidRequestError where they do not."""

    @property
    def sheet(self) -> Sheet:
        """Its fields."""

    price: PriceTag

    def shown_here(self, call: Callable[[], Any]) -> Any:
        """Call it so that its outputs go below the form."""

    def fill(self, values: Mapping[str, Any]) -> list[str]:
        """Replace all values; what could not be used."""


class Errands:
    """The buttons and what they open.

    Attributes
    ----------
    buttons : list of ipywidgets.Button
    news : ipywidgets.HTML
        What became of the last errand.
    panel : ipywidgets.VBox
        For choosing a record.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self._rehearsed: frontend.Display | None = None
        self._inserted, self._inserted_at = "", float("-inf")
        self.dry_run = _button("Dry run", "Show the exact request and its price; nothing is sent", self._dry_run)
        self.insert = _button("Insert as cell", "A %%wan_i2v cell with this request, below the form", self._insert)
        self.load = _button("Load record", "Fill the form from an earlier run", self._open)
        self.buttons = [self.dry_run, self.insert, self.load]
        self.news = HTML(layout=Layout(margin="0", width="auto", display="none"))
        self.run = Dropdown(description="Recorded run", options=[(NO_RUNS, None)], style=LABEL, layout=Layout(**ABOVE))
        self.run.layout.height = "56px"
        self.clip = Text(
            description="or the clip it lies beside",
            placeholder="wan_outputs/clip-20261124-101500.mp4",
            style=LABEL,
            layout=Layout(**ABOVE),
        )
        go = _button("Fill the form", "Replaces what the fields hold now", self._load)
        go.layout = Layout(**{**BESIDE, "flex": "0 0 auto"})
        self.clip.layout.flex = "1 1 160px"
        self.panel = VBox(
            [self.run, HBox([self.clip, go], layout=Layout(align_items="flex-end", width="100%"))],
            layout=Layout(display="none", width="100%", grid_gap="6px", margin="4px 0"),
        )

    def tell(self, words: object, colour: str = "", *more: object) -> None:
        """Say what became of it."""
        edge = colour and f"border-left:3px solid {colour};padding-left:6px"
        role = "alert" if colour == RED else "status"
        said = words and tag("div", words, *more, role=role, style=f"{edge};line-height:1.4;margin:2px 0;{WRAP}")
        self.news.value = str(said or "")
        self.news.layout.display = "" if said else "none"  # an empty one would take its share of the space

    def trouble(self, error: Exception) -> None:
        """Say what forbids it."""
        self.tell(" ".join(error.lines()) if isinstance(error, WanError) else str(error), RED)

    def _dry_run(self, _: object) -> None:
        form = self._form
        try:
            remark = form.price.remark
            dry = rehearse(form.request, region=form.sheet.region, notes=[remark] if remark else [])
        except (WanError, OSError) as error:
            self.trouble(error)
            return
        bundle = {**dry._repr_mimebundle_(), FORM: {"form": form.model_id, "part": "dry-run"}}
        if self._rehearsed is None:
            self._rehearsed = form.shown_here(partial(frontend.Display.open, bundle, f"{form.model_id}-dry-run"))
        else:
            self._rehearsed.update(bundle)
        frontend.form_pages().beside(form.model_id, "dry-run", lambda: bundle)
        self.tell("The dry run is shown below the form; nothing was sent, nothing is billed.", GREEN)

    def _insert(self, _: object) -> None:
        form, pressed_at = self._form, time.monotonic()
        try:
            request = form.request
            usual = Settings.resolve(preferences=frontend.preferences()).region
            region = None if usual == form.sheet.region else form.sheet.region
            text = cell_source(request, media=self._written(request), region=region)
        except (WanError, OSError) as error:
            self.trouble(error)
            return
        if (text, True) == (self._inserted, pressed_at - self._inserted_at < AGAIN_SECONDS):
            return
        self._inserted, self._inserted_at = text, time.monotonic()
        copy = tag("div", COPY, source(text))
        said, there = tag("span", "Inserted below as a cell."), threading.Event()

        def done() -> None:
            there.set()
            self.tell(said, GREEN)

        def late() -> None:
            if not there.is_set():
                self.tell(tag("div", "No cell came below? " if sent else "", copy))

        sent = frontend.form_pages().insert(form.model_id, text, done)
        if not sent:
            late()
            return
        timer = threading.Timer(PATIENCE_SECONDS, late)
        timer.daemon = True
        timer.start()

    def _written(self, request: I2VRequest) -> dict[str, str]:
        """What stands for each medium in the cell; what stands nowhere is kept beside the clips, as a submit would."""
        written = {}
        for name, facts in request.media_facts.items():
            written[name] = self._form.sheet.media[name].words or str(self._kept(facts))
        return written

    def _kept(self, facts: Any) -> Path | None:
        outputs = arguments.outputs(None)
        path = keep_input(outputs, prepare(facts))
        folder = frontend.notebook_folder()
        return path.relative_to(folder) if path is not None and path.is_relative_to(folder) else path

    def _open(self, _: object) -> None:
        closed = self.panel.layout.display == "none"
        if closed:
            found = runs_to_load()
            self.run.options = [(CHOOSE if found else NO_RUNS, None), *found]
        self.panel.layout.display = "" if closed else "none"

    def _load(self, _: object) -> None:
        try:
            chosen = beside_a_clip(self.clip.value.strip()) if self.clip.value.strip() else self.run.value
        except (WanError, OSError) as error:
            self.trouble(error)
            return
        if chosen is None:
            self.tell("Choose a recorded run, or write the name of a clip's file.", RED)
            return
        values, missing = filling(*chosen)
        try:
            unusable = self._form.fill(values)
        except InvalidRequestError as error:
            self.trouble(error)
            return
        self.panel.layout.display = "none"
        again = [*missing, *unusable]
        record = chosen[0]
        if not again and record["state"] == JobState.DOWNLOADED and "seed" not in record["request"]["given"]:
            self._form.price.loaded(record["run_id"])
        more = again and tag("div", f"To be given again: {'; '.join(again)}.", style=MUTED)
        self.tell(f"Filled from {chosen[0]['run_id']}.", GREEN, more)


def _button(text: str, tip: str, call: Callable[[object], None]) -> Button:
    button = Button(description=text, tooltip=tip, layout=Layout(width="auto", margin="0", flex="0 0 auto"))
    button.on_click(call)
    return button
