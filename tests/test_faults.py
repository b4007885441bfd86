"""Faults at every step of a job: what is asked for is made once, what is made arrives, the card says what is true."""

from __future__ import annotations

import contextlib
import io
import time
import uuid
from fractions import Fraction

import av
import pytest
from caller import picture, tone
from faults import ANSWERS, AWAY, REFUSING, SPEED, WRONG_TYPES, Faulty

import wan_notebook as wan

KEY = "sk-faults-0123456789abcdef"
ENDED = 120.0  # seconds; the longest silence anything waits for is the submit's


def a_clip() -> bytes:
    """The smallest real MP4."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 16
        stream.time_base = Fraction(1, 30)
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode())
    return file.getvalue()


@pytest.fixture(scope="module")
def clip() -> bytes:
    return a_clip()


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    path.write_bytes(picture((320, 240)))
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A sound of one's own: it goes through the temporary store."""
    path = tmp_path_factory.mktemp("sound") / "tone.wav"
    path.write_bytes(tone(5))
    return path


class Asking:
    """Somebody who asks a faulty service for clips."""

    def __init__(self, folder, photo, sound):
        self.folder, self.photo, self.sound = folder, photo, sound

    def __call__(self, service, prompt="", *, upload=False, **more):
        more = {"audio_url": self.sound, **more} if upload else {"audio": False, **more}
        where = {"base_url": service.base_url, "api_key": KEY, "output_dir": self.folder / "clips"}
        prompt = prompt or f"A cat, {uuid.uuid4()}."  # no request is like any other
        return wan.submit(prompt=prompt, image=self.photo, **where, **more)


@pytest.fixture
def ask(tmp_path, photo, sound):
    return Asking(tmp_path, photo, sound)


class Card:
    """Everything a job's card said, state after state, where its service is one that is ``watched``."""

    def __init__(self, job, service=None):
        self.job, self.service, self.said = job, service, []

    def watch(self, seconds=ENDED):
        end = time.monotonic() + seconds
        while not self.job.wait(0.01):
            assert time.monotonic() < end, f"hangs: {self.job.update.state}, {self.job.update.notes}"
            if self.service is not None:
                self.service.look()
            self.said.extend(note for note in self.job.update.notes if note not in self.said)
        return self

    @property
    def words(self):
        update = self.job.update
        return " | ".join([*self.said, *update.notes, update.error or "", update.hint or ""])


def delivered(job, clip, after=0.1):
    job.wait(after)
    assert job.state == "downloaded", (job.state, job.update.error, job.update.hint)
    assert job.result().path.read_bytes() == clip
    assert not list(job.result().path.parent.glob(f"{job.result().path.stem}*.part"))


def left_over(job):
    """Remarks about a trouble that is over."""
    heads = ("nothing is sent yet", "network trouble", "the service gives no word", "the clip is finished and safe")
    return [note for note in job.update.notes if note.startswith(heads)]


NETWORK = ("reset unread", "reset", "drop", "cut short")
BAD_ANSWERS = ("200 page", "cut JSON", *(f"types {n}" for n in range(len(WRONG_TYPES))))
FAST = ("429 later", "502 page", "types 4", "reset", "cut short")  # of each kind one


def long(*values):
    """Tests of the long suite."""
    return [pytest.param(value, marks=pytest.mark.full, id=value) for value in values]


def chosen(*faults):
    """Each fault a test; most of them in the long suite."""
    return [*FAST, *long(*(fault for fault in faults if fault not in FAST))]


