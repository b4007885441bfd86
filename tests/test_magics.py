"""The magic in a real kernel: loading, help, and everything a person can get wrong."""

from __future__ import annotations

import re

import pytest
from hostile import PENDING, Answer, Hostile
from kernels import MIME, LiveKernel

HEAVY = ("httpx", "pydantic", "PIL", "av", "ipywidgets", "nbformat", "nest_asyncio")
GOOD = "--image images/chelsea.png --duration 2 --no-audio"
SUBMIT = "/services/aigc/video-generation/video-synthesis"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "images").symlink_to(request.config.rootpath / "notebooks" / "images")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def server():
    with Hostile() as hostile:
        hostile.on("POST", SUBMIT, Answer(body=PENDING))
        hostile.on("GET", "/tasks/task-1", Answer(body={"output": {"task_id": "task-1", "task_status": "RUNNING"}}))
        yield hostile


@pytest.fixture(scope="module")
def notebook(server, folder):
    environment = {"DASHSCOPE_HTTP_BASE_URL": server.base_url, "DASHSCOPE_API_KEY": "sk-magic-0123456789abcdef"}
    with LiveKernel(folder, environment) as live:
        assert live.run("%load_ext wan_notebook").error is None
        yield live


def test_loading_opens_no_socket_prints_nothing_and_imports_nothing_heavy(folder):
    with LiveKernel(folder) as live:
        live.run(
            "import sys; sockets = []; loaded = set(sys.modules)\n"
            "sys.addaudithook(lambda event, _: sockets.append(event) if event.startswith('socket.') else None)"
        )
        cell = live.run("%load_ext wan_notebook")
        assert (cell.outputs, cell.error) == ([], None)
        assert live.run("print(sockets)").text.strip() == "[]"
        new = live.run("print(*sorted(set(sys.modules) - loaded))").text.split()
        heavy = live.run(f"print([name for name in {HEAVY!r} if name in sys.modules and name not in loaded])").text
        assert heavy.strip() == "[]"
        doors = live.run("print(*(name for name in list(sys.modules) if hasattr(sys.modules[name], '__path__')))").text
        assert len([name for name in new if name.startswith("wan_notebook") and name not in doors.split()]) <= 10
        assert len(new) <= 40


def test_the_line_of_a_form_fills_it_in_and_what_it_does_not_know_is_refused(notebook):
    made = notebook.run(
        "%wan_form --region simulator --image images/chelsea.png --duration 3 --no-audio\n"
        "import gc; from wan_notebook.forms.panel import Form\n"
        "it = [one for one in gc.get_objects() if type(one) is Form][-1]\n"
        "print(it.sheet.region, it.fields['duration'].control.value, it.fields['audio'].control.value)"
    )
    assert made.error is None
    assert made.text.split()[-3:] == ["simulator", "3", "False"]
    for line in ("--imge cat.png", "model=foo", "--duration 99"):
        assert notebook.run(f"%wan_form {line}").error is not None


def test_loading_twice_reloading_and_unloading_are_harmless(folder):
    with LiveKernel(folder) as live:
        for line in ("%load_ext wan_notebook", "%load_ext wan_notebook", "%reload_ext wan_notebook"):
            assert live.run(line).error is None
        assert live.run("%config WanMagics.region = 'beijing'").error is None
        assert live.run("%unload_ext wan_notebook").error is None
        assert "not found" in "".join(live.run("%%wan_i2v cat\nhello").text)
        assert live.run("%load_ext wan_notebook").error is None


def test_the_help_shows_every_option(notebook):
    reply = notebook.client.execute("%%wan_i2v?", reply=True, timeout=60)
    (page,) = (entry["data"]["text/plain"] for entry in reply["content"]["payload"] if entry["source"] == "page")
    for option in ("--image", "--resolution", "--no-audio", "--negative-prompt", "--region", "--no-wait", "480P"):
        assert option in page
    assert "Traceback" not in page


