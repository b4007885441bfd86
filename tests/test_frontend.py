"""What is said to a front end and seen of it, over real kernels, a real terminal IPython and a plain script."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from kernels import MIME, Cell, LiveKernel
from nbclient import NotebookClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TELL = f"""
import threading, time
from wan_notebook.notebook import frontend

def bundle(rev, state="following", clock=0):
    record = {{"run_id": "a", "rev": rev, "state": state}}
    return {{"text/plain": f"{{state}} {{clock}}", "text/html": f"<b>{{state}} {{clock}}</b>", "{MIME}": record}}

def aside(call):
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
"""


class FrontEnd(LiveKernel):
    """A front end with the plugin's side of the line, and with somebody who answers questions."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        super().__init__(folder, environment)
        self.heard: list[dict[str, Any]] = []
        self.lines: list[str] = []  # the comm of each
        self.closed: list[str] = []
        self.parents: list[tuple[str, str]] = []

    def _take(self, message: dict[str, Any]) -> None:
        if message["msg_type"] == "comm_msg":
            self.heard.append(message["content"]["data"])
            self.lines.append(message["content"]["comm_id"])
        elif message["msg_type"] == "comm_close":
            self.closed.append(message["content"]["comm_id"])
        elif message["msg_type"] == "display_data":
            self.parents.append((message["parent_header"]["msg_id"], message["content"]["data"]["text/plain"]))
        super()._take(message)

    def say(
        self, kind: str, comm_id: str, data: object = None, target: str = "wan_notebook", page: str | None = None
    ) -> None:
        """Send a comm message, as the plugin does (of another page than the one that runs the cells: of ``page``)."""
        content = {"comm_id": comm_id, "data": data if data is not None else {}}
        if kind == "comm_open":
            content["target_name"] = target
        message = self.client.session.msg(kind, content)
        if page:
            message["header"]["session"] = page
        self.client.shell_channel.send(message)

    def attach(self, *runs: object, page: str | None = None) -> str:
        """Open a line and ask for these runs."""
        comm_id = uuid.uuid4().hex
        self.say("comm_open", comm_id, page=page)
        self.say("comm_msg", comm_id, {"type": "attach", "runs": list(runs)})
        return comm_id

    def answer(self, code: str, text: str) -> Cell:
        """Run a cell that asks one question and type ``text``."""
        cell = self.send(code)
        end = time.monotonic() + 120
        while True:
            try:
                self.client.get_stdin_msg(timeout=0.2)
                break
            except queue.Empty:
                assert time.monotonic() < end, "no question came"
        self.client.input(text)
        self.until(lambda: cell.idle)
        return cell


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    """One kernel for the tests that leave nothing behind."""
    with FrontEnd(tmp_path_factory.mktemp("shared")) as live:
        live.run(TELL)
        yield live


@pytest.fixture
def fresh(shared: FrontEnd, tmp_path: Path) -> FrontEnd:
    """The same kernel as if it had been started in an empty folder, and the package had never been imported there."""
    shared.run("%reset -f")
    shared.run(
        "import os, sys\n"
        f"get_ipython().starting_dir = {str(tmp_path)!r}; os.chdir({str(tmp_path)!r})\n"
        "os.environ.pop('JPY_SESSION_NAME', None)\n"
        "for name in [name for name in sys.modules if name.split('.')[0] == 'wan_notebook']: del sys.modules[name]"
    )
    shared.run(TELL)
    shared.heard.clear()
    shared.lines.clear()
    shared.closed.clear()
    shared.parents.clear()
    return shared


