"""Tasks made elsewhere: attached to, fetched, canceled, listed; against the simulator and against odd answers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from caller import Caller, data_uri, picture
from hostile import Answer, Hostile
from windows import FORGING, Page

import wan_notebook as wan
from wan_notebook.hall.session import session
from wan_notebook.ledger.expenses import Purse, Spent
from wan_notebook.record.model import faults
from wan_notebook.simulator import Simulator
from wan_notebook.tasks import JobState

KEY = "sk-elsewhere-0123456789abcdef"
FAST = {"X-Wan-Simulator": "speed=500"}  # of which the 24 h that a task is kept still last for minutes
SHORT = {"resolution": "720P", "duration": 2, "audio": False}
PATH_TRICKS = ["../uploads", "a/b", "a?b=c", "a#b", "a%2Fb", "a b", "", " ", "ä", "x" * 129, "a\nb", 7, None, b"a"]


@pytest.fixture(scope="module")
def sim():
    with Simulator(speed=500, render="shape") as running:
        yield running


@pytest.fixture
def curl(sim):
    """Somebody without this package."""
    with Caller(sim, KEY) as caller:
        yield caller


@pytest.fixture
def slow():
    """A service whose clock moves only when the test says so."""
    with Simulator(speed=1e-6, render="shape") as running, Caller(running, KEY) as caller:
        yield caller


@pytest.fixture
def server():
    with Hostile() as hostile:
        hostile.on("GET", "/tasks/?", Answer(body={"data": [], "total": 0, "total_page": 0}))
        yield hostile


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def at(service):
    return {"base_url": service.base_url, "api_key": KEY}


def task(status, **more):
    return {"output": {"task_id": "task-1", "task_status": status, **more}, "request_id": "of-the-query"}


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# attach


def test_a_task_made_with_plain_http_is_followed_and_its_clip_saved(sim, curl, here):
    submitted = curl.submit("A cat.", **SHORT).json()
    task_id = submitted["output"]["task_id"]
    before = len(wan.jobs())
    job = wan.attach(task_id, name="found", **at(sim))
    assert wan.jobs()[before:] == [job]
    assert wan.attach(f" {task_id} ", **at(sim)) is job
    result = job.result(60)
    assert result.clip.duration == pytest.approx(2, abs=0.1)
    assert result.path.parent == here / "wan_outputs"
    assert result.path.name.startswith("found-")
    assert wan.attach(job.task, **at(sim)) is job  # a saved clip is not fetched again either
    record = job.record
    assert record["task_id"] == task_id
    assert record["request_id"] == submitted["request_id"]
    assert (record["model"], record["state"], record["task_status"]) == ("wan2.6-i2v-flash", "downloaded", "SUCCEEDED")
    assert {n: v for n, v in record["request"]["asked"].items() if v is not None} == {
        "prompt": "A cat.", "model": "wan2.6-i2v-flash",
    }  # fmt: skip
    assert record["request"]["given"] == ["model", "prompt"]
    assert (record["request"]["sent"], record["request"]["sent_sha256"], record["inputs"]) == (None, None, [])
    assert record["usage"]["duration"] == 2
    assert record["clip"]["sha256"] == result.clip.sha256
    assert record["submitted_at"].endswith("Z")
    assert "nothing was submitted by this run" in record["notes"][0]
    assert KEY not in repr((job, record, result))
    assert faults(record) == []
    assert "does not repeat it" in Page(job._repr_mimebundle_()).text


def test_a_task_of_the_vendors_sdk_is_attached_to(sim, here):
    script = (
        "import dashscope, sys\nfrom dashscope import VideoSynthesis\n"
        "dashscope.base_http_api_url = sys.argv[1]\n"
        "made = VideoSynthesis.async_call(api_key=sys.argv[2], model='wan2.6-i2v-flash', prompt='A dog.',\n"
        "    img_url=sys.argv[3], resolution='720P', duration=2, audio=False)\n"
        "print(made.output.task_id)"
    )
    image = data_uri(picture((240, 240)))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, sim.base_url, KEY, image],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    job = wan.attach(done.stdout.strip(), **at(sim))
    assert job.result(60).clip.width == job.result().clip.height
    assert job.request.prompt == "A dog."


def test_a_task_that_has_succeeded_is_downloaded_at_once_and_priced_by_its_usage(server, here, clip):
    row = {"task_id": "task-1", "model_name": "wan2.6-i2v-flash", "request_id": "of-the-submit"}
    server.on("GET", "/tasks/?", Answer(body={"data": [{"task_id": "other", "model_name": "x"}, row]}))
    done = {
        **task("SUCCEEDED", video_url=f"{server.root}/clip.mp4"),
        "usage": {"duration": 4, "SR": 720, "audio": True},
    }
    server.on("GET", "/tasks/task-1", Answer(body=done))
    server.on("GET", "/clip.mp4", Answer(body=clip))
    job = wan.attach("task-1", region="singapore", **at(server))
    assert "price unknown" in str(job.update.cost) or job.done()
    result = job.result(30)
    assert (str(result.cost), result.cost.seconds) == ("about 0.2 USD", 4)
    assert job.record["request_id"] == "of-the-submit"
    assert job.record["simulated"] is False
    assert job.record["request"]["asked"]["prompt"] is None
    assert server.count("POST") == 0
    assert server.count("GET", "/tasks/?task_id=task-1") == 1
    row = session().ledger.run(job.run_id)
    assert (row.task_id, row.state, row.clip_path) == ("task-1", "downloaded", str(result.path))
    assert (row.model, row.amount, row.currency, row.estimated) == ("wan2.6-i2v-flash", "0.2", "USD", 0)
    assert json.loads(row.task)["usage"]["duration"] == 4
    assert (row.asked_key, row.reuse_key) == (None, None)  # it is no twin
    assert (
        Purse(session().ledger, row.project, simulated=False).in_project() == Spent()
    )  # a budget is for what is paid here


@pytest.mark.parametrize(
    ("rows", "usage"),
    [
        (None, {"duration": 4, "SR": 720, "audio": True}),
        (
            [{"task_id": "task-1", "model_name": "wan2.6-i2v-flash"}],
            {"duration": 4, "SR": 720},
        ),  # with sound or without?
        ([{"task_id": "task-1", "model_name": "wan2.6-i2v-flash"}], {"duration": 4, "audio": True}),  # which tier?
        ([{"task_id": "task-1", "model_name": "wan2.6-i2v-flash"}], None),
        ([{"task_id": "task-1", "model_name": "wan9"}], {"duration": 4, "SR": 720, "audio": True}),
    ],
)
def test_what_is_not_known_is_not_guessed_into_a_price(server, here, clip, rows, usage):
    server.on("GET", "/tasks/?", Answer(500) if rows is None else Answer(body={"data": rows}))
    body = task("SUCCEEDED", video_url=f"{server.root}/clip.mp4")
    server.on("GET", "/tasks/task-1", Answer(body={**body, "usage": usage} if usage else body))
    server.on("GET", "/clip.mp4", Answer(body=clip))
    result = wan.attach("task-1", **at(server)).result(30)
    assert result.cost.amount is None
    assert result.record["cost"]["amount"] is None
    assert "price unknown" in result._repr_mimebundle_()["text/plain"]


def test_a_failed_task_says_why_and_an_unknown_one_what_it_can_be(server, here):
    server.on("GET", "/tasks/task-1", Answer(body=task("FAILED", code="DataInspectionFailed", message="no")))
    failed = wan.attach("task-1", **at(server))
    with pytest.raises(wan.TaskFailedError, match="DataInspectionFailed") as caught:
        failed.result(30)
    assert "not billed" in caught.value.hint
    server.on("GET", "/tasks/task-1", Answer(body=task("UNKNOWN")))
    unknown = wan.attach("task-1", region="beijing", **at(server))
    with pytest.raises(wan.TaskExpiredError) as caught:
        unknown.result(30)
    assert "in beijing" in caught.value.message
    for possibility in ("24 h", "another account", "region"):
        assert possibility in caught.value.hint
    assert (unknown.state, unknown.record["task_status"], unknown.record["model"]) == ("expired", "UNKNOWN", None)
    assert faults(unknown.record) == []


def test_an_expired_task_that_the_list_still_names_is_said_to_be_too_old(server, here):
    row = {"task_id": "task-1", "model_name": "wan2.6-i2v", "gmt_create": 1_795_000_000_000}
    server.on("GET", "/tasks/?", Answer(body={"data": [row]}))
    server.on("GET", "/tasks/task-1", Answer(body=task("UNKNOWN")))
    with pytest.raises(wan.TaskExpiredError, match="any more"):
        wan.attach("task-1", **at(server)).result(30)


def test_a_refused_first_look_ends_it_but_a_network_that_fails_does_not(server, here, clip):
    server.on("GET", "/tasks/task-1", Answer(401, {"code": "InvalidApiKey", "message": "Invalid API-key provided."}))
    refused = wan.attach("task-1", **at(server))
    with pytest.raises(wan.AuthenticationError) as caught:
        refused.result(30)
    assert "Nothing is billed." not in caught.value.hint  # nobody knows: only the question was refused
    assert refused.state == "detached"
    done = task("SUCCEEDED", video_url=f"{server.root}/clip.mp4")
    trouble = [Answer(drop=True), Answer(502, b"<html>", FAST), Answer(429, {}, FAST), Answer(body=done, headers=FAST)]
    server.on("GET", "/tasks/task-1", *trouble)
    server.on("GET", "/clip.mp4", Answer(body=clip))
    server.on("GET", "/tasks/?", Answer(body={"data": []}, headers=FAST))
    assert wan.attach("task-1", **at(server)).result(60).path.read_bytes() == clip


def test_an_attached_task_that_waits_shows_its_card_and_can_be_canceled(slow, here):
    task_id = slow.accepted("A cat.", **SHORT)
    job = wan.attach(task_id, **at(slow.sim))
    until(lambda: job.record["model"])
    assert (job.status, job.state) == ("PENDING", JobState.FOLLOWING)
    text = Page(job._repr_mimebundle_()).text
    for said in ("PENDING at the service", "wan2.6-i2v-flash", task_id, ".cancel()", "attached to a task"):
        assert said in text
    assert "drawn here" not in text
    assert wan.cancel(job)
    assert job.state == "canceled"
    assert slow.state(task_id) == "CANCELED"


def test_a_request_that_is_only_recalled_is_not_submitted_but_can_be_completed(slow, here):
    job = wan.attach(slow.accepted("A cat.", **SHORT), **at(slow.sim))
    until(lambda: job.request.model)
    with pytest.raises(wan.InvalidRequestError, match="first frame is required"):
        wan.submit(job.request, **at(slow.sim))
    again = job.request.replace(image=picture(), prompt="Again.")
    assert type(again) is wan.I2VRequest
    assert (again.model, again.prompt) == ("wan2.6-i2v-flash", "Again.")
    assert job.cancel()


@pytest.mark.parametrize("wrong", PATH_TRICKS)
@pytest.mark.parametrize("call", [wan.attach, wan.fetch, wan.cancel])
def test_an_id_that_plays_tricks_is_refused_before_anything_is_asked(server, call, wrong):
    before = len(wan.jobs())
    with pytest.raises(wan.InvalidRequestError, match="task_id"):
        call(wrong, **at(server))
    assert (server.asked, len(wan.jobs())) == ([], before)


@pytest.mark.parametrize("call", [wan.attach, wan.fetch, wan.cancel])
def test_arguments_of_the_wrong_type_are_named_and_a_missing_key_too(server, call, here):
    with pytest.raises(wan.InvalidRequestError, match="region"):
        call("task-1", region=5, base_url=server.base_url, api_key=KEY)
    with pytest.raises(wan.ConfigurationError, match="no API key"):
        call("task-1")
    assert server.asked == []


# fetch


def test_fetch_shows_a_task_without_its_signed_address(sim, curl):
    task_id = curl.accepted("A cat.", **SHORT)
    curl.finish(task_id)
    found = wan.fetch(task_id, **at(sim))
    assert (found.task_id, found.status, found.orig_prompt) == (task_id, "SUCCEEDED", "A cat.")
    assert found.video_url.startswith("http")
    assert "Signature" not in repr(found)
    assert f"submit_time='{found.submit_time} (UTC+8, inferred)'" in repr(found)
    assert found.submit_time.count("UTC") == 0, "what the service said is kept as it said it"
    assert wan.fetch("nobody-knows-this", **at(sim)).status == "UNKNOWN"


@pytest.mark.parametrize("answer", [Answer(502, b"<html>"), Answer(200, b"<html>"), Answer(drop=True), Answer(body=[])])
def test_fetch_says_what_came_instead_of_a_task(server, answer):
    server.on("GET", "/tasks/task-1", answer)
    with pytest.raises(wan.WanError) as caught:
        wan.fetch("task-1", **at(server))
    assert "\n" not in caught.value.message
    assert "<html>" not in str(caught.value)


def test_asking_from_the_thread_that_drives_jobs_is_refused_instead_of_standing_still(slow, here):
    job = wan.attach(slow.accepted("A cat.", **SHORT), **at(slow.sim))
    caught, called, there = [], threading.Event(), at(slow.sim)

    def ask(_):
        try:
            wan.fetch("task-1", **there)
        except wan.WanError as error:
            caught.append(error)
        called.set()

    job.add_done_callback(ask)
    assert job.cancel()
    assert called.wait(30)
    assert "another thread" in caught[0].hint


# cancel


def test_cancel_tells_pending_from_running_and_from_what_is_over(slow, here):
    waiting, running = slow.accepted("A cat.", **SHORT), slow.accepted("[simulate: FAILED]")
    told = wan.cancel(waiting, **at(slow.sim))
    assert told
    assert (told.canceled, told.task_status) == (True, "CANCELED")
    slow.sim.clock.advance(2.5)
    told = wan.cancel(running, **at(slow.sim))
    assert not told
    assert (told.canceled, told.task_status) == (False, "RUNNING")
    for said in ("cannot be stopped", "will be billed", running):
        assert said in str(told)
    slow.sim.clock.advance(3600)
    assert "failed tasks are not billed" in str(wan.cancel(running, **at(slow.sim)))
    again = wan.cancel(waiting, **at(slow.sim))
    assert again
    assert "nothing is billed" in str(again)
    assert "does not know this task" in str(wan.cancel("nobody-knows-this", **at(slow.sim)))


RACES = {
    "it began to run": (task("RUNNING"), False, "cannot be stopped and will be billed"),
    "it finished": (task("SUCCEEDED", video_url="https://example.com/a.mp4"), False, "is billed"),
    "it is still waiting": (task("PENDING"), False, "still PENDING"),
    "it was canceled by somebody": (task("CANCELED"), True, "nothing is billed"),
}


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("race", RACES)
def test_a_cancel_that_was_refused_or_not_answered_looks_again(server, race, lost):
    answer, canceled, said = RACES[race]
    refusal = Answer(400, {"code": "UnsupportedOperation", "message": "Failed to cancel the task"})
    server.on("POST", "/tasks/task-1/cancel", Answer(drop=True) if lost else refusal)
    server.on("GET", "/tasks/task-1", Answer(body=answer))
    told = wan.cancel("task-1", **at(server))
    assert (told.canceled, bool(told)) == (canceled, canceled)
    assert said in str(told)
    assert server.count("POST") == 1  # never sent twice


def test_a_cancel_nobody_answers_is_said_to_be_unknown(server):
    server.on("POST", "/tasks/task-1/cancel", Answer(drop=True))
    server.on("GET", "/tasks/task-1", Answer(500))
    told = wan.cancel("task-1", **at(server))
    assert told.canceled is None
    assert not told
    assert "not known" in str(told)
    server.on("POST", "/tasks/task-1/cancel", Answer(400, {"code": "UnsupportedOperation", "message": "no"}))
    told = wan.cancel("task-1", **at(server))
    assert (told.canceled, "if it runs, it will be billed" in str(told)) == (False, True)


def test_a_refused_question_says_nothing_about_the_task(server):
    server.on("POST", "/tasks/task-1/cancel", Answer(401, {"code": "InvalidApiKey", "message": "Invalid API-key."}))
    with pytest.raises(wan.AuthenticationError):
        wan.cancel("task-1", **at(server))


def test_canceling_by_id_tells_the_job_that_follows_it(slow, here):
    task_id = slow.accepted("A cat.", **SHORT)
    job = wan.attach(task_id, **at(slow.sim))
    assert wan.cancel(task_id, **at(slow.sim))
    with pytest.raises(wan.TaskCanceledError):
        job.result(30)
    assert "is canceled; nothing is billed" in str(wan.cancel(job))


def test_a_running_job_says_that_it_cannot_be_stopped(slow, here):
    task_id = slow.accepted("A cat.", **SHORT)
    job = wan.attach(task_id, **at(slow.sim))
    until(lambda: job.status == "PENDING")
    slow.sim.clock.advance(2.5)  # between the last look and the cancel
    told = wan.cancel(job)
    assert not told
    assert "cannot be stopped and will be billed" in str(told)
    assert any("cannot be stopped" in note for note in job.update.notes)


# list


def test_the_list_is_filtered_and_turns_pages(slow):
    ids = []
    for number in range(13):
        model = "wan2.6-i2v" if number % 3 == 2 else "wan2.6-i2v-flash"
        ids.append(slow.accepted("[simulate: FAILED]", model=model))
        slow.sim.clock.advance(10)
    there = at(slow.sim)
    everything = wan.list_tasks(**there)
    assert [row.task_id for row in everything] == ids[::-1]
    assert not everything.more
    assert [row.task_id for row in wan.list_tasks(limit=11, **there)] == ids[:1:-1]
    assert wan.list_tasks(limit=10, **there).more
    assert {row.model_name for row in wan.list_tasks(model="wan2.6-i2v", **there)} == {"wan2.6-i2v"}
    assert [row.task_id for row in wan.list_tasks(task_id=ids[3], **there)] == [ids[3]]
    assert wan.list_tasks(status="running", **there) == []
    assert len(wan.list_tasks(status="FAILED", **there)) == 13
    row = everything[0]
    made = datetime.fromisoformat(row.gmt_create)
    assert row.end_time > row.start_time > row.gmt_create
    assert abs(datetime.now(UTC) - made) < timedelta(hours=1)
    assert row.request_id
    # the same instant in three spellings; the zone on the wire is the simulator's own reading of the documents
    for since in (made, made.astimezone().replace(tzinfo=None), made.isoformat()):
        found = wan.list_tasks(since=since - timedelta(seconds=15) if since is made else since, **there)
        assert row in found
    middle = datetime.fromisoformat(everything[6].gmt_create)
    found = wan.list_tasks(since=middle - timedelta(seconds=5), until=middle + timedelta(seconds=5), **there)
    assert [row.task_id for row in found] == [everything[6].task_id]
    assert "inferred, not documented" in repr(found)
    assert wan.attach(row, **there).exception(30).code is None


WRONG = {
    "a misspelt status": ({"status": "RUNING"}, "Did you mean RUNNING?"),
    "too long a time": ({"since": "2026-11-01T00:00", "until": "2026-11-03"}, "at most 24 h"),
    "backwards": ({"since": "2026-11-02T01:00Z", "until": "2026-11-02T00:00Z"}, "24 h"),
    "no time": ({"since": "yesterday"}, "2026-11-23T10:00"),
    "no model": ({"model": "wan/2"}, "name of a model"),
    "no task": ({"task_id": "../a"}, "task id"),
    "no limit": ({"limit": 0}, "1 to 1000"),
    "a limit without end": ({"limit": 10**6}, "1 to 1000"),
    "a limit in words": ({"limit": "many"}, "1 to 1000"),
}


@pytest.mark.parametrize("name", WRONG)
def test_filters_that_cannot_be_are_refused_before_anything_is_asked(server, name):
    given, said = WRONG[name]
    with pytest.raises(wan.InvalidRequestError) as caught:
        wan.list_tasks(**given, **at(server))
    assert said in str(caught.value)
    assert server.asked == []


def test_odd_rows_lose_what_is_odd_and_nothing_else(server):
    good = {"task_id": "good-1", "status": "RUNNING", "model_name": "wan2.6-i2v", "gmt_create": "1795000000000"}
    odd = [
        None, 7, [], "text", {}, {"task_id": None}, {"task_id": "../tasks"}, {"task_id": "<b>"}, {"task_id": ["x"]},
        {"task_id": "bare"},
        {"task_id": "wrong", "status": 5, "model_name": ["x"], "gmt_create": "soon", "start_time": -1, "end_time": True,
         "request_id": {}, "region": None, "api_key_id": 12},
        {"task_id": "late", "gmt_create": 1e300, "end_time": 10**400, "start_time": float("nan")},
        {**good, "more": {"new": [1]}}, good,
    ]  # fmt: skip
    server.on("GET", "/tasks/?", Answer(body={"data": odd, "total": "many", "total_page": None, "extra": 1}))
    found = wan.list_tasks(**at(server))
    assert [row.task_id for row in found] == ["bare", "wrong", "late", "good-1"]
    assert {value for row in found[:3] for name, value in vars(row).items() if name != "task_id"} == {None}
    assert found[3].gmt_create.startswith("2026-11-1")
    assert server.count("GET") == 2  # a list that repeats itself is left
    assert "wan2.6-i2v" in Page(found._repr_mimebundle_()).text


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>"),
        Answer(502, b"<html>"),
        Answer(body=[]),
        Answer(body={}),
        Answer(body={"data": "x"}),
        Answer(body={"data": {"a": 1}}),
        Answer(200, b'{"data": [' + b'{"task_id": "a"},' * 300_000),
        Answer(drop=True),
    ],
)
def test_what_is_no_list_is_said_to_be_none(server, answer):
    server.on("GET", "/tasks/?", answer)
    with pytest.raises(wan.WanError):
        wan.list_tasks(**at(server))


def test_a_list_of_the_simulator_says_so_and_whose_clock_it_goes_by(sim, server):
    for service, title in ((sim, "of the simulator"), (server, "in singapore")):
        said = str(wan.list_tasks(**at(service)))
        assert title in said.splitlines()[0]
        assert ("simulator's own clock" in said) is (service is sim)


def test_a_list_without_end_is_left_when_there_is_enough(server):
    pages = [Answer(body={"data": [{"task_id": f"t-{page}-{n}"} for n in range(10)]}) for page in range(40)]
    server.on("GET", "/tasks/?", *pages)
    found = wan.list_tasks(limit=25, **at(server))
    assert (len(found), found.more) == (25, True)
    assert server.count("GET") == 3
    huge = {"data": [{"task_id": f"h-{n}"} for n in range(20_000)], "total_page": 9**9}
    server.on("GET", "/tasks/?", Answer(body=huge))
    assert len(wan.list_tasks(limit=1000, **at(server))) == 1000


def test_the_table_is_escaped_and_says_whose_tasks_these_are(server):
    nasty = '<script>alert(1)</script>"\x1b[2K\u202e' + "x" * 200
    row = {"task_id": "t-1", "status": nasty, "model_name": nasty, "api_key_id": nasty, "gmt_create": 0}
    server.on("GET", "/tasks/?", Answer(body={"data": [row], "total_page": 1}))
    found = wan.list_tasks(**at(server))
    bundle = found._repr_mimebundle_()
    page = Page(bundle)
    assert not page.has("script")
    for text in (page.text, bundle["text/plain"], repr(found)):
        assert not FORGING.search(text.replace("\n", ""))
        assert "all tasks of the account" in text
        assert "1970-01-01 00:00 UTC" in text
    server.on("GET", "/tasks/?", Answer(body={"data": []}))
    assert "no task in singapore" in repr(wan.list_tasks(**at(server)))


@pytest.fixture(scope="module")
def clip(sim, tmp_path_factory):
    """A real clip."""
    image = Path(__file__).parent.parent / "notebooks" / "images" / "rocket.jpg"
    made = wan.generate(prompt="Up.", image=image, output_dir=tmp_path_factory.mktemp("made"), **SHORT, **at(sim))
    return made.path.read_bytes()
