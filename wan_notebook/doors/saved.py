"""The line magics about saved notebooks: ``%wan_verify``, ``%wan_methods``, ``%wan_replay``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wan_notebook.doors import replays
from wan_notebook.doors.options import Parser, add, read
from wan_notebook.errors import ConfigurationError
from wan_notebook.notebook import arguments, frontend
from wan_notebook.notebook.surroundings import shell
from wan_notebook.request.declaration import MEASURES
from wan_notebook.words.privacy import TEXTS

if TYPE_CHECKING:
    from wan_notebook.engine.job import Job
    from wan_notebook.record.findings import Report
    from wan_notebook.record.manuscript import Methods

__all__ = ["methods", "replay", "verify"]


def verify(line: str) -> Report:
    """``%wan_verify [NOTEBOOK]``: this notebook, as it was saved last, or another one against its records."""
    from wan_notebook.hall.verification import verify as check

    return check(_notebook(read(_parser("%wan_verify"), line, str)))


def methods(line: str) -> Methods:
    """``%wan_methods [NOTEBOOK]``: a methods paragraph, a BibTeX entry and a table of all runs."""
    from wan_notebook.record.manuscript import methods as describe

    return describe(_notebook(read(_parser("%wan_methods"), line, str)))


def replay(line: str) -> Job:
    """``%wan_replay [NOTEBOOK] [--cell …] [--run …] …``: a run again, from its record."""
    parser = _parser("%wan_replay")
    parser.private = True  # the prompt of a private run is given again
    for name, text in (
        ("cell", "id, place or name of the cell's run"),
        ("run", "id of the run"),
        ("region", "where it is sent"),
        ("output_dir", "folder for the clip"),
        ("max_cost", "the most it may cost"),
        *((name, "given again") for name in (*TEXTS, *MEASURES)),
    ):
        add(parser, name, flag=False, text=text)
    add(parser, "yes", flag=True, text="do not ask before paying")
    add(parser, "force", flag=True, text="pay even where a replay of this run is still under way")
    running: Any = shell()
    said = read(parser, line, running.ev)
    record, folder = replays.find(_notebook(said), cell=said.get("cell"), run=said.get("run"))
    job = replays.begin(
        record,
        folder,
        settings=arguments.settings(said.get("region"), None, None, None),
        given={name: said.get(name) for name in (*TEXTS, *MEASURES)},
        output_dir=said.get("output_dir"),
        yes=bool(said.get("yes")),
        force=bool(said.get("force")),
        max_cost=said.get("max_cost"),
        say=replays.announce,
    )
    frontend.wait_unattended(job.wait)
    return job


def _parser(magic: str) -> Parser:
    parser = Parser(magic, "one notebook, then options.")
    parser.add_argument("notebook", nargs="?", help="the notebook's file; otherwise this one, as it was saved last")
    return parser


def _notebook(said: dict[str, Any]) -> Any:
    named = said.get("notebook") or frontend.notebook_path()
    if named is None:
        raise ConfigurationError("this front end does not tell the notebook's name.", hint="Write its file's name.")
    return frontend.notebook_folder() / str(named)  # an absolute one stays as it is
