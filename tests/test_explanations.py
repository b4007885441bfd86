"""What the service means when it says no: every documented code, in answers and in FAILED tasks, and unknown ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from caller import tone
from hostile import PENDING, Answer, Hostile

import wan_notebook as wan
from wan_notebook.errors import Problem
from wan_notebook.facts.catalog import catalog
from wan_notebook.facts.explanations import BILLED, RETRY, explain, failed, listing, refused
from wan_notebook.simulator import Simulator
from wan_notebook.tasks import Task

KEY = "sk-explained-0123456789abcdef"
SUBMIT = "/services/aigc/video-generation/video-synthesis"
FAST = {"X-Wan-Simulator": "speed=1000"}
PHOTO = Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png"

# Every code in the vendor's list that this API can answer with (edition of 2026-05-25), by HTTP status.
DOCUMENTED = {
    400: """InvalidParameter InvalidParameter.DataInspection invalid_parameter_error InvalidURL
        InvalidURL.ConnectionRefused InvalidURL.Timeout InvalidImageResolution InvalidImageFormat
        InvalidImage.ImageSize InvalidImage.FileFormat InvalidFile.Format InvalidFile.Size InvalidFile.Resolution
        InvalidFile.AspectRatio InvalidFile.ImageSize InvalidFile.Duration InvalidFile.Openerror
        InvalidFile.DownloadFailed BadRequest.EmptyInput BadRequest.EmptyModel BadRequest.EmptyParameters
        BadRequest.IllegalInput BadRequest.InputDownloadFailed BadRequest.UnsupportedFileFormat
        BadRequest.TooLarge Arrearage DataInspectionFailed data_inspection_failed IPInfringementSuspect
        CustomRoleBlocked FaqRuleBlocked UnsupportedOperation""",
    401: "InvalidApiKey NOT_AUTHORIZED",
    403: """AccessDenied AccessDenied.Unpurchased Model.AccessDenied Workspace.AccessDenied
        AllocationQuota.FreeTierOnly""",
    404: "ModelNotFound model_not_found WorkSpaceNotFound NotFound",
    429: """Throttling Throttling.RateQuota LimitRequests limit_requests Throttling.BurstRate limit_burst_rate
        Throttling.AllocationQuota insufficient_quota CommodityNotPurchased PrepaidBillOverdue
        PostpaidBillOverdue""",
    500: """InternalError InternalError.Algo InternalError.FileUpload InternalError.Upload SystemError
        ModelServiceFailed RequestTimeOut RewriteFailed InternalError.Timeout ModelServingError""",
    503: "ModelServingError ModelUnavailable",
}
CODES = [(status, code.replace("NOT_A", "NOT A")) for status, codes in DOCUMENTED.items() for code in codes.split()]
WAITS = {
    *((429, code) for code in ("Throttling", "Throttling.RateQuota", "LimitRequests", "limit_requests")),
    *((429, code) for code in ("Throttling.BurstRate", "limit_burst_rate")),
    *((429, code) for code in ("Throttling.AllocationQuota", "insufficient_quota")),
    *((503, code) for code in ("ModelServingError", "ModelUnavailable")),
}

# Documented messages that decide, with a word of the cause they must lead to.
MESSAGES = [
    ("InvalidParameter", "Model not exist.", "no model of this name"),
    ("InvalidParameter", "url error, please check url！", "address it was sent to"),
    ("InvalidParameter", "Field required: input.media", "message names it"),
    ("InvalidParameter", "Required parameter(img_url) missing or invalid", "message names it"),
    ("InvalidParameter", "the parameters must conform to the specification: duration.", "message names it"),
    ("InvalidParameter", "input json error.", "message names it"),
    ("InvalidParameter", "download image failed", "could not fetch"),
    ("InvalidParameter", "oss download error.", "could not fetch"),
    ("InvalidParameter", "Failed to download input files.", "could not fetch"),
    ("InvalidParameter", "image format error", "could not read the picture"),
    ("InvalidParameter", "Invalid image format or corrupted file", "could not read the picture"),
    ("InvalidParameter", "read image error.", "could not read the picture"),
    ("InvalidParameter", "the size of input image is too small or too large.", "pixels"),
    ("InvalidParameter", "The size is not match 1280*720", "does not fit"),
    ("InvalidParameter", "Exceeded limit on max bytes per data-uri item : 10485760", "too many bytes"),
    ("InvalidParameter", "Multimodal file size is too large", "too many bytes"),
    ("InvalidParameter.DataInspection", "Unable to download the media resource during the data inspection", "fetch"),
    ("InvalidParameter.DataInspection", "Download the media resource timed out", "fetch"),
    ("InvalidParameter", "Don't have authorization to access the media resource", "fetch"),
    ("InvalidParameter", "The media format is not supported or incorrect for the data inspection.", "read the picture"),
    ("InvalidParameter", "The image size is not supported for the data inspection.", "pixels"),
    (
        "invalid_parameter_error",
        "InternalError.Algo.InvalidParameter: The provided URL does not appear to be valid",
        "address",
    ),
    ("InvalidURL", "The input audio is longer than 30s.", "sound track"),
    ("InvalidURL", "File size is larger than 15MB.", "sound track"),
    ("InvalidURL", "please make sure the url is correct and is an image.", "could not read the picture"),
    ("AccessDenied", "current user api does not support synchronous calls.", "X-DashScope-Async"),
    ("AccessDenied", "Invalid according to Policy: Policy expired.", "longer than its permission"),
    ("Throttling.AllocationQuota", "Free allocated quota exceeded.", "free quota is used up"),
    ("DataInspectionFailed", "Output data may contain inappropriate content.", "refused the finished video"),
    ("DataInspectionFailed", "<400> Output data may contain inappropriate content.", "refused the finished video"),
    ("DataInspectionFailed", "Input or output data may contain inappropriate content.", "does not say which"),
    (None, "download image failed", "could not fetch"),
]


@pytest.fixture(scope="module")
def service():
    with Simulator(speed=500, render="shape") as simulator:
        yield simulator


def submit(base_url, folder):
    given = {"prompt": "A cat.", "image": PHOTO, "duration": 2, "audio": False}
    return wan.submit(**given, base_url=base_url, api_key=KEY, output_dir=folder / "clips")


@pytest.mark.parametrize(("status", "code"), CODES)
def test_every_documented_code_has_a_cause_a_cure_a_bill_and_a_word_on_repeating(status, code):
    meant = explain(code)
    assert meant.known
    assert meant.code == code
    assert meant.cause.endswith(".")
    assert meant.cure.endswith((".", ")."))
    assert meant.billed in BILLED
    assert meant.retry in RETRY
    assert status in meant.status
    assert str(meant).count("\n") >= 4


def test_every_row_of_the_catalogue_gives_all_four_answers_and_is_found_by_its_own_code():
    for row in catalog().errors:
        assert row["cause"]
        assert row["cure"]
        assert row["billed"] in BILLED
        assert row["retry"] in RETRY
        assert row["source"] in catalog().sources
        for code in row.get("codes", ()):
            assert explain(code).cause == row["cause"]
        for words in row.get("words", ()):
            for code in (row.get("within") or row.get("codes") or ["Brand.New"])[:1]:
                assert explain(code, f"Oh: {words}!", status=row["status"][0]).cause == row["cause"]


@pytest.mark.parametrize(("code", "message", "word"), MESSAGES)
def test_where_the_code_says_too_little_the_message_decides(code, message, word):
    assert word in explain(code, message).cause


@pytest.mark.parametrize(("status", "code"), CODES)
def test_only_an_answered_too_many_requests_and_an_answered_overload_are_sent_again(status, code):
    error = refused(status, code, "…", "request-1", submitting=True)
    assert error.asks_to_wait == ((status, code) in WAITS)
    assert error.code == code
    assert error.may_pass or not error.asks_to_wait


@pytest.mark.parametrize(
    ("code", "same_as"),
    [
        ("model_not_found", "ModelNotFound"),
        ("dataInspectionFailed", "DataInspectionFailed"),
        ("not_authorized", "NOT AUTHORIZED"),
        ("InternalError.Algo.SomethingNew", "InternalError.Algo"),
        ("Throttling.New", "Throttling"),
        ("InvalidParameter.Brand.New", "InvalidParameter"),
    ],
)
def test_spellings_and_longer_codes_are_recognised(code, same_as):
    assert explain(code).cause == explain(same_as).cause


def test_a_too_many_requests_that_is_about_billing_is_not_worth_waiting_for():
    assert not refused(429, "Throttling.New", "Prepaid bill is overdue.", None, submitting=True).asks_to_wait
    assert not refused(429, "PrepaidBillOverdue", "", None, submitting=True).may_pass
    assert refused(429, "Throttling.New", "slow down", None, submitting=True).asks_to_wait
    assert refused(429, None, None, None, submitting=True).asks_to_wait


@pytest.mark.parametrize("status", [400, 402, 418])
def test_an_unknown_code_gets_an_honest_sentence_and_the_id_for_the_support(status):
    error = refused(status, "Brand.New", "No.", "request-7", submitting=True)
    assert "does not have this code" in error.hint
    assert "request-7" in error.hint
    assert error.hint.endswith("Nothing is billed.")
    assert error.billed is False
    assert not error.may_pass


@pytest.mark.parametrize("status", [None, 501, 520])
def test_an_unknown_code_that_may_have_made_a_task_asks_for_a_look_at_the_list_before_a_second_try(status):
    meant = explain("Brand.New", "Oops.", status=status)
    assert (meant.billed, meant.retry, meant.may_pass) == ("unknown", "look", False)
    assert meant.cure.startswith("If it answers a submit, look into the task list first (%wan_tasks)")
    assert "Run it" not in explain("Brand.New", status=418).cure  # which needs a change
    assert failed(Task("task-1", "FAILED", code="Brand.New")).may_pass  # costs nothing
    if status:
        assert not refused(status, "Brand.New", "Oops.", None, submitting=True).may_pass
        assert refused(status, "Brand.New", "Oops.", None, submitting=False).may_pass  # a question costs nothing


def test_an_answer_to_a_question_says_nothing_about_the_bill_of_a_task():
    error = refused(401, "InvalidApiKey", "", None, submitting=False)
    assert "Nothing is billed" not in error.hint
    assert error.billed is None
    late = refused(400, "UnsupportedOperation", "Failed to cancel the task", None, submitting=False)
    assert explain(late.code).billed == "goes on"
    assert "billed as ever" in late.hint


RESENT = [
    (429, "Throttling.BurstRate", "Request rate increased too quickly"),
    (429, "limit_requests", "You have exceeded your request limit."),
    (503, "ModelServingError", "Too many requests"),
]
REFUSED = [
    (429, "CommodityNotPurchased", ""),
    (429, "Throttling.AllocationQuota", "Free allocated quota exceeded."),
    (400, "InvalidURL.Timeout", "Download x timeout"),
    (400, "data_inspection_failed", "Input data may contain inappropriate content."),
    (403, "AccessDenied", "Invalid according to Policy: Policy expired."),
    (404, "InvalidParameter", "Model not exist."),
]
UNCLEAR = [(500, "ModelServingError", "Too many requests"), (500, "InternalError", ""), (504, "Throttling", "")]


@pytest.mark.parametrize(("status", "code", "message"), [*RESENT, *REFUSED, *UNCLEAR])
def test_a_refused_submit_is_explained_and_sent_again_only_where_nothing_can_be_paid_twice(
    tmp_path, status, code, message
):
    with Hostile() as server:
        server.on(
            "POST",
            SUBMIT,
            Answer(status, {"code": code, "message": message, "request_id": "r-1"}, FAST),
            Answer(body=PENDING, headers=FAST),
        )
        server.on("GET", "/tasks/", Answer(body={"output": {"task_id": "task-1", "task_status": "CANCELED"}}))
        server.on("GET", "/tasks/?", Answer(403, {"code": "AccessDenied", "message": "no list for this key"}))
        error = submit(server.base_url, tmp_path).exception(30)
        posts = server.count("POST", SUBMIT)
    if (status, code, message) in RESENT:
        assert (posts, type(error)) == (2, wan.TaskCanceledError)
        return
    assert posts == 1
    if (status, code, message) in UNCLEAR:
        assert isinstance(error, wan.AmbiguousSubmitError)
        assert code in error.message
        assert error.billed is None
        assert "Nothing is billed" not in str(error)
    else:
        assert isinstance(error, wan.ServiceError)
        assert (error.code, error.request_id, error.billed) == (code, "r-1", False)
        assert explain(code, message).cause in error.hint


@pytest.mark.full
def test_a_refusal_of_the_store_is_explained_and_nothing_is_submitted(tmp_path):
    """It answers in XML; here as if the upload had taken too long."""
    (tmp_path / "tone.wav").write_bytes(tone(3.5))
    with Hostile() as server:
        names = ("policy", "signature", "upload_dir", "oss_access_key_id")
        policy = {**dict.fromkeys(names, "x"), "upload_host": f"{server.root}/store", "max_file_size_mb": 100}
        fast = {"X-Wan-Simulator": "speed=1000"}  # the quarter of an hour it is tried again for passes at once
        server.on("GET", "/uploads", Answer(body={"data": policy}, headers=fast))
        said = (
            b"<Error><Code>AccessDenied</Code><Message>Invalid according to Policy: Policy expired.</Message></Error>"
        )
        server.on("POST", "/store", Answer(403, said))
        image = {"image": PHOTO, "audio_url": tmp_path / "tone.wav"}
        job = wan.submit(prompt="A cat.", **image, base_url=server.base_url, api_key=KEY, output_dir=tmp_path / "clips")
        error = job.exception(30)
        assert server.count("POST", SUBMIT) == 0
    assert error.code == "AccessDenied"
    assert "longer than its permission lasts" in error.hint
    assert (error.billed, error.may_pass) == (False, True)


FAILURES = [
    ("DataInspectionFailed", "Input data may contain inappropriate content.", "content check", False),
    ("InvalidParameter", "Field required: input.media", "message names it", False),
    ("InvalidURL.ConnectionRefused", "Connection to x refused", "could not fetch", True),
    ("InternalError.Timeout", "", "within the 3 hours", True),
    ("RewriteFailed", "Failed to rewrite content for prompt.", "rewrite the prompt", True),
    ("Throttling.RateQuota", "Requests rate limit exceeded", "Too many requests", True),
    ("Brand.New", "Never heard of.", "does not have this code", True),
    (None, None, "gave no reason", True),
]


def test_a_failed_task_is_explained_on_its_card_whatever_its_code(service, tmp_path):
    for code, message, word, may_pass in FAILURES:
        service.fail_next(code, message)
        job = submit(service.base_url, tmp_path)
        error = job.exception(30)
        assert isinstance(error, wan.TaskFailedError), (code, error)
        assert word in str(error)
        assert "Failed tasks are not billed." in error.hint
        assert (error.code, error.billed, error.may_pass) == (code, False, may_pass)
        card = job._repr_mimebundle_()
        for shown in (card["text/html"], card["text/plain"]):
            assert word in shown
            assert "not billed" in shown
            assert job.task_id in shown


FORGED = "no\x1b]0;Mine\x07\x9b31m\u202e\r\nJob done:\nclip saved"


def test_what_the_service_says_forges_no_line_and_moves_no_cursor_where_an_error_is_printed(service, tmp_path):
    service.fail_next(FORGED, FORGED)
    failed_task = submit(service.base_url, tmp_path).exception(30)
    with Hostile() as server:
        server.on("POST", SUBMIT, Answer(400, dict.fromkeys(("code", "message", "request_id"), FORGED)))
        refusal = submit(server.base_url, tmp_path).exception(30)
    said = "no�]0;Mine��31m� Job done: clip saved"
    assert {failed_task.code, failed_task.task.message, refusal.code, refusal.request_id} == {said}
    for line in [*failed_task.lines(), str(failed_task), *refusal.lines(), str(refusal)]:
        assert line.isprintable(), line


def test_a_failed_task_without_a_word_names_the_ids_for_the_support():
    error = failed(Task("task-9", "FAILED", request_id="request-9"))
    assert "gave no reason" in error.message
    assert "task id task-9, request id request-9" in error.hint


def test_every_error_survives_pickling():
    task = Task("t", "FAILED", code="RewriteFailed")
    errors = [
        refused(429, "Throttling", "slow", "r", retry_after=3.0, submitting=True),
        failed(task),
        wan.InvalidRequestError([Problem("duration", "1", "too short")]),
        wan.DownloadError("no space", url="https://example.com/a.mp4", task_id="t"),
        wan.JobTimeoutError("later", task_id="t", hint="ask again"),
        wan.AmbiguousSubmitError("no answer"),
    ]
    for error in errors:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301  our own
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__
        assert again.billed is error.billed


def test_the_catalogue_can_be_read_by_a_person():
    everything = listing()
    assert all(code in everything for _, code in CODES if code != "model_not_found")
    assert listing("InvalidParameter").count("Cure:") > 5
    assert "could not read the picture" in listing("Invalid image format or corrupted file")
    assert "does not have this code" in listing("Brand.New")
