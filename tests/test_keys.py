"""The key: where it is found, that it is not typed into cells, and that nothing of ours ever shows it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from caller import picture
from faults import Faulty
from hostile import PENDING, Answer, Hostile
from kernels import LiveKernel
from test_faults import a_clip

import wan_notebook as wan
from wan_notebook.errors import WanError

KEY = "sk-keys-0123456789abcdef"
TYPED_KEY = "sk-typed-fedcba9876543210fedcba98"  # IPython keeps what is typed: it is looked for here alone
SUBMIT = "/services/aigc/video-generation/video-synthesis"
PHOTO = "image='photo.jpg', duration=2, audio=False"

RING = """
from keyring.backend import KeyringBackend
class Ring(KeyringBackend):
    priority = 1
    def get_password(self, service, username): return {("dashscope", "api_key"): "sk-ring"}.get((service, username))
    def set_password(self, service, username, password): pass
class Locked(Ring):
    def get_password(self, service, username): raise RuntimeError("locked")
"""


def found(folder, code="", **environment):
    """What a fresh process finds, and where."""
    look = (
        f"import json\n{code}\nfrom wan_notebook.config import Settings\n"
        "s = Settings.resolve()\nprint(json.dumps([s.key and s.key.reveal(), s.key_source]))"
    )
    environment = {**os.environ, "HOME": str(folder), "PYTHONPATH": str(folder), **environment}
    done = subprocess.run(
        [sys.executable, "-c", look], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return tuple(json.loads(done.stdout))


def test_the_places_the_key_may_be_are_asked_in_their_order(tmp_path):
    (tmp_path / "ring.py").write_text(RING)
    (tmp_path / "google").mkdir()
    (tmp_path / "google" / "colab").mkdir()
    (tmp_path / "google" / "colab" / "__init__.py").write_text("from . import userdata")
    userdata = "def get(name): return {'DASHSCOPE_API_KEY': 'sk-colab'}[name]"
    (tmp_path / "google" / "colab" / "userdata.py").write_text(userdata)
    named = tmp_path / "named"
    named.write_text("sk-named\n")
    ring, colab = {"PYTHON_KEYRING_BACKEND": "ring.Ring"}, "import google.colab"
    login = "from wan_notebook import keys; keys.remember(keys.Secret('sk-login'))"
    file, variable = {"DASHSCOPE_API_KEY_FILE_PATH": str(named)}, {"DASHSCOPE_API_KEY": "sk-variable"}
    assert found(tmp_path) == (None, "not set")
    assert found(tmp_path, colab) == ("sk-colab", "the secrets of Colab")
    assert found(tmp_path, colab, **ring) == ("sk-ring", "keyring (dashscope, api_key)")
    assert found(tmp_path, colab, **ring, **file) == ("sk-named", "DASHSCOPE_API_KEY_FILE_PATH")
    assert found(tmp_path, colab, **ring, **file, **variable) == ("sk-variable", "DASHSCOPE_API_KEY")
    assert found(tmp_path, login, **file, **variable) == ("sk-login", "%wan_login")


def test_places_that_cannot_be_asked_are_passed_over(tmp_path):
    (tmp_path / "ring.py").write_text(RING)
    (tmp_path / "google" / "colab").mkdir(parents=True)
    (tmp_path / "google" / "colab" / "__init__.py").write_text("")
    assert found(tmp_path, "import google.colab", PYTHON_KEYRING_BACKEND="ring.Locked") == (None, "not set")
    assert found(tmp_path, PYTHON_KEYRING_BACKEND="no.such.Backend") == (None, "not set")
    (tmp_path / "keyring.py").write_text("raise ImportError('none here')")
    assert found(tmp_path) == (None, "not set")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "photo.jpg").write_bytes(picture((320, 240)))
    return folder


@pytest.fixture
def server():
    with Hostile() as hostile:
        hostile.on("POST", SUBMIT, Answer(body=PENDING))
        hostile.on("GET", "/tasks/task-1", Answer(body=PENDING))
        yield hostile


@pytest.fixture
def notebook(server, folder):
    with LiveKernel(folder, {"DASHSCOPE_HTTP_BASE_URL": server.base_url}) as live:
        live.run("%load_ext wan_notebook\nimport wan_notebook as wan")
        yield live


def test_login_asks_unseen_and_keeps_the_key_in_memory_alone(notebook, server):
    cell = notebook.send("%wan_login")
    assert notebook.answer(KEY).startswith("(unseen) API key")
    notebook.until(lambda: cell.idle)
    assert "memory of this kernel" in cell.text
    job = notebook.run(f"job = wan.submit(prompt='By login.', {PHOTO})")
    notebook.until(lambda: job.record["task_id"])
    assert server.asked[0].headers["Authorization"] == f"Bearer {KEY}"
    shown = notebook.run("%history\nprint(In, Out, _ih, dir(), vars(job), wan.jobs())\n%wan_doctor")
    assert "%wan_login)" in "".join(str(data) for data in shown.bundles)
    assert KEY[:12] not in repr(notebook.cells)
    assert "forgotten" in notebook.run("%wan_login --forget").text
    assert "no API key is set" in "\n".join(notebook.run(f"wan.submit(prompt='Once more.', {PHOTO})").error)
    assert "no key to forget" in notebook.run("%wan_login --forget").text


def test_login_takes_no_key_in_its_line_and_asks_nobody_where_nobody_is(notebook):
    assert "revoke it" in "\n".join(notebook.run(f"%wan_login {TYPED_KEY}").error)
    assert "no such option" in "\n".join(notebook.run("%wan_login --save").error)
    assert "nobody can be asked" in "\n".join(notebook.run("%wan_login", allow_stdin=False).error)


TYPED = {
    "argument": f"wan.submit(prompt='Typed.', {PHOTO}, api_key='{TYPED_KEY}')",
    "environment": f"import os; os.environ['DASHSCOPE_API_KEY'] = '{TYPED_KEY}'; wan.submit(prompt='Typed.', {PHOTO})",
    "task": f"wan.fetch('task-1', api_key='{TYPED_KEY}')",
}


def test_a_key_typed_into_a_cell_is_refused_with_the_reason_and_one_typed_earlier_is_remarked(notebook, server):
    for code in TYPED.values():
        said = "\n".join(notebook.run(code).error)
        assert "saved, shared and kept in the history" in said
        assert "revoke it" in said
        assert TYPED_KEY not in said
    assert server.asked == []
    notebook.run(f"import os\nos.environ['DASHSCOPE_API_KEY'] = '{TYPED_KEY}'")
    job = notebook.run(f"wan.submit(prompt='Typed earlier.', {PHOTO})")
    assert any("stands in an earlier cell" in note for note in job.record["notes"])
    assert TYPED_KEY not in repr(job)


ASK = {
    "submit": lambda **how: wan.submit(prompt="A.", image="https://example.com/a.png", **how),
    "generate": lambda **how: wan.generate(prompt="A.", image="https://example.com/a.png", **how),
    "agenerate": lambda **how: asyncio.run(wan.agenerate(prompt="A.", image="https://example.com/a.png", **how)),
    "dry_run": lambda **how: wan.dry_run(prompt="A.", image="https://example.com/a.png", **how),
    "attach": lambda **how: wan.attach("task-1", **how),
    "fetch": lambda **how: wan.fetch("task-1", **how),
    "cancel": lambda **how: wan.cancel("task-1", **how),
    "list_tasks": wan.list_tasks,
    "replay": lambda **how: wan.replay("no such notebook.ipynb", **how),
}
WRONG = {
    "region": {"region": "nowhere", "api_key": KEY},
    "key": {"api_key": f"{KEY} and more"},
    "type": {"region": 1, "api_key": KEY},
    "unreachable": {"base_url": "http://127.0.0.1:9/api/v1", "api_key": KEY},
    "environment": {"workspace": "of/nobody"},
}


# An address that nobody answers at: the other doors leave it to the background, or it is no error of theirs.
@pytest.mark.parametrize(
    ("door", "wrong"),
    [(door, wrong) for door in ASK for wrong in WRONG if wrong != "unreachable" or door in ("fetch", "list_tasks")],
)
def test_a_traceback_that_shows_variables_shows_no_key(door, wrong, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if wrong == "environment":
        monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    with pytest.raises(WanError) as caught:
        ASK[door](**WRONG[wrong])
    own = caught.value.__traceback__
    while own.tb_frame.f_globals is globals():
        own = own.tb_next  # the caller's frames hold what the caller typed
    if door == "agenerate":
        while "wan_notebook" not in own.tb_frame.f_code.co_filename:
            own = own.tb_next
    told = traceback.TracebackException(WanError, caught.value, own, capture_locals=True)
    assert "wan_notebook" in "".join(told.format())
    assert KEY not in "".join(told.format())


SESSION = """
import asyncio, io, logging, pickle, sys, traceback
logging.basicConfig(level=logging.DEBUG, filename="debug.log")
log = io.StringIO()
logging.getLogger().addHandler(logging.StreamHandler(log))
for name in ("httpx", "httpcore", "asyncio", "wan_notebook"):
    logging.getLogger(name).setLevel(logging.DEBUG)
