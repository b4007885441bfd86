"""Where a picture was taken from: a PIL image that was a frame of a clip remembers which."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Origin", "digest_of", "origin_of", "origin_told"]

MARK = "wan_notebook"  # in ``Image.info``
NAME = re.compile(r"[\w. -]{1,128}")


@dataclass(frozen=True)
class Origin:
    """Where a picture was taken from: one frame of one run's clip.

    A PIL image carries it in ``info["wan_notebook"]``; whoever changes its pixels does not change that, so their digest
    is part of it.
    """

    run_id: str
    frame: int
    clip: str
    pixels: str
    altered: bool = False

    @property
    def name(self) -> str:
        """What the picture is called."""
        return f"{self.clip}-frame-{self.frame}"

    def mark(self, image: Image) -> Image:
        """``image``, remembering this."""
        image.info[MARK] = {"run_id": self.run_id, "frame": self.frame, "clip": self.clip, "pixels": self.pixels}
        return image

    def compared(self, image: Image) -> Origin:
        """This, and whether ``image`` is still what was taken from there; what is only told of stays as it was told."""
        return self if not self.pixels else replace(self, altered=self.pixels != digest_of(image))


def origin_of(image: Image) -> Origin | None:
    """Where a PIL image says it was taken from."""
    said = image.info.get(MARK)
    if not isinstance(said, dict):
        return None
    texts = [said.get(name) for name in ("run_id", "clip", "pixels")]
    frame = said.get("frame")
    if not all(isinstance(text, str) and NAME.fullmatch(text) for text in texts) or not isinstance(frame, int):
        return None
    return Origin(run_id=said["run_id"], frame=frame, clip=said["clip"], pixels=said["pixels"])


def origin_told(said: object) -> Origin | None:
    """Where a record says that a picture was taken from."""
    if not isinstance(said, dict) or not isinstance(said.get("run_id"), str) or not NAME.fullmatch(said["run_id"]):
        return None
    frame = said.get("frame")
    altered = said.get("altered") is not False
    return Origin(said["run_id"], frame, clip="", pixels="", altered=altered) if isinstance(frame, int) else None


def digest_of(image: Image) -> str:
    """SHA-256 of an image's pixels."""
    return hashlib.sha256(image.tobytes()).hexdigest()
