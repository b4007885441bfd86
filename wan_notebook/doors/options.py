"""The line of a magic: split, expanded, and read; that of ``%%wan_i2v`` into the fields of a request.

Its options are generated from the request's own declaration. Nothing is guessed: no abbreviations, no repeats.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from wan_notebook.doors.expressions import expanded, words
from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.keys import KEY_REFUSED
from wan_notebook.notebook.surroundings import preferences
from wan_notebook.request.declaration import parameters
from wan_notebook.request.grid import read_axis
from wan_notebook.words.wording import holds_key, shown, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Line", "Parser", "add", "help_text", "parse", "read"]

FIELD = re.compile(r"[A-Za-z_-]+=")
LIKENESS = 0.7  # of a word to the option it may mean
ASKS_FOR_HELP = ("--help", "-h")
WIDTH = 88  # characters of the help: JupyterLab's pager breaks longer lines inside words
SHORT = {"model": "-m", "image": "-i", "resolution": "-r", "duration": "-d", "seed": "-s"}


@dataclass(frozen=True)
class Line:
    """What a magic line said.

    Attributes
    ----------
    name : str or None
        The variable the job is bound to.
    fields : dict
        The request's fields as written.
    region, output_dir : str or None
    wait, embed : bool or None
    yes, force, dry_run, private : bool
    sweep : dict
        The fields that vary, and their values.
    max_cost : str or None
    """

    name: str | None
    fields: dict[str, Any] = field(default_factory=dict)
    region: str | None = None
    output_dir: str | None = None
    wait: bool | None = None
    embed: bool | None = None
    yes: bool = False
    force: bool = False
    dry_run: bool = False
    private: bool = False
    max_cost: str | None = None
    sweep: dict[str, list[Any]] = field(default_factory=dict)


class _RefusedError(Exception):
    """What argparse would have printed before ending the process."""


class Parser(argparse.ArgumentParser):
    """The options of one magic.

    Parameters
    ----------
    prog : str
        The magic as it is written, e.g. ``%wan_tasks``.
    surplus : str
        What to do about a word too many.
    """

    def __init__(self, prog: str, surplus: str = "") -> None:
        super().__init__(
            prog=prog,
            usage="%(prog)s [NAME] [--OPTION VALUE] [--SWITCH or --no-SWITCH] ...",
            add_help=False,
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            formatter_class=partial(argparse.HelpFormatter, width=WIDTH),
        )
        self.surplus = surplus
        self.private = False  # whether a line may hold a private prompt and need not say so

    def error(self, message: str) -> NoReturn:
        raise _RefusedError(message)


class _Once(argparse.Action):
    """An option that may be given once; boolean ones also as ``--no-…``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if hasattr(namespace, self.dest):
            parser.error(f"{option_string} is given twice")
        flag = self.nargs == 0
        setattr(namespace, self.dest, not (option_string or "").startswith("--no-") if flag else values)


