"""A request written as a cell is the very same request when the cell is run."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from wan_notebook.doors.options import parse
from wan_notebook.errors import InvalidRequestError
from wan_notebook.facts.catalog import catalog
from wan_notebook.forms.magicline import cell_source
from wan_notebook.request.declaration import I2VRequest

IMAGE = "https://example.com/cat.png"
TEXT = st.text(min_size=1, max_size=40).map(str.strip).filter(bool)


def read_again(source: str) -> I2VRequest:
    """What IPython and the magic make of a cell."""
    code = TransformerManager().transform_cell(source)
    seen = []
    shell = type("Shell", (), {"run_cell_magic": lambda *said: seen.append(said[2:])})()
    exec(code, {"get_ipython": lambda: shell})  # noqa: S102  what a kernel does with the cell
    ((line, body),) = seen
    fields = parse(line, lambda text: eval(text, {})).fields  # noqa: S307
    return I2VRequest(prompt=body.strip(), **fields)


@settings(max_examples=60, deadline=None)
@given(prompt=TEXT, negative=TEXT, path=TEXT)
@example("... and then it jumps", "-x", "photos/a b.png")
@example("one\n... two", 'it\'s "so" {blue} $rain\nand dark', r"C:\new\cat.png")
@example("0", "0", "-;")
@example("In [1]: a", "--force", "$price {x}")
@example("$$ and a cat", "$$", "a")
@example("$cat", "$1.50 signs", "a")
@example("%%bash\nrm {x} $y", "a\u2028b\x0cc", "~/cat.png")
def test_whatever_is_typed_into_a_form_is_read_again_from_its_cell(prompt: str, negative: str, path: str) -> None:
    assume(not re.search(r"^\s*>>>", prompt, re.MULTILINE))  # no cell of IPython's keeps it
    try:
        request = I2VRequest(prompt=prompt, image=IMAGE, negative_prompt=negative)
    except InvalidRequestError:
        return
    again = read_again(cell_source(request, media={"image": IMAGE}))
    assert (again.prompt, again.negative_prompt) == (request.prompt, request.negative_prompt)
    line = cell_source(request, media={"image": path}).splitlines()[0].removeprefix("%%wan_i2v")
    if not path.startswith("$"):
        assert parse(line, lambda text: eval(text, {})).fields["image"] == path  # noqa: S307


@pytest.mark.parametrize("model", sorted(catalog().models))
def test_every_value_of_every_model_is_written_and_only_what_was_given(model: str) -> None:
    spec = catalog().model(model)
    values = {
        "model": model,
        "resolution": spec.resolutions[-1],
        "duration": spec.durations[-1],
        "seed": 7,
        "prompt_extend": False,
        "watermark": True,
        "crop": "16:9",
        "pin": True,
        **({"audio": False} if spec.audio == "switch" else {}),
        **({"shot_type": spec.shot_types[0]} if spec.shot_types else {}),
        **({"last_frame": IMAGE} if spec.takes("last_frame") else {}),
    }
    request = I2VRequest(prompt="It looks up.", image=IMAGE, **values)
    source = cell_source(request, media={"image": IMAGE, "last_frame": IMAGE}, region="beijing")
    assert "--region beijing" in source
    again = read_again(source.replace(" --region beijing", ""))
    assert again == request
    assert again.given == request.given


def test_a_variable_of_the_notebook_stays_one() -> None:
    request = I2VRequest(prompt="It looks up.", image=IMAGE)
    assert cell_source(request, media={"image": "$cat.frame(-1)"}).startswith("%%wan_i2v --image $cat.frame(-1)\n")
