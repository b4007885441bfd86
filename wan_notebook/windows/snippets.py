"""A request in other people's tools: a command for bash with curl, and a call of the vendor's SDK. Both really run.

Every text in them is quoted by :mod:`shlex`, :func:`repr` or JSON, and none holds a key or a workspace: those are read
from the environment.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wan_notebook.media.medium import EXTENSIONS, SentMedia
from wan_notebook.service.wire import SUBMIT_PATH, pieces
from wan_notebook.words.phrases import UNSEEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["WORKSPACE", "Call", "curl", "plain_json", "sdk"]

KEY_VARIABLE, WORKSPACE_VARIABLE = "DASHSCOPE_API_KEY", "DASHSCOPE_WORKSPACE_ID"
WORKSPACE = "{workspace}"  # stands for the id in addresses and headers
SEED_REMARK = "the seed is an example: the real one is drawn when the request is submitted"
UPLOAD_FIELDS = {
    "OSSAccessKeyId": "oss_access_key_id",
    "Signature": "signature",
    "policy": "policy",
    "x-oss-object-acl": "x_oss_object_acl",
    "x-oss-forbid-overwrite": "x_oss_forbid_overwrite",
}


@dataclass(frozen=True)
class Call:
    """A submit, as far as other tools must know it.

    Parameters
    ----------
    base_url : str
        Ends with ``/api/v1``; ``{workspace}`` stands for the workspace id.
    headers : mapping
        Those of the submit, without the key's; ``{workspace}`` as in ``base_url``.
    body : mapping
        As :func:`wan_notebook.service.wire.encode` makes it: a medium that is not sent by its address is a SentMedia.
    files : mapping of str to str
        The sha256 of such a medium to the path of a file that holds exactly its bytes.
    example_seed : bool
        Whether the seed in the body is one nobody gave.
    unsettled : str
        Why there can be no commands, where what is sent is known only at the submit.
    """

    base_url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    files: Mapping[str, str]
    example_seed: bool
    unsettled: str = ""

    @property
    def url(self) -> str:
        """Where the submit goes."""
        return self.base_url + SUBMIT_PATH


def plain_json(text: str) -> str:
    """JSON text with everything invisible written as an escape, which means the same.

    >>> plain_json('{"prompt":"\\u202egnp.exe"}')
    '{"prompt":"\\\\u202egnp.exe"}'
    """
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def curl(call: Call) -> str:
    """A command line for bash (Linux, macOS, WSL) that sends the same body.

    A file sent as base64 is encoded on the way; one that is uploaded first takes three calls.
    """
    if call.unsettled:
        return f"# {call.unsettled}"
    parts = pieces(call.body)
    uploads = [part for part in parts if isinstance(part, SentMedia) and part.how == "oss"]
    lines = [f"# {SEED_REMARK}"] if call.example_seed else []
    lines += [line for number, item in enumerate(uploads, 1) for line in _upload(call, item, number)]
    if uploads:
        lines.append(f"# {2 * len(uploads) + 1}. Submit.")
    options = [_header("Authorization", f"Bearer ${KEY_VARIABLE}"), *(_header(*each) for each in call.headers.items())]
    words = _words(parts)
    if any(isinstance(word, SentMedia) for word in words):
        steps = "\n  ".join(_printed(word, call.files) for word in words)
        lines.append(f"{{ {steps}\n}} | {_command(call.url, [*options, '--data-binary @-'])}")
    else:
        lines.append(_command(call.url, [*options, f"--data-raw {words[0]}"]))
    return "\n".join(lines)


def _command(url: str, options: Iterable[str]) -> str:
    globs = "-g " if set(url) & set("[]") else ""
    return " \\\n  ".join([f"curl -sS -X POST {globs}{_quoted(url)}", *options])


def _words(parts: Sequence[str | SentMedia]) -> list[str | SentMedia]:
    """Shell words for the text between the files that go out as base64, and those files."""
    words: list[str | SentMedia] = [""]
    uploaded = 0
    for part in parts:
        if isinstance(part, str):
            word = shlex.quote(plain_json(part))
        elif part.how == "oss":
            uploaded += 1
            word = f'"$media_{uploaded}"'
        else:
            words += [part, ""]
            continue
        words[-1] = f"{words[-1]}{word}"
    return words


def _printed(word: str | SentMedia, files: Mapping[str, str]) -> str:
    if isinstance(word, str):
        return f"printf %s {word}"
    return f"printf 'data:{word.mime};base64,'; base64 < {_shell(files[word.sha256 or ''])} | tr -d '\\n'"


def _upload(call: Call, item: SentMedia, number: int) -> list[str]:
    """The two calls that put a file into the temporary store."""
    medium, path = f"media_{number}", _shell(call.files[item.sha256 or ""])
    policy = _quoted(f"{call.base_url}/uploads?action=getPolicy&model={quote(call.body['model'], safe='')}")
    key = f"{(item.sha256 or '')[:16]}.{EXTENSIONS.get(item.mime, 'bin')}"
    reader = 'import json, sys; print(json.load(sys.stdin)["data"][sys.argv[1]])'
    form = [f'--form-string "{name}=$(of {field})"' for name, field in UPLOAD_FIELDS.items()]
    put = [
        *form,
        f'--form-string "key=${medium}"',
        "--form-string success_action_status=200",
        f"--form-string x-oss-content-type={item.mime}",
        f"-F 'file=@-;filename={key};type={item.mime}' < {path}",
    ]
    first, second = 2 * number - 1, 2 * number
    return [
        f"# {first}. Ask where the {item.role} may be put: free, for a limited time, for this model and account only.",
        f'policy=$(curl -sS {policy} -H "Authorization: Bearer ${KEY_VARIABLE}")',
        f"""of() {{ printf %s "$policy" | python3 -c '{reader}' "$1"; }}""",
        f"# {second}. Put it there. The key does not go to this address, and the file is the last part.",
        f'{medium}="$(of upload_dir)/$(date +%s)-{key}"',
        " \\\n  ".join(['curl -sS "$(of upload_host)"', *put]),
        f'{medium}="oss://${medium}"',
    ]


def _header(name: str, value: str) -> str:
    value = value.replace(WORKSPACE, f"${WORKSPACE_VARIABLE}")
    text = f"{name}: {value}"
    return f'-H "{text}"' if "$" in text else f"-H {shlex.quote(text)}"


def _shell(path: str) -> str:
    """A file's name as one word for bash; what is invisible in it is written as bytes."""
    if not UNSEEN.search(path):
        return shlex.quote(path)
    plain = set(range(0x20, 0x7F)) - set(b"'\\")
    codes = path.encode("utf-8", "surrogateescape")
    return "$'" + "".join(chr(code) if code in plain else f"\\x{code:02x}" for code in codes) + "'"


