"""A frozen pydantic model that speaks as this package does: its errors are ours, and copies are checked again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from wan_notebook.request import fields
from wan_notebook.request.names import ALIASES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Checked"]


class Checked(BaseModel):
    """What :class:`~wan_notebook.request.declaration.I2VRequest` is made from."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @property
    def given(self) -> frozenset[str]:
        """Names of the fields the caller set to something."""
        return frozenset(name for name in self.model_fields_set if getattr(self, name) is not None)

    def replace(self, **changes: Any) -> Self:
        """The same request with some fields changed, checked again; None takes a field back to its default."""
        before = {name: getattr(self, name) for name in self.given}
        return type(self)(**{**before, **{ALIASES.get(name, name): value for name, value in changes.items()}})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:  # noqa: ARG002  frozen
        """As :meth:`replace`: a copy is checked like any other request."""
        return self.replace(**(update or {}))

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """A request from a mapping.

        Raises
        ------
        InvalidRequestError
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise fields.as_ours(error) from None

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """A request from JSON text.

        Raises
        ------
        InvalidRequestError
        """
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            raise fields.as_ours(error) from None
