"""The runs a form can be filled from, of this notebook, the ledger, or beside a clip, and the fields they give.

A record may come from anywhere. Of it a form takes texts and numbers, which a request checks and the person sees, and a
picture or a sound only where the file lies in the notebook's folder and has the recorded digest; no address, no region.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import ConfigurationError, WanError
from wan_notebook.hall.session import session
from wan_notebook.ledger.runs import told
from wan_notebook.notebook import frontend
from wan_notebook.record.chronicle import chronicle, distrusted
from wan_notebook.record.documents import genuine
from wan_notebook.record.sidefiles import load_record
from wan_notebook.request.declaration import MEASURES
from wan_notebook.request.recalled import recalled
from wan_notebook.words.phrases import clean, moment, shortened
from wan_notebook.words.privacy import TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["beside_a_clip", "filling", "runs_to_load"]

MOST = 30  # runs of the ledger
TITLE = 40  # characters of a prompt
SHORT = 12  # of a run id, among runs that are called the same
FRAMING = ("crop", "pad", "fit")
EXPLICIT = ("resolution", "duration", "audio", "seed")  # as they were sent, whether given or drawn


def runs_to_load() -> list[tuple[str, tuple[Mapping[str, Any], Path]]]:
    """Runs that can be loaded, newest first: a title, and the record with the folder its paths are relative to.

    What only showed the clip of a run that is in the list as well is left out.
    """
    found: dict[str, tuple[str, tuple[Mapping[str, Any], Path]]] = {}
    for where, record, folder in (*_of_this_notebook(), *_of_the_ledger()):
        if not distrusted(record) and record["run_id"] not in found:
            found[record["run_id"]] = (_title(where, record), (record, folder))
    own = [one for one in found.values() if one[1][0]["from_run"] not in found]
    times = Counter(title for title, _ in own)
    told = [(title if times[title] == 1 else f"{title} · {_short(loaded[0])}", loaded) for title, loaded in own]
    return sorted(told, key=lambda one: str(one[1][0]["created_at"]), reverse=True)


def beside_a_clip(path: str) -> tuple[Mapping[str, Any], Path]:
    """The record beside a clip, and the folder its paths are relative to.

    Raises
    ------
    WanError
        There is none, or none that can be believed.
    """
    clip = frontend.notebook_folder() / Path(path).expanduser()
    record = load_record(clip)
    if why := distrusted(record):
        raise ConfigurationError(f"this record is not loaded: {why}.", hint="Nothing was changed in the form.")
    return record, clip.parent


def filling(record: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The fields of a run that can be believed, and what has to be given again, with the reason.

    Parameters
    ----------
    record : mapping
        One that is not distrusted.
    folder : Path
        What its paths are relative to.
    """
    told = record["request"]
    known = recalled(told["asked"], given=told["given"], sent=told["sent"])
    sent = known.effective()
    values = {name: getattr(known, name) for name in known.given if name not in MEASURES}
    values |= {name: sent[name] for name in EXPLICIT if sent.get(name) is not None}
    values = {name: value for name, value in values.items() if value is not None}
    lost = [f"{_words(name)} ({why})" for name, why in _lost_texts(record) if values.pop(name, "") is not None]
    media, missing = _media(record, folder)
    if media and not missing:  # the kept bytes are those that were sent, framed already
        values = {name: value for name, value in values.items() if name not in FRAMING}
    return {**values, **media}, [*lost, *missing]


def _media(record: Mapping[str, Any], folder: Path) -> tuple[dict[str, str], list[str]]:
    """The kept files of a run, as a form in this notebook names them; and what has to be given again."""
    here, media, missing = frontend.notebook_folder().resolve(), {}, []
    for item in record["inputs"]:
        role = item["role"]
        if role not in MEASURES:
            continue
        path, problem = (None, "it was at an address") if item["how"] == "url" else genuine(folder, item)
        if path is None:
            missing.append(f"{_words(role)} ({problem})")
        else:
            media[role] = path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)
    return media, missing


def _lost_texts(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts a record holds only in part or as a digest."""
    told = (record["request"]["sent"] or {}).get("input") or record["request"]["asked"]
    for name in TEXTS:
        if isinstance(told.get(name), dict):
            yield name, "it is private"
        elif {f"sent.{name}", f"asked.{name}"} & set(record["shortened"]):
            yield name, "it was too long for the record"


def _of_this_notebook() -> Iterator[tuple[str, dict[str, Any], Path]]:
    path = frontend.notebook_path()
    try:
        entries = chronicle(path).entries if path is not None else ()
    except WanError:  # nothing in it yet
        return
    for entry in entries:
        yield f"cell {entry.cell}", entry.record, path.parent if path else Path()


def _of_the_ledger() -> Iterator[tuple[str, dict[str, Any], Path]]:
    path = frontend.notebook_path()
    for run in session().ledger.runs("record IS NOT NULL AND folder IS NOT NULL AND from_run IS NULL", limit=MOST):
        where = "" if path is not None and run.notebook == str(path) else Path(run.notebook or "a script").name
        yield where, told(run.record), Path(run.folder or "")


def _title(where: str, record: Mapping[str, Any]) -> str:
    prompt = ((record["request"]["sent"] or {}).get("input") or record["request"]["asked"]).get("prompt")
    said = record["name"] or (shortened(prompt, TITLE) if isinstance(prompt, str) else "private")
    parts = (moment(record["created_at"]), where, said, record["model"])
    return " · ".join(clean(part) for part in parts if part)


def _short(record: Mapping[str, Any]) -> str:
    return str(record["run_id"])[:SHORT]


def _words(name: str) -> str:
    return name.replace("_", " ")
