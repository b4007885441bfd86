"""How long a sweep of 64 takes, against what the account's limits allow: ceil(64 / 5) times the documented run time.

    python -m tests.benchmarks.sweep

On the simulator, by its own clock, with its limits of 5 submits a second and 5 tasks at once. Beside it the same 64 in
a plain loop of ``submit``, which leaves them all to the service's queue. Ratios of one run on one machine: 1.0 is the
least that is possible. It takes about five minutes.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
from pathlib import Path

PHOTO = Path(__file__).parents[2] / "notebooks" / "images" / "chelsea.png"
MEMBERS, AT_ONCE, SPEED = 64, 5, 5.0  # faster clocks would measure this machine


def measured(begin) -> tuple[float, float, dict[str, int]]:
    """Simulated seconds from the call to the last saved clip, the run time of one, and the answers to submits."""
    from wan_notebook.simulator import Simulator

    with tempfile.TemporaryDirectory() as home, Simulator(speed=SPEED, render="shape") as service:
        os.environ["WAN_NOTEBOOK_HOME"] = home
        os.chdir(home)
        how = {"base_url": service.base_url, "api_key": "sk-benchmark", "yes": True}
        begun = service.clock.now()
        jobs = begin({"prompt": "It looks up.", "image": PHOTO, "duration": 5, "audio": False, **how})
        run_seconds = min(job.result().record["usage"] and job.update.run_seconds for job in jobs)
        took = service.clock.now() - begun
        answers = {str(status): number for (call, status), number in service.answers.items() if call == "submit"}
    return took, run_seconds, answers


def main() -> None:
    """Measure and print."""
    import wan_notebook as wan

    ways = {
        "wan.sweep": lambda given: wan.sweep(**given, seed=range(MEMBERS)),
        "a loop of wan.submit": lambda given: [wan.submit(**given, seed=seed) for seed in range(MEMBERS)],
    }
    for name, begin in ways.items():
        took, run_seconds, answers = measured(begin)
        least = math.ceil(MEMBERS / AT_ONCE) * run_seconds
        sys.stdout.write(
            f"{name}: {took:.0f} s on the simulator's clock, {took / least:.3f} of the least possible "
            f"({least:.0f} s = {math.ceil(MEMBERS / AT_ONCE)} x {run_seconds:g} s); answers to submits: {answers}\n"
        )


if __name__ == "__main__":
    main()
