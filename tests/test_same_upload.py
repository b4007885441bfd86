"""A local file reaches the service's temporary store as the vendor's SDK puts it there.

The policy is asked for with the same query; the form has the same parts in the same order with the same values, the
file last and byte for byte. Three things differ, and only these: our objects have random names (the SDK's are the
file's own, so a second upload of one name under one policy fails); the file's part names its type, the one the form
says too; and a wav is ``audio/wav``, not the older ``audio/x-wav``.
"""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from caller import picture, tone
from PIL import Image
from referee import (
    BOTH,
    FOLDER,
    NAMES,
    OURS,
    asked_for,
    documented,
    headers,
    media,
    parts,
    service_headers,
    sitting,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from referee import Referee

FLASH, PLUS22 = "wan2.6-i2v-flash", "wan2.2-i2v-plus"
PROMPT = {"model": FLASH, "prompt": "A cat."}
# Kind of medium -> local file. Small pictures we upload only where `upload="oss"` asks for it, large ones by ourselves.
CASES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "a large picture": (PROMPT, {"img_url": "cat.bmp"}),
    "a small picture": (PROMPT, {"img_url": "cat.jpg"}),
    "a small PNG": ({**PROMPT, "audio": False, "resolution": "1080P"}, {"img_url": "cat.png"}),
    "a small WEBP": ({"model": "wanx2.1-i2v-plus", "prompt": "A cat."}, {"img_url": "cat.webp"}),
    "a small picture and an mp3": (PROMPT, {"img_url": "cat.jpg", "audio_url": "rap.mp3"}),
    "a name full of signs": (PROMPT, {"img_url": "a&b=c #1 (2).jpg"}),
    "a wav": ({**PROMPT, "img_url": "https://example.com/cat.png"}, {"audio_url": "rap.wav"}),
    "an mp3": ({**PROMPT, "img_url": "https://example.com/cat.png", "audio": True}, {"audio_url": "rap.mp3"}),
    "a picture and a sound": (PROMPT, {"img_url": "cat.bmp", "audio_url": "rap.wav"}),
    "a file whose name is not plain": (PROMPT, {"img_url": "a cat 猫.bmp"}),
    "another model": ({**PROMPT, "model": "wan2.5-i2v-preview"}, {"img_url": "cat.bmp"}),
}
CASES27: dict[str, tuple[dict[str, Any], dict[str, str]]] = {  # the first version of the SDK knows no such list
    "2.7, a picture": ({"model": "wan2.7-i2v"}, {"first_frame": "cat.bmp"}),
    "2.7, two pictures and a sound": (
        {"model": "wan2.7-i2v", "prompt": "A cat."},
        {"first_frame": "cat.bmp", "last_frame": "a cat 猫.bmp", "driving_audio": "rap.mp3"},
    ),
    "2.7, two small pictures": ({"model": "wan2.7-i2v"}, {"first_frame": "cat.jpg", "last_frame": "cat.png"}),
}
EVERY = CASES | CASES27
SMALL = {"cat.jpg", "cat.png", "cat.webp", "a&b=c #1 (2).jpg"}
MIME = {"audio/x-wav": "audio/wav"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("media")
    large = io.BytesIO()
    Image.radial_gradient("L").resize((1700, 1700)).convert("RGB").save(large, "BMP")
    for name in ("cat.bmp", "a cat 猫.bmp"):
        (folder / name).write_bytes(large.getvalue())
    for name in SMALL:
        (folder / name).write_bytes(picture(form=name.rpartition(".")[2].replace("jpg", "jpeg")))
    (folder / "rap.wav").write_bytes(tone(3))
    (folder / "rap.mp3").write_bytes((request.config.rootpath / "notebooks" / "audio" / "verse.mp3").read_bytes())
    return folder


@pytest.fixture(scope="module")
def referee(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Referee]:
    with sitting() as referee:
        ours = {
            name: {
                **rest,
                **{NAMES.get(kind, kind): str(folder / file) for kind, file in files.items()},
                **({"upload": "oss"} if SMALL & set(files.values()) else {}),
            }
            for name, (rest, files) in EVERY.items()
        }
        referee.let_us_submit(ours, tmp_path_factory.mktemp("clips"))
        yield referee


@pytest.fixture(scope="module")
def sdk(request: pytest.FixtureRequest, referee: Referee, folder: Path) -> str:
    """The version of the SDK that has submitted every case it knows."""
    version = str(request.param)
    (folder / version).mkdir()
    theirs = {name: _theirs(name, folder, version) for name in _known(version)}
    referee.let_sdk_submit(version, theirs)
    return version


def _known(version: str) -> dict[str, tuple[dict[str, Any], dict[str, str]]]:
    return EVERY if version == "2.0.2" else CASES


def _theirs(name: str, folder: Path, version: str) -> dict[str, Any]:
    rest, files = EVERY[name]
    urls = {}
    for kind, file in files.items():
        # The SDK names its objects like the files: each has a name of its own, so that it is found again.
        copied = folder / version / f"{list(EVERY).index(name)} {version} {kind} {file}"
        copied.write_bytes((folder / file).read_bytes())
        # ... and it cuts what follows a # off a file:// address.
        urls[kind] = str(copied) if "#" in file else f"file://{copied}"
    listed = [{"type": kind, "url": url} for kind, url in urls.items() if kind in NAMES]
    return {**rest, **({"media": listed} if listed else urls)}


both = pytest.mark.parametrize("sdk", BOTH, indirect=True)


@both
def test_the_policy_is_asked_for_as_the_sdk_asks(referee: Referee, sdk: str) -> None:
    for name, (_, files) in _known(sdk).items():
        theirs, ours = referee.policies(sdk, name), referee.policies(OURS, name)
        assert len(ours) == len(files)
        assert {(one.method, one.path) for one in ours} == {(one.method, one.path) for one in theirs}
        assert {one.body for one in ours} == {one.body for one in theirs} == {b""}


@both
def test_the_form_has_the_sdks_parts_in_its_order_with_its_values(referee: Referee, sdk: str) -> None:
    for name, (_, files) in _known(sdk).items():
        theirs, ours = referee.uploads(sdk, name), referee.uploads(OURS, name)
        assert ours.keys() == theirs.keys() == files.keys()
        for kind, our in ours.items():
            assert (our.method, our.path) == (theirs[kind].method, theirs[kind].path)
            assert headers(our)["content-length"] == str(len(our.body))
            our_parts, their_parts = parts(our), parts(theirs[kind])
            assert [part.name for part in our_parts] == [part.name for part in their_parts]
            assert our_parts[-1].name == "file"
            for our_part, their_part in zip(our_parts[:-1], their_parts[:-1], strict=True):
                _same(our_part.name, our_part.content.decode(), their_part.content.decode())


def _same(name: str, ours: str, theirs: str) -> None:
    if name == "key":
        ending = theirs.rpartition(".")[2]
        assert re.fullmatch(rf"{FOLDER}/[0-9a-f]{{24}}\.{ending}", ours), ours
    else:
        assert ours == MIME.get(theirs, theirs), name


@both
def test_the_file_arrives_byte_for_byte(referee: Referee, sdk: str, folder: Path) -> None:
    for name, (_, files) in _known(sdk).items():
        theirs, ours = referee.uploads(sdk, name), referee.uploads(OURS, name)
        for kind, file in files.items():
            *form, content = parts(ours[kind])
            values = {part.name: part.content.decode() for part in form}
            assert content.content == parts(theirs[kind])[-1].content == (folder / file).read_bytes()
            assert content.mime == values["x-oss-content-type"]
            assert values["key"].endswith(f"/{content.filename}")


@both
def test_the_body_names_what_was_uploaded_and_asks_to_resolve_it(referee: Referee, sdk: str) -> None:
    for name, (rest, files) in _known(sdk).items():
        theirs, ours = referee.submitted(sdk, name), referee.submitted(OURS, name)
        for body in (theirs.json, ours.json):
            assert all(media(body)[kind].startswith(f"oss://{FOLDER}/") for kind in files)
        their_body, our_body = (
            re.sub(rf"oss://{FOLDER}/[^\"]+", "oss://", one.body.decode()) for one in (theirs, ours)
        )
        assert asked_for(json.loads(our_body), rest) == documented(json.loads(their_body)), name
        resolved = {"x-dashscope-async": "enable", "x-dashscope-ossresourceresolve": "enable"}
        assert service_headers(ours) == service_headers(theirs) == resolved


@both
def test_the_key_goes_to_the_service_and_never_to_the_store(referee: Referee, sdk: str) -> None:
    for who in (sdk, OURS):
        for name in _known(sdk):
            assert all("authorization" in headers(one) for one in referee.policies(who, name))
            for upload in referee.uploads(who, name).values():
                assert "authorization" not in headers(upload)
                assert b"sk-" not in upload.body.replace(parts(upload)[-1].content, b"")
