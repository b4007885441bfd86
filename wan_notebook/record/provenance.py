"""The record of one run: what was asked, what was sent, what came back; pure.

The record has all its keys from the first moment (null where nothing is known yet), and its inner names are the
service's own. It never holds pixels, keys, absolute paths, or the query of a URL.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wan_notebook.request.declaration import parameters
from wan_notebook.words.addresses import recorded_url
from wan_notebook.words.privacy import TEXTS, hushed, sealed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal
    from pathlib import Path

    from wan_notebook.media.medium import SentMedia
    from wan_notebook.tasks import Cost, JobUpdate

__all__ = [
    "MAX_RECORD_BYTES",
    "MIME",
    "RUN_ID",
    "SCHEMA_VERSION",
    "asked",
    "build_record",
    "canonical_json",
    "cost_facts",
    "digest",
    "is_record",
    "parts",
    "relative",
]

MIME = "application/vnd.wan-notebook.v1+json"
SCHEMA_VERSION = 1
MAX_BYTES = 8 * 1024
MAX_RECORD_BYTES = 16 * 1024  # of one found in a document; larger ones are not ours
MAX_CELL_ID = 64  # nbformat's own limit
MAX_REV = 2**53 - 1  # the largest integer that JavaScript counts exactly
RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
STATE = re.compile(r"[a-z_]{1,32}", re.ASCII)
MAX_NAME = 300
SHORTENED = 200  # characters left of a text that had to give way
LONG_TEXTS = ("actual_prompt", "orig_prompt", "error", "hint", "message")


def canonical_json(value: object) -> str:
    """The one way to write ``value`` as JSON: sorted keys, no spaces, UTF-8, whole numbers without a point.

    A front end in JavaScript knows no difference between 2.0 and 2; neither may a digest.

    >>> canonical_json({"b": 1, "a": "é"})
    '{"a":"é","b":1}'
    >>> canonical_json([2.0, 2.5, True])
    '[2,2.5,true]'
    """
    return json.dumps(_whole(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, (list, tuple)) else value


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON of ``value``, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def build_record(update: JobUpdate, *, versions: Mapping[str, str]) -> dict[str, Any]:
    """The record of the run ``update`` tells of.

    Parameters
    ----------
    update : JobUpdate
    versions : mapping
        Names and versions of what made it, e.g. ``{"wan_notebook": "0.1.0", "python": "3.11.7"}``.

    Returns
    -------
    dict
        JSON, at most 8 KB; where long texts had to be shortened for that, ``shortened`` names them and
        ``request.sent_sha256`` is still the digest of the whole. Of a private run it holds digests in place of texts.
    """
    update = hushed(update)
    task, request = update.task, update.request
    record: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "run_id": update.run_id,
        "rev": update.rev,
        "cell_id": update.cell_id,
        "source_sha256": update.source_sha256,
        "name": _short(update.name),
        "state": update.state.value,
        "simulated": update.simulated,
        "private": update.private,
        "region": update.region,
        "endpoint": update.endpoint or None,
        "model": request.model,
        "request": {
            "asked": asked(update),
            "given": sorted(request.given),
            "sent": copy.deepcopy(update.sent),
            "sent_sha256": digest(update.sent) if update.sent else None,
        },
        "inputs": [_input(item, update) for item in update.media],
        "created_at": update.created_at,
        "submitted_at": update.submitted_at,
        "finished_at": update.finished_at,
        "task_id": task.task_id if task else None,
        "request_id": task.request_id if task else None,
        "task_status": (task.task_status or None) if task else None,
        "submit_time": task.submit_time if task else None,
        "scheduled_time": task.scheduled_time if task else None,
        "end_time": task.end_time if task else None,
        # The service echoes the prompt; it is kept only where it differs from what was sent.
        "orig_prompt": task.orig_prompt if task and task.orig_prompt != request.prompt else None,
        "actual_prompt": task.actual_prompt if task else None,
        "code": task.code if task else None,
        "message": task.message if task else None,
        "usage": {k: v for k, v in asdict(task.usage).items() if v is not None} if task and task.usage else None,
        "cost": cost_facts(update.cost),
        "from_run": update.from_run,
        "replay_of": update.replay_of,
        "clip": _clip(update),
        "error": update.error,
        "hint": update.hint,
        "notes": [_short(note) for note in update.notes[:10]],
        "versions": dict(versions),
        "shortened": [],
    }
    bounded = _bounded(record)
    return {**bounded, "record_sha256": digest(bounded)}


def asked(update: JobUpdate) -> dict[str, Any]:
    """Every field as the caller asked for it (an undrawn seed is null); prompts stand once, in ``sent``."""
    request = update.request
    found: dict[str, Any] = {}
    for info in parameters():
        value = getattr(request, info.name)
        facts = request.media_facts.get(info.name)
        if facts is not None:
            value = {"kind": facts.kind, "name": _short(facts.name)}
            if facts.kind == "url":
                value["url"] = recorded_url(facts.source)
        elif info.name in TEXTS and update.sent is not None:
            continue
        elif info.name in TEXTS and update.private and value:
            value = sealed(value)
        found[info.name] = value
    return found


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= MAX_NAME else text[: MAX_NAME - 1] + "…"


def _input(item: SentMedia, update: JobUpdate) -> dict[str, Any]:
    kept = update.kept.get(item.sha256) if item.sha256 else None
    return {
        "role": item.role,
        "how": item.how,
        "name": _short(item.name),
        "url": recorded_url(item.url) if item.how == "url" and item.url else None,
        "mime": item.mime,
        "sha256": item.sha256,
        "bytes": item.bytes or None,
        "width": item.width,
        "height": item.height,
        "path": relative(kept, update.folder) if kept else None,
        "changes": [_short(note) for note in item.notes],
        "origin": item.origin
        and {"run_id": item.origin.run_id, "frame": item.origin.frame, "altered": item.origin.altered},
    }


def cost_facts(cost: Cost | None) -> dict[str, Any] | None:
    """Money as it is recorded: amounts as text, so that nothing is rounded; None where a price is not known."""
    if cost is None:
        return None

    def plain(value: Decimal | None) -> str | None:
        return None if value is None else f"{value.normalize():f}"

    return {
        "amount": plain(cost.amount),
        "currency": cost.currency,
        "rate": plain(cost.rate),
        "seconds": cost.seconds,
        "estimated": cost.estimated,
        "about": cost.about,
        "region": cost.region,
        "table_date": cost.table_date,
    }


def _clip(update: JobUpdate) -> dict[str, Any] | None:
    clip = update.clip
    if clip is None:
        return None
    return {
        "path": relative(clip.path, update.folder),
        "sha256": clip.sha256,
        "bytes": clip.bytes,
        "width": clip.width,
        "height": clip.height,
        "duration": round(clip.duration, 3),
        "fps": round(clip.fps, 3),
        "video_codec": clip.video_codec,
        "audio_codec": clip.audio_codec,
        "audio": clip.audio,
    }


def relative(path: Path, folder: Path | None) -> str:
    """``path`` as written into a notebook in ``folder``: relative, with forward slashes, and no home folder in it."""
    try:
        relative_path = os.path.relpath(path, folder) if folder else path.name
    except ValueError:  # another drive
        return path.name
    written = relative_path.replace(os.sep, "/")
    return path.name if written.startswith("../") else written


def _bounded(record: dict[str, Any]) -> dict[str, Any]:
    """``record`` within ``MAX_BYTES``: the longest texts give way, in this order, and are named."""
    request = record["request"]
    sent_input = (request["sent"] or {}).get("input", {})
    places = [(record, "", name) for name in LONG_TEXTS]
    places += [(request["asked"], "asked.", name) for name in ("negative_prompt", "prompt")]
    places += [(sent_input, "sent.", name) for name in ("negative_prompt", "prompt")]
    for holder, prefix, name in places:
        if len(canonical_json(record).encode()) <= MAX_BYTES:
            break
        text = holder.get(name)
        if isinstance(text, str) and len(text) > SHORTENED:
            holder[name] = text[:SHORTENED] + "…"
            record["shortened"].append(prefix + name)
    return record


def parts(value: object) -> list[object]:
    """The records that one output holds: of a sweep its summary and, behind it, an entry for each of its runs."""
    if not isinstance(value, dict) or not isinstance(value.get("members"), list):
        return [value]
    return [{name: held for name, held in value.items() if name != "members"}, *value["members"]]


def is_record(value: object) -> bool:
    """Whether something found in a document may be treated as a record.

    That is an object of at most 16 KB with a ``run_id``, an integer ``rev`` and a ``state``.
    """
    if not isinstance(value, dict):
        return False
    run_id, rev, state, cell_id = (value.get(name) for name in ("run_id", "rev", "state", "cell_id"))
    return (
        isinstance(run_id, str)
        and RUN_ID.fullmatch(run_id) is not None
        and isinstance(rev, int)
        and not isinstance(rev, bool)
        and 0 <= rev <= MAX_REV
        and isinstance(state, str)
        and STATE.fullmatch(state) is not None
        and (cell_id is None or (isinstance(cell_id, str) and len(cell_id) <= MAX_CELL_ID))
        and _json_bytes(value) <= MAX_RECORD_BYTES
    )


def _json_bytes(value: object) -> int:
    try:
        return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
    except (TypeError, ValueError, RecursionError):
        return MAX_RECORD_BYTES + 1
