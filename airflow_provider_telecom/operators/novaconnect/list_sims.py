"""The operator that lists NovaConnect's SIMs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import in_range, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.novaconnect.operator import MAX_SIMS, NovaConnectOperator
from airflow_provider_telecom.operators.novaconnect.plan import check_select, select_sims
from airflow_provider_telecom.tasks.arguments import OperatorArguments
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.tasks.literals import is_literal

if TYPE_CHECKING:
    from airflow.sdk import Context


class SimListXCom(TypedDict):
    """What `NovaConnectListSimsOperator` returns."""

    count: int
    sim_ids: list[int]
    sims: NotRequired[list[dict[str, object]]]
    """With `fields`."""


class NovaConnectListSimsOperator(NovaConnectOperator):
    """List SIMs and return `{"count", "sim_ids"}`, and with `fields` also `"sims"`: one object each.

    :param select: which SIMs, as in the other operators; by default all of them.
    :param fields: what else to return of each SIM, by the vendor's names: iccid, number, external_number,
        name, balance, currency, msu_value, profile, block, comment, groups, limit, tariff. XComs are stored
        in clear text in Airflow's database: iccid, number, external_number, name and comment may say who uses
        a SIM.
    :param max_sims: fail if more SIMs than this are found; the list is never cut off.

    A read. Raises TelecomInputError, TelecomAuthError, TelecomAnswerError. Source: "Список сим-карт".
    """

    template_fields: Sequence[str] = (*TelecomOperator.template_fields, "select")
    private_fields: ClassVar[Sequence[str]] = ("select",)
    FIELDS: ClassVar[Sequence[str]] = (
        *("iccid", "number", "external_number", "name", "balance", "currency", "msu_value", "profile"),
        *("block", "comment", "groups", "limit", "tariff"),
    )

    def __init__(
        self,
        *,
        select: Any = None,
        fields: Sequence[str] = (),
        max_sims: int = 10_000,
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.select, self.max_sims = select, in_range("max_sims", max_sims, 1, MAX_SIMS)
        if isinstance(fields, str):
            raise TelecomInputError("fields", "must be a list of names")
        self.fields = [one_of("fields", name, self.FIELDS) for name in fields]
        if is_literal(select):
            check_select(select)

    def execute(self, context: Context) -> SimListXCom:
        """List them."""
        select = self.reveal("select")
        found = self.hook.all_sims() if select is None else select_sims(self.hook, select)
        if len(found) > self.max_sims:
            raise TelecomInputError(
                "max_sims",
                f"{len(found)} SIMs were found, which is more than {self.max_sims}; none is returned",
            )
        xcom: SimListXCom = {"count": len(found), "sim_ids": [sim.id for sim in found]}
        if self.fields:
            fields = {"id", *self.fields}
            xcom["sims"] = [sim.model_dump(mode="json", include=fields) for sim in found]
        return xcom