%load_ext wan_notebook
import wan_notebook as wan
from wan_notebook.hall.session import session
session().runner.loop.set_debug(True)
"""
AFTER = """
everything = []
for job in wan.jobs():
    error = job.exception(60)
    seen = [job, job.__dict__, job.update, job.record, job.request, job._verbs, job._repr_mimebundle_(), error]
    if error is None:
        seen += [job.result(), job.result().__dict__, pickle.dumps(job.result()), pickle.dumps(job.request)]
    else:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        seen += ["".join(told.format()), error.__dict__, error.lines(), pickle.dumps(error)]
    everything += [repr(one) for one in seen]
print(*everything)
print(log.getvalue())
print(session().__dict__, session().runner.__dict__, session().switchboard.__dict__)
"""


def test_the_key_is_in_nothing_that_a_session_leaves_behind(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(picture((320, 240)))
    environment = {
        "DASHSCOPE_API_KEY": KEY,
        "HOME": str(tmp_path),
        "WAN_NOTEBOOK_HOME": str(tmp_path / "wan"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    echo = Answer(401, {"code": "InvalidApiKey", "message": f"Incorrect API key provided: {KEY}.", "request_id": KEY})
    with (
        Faulty(a_clip(), submit=[None, "500"], poll=["types", "502 page"]) as service,
        Faulty(a_clip(), ends="FAILED") as failing,
        Hostile() as strict,
        LiveKernel(tmp_path, environment) as live,
    ):
        strict.on("POST", SUBMIT, echo)
        strict.on("GET", "/", echo)
        assert live.run(SESSION).error is None
        live.run("%xmode Verbose")
        for number, place in enumerate((service, service, failing, strict)):
            live.run(f"job{number} = wan.submit(prompt='Nr {number}.', {PHOTO}, base_url={place.base_url!r})")
            live.run(f"job{number}.result(60)")
            live.run(f"job{number}")
        cell = live.run(AFTER)
        states = live.run("print([str(job.state) for job in wan.jobs()])")
        assert "'downloaded'" in states.text
        assert "'failed'" in states.text
        assert "'refused'" in states.text
        assert "send_request_headers" in cell.text  # what httpcore logs of a request
        assert KEY not in repr((live.cells, live.displays))
        assert KEY[3:] not in cell.text
        live.run("%history -g\n%wan_doctor\n%wan_jobs --all")
        assert KEY not in repr((live.cells, live.displays))
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"debug.log", "ledger.sqlite3"} <= {path.name for path in left}
    assert any(path.suffix == ".json" for path in left)
    for path in left:
        assert KEY.encode() not in Path(path).read_bytes(), path
