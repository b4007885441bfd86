"""kill -9 of a kernel at twelve points of a run's way, then a new kernel: nothing is lost, nothing is paid twice."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from hostile import Answer, Gate, Hostile
from processes import until
from test_faults import a_clip
from test_killpoints import ARRIVED, FAST, LATER, RUNNING, SUBMIT, THROTTLED, UNPAID, answers
from test_resumption import Page

from wan_notebook.ledger.store import Ledger

MAGIC = "%%wan_i2v cat --image images/chelsea.png --duration 2 --no-audio --seed 7{}\nThe cat looks up."
WRITTEN = {
    "the ledger says waiting": "waiting",
    "the ledger says following": "following",
    "the ledger says downloaded": "downloaded",
}
HALF, ALONG = "half of the clip is there", "the kernel only went along with another one"
POINTS = (*ARRIVED, HALF, *WRITTEN, ALONG)
QUICK = "the task is looked at first"


@pytest.fixture(scope="module")
def clip() -> bytes:
    return a_clip()


def reach(point: str, server: Hostile, folder: Path, good: dict[tuple[str, str], Answer]) -> Gate | None:
    """Let the service stand still at a point; what has to be let through afterwards."""
    if point in ARRIVED:
        method, path, before, _ = ARRIVED[point]
        earlier = [Answer(429, THROTTLED, FAST) if path == SUBMIT else RUNNING] * before
        gate = Gate(body=good[method, path].body, headers=good[method, path].headers)
        server.on(method, path, *earlier, gate)
        return gate
    if point == "the ledger says waiting":
        server.on("POST", SUBMIT, Answer(429, THROTTLED, LATER))
    elif point in ("the ledger says following", ALONG):
        server.on("GET", "/tasks/task-1", RUNNING)
    elif point == HALF:
        whole = good["GET", "/clip.mp4"].body
        promised = {"Content-Length": str(len(whole))}
        server.on("GET", "/clip.mp4", Answer(body=whole[: len(whole) // 2], headers=promised))
    return None


def reached(point: str, server: Hostile, folder: Path, gate: Gate | None) -> bool:
    ledger = Ledger(folder / "home")
    if gate is not None:
        return gate.arrived.is_set()
    if point == HALF:
        return bool(server.count("GET", "/clip.mp4") and list((folder / "wan_outputs").rglob("*.part*")))
    if point == ALONG:
        return bool(ledger.runs("from_run IS NOT NULL"))
    refused = point != "the ledger says waiting" or server.count("POST", SUBMIT)
    return bool(refused and ledger.runs("state = ?", (WRITTEN[point],)))


def test_there_are_twelve_points():
    assert len(POINTS) == len(set(POINTS)) == 12


@pytest.mark.parametrize("point", [p if p == QUICK else pytest.param(p, marks=pytest.mark.full) for p in POINTS])
def test_killed_when(point, in_folder, clip):
    magic = MAGIC.format(" --upload oss" if point in ARRIVED and ARRIVED[point][3] else "")
    with Hostile() as server, ExitStack() as others:
        good = answers(server, clip)
        for (verb, beginning), answer in good.items():
            server.on(verb, beginning, answer)
        gate = reach(point, server, in_folder, good)
        if point == ALONG:
            payer = others.enter_context(Page(server, in_folder, "another.ipynb"))
            payer.run("%load_ext wan_notebook")
            paid = payer.run(magic)
            payer.until(lambda: paid.record["task_id"])
        with Page(server, in_folder) as page:
            page.run("%load_ext wan_notebook")
            page.run(magic, cell_id="the-cell")
            until(lambda: reached(point, server, in_folder, gate))
            page.manager.signal_kernel(9)
        if gate is not None:
            gate.let.set()
        for (verb, beginning), answer in good.items():
            server.on(verb, beginning, answer)
        sent = server.count("POST", SUBMIT)
        refused = sent if point == "the ledger says waiting" else int(point == "a submit was told to wait")
        with Page(server, in_folder) as page:
            loaded = page.run("%load_ext wan_notebook")
            assert loaded.error is None
            again = page.run(magic, cell_id="the-cell")
            assert again.error is None
            page.until(lambda: again.record["state"] in ("downloaded", "ambiguous", "refused"))
            record = again.record
            if point in ("the submit has arrived", "a submit was told to wait") and record["state"] != "downloaded":
                # it may have been accepted, and this service has no list to look into
                assert record["state"] == "ambiguous" or "its answer never came" in str(record["error"])
                assert "--force" in f"{record['error']} {record['hint']}"
                assert server.count("POST", SUBMIT) == sent
                return
            assert record["state"] == "downloaded"
            assert (in_folder / record["clip"]["path"]).read_bytes() == clip
            assert server.count("POST", SUBMIT) == 1 + refused
            assert page.run("%wan_jobs").bundles[0]["text/plain"].startswith("no runs")
    runs = Ledger(in_folder / "home").runs("from_run IS NULL AND task_id IS NOT NULL")
    assert [run.task_id for run in runs] == ["task-1"]
    assert Path(runs[0].clip_path).read_bytes() == clip
    assert len(Ledger(in_folder / "home").runs("state NOT IN ('downloaded', 'canceled')")) == 0
    if point not in UNPAID and point != "the ledger says waiting":
        assert record["from_run"] == runs[0].run_id
