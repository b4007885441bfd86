"""Where given files and finished clips lie, and the signed addresses that lead to them.

Nothing a caller names is ever used as a path: objects are found by their key in a table.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .refusals import INSPECTION_FORMAT, INSPECTION_RIGHTS, BadInput

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from pathlib import Path

    from .clock import Clock

__all__ = ["RESULT_SECONDS", "Storage", "StoreRefused"]

POLICY_SECONDS = 300
UPLOAD_SECONDS = 48 * 3600
RESULT_SECONDS = 24 * 3600
UPLOAD_MB = 100
SAFE = "-._~/"


class StoreRefused(Exception):  # noqa: N818  an answer of the object store, not a programming error
    """The object store says no, in XML."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class _Upload:
    path: Path
    account: str
    model: str
    until: float


class Storage:
    """Uploads and clips of one simulator.

    Parameters
    ----------
    folder : Path
        Its own; made with mode 0700.
    clock : Clock
        Expiry follows it.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock
        self._key_id = "SIMULATED" + secrets.token_hex(6).upper()
        self._secret = secrets.token_bytes(32)
        self._policies: dict[str, tuple[str, str]] = {}
        self._uploads: dict[str, _Upload] = {}
        for name in ("uploads", "clips"):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    # Uploads ---------------------------------------------------------------------------------------------------------

    def policy(self, account: str, model: str, host: str) -> dict[str, Any]:
        """The ``data`` of a getPolicy answer; good for 300 s."""
        now = self._clock.now()
        day = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
        folder = f"dashscope-instant/{account}/{day}/{secrets.token_hex(16)}"
        conditions = {
            "expiration": datetime.fromtimestamp(now + POLICY_SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "conditions": [["content-length-range", 0, UPLOAD_MB * 1024 * 1024], ["starts-with", "$key", folder]],
        }
        policy = base64.b64encode(json.dumps(conditions).encode()).decode()
        self._policies[folder] = (account, model)
        return {
            "policy": policy,
            "signature": self._sign(policy),
            "upload_dir": folder,
            "upload_host": host,
            "expire_in_seconds": POLICY_SECONDS,
            "max_file_size_mb": UPLOAD_MB,
            "capacity_limit_mb": 999999999,
            "oss_access_key_id": self._key_id,
            "x_oss_object_acl": "private",
            "x_oss_forbid_overwrite": "true",
        }

    def check_form(self, fields: Mapping[str, str]) -> str:
        """Is this multipart upload allowed? The folder of its policy.

        Raises
        ------
        StoreRefused
        """
        for name in ("OSSAccessKeyId", "policy", "Signature", "key"):
            if not fields.get(name):
                raise StoreRefused(400, "InvalidArgument", f"Bucket POST must contain the field '{name}'.")
        if fields["OSSAccessKeyId"] != self._key_id:
            raise StoreRefused(
                403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records."
            )
        if not hmac.compare_digest(self._sign(fields["policy"]).encode(), fields["Signature"].encode()):
            raise StoreRefused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        rules = json.loads(base64.b64decode(fields["policy"]))
        if datetime.fromisoformat(rules["expiration"]).timestamp() <= self._clock.now():
            raise StoreRefused(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
        prefix = f"{rules['conditions'][1][2]}/"
        if not fields["key"].startswith(prefix) or fields["key"] == prefix:
            raise StoreRefused(
                403,
                "AccessDenied",
                f'Invalid according to Policy: Policy Condition failed: ["starts-with", "$key", "{prefix}"]',
            )
        if fields.get("x-oss-object-acl", "private") != "private":
            raise StoreRefused(403, "AccessDenied", "Invalid according to Policy: only private objects are allowed.")
        if fields["key"] in self._uploads:
            raise StoreRefused(
                409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten."
            )
        return prefix[:-1]

    def keep_upload(self, folder: str, key: str, data: bytes) -> None:
        """Keep an object whose form was checked."""
        if len(data) > UPLOAD_MB * 1024 * 1024:
            raise StoreRefused(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
        account, model = self._policies[folder]
        path = self.folder / "uploads" / hashlib.sha256(key.encode()).hexdigest()
        _write(path, data)
        self._uploads[key] = _Upload(path, account, model, self._clock.now() + UPLOAD_SECONDS)

    def read_upload(self, url: str, account: str, model: str) -> bytes:
        """The bytes behind ``oss://...``, for the account and the model they were uploaded for.

        Raises
        ------
        BadInput
            Unknown, older than 48 h, or somebody else's.
        """
        upload = self._uploads.get(url.removeprefix("oss://"))
        if upload is None or upload.until <= self._clock.now():
            raise BadInput("InvalidParameter", "oss download error.")
        if (upload.account, upload.model) != (account, model):
            raise BadInput("InvalidParameter.DataInspection", INSPECTION_RIGHTS)
        try:
            return upload.path.read_bytes()
        except OSError:
            raise BadInput("InvalidParameter.DataInspection", INSPECTION_FORMAT) from None

    # Results ---------------------------------------------------------------------------------------------------------

    def clip(self, name: str) -> Path:
        """Where the clip of this name lies, or will."""
        return self.folder / "clips" / f"{name}.mp4"

    def signed(self, path: str, expires: int) -> str:
        """``path`` with the query that opens it until ``expires`` (seconds since 1970)."""
        signature = quote(self._sign(f"{expires}\n{path}"), safe="")
        return f"{quote(path, safe=SAFE)}?Expires={expires}&OSSAccessKeyId={self._key_id}&Signature={signature}"

    def check_signature(self, path: str, query: Mapping[str, str]) -> None:
        """Does this query open ``path`` now?

        Raises
        ------
        StoreRefused
            403, in the object store's words.
        """
        expires = query.get("Expires", "")
        if not expires:
            raise StoreRefused(403, "AccessDenied", "You have no right to access this object because of bucket acl.")
        right = self._sign(f"{expires}\n{path}").encode()
        if not hmac.compare_digest(right, query.get("Signature", "").encode()):
            raise StoreRefused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        if int(expires) <= self._clock.now():
            raise StoreRefused(403, "AccessDenied", "Request has expired.")

    def sweep(self, wanted: Container[str]) -> None:
        """Delete expired uploads, and the clips whose name is not among ``wanted``."""
        now = self._clock.now()
        for key, upload in list(self._uploads.items()):
            if upload.until <= now:
                upload.path.unlink(missing_ok=True)
                del self._uploads[key]
        for path in (self.folder / "clips").glob("*.mp4"):
            if path.stem not in wanted:
                path.unlink(missing_ok=True)

    def _sign(self, text: str) -> str:
        return base64.b64encode(hmac.new(self._secret, text.encode(), hashlib.sha1).digest()).decode()


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)
