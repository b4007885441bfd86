"""Jobs over a server that misbehaves: nothing is paid twice, nothing paid is given up, and the person is told."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hostile import PENDING, Answer, Hostile

import wan_notebook as wan

KEY = "sk-hostile-0123456789abcdef"
SUBMIT = "/services/aigc/video-generation/video-synthesis"
FAST = {"X-Wan-Simulator": "speed=1000"}  # polls every 0.1 s; believed because the server is on this machine
RUNNING = {"output": {"task_id": "task-1", "task_status": "RUNNING"}}


@pytest.fixture
def server():
    with Hostile() as hostile:
        yield hostile


def submit(server, folder, **more):
    image = Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png"
    given = {"prompt": "A cat.", "image": image, "duration": 2, "audio": False, **more}
    return wan.submit(**given, base_url=server.base_url, api_key=KEY, output_dir=folder / "clips")


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def succeeded(server, **more):
    output = {"task_id": "task-1", "task_status": "SUCCEEDED", "video_url": f"{server.root}/clip.mp4", **more}
    return Answer(body={"output": output, "usage": {"duration": 2, "SR": 720, "video_count": 1}}, headers=FAST)


@pytest.mark.parametrize(
    "answer", [Answer(drop=True), Answer(500), Answer(502, b"<html>"), Answer(504), Answer(200, b"{")]
)
def test_a_submit_whose_fate_is_unknown_is_never_sent_again(server, tmp_path, answer):
    server.on("POST", SUBMIT, answer)
    with pytest.raises(wan.AmbiguousSubmitError) as caught:
        submit(server, tmp_path).result(60)
    assert server.count("POST") == 1
    assert "not sent again" in caught.value.hint


def test_a_submit_that_never_left_is_tried_again_and_can_be_given_up(tmp_path, server):
    with Hostile() as gone:
        pass
    job = submit(gone, tmp_path)
    until(lambda: any("cannot be reached" in note for note in job.update.notes))
    assert any("nothing is sent yet and nothing is billed" in note for note in job.update.notes)
    until(lambda: job.state == "waiting")
    assert job.cancel()
    assert "Nothing is billed" in job.exception(60).hint


def test_an_answered_too_many_requests_is_tried_again_later(server, tmp_path, clip):
    throttled = Answer(429, {"code": "Throttling.RateQuota", "message": "slow down"}, FAST)
    server.on("POST", SUBMIT, throttled, throttled, Answer(body=PENDING, headers=FAST))
    server.on("GET", "/tasks/task-1", succeeded(server))
    server.on("GET", "/clip.mp4", Answer(body=clip))
    assert submit(server, tmp_path).result(60).path.read_bytes() == clip
    assert server.count("POST") == 3


def test_a_billing_refusal_is_not_tried_again_although_it_is_a_429(server, tmp_path):
    server.on("POST", SUBMIT, Answer(429, {"code": "PrepaidBillOverdue", "message": "pay first"}, FAST))
    with pytest.raises(wan.RateLimitError, match="PrepaidBillOverdue"):
        submit(server, tmp_path).result(60)
    assert server.count("POST") == 1


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(429),
        Answer(500),
        Answer(502, b"<html>bad gateway</html>"),
        Answer(503),
        Answer(200, b'{"outp'),
        Answer(drop=True),
    ],
)
def test_a_paid_task_is_followed_through_trouble(server, tmp_path, clip, trouble):
    trouble.headers.update(FAST)
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
    server.on("GET", "/tasks/task-1", trouble, trouble, trouble, Answer(body=RUNNING, headers=FAST), succeeded(server))
    server.on("GET", "/clip.mp4", Answer(body=clip))
    job = submit(server, tmp_path)
    assert job.result(60).path.read_bytes() == clip
    assert job.update.notes == ()


def test_an_unknown_status_word_is_not_an_end(server, tmp_path, clip):
    strange = {"output": {"task_id": "task-1", "task_status": "MARINATING"}}
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
    server.on("GET", "/tasks/task-1", Answer(body=strange, headers=FAST), succeeded(server))
    server.on("GET", "/clip.mp4", Answer(body=clip))
    assert submit(server, tmp_path).result(60).task.status == "SUCCEEDED"


def test_a_failed_task_without_a_reason_gets_an_honest_sentence(server, tmp_path):
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
    failed = {"output": {"task_id": "task-1", "task_status": "FAILED"}}
    server.on("GET", "/tasks/task-1", Answer(body=failed, headers=FAST))
    job = submit(server, tmp_path)
    with pytest.raises(wan.TaskFailedError, match="gave no reason"):
        job.result(60)
    assert (job.state, job.record["task_status"]) == ("failed", "FAILED")
    assert isinstance(job.exception(), wan.TaskFailedError)


def test_unknown_means_expired(server, tmp_path):
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
    unknown = {"output": {"task_id": "task-1", "task_status": "UNKNOWN"}}
    server.on("GET", "/tasks/task-1", Answer(body=unknown, headers=FAST))
    with pytest.raises(wan.TaskExpiredError):
        submit(server, tmp_path).result(60)


def test_unknown_within_the_day_that_tasks_are_kept_ends_nothing(server, tmp_path, clip):
    server.on("POST", SUBMIT, Answer(body=PENDING))
    server.on("POST", "/tasks/task-1/cancel", Answer(400, {"code": "UnsupportedOperation", "message": "no"}))
    server.on("GET", "/tasks/task-1", Answer(body={"output": {"task_id": "task-1", "task_status": "UNKNOWN"}}))
    job = submit(server, tmp_path)
    until(lambda: job.task_id)
    job.cancel()  # looks at once
    until(lambda: any("under this key" in note for note in job.update.notes))
    assert (job.running(), job.state) == (True, "following")
    output = {"task_id": "task-1", "task_status": "SUCCEEDED", "video_url": f"{server.root}/clip.mp4"}
    server.on("GET", "/tasks/task-1", Answer(body={"output": output, "usage": {"duration": 2}}))
    server.on("GET", "/clip.mp4", Answer(body=clip))
    job.cancel()
    assert job.result(60).path.read_bytes() == clip
    assert not any("under this key" in note for note in job.update.notes)
    assert server.count("POST", SUBMIT) == 1


def test_a_clip_that_came_short_is_fetched_again(server, tmp_path, clip):
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
    server.on("GET", "/tasks/task-1", succeeded(server))
    short = Answer(body=clip[:1000], headers={"Content-Length": str(len(clip)), "Connection": "close"})
    server.on("GET", "/clip.mp4", short, Answer(403), Answer(body=clip))
    result = submit(server, tmp_path).result(60)
    assert result.path.read_bytes() == clip
    assert [p.name for p in (tmp_path / "clips").iterdir() if p.suffix == ".part"] == []


@pytest.mark.parametrize("mark", [{}, FAST], ids=["real", "simulated"])
def test_a_refusal_of_the_simulator_has_its_badge(server, tmp_path, mark):
    server.on("POST", SUBMIT, Answer(401, {"code": "InvalidApiKey", "message": "no"}, mark))
    job = submit(server, tmp_path)
    assert isinstance(job.exception(60), wan.AuthenticationError)
    assert job.exception().hint.startswith("The base URL stands above the region")
    assert "--region" not in job.exception().hint
    assert job.update.simulated is bool(mark)
    assert ("simulat" in job._repr_mimebundle_()["text/plain"]) is bool(mark)


def test_what_is_no_video_is_not_passed_off_as_one_and_the_address_is_kept(server, tmp_path):
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
    server.on("GET", "/tasks/task-1", succeeded(server))
    server.on("GET", "/clip.mp4", Answer(body=b"<html>sorry</html>"))
    job = submit(server, tmp_path)
    with pytest.raises(wan.DownloadError) as caught:
        job.result(60)
    assert caught.value.url == f"{server.root}/clip.mp4"
    assert "The clip was made" in caught.value.hint
    assert job.state == "undelivered"
    assert not list((tmp_path / "clips").glob("*.mp4*"))


def test_the_key_goes_to_the_service_alone(server, tmp_path, clip):
    with Hostile() as elsewhere:
        elsewhere.on("GET", "/there.mp4", Answer(body=clip))
        server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
        server.on("GET", "/tasks/task-1", succeeded(server))
        server.on("GET", "/clip.mp4", Answer(302, b"", {"Location": f"{elsewhere.root}/there.mp4"}))
        job = submit(server, tmp_path)
        assert job.result(60).path.read_bytes() == clip
        assert "Authorization" not in elsewhere.asked[0].headers
    for asked in server.asked:
        assert ("Authorization" in asked.headers) == (not asked.path.startswith("/clip.mp4"))
    everything = repr((job, job.update, job.record, vars(job), job.result(), job._repr_mimebundle_()))
    assert KEY not in everything


def test_a_redirect_to_plain_http_elsewhere_is_not_followed(server, tmp_path):
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
    server.on("GET", "/tasks/task-1", succeeded(server))
    server.on("GET", "/clip.mp4", Answer(302, b"", {"Location": "http://192.0.2.1/there.mp4"}))
    with pytest.raises(wan.DownloadError, match="not https"):
        submit(server, tmp_path).result(60)


def test_a_wrong_key_is_explained_without_showing_it(server, tmp_path):
    server.on(
        "POST",
        SUBMIT,
        Answer(401, {"code": "InvalidApiKey", "message": "Invalid API-key provided.", "request_id": "r"}),
    )
    with pytest.raises(wan.AuthenticationError) as caught:
        submit(server, tmp_path).result(60)
    assert caught.value.request_id == "r"
    assert "region" in caught.value.hint
    assert KEY not in repr(caught.value.__dict__) + str(caught.value)


@pytest.mark.parametrize(
    ("mark", "said"),
    [({}, " and will be billed"), ({"X-Wan-Simulator": "speed=1"}, "; a real one would be billed")],
    ids=["real", "simulated"],
)
def test_a_pending_task_can_be_canceled_and_a_running_one_cannot(server, tmp_path, mark, said):
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=mark))
    canceled = {"output": {"task_id": "task-1", "task_status": "CANCELED"}}
    server.on("POST", "/tasks/task-1/cancel", Answer(body={"request_id": "r"}))
    server.on("GET", "/tasks/task-1", Answer(body=canceled))
    job = submit(server, tmp_path)
    until(lambda: job.task_id)
    assert job.cancel()
    with pytest.raises(wan.TaskCanceledError):
        job.result(60)

    late = Answer(400, {"code": "UnsupportedOperation", "message": "Failed to cancel the task"})
    server.on("POST", "/tasks/task-1/cancel", late)
    server.on("GET", "/tasks/task-1", Answer(body=RUNNING, headers=mark))
    job = submit(server, tmp_path)
    until(lambda: job.task_id)
    told = job.cancel()
    assert not told
    words = f"the service is already running it, it cannot be stopped{said}"
    assert str(told) == f"task task-1: too late to cancel: {words}."
    assert any(words in note for note in job.update.notes)
    server.on("GET", "/tasks/task-1", Answer(body=canceled))
    job.cancel()
    job.wait(60)
    assert not any("cannot be stopped" in note for note in job.update.notes)  # it is over


def test_waiting_can_end_before_the_job_does(server, tmp_path):
    server.on("POST", SUBMIT, Answer(body=PENDING))
    job = submit(server, tmp_path)
    with pytest.raises(TimeoutError) as caught:
        job.result(0.3)
    assert "goes on" in caught.value.hint
    assert job.running()
    until(lambda: job.task_id)
    server.on("POST", "/tasks/task-1/cancel", Answer(body={}))
    server.on("GET", "/tasks/task-1", Answer(body={"output": {"task_id": "task-1", "task_status": "CANCELED"}}))
    assert job.cancel()


def test_a_result_is_a_path_and_can_be_pickled(server, tmp_path, clip):
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
    server.on("GET", "/tasks/task-1", succeeded(server))
    server.on("GET", "/clip.mp4", Answer(body=clip))
    result = submit(server, tmp_path).result(60)
    assert Path(result) == result.path
    again = pickle.loads(pickle.dumps(result))  # noqa: S301  our own object
    assert again == result
    assert "<video" in again._repr_mimebundle_()["text/html"]


def test_a_large_picture_is_uploaded_and_the_file_is_the_last_part(server, tmp_path, clip):
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(1).integers(0, 255, (1700, 1700, 3), dtype="uint8")
    Image.fromarray(noise).save(tmp_path / "big.png")
    policy = {
        "policy": "P", "signature": "S", "upload_dir": "dashscope-instant/x", "upload_host": f"{server.root}/store",
        "oss_access_key_id": "LTA", "max_file_size_mb": 100,
    }  # fmt: skip
    server.on("GET", "/uploads?action=getPolicy&model=wan2.6-i2v-flash", Answer(body={"data": policy}))
    server.on("POST", "/store", Answer(200, b""))
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
    server.on("GET", "/tasks/task-1", succeeded(server))
    server.on("GET", "/clip.mp4", Answer(body=clip))
    job = submit(server, tmp_path, image=tmp_path / "big.png")
    job.result(60)
    stored = next(asked for asked in server.asked if asked.path == "/store")
    assert "Authorization" not in stored.headers
    assert stored.body.rindex(b"Content-Disposition") == stored.body.index(b'name="file"') - len(
        "Content-Disposition: form-data; "
    )
    sent = next(asked for asked in server.asked if asked.path == SUBMIT)
    assert sent.json["input"]["img_url"].startswith("oss://dashscope-instant/x/")
    assert sent.headers["X-DashScope-OssResourceResolve"] == "enable"
    assert job.record["inputs"][0]["how"] == "oss"


def test_a_job_canceled_before_it_was_sent_costs_nothing(server, tmp_path):
    throttled = Answer(429, {"code": "Throttling.RateQuota", "message": "slow down"})
    server.on("POST", SUBMIT, throttled)
    job = submit(server, tmp_path)
    until(lambda: server.count("POST") and job.state == "waiting")
    assert job.cancel()
    with pytest.raises(wan.TaskCanceledError, match="before it was sent"):
        job.result(60)
    assert job.task_id is None


@pytest.mark.parametrize("status", [201, 302, 408, 499, 520, 503])
def test_an_answer_that_is_no_refusal_never_says_that_nothing_is_billed(server, tmp_path, status):
    server.on("POST", SUBMIT, Answer(status, b"<html>"))
    with pytest.raises(wan.AmbiguousSubmitError) as caught:
        submit(server, tmp_path).result(60)
    assert "Nothing is billed" not in caught.value.hint
    assert server.count("POST") == 1


def test_jobs_lists_the_jobs_every_time_it_is_asked_by_the_words_of_a_card(server, tmp_path):
    server.on("POST", SUBMIT, Answer(400, {"code": "InvalidParameter", "message": "no"}))
    job = submit(server, tmp_path)
    job.wait(60)
    assert wan.jobs()[-1] is job
    assert wan.jobs()[-1] is eval(job.update.handle, {"wan_notebook": wan})  # noqa: S307  what the card tells people to write


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_paid(server, tmp_path):
    (tmp_path / "clips").write_text("a file, not a folder")
    with pytest.raises(wan.ConfigurationError, match="cannot be written"):
        submit(server, tmp_path, image=f"{server.root}/cat.png").result(60)
    assert server.count("POST") == 0


def test_a_problem_found_in_the_background_is_told_on_the_card(server, tmp_path):
    whole = (Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:60_000])
    job = submit(server, tmp_path, image=tmp_path / "cut.png", audio=True)
    assert isinstance(job.exception(60), wan.InvalidRequestError)
    assert "cut.png" in job.update.error
    assert job.update.error in "".join(job._repr_mimebundle_()["text/plain"]) or "cut.png" in job.record["error"]
    assert server.count("POST") == 0


def test_a_key_that_the_service_repeats_is_not_shown(server, tmp_path):
    server.on("POST", SUBMIT, Answer(401, {"code": "InvalidApiKey", "message": f"Incorrect API key provided: {KEY}"}))
    job = submit(server, tmp_path)
    error = job.exception(60)
    assert KEY not in repr((error.args, error.lines(), job.update, job.record))


def test_neither_query_nor_password_of_an_audio_address_is_recorded(server, tmp_path):
    server.on("POST", SUBMIT, Answer(400, {"code": "InvalidParameter", "message": "no"}))
    url = "https://me:pw@example.com/verse.mp3?Signature=AUDIOSECRET"
    job = submit(server, tmp_path, audio=True, audio_url=url)
    job.wait(60)
    assert server.asked[-1].json["input"]["audio_url"] == url
    assert "AUDIOSECRET" not in repr((job.record, job.request))
    assert "me:pw" not in repr((job.record, job.request))


def test_a_download_is_tried_again_for_as_long_as_the_network_is_the_trouble(server, tmp_path, clip):
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
    server.on("GET", "/tasks/task-1", succeeded(server))
    server.on("GET", "/clip.mp4", *[Answer(drop=True)] * 5, *[Answer(503)] * 3, Answer(body=clip))
    job = submit(server, tmp_path)
    assert job.result(60).path.read_bytes() == clip
    assert job.update.notes == ()


@pytest.mark.parametrize("wrong", [{"name": 5}, {"region": 5}, {"yes": "no"}, {"output_dir": 5}, {"workspace": b"w"}])
def test_arguments_of_a_wrong_type_are_refused_before_anything_is_sent(server, tmp_path, wrong):
    photo = Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png"
    given = {"prompt": "A cat.", "image": photo, "base_url": server.base_url, "api_key": KEY, **wrong}
    with pytest.raises(wan.InvalidRequestError, match="wrong type"):
        wan.submit(**given)
    with pytest.raises(wan.InvalidRequestError, match="no I2VRequest"):
        wan.submit("a prompt")
    with pytest.raises(wan.InvalidRequestError, match="timeout"):
        wan.generate(prompt="A cat.", image=photo, timeout="x")
    assert server.asked == []


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ({}, "goes on at the service and will be billed when it succeeds"),
        ({"X-Wan-Simulator": "speed=1"}, "goes on at the simulator; nothing is billed"),
    ],
    ids=["real", "simulated"],
)
def test_a_script_that_ends_says_what_becomes_of_its_jobs(server, tmp_path, mark, said):
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=mark))
    photo = Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png"
    code = (
        "import time, wan_notebook as wan\n"
        f"job = wan.submit(prompt='A cat.', image={str(photo)!r}, base_url={server.base_url!r}, api_key={KEY!r})\n"
        "while job.task_id is None: time.sleep(0.01)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert f"Task task-1 {said}." in done.stderr
    assert "Traceback" not in done.stderr
    several = code.replace("while job.task_id is None: time.sleep(0.01)\n", "") * 4
    done = subprocess.run(
        [sys.executable, "-c", several], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
