"""What *Generate* would cost, as a badge and a line; and what has to be confirmed before it may be pressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipywidgets import HTML, Checkbox, Layout, VBox

from wan_notebook.ledger.precedents import told
from wan_notebook.tasks import JobState
from wan_notebook.words import phrases
from wan_notebook.words.markup import LINE, MUTED, WRAP, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wan_notebook.ledger.runs import Run
    from wan_notebook.tasks import Cost
    from wan_notebook.words.markup import Html

__all__ = ["PriceTag"]

ANYWAY = "submit it all the same"
LOADED = (
    "made before, as {run}, whose seed was drawn: with that seed given it is a new request, which would be paid again. "
    'wan.clip("{run}") shows the clip that is there'
)


class PriceTag(VBox):  # type: ignore[misc]  # ipywidgets comes without types
    """The price of a form's request.

    Parameters
    ----------
    decided : callable
        Called when one of the boxes was ticked.

    Attributes
    ----------
    confirmed, anew : ipywidgets.Checkbox
        The price is unknown, and it may be submitted all the same; a new clip is to be made although there is one.
    earlier, badge : ipywidgets.HTML
    allowed : bool
        Whether nothing is left to confirm.
    asks : bool
        Whether a submit was refused for want of a confirmation, perhaps.
    """

    def __init__(self, decided: Callable[[object], None]) -> None:
        self.allowed = self.asks = False
        self._before: Run | None = None
        self._loaded = ""
        self.earlier = HTML(layout=Layout(margin="0", width="auto"))
        self.anew = _switch("Make and pay for a new clip", decided)
        self.confirmed = _switch(ANYWAY.capitalize(), decided)
        self.badge = HTML(layout=Layout(margin="0", width="auto"))
        parts = [self.earlier, self.anew, self.confirmed, self.badge]
        super().__init__(parts, layout=Layout(width="100%", grid_gap="4px", margin="4px 0 0 0"))

    @property
    def said(self) -> dict[str, bool]:
        """What was ticked, as a submit takes it."""
        return {"yes": self.confirmed.value, "force": self.anew.value}

    @property
    def remark(self) -> str:
        """What is to be known of the request although it is none that was made before."""
        return LOADED.format(run=self._loaded) if self._loaded and self._before is None else ""

    def reset(self) -> None:
        """Take back what was ticked: it was said of another request."""
        self.anew.value = self.confirmed.value = self.asks = False
        self.loaded("")

    def loaded(self, run_id: str) -> None:
        """Say of which run the request is the very same, but that its seed was drawn then and is given now."""
        self._loaded = run_id
        self._tell()

    def show(
        self, cost: Cost | None, *, simulated: bool, before: Run | None, wrong: Sequence[str], doubt: str = ""
    ) -> None:
        """Show the price.

        Parameters
        ----------
        cost : Cost or None
            None where the request is not clear enough for one.
        simulated : bool
        before : Run or None
            An earlier run of the same request.
        wrong : sequence of str
            Fields that something is wrong with.
        doubt : str
            What else is to be confirmed before something is paid.
        """
        unknown = cost is not None and cost.amount is None
        doubts = [] if simulated else [said for said in (unknown and "the price is unknown", doubt) if said]
        spared = ""
        if before is not None and not self.anew.value:
            spared = "0 spent: made before" if before.state == JobState.DOWNLOADED else "0 spent: under way"
        self.confirmed.description = f"{' and '.join(doubts).capitalize()}: {ANYWAY}" if doubts else ANYWAY.capitalize()
        self.confirmed.layout.display = "" if doubts or self.asks else "none"
        self.anew.layout.display = "none" if before is None else ""
        self._before = before
        self._tell()
        self.badge.value = str(tag("div", _price(cost, simulated, spared), _wrong(wrong), role="status", style=WRAP))
        self.allowed = not (doubts or self.asks) or self.confirmed.value

    def _tell(self) -> None:
        """What was made before."""
        words = told(self._before) if self._before else self.remark
        self.earlier.layout.display = "" if words else "none"
        self.earlier.value = str(tag("div", f"{words[:1].upper()}{words[1:]}.", style=f"line-height:1.4;{WRAP}"))


def _price(cost: Cost | None, simulated: bool, spared: str) -> Html | None:
    if cost is None:
        return None
    said = phrases.price(cost, simulated=simulated)
    amount, _, source = said.partition(" · ") if cost.amount is not None and not simulated else (said, "", "")
    quota = f"free quota, not deducted: {cost.free_quota}" if cost.free_quota and not simulated else ""
    head, rest = (spared, (f"a new one: {said}",)) if spared else (amount, (source, quota))
    look = f"display:inline-block;border:1px solid {LINE};border-radius:9px;padding:0 10px;margin:0 8px 0 0"
    quiet = tag("span", " · ".join(filter(None, rest)), style=MUTED)
    return tag("div", tag("strong", head, style=look), " ", quiet, style="line-height:1.6")


def _wrong(names: Sequence[str]) -> Html | None:
    said = f"still to settle: {', '.join(dict.fromkeys(names))}"
    return tag("div", said, style=f"{MUTED};margin-top:3px;line-height:1.4") if names else None


def _switch(text: str, call: Callable[[object], None]) -> Checkbox:
    switch = Checkbox(description=text, indent=False, layout=Layout(width="auto", margin="0", display="none"))
    switch.observe(call, "value")
    return switch
