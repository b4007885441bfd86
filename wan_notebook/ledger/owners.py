"""Who drives a run: this process by name, and whether another one is certainly gone; what machines share."""

from __future__ import annotations

import os
import secrets
import socket
from functools import cache
from pathlib import Path

__all__ = ["LEASE_SECONDS", "host", "is_gone", "is_shared", "is_there", "itself", "payer"]

LEASE_SECONDS = 15.0  # a process that has said nothing for so long is taken for dead
SHARED_FILE_SYSTEMS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3"}
)


def itself() -> tuple[str, str]:
    """A name for this process that no other one ever has, and when it was started."""
    return f"{os.getpid()}-{secrets.token_hex(6)}", _begun(os.getpid())


@cache
def payer() -> str:
    """A name for this session: this process and those that are forked from it, which spend one budget together."""
    return itself()[0]


@cache
def host() -> str:
    """This machine; on Linux also its set of process ids, which containers do not share."""
    try:
        spaces = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        spaces = ""
    return f"{socket.gethostname()} {spaces}".strip()


def is_gone(where: str, pid: int, begun: str) -> bool:
    """Whether that process has certainly ended; False where it cannot be told from here."""
    if where != host() or not begun:
        return False
    return _begun(pid) != begun


def is_there(where: str, pid: int, begun: str) -> bool:
    """Whether that process certainly lives, however silent; False where it cannot be told from here."""
    return where == host() and bool(begun) and _begun(pid) == begun


def _begun(pid: int) -> str:
    """When a process was started, in the kernel's own count; empty where it is gone or that cannot be told."""
    try:
        state, *values = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return "" if state in "XZ" else values[18]
    except (OSError, IndexError, UnicodeDecodeError):
        return ""


def is_shared(path: Path) -> bool:
    """Whether a path lies on a network file system, where WAL's shared memory does not work."""
    try:
        mounts = [line.split(" ")[1:3] for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    except OSError:
        return False
    place = str(path.absolute())
    above = [(len(m), kind) for m, kind in mounts if place.startswith(m.replace("\\040", " ").rstrip("/") + "/")]
    return bool(above) and max(above)[1] in SHARED_FILE_SYSTEMS
