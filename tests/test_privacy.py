"""A private run: no word of its prompts in anything that is shown or written."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hostile import Answer, Hostile
from saved import notebook, sealed

import wan_notebook as wan
from wan_notebook.config import home
from wan_notebook.engine.revival import revived
from wan_notebook.errors import InvalidRequestError, WanError
from wan_notebook.ledger.runs import FILE
from wan_notebook.ledger.store import Ledger
from wan_notebook.record.model import faults
from wan_notebook.simulator import Simulator
from wan_notebook.words.privacy import without

PROMPT = "The heliotrope umbrella pirouettes beneath seventeen lanterns."
NEGATIVE = "No zeppelins whatsoever, nor any marmalade."
WORDS = ("heliotrope", "pirouettes", "lanterns", "zeppelins", "marmalade")
KEY = "sk-private-0123456789abcdef"
PHOTO = Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png"
ASKED = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "image": PHOTO, "duration": 3, "api_key": KEY}


def spoken(folder: Path) -> list[str]:
    """Every word of the prompts in any file below a folder, with the file."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes().lower()
            found += [f"{word} in {path.name}" for word in WORDS if word.encode() in data]
    return found


def said(value: object) -> list[str]:
    return [word for word in WORDS if word in str(value).lower()]


@pytest.fixture
def apart(tmp_path, monkeypatch):
    """A home and a working folder of its own."""
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.mark.parametrize("model", ["wan2.6-i2v-flash", "wan2.5-i2v-preview"])  # the latter tells its rewritten prompt
def test_no_word_of_a_private_prompt_is_written_or_shown(apart, caplog, model):
    caplog.set_level(logging.DEBUG)
    shown: list[object] = []
    with Simulator(speed=500, render="shape") as sim, redirect_stdout(io.StringIO()) as out, redirect_stderr(out):
        given = {**ASKED, "model": model, "duration": 5, "base_url": sim.base_url}
        job = wan.submit(**given, private=True, name="umbrella")
        job.wait()
        result = job.result()
        shown += [repr(job), job._repr_mimebundle_(), job.record, result.record, result._repr_mimebundle_()]
    record = job.record
    assert (record["private"], faults(record)) == (True, [])
    told = record["request"]["sent"]["input"]
    assert told["prompt"] == {"sha256": hashlib.sha256(PROMPT.encode()).hexdigest()}
    assert told["negative_prompt"] == {"sha256": hashlib.sha256(NEGATIVE.encode()).hexdigest()}
    assert record["actual_prompt"] is record["orig_prompt"] is None
    assert [said(one) for one in shown] == [[]] * len(shown)
    assert said(caplog.text + out.getvalue()) == []
    assert spoken(apart) == []
    assert (home() / FILE).exists()
    assert "private" in json.dumps(job._repr_mimebundle_())
    run = Ledger(home()).run(job.run_id)
    assert run is not None
    later = revived(run, now=run.created_at + 1)
    assert later.private, "a later kernel keeps it private"
    assert said(later) == []
    path = notebook(Path.cwd(), ("wan.submit(...)", [record]))
    assert wan.verify(path).ok


def test_without_private_the_same_words_are_there(apart):
    with Simulator(speed=500, render="shape") as sim:
        wan.generate(**ASKED, base_url=sim.base_url)
    assert spoken(apart), "the search finds what is to be found"


@pytest.mark.parametrize("prompt", [PROMPT, "\n".join(PROMPT.split())])  # a message is read as one line
def test_a_refusal_that_repeats_the_prompt_does_not_pass_it_on(apart, caplog, prompt):
    echo = {"code": "DataInspectionFailed", "message": f"Input rejected: {prompt[:40]}", "request_id": "r-1"}
    with Hostile() as server:
        server.on("POST", "/services/aigc/video-generation/video-synthesis", Answer(400, echo))
        job = wan.submit(**{**ASKED, "prompt": prompt}, base_url=server.base_url, private=True)
        error = job.exception()
    assert isinstance(error, WanError)
    assert "DataInspectionFailed" in str(error)
    assert said(f"{error} {error.lines()} {job.record} {job._repr_mimebundle_()} {caplog.text}") == []
    assert spoken(apart) == []


def test_a_prompt_that_is_too_long_is_not_repeated_in_the_error():
    with pytest.raises(InvalidRequestError) as refused:
        wan.submit(**{**ASKED, "prompt": PROMPT * 50}, private=True)
    assert said(refused.value) == []


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": "A heron\x07 wades."},
        {"prompt": ["A heron"]},
        {"negative_prompt": "heron\x07"},
        {"promt": "A heron wades."},
        {"negative_prompt": "heron", "model": "wan2.1-i2v-turbo", "template": "flying"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_no_error_repeats_a_prompt(given):
    with pytest.raises(InvalidRequestError) as caught:
        wan.submit(**{**ASKED, "negative_prompt": None, **given}, private=True)
    assert "heron" not in str(caught.value).casefold()


def test_the_dry_run_in_a_notebook_leaves_private_texts_out_and_print_shows_them(apart):
    dry = wan.dry_run(**ASKED, private=True, region="singapore")
    assert said(dry._repr_mimebundle_()) == []
    assert PROMPT in str(dry)


def test_private_is_an_option_a_setting_and_no_parameter(kernel):
    kernel.run('%load_ext wan_notebook\n%config WanMagics.region = "simulator"\n%config WanMagics.private = True')
    line = "--image images/chelsea.png --duration 3 --no-audio --wait"
    kernel.run(f"%%wan_i2v a {line}\n{PROMPT}", timeout=180)  # which starts a simulator, too
    assert kernel.run("print(a.record['private'], a.record['request']['sent']['input']['prompt'].keys())").text == (
        "True dict_keys(['sha256'])\n"
    )
    wrong = kernel.run("%%wan_i2v c --image images/chelsea.png --negative-prompt 'a {grey heron}'\nIt wades.")
    assert "SyntaxError" in "".join(wrong.error)
    assert "heron" not in "".join(wrong.error)
    kernel.run("%config WanMagics.private = False")
    kernel.run(f"%%wan_i2v b --private {line}\n{PROMPT}", timeout=180)
    assert kernel.run("print(b.record['private'])").text == "True\n"


def test_verify_finds_a_private_record_that_holds_its_prompt(apart):
    with Simulator(speed=500, render="shape") as sim:
        record = wan.generate(**ASKED, base_url=sim.base_url).record
    path = notebook(Path.cwd(), ("x", [sealed(record, private=True)]))
    found = [finding.words for finding in wan.verify(path).findings if finding.result == "differs"]
    assert found[0] == "it is said to be private, and holds its prompt"


def test_what_two_texts_share_is_cut_and_nothing_else():
    assert without("code 7: The cat looks up. Try again.", ("The cat looks up.",)) == "code 7: [private] Try again."
    assert without("nothing in common", ("The cat looks up.",)) == "nothing in common"
    assert without("up up", ("up",)) == "[private]"
