"""What all settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base of all settings: frozen, numbers are finite, a misspelt name is no default but wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
