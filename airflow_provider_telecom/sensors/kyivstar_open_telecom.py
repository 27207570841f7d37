"""Sensors of Kyivstar Open Telecom."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, Unpack

from airflow_provider_telecom.calls.checks import one_of, percent
from airflow_provider_telecom.links.consoles import KyivstarConsoleLink
from airflow_provider_telecom.tasks.arguments import SensorArguments
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.tasks.sensor import TelecomSensor
from airflow_provider_telecom.vendors.kyivstar_open_telecom import VENDOR
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import path_id, promo_uuid

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink

_STATUS = "airflow_provider_telecom.vendors.kyivstar_open_telecom.status"


class KyivstarSensor(TelecomSensor):
    """Base class of the sensors; uses a `kyivstar_open_telecom` connection."""

    vendor = VENDOR
    operator_extra_links: Sequence[BaseOperatorLink] = (KyivstarConsoleLink(),)


class KyivstarSmsDeliveredSensor(KyivstarSensor):
    """Wait until an SMS is delivered; return `{"status", "date"}`.

    Raises TelecomFailedError if it has expired. The vendor's document names no other state of an SMS that is
    lost, and its code 1040 does not distinguish an unknown id from an SMS on its way: the sensor waits for
    both until `timeout`. The id is not returned or logged: ids of the mock server contain the phone number.

    :param message_id: the vendor's id of the SMS.

    Source: "/sms/{msgId}" of the vendor's document.
    """

    status_check: ClassVar[str] = f"{_STATUS}.sms"
    check_arguments: ClassVar[Sequence[str]] = ("message_id",)
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, "message_id")

    def __init__(self, *, message_id: str, **kwargs: Unpack[SensorArguments]) -> None:
        super().__init__(**kwargs)
        self.message_id = message_id
        check_if_literal(message_id, partial(path_id, "message_id"))
        self._prepare_start_from_trigger()


class KyivstarViberDeliveredSensor(KyivstarSensor):
    """Wait until a Viber message is delivered, or seen; return `{"status", "date"}`.

    Raises TelecomFailedError if it has expired. As with `KyivstarSmsDeliveredSensor`, the sensor waits until
    `timeout` for any other message that never arrives, and with `until="seen"` for one that nobody opens.

    :param message_id: the vendor's id of the message.
    :param until: `delivered` (default), or `seen`.

    Source: "/viber/status/{mid}" of the vendor's document.
    """

    status_check: ClassVar[str] = f"{_STATUS}.viber"
    check_arguments: ClassVar[Sequence[str]] = ("message_id", "until")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, "message_id")

    def __init__(
        self,
        *,
        message_id: str,
        until: Literal["delivered", "seen"] = "delivered",
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.message_id = message_id
        check_if_literal(message_id, partial(path_id, "message_id"))
        self.until = one_of("until", until, ("delivered", "seen"))
        self._prepare_start_from_trigger()


class KyivstarMultichannelDeliveredSensor(KyivstarSensor):
    """Wait until a multichannel message is delivered, by any of its channels.

    Returns `{"status", "date", "bearer_type", "reports"}`: `bearer_type` is the channel that has delivered it
    (sms or viber), and `reports` lists the state on each channel that was tried. Raises TelecomFailedError if
    it has expired on all channels: on two of them, on the `last_channel`, or if the vendor names no channel.
    As with `KyivstarSmsDeliveredSensor`, the sensor waits until `timeout` for any other message that never
    arrives: no other final state is known.

    The connection's `api_version` must be v1.

    :param message_id: the vendor's id of the message.
    :param last_channel: the channel that the vendor tries last, `sms` or `viber`. Without it a message that
        has expired on one channel is waited for, since it may still arrive by the other one.

    Source: v1, "/messaging/multichannel/{multiMsgId}"; found in a public client, not in the vendor's
    document.
    """

    status_check: ClassVar[str] = f"{_STATUS}.multichannel"
    check_arguments: ClassVar[Sequence[str]] = ("message_id", "last_channel")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, "message_id")

    def __init__(
        self,
        *,
        message_id: str,
        last_channel: Literal["sms", "viber"] | None = None,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.message_id = message_id
        self.last_channel = (
            None if last_channel is None else one_of("last_channel", last_channel, ("sms", "viber"))
        )
        check_if_literal(message_id, partial(path_id, "message_id"))
        self._prepare_start_from_trigger()


class KyivstarPromoFinishedSensor(KyivstarSensor):
    """Wait until a promo is COMPLETED; return `{"status"}` and the counts of its statistics.

    These are `sent_count`, `deliveries_count`, `undelivered_count` and all other counts that the vendor
    sends. While the promo is SUSPENDED the sensor waits, and logs it.

    Raises TelecomFailedError if the promo is completed and too few messages are delivered, and with
    `fail_on_suspended` if it is SUSPENDED.

    :param promo_id: the promo's id.
    :param fail_on_suspended: fail if the promo is SUSPENDED.
    :param min_delivered_percent: the percentage (0 to 100) of the sent messages that must be delivered when
        the promo is COMPLETED. Later receipts do not count.

    Source: "/promo/{promoUUID}" and "/promo/{promoUUID}/statistics" of the vendor's document.
    """

    status_check: ClassVar[str] = f"{_STATUS}.promo"
    check_arguments: ClassVar[Sequence[str]] = ("promo_id", "fail_on_suspended", "min_delivered_percent")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, "promo_id")

    def __init__(
        self,
        *,
        promo_id: str,
        fail_on_suspended: bool = False,
        min_delivered_percent: str | float | None = None,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.promo_id, self.fail_on_suspended = promo_id, fail_on_suspended
        check_if_literal(promo_id, promo_uuid)
        self.min_delivered_percent = min_delivered_percent
        if min_delivered_percent is not None:
            self.min_delivered_percent = str(percent("min_delivered_percent", min_delivered_percent))
        self._prepare_start_from_trigger()
