"""Sensors of KetchUp Loyalty."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal, Unpack

from airflow_provider_telecom.calls.checks import one_of, percent
from airflow_provider_telecom.tasks.arguments import SensorArguments
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.tasks.sensor import TelecomSensor
from airflow_provider_telecom.vendors.ketchup_loyalty import VENDOR
from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import (
    VIBER_END_STATES,
    check_file_key,
    exactly_one,
    optional_count,
    optional_percent,
    parse_list,
)

_STATUS = "airflow_provider_telecom.vendors.ketchup_loyalty.status"
_WEBHOOKS = "airflow_provider_telecom.vendors.ketchup_loyalty.webhooks"


class KetchUpSensor(TelecomSensor):
    """Base class of KetchUp's sensors."""

    vendor = VENDOR


class KetchUpSmsDeliveredSensor(KetchUpSensor):
    """Wait until an SMS is delivered; return `{"message_id", "status", "price", "currency"}`.

    Raises TelecomFailedError if it expired or failed.

    :param message_id: the vendor's id of the SMS.
    :param reference: our key, in place of the id.

    Source: "Получение статусов смс" of the vendor's document.
    """

    status_check: ClassVar[str] = f"{_STATUS}.sms"
    check_arguments: ClassVar[Sequence[str]] = ("message_id", "reference")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, *check_arguments)

    def __init__(
        self,
        *,
        message_id: str | int | None = None,
        reference: str | None = None,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        exactly_one(message_id=message_id, reference=reference)
        self.message_id, self.reference = message_id, reference
        self._prepare_start_from_trigger()


class KetchUpSmsTaskFinishedSensor(KetchUpSensor):
    """Wait until the SMS of one or many batches have their final receipts, and enough are delivered.

    Returns

        {"tasks", "sent", "delivered", "undeliverable", "expired", "unknown", "undelivered", "price",
         "currency"}

    where `sent` counts all SMS that have gone out, `undelivered` the undeliverable and the expired ones, and
    `price` is a string. Raises TelecomFailedError if fewer than `min_delivered_percent` were delivered, or
    can't be any more.

    :param sms_task_ids: the vendor's ids of batches: one, a list, or the text of a list.
    :param expected: how many SMS the batches have in all, as the sending operator counted them (`accepted`).
        A batch does not say it: without it a batch that is still being sent may seem finished.
    :param min_delivered_percent: how many of them must be delivered, 0 to 100. With `expected` the sensor
        ends as soon as so many are, or can't be any more; without it, it decides at the end.
    :param min_final_percent: the percentage that must have final receipts before it ends, by default 100.
        SMS of unknown state may never get a receipt: with less than 100 the sensor does not wait for them.

    Source: "Получение статусов смс", GET /sms/task/{id}, of the vendor's document.
    """

    status_check: ClassVar[str] = f"{_STATUS}.finished_sms_tasks"
    check_arguments: ClassVar[Sequence[str]] = (
        "sms_task_ids",
        "expected",
        "min_delivered_percent",
        "min_final_percent",
    )
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, "sms_task_ids", "expected")

    def __init__(
        self,
        *,
        sms_task_ids: Sequence[str | int] | str | int,
        expected: int | str | None = None,
        min_delivered_percent: str | float | None = None,
        min_final_percent: str | float = 100,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.sms_task_ids, self.expected = sms_task_ids, expected
        check_if_literal(sms_task_ids, partial(parse_list, "sms_task_ids"))
        check_if_literal(expected, partial(optional_count, "expected"))
        least = optional_percent("min_delivered_percent", min_delivered_percent)
        self.min_delivered_percent = None if least is None else str(least)
        self.min_final_percent = str(percent("min_final_percent", min_final_percent))
        self._prepare_start_from_trigger()


class KetchUpViberDeliveredSensor(KetchUpSensor):
    """Wait until a Viber message is delivered; return `{"message_id", "status", "price", "currency"}`.

    Raises TelecomFailedError if the number is not at Viber (`not-viber-user`), or the message expired or
    failed.

    :param message_id: the vendor's id of the message.
    :param reference: our key, in place of the id.
    :param until: `delivered` (default), or `read`: if nobody opens the message, the sensor waits until
        `timeout`.

    Source: "Получение статусов Viber-сообщения" of the vendor's document.
    """

    status_check: ClassVar[str] = f"{_STATUS}.viber"
    subscription: ClassVar[str | None] = f"{_WEBHOOKS}.viber_subscription"
    check_arguments: ClassVar[Sequence[str]] = ("message_id", "reference", "until")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, "message_id", "reference")

    def __init__(
        self,
        *,
        message_id: str | int | None = None,
        reference: str | None = None,
        until: Literal["delivered", "read"] = "delivered",
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        exactly_one(message_id=message_id, reference=reference)
        self.message_id, self.reference = message_id, reference
        self.until = one_of("until", until, VIBER_END_STATES)
        self._prepare_start_from_trigger()


class KetchUpHlrFinishedSensor(KetchUpSensor):
    """Wait until one or many HLR look-ups have a result; return `{"statuses", "results"}`.

    `statuses` counts the results by their states: active, absent, failed. `results` has
    `{"id", "status", "network", "ported", "roaming"}` for each look-up, in the given order, and no numbers.

    :param hlr_ids: the vendor's ids of look-ups: one, a list, or the text of a list.
    :param references: our keys, in place of the ids.
    :param unknown_is_final: take "unknown" as a result too. The document does not say whether it is one: by
        default the sensor waits on, until `timeout`.

    Source: "Получение информации об HLR запросе" of the vendor's document.
    """

    status_check: ClassVar[str] = f"{_STATUS}.hlr"
    subscription: ClassVar[str | None] = f"{_WEBHOOKS}.hlr_subscription"
    check_arguments: ClassVar[Sequence[str]] = ("hlr_ids", "references", "unknown_is_final")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, "hlr_ids", "references")

    def __init__(
        self,
        *,
        hlr_ids: Sequence[str | int] | str | int | None = None,
        references: Sequence[str] | str | None = None,
        unknown_is_final: bool = False,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        exactly_one(hlr_ids=hlr_ids, references=references)
        self.hlr_ids, self.references = hlr_ids, references
        self.unknown_is_final = one_of("unknown_is_final", unknown_is_final, (False, True))
        self._prepare_start_from_trigger()


class KetchUpStatFileReadySensor(KetchUpSensor):
    """Wait until the file of a statistics export can be downloaded; return `{"file_key", "empty"}`.

    An export without rows is ready too: `empty` is true then, and there is no file. A missing export raises
    TelecomNotFoundError once `tolerated_errors` are used up.

    :param file_key: the export's key.
    :param callback_key: what the operator returned under `callback_key`, if there is a receiver: KetchUp's
        post to the address of this export wakes the sensor. Posts to the account's address do so without it.

    Source: "Получение запрошенной информации о сообщениях" of the vendor's document.
    """

    status_check: ClassVar[str] = f"{_STATUS}.stat_file"
    subscription: ClassVar[str | None] = f"{_WEBHOOKS}.statistics_subscription"
    check_arguments: ClassVar[Sequence[str]] = ("file_key", "callback_key")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, *check_arguments)

    def __init__(
        self, *, file_key: str, callback_key: str | None = None, **kwargs: Unpack[SensorArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.file_key, self.callback_key = file_key, callback_key
        check_if_literal(file_key, check_file_key)
        self._prepare_start_from_trigger()
