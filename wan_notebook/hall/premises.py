"""What this machine has for the work: folders, the plugin, codecs, packages, proxies. Only looks.

Nothing here opens a connection or imports more of Jupyter than is there already.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies

from wan_notebook.words.addresses import proxy_of, public_url
from wan_notebook.words.wording import file_size

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Finding", "codecs", "folder", "packages", "plugin", "proxies", "simulator_packages"]

NAME = "wan-notebook"
EXTENSION = Path("share", "jupyter", "labextensions", NAME, "package.json")
SHOWN = ("wan-notebook", "ipython", "ipykernel", "jupyterlab", "notebook", "av")
LITTLE, TOO_LITTLE = 500_000_000, 20_000_000  # bytes; a clip has 1 to 30 million


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Parameters
    ----------
    topic : str
    level : {"ok", "info", "warning", "problem"}
        ``info``: not known, or not needed. ``problem``: a submit would not work.
    said : str
    do : str
        What to do about it.
    """

    topic: str
    level: Literal["ok", "info", "warning", "problem"]
    said: str
    do: str = ""


def folder(topic: str, path: Path, *, do: str, needed: bool = True) -> Finding:
    """Whether files can be written in ``path`` (or where it would be made), and how much space is left.

    Parameters
    ----------
    do : str
        What to do where they cannot.
    needed : bool
        Whether nothing can be submitted without it.
    """
    bad: Literal["problem", "warning"] = "problem" if needed else "warning"
    there = next((place for place in (path, *path.parents) if place.exists()), path)
    try:
        if not there.is_dir():
            return Finding(topic, bad, f"{path}: {there.name} is a file, not a folder", do)
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"\0")
            file.flush()
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding(topic, bad, f"{path} cannot be written ({error.strerror or type(error).__name__})", do)
    said = f"{path} {'can be written' if there == path else 'can be made'}, {file_size(free)} free"
    if free < LITTLE:
        return Finding(
            topic, bad if free < TOO_LITTLE else "warning", said, "Make some space: clips have a few MB each."
        )
    return Finding(topic, "ok", said)


def proxies(address: str | None, *, reached: bool = True) -> Finding:
    """Which proxy the way to ``address`` takes; its user name and password are not shown.

    Parameters
    ----------
    reached : bool
        Whether anything came back from there.
    """
    found = {name: public_url(value) for name, value in getproxies().items() if name != "no"}
    if not found:
        return Finding("proxy", "ok", "none")
    shown = ", ".join(f"{name} through {value}" for name, value in sorted(found.items()))
    used = proxy_of(address or "https:")
    if not used:
        return Finding("proxy", "ok", f"{shown}; not for {urlsplit(address or '').hostname} (NO_PROXY)")
    if used.startswith("socks") and find_spec("socksio") is None:
        return Finding("proxy", "problem", shown, 'A SOCKS proxy needs: python -m pip install "httpx[socks]"')
    if not reached:
        do = f"Nothing came through {used}: look whether it runs, lets you through, or is still needed (HTTPS_PROXY)."
        return Finding("proxy", "problem", shown, do)
    return Finding("proxy", "ok", shown)


def plugin(front_end: str, *, answered: bool | None) -> list[Finding]:
    """The JupyterLab plugin: in the kernel's environment, in Jupyter's own, and whether it has answered.

    Parameters
    ----------
    answered : bool or None
        None where that is not known (yet).
    """
    here, lab = _plugin_in(_data_folders()), front_end.startswith("jupyterlab")
    told = f"version {here}" if here else "not installed"
    missing = None if here else f"Only if Jupyter runs from here: {sys.executable} -m pip install {NAME}"
    findings = [Finding("plugin here", "ok", f"{told} ({sys.prefix})", missing or "")]
    server, known = jupyter_prefix()
    if server is not None:
        theirs = _plugin_in([server])
        same = server == Path(sys.prefix)
        said = "the same environment" if same else f"{f'version {theirs}' if theirs else 'not installed'} ({server})"
        if theirs or (same and here):
            findings.append(Finding("plugin in Jupyter", "ok", said))
        else:
            cure = f"{known} -m pip install {NAME}, then reload the page."
            findings.append(Finding("plugin in Jupyter", "warning", said, cure))
    elif lab:
        findings.append(Finding("plugin in Jupyter", "info", "not known: Jupyter runs elsewhere"))
    if lab:
        findings.append(_answer(answered))
    return findings


