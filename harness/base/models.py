"""The base of the pydantic models of files and documents."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """Immutable, and a key that the model does not have is an error: a misspelt one must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
