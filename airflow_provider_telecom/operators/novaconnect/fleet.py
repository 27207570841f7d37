"""The operator that brings a fleet of SIMs into a desired state: plan, apply, drift."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack, get_args

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import HideTraceback
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.operators.novaconnect.base import NovaConnectOperator
from airflow_provider_telecom.tasks.arguments import OperatorArguments
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.tasks.literals import is_literal
from airflow_provider_telecom.tasks.private import hide_unless_path

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.operators.novaconnect.fleet_plan import FleetPlan
    from airflow_provider_telecom.vendors.novaconnect.models import Sim

Mode = Literal["plan"]
_PAGE_SIZE = 500


class NovaConnectFleetOperator(NovaConnectOperator):
    """Brings a fleet of SIMs into a desired state.

    `mode="plan"` reads the fleet, compares it with the desired state, logs a table of what would change, and
    stores the plan. It changes nothing. The XCom has no numbers and no names:

        {"mode": "plan", "plan": "<path>", "plan_sha256": "...", "company_id": 77, "sims": 10000,
         "managed": 800, "changed": 12, "unchanged": 788, "skipped": 1, "offline": 3, "online": 2, "paid": 4,
         "settings": {"blocked": 5, "tariff": 4, "limit": 3}, "new_groups": 0}

    `changed`, `unchanged` and `skipped` count SIMs, `settings` counts changes.

    :param mode: `plan`.
    :param desired: the desired state: the path or URL of a YAML or CSV file, YAML as a text, or a list of
        mappings. Each rule chooses SIMs by one of `id`, `iccid`, `number`, `name_pattern` (`*` and `?`) and
        `in_group`, and sets at least one of `blocked`, `limit_mb` (or `off`), `package_kb` with
        `auto_package` and perhaps `all_world`, `groups` (with `exact_groups` no others), `name`. Never shown
        unless it is a path. docs/howto/fleet-as-code.md describes it.
    :param plan_path: the file of the plan, ending in `.json`; give each run its own, as with `{{ run_id }}`.
        It contains names, if the desired state does.
    :param on_unknown_sims: what to do about rules that no SIM matches: `fail` (default) or `skip`.

    Raises TelecomInputError, TelecomAuthError, TelecomAnswerError. Source: "Сим-карты".
    """

    template_fields: Sequence[str] = (*TelecomOperator.template_fields, "desired", "plan_path")
    private_fields: ClassVar[Sequence[str]] = ()

    def __init__(
        self,
        *,
        mode: Mode,
        plan_path: str,
        desired: Any,
        on_unknown_sims: Literal["fail", "skip"] = "fail",
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.mode, self.desired, self.plan_path = one_of("mode", mode, get_args(Mode)), desired, plan_path
        self.on_unknown_sims = one_of("on_unknown_sims", on_unknown_sims, ("fail", "skip"))
        if is_literal(plan_path):
            from airflow_provider_telecom.operators.novaconnect.fleet_plan import check_plan_path

            check_plan_path(plan_path)
        if is_literal(desired):
            from airflow_provider_telecom.operators.novaconnect.fleet_source import is_path, read_desired

            if not is_path(desired):
                read_desired(desired)

    def _hide(self) -> None:
        """Hide the desired state. The path of a file stays visible."""
        from airflow_provider_telecom.operators.novaconnect.fleet_source import SUFFIXES

        super()._hide()
        self.desired = hide_unless_path(self.desired, SUFFIXES)

    def execute(self, context: Context) -> dict[str, Any]:
        """Plan."""
        with HideTraceback():
            return self._store_plan()

    def _store_plan(self) -> dict[str, Any]:
        from airflow_provider_telecom.operators.novaconnect.fleet_plan import check_plan_path, write_plan

        path = check_plan_path(self.plan_path)
        plan = self._new_plan()
        sha256 = write_plan(path, plan)
        self._log_table(plan)
        head = {"mode": self.mode, "plan": path, "plan_sha256": sha256, "company_id": plan.company_id}
        return {**head, **plan.counts}

    def _log_table(self, plan: FleetPlan) -> None:
        from airflow_provider_telecom.operators.novaconnect.fleet_plan import table_of

        for line in table_of(plan):
            self.log.info("%s", line)

    def _new_plan(self) -> FleetPlan:
        """Read the desired state and the fleet, and return what differs. Raises TelecomInputError."""
        from airflow_provider_telecom.operators.novaconnect.fleet_plan import FleetPlan
        from airflow_provider_telecom.operators.novaconnect.fleet_source import read_desired
        from airflow_provider_telecom.vendors.novaconnect.fleet import diff

        desired = read_desired(self.reveal("desired"))
        company_id = self.hook.get_company().id
        if desired.company_id not in (None, company_id):
            raise TelecomInputError(
                "desired", f"company_id: is {desired.company_id}; the connection is of company {company_id}"
            )
        sims, groups = self._fleet(), self.hook.all_groups()
        found = diff(
            desired.rules,
            sims,
            groups,
            region=self.hook.options.default_region,
            now=time.time(),
            states=self._states(sims),
        )
        if found.unknown and self.on_unknown_sims == "fail":
            shown = "; ".join(found.unknown[:20]) + ("; ..." if len(found.unknown) > 20 else "")
            raise TelecomInputError(
                "desired",
                f"{len(found.unknown)} rules match no SIM, so nothing is planned: {shown} "
                "(on_unknown_sims='skip' skips them)",
            )
        for place in found.unknown:
            self.log.warning("No SIM matches the rule at %s; it is skipped", place)
        return FleetPlan.of(company_id, found)

    def _fleet(self) -> list[Sim]:
        return self.hook.all_sims(size=_PAGE_SIZE)

    def _states(self, sims: Sequence[Sim]) -> dict[str, str]:
        from airflow_provider_telecom.vendors.novaconnect.fleet import state_of

        return {str(sim.id): state_of(sim, fingerprint) for sim in sims}
