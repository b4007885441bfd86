"""A request to, and an answer from, the service's JSON; pure.

Only documented fields go out (API reference of 2026-05-22, section "request body"). Beyond what the caller gave,
exactly four are made explicit: resolution, duration, audio (where the model has the switch) and seed.
"""

from __future__ import annotations

import binascii
import html
import json
import re
import secrets
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import InvalidRequestError, Problem, TransportError
from wan_notebook.media.medium import EXTENSIONS, SentMedia
from wan_notebook.request.declaration import parameters
from wan_notebook.tasks import Task, Usage
from wan_notebook.words.addresses import recorded_url
from wan_notebook.words.answers import address, json_object, line, number, task_id_checked, text

if TYPE_CHECKING:
    from wan_notebook.facts.nouns import Wire
    from wan_notebook.request.declaration import I2VRequest

__all__ = [
    "NOT_SUBMITTED",
    "SUBMIT_PATH",
    "chunks",
    "data_uri_length",
    "decode_error",
    "decode_store_error",
    "decode_task",
    "encode",
    "pieces",
    "submit_headers",
    "upload_form",
]

NOT_SUBMITTED = "Nothing was submitted and nothing is billed."
SUBMIT_PATH = "/services/aigc/video-generation/video-synthesis"
PARTS = ("input", "parameters")
EXPLICIT = frozenset({"resolution", "duration", "audio", "seed"})
CHUNK = 3 * 64 * 1024
MAX_ERROR = 16 * 1024
STORE_NAMES = {"Code": "code", "Message": "message", "RequestId": "request_id"}
STORE_ERROR = re.compile(r"<(Code|Message|RequestId)>([^<]*)</\1>")


def encode(
    request: I2VRequest, *, seed: int | None, media: Mapping[str, SentMedia]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The body to send, and the same body as it may be recorded.

    Parameters
    ----------
    request : I2VRequest
    seed : int
        The one given, or the one drawn for this run.
    media : mapping of field name to SentMedia
        One for each of ``request.media_facts``; where they stand in the body is the model's :class:`Wire`.

    Returns
    -------
    body, sent : dict
        In ``body`` a medium sent as base64 is still a :class:`SentMedia`; :func:`chunks` streams it. In ``sent`` every
        medium is ``{sha256, bytes, mime, how}`` (with the URL, less its query, where a URL was given).
    """
    values = {**request.effective(), "seed": seed}
    shown: dict[str, Any] = {"model": request.model, "input": {}, "parameters": {}}
    body: dict[str, Any] = {"model": request.model, "input": {}, "parameters": {}}
    for info in parameters(request.model):
        if info.where not in PARTS or (info.name not in request.given and info.name not in EXPLICIT):
            continue
        if info.name in media:
            item = media[info.name]
            _place(body["input"], request.spec.wire, info.wire_name, item if item.url is None else item.url)
            _place(shown["input"], request.spec.wire, info.wire_name, _described(item))
            continue
        value = values.get(info.name)
        if value is not None:
            body[info.where][info.wire_name] = shown[info.where][info.wire_name] = value
    return body, shown


def _place(part: dict[str, Any], wire: Wire, name: str, value: object) -> None:
    """Put a medium where the model looks for it."""
    if wire.listed:
        part.setdefault(wire.listed, []).append({"type": name, "url": value})
    else:
        part[name] = value


def _described(item: SentMedia) -> dict[str, Any]:
    if item.how == "url" and item.url:
        # The service fetches it by itself: its bytes are known where it was pinned, and its query is nobody's business.
        known = {"sha256": item.sha256, "bytes": item.bytes or None, "mime": item.mime or None}
        return {**known, "how": "url", "url": recorded_url(item.url)}
    return {"sha256": item.sha256, "bytes": item.bytes, "mime": item.mime, "how": item.how}


def submit_headers(body: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a submit beside the key's, the workspace's and the length."""
    headers = {"Content-Type": "application/json", "X-DashScope-Async": "enable"}
    return {**headers, "X-DashScope-OssResourceResolve": "enable"} if _needs_resolving(body) else headers


def _needs_resolving(part: object) -> bool:
    """Whether an ``oss://`` address stands, or will stand, anywhere in a body: the service then wants a header more.

    >>> _needs_resolving({"input": {"media": [{"type": "first_frame", "url": "oss://a/b"}]}})
    True
    """
    if isinstance(part, Mapping):
        return any(map(_needs_resolving, part.values()))
    if isinstance(part, list):
        return any(map(_needs_resolving, part))
    return part.how == "oss" if isinstance(part, SentMedia) else isinstance(part, str) and part[:6].lower() == "oss://"


def pieces(body: Mapping[str, Any]) -> list[str | SentMedia]:
    """The body's JSON, cut where a medium stands whose bytes are not text yet.

    >>> pieces({"prompt": "猫"})
    ['{"prompt":"猫"}']
    """
    marks: dict[str, SentMedia] = {}

    def mark(value: object) -> str:
        name = f"@{uuid.uuid4().hex}@"
        marks[name] = value  # type: ignore[assignment]  # json calls this for SentMedia alone: everything else is plain
        return name

    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=mark)
    return [marks.get(part, part) for part in re.split("(" + "|".join(marks) + ")", text)] if marks else [text]


