# noqa: INP001  hatchling loads this file by its path; nothing imports it
"""Build hook: stages the front-end plugin into the wheel, with nothing but Python.

JupyterLab and Notebook 7 serve a prebuilt extension's files with ``Cache-Control: immutable``, so the script is given a
name that carries its own digest: an upgrade is a new name, never a stale cache.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "wan-notebook"
SCRIPT = Path("wan_notebook", "labextension", "plugin.js")
STAGE = Path("build", "labextension")


def stage(root: Path, version: str) -> Path:
    """Write the extension as JupyterLab wants to find it below ``root`` and return its folder.

    Parameters
    ----------
    root : Path
        The project's root.
    version : str
        The package's version, shown by ``jupyter labextension list``.
    """
    script = (root / SCRIPT).read_bytes()
    folder = root / STAGE
    shutil.rmtree(folder, ignore_errors=True)  # an older script must not travel along
    (folder / "static").mkdir(parents=True)
    entry = f"static/remoteEntry.{hashlib.sha256(script).hexdigest()[:20]}.js"
    (folder / entry).write_bytes(script)
    package = {
        "name": NAME,
        "version": version,
        "description": "Keeps the records of Wan image-to-video runs in the metadata of their cells.",
        "license": "BSD-3-Clause",
        "jupyterlab": {"extension": True, "_build": {"load": entry, "extension": "./extension"}},
    }
    install = {
        "packageManager": "python",
        "packageName": NAME,
        "uninstallInstructions": f"python -m pip uninstall {NAME}",
    }
    (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n", encoding="utf-8")
    (folder / "install.json").write_text(json.dumps(install, indent=2) + "\n", encoding="utf-8")
    return folder


class LabextensionHook(BuildHookInterface[Any]):
    """Adds the staged extension to the wheel's shared data (also to that of an editable install)."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatchling's signature
        """Stage before the wheel is written."""
        folder = stage(Path(self.root), self.metadata.version)
        build_data["shared_data"][str(folder)] = f"share/jupyter/labextensions/{NAME}"
