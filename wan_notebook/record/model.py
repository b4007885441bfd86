"""The record as a model: every key, its type and its meaning; the published JSON Schema is generated from it.

:mod:`~wan_notebook.record.provenance` writes records, this room says what one is. ``schema/record-1.json`` is
:func:`json_schema`, written down; a test compares them.

>>> faults({"schema": 1})[0]
'run_id: Field required'
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from wan_notebook.record.provenance import SHORTENED, digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Record", "altered_body", "faults", "json_schema"]

SCHEMA_ID = "urn:wan-notebook:record:1"
MOST_FAULTS = 10
DEEPEST = 20  # a record is nested half as deep

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Money = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?$")]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class Part(BaseModel):
    """What every part of a record has in common: no key may be missing, none may be added."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Asked(Part):
    """The request as it was asked, and as it was sent."""

    asked: dict[str, Any] = Field(description="every field as given; null was left out; media by kind and name")
    given: list[str] = Field(description="names of the fields that were given, in alphabetical order")
    sent: dict[str, Any] | None = Field(description="the body, each medium replaced by sha256, bytes, mime and how")
    sent_sha256: Digest | None = Field(description="SHA-256 of the canonical JSON of the whole of `sent`")


class Input(Part):
    """One medium as it was sent."""

    role: str = Field(description="image, last_frame or audio")
    how: str = Field(description="base64, oss (temporary upload) or url")
    name: str | None = Field(description="name of the file, or a stand-in")
    url: str | None = Field(description="address without its query")
    mime: str
    sha256: Digest | None = Field(description="of the bytes sent; null for an address nobody looked at")
    bytes: Count | None
    width: Count | None = Field(description="pixels")
    height: Count | None = Field(description="pixels")
    path: str | None = Field(description="where the exact bytes are kept, relative to the notebook")
    changes: list[Any] = Field(description="what was done to it before it was sent")
    origin: dict[str, Any] | None = Field(description="the run and the frame it was taken from")


class Usage(Part):
    """What the service reported as used."""

    duration: Seconds | None = Field(default=None, description="billed seconds")
    output_video_duration: Seconds | None = None
    input_video_duration: Seconds | None = None
    video_count: Count | None = None
    SR: Count | None = Field(default=None, description="480, 720 or 1080")
    audio: bool | None = None


class Cost(Part):
    """Money by the dated price table."""

    amount: Money | None = Field(description="null is unknown, never free")
    currency: str
    rate: Money | None = Field(description="per second of output video")
    seconds: Seconds | None
    estimated: bool = Field(description="before the service reported its usage")
    about: bool = Field(description="the price was inferred")
    region: str
    table_date: str


class Clip(Part):
    """The saved file, as probed."""

    path: str = Field(description="relative to the notebook")
    sha256: Digest
    bytes: Count
    width: Count = Field(description="pixels")
    height: Count = Field(description="pixels")
    duration: Seconds
    fps: float = Field(ge=0, description="frames per second")
    video_codec: str
    audio_codec: str | None
    audio: bool


class Record(Part):
    """One run of Wan image-to-video: what was asked, what was sent, what came back."""

    schema_: Literal[1] = Field(alias="schema")
    run_id: RunId = Field(description="id of this run, made here")
    rev: Count = Field(description="rises with every change of state")
    cell_id: str | None
    source_sha256: Digest | None = Field(description="SHA-256 of the source of the cell that started it")
    name: str | None
    state: str = Field(description="our word for the job")
    simulated: bool
    private: bool = Field(description="texts stand as {sha256}, and what the service says of them is left out")
    region: str
    endpoint: str | None
    model: str | None = Field(description="null where it is not known, of a task made elsewhere")
    request: Asked
    inputs: list[Input]
    created_at: str = Field(description="ISO-8601, UTC")
    submitted_at: str | None
    finished_at: str | None
    task_id: str | None
    request_id: str | None
    task_status: str | None = Field(description="the service's word")
    submit_time: str | None = Field(description="the service's, its zone is not documented")
    scheduled_time: str | None
    end_time: str | None
    orig_prompt: str | None = Field(description="only where it differs from what was sent")
    actual_prompt: str | None = Field(description="as the service rewrote it")
    code: str | None
    message: str | None
    usage: Usage | None
    cost: Cost | None
    from_run: str | None = Field(description="the earlier run whose clip this is; nothing was spent then")
    replay_of: RunId | None = Field(description="the run whose request this one repeats")
    clip: Clip | None
    error: str | None
    hint: str | None
    notes: list[str]
    versions: dict[str, str]
    shortened: list[str] = Field(description="texts that gave way to the limit of 8 KB")
    record_sha256: Digest = Field(description="SHA-256 of the canonical JSON of the record without this key")


class SweptClip(Part):
    """The saved file of a member; its side file tells the rest."""

    path: str = Field(description="relative to the notebook")
    sha256: Digest


