"""The record beside a clip."""

from __future__ import annotations

import json

import pytest
from records import LARGEST, record

from wan_notebook.errors import WanError
from wan_notebook.record.sidefiles import load_record, side_file


def test_a_record_is_found_by_the_clip_and_by_its_own_name(tmp_path):
    clip = tmp_path / "cat.mp4"
    written = side_file(record("a", prompt="猫"), clip)
    assert written == tmp_path / "cat.mp4.json"
    assert load_record(clip) == load_record(written) == record("a", prompt="猫")
    assert [path.name for path in tmp_path.iterdir()] == ["cat.mp4.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", json.dumps({"run_id": "../x"}), json.dumps(LARGEST) + "x" * 99999]
)
def test_what_is_no_record_is_refused(tmp_path, text):
    (tmp_path / "cat.mp4.json").write_text(text)
    with pytest.raises(WanError, match="holds no record"):
        load_record(tmp_path / "cat.mp4")


def test_a_missing_side_file_is_said(tmp_path):
    with pytest.raises(WanError, match=r"dog\.mp4\.json cannot be read"):
        load_record(tmp_path / "dog.mp4")