def _answer(answered: bool | None) -> Finding:
    if answered:
        return Finding("plugin", "ok", "has answered: records go into the metadata of their cells")
    if answered is None:
        return Finding("plugin", "info", "not heard of yet: it speaks when a cell shows a card")
    do = f"Install {NAME} where Jupyter itself runs and reload the page. `wan-notebook sync` copies records meanwhile."
    return Finding("plugin", "warning", "did not answer: records stay in the outputs only", do)


def jupyter_prefix() -> tuple[Path | None, str]:
    """The environment of the Jupyter server that started this kernel, and its Python; (None, "") where not known."""
    parent = os.environ.get("JPY_PARENT_PID", "")
    if not parent.isdecimal():
        return None, ""
    try:
        import psutil  # ipykernel brings it

        command = psutil.Process(int(parent)).cmdline()
    except Exception:  # noqa: BLE001  no psutil, no such process, not ours to look at: then it is not known
        return None, ""
    python = Path(command[0]) if command else Path()
    if not python.is_absolute() or not any("jupyter" in part.lower() for part in command[1:3]):
        return None, ""
    folder = python.parent
    return (folder if folder.name not in ("bin", "Scripts") else folder.parent), str(python)


def _data_folders() -> list[Path]:
    if find_spec("jupyter_core") is None:
        return [Path(sys.prefix)]
    from jupyter_core.paths import jupyter_path

    return [Path(path).parent.parent for path in jupyter_path()]


def _plugin_in(prefixes: Iterable[Path]) -> str | None:
    """The version of the plugin that the first of these has."""
    for prefix in prefixes:
        try:
            with (prefix / EXTENSION).open(encoding="utf-8") as file:
                found = json.load(file).get("version")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(found, str):
            return found[:40]
    return None


def packages(front_end: str) -> list[Finding]:
    """Versions, the front end, and whether asyncio is patched."""
    found = [f"Python {platform.python_version()}"]
    for name in SHOWN:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} not installed here")
    nested = getattr(asyncio, "_nest_patched", False)
    which = "nest_asyncio2" if hasattr(asyncio, "_nest_asyncio2") else "nest_asyncio"
    return [
        Finding("front end", "ok", front_end),
        Finding("versions", "ok", ", ".join(found)),
        Finding("event loop", "ok", f"patched by {which} (wan.run does so)" if nested else "not patched"),
    ]


def codecs(front_end: str) -> list[Finding]:
    """Whether clips can be measured here, and heard where they are shown."""
    try:
        import av

        missing = [name for name in ("h264", "aac") if name not in av.codecs_available]
    except ImportError as error:
        missing = [f"PyAV ({error.name or 'its libraries'})"]
    if missing:
        do = "Install it again: python -m pip install --force-reinstall av"
        findings = [Finding("codecs", "problem", f"clips cannot be read: no {', '.join(missing)}", do)]
    else:
        findings = [Finding("codecs", "ok", "H.264 and AAC can be read")]
    if front_end == "vscode":
        do = "Open the file itself to hear it."
        findings.append(Finding("sound", "warning", "VS Code plays no AAC, so clips are silent in it", do))
    return findings


def simulator_packages(*, needed: bool) -> Finding:
    """Whether the simulator can be started here."""
    missing = [name for name in ("starlette", "uvicorn", "python_multipart") if find_spec(name) is None]
    if not missing:
        return Finding("simulator", "ok", "can be started (--region simulator)")
    do = 'python -m pip install "wan-notebook[simulator]"'
    said = f"not installed ({', '.join(missing)}); needed for --region simulator only"
    return Finding("simulator", "problem" if needed else "info", said, do if needed else "")
