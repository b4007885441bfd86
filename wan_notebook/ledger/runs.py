"""Run: one row of the ledger, whichever process made it; and the tables it stands in."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["COLUMNS", "FILE", "FORGOTTEN", "FREE", "MIGRATIONS", "OPEN", "OVER", "PLANNED", "UNDRIVEN", "Run"]

FILE = "ledger.sqlite3"
UNDRIVEN = ("detached", "undelivered", "ambiguous")  # nobody follows them, and yet they are not over
OPEN = ("waiting", "submitting", "following", "downloading", *UNDRIVEN)
PLANNED = "planned"  # a member of a sweep whose turn has not come: nothing was sent for it, and no job follows it
OVER = ("downloaded", "refused", "failed", "canceled", "expired", PLANNED)  # others are a later version's, and count
FREE = ("refused", "failed", "canceled", PLANNED)  # nothing is billed for those
FORGOTTEN = "forgotten"  # found no more; kept for what was spent


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
    sweep, place : str, int or None
        The sweep it is a member of, and the how-manieth, from 0.
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
    record: str | None = None
    project: str | None = None
    account: str | None = None


COLUMNS = tuple(field.name for field in fields(Run))
