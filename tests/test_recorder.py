"""Records from outputs into the metadata of their cells, in memory and in files."""

from __future__ import annotations

import copy
import json
import stat
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import CASES, MIME, kept, record

from wan_notebook.errors import WanError
from wan_notebook.record import recorder
from wan_notebook.record.documents import Document

if TYPE_CHECKING:
    from pathlib import Path


def cell_of(*found: object, **metadata: Any) -> dict[str, Any]:
    """A code cell, as plain JSON, with one output for each of ``found``."""
    outputs = [
        {"output_type": "display_data", "metadata": {}, "data": {"text/plain": "a run", MIME: one}} for one in found
    ]
    return {
        "cell_type": "code",
        "execution_count": 1,
        "id": "cell-1",
        "metadata": metadata,
        "outputs": outputs,
        "source": "",
    }


def notebook_of(*cells: dict[str, Any]) -> dict[str, Any]:
    """A notebook, as plain JSON; each cell gets an id of its own."""
    numbered = [{**cell, "id": f"cell-{i}"} for i, cell in enumerate(cells)]
    return {"cells": numbered, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def saved(folder: Path, *cells: dict[str, Any]) -> Path:
    """A notebook file as nbformat writes it."""
    path = folder / "notebook.ipynb"
    nbformat.write(nbformat.from_dict(notebook_of(*cells)), path)
    return path


@pytest.mark.parametrize("name", CASES)
def test_the_rule_of_merging(name: str) -> None:
    found, metadata, expected = CASES[name]
    before = copy.deepcopy((found, metadata))
    assert recorder.merge(found, metadata) == expected
    assert (found, metadata) == before


def test_stamping_changes_nothing_but_the_metadata_of_cells_with_records() -> None:
    notebook = notebook_of(cell_of(), cell_of(record("a"), "junk", record("b"), tags=["t"]), cell_of(record("c")))
    wanted = copy.deepcopy(notebook)
    wanted["cells"][1]["metadata"]["wan_notebook"] = kept(record("a"), record("b"))
    wanted["cells"][2]["metadata"]["wan_notebook"] = kept(record("c"))
    assert recorder.stamp(notebook) == 2
    assert notebook == wanted
    assert recorder.stamp(notebook) == 0


def test_stamping_a_node_of_nbformat_leaves_a_node_that_is_valid() -> None:
    node = nbformat.from_dict(notebook_of(cell_of(record("a"))))
    assert recorder.stamp(node) == 1
    assert node.cells[0].metadata.wan_notebook.runs[0].run_id == "a"
    nbformat.validate(node)


def test_what_is_stamped_is_a_copy() -> None:
    notebook = notebook_of(cell_of(record("a", request={"prompt": "x"})))
    recorder.stamp(notebook)
    notebook["cells"][0]["outputs"][0]["data"][MIME]["request"]["prompt"] = "y"
    assert notebook["cells"][0]["metadata"]["wan_notebook"]["runs"][0]["request"]["prompt"] == "x"


def bundle(found: dict[str, Any]) -> dict[str, Any]:
    """What the output of a run holds."""
    return {"text/html": "<video></video>\n<p>", "text/plain": "a clip", MIME: found}


def test_a_run_that_ended_after_the_notebook_was_saved_is_shown_as_it_ended() -> None:
    ends = {name: bundle(record(name, 9, "downloaded")) for name in ("a", "c", "d")}
    over, asked = record("over", 3, "failed"), []

    def latest(run_id: str) -> dict[str, Any] | None:
        asked.append(run_id)
        return ends.get(run_id)

    notebook = notebook_of(
        cell_of(record("a"), record("b"), over, wan_notebook=kept(record("a"), record("b"), over)),
        cell_of(wan_notebook=kept(record("c"))),  # its output was cleared
        cell_of(record("d", 9)),
    )
    assert recorder.stamp(notebook, latest) == 3
    first, second, third = notebook["cells"]
    a, c = (record(name, 9, "downloaded") for name in "ac")
    assert first["metadata"]["wan_notebook"] == kept(a, record("b"), over)
    assert first["outputs"][0]["data"] == {
        **ends["a"],
        "text/html": ["<video></video>\n", "<p>"],
        "text/plain": ["a clip"],
    }
    assert first["outputs"][1]["data"][MIME] == record("b")
    assert (second["metadata"]["wan_notebook"], second["outputs"]) == (kept(c), [])
    assert third["metadata"]["wan_notebook"] == kept(record("d", 9))  # no later rev: it stays as it is
    assert "over" not in asked
    assert recorder.stamp(notebook, latest) == 0
    nbformat.validate(nbformat.from_dict(notebook))


def test_markdown_cells_are_never_stamped() -> None:
    notebook = notebook_of({**cell_of(record("a")), "cell_type": "markdown"})
    assert recorder.stamp(notebook) == 0


def test_records_are_listed_with_the_index_of_their_cell_as_stamping_would_leave_them() -> None:
    notebook = notebook_of(
        cell_of(),
        cell_of(record("a", 1), record("b"), wan_notebook=kept(record("a", 3, "downloaded"))),
        cell_of(wan_notebook=kept(record("cleared"))),
    )
    assert recorder.records(notebook) == [
        (1, record("a", 3, "downloaded")),
        (1, record("b")),
        (2, record("cleared")),
    ]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([record("a"), kept(record("b"))]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(list("abc")), inner, max_size=4)
    ),
    max_leaves=12,
)
CELLS = st.fixed_dictionaries(
    {"cell_type": st.just("code")},
    optional={
        "outputs": JSON | st.lists(JSON | st.fixed_dictionaries({"data": JSON | st.fixed_dictionaries({MIME: JSON})})),
        "metadata": JSON | st.fixed_dictionaries({"wan_notebook": JSON}),
    },
)


