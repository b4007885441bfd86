"""A grid of requests: one request, some of whose fields take several values; every combination is a member.

What is wrong is named for all members at once, before anything is sent.
"""

from __future__ import annotations

import glob
import itertools
import math
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.media.intake import find_files
from wan_notebook.request.declaration import KINDS, MEASURES, I2VRequest, region_problems
from wan_notebook.request.names import ALIASES
from wan_notebook.words.wording import shown, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MOST_MEMBERS", "Grid", "Member", "axes_of", "read_axis"]

MOST_MEMBERS = 500  # as many tasks as the service keeps waiting for one account and model
NAMED = 12  # members named by their numbers in one sentence
RANGE = re.compile(r"(-?[0-9]{1,10})\.\.(-?[0-9]{1,10})", re.ASCII)
RATIOS = ("crop", "pad")
GRAMMAR = "--sweep FIELD=VALUES: 1..4, 480P,720P, 'a prompt|another', images/*.png or $variable"
UNSENT = "Nothing was sent and nothing is billed"


@dataclass(frozen=True)
class Member:
    """One combination.

    Parameters
    ----------
    place : int
        From 0.
    values : mapping
        The fields that vary and what they are here, as they may be shown.
    request : I2VRequest
    """

    place: int
    values: Mapping[str, Any]
    request: I2VRequest

    def __str__(self) -> str:
        return words(self.values)


@dataclass(frozen=True)
class Grid:
    """The members, in order: the last field varies fastest.

    Parameters
    ----------
    axes : mapping of str to sequence
        The fields that vary, and their values.
    members : sequence of Member
    """

    axes: Mapping[str, Sequence[Any]]
    members: Sequence[Member]

    def __str__(self) -> str:
        return " × ".join(f"{len(values)} {name}" for name, values in self.axes.items())

    @classmethod
    def of(cls, fields: Mapping[str, Any], axes: Mapping[str, Sequence[Any]], *, region: str) -> Grid:
        """Every combination, checked.

        Parameters
        ----------
        fields : mapping
            What all members have in common.
        axes : mapping of str to sequence
        region : str
            Where they are to be sent.

        Raises
        ------
        InvalidRequestError
            Every problem of every member at once; nothing was sent.
        """
        if wrong := list(_unusable(fields, axes)):
            raise InvalidRequestError(wrong)
        members: list[Member] = []
        found: dict[Problem, list[Mapping[str, Any]]] = {}
        read: dict[tuple[Any, ...], int] = {}
        told: dict[str, warnings.WarningMessage] = {}
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            for place, values in enumerate(itertools.product(*axes.values())):
                varied = dict(zip(axes, values, strict=True))
                named = {"#": place, **{name: _named(name, value) for name, value in varied.items()}}
                try:
                    request = I2VRequest(**fields, **varied)
                    problems = region_problems(request, region)
                except InvalidRequestError as error:
                    problems = list(error.problems)
                else:
                    # 5 and "5.0" are one duration; media are told apart as they were given
                    same = tuple(id(varied[n]) if n in MEASURES else getattr(request, n) for n in axes)
                    if read.setdefault(same, place) != place:
                        problems.append(Problem("sweep", words(named), f"it is the same as #{read[same]}"))
                    seen = {name: facts.name for name, facts in request.media_facts.items()}
                    shown_as = {name: seen.get(name) or _named(name, getattr(request, name)) for name in axes}
                    members.append(Member(place, shown_as, request))
                for problem in problems:
                    found.setdefault(problem, []).append(named)
        for remark in remarks:
            told.setdefault(str(remark.message), remark)
        for text, remark in told.items():
            warnings.warn(text, remark.category, stacklevel=2)
        if found:
            total = math.prod(map(len, axes.values()))
            raise InvalidRequestError([_of_members(problem, who, total) for problem, who in found.items()])
        return cls(axes, members)


