"""What the doors from Python are given besides a request's own fields: read and checked in one way for all of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from wan_notebook.config import OUTPUTS, Settings
from wan_notebook.engine.spending import Money, Terms
from wan_notebook.errors import ConfigurationError, InvalidRequestError, Problem
from wan_notebook.keys import KEY_REFUSED, KEY_SEEN, Secret
from wan_notebook.media.intake import look_in
from wan_notebook.notebook import frontend
from wan_notebook.request.declaration import I2VRequest
from wan_notebook.request.recalled import RecalledRequest
from wan_notebook.words.wording import holds_key, shown

__all__ = ["check_key", "check_types", "outputs", "requested", "settings", "taken", "terms"]

TYPES: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "region": (str,),
    "api_key": (Secret,),  # the doors seal it
    "base_url": (str,),
    "workspace": (str,),
    "output_dir": (str, Path),
    "embed": (bool,),
    "yes": (bool,),
    "force": (bool,),
    "private": (bool,),
    "max_cost": (int, float, str),
    "timeout": (int, float),
}


def check_types(**given: object) -> None:
    """Refuse wrong types of our own arguments before anything is sent; the request checks its own.

    Raises
    ------
    InvalidRequestError
        Names each of them, and never shows a key.
    ConfigurationError
        The key can be none.
    """
    problems = []
    for name, value in given.items():
        kinds = TYPES[name]
        if value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and kinds != (bool,))):
            takes = f"{' or '.join('str' if kind is Secret else kind.__name__ for kind in kinds)}, or None"
            problems.append(Problem(name, shown(value), "it is of the wrong type", takes))
        elif isinstance(value, Secret):
            Secret(value)
    if problems:
        raise InvalidRequestError(problems)


def taken(
    region: str | None, api_key: Secret | None, base_url: str | None, workspace: str | None, **others: object
) -> dict[str, Any]:
    """The keywords of a door that calls the service, of the right types, as what does the work takes them.

    The four that say where to call become ``settings``; the others stay as they are.

    Raises
    ------
    InvalidRequestError, ConfigurationError
        As :func:`check_types` and :func:`settings`.
    """
    check_types(region=region, api_key=api_key, base_url=base_url, workspace=workspace, **others)
    return {**others, "settings": settings(region, api_key, base_url, workspace)}


def requested(request: I2VRequest | None, parameters: dict[str, Any]) -> I2VRequest:
    """The request that was given whole, in parts, or both.

    Raises
    ------
    InvalidRequestError
    """
    if request is not None and not isinstance(request, I2VRequest):
        fix = "Write prompt=…, image=… with their names."
        raise InvalidRequestError([Problem("request", shown(request), "it is no I2VRequest", fix=fix)])
    look_in(frontend.notebook_folder())
    if request is None:
        return I2VRequest(**parameters)
    told_of = isinstance(request, RecalledRequest)  # it is completed by the parameters, or refused for what is missing
    return request.replace(**parameters) if parameters or told_of else request


def settings(region: str | None, api_key: Secret | None, base_url: str | None, workspace: str | None) -> Settings:
    """The settings of a call, with what ``%config`` says where the call says nothing.

    Raises
    ------
    InvalidRequestError
        The running cell holds the key.
    ConfigurationError
    """
    found = Settings.resolve(
        region=region, api_key=api_key, base_url=base_url, workspace=workspace, preferences=frontend.preferences()
    )
    check_key(found)
    return found


def check_key(settings: Settings) -> list[str]:
    """What to remark about the key: a notebook is saved and shared, and no key may stand in it.

    Raises
    ------
    InvalidRequestError
        The running cell holds it.
    """
    held = settings.key is not None and holds_key(settings.key.reveal())
    typed = frontend.typed(settings.require_key().reveal()) if held else None
    if typed:
        raise InvalidRequestError([KEY_REFUSED])
    return [KEY_SEEN] if typed is False else []


def outputs(output_dir: str | Path | None) -> Path:
    """The folder clips and inputs are kept in; a relative one starts in the notebook's folder, after ``os.chdir``, too.

    Raises
    ------
    ConfigurationError
        ``~name`` names nobody.
    """
    chosen = Path(output_dir or frontend.preferences().get("output_dir") or OUTPUTS)
    try:
        chosen = chosen.expanduser()
    except RuntimeError:
        raise ConfigurationError(
            f"there is no such home folder: {shown(chosen)}.", hint="Nothing was sent and nothing is billed."
        ) from None
    return chosen if chosen.is_absolute() else frontend.notebook_folder() / chosen


def terms(
    *,
    force: bool,
    yes: bool,
    max_cost: float | str | None,
    budget: str | None = None,
    project_budget: str | None = None,
    project: str | Path | None = None,
) -> Terms:
    """Under which a run may be paid; what is not given is what ``%config`` says, or the environment.

    Raises
    ------
    ConfigurationError
        A limit is no amount of money.
    """

    def said(name: str, given: object) -> tuple[str, object]:
        variable = f"WAN_NOTEBOOK_{name.upper()}"
        places = {
            f"--{name.replace('_', '-')}": given,
            f"WanMagics.{name}": frontend.preferences().get(name),
            variable: os.environ.get(variable),
        }
        return next(((where, value) for where, value in places.items() if value not in (None, "")), (name, None))

    def limit(name: str, given: object) -> Money | None:
        where, value = said(name, given)
        return Money.read(value, where)

    folder = said("project", project)[1]
    return Terms(
        force=force,
        yes=yes,
        unrecorded=yes,
        max_cost=Money.read(max_cost, "max_cost"),
        session=limit("budget", budget),
        project=limit("project_budget", project_budget),
        folder=os.path.realpath(frontend.notebook_folder() / Path(str(folder)).expanduser()) if folder else None,
    )
