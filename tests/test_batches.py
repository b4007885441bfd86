"""Batches on schedulers of others: Dask and ipyparallel call ``wan.generate`` as it is, and may call it again."""

from __future__ import annotations

import functools
import logging
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import wan_notebook as wan
from wan_notebook.ledger.store import Ledger
from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "sk-batches-0123456789abcdef"
THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from wan_notebook.hall.session import session
sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(16) as pool:
    found = list(pool.map(lambda _: session().ledger, range(200)))
print(len(set(map(id, found))))
"""
MACHINE = """
import socket, sys
socket.gethostname = lambda: sys.argv[1]
import wan_notebook as wan
request = wan.I2VRequest(prompt="Up.", image=sys.argv[2], duration=2, audio=False)
print(wan.generate(request, base_url=sys.argv[3]).record["from_run"])
"""
SUBMIT = ("submit", 200)

pytestmark = pytest.mark.full


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A ledger of this test's own, and the key where workers look for it."""
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    return tmp_path / "home"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(speed=60, render="shape") as service:
        yield service


def asked(photos, **changes) -> wan.I2VRequest:
    given = {"prompt": "Up.", "image": photos / "chelsea.png", "duration": 2, "audio": False}
    return wan.I2VRequest(**{**given, **changes})


def call(sim, folder) -> Callable[..., wan.VideoResult]:
    """What is given to the scheduler."""
    return functools.partial(wan.generate, base_url=sim.base_url, output_dir=str(folder / "clips"))


