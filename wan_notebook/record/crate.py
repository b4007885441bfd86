"""A notebook with its runs as an RO-Crate: to be deposited, and read by others than us.

It follows the Process Run Crate profile: one ``CreateAction`` for each run; its instrument is the model, its objects
are inputs and parameters, its result is the clip. Only the very files of the folder that records name come along.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wan_notebook.errors import ConfigurationError, WanError
from wan_notebook.facts.catalog import catalog
from wan_notebook.record.chronicle import beside, chronicle
from wan_notebook.record.documents import genuine
from wan_notebook.record.redaction import redacted
from wan_notebook.words.phrases import clean

if TYPE_CHECKING:
    import os

    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    from wan_notebook.record.chronicle import Chronicle, Entry

__all__ = ["CrateReport", "export_crate"]

RO_CRATE = "1.1"  # what the profile is built on
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
COMPLETED, FAILED = "http://schema.org/CompletedActionStatus", "http://schema.org/FailedActionStatus"
METADATA = "ro-crate-metadata.json"
MADE = "downloaded"
UNDER_WAY = ("planned", "waiting", "submitting", "following", "downloading", "detached", "undelivered")
NOT_IDENTICAL = "Requests can be repeated, given what is left out; the service does not promise the identical video."
NOT_REAL = "Simulated: made by a simulator of the service, not by the real model."
NO_LICENSE = "No licence was stated when this crate was made: ask its author before you use it."
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a ZIP can say: two exports of one notebook are the same bytes


@dataclass(frozen=True)
class CrateReport:
    """What :func:`export_crate` did.

    Parameters
    ----------
    path : Path
        The folder or ZIP that was written.
    runs, files : int
        How many runs are described, and how many files lie in it besides the metadata.
    left_out : tuple of str
        What was not taken along, and why.
    """

    path: Path
    runs: int
    files: int
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.path}: runs: {self.runs}, files: {self.files}"]
        return "\n".join(lines + [f"left out: {reason}" for reason in self.left_out])


def export_crate(
    path: str | os.PathLike[str],
    crate: str | os.PathLike[str],
    *,
    license: str | None = None,  # noqa: A002  the word of the field
    agent: str | None = None,
) -> CrateReport:
    """Write a saved notebook, its inputs and its clips as an RO-Crate (Process Run Crate 0.5).

    Parameters
    ----------
    path : path
        A notebook of format 4; it is only read.
    crate : path
        A folder that is not there yet or is empty, or a file name that ends in ``.zip``.
    license : str, optional
        Of the crate's contents: an address, or words. Without it the crate says that none was stated.
    agent : str, optional
        Name of the person who ran it.

    Returns
    -------
    CrateReport

    Raises
    ------
    ConfigurationError
        The extra ``crate`` is not installed, or ``crate`` exists already.
    WanError
        It is no notebook, tells of no run that can be believed, or the crate cannot be written.
    """
    told, target = chronicle(path), Path(crate)
    zipped = target.suffix.lower() == ".zip"
    if target.exists() and (zipped or not target.is_dir() or any(target.iterdir())):
        raise ConfigurationError(f"{target} exists already.", hint="Name another one; nothing is overwritten.")
    packing = _Packing(told, _empty_crate())
    packing.describe(license, agent)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "crate"
            packing.write(folder)
            _zip(folder, target) if zipped else shutil.copytree(folder, target, dirs_exist_ok=True)
    except OSError as error:
        raise WanError(
            f"{target} cannot be written ({error.strerror}).", hint="The notebook was not changed."
        ) from None
    return CrateReport(target, len(packing.runs), len(packing.files), tuple(dict.fromkeys(packing.left_out)))


def _empty_crate() -> ROCrate:
    try:
        from rocrate.rocrate import ROCrate
    except ImportError as error:
        raise ConfigurationError(
            f"exporting a crate needs {(error.name or 'rocrate').partition('.')[0]}.",
            hint='Install it: python -m pip install "wan-notebook[crate]"',
        ) from None
    return ROCrate(version=RO_CRATE)


class _Packing:
    """One crate being filled."""

    def __init__(self, told: Chronicle, crate: ROCrate) -> None:
        self.told, self.crate, self.runs = told, crate, told.runs()
        self.folder = told.document.path.parent
        self.files: dict[str, Any] = {}  # by their path in the crate
        self.left_out = [*told.left_out]

    def describe(self, license_: str | None, agent: str | None) -> None:
        """The whole metadata."""
        crate, runs = self.crate, self.runs
        name = clean(self.told.document.path.name)
        simulated = sum(run.record["simulated"] for run in runs)
        said = f"{name} with the inputs and clips of {len(runs)} image-to-video run{'' if len(runs) == 1 else 's'}."
        crate.name = f"{self.told.document.path.stem}: Wan image-to-video runs"
        crate.description = (
            f"{said} {f'Simulated runs: {simulated}; they are no work of the model. ' * bool(simulated)}{NOT_IDENTICAL}"
        )
        moments = [run.record["finished_at"] or run.record["created_at"] for run in runs]
        crate.datePublished = max(moments)[:10]  # the last run's day: the same notebook gives the same crate
        self._license(license_)
        profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
        crate.root_dataset["conformsTo"] = [self._add(PROFILE, profile)]
        notebook = {"name": name, "encodingFormat": ["application/x-ipynb+json"], "description": "The notebook."}
        crate.root_dataset["mainEntity"] = self._file(name, self.told.document.path, notebook)
        person = self._add("#agent", {"@type": "Person", "name": clean(agent)}) if agent else None
        crate.root_dataset["mentions"] = [self._action(run, person) for run in runs]

    def write(self, folder: Path) -> None:
        """The files and the metadata, into a folder that is not there yet."""
        self.crate.write(folder)
        notebook = self.told.document
        shown, cells = redacted(notebook.notebook)
        self.left_out += [f"texts of cell {place + 1}: {why}" for place, why in cells.items()]
        text = json.dumps(shown, ensure_ascii=False, indent=1) + "\n" if cells else notebook.text
        (folder / notebook.path.name).write_text(text, encoding="utf-8")

    def _license(self, said: str | None) -> None:
        if said and said.startswith(("http://", "https://")):
            self.crate.license = self._add(said, {"@type": "CreativeWork", "name": said, "description": "The licence."})
        else:
            self.crate.license = clean(said) if said else NO_LICENSE

    def _action(self, run: Entry, person: ContextEntity | None) -> ContextEntity:
        record, clip = run.record, run.record["clip"]
        made = record["state"] == MADE
        properties: dict[str, Any] = {
            "@type": "CreateAction",
            "name": f"{clean(record['name'] or record['run_id'])}: image to video",
            "description": _story(run),
            "startTime": _time(record["submitted_at"] or record["created_at"]),
            "identifier": [clean(one) for one in (record["run_id"], record["task_id"], record["request_id"]) if one],
        }
        if record["finished_at"]:
            properties["endTime"] = _time(record["finished_at"])
        if made or record["state"] not in UNDER_WAY:
            properties["actionStatus"] = COMPLETED if made else FAILED
        if not made and (record["error"] or record["code"]):
            properties["error"] = clean(record["error"] or record["code"])
        action = self._add(f"#{record['run_id']}", properties)
        action["instrument"] = self._instrument(record)
        action["object"] = [*self._inputs(run), *self._parameters(run)]
        if person is not None:
            action["agent"] = person
        if made and clip is not None:
            size = f"{clip['width']} x {clip['height']} pixels, {clip['duration']:g} s"
            told = {"encodingFormat": "video/mp4", "description": f"{NOT_REAL} {size}" if record["simulated"] else size}
            film = self._known(f"the clip of {record['run_id']}", clip, told)
            if film is not None:
                action["result"] = [film]
                self._beside(record, clip)
        return action

    def _instrument(self, record: dict[str, Any]) -> ContextEntity:
        model, ours = clean(record["model"]), clean(record["versions"].get("wan_notebook", "unknown"))
        if record["simulated"]:
            name, at = f"{model}, simulated", f"#simulated-{quote(model)}"
            said = {"description": NOT_REAL, "softwareVersion": f"wan-notebook {ours}"}
        else:
            name, at = model, f"#model-{quote(model)}"
            said = {"description": "A model of Alibaba Cloud Model Studio.", "softwareVersion": model}
        page = catalog().sources["GUIDE"].url
        return self._add(at, {"@type": "SoftwareApplication", "name": name, **said, "url": page})

    def _inputs(self, run: Entry) -> list[Any]:
        found = []
        for item in run.record["inputs"]:
            what = f"{item['role']} of {run.record['run_id']}"
            if item["sha256"] is not None and item["path"] is not None:
                kind = {"encodingFormat": clean(item["mime"]), "description": f"Sent as {item['role']}."}
                file = self._known(what, item, kind)
                found += [file] if file is not None else []
            else:
                self.left_out.append(f"{what}: given by its address and not kept")
        return found

    def _parameters(self, run: Entry) -> list[ContextEntity]:
        sent = (run.record["request"]["sent"] or {}).get("parameters") or {}
        at = run.record["run_id"]
        plain = {name: value if isinstance(value, (bool, int)) else clean(value) for name, value in sent.items()}
        return [
            self._add(f"#{at}/{quote(name)}", {"@type": "PropertyValue", "name": clean(name), "value": value})
            for name, value in sorted(plain.items())
        ]

    def _known(self, what: str, item: dict[str, Any], told: dict[str, Any]) -> Any:
        """A file a record names, if it is the very one."""
        path, problem = genuine(self.folder, item)
        place = path.relative_to(self.folder.resolve()).as_posix() if path else ""
        if path is None or place in (METADATA, self.told.document.path.name):
            self.left_out.append(f"{what}: {problem or 'its name is taken'}")
            return None
        facts = {"name": path.name, "contentSize": str(item["bytes"]), "sha256": item["sha256"]}
        return self._file(place, path, {**facts, **told})

    def _beside(self, record: dict[str, Any], clip: dict[str, Any]) -> None:
        """The record beside a clip: without it a sweep's run tells nothing, nor does a clip that left the crate."""
        path, name = beside(record, self.folder), clean(clip["path"])
        if path is None:
            self.left_out.append(f"the record beside {name}: it is not there, or not the clip's own")
            return
        facts = {"name": path.name, "contentSize": str(path.stat().st_size), "encodingFormat": "application/json"}
        where = path.relative_to(self.folder.resolve()).as_posix()
        self._file(where, path, {**facts, "description": f"The record of {name}."})

    def _file(self, place: str, source: Path, properties: dict[str, Any]) -> Any:
        if place not in self.files:
            self.files[place] = self.crate.add_file(source, place, properties=properties)
        return self.files[place]

    def _add(self, identifier: str, properties: dict[str, Any]) -> ContextEntity:
        from rocrate.model.contextentity import ContextEntity

        known = self.crate.dereference(identifier)
        return known or self.crate.add(ContextEntity(self.crate, identifier, properties=properties))


def _story(run: Entry) -> str:
    """What happened in a run, in words."""
    record = run.record
    said = [NOT_REAL] if record["simulated"] else []
    said.append(f"Made in an earlier execution, shown in cell {run.cell}." if run.earlier else f"Cell {run.cell}.")
    if record["private"]:
        said.append("Its prompt is private.")
    elif run.prompt:
        said.append(f"Prompt: {clean(run.prompt)}")
    if record["from_run"]:
        said.append(f"Nothing new was made: the clip is that of {record['from_run']}.")
    if record["replay_of"]:
        said.append(f"It repeats the request of {record['replay_of']}.")
    return " ".join(said)


def _time(said: str) -> str:
    """An instant as the profile wants it: with ``+00:00``, not ``Z``."""
    return clean(said).replace("Z", "+00:00")


def _zip(folder: Path, target: Path) -> None:
    part = target.with_name(f".{target.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), ZIP_TIME)
                entry.external_attr = 0o644 << 16
                file.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