WRONG = {
    "no image": ("%%wan_i2v\nA cat.", "image", "--image"),
    "an empty cell": (f"%%wan_i2v cat {GOOD}", "prompt", "empty below the line"),
    "a cell of blanks": (f"%%wan_i2v cat {GOOD}\n   \n", "prompt", "empty below the line"),
    "a misspelt option": (f"%%wan_i2v cat {GOOD} --sead 1\nA cat.", "--sead", "Did you mean --seed?"),
    "a misspelt file": ("%%wan_i2v --image images/chelse.png\nA cat.", "image", "Did you mean chelsea.png?"),
    "a file that is no picture": ("%%wan_i2v --image notes.txt\nA cat.", "image", "JPEG, PNG, BMP or WEBP"),
    "a folder": ("%%wan_i2v --image images\nA cat.", "image", "folder"),
    "a duration the model has not": (
        "%%wan_i2v --image images/chelsea.png --model wan2.5-i2v-preview --duration 7\nA cat.", "duration", "5 or 10",
    ),
    "a resolution the model has not": (f"%%wan_i2v {GOOD} --resolution 480P\nA cat.", "resolution", "720P"),
    "a seed out of range": (f"%%wan_i2v {GOOD} --seed -1\nA cat.", "seed", "2147483647"),
    "no number": (f"%%wan_i2v {GOOD} --seed many\nA cat.", "seed", "many"),
    "a prompt the service would cut": (f"%%wan_i2v {GOOD}\n{'cat ' * 400}", "prompt", "1500"),
    "several shots without rewriting": (
        f"%%wan_i2v {GOOD} --shot-type multi --no-prompt-extend\nA cat.", "shot_type", "prompt_extend",
    ),
    "silence where there is always sound": (
        f"%%wan_i2v {GOOD} --model wan2.6-i2v\nA cat.", "audio", "wan2.6-i2v-flash",
    ),
    "a misspelt audio file": (f"%%wan_i2v {GOOD} --audio-url verse.mp3\nA cat.", "audio_url", "no such file"),
    "a key in the line": (f"%%wan_i2v {GOOD} --api-key sk-0123456789abcdef01\nA cat.", "api_key", "revoke it"),
    "a key in the prompt": (f"%%wan_i2v {GOOD}\nUse sk-0123456789abcdef01 please.", "prompt", "key"),
    "an unknown region": (f"%%wan_i2v {GOOD} --region singapur\nA cat.", "region", "Did you mean singapore?"),
    "a model the region has not": (f"%%wan_i2v {GOOD} --region virginia\nA cat.", "model", "virginia"),
    "a keyword as a name": (f"%%wan_i2v class {GOOD}\nA cat.", "name", "identifier"),
    "a builtin as a name": (f"%%wan_i2v print {GOOD}\nA cat.", "name", "builtin"),
    "a name that is taken": (f"%%wan_i2v taken {GOOD}\nA cat.", "name", "int"),
    "a variable that is not there": ("%%wan_i2v --image $photo\nA cat.", "line", "photo"),
    "an open quotation mark": ("%%wan_i2v --image 'a b.png\nA cat.", "line", "quotation mark"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_gets_one_clear_box_and_no_request(notebook, server, name):
    code, field, words = WRONG[name]
    before = len(server.asked)
    notebook.run("taken = 3")
    cell = notebook.run(code)
    assert cell.error is not None
    said = "\n".join(cell.error)
    assert field in said
    assert words in said
    assert "Traceback" not in said
    assert "File " not in said
    assert "0123456789" not in said
    assert re.search("(?i)nothing (was sent|is billed)", said)
    assert cell.outputs == []
    assert len(server.asked) == before
    assert notebook.run("print(taken)").text.strip() == "3"


def test_all_problems_of_a_cell_are_told_at_once(notebook):
    said = "\n".join(notebook.run("%%wan_i2v class --image nowhere.png --duration 99 --seed x\n").error)
    for field in ("name", "prompt", "image", "duration", "seed"):
        assert re.search(rf"- {field}\b", said), (field, said)


def test_without_a_key_nothing_is_sent_and_both_ways_out_are_named(folder):
    with LiveKernel(folder) as live:
        live.run("%load_ext wan_notebook")
        said = "\n".join(live.run(f"%%wan_i2v cat {GOOD}\nA cat.").error)
    assert "DASHSCOPE_API_KEY" in said
    assert "--region simulator" in said


def test_a_model_nobody_knows_is_a_warning_and_an_unknown_price_is_asked_about(notebook, server):
    code = "%%wan_i2v {} --image images/chelsea.png --model wan9-i2v --duration 3 {}\nA cat."
    cell = notebook.run(code.format("", ""), cell_id=None, allow_stdin=False)
    assert "--yes" in "\n".join(cell.error)
    before = server.count("POST", SUBMIT)
    cell = notebook.run(code.format("strange", "--yes"))
    assert cell.error is None
    notebook.until(lambda: server.count("POST", SUBMIT) > before)
    assert server.asked[-1].path != SUBMIT or server.asked[-1].json["model"] == "wan9-i2v"


def test_braces_and_dollars_in_a_prompt_stay_as_they_are(notebook, server):
    prompt = "A sign says {cat} for $5 at 100%; he's \\here."
    cell = notebook.run(f"%%wan_i2v sign {GOOD}\n{prompt}\n")
    assert cell.error is None
    notebook.until(lambda: cell.record["task_id"])
    sent = [asked.json["input"].get("prompt") for asked in server.asked if asked.path == SUBMIT]
    assert sent[-1] == prompt


def test_as_a_line_it_works_without_a_prompt(notebook):
    cell = notebook.run(f"%wan_i2v still {GOOD}")
    assert cell.error is None
    assert cell.bundles[0][MIME]["name"] == "still"


def test_running_a_cell_again_says_that_its_earlier_job_goes_on(notebook):
    first = notebook.run(f"%%wan_i2v twice {GOOD}\nA cat.", cell_id="twice")
    notebook.until(lambda: first.record["task_status"] == "RUNNING")
    for prompt in ("A dog.", "A cat."):
        again = notebook.run(f"%%wan_i2v twice {GOOD}\n{prompt}", cell_id="twice")
        assert any("earlier job of this cell (task task-1)" in note for note in again.record["notes"])
        assert any("and is billed" in note for note in again.record["notes"])


def test_a_dry_run_sends_nothing_and_gives_the_name_to_what_it_found(notebook, server):
    cell = notebook.run(f"%%wan_i2v look {GOOD} --dry-run\nOnly a rehearsal.")
    assert cell.error is None
    (shown,) = cell.bundles
    assert "Dry run: look" in shown["text/html"]
    assert "curl -sS" in shown["text/plain"]
    assert MIME not in shown
    assert "sk-magic" not in str(shown)
    code = "print(look.body['input']['prompt'], look.cost, type(look).__name__, len(__import__('wan_notebook').jobs()))"
    jobs = notebook.run("print(len(__import__('wan_notebook').jobs()))").text.strip()
    assert notebook.run(code).text.strip() == f"Only a rehearsal. about 0.05 USD DryRun {jobs}"
    assert not any(b"Only a rehearsal." in asked.body for asked in server.asked)


def test_a_dry_run_gives_way_to_the_job_and_never_replaces_it(notebook, server):
    notebook.run(f"%%wan_i2v later {GOOD} -n\nA cat.")
    assert notebook.run(f"%%wan_i2v later {GOOD}\nA cat.").error is None
    assert notebook.run("print(type(later).__name__)").text.strip() == "Job"
    cell = notebook.run(f"%wan_i2v later {GOOD} -n")
    assert "later still holds its Job" in cell.bundles[0]["text/plain"]
    assert notebook.run("print(type(later).__name__)").text.strip() == "Job"


def test_a_dry_run_needs_no_key_and_says_what_would_be_refused(folder):
    with LiveKernel(folder) as live:
        live.run("%load_ext wan_notebook")
        cell = live.run(f"%%wan_i2v cat {GOOD} --region virginia --dry-run\nA cat.")
        assert cell.error is None
        assert "It would be refused:" in cell.bundles[0]["text/plain"]
        wrong = live.run(f"%%wan_i2v cat {GOOD} --resolution 480P --dry-run\nA cat.")
        assert "720P or 1080P" in "\n".join(wrong.error)
