"""Where clips and the inputs they were made from are kept: beside the notebook, under names that never collide."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from pathlib import Path  # noqa: TC003  doctests and callers read these annotations
from typing import TYPE_CHECKING

from wan_notebook.errors import ConfigurationError
from wan_notebook.media.medium import EXTENSIONS
from wan_notebook.words.wording import shown

if TYPE_CHECKING:
    from wan_notebook.media.medium import SentMedia

__all__ = ["bring", "check_folder", "discard", "keep_input", "reserve", "settle", "stem_for"]

PROBE_BYTES = 64 * 1024
MOST_OF_A_NAME = 10_000


def stem_for(name: str | None, created_at: str) -> str:
    """A file name's stem from the job's name and time, never from the prompt.

    >>> stem_for("cat", "2026-11-23T19:25:01.123Z")
    'cat-20261123-192501'
    """
    stamp = re.sub(r"[^0-9T]", "", created_at.partition(".")[0]).replace("T", "-")
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name or "").strip("-")[:60]
    return f"{plain or 'clip'}-{stamp}"


def reserve(folder: Path, stem: str, run_id: str) -> Path:
    """The part file of a run's clip, made anew and empty; no other run has one of that name.

    Raises
    ------
    ConfigurationError
        The folder cannot be written.
    """
    part = _part(folder, stem, run_id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)  # of a process that was killed; never followed where it is a link
        part.open("xb").close()
    except (OSError, ValueError) as error:
        raise cannot_write(folder, error) from None
    return part


def discard(folder: Path, stem: str, run_id: str) -> None:
    """Remove what a process that was killed has left of a run's clip: that run's part file, and nothing else."""
    with contextlib.suppress(OSError, ValueError):
        _part(folder, stem, run_id).unlink(missing_ok=True)


def _part(folder: Path, stem: str, run_id: str) -> Path:
    return folder / f"{stem}.{run_id}.mp4.part"


def check_folder(folder: Path) -> None:
    """Make sure that clips can be saved in ``folder``, before anything is paid for.

    Raises
    ------
    ConfigurationError
        They cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(8)}.part"
        try:
            probe.write_bytes(bytes(PROBE_BYTES))  # an empty file fits on a full disk
        finally:
            probe.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise cannot_write(folder, error) from None


def settle(part: Path, folder: Path, stem: str) -> Path:
    """Give a complete part file the first free name, without ever replacing a clip."""
    for number in range(1, MOST_OF_A_NAME):
        final = folder / (f"{stem}.mp4" if number == 1 else f"{stem}-{number}.mp4")
        if os.path.lexists(final):  # a link that leads nowhere has the name, too
            continue
        try:
            os.link(part, final)
        except FileExistsError:
            continue
        except OSError:  # a file system without hard links: take the name first, then put the clip in its place
            try:
                final.open("xb").close()
            except FileExistsError:
                continue
            part.replace(final)
        else:
            part.unlink()
        return final
    raise ConfigurationError(f"{folder.name} holds 10,000 clips of this name.", hint="Choose another --output-dir.")


def bring(clip: Path, outputs: Path, folder: Path | None) -> Path:
    """Where a clip can be linked from a notebook in ``folder``: where it is, or a second name of it in ``outputs``.

    Raises
    ------
    ConfigurationError
        The folder cannot be written.
    """
    if clip.is_relative_to(outputs) or (folder is not None and clip.is_relative_to(folder)):
        return clip
    known = outputs / clip.name
    if known.is_file() and known.samefile(clip):
        return known
    part = reserve(outputs, clip.stem, secrets.token_hex(8))
    try:
        part.unlink()
        try:
            os.link(clip, part)
        except OSError:  # another disk, or a file system without hard links
            shutil.copyfile(clip, part)
        return settle(part, outputs, clip.stem)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise cannot_write(outputs, error) from None


def keep_input(folder: Path, item: SentMedia) -> Path | None:
    """Keep the exact bytes sent, named by their digest; None for a medium given by URL."""
    if item.data is None or item.sha256 is None:
        return None
    inputs = folder / "inputs"
    path = inputs / f"{item.sha256}.{EXTENSIONS.get(item.mime, 'bin')}"
    try:
        inputs.mkdir(parents=True, exist_ok=True)
        if not inputs.resolve().is_relative_to(folder.resolve()):
            raise ConfigurationError(
                f"{folder.name}/inputs is a link that leads out of the folder.",
                hint="Remove the link. Nothing was sent and nothing is billed.",
            )
        if path.is_symlink() or not path.is_file() or path.read_bytes() != item.data:
            part = inputs / f".{secrets.token_hex(8)}.part"
            part.write_bytes(item.data)
            part.replace(path)
    except (OSError, ValueError) as error:
        raise cannot_write(folder, error) from None
    return path


def cannot_write(folder: Path, error: OSError | ValueError) -> ConfigurationError:
    """The error for a folder that cannot be used."""
    reason = getattr(error, "strerror", None) or type(error).__name__
    return ConfigurationError(
        f"the folder {shown(folder.name)} cannot be written ({reason}).",
        hint="Give another one with --output-dir, or free some space. Nothing was sent and nothing is billed.",
    )
