"""Which key a run was sent with: a fingerprint that tells two keys apart, and from which no key is found.

It is made with a salt that lies beside the ledger and nowhere else, slowly, and it is short: one who has the ledger
alone learns nothing from it, and one who has the salt, too, would have to try keys of which there are too many.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from wan_notebook.keys import Secret

__all__ = ["fingerprint"]

SALT, SALT_BYTES = "salt", 32


def fingerprint(key: Secret, folder: Path) -> str | None:
    """The mark of ``key`` in the ledger of ``folder``; None where no salt can be kept there."""
    try:
        return _mark(key, _salt(folder))
    except (OSError, ValueError):
        return None


@cache
def _mark(key: Secret, salt: bytes) -> str:
    return key.fingerprint(salt)


def _salt(folder: Path) -> bytes:
    """The folder's salt, made by the first process that asks: whole or not at all."""
    path = folder / SALT
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = folder / f".{secrets.token_hex(8)}.part"
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(SALT_BYTES))
            with suppress(FileExistsError):
                try:
                    os.link(part, path)  # never in place of another one
                except FileExistsError:
                    raise
                except OSError:  # a file system without hard links
                    part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    salt = path.read_bytes()
    if len(salt) != SALT_BYTES:
        raise ValueError("no salt")
    return salt
