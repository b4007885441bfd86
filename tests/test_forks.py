"""What no thread does while the process forks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

MADE_MEANWHILE = """
import os, threading, time
from wan_notebook.forks import held_at_forks
old, begun = held_at_forks(threading.RLock()), threading.Event()
os.register_at_fork(before=begun.set)  # called first
made = []
def work():
    with old:
        ready.set()
        begun.wait()
        made.append(held_at_forks(threading.RLock()))
ready = threading.Event()
threading.Thread(target=work).start()
ready.wait()
child = os.fork()
for lock in (old, *made):
    assert lock.acquire(timeout=20)
if not child:
    os._exit(0)
print(len(made), os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_lock_that_is_made_while_the_process_forks_is_not_released_by_it():
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", MADE_MEANWHILE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("1 0\n", "")