@given(st.fixed_dictionaries({"cells": JSON | st.lists(CELLS | JSON)}))
def test_no_document_breaks_it_and_a_second_time_there_is_nothing_to_do(notebook: dict[str, Any]) -> None:
    def latest(run_id: str) -> dict[str, Any]:
        return bundle(record(run_id, 5, "downloaded"))

    recorder.stamp(copy.deepcopy(notebook))
    recorder.stamp(notebook, latest)
    assert recorder.stamp(notebook, latest) == 0
    assert all(recorder.is_record(found) for _, found in recorder.records(notebook))


class TestSync:
    def test_a_file_gets_its_metadata_and_nothing_else_changes(self, tmp_path: Path) -> None:
        plot = {"output_type": "stream", "name": "stdout", "text": ["é 🎞️\n", "\x1b[31mred\n"]}
        cell = cell_of(record("a", prompt="ein Café"), zeta=1, alpha={"y": 1.5, "x": [1e-7]})
        cell["outputs"].append(plot)
        path = saved(tmp_path, cell_of(), cell)
        before = nbformat.read(path, as_version=4)
        report = recorder.sync(path)
        assert (report.path, report.cells, report.records, report.written) == (path, 1, 1, True)
        after = nbformat.read(path, as_version=4)
        assert after.cells[1].metadata.pop("wan_notebook") == kept(record("a", prompt="ein Café"))
        assert after == before
        nbformat.validate(after)

    def test_the_file_is_as_nbformat_writes_it(self, tmp_path: Path) -> None:
        path = saved(tmp_path, cell_of(record("a", prompt="é"), tags=[], zeta=1))
        recorder.sync(path)
        assert path.read_text(encoding="utf-8") == nbformat.writes(nbformat.read(path, as_version=4)) + "\n"

    @pytest.mark.parametrize(
        ("indent", "ascii_only", "end", "line"),
        [(1, False, "\n", "\n"), (2, True, "", "\n"), ("\t", False, "\n", "\r\n")],
    )
    def test_the_style_of_the_file_stays(
        self, tmp_path: Path, indent: int | str, ascii_only: bool, end: str, line: str
    ) -> None:
        def styled(notebook: dict[str, Any]) -> bytes:
            text = json.dumps(notebook, indent=indent, ensure_ascii=ascii_only) + end
            return text.replace("\n", line).encode()

        notebook = notebook_of(cell_of(record("a", prompt="é"), tags=["z", "a"]))  # its keys are not sorted
        path = tmp_path / "notebook.ipynb"
        path.write_bytes(styled(notebook))
        recorder.sync(path)
        recorder.stamp(notebook)
        assert path.read_bytes() == styled(notebook)

    def test_half_a_surrogate_pair_stays_escaped(self, tmp_path: Path) -> None:
        path = saved(tmp_path, cell_of(record("a")))
        path.write_text(path.read_text().replace('"a run"', '"\\ud83c é"'), encoding="utf-8")
        recorder.sync(path)
        shown = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["outputs"][0]["data"]["text/plain"]
        assert "".join(shown) == "\ud83c é"

    def test_a_file_that_has_everything_is_not_written(self, tmp_path: Path) -> None:
        path = saved(tmp_path, cell_of(record("a")))
        recorder.sync(path)
        before = path.stat()
        report = recorder.sync(path)
        assert not report.written
        assert path.stat() == before

    def test_output_leaves_the_notebook_alone(self, tmp_path: Path) -> None:
        path = saved(tmp_path, cell_of(record("a")))
        before = path.read_bytes()
        report = recorder.sync(path, tmp_path / "out.ipynb")
        assert report.path == tmp_path / "out.ipynb"
        assert path.read_bytes() == before
        assert recorder.sync(report.path).cells == 0

    def test_output_is_written_even_where_nothing_had_to_change(self, tmp_path: Path) -> None:
        path = saved(tmp_path, cell_of())
        recorder.sync(path, tmp_path / "out.ipynb")
        assert (tmp_path / "out.ipynb").read_bytes() == path.read_bytes()

    def test_a_file_that_changed_since_it_was_read_is_not_overwritten(self, tmp_path: Path) -> None:
        path = saved(tmp_path, cell_of(record("a")))
        document = Document.read(path)
        recorder.stamp(document.notebook)
        path.write_text(path.read_text().replace("a run", "an edit"))
        with pytest.raises(WanError, match="changed by someone else"):
            document.write(path)
        assert "an edit" in path.read_text()
        assert [file.name for file in tmp_path.iterdir()] == [path.name]

    def test_permissions_and_symbolic_links_stay(self, tmp_path: Path) -> None:
        path = saved(tmp_path, cell_of(record("a")))
        path.chmod(0o640)
        link = tmp_path / "link.ipynb"
        link.symlink_to(path)
        recorder.sync(link)
        assert link.is_symlink()
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert recorder.sync(path).cells == 0

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"", "not JSON"),
            (b"print('no notebook')", "not JSON"),
            (b"\xff\xfe\x00", "not UTF-8"),
            (b"[]", "no list of cells"),
            (b'{"cells": {}}', "no list of cells"),
            (b'{"worksheets": [], "nbformat": 3}', "no list of cells"),
            (b'{"cells": [], "nbformat": 5}', "not a notebook of format 4"),
            (b"[" * 100_000, "not JSON"),
        ],
    )
    def test_what_is_no_notebook_is_refused_and_stays(self, tmp_path: Path, content: bytes, complaint: str) -> None:
        path = tmp_path / "notebook.ipynb"
        path.write_bytes(content)
        with pytest.raises(WanError, match=complaint):
            recorder.sync(path)
        assert path.read_bytes() == content

    def test_a_missing_file_and_a_folder_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(WanError, match="no file"):
            recorder.sync(tmp_path / "none.ipynb")
        with pytest.raises(WanError, match="cannot be read"):
            recorder.sync(tmp_path)

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        path = saved(tmp_path, cell_of(record("a")))
        with pytest.raises(WanError, match="cannot be written"):
            recorder.sync(path, path / "below-a-file.ipynb")
        with pytest.raises(WanError, match="cannot be written"):
            recorder.sync(path, tmp_path / "no-folder" / "out.ipynb")