def words(values: Mapping[str, Any]) -> str:
    """What makes a member: ``seed 1, model wan2.6-i2v-flash``."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def read_axis(text: str, value: object = None) -> tuple[str, list[Any]]:
    """One ``--sweep FIELD=VALUES``.

    Parameters
    ----------
    text : str
        As written: values of one field, separated by commas; ``1..4`` stands for 1,2,3,4. With a ``|`` in it they are
        separated by that alone; prompts always are, because prose has commas. Of a picture ``*`` and ``?`` stand for
        files.
    value : object, optional
        What ``$variable`` held, instead of text.

    Raises
    ------
    InvalidRequestError

    Examples
    --------
    >>> read_axis("seed=1..4"), read_axis("resolution=480P,720P"), read_axis("prompt=It runs, fast|It sits")
    (('seed', [1, 2, 3, 4]), ('resolution', ['480P', '720P']), ('prompt', ['It runs, fast', 'It sits']))
    """
    name, sign, said = text.partition("=")
    name = ALIASES.get(name := name.strip().lstrip("-").replace("-", "_"), name)
    if not sign or name not in KINDS:
        close = suggest(name, KINDS)
        fix = f"Did you mean {close}? {GRAMMAR}" if close and name not in KINDS else GRAMMAR
        what = "there is no such field" if sign else "it names no values"
        raise InvalidRequestError([Problem("sweep", shown(name) if sign else "", what, fix=fix)])
    if value is not None:
        return name, several(name, value) or [value]
    parts = said.split("|") if "|" in said or KINDS[name] == "text" else said.split(",")
    values: list[Any] = []
    for part in (part.strip() for part in parts):
        found = RANGE.fullmatch(part) if KINDS[name] == "integer" else None
        if found:
            first, last = int(found[1]), int(found[2])
            step = 1 if last >= first else -1
            if abs(last - first) >= MOST_MEMBERS:
                raise InvalidRequestError([_too_many(abs(last - first) + 1)])
            values += range(first, last + step, step)
        elif name in MEASURES and glob.has_magic(part) and "://" not in part:
            files = list(map(str, find_files(part)))
            if not files:
                raise InvalidRequestError([Problem(name, shown(part), "no file has such a name")])
            values += files
        elif KINDS[name] == "integer" and ".." in part:
            fix = "A range has a whole number on either side: 1..4"
            raise InvalidRequestError([Problem(name, shown(part), "it is not a range", fix=fix)])
        elif part:
            values.append(part)
    return name, values


def several(name: str, value: Any) -> list[Any] | None:
    """The values, where ``value`` is several of a field's; None where it is one."""
    if name not in KINDS or isinstance(value, (str, bytes, bytearray, memoryview, Mapping)):
        return None
    if name in RATIOS and isinstance(value, tuple) and all(isinstance(part, (int, float)) for part in value):
        return None
    if name in MEASURES and not isinstance(value, (list, tuple)):
        # an array is one picture; a generator and the like are several, and have no shape
        return list(value) if hasattr(value, "__next__") else None
    return list(value) if isinstance(value, Iterable) else None


def axes_of(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The fields that are the same for all, and those that vary, of what was given by name."""
    fields: dict[str, Any] = {}
    axes: dict[str, list[Any]] = {}
    for given, value in parameters.items():
        name = ALIASES.get(given, given)
        found = several(name, value)
        if found is None:
            fields[given] = value
        else:
            axes[name] = found
    return fields, axes


def _unusable(fields: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> Iterable[Problem]:
    """What is wrong with the grid itself."""
    if not axes:
        yield Problem("sweep", "", "nothing varies", fix=f"{GRAMMAR}; from Python a list for a field")
    for name, values in axes.items():
        if not values:
            yield Problem(name, "", "it has no values")
        if name in fields or any(ALIASES.get(given, given) == name for given in fields):
            yield Problem(name, "", "it is given once for all, and swept", fix="Leave one of them out")
        seen: list[Any] = []
        for value in values:
            key = str(value) if isinstance(value, (str, int, float, Path)) else id(value)
            if key in seen:
                yield Problem(name, shown(value), "it is there twice", fix="Each combination is made once")
            seen.append(key)
    total = math.prod(map(len, axes.values()))
    if total > MOST_MEMBERS:
        yield _too_many(total)


def _too_many(total: int) -> Problem:
    what = f"{total} combinations are too many for one sweep"
    return Problem("sweep", "", what, f"at most {MOST_MEMBERS}", fix="Make several of it")


def _named(name: str, value: Any) -> Any:
    """A value as a table shows it: numbers and words as they are, everything else in short."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    return value if name not in MEASURES and isinstance(value, (bool, int, float, str)) else shown(value)


def _of_members(problem: Problem, who: Sequence[Mapping[str, Any]], total: int) -> Problem:
    """A problem with the members that have it, by their numbers and what they have in common."""
    if len(who) == total:
        return problem
    numbers = ", ".join(f"#{one['#']}" for one in who[:NAMED]) + (", …" if len(who) > NAMED else "")
    alike = {name: value for name, value in who[0].items() if name != "#" and all(one[name] == value for one in who)}
    same = f": {words(alike)}" if alike else ""
    members = f"{len(who)} of {total} combinations ({numbers}{same})"
    return Problem(problem.field, problem.value, f"{problem.problem}, in {members}", problem.allowed, problem.fix)
