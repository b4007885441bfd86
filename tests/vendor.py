"""What the vendor's own SDK does with a service, for a Python that has it: ``python vendor.py BASE_URL SITE FOLDER``.

SITE serves ``/cat.png`` and ``/speech.wav``; FOLDER holds ``a photo.png`` and ``speech.wav``. Prints one JSON object:
for each sample what came out. Every sample has a key, and so an account, of its own: all of them run at once. Those
that look at a task before it is over leave a note in FOLDER when they have.
"""

from __future__ import annotations

import asyncio
import base64
import json
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = {"model": "wan2.6-i2v-flash", "prompt": "The cat looks up.", "resolution": "720P", "duration": 2}
BUSY = {"model": "wan2.1-i2v-plus", "prompt": "The cat looks up."}  # two at a time, each for three minutes and more
DOOMED = "[simulate: FAILED DataInspectionFailed]"


def looked(key: str) -> None:
    """Leave a note that this account's sample has seen its task before that was over: the clock may go faster now."""
    import dashscope

    (pathlib.Path(sys.argv[3]) / f"{dashscope.version.__version__} {key}.looked").touch()


def told(answer: Any) -> dict[str, Any]:
    """What an answer of the older classes says."""
    output = answer.output or {}
    return {
        "status": int(answer.status_code),
        "code": answer.code,
        "task": output.get("task_status"),
        "why": output.get("code"),
        "url": output.get("video_url"),
        "usage": dict(answer.usage or {}),
        "orig_prompt": output.get("orig_prompt"),
    }


def rows(answer: Any) -> dict[str, Any]:
    """What a list says: how many, and which."""
    page = json.loads(str(answer))["output"]
    return {"status": int(answer.status_code), "total": page["total"], "ids": [row["task_id"] for row in page["data"]]}


