"""The request: the one declaration of every parameter, which validates itself.

Magic options, form fields, HTTP body, record and the table in the documentation are made from :class:`I2VRequest`
through :func:`parameters`; adding a parameter is one line here (and a rule in ``validation`` if it has one).
"""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Mapping  # noqa: TC003  pydantic reads the annotation of a private attribute
from typing import TYPE_CHECKING, Annotated, Any, Self, cast

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.facts.catalog import catalog, predicted_size
from wan_notebook.facts.nouns import ParameterInfo
from wan_notebook.media.medium import Facts, ImageFacts, measure
from wan_notebook.media.sounds import measure_sound
from wan_notebook.request import fields, frames, validation
from wan_notebook.request.checked import Checked
from wan_notebook.request.names import by_name
from wan_notebook.words.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL.Image import Image
    from pydantic.config import JsonDict

    from wan_notebook.facts.nouns import ModelSpec
    from wan_notebook.media.framing import Framing

__all__ = ["MEASURES", "I2VRequest", "ParameterInfo", "UnknownModelWarning", "parameters", "region_problems"]


class UnknownModelWarning(UserWarning):
    """The model is not in the catalogue: only the service can say what it takes and costs."""


def _field(
    default: Any, where: str, kind: str, help_: str, *, choices: str | tuple[str, ...] = "", limit: str = ""
) -> Any:
    extra: JsonDict = {"where": where, "kind": kind, "choices": cast("Any", choices), "limit": limit}
    return Field(default=default, description=help_, json_schema_extra=extra)


Text = Annotated[str | None, BeforeValidator(fields.some_text)]
Word = Annotated[str | None, BeforeValidator(fields.word)]
Flag = Annotated[bool | None, BeforeValidator(fields.flag)]
Yes = Annotated[bool, BeforeValidator(fields.flag)]
Ratio = Annotated[str | None, BeforeValidator(fields.ratio)]
Whole = Annotated[int | None, BeforeValidator(fields.whole)]


