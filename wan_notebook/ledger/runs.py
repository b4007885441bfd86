"""Run: one row of the ledger, whichever process and version made it; and the tables it stands in."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "COLUMNS", "FILE", "FORGOTTEN", "FREE", "LATER", "MIGRATIONS", "OPEN", "OVER", "PLANNED", "TURNED_AWAY", "UNDRIVEN",
    "UNFINISHED", "UPDATE", "Run", "amount", "fitting", "told",
]  # fmt: skip

FILE = "ledger.sqlite3"
UNDRIVEN = ("detached", "undelivered", "ambiguous")  # nobody follows them, and yet they are not over
OPEN = ("waiting", "submitting", "following", "downloading", *UNDRIVEN)
PLANNED = "planned"  # a member of a sweep whose turn has not come: nothing was sent for it, and no job follows it
OVER = ("downloaded", "refused", "failed", "canceled", "expired", PLANNED)  # others are a later version's, and count
FREE = ("refused", "failed", "canceled", PLANNED)  # nothing is billed for those
FORGOTTEN = "forgotten"  # found no more; kept for what was spent
YEAR_9999 = 2.5e11  # in seconds since 1970
# A member of a sweep whose submit was cut off, and which the service's own list showed not to be accepted.
TURNED_AWAY = (
    "(sweep IS NOT NULL AND state = 'refused' AND lost_at IS NOT NULL AND task_id IS NULL AND from_run IS NULL)"
)
UNFINISHED = f"COALESCE(state, '') NOT IN {OVER}"
LATER, UPDATE = "a later version of this package left it as {!r}", "Update the package."
TYPES: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float), "bool": int}

# One step per version, each additive: an older version goes on reading and writing what it knows.
MIGRATIONS = (
    """
    CREATE TABLE runs (
        run_id TEXT PRIMARY KEY, rev INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL, created_at REAL NOT NULL,
        updated_at REAL NOT NULL DEFAULT 0, reuse_key TEXT, asked_key TEXT, ordinal INTEGER, region TEXT, endpoint TEXT,
        base_url TEXT, workspace TEXT, simulated INTEGER, model TEXT, resolution TEXT, duration INTEGER, notebook TEXT,
        folder TEXT, outputs TEXT, stem TEXT, cell_id TEXT, name TEXT, request TEXT, seed INTEGER, sent_sha256 TEXT,
        task_id TEXT, request_id TEXT, task TEXT, submitted_at REAL, finished_at REAL, queue_seconds REAL,
        run_seconds REAL, amount TEXT, currency TEXT, estimated INTEGER, clip_path TEXT, clip_sha256 TEXT,
        clip_bytes INTEGER, from_run TEXT, owner TEXT, payer TEXT,
        record TEXT
    );
    CREATE INDEX runs_by_key ON runs (reuse_key);
    CREATE INDEX runs_by_state ON runs (state);
    CREATE INDEX runs_by_task ON runs (task_id);
    CREATE TABLE owners (
        owner TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, begun TEXT, beat REAL NOT NULL
    );
    """,
    "ALTER TABLE runs ADD COLUMN sent_at REAL;",
    "ALTER TABLE runs ADD COLUMN project TEXT; ALTER TABLE runs ADD COLUMN account TEXT;",
    """
    ALTER TABLE runs ADD COLUMN sweep TEXT; ALTER TABLE runs ADD COLUMN place INTEGER;
    CREATE INDEX runs_by_sweep ON runs (sweep);
    """,
    "ALTER TABLE runs ADD COLUMN lost_at REAL;",
    "ALTER TABLE runs ADD COLUMN varied TEXT;",
)


@dataclass(frozen=True)
class Run:
    """One row: a run of this user's, whichever process made it.

    Parameters
    ----------
    reuse_key, asked_key : str
        Digests: what makes two runs the same request, and the part of it that is known before the media are read.
    endpoint : str
        Where it went, as it may be recorded; ``base_url`` and ``workspace`` are what was set beyond the region, if so.
    simulated : bool or None
        None until the service has answered.
    request, task, record : str or None
        JSON: the request as asked, the task as last heard of, the record as last shown.
    from_run : str or None
        The run that was paid for, where this one only shows its clip.
    sent_at : float or None
        When its POST went out last.
    lost_at : float or None
        When its answer was given up, and its task had to be looked for.
    owner, payer : str or None
        The process that drives it, and the session that paid for it.
    project : str or None
        The folder as it really lay on the disk, whose budget it counts for.
    account : str or None
        A fingerprint of the key it was sent with.
    sweep, place, varied : str, int, str or None
        The sweep it is a member of, the how-manieth, from 0, and (JSON) the values of the fields that vary.
    """

    run_id: str
    state: str
    created_at: float
    rev: int = 0
    updated_at: float = 0.0
    reuse_key: str | None = None
    asked_key: str | None = None
    ordinal: int | None = None
    region: str = ""
    endpoint: str = ""
    base_url: str | None = None
    workspace: str | None = None
    simulated: bool | None = None
    model: str = ""
    resolution: str | None = None
    duration: int | None = None
    notebook: str | None = None
    folder: str | None = None
    outputs: str = ""
    stem: str = ""
    cell_id: str | None = None
    name: str | None = None
    request: str | None = None
    seed: int | None = None
    sent_sha256: str | None = None
    task_id: str | None = None
    request_id: str | None = None
    task: str | None = None
    submitted_at: float | None = None
    finished_at: float | None = None
    queue_seconds: float | None = None
    run_seconds: float | None = None
    amount: str | None = None
    currency: str | None = None
    estimated: bool | None = None
    clip_path: str | None = None
    clip_sha256: str | None = None
    clip_bytes: int | None = None
    from_run: str | None = None
    owner: str | None = None
    payer: str | None = None
    sent_at: float | None = None
    sweep: str | None = None
    place: int | None = None
    lost_at: float | None = None
    varied: str | None = None
    record: str | None = None
    project: str | None = None
    account: str | None = None

    @classmethod
    def read(cls, row: Sequence[Any]) -> Run:
        """A row as it stands. What a later version wrote there in another way is not known; the row is there."""
        given = dict(zip(COLUMNS, row, strict=True))
        known = fitting(cls, given)
        known = {name: value for name, value in known.items() if not name.endswith("_at") or 0 <= value < YEAR_9999}
        for name in ("run_id", "state"):
            known.setdefault(name, str(given[name] or "unknown"))
        known.setdefault("created_at", 0.0)
        return cls(**known | {flag: bool(known[flag]) for flag in ("simulated", "estimated") if flag in known})

    @property
    def price(self) -> Decimal | None:
        """What it costs; None where that is not known."""
        return amount(self.amount)

    @property
    def never_sent(self) -> bool:
        """Whether the service never had this member of a sweep: its turn did not come, or it was not accepted."""
        lost = self.state == "refused" and self.lost_at is not None and self.task_id is None and self.from_run is None
        return self.state in (PLANNED, "waiting") or (self.sweep is not None and lost)

    @property
    def strange(self) -> bool:
        """Whether its state is a word of a later version."""
        return self.state not in (*OPEN, *OVER, FORGOTTEN)


def fitting(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``values`` that are of the types the fields of a dataclass have.

    >>> fitting(Run, {"run_id": "run-1", "seed": "seven", "rev": 2, "mood": "good", "name": None})
    {'run_id': 'run-1', 'rev': 2}
    """
    types = _types(kind)
    return {name: value for name, value in values.items() if isinstance(value, types.get(name, ()))}


@cache
def _types(kind: type) -> dict[str, type | tuple[type, ...]]:
    return {field.name: TYPES.get(str(field.type).split(" ")[0], ()) for field in fields(kind)}


def told(text: str | None) -> dict[str, Any]:
    """What a column of JSON says; nothing where that cannot be read.

    >>> told('{"a": 1}'), told("[1]"), told("a1"), told(None)
    ({'a': 1}, {}, {}, {})
    """
    try:
        said = json.loads(text or "{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def amount(text: object) -> Decimal | None:
    """An amount of money; None where it is not known, or cannot be read.

    >>> amount("0.05"), amount("about 5"), amount(None)
    (Decimal('0.05'), None, None)
    """
    try:
        found = Decimal(str(text))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


COLUMNS = tuple(field.name for field in fields(Run))
