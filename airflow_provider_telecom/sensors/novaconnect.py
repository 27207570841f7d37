"""Sensors of NovaConnect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, Literal, Unpack

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.tasks.arguments import SensorArguments
from airflow_provider_telecom.tasks.literals import check_if_literal, is_literal
from airflow_provider_telecom.tasks.sensor import TelecomSensor
from airflow_provider_telecom.vendors.novaconnect import VENDOR, arguments
from airflow_provider_telecom.vendors.novaconnect.arguments import BALANCES, UNTIL
from airflow_provider_telecom.vendors.novaconnect.operations import (
    OBSERVABLE,
    OPERATIONS,
    check_observable,
    parse_operation,
)


class NovaConnectQueueDoneSensor(TelecomSensor):
    """Wait until an operation is done for all SIMs; return `{"operation", "queue_id", "reached"}`, a count.

    With a receiver (docs/webhooks.md) the vendor's webhook ends the wait, for all operations. If the list of
    SIMs shows the result of an operation (block, unblock, limit, tariff, group), the list decides: the
    webhook only starts a check, and no receiver is needed. The others (disconnect, reconnect, ping, sms,
    repackage) are refused when the Dag is parsed unless there is a receiver and a `callback_key`. Raises
    TelecomFailedError if the vendor reports that it failed for a SIM, or if a SIM is not in the list or in a
    state that prevents the operation; the error names the SIM.

    :param operation: block, unblock, limit, tariff, group, disconnect, reconnect, ping, sms or repackage.
    :param sim_ids: the vendor's ids of the SIMs; usually what an operator returned under `changed`, as
        `"{{ ti.xcom_pull(task_ids='block', map_indexes=-1)['changed'] }}"`. That may be empty.
    :param desired_state: the state that the operation brings the SIMs to. Nothing for unblock;
        `limit_mb` and `limit_type` for limit; `package_kb`, `auto_package` and `all_world` for tariff;
        `group_ids`, `new_group_names` and `exact`, or `groups`, for group; optionally
        `include_package_empty` for block. They have the same meaning as for the operators.
    :param queue_id: the vendor's id of the queue, to be returned; a list if the operator returned one.
    :param callback_key: what the operator returned under `callback_key`; it identifies the webhook. With a
        list the sensor waits for all of these requests.

    Source: "Список сим-карт" of the vendor's document.
    """

    vendor = VENDOR
    status_check: ClassVar[str] = "airflow_provider_telecom.vendors.novaconnect.status.sim_operation"
    subscription: ClassVar[str | None] = "airflow_provider_telecom.vendors.novaconnect.webhooks.subscription"
    check_arguments: ClassVar[Sequence[str]] = (
        "operation",
        "sim_ids",
        "desired_state",
        "queue_id",
        "callback_key",
    )
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, *check_arguments)

    def __init__(
        self,
        *,
        operation: str,
        sim_ids: Any,
        desired_state: Mapping[str, Any] | None = None,
        queue_id: str | list[str | None] | None = None,
        callback_key: str | list[str | None] | None = None,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.operation, self.sim_ids, self.desired_state = operation, sim_ids, desired_state
        self.queue_id, self.callback_key = queue_id, callback_key
        if is_literal(sim_ids):
            arguments.rendered_nonempty_ids("sim_ids", sim_ids)
        if is_literal(operation):
            one_of("operation", operation, OPERATIONS)
            if not (self._has_subscription and callback_key):
                check_observable(operation)
            if operation in OBSERVABLE and (desired_state is None or is_literal(desired_state)):
                parse_operation(operation, desired_state)
        self._prepare_start_from_trigger()


class NovaConnectBalanceSensor(TelecomSensor):
    """Wait until the company's balance is below an amount (money is about to end), or above one.

    Returns the amounts as `NovaConnectGetCompanyOperator` does: `balance`, `balance_raw` and so on. The
    currency is the vendor's: the amount is compared as a number. If the vendor's text is no number, or an
    ambiguous one (`1,234`), that counts as a temporary error: the sensor fails after `tolerated_errors`.

    :param below: end when the balance is less than this amount: a Decimal, its text or a whole number. It may
        be negative, for an account with an overdraft.
    :param above: end when the balance is more than this amount, instead of `below`.
    :param balance: which one: `balance`, or `preliminary_balance` (for accounts that are paid afterwards).

    Source: "Данные компании" of the vendor's document.
    """

    vendor = VENDOR
    status_check: ClassVar[str] = "airflow_provider_telecom.vendors.novaconnect.status.company_balance"
    check_arguments: ClassVar[Sequence[str]] = ("below", "above", "balance")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, *check_arguments)

    def __init__(
        self,
        *,
        below: Decimal | str | int | None = None,
        above: Decimal | str | int | None = None,
        balance: Literal["balance", "preliminary_balance"] = "balance",
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.below, self.above, self.balance = _as_text(below), _as_text(above), balance
        if (below is None) == (above is None):
            raise TelecomInputError("below", "either below or above must be given, and not both")
        for field in ("below", "above"):
            check_if_literal(getattr(self, field), partial(arguments.amount, field))
        check_if_literal(balance, lambda value: one_of("balance", value, BALANCES))
        self._prepare_start_from_trigger()


class NovaConnectUnpaidBillsSensor(TelecomSensor):
    """Wait until a bill is unpaid, or until all are paid; return `{"unpaid_bill_ids", "unpaid_cost_eur"}`.

    A bill is paid if it has a time of payment. The vendor blocks all SIMs on the sixth working day after an
    unpaid bill. `unpaid_cost_eur` is a Decimal as text; None if the vendor names no cost for one of them.
    Raises TelecomFailedError if there is no bill with one of the ids.

    :param until: `unpaid` (default): end as soon as a bill is unpaid. `all_paid`: end when none is.
    :param bill_ids: only these bills: a list of the vendor's ids or (from a template) its JSON text; by
        default all of them.
    :param older_than_days: only bills that were added at least so many days ago.

    Source: "Счета", "Список" of the vendor's document.
    """

    vendor = VENDOR
    status_check: ClassVar[str] = "airflow_provider_telecom.vendors.novaconnect.status.unpaid_bills"
    check_arguments: ClassVar[Sequence[str]] = ("until", "bill_ids", "older_than_days")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, *check_arguments)

    def __init__(
        self,
        *,
        until: Literal["unpaid", "all_paid"] = "unpaid",
        bill_ids: Any = None,
        older_than_days: int | str = 0,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.until, self.bill_ids, self.older_than_days = until, bill_ids, older_than_days
        check_if_literal(until, lambda value: one_of("until", value, UNTIL))
        check_if_literal(bill_ids, partial(arguments.rendered_nonempty_ids, "bill_ids"))
        check_if_literal(older_than_days, arguments.age_days)
        self._prepare_start_from_trigger()


def _as_text(value: Any) -> Any:
    """Return a number as a text, since arguments cross Airflow's database as JSON; others as they are."""
    is_number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    return str(value) if is_number else value
