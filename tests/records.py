"""Records as a notebook may hold them, and the one table of cases for the rule that merges them.

The rule exists twice, in Python (``recorder.py``) and in JavaScript (``labextension/plugin.js``); both are run over it.
"""

from __future__ import annotations

import json
from typing import Any

MIME = "application/vnd.wan-notebook.v1+json"


def record(run_id: str, rev: int = 1, state: str = "following", **more: Any) -> dict[str, Any]:
    """A well-formed record."""
    return {"schema": 1, "run_id": run_id, "rev": rev, "state": state, "cell_id": "cell-1", **more}


def kept(*runs: dict[str, Any]) -> dict[str, Any]:
    """``cell.metadata.wan_notebook`` with these runs."""
    return {"schema": 1, "runs": list(runs)}


A1, A2, A3 = record("a", 1), record("a", 2), record("a", 3, "downloaded")
B1, B2 = record("b", 1), record("b", 2, "failed")
M1, M2, N1, N2 = (record(run, rev, sweep="a") for run in "mn" for rev in (1, 2))
LARGEST = record("a", note="x" * (16 * 1024 - len(json.dumps(record("a", note=""), separators=(",", ":")))))  # 16 KB
LARGEST_MEMBER = {**LARGEST, "run_id": "m"}

# what it is about: (records in the outputs, the metadata before, the metadata afterwards or None for "as before")
CASES: dict[str, tuple[list[object], object, dict[str, Any] | None]] = {
    "nothing at all": ([], None, None),
    "a first record": ([A1], None, kept(A1)),
    "the same record again": ([A1], kept(A1), None),
    "the output is newer": ([A2], kept(A1), kept(A2)),
    "the metadata is newer": ([A1], kept(A3), None),
    "equal rev, another clock: the metadata stays": ([record("a", 2, elapsed=9)], kept(A2), None),
    "equal rev beside a new run: the metadata's stays, too": ([record("a", 2, elapsed=9), B1], kept(A2), kept(A2, B1)),
    "cleared outputs leave the metadata": ([], kept(A3), None),
    "two runs in the order of their outputs": ([B1, A1], None, kept(B1, A1)),
    "a second run joins": ([A1, B1], kept(A1), kept(A1, B1)),
    "the cell was run again": ([B1], kept(A3), kept(B1)),
    "one output was removed": ([B2], kept(A3, B2), kept(B2)),
    "outputs changed places": ([B1, A1], kept(A1, B1), kept(B1, A1)),
    "one of two is newer in the metadata": ([A1, B2], kept(A3, B1), kept(A3, B2)),
    "a run shown twice, the newer second": ([A1, A3], None, kept(A3)),
    "a run shown twice, the newer first": ([A3, A1], None, kept(A3)),
    "a run shown twice around another": ([A1, B1, A2], None, kept(A2, B1)),
    "keys in another order are the same record": ([dict(reversed(A2.items()))], kept(A2), None),
    "metadata that is no object": ([A1], "text", kept(A1)),
    "metadata that is a list": ([A1], [A1], kept(A1)),
    "metadata of a later schema are left alone": ([A1], {"schema": 2, "runs": [A3]}, None),
    "metadata of no known schema": ([A1], {"schema": 0, "runs": [A3]}, kept(A1)),
    "metadata without runs": ([A1], {"schema": 1}, kept(A1)),
    "metadata whose runs are no list": ([A1], {"schema": 1, "runs": "a"}, kept(A1)),
    "broken runs in the metadata go": ([A1], kept(A1, {"run_id": 7}), kept(A1)),
    "broken metadata and no outputs": ([], {"schema": 1, "runs": [7]}, None),
    "no record: null": ([None, A1], None, kept(A1)),
    "no record: text": (["a"], None, None),
    "no record: a list": ([[A1]], None, None),
    "no record: no run id": ([{"rev": 1, "state": "following"}], None, None),
    "no record: empty run id": ([record("")], None, None),
    "no record: a path as run id": ([record("../a")], None, None),
    "no record: markup as run id": ([record("<b>")], None, None),
    "no record: a line end after the run id": ([record("a\n")], None, None),
    "no record: letters of other alphabets": ([record("а́")], None, None),
    "no record: run id of 65": ([record("a" * 65)], None, None),
    "a run id of 64": ([record("a" * 64)], None, kept(record("a" * 64))),
    "no record: rev is text": ([{**A1, "rev": "1"}], None, None),
    "no record: rev is a truth": ([{**A1, "rev": True}], None, None),
    "no record: rev is broken": ([{**A1, "rev": 1.5}], None, None),
    "no record: rev is negative": ([record("a", -1)], None, None),
    "no record: rev is null": ([{**A1, "rev": None}], None, None),
    "no record: rev beyond exact counting": ([record("a", 2**53)], None, None),
    "rev 0 and the largest": (
        [record("a", 0), record("b", 2**53 - 1)],
        None,
        kept(record("a", 0), record("b", 2**53 - 1)),
    ),
    "no record: no state": ([{"run_id": "a", "rev": 1}], None, None),
    "no record: state is markup": ([record("a", state="<i>")], None, None),
    "no record: a cell id that is no text": ([{**A1, "cell_id": 7}], None, None),
    "no record: a cell id without end": ([{**A1, "cell_id": "c" * 65}], None, None),
    "a record without cell id": ([{**A1, "cell_id": None}], None, kept({**A1, "cell_id": None})),
    "the largest record": ([LARGEST], None, kept(LARGEST)),
    "no record: one byte more": ([{**LARGEST, "note": LARGEST["note"] + "x"}], None, None),
    "no record: one character more, of two bytes": ([{**LARGEST, "note": LARGEST["note"][1:] + "é"}], None, None),
    "characters beyond the basic plane": ([record("a", note="🎞️ é")], None, kept(record("a", note="🎞️ é"))),
    "a sweep: its summary, and its members behind it": ([{**A1, "members": [M1, N1]}], None, kept(A1, M1, N1)),
    "a sweep's members are newer, or older": ([{**A2, "members": [M2, N1]}], kept(A1, M1, N2), kept(A2, M2, N2)),
    "a sweep of more than 16 KB, each part of which is smaller": (
        [{**A1, "members": [LARGEST_MEMBER, N1]}],
        None,
        kept(A1, LARGEST_MEMBER, N1),
    ),
    "a sweep whose members are no list": ([{**A1, "members": "m"}], None, kept({**A1, "members": "m"})),
    "a sweep with members that are none": ([{**A1, "members": [7, M1, {"run_id": "<b>"}]}], None, kept(A1, M1)),
    "a thousand runs, and no more": (
        [record(f"run-{i}") for i in range(1001)],
        None,
        kept(*(record(f"run-{i}") for i in range(1000))),
    ),
}
