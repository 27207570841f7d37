"""HLR look-ups and their results."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

from pydantic import BeforeValidator, Field

from airflow_provider_telecom.vendors.ketchup_loyalty.models.answer import Answer, PerhapsText, Text


class HlrState(Enum):
    """The states that the document names. SENT and words that it does not name are not final."""

    SENT = "sent"
    ABSENT = "absent"
    ACTIVE = "active"
    UNKNOWN = "unknown"
    FAILED = "failed"
    OTHER = "other"


def _yes_or_no(value: object) -> object:
    return {"1": True, "true": True, "0": False, "false": False}.get(str(value).strip().casefold())


Flag = Annotated[bool | None, BeforeValidator(_yes_or_no)]


class HlrDetails(Answer):
    """Whether the number is ported and roaming; complete for active numbers."""

    ported: Flag = None
    roaming: Flag = None


class HlrStatus(Answer):
    """A look-up and its result. `network` is MCC and MNC for absent and active numbers."""

    id: Text
    reference: PerhapsText = None
    msisdn: Text
    network: PerhapsText = None
    status: Text
    details: Annotated[HlrDetails, BeforeValidator(lambda value: value or {})] = HlrDetails()
    created_datetime: PerhapsText = Field(None, validation_alias="createdDatetime")
    status_datetime: PerhapsText = Field(None, validation_alias="statusDatetime")

    @property
    def state(self) -> HlrState:
        """The status as one of the known states."""
        word = self.status.strip().casefold()
        return next((state for state in HlrState if state.value == word), HlrState.OTHER)

    @property
    def created_at(self) -> datetime | None:
        """When the look-up was ordered, aware, or None when the vendor's word for it has no zone."""
        return _aware(self.created_datetime)

    @property
    def status_at(self) -> datetime | None:
        """When the status came, aware, or None when the vendor's word for it has no zone."""
        return _aware(self.status_datetime)

    @property
    def is_final(self) -> bool:
        """Whether nothing more will come."""
        return self.state in (HlrState.ABSENT, HlrState.ACTIVE, HlrState.UNKNOWN, HlrState.FAILED)


def _aware(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat((text or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else None