class Member(Part):
    """One run of a sweep, in short; its whole record lies beside its clip."""

    schema_: Literal[1] = Field(alias="schema")
    kind: Literal["member"]
    run_id: RunId
    rev: Count
    cell_id: str | None
    sweep: RunId = Field(description="id of the sweep")
    place: Count = Field(description="from 0")
    state: str
    values: dict[str, str | int | float | bool | None] = Field(description="the fields that vary; long texts cut")
    seed: int | None
    model: str | None
    simulated: bool
    task_id: str | None
    from_run: str | None = Field(description="the earlier run whose clip this is")
    sent_sha256: Digest | None = Field(description="SHA-256 of the canonical JSON of the body")
    amount: Money | None
    currency: str | None
    clip: SweptClip | None
    error: str | None
    record_sha256: Digest = Field(description="SHA-256 of the canonical JSON of this entry without this key")


class Sweep(Part):
    """Many requests from one: what they have in common, and how they stand; their entries follow it."""

    schema_: Literal[1] = Field(alias="schema")
    kind: Literal["sweep"]
    run_id: RunId = Field(description="id of the sweep")
    rev: Count
    cell_id: str | None
    source_sha256: Digest | None
    name: str | None
    state: str = Field(description="following, planned (what is not sent waits for a person), downloaded or failed")
    simulated: bool
    private: bool
    region: str
    endpoint: str | None
    varies: dict[str, Count] = Field(description="the fields that vary, and how many values each has")
    asked: dict[str, Any] = Field(description="what is the same for all, as given; long texts cut")
    runs: Count
    done: Count
    unsent: Count
    without_clip: Count = Field(description="refused, failed, canceled or lost")
    reused: Count = Field(description="of those done, how many show an earlier run's clip: 0 spent")
    created_at: str
    finished_at: str | None
    versions: dict[str, str]
    record_sha256: Digest


KINDS: dict[object, type[Part]] = {"sweep": Sweep, "member": Member}  # what has no kind is a run


def faults(record: object) -> list[str]:
    """Where something is not a record of schema 1: at most ten sentences, none for a valid one."""
    kind = record.get("kind") if isinstance(record, dict) else None
    found = list(_unsound(record))[:MOST_FAULTS]
    if found:
        return found
    try:
        (KINDS.get(kind, Record) if isinstance(kind, str) else Record).model_validate(record)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong[:MOST_FAULTS]]
    return [] if kind else list(_misshapen(record["request"]["sent"]))[:MOST_FAULTS]  # type: ignore[index]


def _unsound(record: object) -> Iterator[str]:
    """Values that have no canonical JSON, and so no digest: only a document that was made by hand holds them."""
    waiting: list[tuple[str, object, int]] = [("", record, 0)]
    while waiting:
        at, value, depth = waiting.pop()
        if depth > DEEPEST:
            yield f"{at}: it is nested too deeply"
        elif isinstance(value, dict):
            waiting += [(at or _printable(name), name, depth) for name in value]
            waiting += [(at or _printable(name), one, depth + 1) for name, one in value.items()]
        elif isinstance(value, list):
            waiting += [(at, one, depth + 1) for one in value]
        elif isinstance(value, float) and not math.isfinite(value):
            yield f"{at}: it is no number"
        elif isinstance(value, str) and value != _printable(value):
            yield f"{at}: it is no text, it holds half a character"


def _printable(text: object) -> str:
    return str(text).encode("utf-8", "replace").decode()


def _misshapen(sent: Mapping[str, Any] | None) -> Iterator[str]:
    """Where a body has not the shape of the service's."""
    for name in ("input", "parameters"):
        held = (sent or {}).get(name, {})
        if not isinstance(held, dict):
            yield f"request.sent.{name}: it is no object"
        elif name == "parameters" and any(isinstance(value, (dict, list)) for value in held.values()):
            yield "request.sent.parameters: one of them is no plain value"
    if not isinstance((sent or {}).get("model", ""), str):
        yield "request.sent.model: it is no text"


def altered_body(record: Mapping[str, Any]) -> bool:
    """Whether the body in a valid record of a run is not the one whose digest it holds.

    Of one whose texts had to be shortened nobody can tell, but then they are shortened.
    """
    request, cut = record["request"], [name[5:] for name in record["shortened"] if name.startswith("sent.")]
    if not request["sent"]:
        return request["sent_sha256"] is not None
    texts = [(request["sent"].get("input") or {}).get(name) for name in cut]
    if cut and all(isinstance(text, str) and len(text) == SHORTENED + 1 and text[-1] == "…" for text in texts):
        return False
    return bool(digest(request["sent"]) != request["sent_sha256"])


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a record: of a run, of a sweep, or of a sweep's member."""
    schema = TypeAdapter(Record | Sweep | Member).json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}
