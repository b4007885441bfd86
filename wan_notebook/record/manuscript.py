"""What a paper says of a notebook's runs: a methods paragraph, a BibTeX entry of the software, a table of all runs.

Everything is taken from the records; what they do not hold is not said.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from wan_notebook.record.chronicle import chronicle
from wan_notebook.record.documents import genuine
from wan_notebook.words.markup import fold, quoted, source, tag
from wan_notebook.words.phrases import clean
from wan_notebook.words.wording import one_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from wan_notebook.record.chronicle import Entry

__all__ = ["Methods", "methods"]

REPEATABLE = (
    "The notebook's records hold every parameter, the seed and the SHA-256 of every input, so that each of these "
    "requests can be repeated exactly."
)
AGAIN = (
    "The notebook's records hold the parameters and the seed of each of these requests; to repeat {some} of {all} "
    "exactly, something that is not in its folder has to be given again ({what})."
)
UNTOLD = "a prompt that is private or too long to be recorded"
ABSENT = "an input that was at an address or whose file is not there"
SHORT = "a run of a sweep that gave no clip, of which only a summary is kept"
NOT_IDENTICAL = "The service does not promise the identical video: a reproducible request, not a bit-identical clip."
REAL = "Clips were made from still images with Wan image-to-video (Alibaba Cloud Model Studio), through"
SIMULATED = "No clip was made by a model of the real service: a simulator of it was used, through"
DRAWN = ", drawn at random where none was given"
PARAMETERS = ("resolution", "duration", "audio", "shot_type", "prompt_extend", "watermark", "seed")
CLIP = ("path", "sha256", "bytes", "width", "height", "duration", "fps", "audio")
PLAIN = ("run_id", "name", "state", "simulated", "private", "region", "model", "task_id", "request_id", "task_status")
TIMES = ("created_at", "submitted_at", "finished_at", "from_run", "replay_of")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would take for a formula
SEEDS_SHOWN = 12


@dataclass(frozen=True)
class Methods:
    """What :func:`methods` makes; shows itself in a notebook.

    Attributes
    ----------
    text : str
        A paragraph for a paper.
    bibtex : str
        An entry for this software.
    csv : str
        One line for each run, with a heading; prompts of private runs are empty.
    left_out : tuple of str
        Runs whose record cannot be believed, and why.
    """

    text: str
    bibtex: str
    csv: str
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n\n".join(filter(None, (self.text, self.bibtex.rstrip(), _left_out(self.left_out))))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython's protocol
        page = tag(
            "div",
            quoted(self.text),
            fold("BibTeX", source(self.bibtex)),
            fold("All runs as CSV", source(self.csv)),
            tag("div", _left_out(self.left_out)),
        )
        return {"text/plain": str(self), "text/html": str(page)}


def methods(path: str | os.PathLike[str]) -> Methods:
    """Describe the runs of a saved notebook as a paper does.

    Parameters
    ----------
    path : path
        A notebook of format 4; it is only read.

    Returns
    -------
    Methods

    Raises
    ------
    WanError
        It is no notebook, or tells of no run whose record is valid and unedited.
    """
    told = chronicle(path)
    folder = told.document.path.absolute().parent
    return Methods(_paragraph(told.runs(), folder), _bibtex(), _table(told.runs()), told.left_out)


def _paragraph(told: Sequence[Entry], folder: Path) -> str:
    runs = [run for run in told if run.record["from_run"] is None]
    if not runs:
        return "Every clip of this notebook was made by another one; describe that one."
    groups: dict[tuple[bool, str], list[Entry]] = defaultdict(list)
    for run in runs:
        groups[run.record["simulated"], run.record["model"]].append(run)
    ours, python = _versions(runs, "wan_notebook"), _versions(runs, "python")
    real = any(not simulated for simulated, _ in groups)
    sentences = [f"{REAL if real else SIMULATED} wan-notebook {ours} on Python {python}."]
    for (simulated, model), members in sorted(groups.items()):
        sentences += _group(clean(model), members, simulated=simulated)
    sentences += [_elsewhere(told), _money(runs), _repeating(runs, folder)]
    return " ".join(filter(None, sentences))


def _group(model: str, runs: Sequence[Entry], *, simulated: bool) -> Iterator[str]:
    made = [run for run in runs if run.record["state"] == "downloaded"]
    if made:
        seeds = [run.value("seed") for run in made]
        drawn = any("seed" not in run.record["request"]["given"] for run in made)
        few = ", ".join(map(str, seeds[:SEEDS_SHOWN])) + (", …" if len(seeds) > SEEDS_SHOWN else "")
        by = f"by a simulator of {model}, not by the model" if simulated else f"with {model}"
        yield (
            f"{_count(len(made), 'clip')} {'was' if len(made) == 1 else 'were'} made {by} ({_settings(made)}; "
            f"{'seed' if len(made) == 1 else 'seeds'} {few}{DRAWN if drawn else ''}) {_when(made)}"
            f"{'' if simulated else f' in the region {_regions(made)}'}{_earlier(made)}."
        )
    others = Counter(run.record["state"] for run in runs if run.record["state"] != "downloaded")
    if others:
        listed = ", ".join(f"{clean(state)}: {number}" for state, number in sorted(others.items()))
        yield f"{_count(sum(others.values()), 'request')} of {model} gave no clip ({listed})."


def _earlier(runs: Sequence[Entry]) -> str:
    number = sum(run.earlier for run in runs)
    some = "" if number == len(runs) else f"{number} of them "
    return f", {some}in an earlier execution" if number else ""


def _elsewhere(told: Iterable[Entry]) -> str:
    """How many clips are shown of whose making nothing that can be believed is told."""
    known = {run.record["run_id"] for run in told}
    shown = {run.record["from_run"] for run in told if run.record["state"] == "downloaded"} - {None} - known
    clips = f"{_count(len(shown), 'more clip')} {'was' if len(shown) == 1 else 'were'}"
    return f"{clips} made by another notebook; describe that one." if shown else ""


def _settings(runs: Sequence[Entry]) -> str:
    said = []
    for name, words in (("resolution", "{}"), ("duration", "{} s"), ("audio", "")):
        values = list(dict.fromkeys(run.value(name) for run in runs))
        texts = [{True: "with sound", False: "without sound"}.get(v, "") if name == "audio" else words.format(v)
                 for v in values if v is not None]  # fmt: skip
        said.append(one_of(clean(text) for text in texts) if texts else "")
    return ", ".join(filter(None, said))


def _when(runs: Iterable[Entry]) -> str:
    days = sorted({(run.record["submitted_at"] or run.record["created_at"])[:10] for run in runs})
    return f"on {clean(days[0])}" if len(days) == 1 else f"from {clean(days[0])} to {clean(days[-1])}"


def _regions(runs: Iterable[Entry]) -> str:
    return one_of(sorted({clean(run.record["region"]) for run in runs}))


def _versions(runs: Iterable[Entry], name: str) -> str:
    return one_of(sorted({clean(run.record["versions"].get(name, "of unknown version")) for run in runs}))


def _money(runs: Iterable[Entry]) -> str:
    paid = [run for run in runs if not run.record["simulated"] and run.record["state"] == "downloaded"]
    costs = [run.record["cost"] for run in paid]
    if not costs:
        return ""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    unknown, about, dates = 0, False, set()
    for cost in costs:
        if cost is None or cost["amount"] is None:
            unknown += 1
            continue
        sums[cost["currency"]] += Decimal(cost["amount"])
        about = about or cost["estimated"] or cost["about"]
        dates.add(cost["table_date"])
    if not sums:
        return "Their price is not known."
    total = " and ".join(f"{amount.normalize():f} {clean(currency)}" for currency, amount in sorted(sums.items()))
    more = f", and the price of {_count(unknown, 'clip')} is not known" if unknown else ""
    tables = one_of(sorted(map(clean, dates)))
    then = " when they were made," if any(run.earlier for run in paid) else ""
    return f"They cost {'about ' if about else ''}{total}{then} by the price table of {tables}{more}."


def _repeating(runs: Iterable[Entry], folder: Path) -> str:
    """How far the requests can be repeated from the records and the files beside them; nothing if none was sent."""
    sent = [run.record for run in runs if run.record["request"]["sent_sha256"] is not None]
    if not sent:
        return ""
    short = {one["run_id"] for one in sent if one["request"]["sent"] is None}
    untold = {
        one["run_id"] for one in sent if one["private"] or any(name.startswith("sent.") for name in one["shortened"])
    }
    absent = {one["run_id"] for one in sent if not all(_at_hand(item, folder) for item in one["inputs"])}
    untold -= short
    some = len(untold | absent | short)
    reasons = ((UNTOLD, untold), (ABSENT, absent), (SHORT, short))
    what = "; ".join(f"{words}: {len(which)}" for words, which in reasons if which)
    return f"{AGAIN.format(some=some, all=len(sent), what=what) if some else REPEATABLE} {NOT_IDENTICAL}"


def _at_hand(item: Mapping[str, Any], folder: Path) -> bool:
    return item["how"] != "url" and item["sha256"] is not None and genuine(folder, item)[0] is not None


def _bibtex() -> str:
    now = version("wan-notebook")
    return (
        "@software{wan_notebook,\n"
        "  author  = {{The wan-notebook authors}},\n"
        "  title   = {wan-notebook: Wan image-to-video in Jupyter with a record in the cell},\n"
        f"  version = {{{now}}},\n"
        "  license = {BSD-3-Clause}\n"
        "}\n"
    )


def _table(runs: Iterable[Entry]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    money = ("amount", "currency", "estimated", "table_date")
    heads = ("cell", "cell_id", *PLAIN, *PARAMETERS, "prompt", *TIMES, *money, *(f"clip_{name}" for name in CLIP))
    writer.writerow((*heads, "wan_notebook", "sent_sha256"))
    for run in runs:
        record = run.record
        cost, clip = run.cost, record["clip"] or {}
        cells = (
            run.cell,
            run.cell_id,
            *(record[name] for name in PLAIN),
            *map(run.value, PARAMETERS),
            run.prompt,
            *(record[name] for name in TIMES),
            *map(cost.get, money),
            *map(clip.get, CLIP),
            record["versions"].get("wan_notebook"),
            record["request"]["sent_sha256"],
        )
        writer.writerow([_cell(value) for value in cells])
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _left_out(reasons: Sequence[str]) -> str:
    return f"Left out, because they cannot be believed: {'; '.join(reasons)}." if reasons else ""
