"""What a record says, against itself and against another of the same run; pure. Each answer is words, or empty."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from wan_notebook.record.model import altered_body
from wan_notebook.words.phrases import shortened
from wan_notebook.words.privacy import TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "another_entry",
    "another_run",
    "another_story",
    "another_sweep",
    "wrong_cost",
    "wrong_course",
    "wrong_request",
    "wrong_sweep",
]

MOST_VALUE = 200  # characters of a text in a sweep's summary and entries
SLACK = 60  # seconds: a clock may be set while a job runs
MADE = "downloaded"
NO_CLIP = ("FAILED", "CANCELED")  # the service's words
FIXED = ("created_at", "region", "source_sha256", "private", "replay_of", "name")  # from a run's first record on
FOUND_OUT = ("endpoint", "model", "task_id", "request_id")  # once they are known
STRICTLY = (  # what the record in the notebook and the one beside the clip have in common
    *("run_id", "task_id", "request_id", "name", "model", "region", "endpoint", "simulated", "private", "replay_of"),
    *("created_at", "submit_time", "end_time", "usage", "cost", "from_run"),
)
WHERE_KNOWN = (  # one that was shown again by a later process may not hold them
    *(
        "orig_prompt",
        "actual_prompt",
        "submitted_at",
        "finished_at",
        "scheduled_time",
        "task_status",
        "code",
        "message",
    ),
)
PICTURED = ("sha256", "bytes", "width", "height", "duration", "fps", "video_codec", "audio_codec", "audio")
TAKEN_OVER = (  # by a run that shows an earlier one's clip, as far as it knows them
    *("task_id", "task_status", "submit_time", "scheduled_time", "end_time", "orig_prompt", "actual_prompt", "code"),
)
PRICED = ("currency", "rate", "table_date", "region")
SAYS = "failed; the service said "
SENT = ("role", "how", "name", "mime", "sha256", "bytes", "width", "height", "changes", "origin")


def wrong_request(record: Mapping[str, Any]) -> str:
    """Whether the body is what was asked and sent."""
    request, sent = record["request"], record["request"]["sent"]
    if not sent:
        return "the body that was sent was taken away" if altered_body(record) else ""
    texts = [value for name in TEXTS if (value := (sent.get("input") or {}).get(name))]
    if texts and record["private"] is not all(isinstance(text, dict) for text in texts):
        return "it is said to be private, and holds its prompt" if record["private"] else "its prompt is missing"
    if altered_body(record):
        return "the body is not the one that was sent"
    if sent.get("model") != record["model"]:
        return "the model is not the one that was sent"
    asked = {name: request["asked"].get(name) for name in request["given"]}
    parameters = sent.get("parameters") or {}
    other = [name for name in asked if name not in (*request["asked"], *TEXTS)]  # given, and never asked
    other += [name for name, value in asked.items() if value is not None and parameters.get(name, value) != value]
    if other:
        return f"asked and sent are not the same: {', '.join(other)}"
    told = {item["sha256"] for item in record["inputs"]}
    return "an input that was sent is not among its inputs" if set(_digests(sent.get("input"))) - told else ""


def _digests(value: object) -> Iterator[str]:
    """Those of the media in a body."""
    if isinstance(value, dict) and "how" in value and isinstance(value.get("sha256"), str):
        yield value["sha256"]
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _digests(one)


def wrong_cost(record: Mapping[str, Any]) -> str:
    """Whether amount, rate, seconds and use belong together."""
    cost, usage = record["cost"], record["usage"] or {}
    billed = usage.get("duration")
    if not cost["estimated"] and record["from_run"] is None and billed not in (None, cost["seconds"]):
        return f"{cost['seconds']:g} s are paid, {billed:g} s were used"
    if record["from_run"] is not None and cost["seconds"]:
        return f"nothing new was made, and {cost['seconds']:g} s are paid"
    if cost["amount"] is None or cost["rate"] is None:
        return ""
    right = Decimal(cost["amount"]) == Decimal(cost["rate"]) * Decimal(str(cost["seconds"]))
    return "" if right else f"{cost['amount']} is not {cost['rate']} x {cost['seconds']:g} s"


def wrong_course(record: Mapping[str, Any]) -> str:
    """Whether state, clip and times belong together."""
    if record["clip"] is not None and record["state"] != MADE:
        return f"it has a clip, and its state is {record['state']}"
    if record["clip"] is not None and record["task_status"] in NO_CLIP:
        return f"it has a clip, and its task is {record['task_status']}"
    moments = {}
    for name in ("created_at", "submitted_at", "finished_at"):
        if record[name] is not None:
            try:
                moments[name] = datetime.fromisoformat(record[name]).timestamp()
            except (ValueError, OverflowError, OSError):
                return f"{name} is no time"
    created, *later = moments.values()
    if record["from_run"] is None and any(late + SLACK < created for late in later):
        return "it ended before it began"
    if moments.get("submitted_at", 0) > moments.get("finished_at", float("inf")) + SLACK:
        return "it ended before it was sent"
    return _another_end(record)


def _another_end(record: Mapping[str, Any]) -> str:
    """Whether the error of a failed task repeats another code or message than the record holds."""
    error = " ".join((record["error"] or "").split())
    if SAYS not in error or record["private"] or {"error", "message"} & {*record["shortened"]}:
        return ""
    said = ": ".join(part for part in (record["code"], record["message"]) if part)
    return "" if " ".join(said.split()).rstrip(".") in error else "its error is not what the service said"


def another_run(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What two records of one run, an earlier and a later, cannot have come to differ in."""
    names = [name for name in FIXED if one.get(name) != other.get(name)]
    names += [
        name for name in FOUND_OUT if None not in (pair := (one.get(name), other.get(name))) and pair[0] != pair[1]
    ]
    if one.get("task_id") and other.get("task_id") and one["simulated"] != other["simulated"]:
        names.append("simulated")
    return ", ".join(names)