def chunks(body: Mapping[str, Any]) -> tuple[int, Iterator[bytes]]:
    """The body's JSON as (length in bytes, pieces), base64 made piece by piece.

    A 20 MB photograph never stands in memory twice.
    """
    parts = pieces(body)
    length = sum(len(part.encode()) if isinstance(part, str) else data_uri_length(part) for part in parts)

    def stream() -> Iterator[bytes]:
        for part in parts:
            if isinstance(part, str):
                yield part.encode()
            else:
                yield from _data_uri(part)

    return length, stream()


def data_uri_length(item: SentMedia) -> int:
    """Characters of a medium as a ``data:`` URI."""
    return len(f"data:{item.mime};base64,") + 4 * -(-item.bytes // 3)


def _data_uri(item: SentMedia) -> Iterator[bytes]:
    yield f"data:{item.mime};base64,".encode()
    data = memoryview(item.data or b"")
    for start in range(0, len(data), CHUNK):
        yield binascii.b2a_base64(data[start : start + CHUNK], newline=False)


def upload_form(answer: Mapping[str, Any], item: SentMedia) -> tuple[str, dict[str, str], str]:
    """(address, form fields, file name) for putting ``item`` into the temporary store an upload policy opens.

    The name is random: under one policy no file may be put twice.

    Raises
    ------
    TransportError
        The policy is incomplete.
    InvalidRequestError
        It does not take a file of this size.
    """
    policy = answer.get("data")
    names = ("policy", "signature", "upload_dir", "upload_host", "oss_access_key_id")
    if not isinstance(policy, Mapping) or not all(_plain(policy.get(name)) for name in names):
        raise TransportError("the upload policy is incomplete.", hint=NOT_SUBMITTED)
    limit = number(policy.get("max_file_size_mb"))
    if limit is not None and item.bytes > limit * 1024 * 1024:
        size = f"{item.bytes / 1024 / 1024:.1f} MB"
        raise InvalidRequestError([Problem(item.role, size, "too large for the upload", f"at most {limit:g} MB")])
    name = f"{secrets.token_hex(12)}.{EXTENSIONS.get(item.mime, 'bin')}"
    fields = {
        "OSSAccessKeyId": policy["oss_access_key_id"],
        "Signature": policy["signature"],
        "policy": policy["policy"],
        "key": f"{policy['upload_dir'].rstrip('/')}/{name}",
        "x-oss-object-acl": str(policy.get("x_oss_object_acl", "private")),
        "x-oss-forbid-overwrite": str(policy.get("x_oss_forbid_overwrite", "true")),
        "success_action_status": "200",
        "x-oss-content-type": item.mime,
    }
    return policy["upload_host"], fields, name


def _plain(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def decode_task(answer: Mapping[str, Any]) -> Task:
    """The task in an answer to submit or query; missing fields are None, numbers may be strings.

    Examples
    --------
    >>> decode_task({"output": {"task_id": "a1", "task_status": "PENDING"}, "request_id": "r"}).task_status
    'PENDING'
    """
    output = answer.get("output")
    if not isinstance(output, Mapping):
        raise TransportError("the answer holds no task.")
    status = output.get("task_status")
    usage = answer.get("usage")
    return Task(
        task_id=task_id_checked(output.get("task_id")),
        task_status=line(status, 64) or "RUNNING",
        request_id=line(answer.get("request_id"), 128),
        submit_time=line(output.get("submit_time"), 64),
        scheduled_time=line(output.get("scheduled_time"), 64),
        end_time=line(output.get("end_time"), 64),
        video_url=address(output.get("video_url")),
        orig_prompt=text(output.get("orig_prompt")),
        actual_prompt=text(output.get("actual_prompt")),
        code=line(output.get("code"), 128),
        message=line(output.get("message"), 2000),
        usage=_usage(usage) if isinstance(usage, Mapping) else None,
    )


def decode_error(data: bytes) -> tuple[str | None, str | None, str | None]:
    """(code, message, request_id) of a refusal; each may be missing, all of them where it is no JSON.

    >>> decode_error(b'{"code": "InvalidApiKey"}'), decode_error(b"<html>")
    (('InvalidApiKey', None, None), (None, None, None))
    """
    try:
        return _error(json_object(data))
    except TransportError:
        return None, None, None


def decode_store_error(data: bytes) -> tuple[str | None, str | None, str | None]:
    """The same of the store for uploads, which answers in XML.

    >>> decode_store_error(b"<Error><Code>AccessDenied</Code><Message>Policy expired.</Message></Error>")
    ('AccessDenied', 'Policy expired.', None)
    """
    found = STORE_ERROR.findall(data[:MAX_ERROR].decode("utf-8", "replace"))
    return _error({STORE_NAMES[name]: html.unescape(value) for name, value in found})


def _error(answer: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    return line(answer.get("code"), 128), line(answer.get("message"), 2000), line(answer.get("request_id"), 128)


def _usage(usage: Mapping[str, Any]) -> Usage:
    # The 2.1 family calls the billed seconds video_duration; from 2.2 on the name is duration.
    duration = number(usage.get("duration"))
    if duration is None:
        duration = number(usage.get("video_duration"))
    count, tier = number(usage.get("video_count")), number(usage.get("SR"))
    audio = usage.get("audio")
    return Usage(
        duration=duration,
        output_video_duration=number(usage.get("output_video_duration")),
        input_video_duration=number(usage.get("input_video_duration")),
        video_count=None if count is None else int(count),
        SR=None if tier is None else int(tier),
        audio=audio if isinstance(audio, bool) else None,
    )
