"""``python -m wan_notebook.simulator [--port N] [--speed X] [--ready-file F]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Serve until interrupted; see ``--help``."""
    parser = argparse.ArgumentParser(prog="python -m wan_notebook.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--speed", type=float, default=None, help="simulated seconds per real second")
    parser.add_argument("--ready-file", type=Path, help="gets the base URL, one line, once it answers")
    parser.add_argument("--render", choices=("full", "shape"), default="full", help="shape: a still picture")
    parser.add_argument("--home", type=Path, help="be this user's one simulator, with its state in this folder")
    parser.add_argument("--idle-minutes", type=float, help="end after so many idle minutes (10 with --home)")
    options = parser.parse_args(argv)
    if options.home is not None:
        from .process import IDLE_MINUTES, SPEED, run

        run(
            options.home,
            speed=options.speed or SPEED,
            idle_minutes=options.idle_minutes or IDLE_MINUTES,
            render=options.render,
            port=options.port,
            ready_file=options.ready_file,
        )
        return 0
    from .server import serve

    serve(
        port=options.port,
        speed=options.speed or 1.0,
        ready_file=options.ready_file,
        render=options.render,
        idle_minutes=options.idle_minutes,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