class TestWhereItRuns:
    @pytest.mark.parametrize(
        ("how", "setting", "expected"),
        [
            ({"cell_id": "a-1_B"}, "", ("jupyterlab/notebook", "async", "a-1_B")),
            ({"cell_id": "vscode-notebook-cell:/x.ipynb#W0"}, "", ("vscode", "async", None)),
            ({"cell_id": None, "allow_stdin": False}, "", ("headless", "blocking", None)),
            ({"cell_id": "a", "allow_stdin": False}, "", ("headless", "blocking", "a")),
            ({"cell_id": None}, "", ("console", "blocking", None)),
            ({"cell_id": None}, "os.environ['JPY_SESSION_NAME'] = '/x.ipynb'", ("jupyter", "async", None)),
            ({"cell_id": None}, "sys.modules['google.colab'] = sys", ("colab", "async", None)),
        ],
    )
    def test_front_end_run_mode_and_cell_id(
        self, shared: FrontEnd, how: dict[str, Any], setting: str, expected: tuple[str, str, str | None]
    ) -> None:
        cell = shared.run(
            f"import os, sys\n{setting}\n"
            "print((frontend.front_end(), frontend.run_mode(), frontend.cell_id()))\n"
            "os.environ.pop('JPY_SESSION_NAME', None); _ = sys.modules.pop('google.colab', None)",
            **how,
        )
        assert cell.text == f"{expected}\n"

    def test_the_folder_is_that_of_the_notebook_where_the_server_names_it(
        self, fresh: FrontEnd, tmp_path: Path
    ) -> None:
        (tmp_path / "sub").mkdir()
        named = str(tmp_path / "sub" / "my notebook.ipynb")
        look = "print(frontend.notebook_path(), '|', frontend.notebook_folder())"
        fresh.run(f"import os; os.environ['JPY_SESSION_NAME'] = {named!r}")
        assert fresh.run(look).text == f"{named} | {tmp_path / 'sub'}\n"
        assert fresh.run(look, cell_id=None, allow_stdin=False).text == f"None | {tmp_path}\n"
        for other in ("relative.ipynb", str(tmp_path / "gone" / "x.ipynb"), ""):
            fresh.run(f"os.environ['JPY_SESSION_NAME'] = {other!r}")
            assert fresh.run(look).text == f"None | {tmp_path}\n"

    def test_the_folder_is_that_of_the_notebook_in_vs_code(self, fresh: FrontEnd, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        named = str(tmp_path / "sub" / "x.ipynb")
        cell = fresh.run(
            f"__vsc_ipynb_file__ = {named!r}\nprint(frontend.notebook_folder())", cell_id="vscode-notebook-cell:/x#W0"
        )
        assert cell.text == f"{tmp_path / 'sub'}\n"

    def test_the_folder_of_a_headless_notebook_is_where_its_kernel_started_whatever_it_changed_to(
        self, fresh: FrontEnd, tmp_path: Path
    ) -> None:
        (tmp_path / "sub").mkdir()
        look = "import os; os.chdir('sub'); print(frontend.notebook_folder()); os.chdir('..')"
        assert fresh.run(look, cell_id=None, allow_stdin=False).text == f"{tmp_path}\n"
        assert fresh.run(look, cell_id=None).text == f"{tmp_path / 'sub'}\n"  # a console has no notebook

    def test_preferences_are_what_config_was_told(self, fresh: FrontEnd) -> None:
        assert fresh.run("print(frontend.preferences())").text == "{}\n"
        cell = fresh.run(
            "%load_ext wan_notebook\n%config WanMagics.region = 'beijing'\nprint(frontend.preferences()['region'])"
        )
        assert cell.text == "beijing\n"


class TestDisplay:
    def test_it_is_told_anew_from_any_thread_in_the_cell_that_opened_it(self, shared: FrontEnd) -> None:
        cell = shared.run("display = frontend.Display.open(bundle(1), 'a')")
        shared.run("aside(lambda: display.update(bundle(2, 'downloaded')))")
        assert [data["text/plain"] for data in cell.bundles] == ["downloaded 0"]
        assert cell.record == {"run_id": "a", "rev": 2, "state": "downloaded"}
        assert cell.outputs[0]["metadata"] == {}

    def test_two_displays_of_one_run_are_two_outputs(self, shared: FrontEnd) -> None:
        cell = shared.run("one = frontend.Display.open(bundle(1), 'a'); two = frontend.Display.open(bundle(1), 'a')")
        shared.run("two.update(bundle(2, 'failed'))")
        assert [data["text/plain"] for data in cell.bundles] == ["following 0", "failed 0"]

    def test_it_is_told_anew_at_most_twice_a_second_and_the_last_state_is_shown(self, shared: FrontEnd) -> None:
        cell = shared.run("display = frontend.Display.open(bundle(1), 'a'); opened = time.monotonic()")
        before = shared.updates
        shared.run("for _ in range(5): display.update(bundle(1))")
        assert shared.updates == before
        shared.run("for rev in range(2, 1000): display.update(bundle(rev, 'following', rev))")
        shared.until(lambda: cell.bundles[0]["text/plain"] == "following 999")
        took = float(shared.run("print(time.monotonic() - opened)").text)
        assert shared.updates - before <= 2 * took + 1

    def test_the_end_is_shown_at_once(self, shared: FrontEnd) -> None:
        took = 1.0
        while took >= 0.5:  # on a machine that stood still nothing was passed over: once more
            before = shared.updates
            cell = shared.run(
                "opened = time.monotonic(); display = frontend.Display.open(bundle(1), 'a')\n"
                "display.update(bundle(2, 'following')); display.update(bundle(3, 'downloaded'))\n"
                "took = time.monotonic() - opened"
            )
            assert cell.bundles[0]["text/plain"] == "downloaded 0"
            took = float(shared.run("time.sleep(0.6); print(took)").text)
        assert cell.bundles[0]["text/plain"] == "downloaded 0"  # the state that was passed over does not come back
        assert shared.updates - before == 1

    def test_a_tick_after_a_while_is_shown(self, shared: FrontEnd) -> None:
        cell = shared.run("display = frontend.Display.open(bundle(1), 'a')")
        shared.run(
            "shown = lambda: display.update(bundle(1, clock=7))\nend = time.monotonic() + 1\n"
            "while time.monotonic() < end: shown()"
        )
        assert cell.bundles[0]["text/plain"] == "following 7"

    def test_headless_runs_keep_what_came_before_the_end_of_the_cell(self, tmp_path: Path) -> None:
        later = "frontend.at_cell_end(lambda: aside(lambda: display.update(bundle(2, 'downloaded'))))"
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [
            nbformat.v4.new_code_cell(source)
            for source in (TELL, f"display = frontend.Display.open(bundle(1), 'a')\n{later}\nprint('end of the code')")
        ]
        NotebookClient(notebook, iopub_timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
        outputs = notebook.cells[1].outputs
        assert [o.get("text") or o.data["text/plain"] for o in outputs] == ["downloaded 0", "end of the code\n"]


class TestTheLineToThePlugin:
    def test_asking_for_a_run_gets_a_hello_and_the_run_as_it_is_and_every_change(self, fresh: FrontEnd) -> None:
        fresh.run("runs = {'a': bundle(4)}; frontend.listen(runs.get); print(frontend.plugin_present())")
        fresh.attach("a", "unknown")
        fresh.until(lambda: len(fresh.heard) == 2)
        hello, update = fresh.heard
        assert hello == {"type": "hello"}
        assert (update["type"], update["run_id"], update["metadata"]) == ("update", "a", {})
        assert update["data"][MIME]["rev"] == 4
        assert fresh.run("print(frontend.plugin_present())").text == "True\n"
        fresh.run("aside(lambda: frontend.push('a', bundle(5, 'downloaded'))); frontend.push('b', bundle(1))")
        fresh.until(lambda: len(fresh.heard) > 2)
        assert [said["data"][MIME]["rev"] for said in fresh.heard[2:]] == [5]

    def test_the_clock_goes_over_the_line_only_now_and_then(self, fresh: FrontEnd) -> None:
        fresh.run("frontend.listen({'a': bundle(1)}.get)")
        fresh.attach("a")
        fresh.until(lambda: len(fresh.heard) == 2)
        fresh.run("for clock in range(500): frontend.push('a', bundle(2, clock=clock))")
        fresh.run("frontend.push('a', bundle(3))")
        fresh.until(lambda: fresh.heard[-1]["data"][MIME]["rev"] == 3)
        assert len(fresh.heard) < 30

    def test_every_page_is_told_until_it_hangs_up(self, fresh: FrontEnd) -> None:
        fresh.run("frontend.listen({'a': bundle(1)}.get)")
        first, _second = fresh.attach("a"), fresh.attach("a")
        fresh.until(lambda: len(fresh.heard) == 4)
        fresh.say("comm_close", first)
        fresh.run("frontend.push('a', bundle(2))")
        fresh.until(lambda: len(fresh.heard) > 4)
        fresh.run("pass")
        assert len(fresh.heard) == 5
        assert fresh.closed == []

    def test_one_of_several_pages_at_a_time_is_to_write_the_one_that_ran_the_cell_first(self, fresh: FrontEnd) -> None:
        fresh.run("frontend.listen({'a': bundle(1)}.get); frontend.Display.open(bundle(1), 'a')")

        def turns() -> dict[str, int]:
            known = len(fresh.heard)
            revs.append(revs[-1] + 1)
            fresh.run(f"frontend.push('a', bundle({revs[-1]}))")
            fresh.until(lambda: len(fresh.heard) >= known + pages)
            return {line: said["turn"] for line, said in zip(fresh.lines[known:], fresh.heard[known:], strict=True)}

        revs, pages = [1], 2
        others = [fresh.attach("a", page="another"), fresh.attach("a", page="a third")]
        fresh.until(lambda: len(fresh.heard) == 4)
        assert turns() == {others[0]: 1, others[1]: 2}  # the page that ran the cell writes, though it has not called
        mine, pages = fresh.attach("a"), 3
        fresh.until(lambda: fresh.lines.count(mine) == 2)
        assert turns() == {mine: 0, others[0]: 1, others[1]: 2}
        fresh.say("comm_close", mine)
        pages = 2
        assert turns() == {others[0]: 0, others[1]: 1}

    def test_what_belongs_below_a_form_is_written_first_by_the_page_that_ran_its_cell(self, fresh: FrontEnd) -> None:
        fresh.run("pages = frontend.form_pages(); pages.know('form')")

        def asks(page: str | None = None) -> str:
            comm = fresh.attach(page=page)
            fresh.say("comm_msg", comm, {"type": "attach", "runs": [], "forms": ["form"]})
            fresh.until(lambda: fresh.lines.count(comm) == 2)
            return comm

        def turns(pages: int) -> dict[str, int]:
            known = len(fresh.heard)
            fresh.run("pages.beside('form', 'part', lambda: bundle(1))")
            fresh.until(lambda: len(fresh.heard) >= known + pages)
            return {line: said["turn"] for line, said in zip(fresh.lines[known:], fresh.heard[known:], strict=True)}

        others = [asks("another"), asks("a third")]
        assert turns(2) == {others[0]: 2, others[1]: 1}  # the click's outputs reach the page that ran the cell
        mine = asks()
        fresh.until(lambda: fresh.lines.count(mine) == 3)
        assert fresh.heard[-1]["turn"] == 0
        assert turns(3) == {mine: 0, others[1]: 1, others[0]: 2}
        fresh.say("comm_close", mine)
        assert turns(2) == {others[1]: 0, others[0]: 1}

    def test_only_ids_are_believed_and_only_a_thousand_of_them(self, fresh: FrontEnd) -> None:
        fresh.run("asked = []; frontend.listen(lambda run: asked.append(run))")
        comm = fresh.attach("../a", "<b>", "", "x" * 65, 7, None, ["a"], {"a": 1}, "good", "good", "a\n")
        for message in (None, [], "attach", {"type": "attach"}, {"type": "attach", "runs": "good"}, {"type": "other"}):
            fresh.say("comm_msg", comm, message)
        fresh.say("comm_msg", comm, {"type": "attach", "runs": [f"r{i}" for i in range(1001)]})
        fresh.until(lambda: fresh.heard)
        assert fresh.run("print(asked)").text == "['good']\n"
        assert fresh.heard == [{"type": "hello"}]

    def test_a_page_that_lost_its_outputs_is_told_what_its_cells_show_since_they_were_last_run(
        self, fresh: FrontEnd
    ) -> None:
        fresh.run("frontend.listen({'a': bundle(2, 'downloaded')}.get); frontend.Display.open(bundle(1), 'a')")
        seen = fresh.client.comm_info(target_name="wan_notebook", reply=True, timeout=60)
        assert seen["content"]["comms"]
        fresh.heard.clear()
        comm = fresh.attach()
        fresh.say("comm_msg", comm, {"type": "attach", "runs": [], "cells": ["cell-1", "cell-2", "<b>", 7]})
        fresh.until(lambda: len(fresh.heard) == 3)
        again = fresh.heard[-1]
        assert (again["type"], again["cell"], again["run_id"]) == ("again", "cell-1", "a")
        assert again["data"]["text/plain"] == "downloaded 0"
        fresh.run("'something else'")
        fresh.say("comm_msg", comm, {"type": "attach", "runs": [], "cells": ["cell-1"]})
        fresh.run("'and the answer is there'")
        assert fresh.heard[3:] == [{"type": "hello"}]

    def test_listening_twice_uses_the_latest_answers(self, fresh: FrontEnd) -> None:
        fresh.run("frontend.listen({}.get); frontend.listen({'a': bundle(1)}.get)")
        fresh.attach("a")
        fresh.until(lambda: len(fresh.heard) == 2)
        assert fresh.heard[1]["run_id"] == "a"


class TestWhetherThePluginIsThere:
    SHOW = "frontend.listen(lambda run: None); frontend.Display.open(bundle(1), 'a')"
    LOOK = "print(frontend.plugin_missing(), frontend.plugin_present())"
    WAIT = """
def judge():
    end = time.monotonic() + 100
    while not frontend.plugin_missing() and time.monotonic() < end: time.sleep(0.05)
    frontend.Display.open({"text/plain": f"judged {frontend.plugin_missing()}"}, "judge")
threading.Thread(target=judge).start()
"""

    def judged(self, kernel: FrontEnd) -> bool:
        cell = kernel.run(self.WAIT)
        kernel.until(lambda: any("judged" in data["text/plain"] for data in cell.bundles))
        return "judged True" in [data["text/plain"] for data in cell.bundles]

    def test_silence_while_the_kernel_is_idle_counts_until_the_plugin_speaks(self, fresh: FrontEnd) -> None:
        fresh.run(self.SHOW)
        assert fresh.run(self.LOOK).text == "False None\n"
        assert self.judged(fresh)
        assert fresh.run(self.LOOK).text == "True False\n"
        fresh.attach("a")
        fresh.until(lambda: fresh.heard)
        assert fresh.run(self.LOOK).text == "False True\n"

    @pytest.mark.full
    def test_silence_while_cells_run_does_not_count(self, fresh: FrontEnd) -> None:
        busy = fresh.run(f"{self.SHOW}\ntime.sleep(2.5)\n{self.LOOK}")
        also_busy = fresh.run(f"time.sleep(2.5)\n{self.LOOK}")
        assert (busy.text, also_busy.text) == ("False None\n", "False None\n")

    @pytest.mark.parametrize(
        "how", [{"cell_id": "vscode-notebook-cell:/x#W0"}, {"cell_id": None, "allow_stdin": False}, {"cell_id": None}]
    )
    def test_other_front_ends_are_never_blamed(self, fresh: FrontEnd, how: dict[str, Any]) -> None:
        fresh.run(self.SHOW, **how)
        fresh.run("")
        cell = fresh.run(
            "def later():\n    time.sleep(2.5)\n"
            "    frontend.Display.open({'text/plain': str(frontend.plugin_missing())}, 'x')\n"
            "threading.Thread(target=later).start()",
            **how,
        )
        fresh.until(lambda: cell.bundles)
        assert cell.bundles[0]["text/plain"] == "False"

    def test_a_card_that_is_over_when_it_appears_makes_no_plugin_speak(self, fresh: FrontEnd) -> None:
        fresh.run("frontend.listen(lambda run: None); frontend.Display.open(bundle(1, 'refused'), 'a')")
        cell = fresh.run(
            "def later():\n    time.sleep(2.5)\n"
            "    frontend.Display.open({'text/plain': str(frontend.plugin_missing())}, 'x')\n"
            "threading.Thread(target=later).start()"
        )
        fresh.until(lambda: cell.bundles)
        assert cell.bundles[0]["text/plain"] == "False"


class TestAQuestion:
    ASK = "print(frontend.ask('Submit it?'))"

    @pytest.mark.parametrize(
        ("typed", "meant"), [("y", True), (" YES ", True), ("", False), ("n", False), ("no", False)]
    )
    def test_a_person_answers(self, shared: FrontEnd, typed: str, meant: bool) -> None:
        assert shared.answer(self.ASK, typed).text == f"{meant}\n"

    def test_where_nobody_can_be_asked_the_refusal_names_the_way_out(self, shared: FrontEnd) -> None:
        cell = shared.run(self.ASK, cell_id=None, allow_stdin=False)
        assert cell.error is not None
        assert "BudgetError" in cell.error[0]
        assert "--yes" in "".join(cell.error)

    def test_a_callback_of_a_widget_is_no_place_to_ask(self, fresh: FrontEnd) -> None:
        fresh.run(
            "from comm import get_comm_manager\nplace, said = frontend.here(), []\n"
            "def ask():\n"
            "    try: frontend.ask('?')\n"
            "    except Exception as error: said.append(type(error).__name__)\n"
            "def clicked(comm, message): ask(); place(ask)\n"
            "get_comm_manager().register_target('button', clicked)"
        )
        fresh.say("comm_open", "c1", target="button")
        assert fresh.run("print(said)").text == "['BudgetError', 'BudgetError']\n"


class TestTheEndOfACell:
    def test_calls_are_made_in_order_after_the_last_line_and_before_the_cell_ends(self, shared: FrontEnd) -> None:
        cell = shared.run("for n in range(2): frontend.at_cell_end(lambda n=n: print('waited', n))\nprint('last line')")
        assert cell.text == "last line\nwaited 0\nwaited 1\n"
        assert shared.run("pass").text == ""

    def test_a_cell_that_fails_still_waits(self, shared: FrontEnd) -> None:
        cell = shared.run("frontend.at_cell_end(lambda: print('waited'))\n1/0")
        assert cell.text == "waited\n"
        assert cell.error is not None

    def test_one_interrupt_ends_all_waiting_and_is_no_error(self, fresh: FrontEnd) -> None:
        cell = fresh.send(
            "for _ in range(3): frontend.at_cell_end(lambda: (print('waits', flush=True), threading.Event().wait(600)))"
        )
        fresh.until(lambda: "waits" in cell.text)
        fresh.manager.interrupt_kernel()
        fresh.until(lambda: cell.idle, 100)
        assert cell.text.count("waits") == 1
        assert "goes on" in cell.text
        assert cell.error is None


def test_what_a_callback_shows_appears_in_the_cell_it_belongs_to(fresh: FrontEnd) -> None:
    origin = fresh.run(
        "from comm import get_comm_manager\nplace = frontend.here()\n"
        "def show(): frontend.Display.open({'text/plain': str((frontend.run_mode(), frontend.cell_id()))}, 'a')\n"
        "get_comm_manager().register_target('button', lambda comm, message: place(show))",
        cell_id="origin",
    )
    fresh.run("'another cell'", cell_id="other")
    fresh.say("comm_open", "c1", target="button")
    fresh.until(lambda: fresh.parents)
    assert fresh.parents == [(origin.msg_id, "('async', 'origin')")]


class TestWithoutAKernel:
    def test_a_script_says_and_asks_nothing_and_does_not_import_ipython(self, tmp_path: Path) -> None:
        code = TELL + (
            "from wan_notebook.errors import BudgetError\n"
            "display = frontend.Display.open(bundle(1), 'a'); display.update(bundle(2))\n"
            "frontend.listen(lambda run: None); frontend.push('a', bundle(3))\n"
            "frontend.at_cell_end(lambda: print('never'))\n"
            "print(frontend.front_end(), frontend.run_mode(), frontend.cell_id(), frontend.notebook_path())\n"
            "print(frontend.plugin_present(), frontend.plugin_missing(), frontend.preferences())\n"
            "print(frontend.here()(lambda: 7))\n"
            "import sys\n"
            "try: frontend.ask('Submit it?')\n"
            "except BudgetError as error: print('--yes' in str(error))\n"
            "print('IPython' in sys.modules, 'ipykernel' in sys.modules)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "JPY_SESSION_NAME": "/another/notebook.ipynb"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert done.stdout == "script blocking None None\nNone False {}\n7\nTrue\nFalse False\n"
        assert done.stderr == ""

    def test_ipythons_terminal_gets_a_line_for_every_new_state_and_waits_at_the_end(self, tmp_path: Path) -> None:
        file = tmp_path / "cells.ipy"
        file.write_text(
            TELL
            + "ip = get_ipython()\n"
            + "_ = ip.run_cell('print(frontend.front_end(), frontend.run_mode(), frontend.cell_id())')\n"
            + "_ = ip.run_cell('display = frontend.Display.open(bundle(1), \"a\")')\n"
            + "_ = ip.run_cell('for clock in range(9): display.update(bundle(1, clock=clock))')\n"
            + '_ = ip.run_cell(\'display.update(bundle(2, "downloaded")); display.update(bundle(2, "downloaded"))\')\n'
            + '_ = ip.run_cell(\'frontend.at_cell_end(lambda: print("waited")); print("last line")\')\n'
        )
        done = subprocess.run(
            [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", str(file)],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert done.stdout == "terminal blocking None\nfollowing 0\ndownloaded 0\nlast line\nwaited\n"
