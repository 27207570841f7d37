"""Operators that read NovaConnect's company and bills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.novaconnect.operator import NovaConnectOperator
from airflow_provider_telecom.tasks.arguments import OperatorArguments
from airflow_provider_telecom.vendors.novaconnect.arguments import boolean

if TYPE_CHECKING:
    from airflow.sdk import Context

MAX_ROWS = 1_000_000


class CompanyXCom(TypedDict):
    """What `NovaConnectGetCompanyOperator` returns. Amounts are Decimals as texts; `_raw` is the vendor's."""

    company_id: int
    name: str
    contract: str | None
    country: str | None
    billing_type: int | None
    balance: str | None
    balance_raw: str | None
    preliminary_balance: str | None
    preliminary_balance_raw: str | None
    overdraft: str | None
    overdraft_raw: str | None


class NovaConnectGetCompanyOperator(NovaConnectOperator):
    """Return the company with its balance.

    The XCom has `company_id`, `name`, `contract`, `country`, `billing_type` (0: paid afterwards, 1: paid in
    advance), and three amounts: `balance`, `preliminary_balance` and `overdraft`. An amount is a Decimal as
    text, and beside it `balance_raw` and so on are the vendor's texts with the currency sign, which names the
    currency. The Decimal is None if the text is missing or ambiguous (`1,234`).

    A read. Raises TelecomAuthError, TelecomAnswerError. Source: "Данные компании".
    """

    def __init__(self, **kwargs: Unpack[OperatorArguments]) -> None:
        super().__init__(**kwargs)

    def execute(self, context: Context) -> CompanyXCom:
        """Read the company."""
        from airflow_provider_telecom.vendors.novaconnect.status import amounts_of

        company = self.hook.get_company()
        return {
            "company_id": company.id,
            "name": company.name,
            "contract": company.contract,
            "country": company.country,
            "billing_type": company.billing_type,
            **amounts_of(company),
        }


class BillsXCom(TypedDict):
    """What `NovaConnectListBillsOperator` returns."""

    count: int
    bill_ids: list[int]
    bills: list[dict[str, Any]]
    unpaid_bill_ids: list[int]
    unpaid_cost_eur: str | None


class NovaConnectListBillsOperator(NovaConnectOperator):
    """List bills, or only those that are not paid.

    The XCom has `count`, `bill_ids`, `bills` (one object each: the vendor's fields `id`, `bid`, `period`,
    `added`, `paided`, `cost` in EUR, `valute_cost` in `currency`, `valute_course`, `country`, and
    `is_paid`; by their ids), `unpaid_bill_ids` and `unpaid_cost_eur`: the sum of their costs, a Decimal as
    text; None if the vendor names no cost for one of them. A bill is paid if it has a time of payment.

    :param only_unpaid: leave out bills that are paid.
    :param max_bills: fail if more bills than this are found; the list is never cut off.

    A read. Raises TelecomInputError, TelecomAuthError, TelecomAnswerError. Source: "Счета", "Список".
    """

    def __init__(
        self, *, only_unpaid: bool = False, max_bills: int = 1_000, **kwargs: Unpack[OperatorArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.only_unpaid = boolean("only_unpaid", only_unpaid)
        self.max_bills = in_range("max_bills", max_bills, 1, MAX_ROWS)

    def execute(self, context: Context) -> BillsXCom:
        """List them."""
        from airflow_provider_telecom.vendors.novaconnect.bills import cost_of, unpaid_bills

        bills = sorted(self.hook.all_bills(), key=lambda bill: bill.id)
        unpaid = unpaid_bills(bills)
        shown = unpaid if self.only_unpaid else bills
        refuse_more("max_bills", len(shown), self.max_bills, "bills")
        fields = {"id", "bid", "period", "added", "paided", "cost", "valute_cost", "currency"}
        fields |= {"valute_course", "country"}
        return {
            "count": len(shown),
            "bill_ids": [bill.id for bill in shown],
            "bills": [
                {**bill.model_dump(mode="json", include=fields), "is_paid": bill.paid_at is not None}
                for bill in shown
            ],
            "unpaid_bill_ids": [bill.id for bill in unpaid],
            "unpaid_cost_eur": cost_of(unpaid),
        }


def refuse_more(field: str, count: int, most: int, of: str) -> None:
    """Raise TelecomInputError if there are more rows than a task may return."""
    if count > most:
        raise TelecomInputError(
            field, f"{count} {of} were found, which is more than {most}; none is returned"
        )
