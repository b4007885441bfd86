"""What a form suggests for a picture, and what ``$name`` stands for in it: looked up, never evaluated."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from kernels import LiveKernel

from wan_notebook.errors import InvalidRequestError
from wan_notebook.forms.suggestions import behind, files, name_of, variables

if TYPE_CHECKING:
    from pathlib import Path

LOOK = """
import json
import numpy as np
from PIL import Image
from wan_notebook.forms import suggestions
from wan_notebook.errors import InvalidRequestError
photo, table, numbers = Image.new("RGB", (8, 8)), np.zeros((4, 4, 3), "uint8"), np.zeros(5)
_hidden = photo
def said(text):
    try:
        return type(suggestions.behind("image", text, {})).__name__
    except InvalidRequestError as error:
        return str(error.problems[0])
texts = ("$photo", "$table", "$phot", "$photo.frame(-1)", "$(photo)", "$photo.close()", "$table[0]")
print(json.dumps([suggestions.variables("image"), {text: said(text) for text in texts}, suggestions.name_of(table)]))
"""


def test_files_are_those_beside_the_notebook_and_in_its_folders(in_folder: Path) -> None:
    (in_folder / "one.JPG").write_bytes(b"")
    (in_folder / ".hidden.png").write_bytes(b"")
    (in_folder / "verse.mp3").write_bytes(b"")
    found = files("image")
    assert found[0] == "one.JPG"
    assert "images/chelsea.png" in found
    assert not any("hidden" in name or name.endswith((".md", ".mp3")) for name in found)
    assert files("sound") == ["verse.mp3"]


def test_without_ipython_there_are_no_variables(in_folder: Path) -> None:
    assert (variables("image"), name_of(7)) == ([], None)
    with pytest.raises(InvalidRequestError, match="no variable photo"):
        behind("image", "$photo", {})


@pytest.mark.full
def test_a_variable_is_looked_up_and_no_code_is_run(in_folder: Path) -> None:
    with LiveKernel(in_folder) as live:
        suggested, said, name = json.loads(live.run(LOOK).text)
    assert suggested == ["$photo", "$table"]
    assert name == "$table"
    assert (said["$photo"], said["$table"]) == ("Image", "ndarray")
    assert "no variable phot in this notebook" in said["$phot"]
    assert "photo is no job" in said["$photo.frame(-1)"]
    for text in ("$(photo)", "$photo.close()", "$table[0]"):
        assert "no variable's name" in said[text]
