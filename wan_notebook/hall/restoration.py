"""From a record back to the request that was sent: the same body, from the kept bytes or from what is given again.

A record may come from anywhere. No address and no path outside its folder is taken from it, a file only if its digest
is the recorded one, and the body that would be sent is compared with the recorded one before anything is paid.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import ConfigurationError, InvalidRequestError, Problem
from wan_notebook.media.origins import origin_told
from wan_notebook.record.documents import genuine
from wan_notebook.record.footage import probe_clip
from wan_notebook.record.provenance import digest
from wan_notebook.request.declaration import KINDS, UnknownModelWarning
from wan_notebook.request.provision import needs_fetching, provide, upload_above
from wan_notebook.request.recalled import recalled
from wan_notebook.service.wire import encode
from wan_notebook.tasks import Cost, Task
from wan_notebook.windows.player import Film
from wan_notebook.words.addresses import is_address
from wan_notebook.words.privacy import TEXTS, sealed, sealed_body
from wan_notebook.words.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wan_notebook.request.declaration import I2VRequest

__all__ = ["Restored", "differences", "film_of", "recorded_cost", "restored"]

MOST_CHANGES = 10  # of one input, told again
FRAMING = ("crop", "pad", "fit")


@dataclass(frozen=True)
class Restored:
    """A request as it was.

    Parameters
    ----------
    request : I2VRequest
    seed : int
    checked : bool
        Whether its body is known to be the recorded one; otherwise that is found out before it is sent, once a picture
        at an address was fetched.
    """

    request: I2VRequest
    seed: int
    checked: bool


def restored(record: Mapping[str, Any], folder: Path, given: Mapping[str, Any], *, uploads: bool) -> Restored:
    """The request of a record that can be believed.

    Parameters
    ----------
    record : mapping
    folder : Path
        What its paths are relative to.
    given : mapping
        Texts and media that are given again, by the name of their field.
    uploads : bool
        Whether the region has the temporary upload.

    Raises
    ------
    ConfigurationError
        The run was never sent.
    InvalidRequestError
        Something has to be given again, is not what it was, or cannot work any more.
    """
    told = record["request"]
    if told["sent"] is None:
        raise ConfigurationError(
            f"{record['run_id']} was never sent: there is nothing to repeat.", hint="Run its cell."
        )
    problems = list(_texts(record, given))
    media: dict[str, Any] = {}
    for item in record["inputs"]:
        problem = _medium(item, folder, given, media)
        problems += [problem] if problem else []
    unused = given.keys() - media.keys() - set(TEXTS)
    problems += [Problem(name, shown(given[name]), "that run had none", fix="Leave it out") for name in unused]
    if problems:
        raise InvalidRequestError(problems)
    texts = {name: given[name] for name in TEXTS if name in given}
    fields = {**texts, **media, **_travel(record, media)}
    known = recalled({}, sent=told["sent"])
    framing = {name: told["asked"][name] for name in FRAMING if told["asked"].get(name)}
    ways = ({}, framing) if framing and given.keys() & media.keys() else ({},)  # as sent, or as it was before framing
    for way in ways:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownModelWarning)  # said among what differs today
            request = known.replace(**fields, **way)
        seed = request.seed if request.seed is not None else -1
        now = _as_sent(request, seed, uploads=uploads)
        if now is None or digest(sealed_body(now) if record["private"] else now) == told["sent_sha256"]:
            return Restored(request.remembering(_told(record, given)), seed, checked=now is not None)
    said = "; ".join(differences(told["sent"], now)) or "the request"
    raise InvalidRequestError([Problem("request", "", f"it would not be the one that was sent: {said}")])


def differences(then: Any, now: Any, place: str = "") -> Iterator[str]:
    """Where two recorded bodies are not the same.

    >>> list(differences({"parameters": {"seed": 1}}, {"parameters": {"seed": 2}}))
    ['parameters.seed was 1, would be 2']
    """
    if isinstance(then, dict) and isinstance(now, dict):
        for name in sorted(then.keys() | now.keys()):
            yield from differences(then.get(name), now.get(name), f"{place}.{name}" if place else name)
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, (one, other) in enumerate(zip(then, now, strict=True), 1):
            yield from differences(one, other, f"{place}[{number}]")
    elif then != now:
        yield f"{place} was {shown(then)}, would be {shown(now)}"


def film_of(record: Mapping[str, Any], folder: Path, seen_from: Path) -> tuple[Film | None, str]:
    """The clip of a record, to be shown in a notebook in ``seen_from``; or None and why it cannot be."""
    if record["clip"] is None:
        return None, "that run has no clip"
    path, problem = genuine(folder, record["clip"])
    if path is None:
        return None, f"the clip of that run is not shown beside it: {problem}"
    task = Task(record["task_id"], record["task_status"] or "") if record["task_id"] else None
    cost = recorded_cost(record["cost"])
    return Film(probe_clip(path), cost, task, record["name"], seen_from, record["simulated"]), ""


def recorded_cost(told: Mapping[str, Any] | None) -> Cost | None:
    """The cost a record tells of."""
    if told is None:
        return None
    amount, rate = (None if told[name] is None else Decimal(told[name]) for name in ("amount", "rate"))
    names = ("currency", "seconds", "estimated", "about", "region", "table_date")
    return Cost(amount=amount, rate=rate, source="", **{name: told[name] for name in names})


def _texts(record: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the prompts: private and shortened ones are given again, and must be those of the run."""
    told = record["request"]["sent"].get("input") or {}
    for name in TEXTS:
        held, said = told.get(name), given.get(name)
        short = f"sent.{name}" in record["shortened"]
        if said is None and (isinstance(held, dict) or short):
            why = (
                "it is private"
                if isinstance(held, dict)
                else "it was too long for the record, which holds its beginning"
            )
            fix = f"Give it again (--{name.replace('_', '-')}, {name}=); its digest tells whether it is the same"
            yield Problem(name, "", why, fix=fix)
        elif said is not None and not short and held != (sealed(said) if isinstance(held, dict) else said):
            yield Problem(name, "", "it is not the one of that run", fix="A replay repeats it as it was")


