"""``%wan_login``: a key for this process alone, asked for without showing it."""

from __future__ import annotations

from wan_notebook import keys
from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.notebook import frontend
from wan_notebook.words.wording import shown

__all__ = ["login"]

KEPT = (
    "The key is kept in the memory of this kernel, until it ends or %wan_login --forget. It goes into no output, "
    "history, file or record."
)


def login(line: str) -> str:
    """Ask for the key, or forget it; what to say about it.

    Parameters
    ----------
    line : str
        Empty, or ``--forget``.

    Raises
    ------
    InvalidRequestError
        Anything else, a key above all: the line is kept in the history.
    ConfigurationError
        Nobody can be asked here, or what was typed cannot be a key.
    """
    said = line.split()
    if said == ["--forget"]:
        return "The key is forgotten." if keys.forget() else "There was no key to forget."
    if said:
        if not line.strip().startswith("-"):
            raise InvalidRequestError([keys.KEY_REFUSED])
        raise InvalidRequestError([Problem("line", shown(line), "there is no such option", "nothing, or --forget")])
    keys.remember(keys.Secret(frontend.ask_secretly("API key (it is not shown): ")))
    return KEPT
