"""The routes: what each call of the service's REST protocol answers."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from .accounts import Meter, account_of
from .clock import BEIJING
from .kitchen import Kitchen
from .listing import listed
from .places import offered, takes_uploads, vendor_id
from .refusals import (
    INSPECTION_FORMAT,
    BadInput,
    Refusal,
    json_refusal,
    new_request_id,
    xml_refusal,
)
from .rules import MODELS, read_order
from .storage import RESULT_SECONDS, Storage, StoreRefused
from .tasks import TaskBook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request

    from .clock import Clock
    from .tasks import Task

__all__ = ["Service"]

API = "/api/v1"
QUERIES_PER_SECOND = 20
POLICIES_PER_SECOND = 100
SWEEP_SECONDS = 3600.0
FORM_MB = 1


class Service:
    """Everything one simulator knows, and the application that answers for it.

    Parameters
    ----------
    folder : Path
        For uploads and clips.
    clock : Clock
    origin : str
        ``http://127.0.0.1:PORT``, the start of every address it hands out.
    shape_only : bool
        See :class:`Kitchen`.
    region : str, optional
        See :func:`account_of`.
    """

    def __init__(self, folder: Path, clock: Clock, origin: str, *, shape_only: bool, region: str | None = None) -> None:
        self.region = region
        self.clock = clock
        self.origin = origin
        self.tasks = TaskBook(clock)
        self.storage = Storage(folder, clock)
        self._kitchen: Kitchen | None = None
        self._shape_only = shape_only
        self._meter = Meter()
        self._swept = clock.now()
        self._scripted: list[tuple[str | None, str | None]] = []
        self.app = Starlette(
            routes=[
                Route(f"{API}/services/aigc/video-generation/video-synthesis", self._submit, methods=["POST"]),
                Route(f"{API}/services/aigc/image2video/video-synthesis", self._elsewhere, methods=["POST"]),
                Route(f"{API}/tasks", self._list, methods=["GET"]),
                Route(f"{API}/tasks/{{task_id}}", self._query, methods=["GET"]),
                Route(f"{API}/tasks/{{task_id}}/cancel", self._cancel, methods=["POST"]),
                Route(f"{API}/uploads", self._policy, methods=["GET"]),
                Route("/", self._upload, methods=["POST"]),
                Route("/results/{day}/{name}.mp4", self._result, methods=["GET"]),
                Route(f"{API}/_simulator", self._about, methods=["GET"]),
            ],
            exception_handlers={
                Refusal: _refused,
                StoreRefused: _store_refused,
                HTTPException: _http,
                Exception: _broken,
            },
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._kitchen = kitchen = Kitchen(self.storage, self.clock, shape_only=self._shape_only)
        yield
        await kitchen.close()

    def fail_next(self, code: str | None, message: str | None) -> None:
        """Let the next accepted submit become a task that ends FAILED."""
        self._scripted.append((code, message))

    # API -------------------------------------------------------------------------------------------------------------

    async def _submit(self, request: Request) -> Response:
        account = self._account(request)
        if request.headers.get("x-dashscope-async", "").lower() != "enable":
            raise Refusal(403, "AccessDenied", "current user api does not support synchronous calls.")
        order = read_order(request.state.json, self.region)
        self._meter.count(("submit", account, order.model_name), order.model.limit, self.clock.now())
        if (
            any(url.startswith("oss://") for url in order.media.values())
            and request.headers.get("x-dashscope-ossresourceresolve", "").lower() != "enable"
        ):
            raise Refusal(400, "InvalidParameter.DataInspection", INSPECTION_FORMAT)
        assert self._kitchen is not None  # noqa: S101  the lifespan has begun before any request
        try:
            media = await self._kitchen.held_media(order, account)
        except BadInput as problem:
            raise Refusal(400, problem.code, problem.message) from None
        request_id = new_request_id()
        task = self.tasks.submit(account, order, request_id)
        if self._scripted:
            task.failure = self._scripted.pop(0)
        self._kitchen.begin(task, media)
        self._sweep()
        output = {"task_status": task.status, "task_id": task.task_id}
        return JSONResponse({"output": output, "request_id": request_id})

    async def _elsewhere(self, request: Request) -> Response:
        self._account(request)
        raise Refusal(400, "InvalidParameter", "url error, please check url！")

    async def _query(self, request: Request) -> Response:
        account = self._caller(request, "query")
        task_id = request.path_params["task_id"]
        task = self.tasks.find(account, task_id)
        answer: dict[str, Any] = {"request_id": new_request_id()}
        if task is None:
            answer["output"] = {"task_id": task_id, "task_status": "UNKNOWN"}
            return JSONResponse(answer)
        answer["output"] = task.output(self._video_url(task))
        if task.status == "SUCCEEDED":
            answer["usage"] = task.order.usage()
        return JSONResponse(answer)

    async def _cancel(self, request: Request) -> Response:
        account = self._caller(request, "cancel")
        self.tasks.cancel(account, request.path_params["task_id"])
        return JSONResponse({"request_id": new_request_id()})

    async def _list(self, request: Request) -> Response:
        account = self._caller(request, "list")
        page = listed(self.tasks.of(account), request.query_params, self.clock.now(), vendor_id(self.region))
        return JSONResponse({**page, "request_id": new_request_id()})

    async def _policy(self, request: Request) -> Response:
        account = self._account(request)
        model = request.query_params.get("model", "")
        if request.query_params.get("action") != "getPolicy":
            raise Refusal(400, "InvalidParameter", "the parameters must conform to the specification: action.")
        if model not in MODELS or not offered(model, self.region):
            raise Refusal(400, "InvalidParameter", "Model not exist.")
        if not takes_uploads(self.region):
            raise Refusal(400, "InvalidParameter", "Temporary uploads are not available in this region.")
        self._meter.count(("policy", account, model), POLICIES_PER_SECOND, self.clock.now())
        data = self.storage.policy(account, model, self.origin)
        return JSONResponse({"request_id": new_request_id(), "data": data})

    async def _about(self, _: Request) -> Response:
        """Not the service's: how a second kernel recognises the simulator it may share."""
        return JSONResponse({"pid": os.getpid(), "speed": self.clock.speed, "tasks_at_work": self.tasks.at_work()})

    # The object store ------------------------------------------------------------------------------------------------

    async def _upload(self, request: Request) -> Response:
        try:
            async with request.form(max_files=1, max_part_size=FORM_MB * 1024 * 1024) as form:
                items = form.multi_items()
                fields = {name: value for name, value in items if isinstance(value, str)}
                if not items or isinstance(items[-1][1], str) or items[-1][0] != "file":
                    raise StoreRefused(400, "InvalidArgument", "The file must be the last field of the form.")
                folder = self.storage.check_form(fields)
                self.storage.keep_upload(folder, fields["key"], await items[-1][1].read())
        except (MultiPartException, HTTPException) as problem:
            text = getattr(problem, "message", None) or getattr(problem, "detail", "")
            raise StoreRefused(
                400, "MalformedPOSTRequest", f"The body of your POST request is not well-formed. {text}"
            ) from None
        status = 200 if fields.get("success_action_status") == "200" else 204
        return Response(status_code=status)

    async def _result(self, request: Request) -> Response:
        path = request.url.path
        self.storage.check_signature(path, request.query_params)
        task = self.tasks.result(request.path_params["name"])
        clip = self.storage.clip(task.clip) if task is not None and task.clip else None
        if clip is None or not clip.exists():
            raise StoreRefused(404, "NoSuchKey", "The specified key does not exist.")
        return FileResponse(clip, media_type="video/mp4")

    # Small parts -----------------------------------------------------------------------------------------------------

    def _account(self, request: Request) -> str:
        return account_of(request.headers.get("authorization"), self.region)

    def _caller(self, request: Request, call: str) -> str:
        account = self._account(request)
        self._meter.count((call, account), QUERIES_PER_SECOND, self.clock.now())
        return account

    def _video_url(self, task: Task) -> str | None:
        if task.ended is None:
            return None
        day = datetime.fromtimestamp(task.ended, BEIJING).strftime("%Y%m%d")
        path = f"/results/{day}/{task.task_id}.mp4"
        return self.origin + self.storage.signed(path, int(task.ended) + RESULT_SECONDS)

    def _sweep(self) -> None:
        if self.clock.now() - self._swept > SWEEP_SECONDS:
            self._swept = self.clock.now()
            self.storage.sweep(self.tasks.forget())


async def _refused(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Refusal)  # noqa: S101  registered for nothing else
    return json_refusal(problem.status, problem.code, problem.message)


async def _store_refused(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, StoreRefused)  # noqa: S101  registered for nothing else
    return xml_refusal(problem.status, problem.code, problem.message)


async def _http(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)  # noqa: S101  registered for nothing else
    if not request.url.path.startswith(API):
        return xml_refusal(problem.status_code, "NoSuchKey", "The specified key does not exist.")
    code = {404: "NotFound", 405: "MethodNotAllowed"}.get(problem.status_code, "InvalidParameter")
    return json_refusal(problem.status_code, code, problem.detail)


async def _broken(_: Request, problem: Exception) -> Response:
    return json_refusal(500, "InternalError", f"The simulator itself failed: {type(problem).__name__}")
