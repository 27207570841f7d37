"""What all that NovaConnect tells has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Something that NovaConnect tells. Fields that the document does not know are kept as they come."""

    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)
