"""``wan.run``: async code from synchronous code, without losing cells."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from kernels import LiveKernel

import wan_notebook as wan


async def six_times_seven():
    await asyncio.sleep(0)
    return 42


def test_without_a_running_loop_it_is_asyncio_run():
    assert wan.run(six_times_seven()) == 42


def test_in_any_other_running_loop_it_nests():
    code = (
        "import asyncio, wan_notebook as wan\n"
        "async def inner():\n    await asyncio.sleep(0)\n    return 42\n"
        "async def outer():\n    return wan.run(inner())\n"
        "print(asyncio.run(outer()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "42"


def test_importing_the_package_nests_nothing():
    code = "import sys, wan_notebook.doors.nesting; print([m for m in sys.modules if m.startswith('nest_asyncio')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("nest", ["as installed", "absent"])
def test_run_all_loses_no_cell(in_folder, nest):
    setup = "import asyncio, sys, wan_notebook as wan\nticks = []\n"
    if nest == "absent":
        setup += "sys.modules['nest_asyncio2'] = None\n"
    setup += "async def slow():\n    await asyncio.sleep(0.3)\n    return 'done'"
    with LiveKernel(in_folder) as live:
        live.run(setup)
        cells = []
        for number in range(12):  # all queued at once, as Run All does
            code = f"ticks.append({number}); print(wan.run(slow()))" if number % 3 == 0 else f"ticks.append({number})"
            cells.append(live.send(code, cell_id=f"cell-{number}"))
        live.until(lambda: all(cell.idle for cell in cells), 60, "cells were dropped")
        assert [cell.error for cell in cells] == [None] * 12
        assert [cell.text for cell in cells[::3]] == ["done\n"] * 4
        assert live.run("print(ticks == list(range(12)))").text == "True\n"


def test_agenerate_runs_through_it_in_a_cell(in_folder):
    from wan_notebook.simulator import Simulator

    with Simulator(speed=300, render="shape") as service:
        environment = {"DASHSCOPE_HTTP_BASE_URL": service.base_url, "DASHSCOPE_API_KEY": "sk-nesting-0123456789abcdef"}
        with LiveKernel(in_folder, environment) as live:
            cell = live.run(
                "import wan_notebook as wan\n"
                "r = wan.run(wan.agenerate(prompt='Up.', image='images/rocket.jpg', duration=2, audio=False))\n"
                "print(r.clip.duration)"
            )
    assert cell.error is None
    assert cell.text.strip() == "2.0"