def _medium(item: Mapping[str, Any], folder: Path, given: Mapping[str, Any], media: dict[str, Any]) -> Problem | None:
    """Put the medium an input tells of into ``media``, or say why it has to be given again."""
    role = item["role"]
    again = f"Give it again (--{role.replace('_', '-')}, {role}=)"
    if role not in KINDS or KINDS[role] not in ("image", "sound"):
        return Problem("inputs", shown(role), "there is no such input")
    if role in given:
        media[role] = given[role]
        return None
    if item["sha256"] is None or item["how"] == "url":
        where = item["url"] or item["name"] or ""
        return Problem(role, shown(where), "it was given by its address, and none is taken from a record", fix=again)
    path, problem = genuine(folder, item)
    if path is None:
        return Problem(role, shown(item["path"] or item["name"] or ""), problem, fix=again)
    media[role] = path.read_bytes()  # in hand: what is checked is what is sent
    return None


def _told(record: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the record says of the inputs that are sent as they were kept: words to repeat, nothing to open."""
    told: dict[str, dict[str, Any]] = {}
    for item in record["inputs"]:
        if item["role"] not in given:
            done = (one for one in item["changes"][:MOST_CHANGES] if isinstance(one, str))
            said = told[item["role"]] = {"changes": tuple(done)}
            said |= {"name": PurePosixPath(item["name"]).name} if item["name"] else {}
            origin = origin_told(item["origin"]) if KINDS[item["role"]] == "image" else None
            said |= {"origin": origin} if origin else {}
    return told


def _travel(record: Mapping[str, Any], media: Mapping[str, Any]) -> dict[str, Any]:
    """How the media went, so that they go the same way."""
    items = [item for item in record["inputs"] if KINDS[item["role"]] == "image"]
    ways = {item["how"] for item in items if item["how"] != "url" and item["sha256"] is not None}
    pinned = any(item["how"] == "url" and item["sha256"] for item in items)
    at_address = any(isinstance(media[item["role"]], str) and is_address(media[item["role"]]) for item in items)
    return {**({"upload": ways.pop()} if len(ways) == 1 else {}), **({"pin": True} if pinned and at_address else {})}


def _as_sent(request: I2VRequest, seed: int, *, uploads: bool) -> dict[str, Any] | None:
    """The body as it would be recorded; None where a picture has to be fetched first."""
    above, media = upload_above(request, uploads=uploads), {}
    for name, facts in request.media_facts.items():
        if needs_fetching(request, facts):
            return None
        media[name] = provide(request, facts, max_raw_base64=above)
    return encode(request, seed=seed, media=media)[1]