@pytest.mark.parametrize("fault", chosen(*ANSWERS, *NETWORK, *BAD_ANSWERS[2:]))
def test_a_submit_makes_one_task_or_says_what_is_not_known(fault, ask, clip):
    with Faulty(clip, watched=True, submit=[fault]) as service:
        job = ask(service)
        card = Card(job, service).watch(200)
        if fault in REFUSING and fault != "reset unread":
            assert "nothing is sent yet and nothing is billed" in card.words
            delivered(job, clip)
            assert (service.submits(), service.created()) == (2, 1)
        elif fault == "reset unread":  # the service's list shows that there is none
            assert job.state == "refused"
            assert "it was not accepted" in card.words
            assert "Nothing is billed" in job.update.hint
            assert service.created() == 0
        else:  # there is one, and with no earlier task of this key nobody can say for certain that it is this one
            assert isinstance(job.exception(), wan.AmbiguousSubmitError)
            assert job.state == "ambiguous"
            assert "not sent again" in card.words
            assert next(iter(service.tasks)) in job.update.hint
            assert "Nothing is billed" not in card.words
            assert (service.submits(), service.created()) == (1, 1)


def test_a_lost_submit_is_found_where_the_key_is_known_and_followed_to_its_clip(ask, clip):
    with Faulty(clip, submit=[None, "reset"]) as service:
        delivered(ask(service), clip, after=60)
        job = ask(service)
        Card(job).watch()
        delivered(job, clip)
        assert (service.submits(), service.created()) == (2, 2)


def test_a_lost_submit_stays_open_where_the_list_cannot_be_asked(ask, clip):
    with Faulty(clip, submit=["504"], list=["500"] * 20) as service:
        job = ask(service)
        card = Card(job).watch()
        assert job.state == "ambiguous"
        assert "not sent again" in card.words
        assert (service.submits(), service.created()) == (1, 1)


@pytest.mark.parametrize("fault", chosen(*ANSWERS, *NETWORK, *BAD_ANSWERS[2:], "status", "no address"))
def test_a_paid_task_is_followed_through_any_trouble_and_its_clip_arrives(fault, ask, clip):
    with Faulty(clip, watched=True, poll=[fault, None, fault, fault]) as service:
        job = ask(service)
        card = Card(job, service).watch()
        delivered(job, clip)
        assert (service.submits(), service.created(), service.served.total()) == (1, 1, 1)
    if fault not in ("status", "no address", "types 3"):
        assert "network trouble, the task is still yours" in card.words
    assert not left_over(job)


@pytest.mark.parametrize("phase", [*long("policy"), "form"])
@pytest.mark.parametrize("fault", chosen(*ANSWERS, *NETWORK, *BAD_ANSWERS[2:]))
def test_an_upload_is_tried_again_and_nothing_is_submitted_before_it_is_there(fault, phase, ask, clip):
    with Faulty(clip, watched=True, **{"policy": ["503"], phase: ["503", fault, fault]}) as service:
        job = ask(service, upload=True)
        card = Card(job, service).watch(200)
        delivered(job, clip)
        assert (service.submits(), service.created()) == (1, 1)
        assert "authorization" not in next(asked.headers for asked in service.asked if asked.phase == "form")
    assert "nothing is sent yet and nothing is billed" in card.words
    assert not left_over(job)


@pytest.mark.parametrize("fault", chosen(*ANSWERS, *NETWORK, "types 4"))
def test_a_finished_clip_is_fetched_until_it_is_whole(fault, ask, clip):
    with Faulty(clip, watched=True, download=[fault, fault, fault]) as service:
        job = ask(service)
        card = Card(job, service).watch(300)
        delivered(job, clip)
        assert (service.submits(), service.created(), service.served.total()) == (1, 1, 1)
        assert "the clip is finished and safe at the service until" in card.words
        assert not any("authorization" in asked.headers for asked in service.asked if asked.phase == "download")
    assert not left_over(job)