@contextmanager
def dask(workers: int, threads: int = 1, **how: Any) -> Iterator[Any]:
    import distributed

    here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
    with (
        distributed.LocalCluster(n_workers=workers, threads_per_worker=threads, **here, **how) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextmanager
def ipyparallel(engines: int) -> Iterator[Any]:
    import ipyparallel as ipp

    with ipp.Cluster(n=engines, log_level=logging.CRITICAL, controller_ip="127.0.0.1") as client:
        yield client


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def assert_one_each(sim, home, results, count) -> None:
    assert len({result.path for result in results}) == count
    assert all(result.path.stat().st_size == result.clip.bytes for result in results)
    assert sim.answers[SUBMIT] == count
    assert ("submit", 429) not in sim.answers
    sent = sorted(run.sent_at for run in Ledger(home).runs("from_run IS NULL"))
    assert all(sixth - first > 1 / sim.speed for first, sixth in zip(sent, sent[5:], strict=False))


def test_a_hundred_requests_on_four_dask_workers_are_a_hundred_tasks_at_the_accounts_pace(sim, home, tmp_path, photos):
    requests = [asked(photos, seed=seed) for seed in range(100)]
    with dask(4, threads=8) as client:
        results = client.gather(client.map(call(sim, tmp_path), requests))  # nobody is told of a 429
        assert_one_each(sim, home, results, 100)
        assert [result.record["request"]["asked"]["seed"] for result in results] == list(range(100))
        again = client.gather(client.map(call(sim, tmp_path), requests, pure=False))
    assert [result.path for result in again] == [result.path for result in results]
    assert {result.cost.amount for result in again} == {0}
    assert sim.answers[SUBMIT] == 100
    assert KEY.encode() not in pickle.dumps((requests, results))


@pytest.mark.parametrize("where", ["while it runs", "while its submit is under way"])
def test_a_worker_is_killed_and_the_task_repeated_elsewhere_is_not_paid_again(where, sim, tmp_path, photos):
    sim.speed = 1 if where == "while it runs" else 60
    with dask(2) as client:
        pids = client.run(os.getpid)
        with sim.hold_submits() as held:
            future = client.submit(call(sim, tmp_path), asked(photos))
            held.wait(60)
            if where == "while it runs":
                held.release()
                until(lambda: sim.answers.get(("query", 200)))
            (worker,) = [address for address, keys in client.processing().items() if keys]
            os.kill(pids[worker], signal.SIGKILL)
        sim.speed = 60
        error = future.exception(200)
        assert pids[worker] not in client.run(os.getpid).values()
        assert sim.answers[SUBMIT] == 1
        if where == "while it runs":
            assert future.result().path.is_file()
            assert future.result().record["from_run"]
        elif error is not None:  # the service's list did not tell for certain whose task it is
            assert type(error) is wan.AmbiguousSubmitError
            assert wan.list_tasks(base_url=sim.base_url)[0].task_id in str(error)


def test_a_budget_of_the_project_holds_over_all_workers_and_no_job_leaves_its_own(sim, tmp_path, photos, monkeypatch):
    monkeypatch.setenv("WAN_NOTEBOOK_PROJECT_BUDGET", "0.2 USD")  # four clips
    requests = [asked(photos, seed=seed) for seed in range(8)]
    with dask(2, threads=4) as client:
        futures = client.map(call(sim, tmp_path), requests)
        errors = [future.exception(200) for future in futures]
        assert [type(error) for error in errors if error is not None] == [wan.BudgetError] * 4
        paid = requests[errors.index(None)]
        left = client.submit(functools.partial(wan.submit, base_url=sim.base_url), paid)
        with pytest.raises(TypeError, match="a Job stays in the process"):
            left.result(200)
    assert sim.answers[SUBMIT] == 4


def test_a_dask_task_that_fails_brings_its_error_back_with_its_ids(sim, tmp_path, photos):
    with dask(1) as client:
        doomed = asked(photos, prompt="[simulate: FAILED DataInspectionFailed]")
        failed = client.submit(call(sim, tmp_path), doomed).exception()
        assert type(failed) is wan.TaskFailedError
        assert (failed.code, failed.billed) == ("DataInspectionFailed", False)
        assert failed.task_id == wan.list_tasks(base_url=sim.base_url)[0].task_id
        sim.refuse_next("submit", 400, "InvalidParameter", "no")
        refused = client.submit(call(sim, tmp_path), asked(photos, seed=1)).exception()
        assert (type(refused), refused.status, refused.code) == (wan.ServiceError, 400, "InvalidParameter")
        assert refused.request_id
        missing = client.submit(call(sim, tmp_path), asked(photos, seed=2), api_key="sk-invalid-key").exception()
        assert type(missing) is wan.AuthenticationError


def test_identical_requests_of_a_dask_batch_are_one_clip_also_in_the_notebooks_own_threads(sim, tmp_path, photos):
    with dask(1, threads=4, processes=False, protocol="tcp") as client:
        for _ in range(2):
            results = client.gather(client.map(call(sim, tmp_path), [asked(photos)] * 4, pure=False))
            assert len({result.path for result in results}) == 1
    assert sim.answers[SUBMIT] == 1
    assert call(sim, tmp_path)(asked(photos)).path == results[0].path  # outside of a task: the first of its script
    assert call(sim, tmp_path)(asked(photos)).path != results[0].path  # and the second


def test_the_threads_of_a_worker_have_one_ledger():
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.strip() == "1"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_identical_requests_in_a_pool_of_processes_are_one_clip(method, sim, tmp_path, photos):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this machine cannot {method}")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        for _ in range(2):
            results = list(pool.map(call(sim, tmp_path), [asked(photos)] * 4))
            assert len({result.path for result in results}) == 1
    assert sim.answers[SUBMIT] == 1


def test_ipyparallel_engines_make_a_batch_each_request_once_and_show_no_cards(sim, home, tmp_path, photos):
    with ipyparallel(3) as client:
        view = client.load_balanced_view()
        under_way = view.map_async(call(sim, tmp_path), [asked(photos, seed=seed) for seed in range(12)])
        results = under_way.get(120)
        assert_one_each(sim, home, results, 12)
        assert not any(under_way.outputs)
        same = view.map_sync(call(sim, tmp_path), [asked(photos)] * 6)
        assert len({result.path for result in same}) == 1
        assert sim.answers[SUBMIT] == 13
        doomed = view.apply_async(call(sim, tmp_path), asked(photos, prompt="[simulate: FAILED]"))
        remote = doomed.exception(120)
        assert remote.ename == "TaskFailedError"
        assert "not billed" in remote.evalue


def test_an_ipyparallel_engine_is_killed_and_the_retried_call_is_not_paid_again(sim, tmp_path, photos):
    sim.speed = 1
    with ipyparallel(2) as client:
        pids = client[:].apply_async(os.getpid).get_dict(120)
        view = client.load_balanced_view()
        view.retries = 1
        under_way = view.apply_async(call(sim, tmp_path), asked(photos))
        until(lambda: sim.answers.get(("query", 200)))
        (busy,) = [n for n, status in client.queue_status(verbose=True).items() if n in pids and status["tasks"]]
        os.kill(pids[busy], signal.SIGKILL)
        sim.speed = 60
        result = under_way.get(200)
    assert sim.answers[SUBMIT] == 1
    assert result.record["from_run"]


def test_a_task_without_a_key_or_picture_on_its_worker_says_so(tmp_path, photos, monkeypatch):
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    photo = tmp_path / "cat.png"
    photo.write_bytes((photos / "chelsea.png").read_bytes())
    with dask(1) as client:
        failed = client.submit(wan.generate, asked(photos)).exception()
        assert type(failed) is wan.ConfigurationError
        request = pickle.dumps(asked(photos, image=photo))
        photo.unlink()
        with Simulator(render="shape") as sim:
            given = {"base_url": sim.base_url, "region": "simulator"}
            failed = client.submit(call(sim, tmp_path), pickle.loads(request), **given).exception()  # noqa: S301  our own
            assert type(failed) is wan.InvalidRequestError
            assert "read_bytes()" in str(failed)
            assert sim.requests == []


def test_another_machine_on_the_same_home_takes_over_what_the_first_one_paid_for(sim, tmp_path, photos):
    sim.speed = 1

    def machine(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", MACHINE, name, str(photos / "chelsea.png"), sim.base_url]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)

    first = machine("first")
    until(lambda: sim.answers.get(("query", 200)))
    first.kill()
    first.communicate()
    sim.speed = 60
    told, _ = machine("second").communicate(timeout=200)
    assert told.startswith("run-")
    assert sim.answers[SUBMIT] == 1