def older(site: str, folder: pathlib.Path) -> list[Callable[[str], Any]]:  # noqa: C901  a list of samples
    """Samples of VideoSynthesis and AioVideoSynthesis; each is given its key."""
    from dashscope import VideoSynthesis
    from dashscope.aigc.video_synthesis import AioVideoSynthesis

    photo, speech = folder / "a photo.png", folder / "speech.wav"
    by_url = {**SMALL, "img_url": f"{site}/cat.png"}
    busy = {**BUSY, "img_url": f"{site}/cat.png"}

    def several_shots(key: str) -> Any:
        return told(VideoSynthesis.call(api_key=key, **by_url, shot_type="multi", prompt_extend=True, watermark=True))

    def follow_a_sound(key: str) -> Any:
        begun = VideoSynthesis.async_call(
            api_key=key, **by_url, audio_url=f"{site}/speech.wav", shot_type="multi", prompt_extend=True,
            watermark=True, negative_prompt="", seed=12345,
        )  # fmt: skip
        assert begun.status_code == 200, begun
        return told(VideoSynthesis.wait(task=begun, api_key=key))

    def silent(key: str) -> Any:
        return told(
            VideoSynthesis.call(
                api_key=key, **by_url, audio=False, prompt_extend=True, watermark=True, negative_prompt="", seed=12345
            )
        )

    def older_model(key: str) -> Any:
        given = {**by_url, "model": "wan2.1-i2v-turbo", "resolution": "480P", "duration": 3}
        return told(VideoSynthesis.call(api_key=key, **given))

    def local_file(key: str) -> Any:
        return told(VideoSynthesis.call(api_key=key, **SMALL, img_url=f"file://{photo}", audio=False))

    def local_sound(key: str) -> Any:
        return told(VideoSynthesis.call(api_key=key, **SMALL, img_url=str(photo), audio_url=f"file://{speech}"))

    def in_the_request(key: str) -> Any:
        data = "data:image/png;base64," + base64.b64encode(photo.read_bytes()).decode()
        return told(VideoSynthesis.call(api_key=key, **SMALL, img_url=data, audio=False))

    def fetched_and_listed(key: str) -> Any:
        ids = [VideoSynthesis.async_call(api_key=key, **by_url, audio=False).output.task_id for _ in range(3)]
        first = VideoSynthesis.fetch(ids[0], api_key=key)
        looked(key)
        ended = VideoSynthesis.wait(ids[2], api_key=key)
        page = VideoSynthesis.list(api_key=key, page_size=2, model_name=SMALL["model"])
        failed = VideoSynthesis.list(api_key=key, status="FAILED")
        return {"ids": ids, "first": told(first), "ended": told(ended), "page": rows(page), "failed": rows(failed)}

    def cancelled(key: str) -> Any:
        ids = [submitted(lambda: VideoSynthesis.async_call(api_key=key, **busy)) for _ in range(3)]
        pending = VideoSynthesis.cancel(ids[2], api_key=key)
        again = VideoSynthesis.cancel(ids[2], api_key=key)
        fetched = VideoSynthesis.fetch(ids[2], api_key=key)
        looked(key)
        return {"status": int(pending.status_code), "task": told(fetched)["task"], "again": again.code}

    def failing(key: str) -> Any:
        return told(VideoSynthesis.call(api_key=key, **{**by_url, "prompt": DOOMED}))

    def wrong_key(_: str) -> Any:
        return told(VideoSynthesis.async_call(api_key="sk-invalid", **by_url))

    def wrong_model(key: str) -> Any:
        return told(VideoSynthesis.async_call(api_key=key, **{**by_url, "model": "wan9-i2v"}))

    def wrong_model_waited_for(key: str) -> Any:
        try:
            VideoSynthesis.call(api_key=key, **{**by_url, "model": "wan9-i2v"})
        except Exception as error:  # noqa: BLE001  its type is what is asked for
            return {"raised": type(error).__name__, "said": "Model not exist." in str(error)}
        return {}

    def unknown_task(key: str) -> Any:
        return told(VideoSynthesis.wait("0385dc79-5ff8-4d82-bcb6-000000000000", api_key=key))

    async def aio_call(key: str) -> Any:
        return told(await AioVideoSynthesis.call(api_key=key, **by_url, audio=False))

    async def aio_waited_fetched_and_listed(key: str) -> Any:
        begun = await AioVideoSynthesis.async_call(api_key=key, **by_url, shot_type="multi")
        first = await AioVideoSynthesis.fetch(begun, api_key=key)
        looked(key)
        ended = await AioVideoSynthesis.wait(begun, api_key=key)
        page = await AioVideoSynthesis.list(api_key=key, status="SUCCEEDED")
        return {"id": begun.output.task_id, "first": told(first), "ended": told(ended), "page": rows(page)}

    async def aio_local_files(key: str) -> Any:
        local = {"img_url": f"file://{photo}", "audio_url": f"file://{speech}"}
        return told(await AioVideoSynthesis.call(api_key=key, **SMALL, **local))

    async def aio_cancelled(key: str) -> Any:
        ids = [submitted(lambda: VideoSynthesis.async_call(api_key=key, **busy)) for _ in range(3)]
        answer = await AioVideoSynthesis.cancel(ids[2], api_key=key)
        fetched = VideoSynthesis.fetch(ids[2], api_key=key)
        looked(key)
        return {"status": int(answer.status_code), "code": answer.code, "task": told(fetched)["task"]}

    return [
        several_shots, follow_a_sound, silent, older_model, local_file, local_sound, in_the_request,
        fetched_and_listed, cancelled, failing, wrong_key, wrong_model, wrong_model_waited_for, unknown_task,
        *(awaited(one) for one in (aio_call, aio_waited_fetched_and_listed, aio_local_files, aio_cancelled)),
    ]  # fmt: skip


