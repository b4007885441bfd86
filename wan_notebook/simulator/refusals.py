"""How the service says no: a code, a sentence, a request id."""

from __future__ import annotations

import uuid
from xml.sax.saxutils import escape

from starlette.responses import JSONResponse, Response

__all__ = ["BadInput", "Refusal", "Refused", "json_refusal", "new_request_id", "xml_refusal"]

# Messages as in the service's list of error codes (edition of 2026-05-25).
DOWNLOAD_FAILED = "download image failed"
FORMAT_ERROR = "image format error"
CORRUPTED = "Invalid image format or corrupted file"
SIDES = "the size of input image is too small or too large."
TOO_LARGE = "Multimodal file size is too large"
BAD_URL = "Required URL is missing or invalid, please check the request URL."
INSPECTION_FORMAT = "The media format is not supported or incorrect for the data inspection."
INSPECTION_RIGHTS = "Don't have authorization to access the media resource during the data inspection process."
NOT_PENDING = "Failed to cancel the task, please confirm if the task is in PENDING status."
RATE = "Requests rate limit exceeded, please try again later."

MESSAGES = {
    "Arrearage": "Access denied, please make sure your account is in good standing.",
    "DataInspectionFailed": "Input data may contain inappropriate content.",
    "IPInfringementSuspect": "Input data is suspected of being involved in IP infringement.",
    "InternalError": "An internal error has occurred, please try again later or contact service support.",
    "InternalError.Algo": "An internal error has occurred during execution, please try again later.",
    "InternalError.Timeout": "An internal timeout error has occurred during execution, please try again later.",
    "InvalidParameter": "The size is not match",
    "RewriteFailed": "Failed to rewrite content for prompt.",
}
"""What a task that was asked to fail with a code says; any other code says that it was asked to."""


class Refused(Exception):  # noqa: N818  an answer of the service, not a programming error
    """The service says no.

    Parameters
    ----------
    code, message : str
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Refusal(Refused):
    """... in the answer to this request, with this HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status


class BadInput(Refused):
    """... because of a picture, a sound or a clip: a 400 while submitting, a FAILED task afterwards."""


def new_request_id() -> str:
    """A fresh id of the service's shape."""
    return str(uuid.uuid4())


def json_refusal(status: int, code: str, message: str) -> JSONResponse:
    """The flat error body of the API."""
    body = {"code": code, "message": message, "request_id": new_request_id()}
    return JSONResponse(body, status_code=status)


def xml_refusal(status: int, code: str, message: str) -> Response:
    """The error body of the object store (uploads and results live there, not in the API)."""
    request_id = new_request_id().replace("-", "").upper()[:24]
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n'
        f"  <Code>{escape(code)}</Code>\n  <Message>{escape(message)}</Message>\n"
        f"  <RequestId>{request_id}</RequestId>\n</Error>\n"
    )
    return Response(body, status_code=status, media_type="application/xml", headers={"x-oss-request-id": request_id})