class I2VRequest(Checked):
    """One image-to-video request, checked before any money is spent.

    Every parameter may be left out except ``image`` (``img_url`` is accepted as its name too); None means left out.
    ``resolution``, ``duration`` and ``audio`` then take our default for the model, see :meth:`effective`. The vendor's
    list ``media=[{"type": …, "url": …}, …]`` is accepted, too; it goes out as first frame, last frame, sound.

    Raises
    ------
    InvalidRequestError
        With every problem at once; nothing was sent.

    Warns
    -----
    UnknownModelWarning
        The model is not in the catalogue; only what the protocol itself asks for was checked.

    Examples
    --------
    >>> request = I2VRequest(prompt="The cat looks up", image="https://example.com/cat.png", duration="10")
    >>> request.duration, request.effective()["resolution"], sorted(request.given)
    (10, '720P', ['duration', 'image', 'prompt'])
    """

    prompt: Annotated[str, BeforeValidator(fields.text)] = _field(
        "", "input", "text", "what happens in the clip", limit="prompt_chars"
    )
    image: Annotated[Any, BeforeValidator(fields.picture)] = _field(
        None, "input", "image", "the first frame: path, URL, data: URI, bytes, PIL image or array"
    )
    last_frame: Annotated[Any, BeforeValidator(fields.picture)] = _field(
        None, "input", "image", "the frame the clip ends with, in any form a first frame may have"
    )
    model: Annotated[str, BeforeValidator(fields.model_name)] = _field(
        "wan2.6-i2v-flash", "model", "choice", "the model that makes the clip"
    )
    resolution: Annotated[str | None, BeforeValidator(fields.tier)] = _field(
        None, "parameters", "choice", "number of pixels; sets the price", choices="resolutions"
    )
    duration: Whole = _field(
        None, "parameters", "integer", "length of the clip in seconds; sets the price", choices="durations"
    )
    audio: Flag = _field(None, "parameters", "flag", "whether the clip has sound; some models cost less without")
    audio_url: Annotated[Any, BeforeValidator(fields.sound)] = _field(
        None, "input", "sound", "a wav or mp3 the clip follows: path, bytes or public address"
    )
    shot_type: Annotated[str | None, BeforeValidator(fields.lower)] = _field(
        None, "parameters", "choice", "one shot or several", choices="shot_types"
    )
    negative_prompt: Text = _field(None, "input", "text", "what must not be in the clip", limit="negative_prompt_chars")
    prompt_extend: Yes = _field(True, "parameters", "flag", "whether the service rewrites the prompt first")
    watermark: Yes = _field(False, "parameters", "flag", "whether the clip is marked as made by AI")
    seed: Whole = _field(None, "parameters", "integer", "start of the random numbers; drawn and recorded if left out")
    template: Word = _field(None, "input", "word", "a video effect instead of a prompt, e.g. flying; Beijing only")
    fit: Yes = _field(False, "frame", "flag", "whether a picture that is too large is made smaller")
    crop: Ratio = _field(None, "frame", "word", "ratio the picture is cut to around its centre, e.g. 16:9")
    pad: Ratio = _field(None, "frame", "word", "ratio the picture is brought to with black bars, e.g. 16:9")
    upload: Annotated[str, BeforeValidator(fields.lower)] = _field(
        "auto", "frame", "choice", "how a picture of yours travels; auto goes by its size", choices=frames.WAYS
    )
    pin: Yes = _field(False, "frame", "flag", "whether a picture at an address is fetched here, to be kept")

    _facts: Mapping[str, Facts] = PrivateAttr()
    _notes: tuple[str, ...] = PrivateAttr(default=())

    def __init__(self, /, **given: Any) -> None:
        known, problems = by_name(given, type(self).model_fields)
        unread: set[str] = set()
        try:
            super().__init__(**known)
        except ValidationError as error:
            unread = {str(item["loc"][0]) for item in error.errors()}
            super().__init__(**{name: value for name, value in known.items() if name not in unread})
            spec = catalog().unknown if "model" in unread else self.spec
            problems += [found for item in error.errors() for found in fields.unreadable(item, known, spec)]
        facts: dict[str, Facts] = {}
        for name, look in MEASURES.items():
            if getattr(self, name) is not None:
                try:
                    facts[name] = look(getattr(self, name), role=name)
                except InvalidRequestError as error:
                    problems += error.problems
                    unread.add(name)
        problems += validation.check(vars(self), facts, lambda name: name not in unread)
        if problems:
            order = list(type(self).model_fields)
            raise InvalidRequestError(sorted(problems, key=lambda p: order.index(p.field) if p.field in order else 99))
        self._facts = facts
        self._notes = validation.notes(vars(self), facts)
        if not self.spec.known:
            warnings.warn(validation.unlisted(self.model), UnknownModelWarning, stacklevel=2)

    @property
    def spec(self) -> ModelSpec:
        """What the chosen model accepts."""
        return catalog().model(self.model)

    @property
    def media_facts(self) -> Mapping[str, Facts]:
        """What was seen of each medium when the request was made, by the name of its field; in the order of sending."""
        return self._facts

    @property
    def image_facts(self) -> ImageFacts:
        """Those of the first frame."""
        return cast("ImageFacts", self._facts["image"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What the person should know: transparency that will turn white, sound that will not be heard, ..."""
        return self._notes

    @property
    def predicted_size(self) -> tuple[int, int] | None:
        """Width and height of the clip to expect, "about"; None for an image given by URL."""
        size = self.image_facts.size
        return predicted_size(*self.framing.layout(size).canvas, str(self.effective()["resolution"])) if size else None

    @property
    def framing(self) -> Framing:
        """What is to be done to its frames: crop, padding, fit."""
        return frames.framing(vars(self), self.spec)

    def remembering(self, told: Mapping[str, Mapping[str, Any]]) -> Self:
        """The same, whose media are told of as an earlier run's: by field ``name``, ``changes`` and ``origin``."""
        known = copy.copy(self)
        known._facts = {  # noqa: SLF001  a copy of this one
            name: dataclasses.replace(facts, kind="kept", **told[name]) if name in told else facts
            for name, facts in self._facts.items()
        }
        return known

    def prepared(self, name: str = "image") -> Image:
        """A frame exactly as it will be sent: turned upright, flattened, cropped or padded, made to fit.

        Nothing is sent. The whole picture is decoded, which may take a moment.

        Parameters
        ----------
        name : {"image", "last_frame"}

        Raises
        ------
        InvalidRequestError
            The picture is damaged, too large to be sent, or at an address (which nobody has fetched yet).
        """
        facts = self._facts.get(name)
        if not isinstance(facts, ImageFacts):
            raise InvalidRequestError([Problem(name, "", "the request has no such frame")])
        most = frames.most_bytes(self.spec, base64=self.upload == "base64")
        return frames.shown_as_sent(facts, self.framing, most, self.spec)

    def effective(self) -> dict[str, Any]:
        """Every field with our defaults filled in; None only where nothing is sent.

        ``audio`` is filled in where the model has the switch; elsewhere it is None unless it was given.
        """
        spec = self.spec
        values = {name: getattr(self, name) for name in type(self).model_fields}
        values["resolution"] = self.resolution or spec.resolution
        values["duration"] = spec.duration if self.duration is None else self.duration
        if spec.audio == "switch":
            values["audio"] = self.audio is not False
        return values

    def __getstate__(self) -> dict[Any, Any]:
        """Pickled, it names its files by their whole paths: who unpickles it may stand in another folder."""
        state = super().__getstate__()
        files = {name: facts for name, facts in self._facts.items() if facts.kind == "file" and facts.source}
        whole = {name: str(facts.source) for name, facts in files.items()}
        return {**state, "__dict__": {**state["__dict__"], **whole}}

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        for name in type(self).model_fields:
            if name in self.given:
                value = getattr(self, name)
                yield name, shown(value) if name in MEASURES else value


LOOKS: dict[str, Callable[..., Facts]] = {"image": measure, "sound": measure_sound}
KINDS = {name: cast("dict[str, str]", f.json_schema_extra)["kind"] for name, f in I2VRequest.model_fields.items()}
MEASURES = {name: LOOKS[kind] for name, kind in KINDS.items() if kind in LOOKS}  # the media, in the order of sending


def region_problems(request: I2VRequest, region_name: str) -> list[Problem]:
    """What cannot work in a region: a model, an effect or an upload that is not offered there.

    Parameters
    ----------
    request : I2VRequest
    region_name : str
        Name, vendor id or alias. Nothing is known of a region that is not in the catalogue: no problems.
    """
    return validation.regional(vars(request), request.spec, request.media_facts, region_name)


def parameters(model: str | None = None) -> tuple[ParameterInfo, ...]:
    """The table of all parameters, in the order they are declared.

    Parameters
    ----------
    model : str, optional
        Narrow choices, defaults, limits and ``applies`` down to one model; without it, the choices of all models.
    """
    models = catalog().models
    spec = catalog().model(model or str(I2VRequest.model_fields["model"].default))
    defaults = {
        "resolution": spec.resolution,
        "duration": spec.duration,
        "audio": True if spec.audio == "switch" else None,
    }
    table = []
    for name, declared in I2VRequest.model_fields.items():
        extra: Any = declared.json_schema_extra
        choices: tuple[Any, ...] = tuple(models) if name == "model" else ()
        if isinstance(extra["choices"], tuple):
            choices = extra["choices"]
        elif extra["choices"] and model and spec.known:
            choices = getattr(spec, extra["choices"])
        elif extra["choices"]:
            choices = tuple(dict.fromkeys(c for m in models.values() for c in getattr(m, extra["choices"])))
            choices = tuple(sorted(choices, key=lambda c: (len(str(c)), c))) if name != "shot_type" else choices
        limit = catalog().service.seed_max if name == "seed" else getattr(spec, extra["limit"], None)
        table.append(
            ParameterInfo(
                name=name,
                kind=extra["kind"],
                choices=choices,
                default=defaults.get(name, declared.default),
                help=declared.description or "",
                where=extra["where"],
                wire_name=spec.wire.places.get(name, name),
                applies=spec.takes(name),
                limit=limit,
            )
        )
    return tuple(table)
