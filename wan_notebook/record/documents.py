"""Notebook files: read whole, written back in one step with nothing else changed in them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import WanError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Document", "genuine", "inside"]

MAX_PATH = 1000  # characters
MAX_BYTES = 512 * 1024 * 1024
FORMAT = 4  # the nbformat that has cells with metadata and outputs
UNTOUCHED = "The file was not changed."


@dataclass(frozen=True)
class Document:
    """A notebook file as it was read.

    Parameters
    ----------
    path : Path
    notebook : dict
        Its JSON; change it in place, then :meth:`write`.
    text : str
        The file's text, whose style is kept.
    seen : tuple of int
        What the file was when it was read: modification time in nanoseconds, bytes, inode.
    """

    path: Path
    notebook: dict[str, Any]
    text: str
    seen: tuple[int, int, int]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Document:
        """The notebook at ``path``.

        Raises
        ------
        WanError
            Not a notebook of format 4, unreadable, or above 512 MB.
        """
        path = Path(path)
        try:
            with path.open("rb") as file:
                seen = _identity(os.fstat(file.fileno()))
                if seen[1] > MAX_BYTES:
                    raise WanError(f"{path} is too large for a notebook ({seen[1]} bytes).", hint=UNTOUCHED)
                text = file.read().decode("utf-8")
        except FileNotFoundError:
            raise WanError(f"there is no file {path}.", hint="Check the name; notebooks end in .ipynb.") from None
        except UnicodeDecodeError:
            raise WanError(f"{path} is not a notebook: it is not UTF-8 text.", hint=UNTOUCHED) from None
        except OSError as error:
            raise WanError(f"{path} cannot be read ({error.strerror}).", hint=UNTOUCHED) from None
        return cls(path, _parsed(text, path), text, seen)

    def write(self, target: Path) -> None:
        """Replace ``target`` by the notebook as it is now, atomically and with the permissions it had.

        Raises
        ------
        WanError
            The file that was read changed meanwhile, or ``target`` cannot be written; nothing is written then.
        """
        real = Path(os.path.realpath(target))  # a symbolic link stays one
        waiting = real.with_name(f".{real.name}.{secrets.token_hex(4)}.tmp")
        try:
            with waiting.open("x", encoding="utf-8", newline="") as file:
                file.write(self._styled())
                file.flush()
                os.fsync(file.fileno())
            waiting.chmod((real if real.exists() else self.path).stat().st_mode & 0o777)
            if _identity(self.path.stat()) != self.seen:
                raise WanError(f"{self.path} was changed by someone else meanwhile.", hint=f"Try again. {UNTOUCHED}")
            waiting.replace(real)
        except OSError as error:
            raise WanError(f"{target} cannot be written ({error.strerror}).", hint=UNTOUCHED) from None
        finally:
            with contextlib.suppress(OSError):
                waiting.unlink()

    def _styled(self) -> str:
        """The notebook as JSON in the style of the text it came from."""
        before = json.loads(self.text)
        if before == self.notebook:
            return self.text
        indent = re.match(r"\{\r?\n( +|\t+)", self.text)
        half_characters = re.search(r"\\ud[89a-f]", self.text, re.IGNORECASE)  # only escapes can hold them
        written = json.dumps(
            self.notebook,
            ensure_ascii=self.text.isascii() or half_characters is not None,
            indent=indent.group(1) if indent else 1,  # nbformat's
            sort_keys=json.dumps(before) == json.dumps(before, sort_keys=True),
        )
        written += "\n" if self.text.endswith("\n") else ""
        return written.replace("\n", "\r\n") if "\r\n" in self.text else written


def inside(folder: Path, named: object) -> Path | None:
    """The existing file a document names by a relative path, if it lies in the notebook's ``folder``; else None.

    What a document says is anybody's word: no absolute path, no way out of the folder (also none through a symbolic
    link) is followed.
    """
    if not isinstance(named, str) or not named or len(named) > MAX_PATH or "\0" in named or "\\" in named:
        return None
    if Path(named).is_absolute() or re.match(r"[A-Za-z]:", named):
        return None
    try:
        root = folder.resolve()
        path = (root / named).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError):
        return None


def genuine(folder: Path, item: Mapping[str, Any]) -> tuple[Path | None, str]:
    """The file of the notebook's folder that a record names, if it is the very one.

    Parameters
    ----------
    folder : Path
    item : mapping
        With ``path``, ``sha256`` and ``bytes``: an input or a clip of a record.

    Returns
    -------
    path, problem : Path or None, str
        One of them is empty.
    """
    path = inside(folder, item["path"])
    if path is None:
        return None, "there is no such file in the notebook's folder"
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        return None, f"it cannot be read ({error.strerror})"
    if item["bytes"] not in (None, size):
        return None, f"it has {size} bytes, not {item['bytes']}"
    return (path, "") if found == item["sha256"] else (None, "its content was changed")


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        raise WanError(f"{path} is not a notebook: it is not JSON.", hint=UNTOUCHED) from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise WanError(f"{path} is not a notebook of format {FORMAT}: it has no list of cells.", hint=UNTOUCHED)
    if notebook.get("nbformat") != FORMAT:
        hint = f"Convert it with jupyter nbconvert --to notebook. {UNTOUCHED}"
        raise WanError(f"{path} is not a notebook of format {FORMAT}.", hint=hint)
    return notebook


def _identity(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