def _quoted(url: str) -> str:
    return f'"${WORKSPACE_VARIABLE}"'.join(shlex.quote(part) for part in url.split(WORKSPACE))


def sdk(call: Call) -> str:
    """Python source that sends the same with the vendor's SDK, which reads the key from the environment.

    The SDK adds two undocumented fields of its own (``extend_prompt``, ``function``) to the body.
    """
    if call.unsettled:
        return f"# {call.unsettled}"
    given = {"model": call.body["model"], **call.body["input"], **call.body["parameters"]}
    arguments = {name: _expression(value, call.files) for name, value in given.items()}
    if WORKSPACE in call.headers.values():
        arguments["workspace"] = _joined(WORKSPACE)
    base = _joined(call.base_url)
    media = [part for part in pieces(call.body) if isinstance(part, SentMedia)]
    imports = {
        "from base64 import b64encode": any(item.how != "oss" for item in media),
        "from os import environ": WORKSPACE in call.base_url or "workspace" in arguments,
        "from pathlib import Path": bool(media),
    }
    remark = f"  # {SEED_REMARK}" if call.example_seed else ""
    return "\n".join(
        [
            *[line for line, needed in imports.items() if needed],
            *([""] if any(imports.values()) else []),
            "import dashscope",
            "from dashscope import VideoSynthesis",
            "",
            f"dashscope.base_http_api_url = {base}",
            f"answer = VideoSynthesis.async_call(  # the key is read from {KEY_VARIABLE}",
            *[f"    {name}={text},{remark if name == 'seed' else ''}" for name, text in arguments.items()],
            ")",
            "print(answer)",
        ]
    )


def _expression(value: object, files: Mapping[str, str]) -> str:
    """Python source of a value; a medium is read from its file."""
    if isinstance(value, SentMedia):
        path = f"Path({_literal(files[value.sha256 or ''])})"
        if value.how == "oss":
            return f"{path}.absolute().as_uri()"  # the SDK uploads what is named so
        return f"{_literal(f'data:{value.mime};base64,')} + b64encode({path}.read_bytes()).decode()"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_literal(k)}: {_expression(v, files)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_expression(item, files) for item in value) + "]"
    return _literal(value)


def _joined(text: str) -> str:
    """Python source of a text in which the workspace is read from the environment."""
    parts = [_literal(part) if part else "" for part in text.split(WORKSPACE)]
    return f' + environ["{WORKSPACE_VARIABLE}"] + '.join(parts).removeprefix(" + ").removesuffix(" + ")


def _literal(value: object) -> str:
    """Python source of a plain value, texts in double quotes where they can be.

    >>> print(_literal("cat"), _literal('a "b"'), _literal(5))
    "cat" 'a "b"' 5
    """
    text = repr(value)
    return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text
