"""The API key: a value that does not show itself, and the places it is looked for.

The order: the call's own ``api_key=``, ``%wan_login``, ``DASHSCOPE_API_KEY``, the key file
(``DASHSCOPE_API_KEY_FILE_PATH``, else ``~/.dashscope/api_key``), the system's keyring, the secrets of Colab.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from wan_notebook.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KEY_REFUSED", "KEY_SEEN", "UNREAD_KEY", "Secret", "find_key", "forget", "remember", "seal"]

NAME = "DASHSCOPE_API_KEY"
ROUNDS = 50_000  # some hundredths of a second for each key that somebody tries
NOT_SET = "not set"
UNREAD_KEY = "sk-unread"  # stands where a key would be, so that none is looked for
KEYRING = ("dashscope", "api_key")  # keyring set dashscope api_key
KEY_REFUSED = Problem(
    "api_key",
    "sk-…",
    "an API key was typed into the notebook, where it is saved, shared and kept in the history",
    "keys from %wan_login, DASHSCOPE_API_KEY or ~/.dashscope/api_key",
    "Take it out of the cell, revoke it in the console, and use a new one.",
)
KEY_SEEN = (
    "the API key stands in an earlier cell of this session: it is saved with the notebook and kept in the history; "
    "take it out, revoke it in the console, and use a new one with %wan_login"
)


class Secret:
    """An API key that does not show itself.

    ``str``, ``repr``, ``format`` and pickling never give the value away; :meth:`reveal` does, for the request header.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | Secret) -> None:
        self._value: str = value.reveal() if isinstance(value, Secret) else value.strip()
        del value  # a traceback may show the variables of its frames
        if not self._value or not self._value.isascii() or not self._value.isprintable() or " " in self._value:
            raise ConfigurationError(
                "the API key is empty or holds spaces, line breaks or characters that no key has.",
                hint="Copy it again from the Model Studio console; for the key that is set leave api_key out, or None. "
                "Nothing was sent and nothing is billed.",
            )

    def reveal(self) -> str:
        """The key itself."""
        return self._value

    def fingerprint(self, salt: bytes) -> str:
        """What tells this key from another where ``salt`` is known; it is not found again from it."""
        import hashlib

        return hashlib.pbkdf2_hmac("sha256", self._value.encode(), salt, ROUNDS, dklen=8).hex()

    def __repr__(self) -> str:
        return "Secret(set)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is not pickled")


def seal(key: str | Secret | None) -> Secret | None:
    """What a call was given as ``api_key``, hidden at its door; whether it can be a key is looked at later.

    A door lets go of the bare value in its first line, because a traceback may show the variables of its frames.
    """
    if not isinstance(key, str):
        return key
    hidden = Secret.__new__(Secret)
    hidden._value = key.strip()  # noqa: SLF001  its own module
    return hidden


_typed: list[Secret] = []  # what %wan_login was told; at most one, in this process's memory only


def remember(key: Secret) -> None:
    """Use ``key`` until this process ends or :func:`forget` is called."""
    _typed[:] = [key]


def forget() -> bool:
    """Forget what :func:`remember` was given; False where there was nothing."""
    known = bool(_typed)
    _typed.clear()
    return known


def find_key(given: str | Secret | None, look: Callable[[str], str]) -> tuple[Secret | None, str]:
    """The key, and where it comes from in words; the order is this module's.

    ``look(name)`` is a variable of the environment, or empty. A traceback may show the variables of its frames: neither
    the environment nor the bare key is one where something may be raised.

    Raises
    ------
    ConfigurationError
        The key file cannot be read, or what was found cannot be a key.
    """
    if given is not None:
        return Secret(given), "given in the call"
    if _typed:
        return _typed[0], "%wan_login"
    if look(NAME).strip():
        return Secret(look(NAME)), NAME
    value, source = _from_file(look)
    for ask in (_from_keyring, _from_colab):  # they may ask the person: only where nothing was found before
        value, source = (value, source) if value else ask()
    key = seal(value or None)
    del value
    return (Secret(key), source) if key else (None, NOT_SET)


def _from_file(look: Callable[[str], str]) -> tuple[str, str]:
    named = look("DASHSCOPE_API_KEY_FILE_PATH").strip()
    try:
        path = Path(named or "~/.dashscope/api_key").expanduser()
        if not named and not path.is_file():
            return "", NOT_SET
        with path.open(encoding="utf-8") as file:
            return file.read(1000).strip(), "DASHSCOPE_API_KEY_FILE_PATH" if named else "~/.dashscope/api_key"
    except (OSError, ValueError, RuntimeError) as error:  # no such file, no text, no home
        raise ConfigurationError(
            f"the key file cannot be read ({type(error).__name__}).",
            hint="Check DASHSCOPE_API_KEY_FILE_PATH or ~/.dashscope/api_key. Nothing was sent and nothing is billed.",
        ) from None


def _from_keyring() -> tuple[str, str]:
    try:
        import keyring

        return (keyring.get_password(*KEYRING) or "").strip(), "keyring (dashscope, api_key)"
    except Exception:  # noqa: BLE001  not installed, no backend, locked: then it is simply not there
        return "", NOT_SET


def _from_colab() -> tuple[str, str]:
    colab = sys.modules.get("google.colab")  # only there, and then it is loaded
    try:
        return (colab.userdata.get(NAME) or "").strip() if colab else "", "the secrets of Colab"
    except Exception:  # noqa: BLE001  no such secret, no access granted, another version: then it is simply not there
        return "", NOT_SET
