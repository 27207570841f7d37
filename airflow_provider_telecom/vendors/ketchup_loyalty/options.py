"""Extra fields of a `ketchup_loyalty` connection."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from airflow_provider_telecom.vendors.options import Options, PathPrefix
from airflow_provider_telecom.vendors.times import ZoneName


class KetchUpOptions(Options):
    """Defaults of senders and tariff, and options for what the document leaves open."""

    default_host: ClassVar[str] = "https://api.smsketchuployalty.com.ua"

    base_path: PathPrefix = "/rest"
    originator: str | None = Field(None, min_length=1, max_length=14)
    """The SMS sender unless a call has one."""
    viber_sender: str | None = Field(None, min_length=1)
    """The alpha name of Viber messages unless a call has one."""
    tariff: int | None = Field(None, ge=0, le=9)
    """The tariff unless a call has one; without it the document's default for each call."""
    viber_key: Literal["external_id", "reference", "both"] = "external_id"
    """The field that carries our key for a Viber message. The document says `external_id`."""
    hlr_body: Literal["multipart", "json"] = "multipart"
    """The format of HLR look-ups that is tried first. The document says multipart, for one and for many."""
    vendor_timezone: ZoneName | None = None
    """The zone of the vendor's times, which is not in the document."""