def newer(base_url: str, site: str, folder: pathlib.Path) -> list[Callable[[str], Any]]:  # noqa: C901  the same
    """Samples of the second SDK's Client and AsyncClient."""
    import dashscope
    from dashscope.v2.errors import DashScopeError

    by_url = {"image_url": f"{site}/cat.png", "parameters": {"audio": False}}
    small = {**SMALL, **by_url}
    media = [
        {"type": "first_frame", "url": f"{site}/cat.png"},
        {"type": "last_frame", "url": f"file://{folder / 'a photo.png'}"},
        {"type": "driving_audio", "url": f"{site}/speech.wav"},
    ]
    wan27 = {**SMALL, "model": "wan2.7-i2v"}
    soon = {"poll_interval": 0.5, "max_interval": 1.0}

    def job(found: Any) -> dict[str, Any]:
        usage = found.usage.model_dump(exclude_none=True) if found.usage else {}
        return {"task": found.status, "url": found.video_url, "usage": usage}

    def client_generate(key: str) -> Any:
        with dashscope.Client(api_key=key, base_url=base_url) as client:
            return job(client.videos.generate(**small))

    def client_local_file(key: str) -> Any:
        local = f"file://{folder / 'a photo.png'}"
        with dashscope.Client(api_key=key, base_url=base_url) as client:
            return job(client.videos.generate(**{**small, "image_url": local}))

    def client_first_and_last_frame(key: str) -> Any:
        with dashscope.Client(api_key=key, base_url=base_url) as client:
            return job(client.videos.generate(**wan27, media=media, **soon))

    def client_jobs(key: str) -> Any:
        with dashscope.Client(api_key=key, base_url=base_url) as client:
            begun = client.videos.jobs.create(**small)
            fetched = client.videos.jobs.fetch(begun.task_id)
            looked(key)
            waited = client.videos.jobs.wait(begun)
            page = client.videos.jobs.list(status="SUCCEEDED")
        return {
            "begun": begun.status, "fetched": fetched.status, "ended": job(waited), "total": page.total,
            "tasks": len(page.tasks),
        }  # fmt: skip

    def client_cancelled(key: str) -> Any:
        with dashscope.Client(api_key=key, base_url=base_url, max_retries=0) as client:
            create = client.videos.jobs.create
            ids = [submitted(lambda: create(**{**BUSY, "image_url": f"{site}/cat.png"})) for _ in range(3)]
            answer = client.videos.jobs.cancel(ids[2])
            fetched = client.videos.jobs.fetch(ids[2])
            looked(key)
        return {"task": fetched.status, "said": answer.status}

    def client_failing(key: str) -> Any:
        with dashscope.Client(api_key=key, base_url=base_url) as client:
            try:
                client.videos.generate(**{**small, "prompt": DOOMED})
            except DashScopeError as error:
                return {"raised": type(error).__name__, "code": error.code}
        return {}

    def client_unknown_task(key: str) -> Any:
        with dashscope.Client(api_key=key, base_url=base_url) as client:
            return job(client.videos.jobs.wait("0385dc79-5ff8-4d82-bcb6-000000000000"))

    async def async_client_generate(key: str) -> Any:
        async with dashscope.AsyncClient(api_key=key, base_url=base_url) as client:
            return job(await client.videos.generate(**{**small, "image_url": str(folder / "a photo.png")}))

    async def async_client_jobs(key: str) -> Any:
        async with dashscope.AsyncClient(api_key=key, base_url=base_url) as client:
            begun = await client.videos.jobs.create(**wan27, image_url=f"{site}/cat.png")
            fetched = await client.videos.jobs.fetch(begun.task_id)
            looked(key)
            waited = await client.videos.jobs.wait(begun, **soon)
            page = await client.videos.jobs.list(status="SUCCEEDED")
        return {
            "begun": begun.status, "fetched": fetched.status, "ended": job(waited), "total": page.total,
            "tasks": len(page.tasks),
        }  # fmt: skip

    return [
        client_generate, client_local_file, client_first_and_last_frame, client_jobs, client_cancelled, client_failing,
        client_unknown_task, awaited(async_client_generate), awaited(async_client_jobs),
    ]  # fmt: skip


def submitted(submit: Callable[[], Any]) -> str:
    """The id of a task, however often the rate has to be waited for."""
    while True:
        try:
            answer = submit()
        except Exception as error:
            if getattr(error, "code", None) != "Throttling.RateQuota":
                raise
            continue
        task_id = (answer.output or {}).get("task_id")
        if task_id:
            return str(task_id)


def awaited(sample: Callable[[str], Any]) -> Callable[[str], Any]:
    """A coroutine as a sample like the others."""

    def run(key: str) -> Any:
        return asyncio.run(sample(key))

    run.__name__ = sample.__name__
    return run


def main(base_url: str, site: str, where: str) -> None:
    """Run all samples the SDK has, at once."""
    import dashscope

    dashscope.base_http_api_url = base_url
    folder = pathlib.Path(where)
    samples = older(site, folder)
    if hasattr(dashscope, "Client"):
        samples += newer(base_url, site, folder)
    with ThreadPoolExecutor(len(samples)) as pool:
        waiting = {sample.__name__: pool.submit(sample, f"sk-{sample.__name__}") for sample in samples}
    results = {name: answer.result() for name, answer in waiting.items()}
    sys.stdout.write(json.dumps({"version": dashscope.version.__version__, **results}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
