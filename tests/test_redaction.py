"""A notebook that is given away holds no part of a private prompt, wherever a person wrote it or an output shows it."""

from __future__ import annotations

import json

import pytest

from wan_notebook.record.redaction import SEALED, redacted

TEAPOT = "A vermilion teapot hums."
MAGIC = f"%%wan_i2v y --private\n{TEAPOT}"
PRIVATE = {
    "a dry run of the same": [MAGIC, f"%%wan_i2v y --dry-run\n{TEAPOT}"],
    "a refused private one": [f"%%wan_i2v y --private --duration 99\n{TEAPOT}"],
    "a refused call": [f"wan.generate(prompt={TEAPOT!r}, private=True)"],
    "settings in a mapping": [f"given = {{'prompt': {TEAPOT!r}, 'private': True}}\nwan.generate(**given)"],
    "a dry sweep": [f"%wan_i2v y --private --dry-run --sweep prompt='A cup|{TEAPOT}'"],
    "under a setting": ["%config WanMagics.private = True", f"%%wan_i2v z --dry-run\n{TEAPOT}"],
    "a call under a setting": ["%config WanMagics.private = True", f"wan.submit(prompt={TEAPOT!r})"],
    "a variable": ["WHAT = 'vermilion and wise'", "%%wan_i2v y --private --dry-run\nA {WHAT} teapot."],
    "variables of variables": [
        "A, B = 'vermilion and', 'a teapot'", "c = f'{A} {B} hum'", "%%wan_i2v y --private\nThey: $c",
    ],
    "a loop": ["for word in ('a vermilion', 'a teapot'):\n    wan.submit(prompt=word, private=True)"],
    "notes on it": [MAGIC, "print('the vermilion teapot hums')"],
}  # fmt: skip
SHOWN = {
    "plain": "I2VRequest(prompt='A vermilion teapot hums.')",
    "over lines": ["A vermilion te\n", "apot hums.", " A vermilion\n", "  teapot hums."],
    "markup": "<b>A vermilion</b> <i>teapot &#x68;ums.</i>",
    "an attribute": "<p title='A vermilion teapot hums.'>",
    "colours": "A \x1b[31mvermilion\x1b[0m teapot hums.",
    "a part": "... vermilion teapot ...",
}


def notebook(*sources, outputs=()):
    cells = [
        {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": 1}
        for source in sources
    ]
    cells.append({**cells[0], "source": "x = 1", "outputs": list(outputs)})
    return {"cells": cells, "metadata": {"papermill": {"parameters": {"it": "teapot hums."}}}, "nbformat": 4}


@pytest.mark.parametrize("name", PRIVATE)
def test_a_cell_that_tells_a_private_prompt_loses_its_source(name):
    told, cells = redacted(notebook(*PRIVATE[name]))
    text = json.dumps(told)
    assert "vermilion" not in text
    assert "teapot" not in text.replace('"teapot hums."', "")
    assert cells
    assert told["cells"][-1]["source"] == "x = 1"
    assert told["cells"][max(cells)]["source"] == SEALED


@pytest.mark.parametrize("name", SHOWN)
def test_an_output_that_shows_it_does_so_no_more(name):
    shown = [
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": SHOWN[name], "text/plain": "a table"}},
        {"output_type": "stream", "name": "stdout", "text": SHOWN[name]},
        {"output_type": "error", "ename": "E", "evalue": "no", "traceback": [SHOWN[name]]},
    ]
    told, cells = redacted(notebook(MAGIC, outputs=shown))
    text = json.dumps(told)
    assert "vermilion" not in text
    assert "ums." not in text, "nor in the metadata"
    assert "a table" in text
    assert cells == {0: "they are private", 1: "it holds a text of a private cell"}


def test_what_is_not_said_to_be_private_is_told_why_it_was_left_out_all_the_same():
    refused = "%%wan_i2v grid --sweep seed=1,2\nThe cat sweeps."
    _, cells = redacted(notebook(MAGIC, refused, "word = 'a red teapot'", "%%wan_i2v z --private\nA {word}."))
    assert cells[0] == cells[3] == "they are private"
    assert cells[1].startswith("it asks for a clip and no run of it is recorded")
    assert cells[2] == "it sets a variable that a private cell uses"


def test_where_nothing_is_private_nothing_is_changed():
    held = notebook(f"%%wan_i2v y\n{TEAPOT}", f"wan.generate(prompt={TEAPOT!r}, private=False)")
    assert redacted(held) == (held, {})
