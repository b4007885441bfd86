"""The door for papermill: ``papermill --engine wan in.ipynb out.ipynb`` leaves each record in the metadata of its cell.

Everything else is papermill's own engine; nothing has to be called afterwards. The class is made when it is asked for:
papermill, when it is imported, asks every package for its engine, also while this room is being imported.
"""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["WanEngine"]  # noqa: F822  made by __getattr__


def __getattr__(name: str) -> Any:
    if name == "WanEngine":
        return _engine()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _engine() -> type:
    from papermill.engines import NBClientEngine

    from wan_notebook.record.recorder import stamp

    class WanEngine(NBClientEngine):  # type: ignore[misc]  # papermill comes without types
        """papermill's engine, which stamps the notebook when it ends, well or badly; registered as ``wan``."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, *args: Any, **options: Any) -> Any:
            """Execute the notebook and stamp it; a failed cell's error goes on as papermill raises it."""
            try:
                return super().execute_managed_notebook(nb_man, kernel_name, *args, **options)
            finally:
                stamp(nb_man.nb)

    return WanEngine