class _Several(argparse.Action):
    """An option that may be given several times, each time for another field."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:  # noqa: ARG002  argparse's protocol
        setattr(namespace, self.dest, [*getattr(namespace, self.dest, []), values])


def _parser() -> Parser:
    parser = Parser("%%wan_i2v", "one variable name, then options. The prompt goes below the line.")
    parser.add_argument("name", nargs="?", help="variable the Job is bound to")
    group = parser.add_argument_group("the request (the cell's body is the prompt)")
    for info in parameters():
        if info.name != "prompt":
            choices = f" ({', '.join(map(str, info.choices))})" if info.choices else ""
            add(group, info.name, info.kind == "flag", info.help + choices, SHORT.get(info.name))
    text = "make several clips: seed=1..4, resolution=480P,720P, prompt='one|another', image=pictures/*.png or $list"
    group.add_argument("--sweep", dest="sweep", action=_Several, metavar="FIELD=VALUES", help=text)
    group = parser.add_argument_group("this notebook")
    add(group, "region", flag=False, text="singapore (default), beijing, virginia, frankfurt or simulator")
    add(
        group, "output_dir", flag=False, text="folder for the clips, relative to the notebook (wan_outputs)", short="-o"
    )
    add(group, "wait", flag=True, text="wait for the clip in the cell; headless runs wait by themselves", short="-w")
    add(group, "embed", flag=True, text="put clips up to 5 MB into the notebook instead of linking them")
    add(group, "yes", flag=True, text="submit even where the price is unknown or the ledger is of no use", short="-y")
    add(group, "force", flag=True, text="make and pay for a new clip even where this very request was paid for already")
    add(group, "max_cost", flag=False, text="the most this clip may cost: 0.5, or '0.5 USD'")
    add(group, "private", flag=True, text="keep the prompts out of card, record, ledger and log; their digests stay")
    add(group, "dry_run", flag=True, text="send nothing: show the request, its curl and SDK, the price", short="-n")
    return parser


def add(group: Any, name: str, flag: bool, text: str, short: str | None = None) -> None:
    """Declare an option that is given at most once; a flag has its ``--no-…`` too."""
    names = [*([short] if short else []), f"--{name.replace('_', '-')}"]
    if "_" in name:
        names.append(f"--{name}")
    if flag:
        names.append(f"--no-{name.replace('_', '-')}")
    extra: dict[str, Any] = {"nargs": 0} if flag else {"metavar": name.upper()}
    group.add_argument(*names, dest=name, action=_Once, help=text.replace("%", "%%"), **extra)


def help_text() -> str:
    """All options, as ``%%wan_i2v?`` shows them."""
    return _parser().format_help()


def parse(line: str, evaluate: Callable[[str], Any]) -> Line:
    """Read a magic line.

    Parameters
    ----------
    line : str
    evaluate : callable
        Gives the value of a Python expression of the notebook, for ``$name`` and ``{expression}``.

    Raises
    ------
    InvalidRequestError
        Every problem of the line at once.
    """
    said = read(_parser(), line, evaluate)
    sweep = said.pop("sweep", {})
    ours = {name: said.pop(name, None) for name in ("name", "region", "output_dir", "wait", "embed", "max_cost")}
    ours |= {name: bool(said.pop(name, False)) for name in ("yes", "force", "dry_run", "private")}
    return Line(fields=said, sweep=sweep, **ours)


def read(parser: Parser, line: str, evaluate: Callable[[str], Any]) -> dict[str, Any]:
    """What a magic line says, by the names of the parser's options; only those that are given.

    Parameters
    ----------
    parser : Parser
    line : str
    evaluate : callable
        Gives the value of a Python expression of the notebook, for ``$name`` and ``{expression}``.

    Raises
    ------
    InvalidRequestError
        Every problem of the line at once.
    """
    if holds_key(line):
        raise InvalidRequestError([KEY_REFUSED])
    objects: dict[str, Any] = {}
    tokens: list[str] = []
    said = words(line)
    private = parser.private or "--private" in said or bool(preferences().get("private"))
    for token in said:
        named = FIELD.match(token) if tokens[-1:] == ["--sweep"] else None
        head = named[0] if named else ""
        tokens.append(head + expanded(token.removeprefix(head), evaluate, objects, private=private))
    try:
        found, left = parser.parse_known_args(tokens)
    except _RefusedError as refusal:
        fix = f"A value that begins with a dash is written --option=-value; see {parser.prog}? for all options"
        problem = Problem("line", _echo(line, parser), str(refusal), fix=fix)
        raise InvalidRequestError([problem]) from None
    if left:
        raise InvalidRequestError([_unknown(t, parser) for t in left if t.startswith("-") or t is left[0]])
    axes = {"sweep": dict(_axes(found.sweep, objects))} if hasattr(found, "sweep") else {}
    held = {n: objects.get(value, value) if isinstance(value, str) else value for n, value in vars(found).items()}
    return {**held, **axes}


def _axes(said: Sequence[str], objects: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """The fields that vary, each once, and their values."""
    seen = set()
    for text in said:
        name, values = read_axis(text, objects.get(text.partition("=")[2]))
        if name in seen:
            raise InvalidRequestError([Problem("sweep", "", f"{name} is swept twice", fix="Write it once")])
        seen.add(name)
        yield name, values


def _echo(said: str, parser: Parser) -> str:
    """A part of the line, for an error; nothing where it may be of a prompt, which may be private."""
    return "" if "--negative-prompt" in parser._option_string_actions else shown(said)  # noqa: SLF001  as below


def _unknown(token: str, parser: Parser) -> Problem:
    if not token.startswith("-"):
        return Problem("line", _echo(token, parser), "one word too many", fix=parser.surplus)
    word = token.partition("=")[0]
    known: Sequence[str] = [name for name in parser._option_string_actions if name.startswith("--")]  # noqa: SLF001  argparse has no public list
    bare = word.lstrip("-").replace("_", "-")
    close = suggest(bare, [name[2:] for name in known], likeness=LIKENESS) if word not in ASKS_FOR_HELP else ""
    close = close and f"--{close}"
    fix = f"Did you mean {close}?" if close else f"See {parser.prog}? for all options."
    return Problem(shown(word), "", "there is no such option", fix=fix)
