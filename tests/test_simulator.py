"""The simulator's protocol: what each call answers, and how a task lives."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from caller import PATIENCE, SUBMIT, Caller

from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

FLASH = "wan2.6-i2v-flash"
SMALL = {"resolution": "720P", "duration": 2, "audio": False}
DOOMED = "[simulate: FAILED DataInspectionFailed]"
DAY = 24 * 3600


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(speed=100, render="shape") as running:
        yield running


@pytest.fixture
def caller(sim: Simulator, request: pytest.FixtureRequest) -> Iterator[Caller]:
    with Caller(sim, f"sk-{request.node.name}") as one:
        yield one


def test_a_submit_becomes_a_task_and_the_task_a_video_that_can_be_downloaded(caller: Caller) -> None:
    answer = caller.submit(**SMALL).json()
    assert answer["output"]["task_status"] == "PENDING"
    assert answer["request_id"]

    done = caller.finish(answer["output"]["task_id"])
    output = done["output"]
    assert output["task_status"] == "SUCCEEDED"
    assert output["orig_prompt"] == "A cat."
    for name in ("submit_time", "scheduled_time", "end_time"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", output[name])

    clip = httpx.get(output["video_url"], trust_env=False, timeout=PATIENCE)
    assert clip.headers["content-type"] == "video/mp4"
    assert int(clip.headers["content-length"]) == len(clip.content)
    part = httpx.get(output["video_url"], headers={"Range": "bytes=4-11"}, trust_env=False, timeout=PATIENCE)
    assert part.status_code == 206
    assert part.content == clip.content[4:12]


def test_every_answer_names_the_simulator_and_its_speed(sim: Simulator, caller: Caller) -> None:
    origin = sim.base_url.removesuffix("/api/v1")
    answers = [
        caller.submit(prompt=DOOMED),
        caller.post({}),
        caller.http.get("/tasks/x"),
        caller.http.get("/nothing/here"),
        caller.http.delete("/tasks"),
        httpx.get(sim.base_url + "/tasks", trust_env=False, timeout=PATIENCE),
        httpx.get(origin + "/results/1/x.mp4", trust_env=False, timeout=PATIENCE),
        httpx.post(origin + "/", trust_env=False, timeout=PATIENCE),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 200, 404, 405, 401, 403, 400]
    assert {answer.headers["x-wan-simulator"] for answer in answers} == {"speed=100"}


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        (None, "No API-key provided."),
        ("Bearer", "No API-key provided."),
        ("Bearer sk-invalid-1", "Invalid API-key provided."),
        ("Bearer pk-1", "Invalid API-key provided."),
        ("Bearer sk-sp-1", "Invalid API-key provided."),
        ("Basic sk-1", "Invalid API-key provided."),
        ("Bearer sk-region-beijing-1", "Incorrect API key provided."),
    ],
)
def test_a_key_that_is_missing_wrong_or_of_another_region_is_refused(
    sim: Simulator, authorization: str | None, message: str
) -> None:
    headers = {"X-DashScope-Async": "enable"} | ({"Authorization": authorization} if authorization else {})
    for answer in (
        httpx.post(sim.base_url + SUBMIT, json={}, headers=headers, trust_env=False, timeout=PATIENCE),
        httpx.get(sim.base_url + "/tasks/1", headers=headers, trust_env=False, timeout=PATIENCE),
    ):
        assert answer.status_code == 401
        assert (answer.json()["code"], answer.json()["message"]) == ("InvalidApiKey", message)


def test_a_simulator_that_stands_in_a_region_takes_only_the_keys_of_it() -> None:
    with Simulator(region="beijing") as sim:
        for key, status in {"sk-region-beijing-1": 200, "sk-region-singapore-1": 401, "sk-anybody": 401}.items():
            with Caller(sim, key) as caller:
                answer = caller.http.get("/tasks?page_size=1")
                assert answer.status_code == status, key
                assert status == 200 or answer.json()["code"] == "InvalidApiKey"


def test_each_key_is_an_account_of_its_own(sim: Simulator, caller: Caller) -> None:
    task_id = caller.accepted(DOOMED)
    with Caller(sim, "sk-somebody-else") as other:
        assert other.state(task_id) == "UNKNOWN"
        assert other.http.get("/tasks").json()["total"] == 0
        assert other.http.post(f"/tasks/{task_id}/cancel").status_code == 400
    assert caller.http.get("/tasks").json()["total"] == 1


def test_a_submit_without_the_async_header_is_refused(caller: Caller) -> None:
    answer = caller.http.post(SUBMIT, json={"model": FLASH})
    assert answer.status_code == 403
    assert answer.json()["code"] == "AccessDenied"
    assert answer.json()["message"] == "current user api does not support synchronous calls."


def _body(model: str = FLASH, given: Any = ..., **parameters: Any) -> dict[str, Any]:
    return {"model": model, "input": {"img_url": "http://x"} if given is ... else given, "parameters": parameters}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "Required body invalid"),
        ({}, "Field required: model"),
        (_body("wan9"), "Model not exist."),
        (_body("WAN2.6-I2V-FLASH"), "Model not exist."),
        (_body("wan2.6-i2v-flash "), "Model not exist."),
        ({"model": FLASH}, "Field required: input"),
        (_body(given={"prompt": "A cat."}), "Field required: input.img_url"),
        (_body(given={"img_url": ""}), "Field required: input.img_url"),
        (_body(given={"img_url": "cat.png"}), "URL is missing or invalid"),
        (_body(given={"img_url": "http://x", "prompt": 5}), "prompt must be a string"),
        (_body(given={"img_url": "http://x", "template": ["flying"]}), "template must be a string"),
        (_body(resolution="480P"), "resolution"),
        (_body(resolution="720p"), "resolution"),
        (_body(resolution=720), "resolution"),
        (_body("wan2.2-i2v-plus", resolution="720P"), "resolution"),
        (_body("wan2.1-i2v-plus", resolution="480P"), "resolution"),
        (_body(duration=1), "duration"),
        (_body(duration=16), "duration"),
        (_body(duration=5.0), "duration must be an integer"),
        (_body(duration="5"), "duration must be an integer"),
        (_body(duration=True), "duration must be an integer"),
        (_body("wan2.6-i2v-us", duration=6), "duration"),
        (_body("wan2.5-i2v-preview", duration=6), "duration"),
        (_body("wan2.2-i2v-flash", duration=4), "duration"),
        (_body("wan2.1-i2v-turbo", duration=2), "duration"),
        (_body(shot_type="many"), "shot_type"),
        (_body(audio="no"), "audio must be a boolean"),
        (_body(watermark=1), "watermark must be a boolean"),
        (_body(prompt_extend="true"), "prompt_extend must be a boolean"),
        (_body(seed=-1), "seed"),
        (_body(seed=2**31), "seed"),
        (_body(seed=1.5), "seed must be an integer"),
    ],
)
def test_a_body_the_model_cannot_take_is_refused_with_the_services_words(
    caller: Caller, body: Any, message: str
) -> None:
    answer = caller.post(body)
    assert answer.status_code == 400
    assert answer.json()["code"] in ("InvalidParameter", "InvalidURL")
    assert message in answer.json()["message"]
    assert answer.json()["request_id"]


@pytest.mark.parametrize(
    ("region", "vendor_id", "model", "elsewhere"),
    [
        ("singapore", "ap-southeast-1", "wan2.1-i2v-turbo", ["wanx2.1-i2v-turbo", "wan2.6-i2v-us"]),
        ("beijing", "cn-beijing", "wanx2.1-i2v-turbo", ["wan2.1-i2v-turbo", "wan2.6-i2v-us"]),
        ("virginia", "us-east-1", "wan2.6-i2v-us", [FLASH, "wan2.5-i2v-preview", "wan2.7-i2v"]),
        ("frankfurt", "eu-central-1", "wan2.6-i2v", [FLASH, "wan2.6-i2v-us"]),
    ],
)
def test_a_simulator_that_stands_in_a_region_has_the_models_offered_there(
    region: str, vendor_id: str, model: str, elsewhere: list[str]
) -> None:
    with Simulator(region=region) as sim, Caller(sim, f"sk-region-{region}") as caller:
        caller.accepted(DOOMED, model=model)
        row = caller.http.get("/tasks", params={"region": vendor_id}).json()["data"][0]
        assert (row["model_name"], row["region"]) == (model, vendor_id)
        for other in elsewhere:
            answers = [
                caller.submit(DOOMED, model=other),
                caller.http.get("/uploads", params={"action": "getPolicy", "model": other}),
            ]
            assert {(one.status_code, one.json()["message"]) for one in answers} == {(400, "Model not exist.")}


def test_text_that_is_no_json_is_refused(caller: Caller) -> None:
    answer = caller.http.post(SUBMIT, content=b"{", headers={"X-DashScope-Async": "enable"})
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidParameter")


def test_the_path_of_another_task_is_told_to_check_the_url(caller: Caller) -> None:
    answer = caller.http.post("/services/aigc/image2video/video-synthesis", json={})
    assert (answer.status_code, answer.json()["message"]) == (400, "url error, please check url！")


def test_fields_nobody_documents_are_ignored_and_stay_visible(sim: Simulator, caller: Caller) -> None:
    body = _body("wan2.2-i2v-flash", {"img_url": "http://127.0.0.1:9/x", "extend_prompt": True, "function": "f"})
    body["parameters"] = {"audio": "whatever", "shot_type": 3, "typo": None}
    assert caller.post(body).status_code == 200
    seen = sim.requests[-1]
    assert (seen.call, seen.method, seen.path, seen.json) == ("submit", "POST", "/api/v1" + SUBMIT, body)
    assert seen.headers["authorization"] == "Bearer sk-..."


@pytest.mark.parametrize(
    ("model", "parameters", "usage"),
    [
        (
            FLASH,
            {"duration": 2},
            {"duration": 2, "output_video_duration": 2, "input_video_duration": 0, "SR": 1080, "audio": True},
        ),
        (
            FLASH,
            SMALL,
            {"duration": 2, "output_video_duration": 2, "input_video_duration": 0, "SR": 720, "audio": False},
        ),
        (
            "wan2.6-i2v",
            {"duration": 3, "resolution": "720P"},
            {"duration": 3, "output_video_duration": 3, "input_video_duration": 0, "SR": 720},
        ),
        ("wan2.5-i2v-preview", {"resolution": "480P"}, {"duration": 5, "SR": 480}),
        ("wan2.2-i2v-flash", {}, {"duration": 5, "SR": 720}),
        ("wanx2.1-i2v-turbo", {"duration": 3, "resolution": "480P"}, {"video_duration": 3, "video_ratio": "standard"}),
    ],
)
def test_usage_is_told_in_the_words_of_the_family(
    caller: Caller, model: str, parameters: dict[str, Any], usage: dict[str, Any]
) -> None:
    done = caller.finish(caller.accepted(model=model, **parameters))
    assert done["usage"] == {**usage, "video_count": 1}
    assert ("actual_prompt" in done["output"]) == (not model.startswith("wan2.6"))


def test_without_prompt_extend_there_is_no_rewritten_prompt(caller: Caller) -> None:
    done = caller.finish(caller.accepted(model="wan2.1-i2v-turbo", duration=3, resolution="480P", prompt_extend=False))
    assert "actual_prompt" not in done["output"]


@pytest.mark.parametrize(("model", "kept"), [(FLASH, 1500), ("wan2.1-i2v-turbo", 800)])
def test_a_long_prompt_is_cut_without_a_word(caller: Caller, model: str, kept: int) -> None:
    options = SMALL if model == FLASH else {"duration": 3, "resolution": "480P"}
    done = caller.finish(caller.accepted("猫" * 2000, model=model, **options))
    assert done["output"]["orig_prompt"] == "猫" * kept


def test_a_submit_whose_answer_is_withheld_exists_already(sim: Simulator, caller: Caller) -> None:
    answers: list[httpx.Response] = []
    with sim.hold_submits() as held:
        thread = threading.Thread(target=lambda: answers.append(caller.submit(DOOMED)))
        thread.start()
        held.wait()
        with Caller(sim, _key_of(caller)) as same:
            assert same.http.get("/tasks").json()["total"] == 1
        assert not answers
    thread.join()
    assert answers[0].status_code == 200


def test_faults_can_be_ordered(sim: Simulator, caller: Caller) -> None:
    sim.refuse_next("submit", 429, "Throttling.BurstRate", "too fast", headers={"Retry-After": "3"})
    answer = caller.submit(DOOMED)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (
        429,
        "Throttling.BurstRate",
        "3",
    )
    sim.refuse_next("query", 502, body=b"<html>Bad Gateway</html>", headers={"Content-Type": "text/html"})
    assert caller.http.get("/tasks/x").text == "<html>Bad Gateway</html>"
    sim.drop_next("submit")
    with pytest.raises(httpx.RemoteProtocolError):
        caller.submit(DOOMED)
    assert caller.http.get("/tasks").json()["total"] == 0
    sim.drop_next("submit", handled=True)
    with pytest.raises(httpx.RemoteProtocolError):
        caller.submit(DOOMED)
    assert caller.http.get("/tasks").json()["total"] == 1


def test_the_speed_may_change_while_it_runs_and_the_clock_never_goes_back() -> None:
    with Simulator(speed=1) as sim:
        before = sim.clock.now()
        sim.speed = 500
        answer = httpx.get(sim.base_url + "/x", trust_env=False, timeout=PATIENCE)
        assert answer.headers["x-wan-simulator"] == "speed=500"
        assert sim.clock.now() >= before
        for wrong in (0, -1, float("nan")):
            with pytest.raises(ValueError, match="speed"):
                sim.speed = wrong
        with pytest.raises(ValueError, match="never goes back"):
            sim.clock.advance(-1)


def test_it_ends_with_its_block_and_leaves_no_thread_and_no_port_behind() -> None:
    before = set(threading.enumerate())
    with Simulator(speed=50, render="shape") as sim, Caller(sim) as caller:
        caller.accepted(resolution="1080P", duration=15)  # given up in the middle
        base_url = sim.base_url
        with pytest.raises(OSError, match="in use"), Simulator(port=int(base_url.split(":")[2].split("/")[0])):
            pass
    assert set(threading.enumerate()) <= before  # some of an earlier test may have ended meanwhile
    with pytest.raises(httpx.ConnectError):
        httpx.get(base_url, trust_env=False, timeout=PATIENCE)
    with pytest.raises(RuntimeError, match="not running"):
        _ = sim.base_url


def test_it_runs_in_a_process_whose_asyncio_was_patched() -> None:
    script = (
        "import nest_asyncio, asyncio, httpx; loop = asyncio.new_event_loop(); nest_asyncio.apply(loop); loop.close()\n"
        "from wan_notebook.simulator import Simulator\n"
        "with Simulator() as sim: print(httpx.get(sim.base_url + '/tasks').status_code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.stdout == "401\n", done.stderr


def _key_of(caller: Caller) -> str:
    return caller.http.headers["authorization"].removeprefix("Bearer ")
