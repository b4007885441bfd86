"""How many 429s meet 100 submits of four processes, on lines that take differently long.

    python -m tests.benchmarks.rate

On the simulator, which takes 5 submits in a second of its clock, at several speeds; behind a relay that holds up each
piece of a request for up to so many seconds. What counts is the number of 429s: there should be none.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

PHOTO = Path(__file__).parents[2] / "notebooks" / "images" / "chelsea.png"
SUBMITS, PROCESSES = 100, 4
LINES = ((1.0, 0.0), (1.0, 0.5), (10.0, 0.2), (60.0, 0.0))  # the clock's speed, the longest hold-up in seconds


def relay(port: int, longest: float) -> int:
    """The port of a relay to ``port``; it ends with the process."""
    begun, there = threading.Event(), []

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, longest: float) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                await asyncio.sleep(random.random() * longest)  # noqa: S311  a line, no secret
                writer.write(data)
                await writer.drain()
        writer.close()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(passed_on(reader, questions, longest), passed_on(answers, writer, 0.0))

    async def serve() -> None:
        server = await asyncio.start_server(join, "127.0.0.1", 0)
        there.append(server.sockets[0].getsockname()[1])
        begun.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    begun.wait()
    return int(there[0])


def submitted(seeds: range, base_url: str) -> int:
    """Submit in this process; how many were accepted. What waits at the service is canceled again."""
    import wan_notebook as wan

    given = {"prompt": "It looks up.", "image": PHOTO, "duration": 2, "audio": False, "base_url": base_url}
    jobs = [wan.submit(**given, seed=seed) for seed in seeds]
    while any(job.task_id is None and not job.done() for job in jobs):
        time.sleep(0.05)
    for job in jobs:
        job.cancel()
    return sum(job.task_id is not None for job in jobs)


def main() -> None:
    """Measure and print."""
    from wan_notebook.simulator import Simulator

    for speed, longest in LINES:
        with tempfile.TemporaryDirectory() as home, Simulator(speed=speed, render="shape") as service:
            os.environ |= {"WAN_NOTEBOOK_HOME": home, "DASHSCOPE_API_KEY": "sk-benchmark"}
            os.chdir(home)
            port = service.base_url.split(":")[2].split("/")[0]
            address = service.base_url.replace(port, str(relay(int(port), longest)))
            begun, shares = time.monotonic(), [range(first, SUBMITS, PROCESSES) for first in range(PROCESSES)]
            with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
                accepted = sum(pool.map(submitted, shares, [address] * PROCESSES))
            took, refused = time.monotonic() - begun, service.answers.get(("submit", 429), 0)
        sys.stdout.write(
            f"clock x{speed:g}, held up to {longest:g} s: {accepted} submits accepted, {refused} times 429, "
            f"{took:.0f} s\n"
        )


if __name__ == "__main__":
    main()