def another_story(side: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """What the record beside a clip and the one in the notebook differ in; that of a reused clip is another run's."""
    clips = [one["clip"] or {} for one in (side, record)]
    names = ["clip"] if any(clips[0].get(name) != clips[1].get(name) for name in PICTURED) else []
    if record["from_run"] is not None and side["run_id"] != record["run_id"]:
        names += [] if (side["from_run"] or side["run_id"]) == record["from_run"] else ["from_run"]
        return ", ".join([*names, *_not_taken_over(side, record)])
    names += [name for name in STRICTLY if side[name] != record[name]]
    names += [name for name in WHERE_KNOWN if record[name] not in (None, side[name])]
    names += ["source_sha256"] if side["source_sha256"] not in (None, record["source_sha256"]) else []
    names += [] if side["request"] == record["request"] else ["request"]
    inputs = [[{name: item[name] for name in SENT} for item in one["inputs"]] for one in (side, record)]
    return ", ".join(names + ([] if inputs[0] == inputs[1] else ["inputs"]))


def _not_taken_over(side: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[str]:
    """What a run that shows an earlier one's clip tells otherwise than that one. Names of files may have changed."""
    for name in ("model", "simulated"):
        if side[name] != record[name]:
            yield name
    for name in TAKEN_OVER:
        private = name.endswith("_prompt") and side["private"] != record["private"]
        if record[name] not in (None, side[name]) and not private:
            yield name
    uses = [{**(one["usage"] or {})} for one in (side, record)]
    if any(None not in (value, uses[0].get(name)) and uses[0][name] != value for name, value in uses[1].items()):
        yield "usage"
    if side["versions"].get("wan_notebook") != record["versions"].get("wan_notebook"):
        return  # another price table, other defaults
    costs = [one["cost"] or {} for one in (side, record)]
    if costs[0].get("region") == costs[1].get("region") and all(costs):
        yield from (f"cost.{name}" for name in PRICED if costs[0].get(name) != costs[1].get(name))
    bodies = [one["request"]["sent"] or {} for one in (side, record)]
    if all(bodies) and bodies[0].get("parameters") != bodies[1].get("parameters"):
        yield "request"
    shown = [{(item["role"], item["sha256"]) for item in one["inputs"]} for one in (side, record)]
    if all(shown) and all(bodies) and shown[0] != shown[1]:
        yield "inputs"


def another_entry(entry: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """What a sweep's short entry and the whole record beside the clip differ in."""
    sent = (record["request"]["sent"] or {}).get("parameters") or {}
    names = [name for name in ("model", "simulated") if entry[name] != record[name]]
    names += [name for name, value in entry["values"].items() if sent.get(name, value) != value]
    texts = {
        name: text for name, text in ((record["request"]["sent"] or {}).get("input") or {}).items() if name in TEXTS
    }
    for name, text in texts.items():
        value = entry["values"].get(name)
        names += [name] if isinstance(text, str) and value not in (None, shortened(text, MOST_VALUE)) else []
    names += ["seed"] if entry["seed"] not in (None, sent.get("seed")) else []
    if record["run_id"] == entry["run_id"]:
        names += ["task_id"] if entry["task_id"] != record["task_id"] else []
        names += ["amount"] if entry["amount"] != (record["cost"] or {}).get("amount") else []
    return ", ".join(dict.fromkeys(names))


def another_sweep(head: Mapping[str, Any], record: Mapping[str, Any], *, own: bool) -> str:
    """What a sweep's summary says of all its runs and the whole record of one of them says otherwise.

    ``own`` is whether that is the run itself, and not an earlier one whose clip it shows.
    """
    request = record["request"]
    sent = {**((request["sent"] or {}).get("input") or {}), **((request["sent"] or {}).get("parameters") or {})}
    names = []
    for name, value in head["asked"].items():
        if name in TEXTS:
            said, known = sent.get(name), bool(value) and request["sent"] is not None
        elif own:
            said = request["asked"].get(name)
            known = value is not None or (name in request["given"] and said is not None)
        else:
            said, known = sent.get(name), value is not None and name in sent
        if known and value != (shortened(said, MOST_VALUE) if isinstance(said, str) else said):
            names.append(name)
    if own:
        fixed = (
            ("region", "private") if head["simulated"] else ("region", "private", "endpoint")
        )  # it has a port each time
        names += [name for name in fixed if head[name] not in (None, record[name])]
    return ", ".join(names)


def wrong_sweep(head: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> str:
    """Whether a sweep's summary counts its entries right."""
    if head["runs"] != len(members) or sorted(one["place"] for one in members) != list(range(len(members))):
        return f"it is said to have {head['runs']} runs, and {len(members)} are told of"
    done = sum(one["state"] == MADE for one in members)
    if head["done"] != done:
        return f"it is said to have {head['done']} clips, and {done} are told of"
    if head["simulated"] is not any(one["simulated"] for one in members):
        return "its runs and its summary do not agree whether they are simulated"
    return ""