@pytest.mark.parametrize("phase", ["submit", "poll", *long("policy", "form", "download")])
def test_an_outage_of_ten_minutes_loses_nothing(phase, ask, clip):
    # The request that meets it is lost, too. A submit then leaves open whether there is a task: there it begins before.
    scripts = {"submit": [AWAY]} if phase == "submit" else {"policy": ["503"], phase: ["503", "outage"]}
    with Faulty(clip, watched=True, **scripts) as service:
        begun = time.monotonic()
        job = ask(service, upload=phase in ("policy", "form"))
        card = Card(job, service).watch()
        delivered(job, clip)
        assert time.monotonic() - begun > 600 / SPEED * 0.9
        assert (service.created(), service.served.total()) == (1, 1)
    words = {"poll": "still yours", "download": "safe at the service"}.get(phase, "nothing is sent yet")
    assert words in card.words


@pytest.mark.full
def test_a_service_that_stays_away_is_given_up_before_anything_is_sent(ask, clip):
    with Faulty(clip, away=100_000, submit=[AWAY]) as service:
        job = ask(service)
        card = Card(job).watch()
        assert job.state == "refused"
        assert type(job.exception()) is wan.TransportError
        assert "cannot be reached" in card.words
        assert "Nothing is billed" in job.update.hint
        assert service.created() == 0


def test_a_task_that_failed_without_a_code_costs_nothing_and_is_not_made_again(ask, clip):
    with Faulty(clip, ends="FAILED", poll=["504"]) as service:
        job = ask(service)
        Card(job).watch()
        assert isinstance(job.exception(), wan.TaskFailedError)
        assert "not billed" in job.update.hint
        assert (service.submits(), service.created()) == (1, 1)


@pytest.mark.full
def test_a_service_that_accepts_a_request_and_falls_silent(ask, clip):
    phases = ("policy", "form", "submit", "poll", "download")
    with contextlib.ExitStack() as stack:
        services = {phase: stack.enter_context(Faulty(clip, speed=20, **{phase: ["hang"]})) for phase in phases}
        jobs = {phase: ask(service, upload=phase in ("policy", "form")) for phase, service in services.items()}
        for phase, job in jobs.items():
            Card(job).watch(300)
            assert services[phase].met[phase, "hang"] == 1
            assert (services[phase].submits(), services[phase].created()) == (1, 1)
            if phase != "submit":
                delivered(job, clip)
        assert isinstance(jobs["submit"].exception(), wan.AmbiguousSubmitError)


MIXES = [(phase, rate) for phase in ("submit", "poll", "upload", "download") for rate in (0.01, 0.1, 0.5)]


def mixed(phase, rate, jobs, ask, clip):
    phases = ("policy", "form") if phase == "upload" else (phase,)
    with Faulty(clip, rates=dict.fromkeys(phases, rate), seed=int(rate * 100), speed=200) as service:
        asked = [ask(service, f"Clip {number}.", upload=phase == "upload") for number in range(jobs)]
        for job in asked:
            Card(job).watch(600)
        ambiguous = {job.request.prompt for job in asked if job.state == "ambiguous"}
        for job in asked:
            prompt = job.request.prompt
            if isinstance(job.exception(), wan.TransportError) and job.state == "refused":
                assert phase == "submit"
                assert service.created(prompt) == 0
                assert "Nothing is billed" in job.update.hint
            elif prompt in ambiguous:
                assert phase == "submit"
                assert service.created(prompt) <= 1
                assert "not sent again" in job.update.hint
            else:
                delivered(job, clip)
                assert service.created(prompt) == 1
        finished = [made for made in service.tasks.values() if made.prompt not in ambiguous]
        assert {made.task_id for made in finished} == set(service.served)
        paths = [job.result().path for job in asked if job.state == "downloaded"]
        assert len(set(paths)) == len(paths) == len(service.served)
        return service.met, ambiguous


def test_many_jobs_through_a_mix_of_all_faults(ask, clip):
    met, _ = mixed("poll", 0.5, 12, ask, clip)
    assert len(met) > 5
    met, _ = mixed("submit", 0.5, 12, ask, clip)
    assert met


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("phase", "rate"), MIXES)
def test_two_hundred_jobs_through_a_mix_of_all_faults(phase, rate, ask, clip):
    met, _ = mixed(phase, rate, 200, ask, clip)
    assert met
