"""Side files: the record of a clip, kept beside it; a clip that left its notebook still says how it was made."""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import WanError
from wan_notebook.record.provenance import MAX_RECORD_BYTES, digest, is_record
from wan_notebook.tasks import JobState

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from wan_notebook.tasks import JobUpdate

__all__ = ["SUFFIX", "keep_beside", "load_record", "placed", "side_file"]

log = logging.getLogger("wan_notebook")

SUFFIX = ".json"  # what a side file's name has behind its clip's


def side_file(record: Mapping[str, Any], clip: Path) -> Path:
    """Write the record of a clip beside it, as ``clip.mp4.json``.

    Parameters
    ----------
    record : mapping
        With paths relative to the clip's own folder.
    clip : Path

    Raises
    ------
    OSError
        It cannot be written.
    """
    target = clip.with_name(clip.name + SUFFIX)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_text(json.dumps(record, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def keep_beside(record: Callable[[JobUpdate], dict[str, Any]], update: JobUpdate) -> None:
    """The record beside a clip that was just saved; a full disk costs the side file, never the clip."""
    if update.state is JobState.DOWNLOADED and update.clip is not None:
        clip = update.clip.path
        if update.from_run and clip.with_name(f"{clip.name}.json").exists():
            return  # its own run's, which says more
        try:
            side_file(record(replace(update, folder=clip.parent)), clip)
        except OSError as error:
            log.warning("%s has no side file (%s)", clip.name, error.strerror)


def load_record(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The record that lies beside a clip.

    Parameters
    ----------
    path : path
        Of the clip (``cat.mp4``) or of its side file (``cat.mp4.json``).

    Returns
    -------
    dict
        Checked to be a record of at most 16 KB; its paths are relative to the clip's folder.

    Raises
    ------
    WanError
        There is no such file, or it is no record.
    """
    path = Path(path)
    side = path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
    hint = "A clip's record is kept beside it, in a file of the same name with .json behind it."
    try:
        with side.open("rb") as file:
            value = json.loads(file.read(4 * MAX_RECORD_BYTES))
    except OSError as error:
        raise WanError(f"{side.name} cannot be read ({error.strerror or error}).", hint=hint) from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not is_record(value):
        raise WanError(f"{side.name} holds no record.", hint=hint)
    return value


def placed(record: Mapping[str, Any], clip: str) -> dict[str, Any]:
    """The record beside a clip as the notebook would hold it: its paths start where ``clip``, the clip's path, does."""

    def moved(item: Mapping[str, Any]) -> dict[str, Any]:
        return {**item, "path": str(PurePosixPath(clip).parent / item["path"]) if item["path"] else None}

    said = {name: value for name, value in record.items() if name != "record_sha256"}
    said |= {"clip": {**said["clip"], "path": clip}, "inputs": [moved(item) for item in said["inputs"]]}
    return {**said, "record_sha256": digest(said)}
