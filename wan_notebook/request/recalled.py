"""A request that was made before or elsewhere, as far as it is known: from a record, the ledger, or the service."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  pydantic reads the annotation of a private attribute
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, PrivateAttr, ValidationError

from wan_notebook.facts.catalog import catalog
from wan_notebook.media.medium import Facts, ImageFacts
from wan_notebook.media.sounds import SoundFacts
from wan_notebook.request.declaration import KINDS, MEASURES, I2VRequest, parameters
from wan_notebook.words.addresses import recorded_url
from wan_notebook.words.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wan_notebook.facts.nouns import ModelSpec

__all__ = ["RecalledRequest", "recalled"]

DESCRIBED: dict[str, type[Facts]] = {"image": ImageFacts, "sound": SoundFacts}
MAX_NAME = 300


class RecalledRequest(I2VRequest):
    """A request that is only told of; made by :func:`recalled`, never sent.

    What is not known of it is None, whatever the type of the field says. Nothing is checked, no default of ours is
    filled in, and its media are names without bytes. :meth:`replace` makes a request of it that can be sent.
    """

    _given: frozenset[str] = PrivateAttr(default=frozenset())
    _sent: dict[str, Any] = PrivateAttr(default_factory=dict)
    _facts: Mapping[str, Facts] = PrivateAttr(default_factory=dict)

    @property
    def spec(self) -> ModelSpec:
        """What the model accepts; of an unknown one nothing is known."""
        return catalog().model(self.model or "")

    @property
    def given(self) -> frozenset[str]:
        """Names of the fields the caller had set; of a request not recorded by us: of those that are known."""
        return self._given

    @property
    def predicted_size(self) -> None:
        """Not known: there is no picture."""

    def effective(self) -> dict[str, Any]:
        """Every field as it was sent, as far as that is known; None otherwise."""
        values = {name: getattr(self, name) for name in KINDS}
        return {name: self._sent.get(name) if value is None else value for name, value in values.items()}

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        for name, value in self.effective().items():
            facts = self._facts.get(name)
            if facts is not None or value is not None:
                yield name, value if facts is None else shown(facts.name)

    def replace(self, **changes: Any) -> I2VRequest:  # type: ignore[override]  # what comes out can be sent
        """A request that can be sent, of what was given to this one and ``changes``; its media must be given again.

        Raises
        ------
        InvalidRequestError
        """
        known = {name: getattr(self, name) for name in self.given if name not in MEASURES}
        return I2VRequest(**{**{name: value for name, value in known.items() if value is not None}, **changes})

    def learned(self, **values: Any) -> RecalledRequest:
        """The same with what has become known since; a value that is None or cannot be read changes nothing."""
        new = _readable({name: value for name, value in values.items() if value is not None})
        known = {name: getattr(self, name) for name in KINDS}
        return _built({**known, **new}, self._given | new.keys(), self._sent, self._facts)


def recalled(
    asked: Mapping[str, Any], *, given: Iterable[str] | None = None, sent: Mapping[str, Any] | None = None
) -> RecalledRequest:
    """Recall a request. Nothing raises: a value that cannot be one is taken as not known.

    Parameters
    ----------
    asked : mapping
        Fields as the caller asked for them, as in a record's ``request.asked``; media as ``{kind, name}``.
    given : iterable of str, optional
        Names of the fields the caller had set; without it, those that are known.
    sent : mapping, optional
        The body as recorded. It holds the prompts, and what was sent without being given.

    Examples
    --------
    >>> request = recalled({"model": "wan2.6-i2v-flash", "duration": 5, "image": {"kind": "file", "name": "cat.png"}})
    >>> request.duration, request.resolution, request.prompt, request.media_facts["image"].name, sorted(request.given)
    (5, None, None, 'cat.png', ['duration', 'image', 'model'])
    """
    body = _readable(_flat(sent or {}))
    values = _readable({name: asked[name] for name in KINDS if asked.get(name) is not None and name not in MEASURES})
    values = {**{name: value for name, value in body.items() if name not in asked}, **values}
    media = {name: facts for name in MEASURES if (facts := _medium(name, asked.get(name))) is not None}
    names = {*values, *media} if given is None else set(given)
    return _built(values, frozenset(names & KINDS.keys()), body, media)


def _built(
    values: Mapping[str, Any], given: frozenset[str], sent: dict[str, Any], media: Mapping[str, Facts]
) -> RecalledRequest:
    request = RecalledRequest.model_construct(None, **{name: values.get(name) for name in KINDS})
    request._given, request._sent, request._facts = given, sent, media  # noqa: SLF001  its only maker
    return request


def _readable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``values`` that can be what they are said to be, as a request reads them."""
    probe = RecalledRequest.__new__(RecalledRequest)
    try:
        BaseModel.__init__(probe, **values)
    except ValidationError as error:
        wrong = {item["loc"][0] for item in error.errors()}
        return _readable({name: value for name, value in values.items() if name not in wrong})
    return {name: getattr(probe, name) for name in values}


def _flat(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in a body as it was recorded, less the media."""
    parts: dict[str, Any] = {"model": sent}
    parts |= {name: part for name in ("input", "parameters") if isinstance(part := sent.get(name), dict)}
    found = {info.name: parts[info.where].get(info.wire_name) for info in parameters() if info.where in parts}
    return {name: value for name, value in found.items() if value is not None and name not in MEASURES}


def _medium(name: str, told: object) -> Facts | None:
    if not isinstance(told, dict) or not all(isinstance(told.get(key), str) for key in ("kind", "name")):
        return None
    url = told.get("url")
    source = recorded_url(url) if isinstance(url, str) else ""
    return DESCRIBED[KINDS[name]](told["kind"][:20], told["name"][:MAX_NAME], source, role=name)
