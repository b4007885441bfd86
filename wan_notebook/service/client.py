"""The service's HTTP interface: submit, fetch, cancel, list, upload; with :mod:`~wan_notebook.service.downloads` and
:mod:`~wan_notebook.service.connections` the only room that knows httpx.

Every call is made once. What may be asked again, and when, is decided by the runner; a paid POST is never resent here.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from wan_notebook.errors import AmbiguousSubmitError, AuthenticationError, ServiceError, TransportError
from wan_notebook.facts.explanations import BILL, refused
from wan_notebook.service.bodies import Paced, Watched
from wan_notebook.service.connections import CONNECT_SECONDS, QUERY_SECONDS, TRANSFERS
from wan_notebook.service.downloads import STALL_SECONDS, bounded, download, fetch_picture
from wan_notebook.service.listing import decode_rows
from wan_notebook.service.wire import (
    NOT_SUBMITTED,
    SUBMIT_PATH,
    chunks,
    decode_error,
    decode_store_error,
    decode_task,
    submit_headers,
    upload_form,
)
from wan_notebook.words.addresses import is_loopback, proxy_of, without_workspace
from wan_notebook.words.answers import json_object, seconds, task_id_checked
from wan_notebook.words.wording import redacted, trouble

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from wan_notebook.media.medium import SentMedia
    from wan_notebook.service.listing import TaskRow
    from wan_notebook.tasks import Task

__all__ = ["WanClient"]

SUBMIT_SECONDS = 120.0
OK = 200
HEADERS = ("date", "retry-after")  # what is read of an answer's, beside the simulator's
NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
UNDECIDED, OVERLOADED = frozenset({408, 499}), 503  # time-outs of a gateway: the task may have been accepted
SIMULATOR_HEADER = re.compile(r"speed=([0-9]{1,9}(?:\.[0-9]{1,6})?)")


@dataclass
class WanClient:
    """One region's address and key over the shared connection pool.

    Parameters
    ----------
    http : httpx.AsyncClient
    base_url : str
        Ends with ``/api/v1``.
    key : callable
        Gives the API key when a header is written; it is held nowhere else. Without one there is no such header.
    loopback : bool
        Whether the base URL is this machine; only then is the simulator's header believed and plain http followed.
    workspace : str, optional
        Sent as ``X-DashScope-WorkSpace``.
    advise : callable, optional
        Awaited with the error when the key is refused: it may know where the key belongs.

    transfers : asyncio.Semaphore
        Lets a few uploads and downloads through at once, so that no query waits behind them.

    Attributes
    ----------
    simulator_speed : float or None
        The simulator's clock, once it has answered; None for the real service.
    """

    http: httpx.AsyncClient
    base_url: str
    key: Callable[[], str]
    loopback: bool
    workspace: str | None = None
    advise: Callable[[AuthenticationError], Awaitable[None]] | None = None
    simulator_speed: float | None = None
    transfers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TRANSFERS))

    def public_address(self) -> str:
        """The base URL as it may be recorded: without the workspace."""
        return without_workspace(self.base_url)

    async def submit(self, body: Mapping[str, Any], *, hold: Callable[[], Awaitable[None]] | None = None) -> Task:
        """POST the body :func:`wan_notebook.service.wire.encode` made, once.

        Parameters
        ----------
        hold : callable, optional
            Awaited before each piece of the body; what it raises breaks the POST off, and no task comes of it.

        Raises
        ------
        AmbiguousSubmitError
            It was sent, but whether it was accepted is not known.
        TransportError
            It never left this machine.
        ServiceError
            It was refused (AuthenticationError, RateLimitError for 401 and 429).
        """
        length, pieces = chunks(body)
        headers = {**submit_headers(body), "Content-Length": str(length)}
        timeout = httpx.Timeout(SUBMIT_SECONDS, connect=CONNECT_SECONDS, pool=QUERY_SECONDS)
        content = Paced(pieces, hold)
        try:
            async with asyncio.timeout(SUBMIT_SECONDS):
                status, answer_headers, data = await self._call(
                    "POST", SUBMIT_PATH, headers=headers, content=content, timeout=timeout
                )
        except NEVER_LEFT as error:
            raise self._not_reached(error, submitting=True) from None
        except (httpx.HTTPError, TimeoutError) as error:
            if not content.begun:  # e.g. a proxy that never made the tunnel: no task comes of a request without a body
                raise self._not_reached(error, submitting=True) from None
            raise AmbiguousSubmitError(f"the request was sent, but no answer came ({type(error).__name__}).") from None
        if not 200 <= status < 300:  # noqa: PLR2004  only a success can hold a task
            refusal = await self._refusal(status, answer_headers, data, submitting=True)
            refused_it = 400 <= status < 500 and status not in UNDECIDED  # noqa: PLR2004  a client error
            if refused_it or (status == OVERLOADED and refusal.code):
                raise refusal
            said = f"HTTP {status} ({refusal.code})" if refusal.code else f"HTTP {status}"
            raise AmbiguousSubmitError(f"the service answered {said} instead of a task id.")
        try:
            return decode_task(json_object(data))
        except TransportError as error:
            raise AmbiguousSubmitError(f"accepted, but {error.message}") from None

    async def fetch(self, task_id: str) -> Task:
        """The task as the service sees it now."""
        task = decode_task(json_object(await self._asked("GET", f"/tasks/{quote(task_id_checked(task_id))}")))
        if task.task_id != task_id:
            raise TransportError("the answer is about another task.")
        return task

    async def cancel(self, task_id: str) -> None:
        """Cancel a PENDING task.

        Raises
        ------
        ServiceError
            ``code == "UnsupportedOperation"``: it is no longer PENDING and will be billed.
        """
        await self._asked("POST", f"/tasks/{quote(task_id_checked(task_id))}/cancel")

    async def list(self, query: Mapping[str, str]) -> tuple[Sequence[TaskRow], int | None]:
        """One page of the account's tasks, of all its keys, and how many pages there are if that is said."""
        return decode_rows(json_object(await self._asked("GET", f"/tasks/?{urlencode(query)}")))

    async def upload(self, item: SentMedia, model: str, *, stall_seconds: float = STALL_SECONDS) -> str:
        """Put a file into the service's temporary store (48 h, for this model only); returns its ``oss://`` URL.

        The whole may take any time; a piece of the file ``stall_seconds``, the answer to all of it twice as long: the
        last pieces are then still on their way.
        """
        path = f"/uploads?action=getPolicy&model={quote(model, safe='')}"
        host, fields, name = upload_form(json_object(await self._asked("GET", path, submitting=True)), item)
        if not self._trusted(host):
            raise TransportError("the upload policy names an address that is not https.", hint=NOT_SUBMITTED)
        try:
            async with (
                self.transfers,
                asyncio.timeout(stall_seconds) as limit,
                self.http.stream(
                    "POST",
                    host,
                    data=fields,
                    # httpx puts files behind the fields, as the store wants
                    files={"file": (name, Watched(item.data or b"", limit, 2 * stall_seconds), item.mime)},
                    timeout=httpx.Timeout(stall_seconds, connect=CONNECT_SECONDS, read=2 * stall_seconds),
                ) as answer,
            ):
                said = await bounded(answer)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise TransportError(f"the upload broke off ({type(error).__name__}).", hint=NOT_SUBMITTED) from None
        if answer.status_code != OK:
            raise refused(answer.status_code, *decode_store_error(said), submitting=True)
        return f"oss://{fields['key']}"

    async def download(self, url: str, part: Path, *, task_id: str) -> tuple[int, str]:
        """The finished clip, by :func:`wan_notebook.service.downloads.download`; returns (bytes, sha256)."""
        async with self.transfers:
            return await download(self.http, url, part, task_id=task_id, trusted=self._trusted)

    async def fetch_picture(self, url: str, *, most: int) -> bytes:
        """A picture at a public address, by :func:`wan_notebook.service.downloads.fetch_picture`."""
        async with self.transfers:
            return await fetch_picture(self.http, url, most=most)

    async def knock(self) -> tuple[int, Mapping[str, str], bytes]:
        """Ask for the shortest list of tasks, which costs nothing; the bare answer, whatever it is.

        Raises
        ------
        TransportError
        """
        return await self._free("GET", "/tasks?page_size=1")

    async def _asked(self, method: str, path: str, *, submitting: bool = False) -> bytes:
        """The body of a 200 answer to a call that costs nothing; ``submitting``: nothing is submitted without it."""
        status, headers, data = await self._free(method, path, submitting=submitting)
        if status != OK:
            raise await self._refusal(status, headers, data, submitting=submitting)
        return data

    async def _free(self, method: str, path: str, *, submitting: bool = False) -> tuple[int, Mapping[str, str], bytes]:
        try:
            async with asyncio.timeout(QUERY_SECONDS):
                return await self._call(method, path)
        except NEVER_LEFT as error:
            raise self._not_reached(error, submitting=submitting) from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise TransportError(f"no answer came ({type(error).__name__}).") from None

    async def _call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: AsyncIterable[bytes] | None = None,
        timeout: httpx.Timeout | None = None,  # noqa: ASYNC109  httpx's own per-phase timeouts
    ) -> tuple[int, Mapping[str, str], bytes]:
        sent = dict(headers or {})
        if self.workspace:
            sent["X-DashScope-WorkSpace"] = self.workspace
        options: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        async with self.http.stream(
            method, self.base_url + path, headers=sent, content=content, auth=self._signed, **options
        ) as answer:
            data = await bounded(answer)
            if self.loopback and (found := SIMULATOR_HEADER.fullmatch(answer.headers.get("x-wan-simulator", ""))):
                self.simulator_speed = max(float(found[1]), 1e-3)
            elif answer.status_code == OK:  # the simulator says so in every answer: it has gone, and another is here
                self.simulator_speed = None
            # A service that repeats the key in its answer must not bring it into records, messages and tracebacks.
            told = {name: redacted(answer.headers[name]) for name in HEADERS if name in answer.headers}
            return answer.status_code, told, data.replace(self.key().encode() or b"\0", b"sk-...")

    def _signed(self, request: httpx.Request) -> httpx.Request:
        """The one place the key goes to; no variable of a longer call holds it, for tracebacks that show those."""
        if self.key():
            request.headers["Authorization"] = f"Bearer {self.key()}"
        return request

    def _trusted(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        if parts.username is not None:  # httpx would make an Authorization header of it
            return False
        if parts.scheme == "https" and parts.hostname:
            return True
        return self.loopback and parts.scheme == "http" and is_loopback(url)

    def _not_reached(self, error: httpx.HTTPError | TimeoutError, *, submitting: bool) -> TransportError:
        proxy = proxy_of(self.base_url)
        way = f" through the proxy {proxy}" if proxy else ""
        found = TransportError(
            f"{urlsplit(self.base_url).hostname} cannot be reached{way} ({trouble(error)}); the request never left.",
            hint=f"{BILL[submitting]} Check network, proxy and region (%wan_doctor does), then run the cell again.",
        )
        found.billed, found.may_pass = (False if submitting else None), True
        return found

    async def _refusal(
        self, status: int, headers: Mapping[str, str], data: bytes, *, submitting: bool = False
    ) -> ServiceError:
        retry_after = seconds(headers.get("retry-after"))
        error = refused(status, *decode_error(data), retry_after=retry_after, submitting=submitting)
        if self.advise is not None and isinstance(error, AuthenticationError):
            await self.advise(error)
        return error
