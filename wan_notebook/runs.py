"""Run: one row of the ledger, whichever process made it."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["COLUMNS", "OPEN", "UNDRIVEN", "Run"]

UNDRIVEN = ("detached", "undelivered", "ambiguous")  # nobody follows them, and yet they are not over
OPEN = ("waiting", "submitting", "following", "downloading", *UNDRIVEN)


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
    owner : str or None
        The process that drives it.
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
    record: str | None = None


COLUMNS = tuple(field.name for field in fields(Run))
