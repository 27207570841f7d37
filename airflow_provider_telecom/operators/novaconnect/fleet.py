"""The operator that brings a fleet of SIMs into a desired state: plan, apply, drift."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack, get_args

from airflow.sdk import AssetAlias

from airflow_provider_telecom.calls.checks import in_range, one_of, percent
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.calls.privacy import HideTraceback
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import IN_DOUBT, Entry, Journal, State
from airflow_provider_telecom.operators.novaconnect.operator import CHUNK_SIZE, MAX_SIMS, NovaConnectOperator
from airflow_provider_telecom.tasks.arguments import JournaledArguments, PollArguments
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.effects import JournaledOperator
from airflow_provider_telecom.tasks.literals import is_literal
from airflow_provider_telecom.tasks.private import hide_unless_path

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.operators.novaconnect.fleet_apply import FleetApply
    from airflow_provider_telecom.operators.novaconnect.fleet_plan import FleetPlan
    from airflow_provider_telecom.triggers.polling import PollEvent
    from airflow_provider_telecom.vendors.novaconnect.models import Sim

Mode = Literal["plan", "apply", "drift"]
Allowed = Literal["tariff", "disconnect"]
DRIFT_ALIAS = AssetAlias("telecom-novaconnect-fleet-drift", group="telecom")
"""An outlet without an event in each run: the task adds one when the fleet has drifted."""
_STATUS = "airflow_provider_telecom.vendors.novaconnect.status.fleet_phase"
_PAGE_SIZE = 500
_MAX_LOGGED = 1000


class FleetArguments(JournaledArguments, PollArguments):
    """The parameters of the base classes of `NovaConnectFleetOperator`."""


class NovaConnectFleetOperator(NovaConnectOperator, DeferrableOperator, JournaledOperator):
    """Brings a fleet of SIMs into a desired state.

    `mode="plan"` reads the fleet, compares it with the desired state, logs a table of what would change, and
    stores the plan. It changes nothing. The XCom has no numbers and no names:

        {"mode": "plan", "plan": "<path>", "plan_sha256": "...", "company_id": 77, "sims": 10000,
         "managed": 800, "changed": 12, "unchanged": 788, "skipped": 1, "offline": 3, "online": 2, "paid": 4,
         "settings": {"blocked": 5, "tariff": 4, "limit": 3}, "new_groups": 0}

    `changed`, `unchanged` and `skipped` count SIMs, `settings` counts changes.

    `mode="apply"` executes a stored plan, if the fleet is still as it was when the plan was made: blocks
    first, then groups, limits and tariffs, then unblocking (only SIMs whose limit and tariff are as planned),
    then names. Each phase is sent, and its end is awaited in the list of SIMs, before the next one begins. A
    later try continues: it changes only SIMs that are still as they were planned, and sends no tariff twice.
    If the outcome of a tariff is unknown, the list of SIMs is read; if it does not show it, the task fails,
    and Airflow does not retry it. The XCom counts SIMs:

        {"mode": "apply", "plan": "<path>", "plan_sha256": "...", "company_id": 77, "changed": 12,
         "unchanged": 788, "skipped": 1, "not_done": 0, "unknown": 0, "results": "<path>"}

    `skipped` are SIMs of which at least one setting was not changed, because it cannot be, or because
    somebody else has changed it.

    `mode="drift"` compares like `plan`, stores nothing, and returns the counts of a plan and `drifted`. If a
    SIM would be changed, an event of the asset `NOVACONNECT_FLEET_DRIFT` (`assets.novaconnect`) is emitted
    through an alias of the same name, with the counts and `conn_id`.

    :param mode: `plan`, `apply` or `drift`.
    :param desired: for `plan` and `drift`, the desired state: the path or URL of a YAML or CSV file, YAML as
        a text, or a list of mappings. Each rule chooses SIMs by one of `id`, `iccid`, `number`,
        `name_pattern` (`*` and `?`) and `in_group`, and sets at least one of `blocked`, `limit_mb` (or
        `off`), `package_kb` with `auto_package` and perhaps `all_world`, `groups` (with `exact_groups` no
        others), `name`. Never shown unless it is a path. docs/howto/fleet-as-code.md describes it.
    :param plan_path: for `plan` and `apply`, the file of the plan, ending in `.json`; give each run its own,
        as with `{{ run_id }}`. It contains names, if the desired state does.
    :param results_path: for `apply`, a file of JSON lines, ending in `.jsonl`, with what became of each SIM:
        `sim_id`, `setting`, `state` (`changed`, `unchanged`, `skipped`, `not_done`, `unknown`), `reason`. It
        is written at the end, and also if the task fails.
    :param on_unknown_sims: what `plan` and `drift` do about rules that no SIM matches: `fail` (default) or
        `skip`.
    :param max_changes: `apply` fails, before anything is sent, if more SIMs than this would be changed; None
        allows any number. `plan` warns.
    :param max_change_percent: the same in percent of the SIMs of the company.
    :param allow: what `apply` may do that is paid for or takes SIMs offline: `tariff` (another package) and
        `disconnect` (blocking). Without it such a plan is refused.
    :param require_unchanged: which SIMs must be as they were when the plan was made: those of the whole
        `fleet` (default), or the `planned` ones, which the desired state names.
    :param chunk_size: the largest number of SIMs in one request, at most 10,000.
    :param verify_within_seconds: after an unknown outcome of a tariff, how long the list of SIMs is read to
        see whether it happened.

    Raises OutcomeUnknownError, TelecomFailedError (a SIM can never reach the state; the error names it),
    TelecomInputError, TelecomAuthError (not an administrator), TelecomRejectedError, TelecomUnknownError,
    TelecomAnswerError. Source: "Сим-карты".
    """

    template_fields: Sequence[str] = (
        *JournaledOperator.template_fields,
        *("desired", "plan_path", "results_path"),
    )
    fixed_parameters: ClassVar[tuple[str, ...]] = ("wait_for_completion",)
    """Applying always waits."""

    def __init__(
        self,
        *,
        mode: Mode,
        plan_path: str | None = None,
        desired: Any = None,
        results_path: str | None = None,
        on_unknown_sims: Literal["fail", "skip"] = "fail",
        max_changes: int | None = 100,
        max_change_percent: float | None = None,
        allow: Collection[Allowed] = (),
        require_unchanged: Literal["fleet", "planned"] = "fleet",
        chunk_size: int = CHUNK_SIZE,
        verify_within_seconds: int = 300,
        **kwargs: Unpack[FleetArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.mode, self.desired, self.plan_path = one_of("mode", mode, get_args(Mode)), desired, plan_path
        self.results_path = results_path
        self.on_unknown_sims = one_of("on_unknown_sims", on_unknown_sims, ("fail", "skip"))
        self.max_changes = None if max_changes is None else in_range("max_changes", max_changes, 1, MAX_SIMS)
        self.max_change_percent = max_change_percent
        if max_change_percent is not None:
            percent("max_change_percent", max_change_percent)
        if isinstance(allow, str):
            raise TelecomInputError("allow", "must be a list or tuple, such as ('tariff',)")
        self.allow = [one_of("allow", one, get_args(Allowed)) for one in allow]
        self.require_unchanged = one_of("require_unchanged", require_unchanged, ("fleet", "planned"))
        self.chunk_size = in_range("chunk_size", chunk_size, 1, CHUNK_SIZE)
        self.verify_within_seconds = in_range("verify_within_seconds", verify_within_seconds, 0, 86_400)
        self._check_mode()
        if self.mode == "drift" and DRIFT_ALIAS not in self.outlets:
            self.outlets = [*self.outlets, DRIFT_ALIAS]

    def _check_mode(self) -> None:
        """Check what can be checked when the Dag is parsed."""
        from airflow_provider_telecom.operators.novaconnect.fleet_plan import check_plan_path
        from airflow_provider_telecom.operators.novaconnect.fleet_source import is_path, read_desired

        if (self.plan_path is None) == (self.mode != "drift"):
            rule = "must not be given" if self.plan_path else "must be given"
            raise TelecomInputError("plan_path", f"{rule} with mode={self.mode!r}")
        if is_literal(self.plan_path):
            check_plan_path(self.plan_path)
        if is_literal(self.results_path):
            check_results_path(self.results_path)
        if self.mode == "apply":
            if self.desired is not None:
                raise TelecomInputError(
                    "desired", "must not be given with mode='apply': the plan is executed"
                )
            return
        if self.desired is None:
            raise TelecomInputError("desired", f"must be given with mode={self.mode!r}")
        if self.results_path is not None:
            raise TelecomInputError("results_path", "is for mode='apply' only")
        if is_literal(self.desired) and not is_path(self.desired):
            read_desired(self.desired)

    def _hide(self) -> None:
        """Hide the desired state. The path of a file stays visible."""
        from airflow_provider_telecom.operators.novaconnect.fleet_source import SUFFIXES

        super()._hide()
        self.desired = hide_unless_path(self.desired, SUFFIXES)

    def execute(self, context: Context) -> dict[str, Any]:
        """Plan, apply a plan, or look for drift."""
        with HideTraceback():
            if self.mode == "apply":
                return self._apply(context)
            return self._store_plan() if self.mode == "plan" else self._find_drift(context)

    def execute_complete(self, context: Context, event: PollEvent) -> dict[str, Any]:
        """Continue with the phase after the one that was awaited in the triggerer."""
        with HideTraceback():
            return self._apply(context, event)

    def _store_plan(self) -> dict[str, Any]:
        from airflow_provider_telecom.operators.novaconnect.fleet_plan import check_plan_path, write_plan

        path = check_plan_path(self.plan_path)
        plan = self._new_plan()
        sha256 = write_plan(path, plan)
        self._log_table(plan)
        try:
            self._check_limits(plan)
        except TelecomInputError as error:
            self.log.warning("mode='apply' with the parameters of this task would refuse the plan: %s", error)
        head = {"mode": self.mode, "plan": path, "plan_sha256": sha256, "company_id": plan.company_id}
        return {**head, **plan.counts}

    def _find_drift(self, context: Context) -> dict[str, Any]:
        plan = self._new_plan()
        self._log_table(plan)
        found = {
            "mode": self.mode,
            "company_id": plan.company_id,
            "drifted": bool(plan.changes),
            **plan.counts,
        }
        if plan.changes:
            from airflow_provider_telecom.webhooks.assets import task_asset

            asset, events = task_asset("novaconnect", "fleet-drift"), context["outlet_events"]
            events[DRIFT_ALIAS].add(asset, extra={**found, "conn_id": self.conn_id})
        return found

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

    def _check_limits(self, plan: FleetPlan) -> None:
        """Raise TelecomInputError for a plan that changes more than is allowed."""
        changed = len(plan.changed)
        if self.max_changes is not None and changed > self.max_changes:
            raise TelecomInputError(
                "max_changes", f"{changed} SIMs would be changed, at most {self.max_changes} are allowed"
            )
        most = self.max_change_percent
        if most is not None and changed * 100 > len(plan.fleet) * percent("max_change_percent", most):
            raise TelecomInputError(
                "max_change_percent",
                f"{changed} of {len(plan.fleet)} SIMs would be changed, at most {most} % are allowed",
            )
        kinds = {
            "tariff": sum(change["paid"] for change in plan.changes),
            "disconnect": sum(change["connectivity"] == "offline" for change in plan.changes),
        }
        for name, count in kinds.items():
            if count and name not in self.allow:
                effect = "may buy packages" if name == "tariff" else "takes SIMs offline"
                raise TelecomInputError("allow", f"must contain {name!r}: the plan {effect} ({count} SIMs)")

    def _apply(self, context: Context, event: PollEvent | None = None) -> dict[str, Any]:
        from airflow_provider_telecom.operators.novaconnect.fleet_apply import FleetApply, check_unchanged
        from airflow_provider_telecom.operators.novaconnect.fleet_plan import (
            check_plan_path,
            claim_plan,
            read_plan,
        )
        from airflow_provider_telecom.tasks.storage import open_parent

        path = check_plan_path(self.plan_path)
        plan, journal = read_plan(path), self._journal(context)
        name, body = self._entry_name("apply"), self._fingerprint({"plan": plan.sha256})
        entry = journal.earlier_entry(name, body)
        if entry and entry.state is State.DONE:
            return dict(entry.facts)
        if self.results_path:
            open_parent(check_results_path(self.results_path), field="results_path")
        if (company_id := self.hook.get_company().id) != plan.company_id:
            raise TelecomInputError(
                "plan_path",
                f"company_id: the plan is for {plan.company_id}, the connection for {company_id}",
            )
        self._check_limits(plan)
        done: list[str] = []
        if entry and entry.state in IN_DOUBT:
            done = list(entry.facts.get("done", ()))
        else:
            check_unchanged(plan, self._fleet(), self.require_unchanged == "planned")
            self.hook.wait_until_ready()
            claim_plan(path, plan.sha256, self._task_name(context))
            journal.write_intent(name, Entry(State.INTENT, body, {"done": []}))
        apply = FleetApply(
            self.hook,
            journal,
            plan,
            self._entry_name,
            chunk_size=self.chunk_size,
            verify_within_seconds=self.verify_within_seconds,
            sleep=time.sleep,
        )
        try:
            self._run_phases(apply, journal, Entry(State.INTENT, body, {"done": done}), name, event)
        except Exception:
            self._write_results(apply, may_fail=True)
            raise
        counts = self._write_results(apply)
        head = {"mode": self.mode, "plan": path, "plan_sha256": plan.sha256, "company_id": plan.company_id}
        result = {**head, **counts, "results": self.results_path}
        journal.write(name, Entry(State.DONE, body, result))
        return result

    def _task_name(self, context: Context) -> str:
        """Return what identifies this task in this run, whatever the try."""
        ti, place = context["ti"], context["ti"].map_index
        mapped = "" if place in (None, -1) else f", place {place}"
        again = f", {self._entry_name('dedupe_key')}" if self._dedupe_key else ""
        return f"task {ti.task_id} of {ti.dag_id}, run {ti.run_id}{mapped}{again}"

    def _run_phases(
        self, apply: FleetApply, journal: Journal, begun: Entry, name: str, event: PollEvent | None
    ) -> None:
        """Send phase by phase, and wait for the end of each."""
        from airflow_provider_telecom.vendors.novaconnect.fleet import PHASES

        done: list[str] = begun.facts["done"]
        if event is not None:
            done.append(DeferrableOperator.execute_complete(self, {}, event)["phase"])
            journal.write(name, replace(begun, facts={"done": done}))
        for phase in PHASES:
            if phase in done:
                continue
            if steps := apply.send(phase):
                self.wait_for_completion = True
                arguments = {"phase": phase, "steps": [step.stored for step in steps]}
                self._wait_if_requested({"phase": phase}, _STATUS, arguments)
                done.append(phase)
                journal.write(name, replace(begun, facts={"done": done}))

    def _write_results(self, apply: FleetApply, may_fail: bool = False) -> dict[str, int]:
        """Read what became of each SIM, and write it; return the counts."""
        from airflow_provider_telecom.operators.novaconnect.fleet_apply import counts_of_results
        from airflow_provider_telecom.operators.novaconnect.fleet_plan import write_text

        try:
            rows = list(apply.results())
            if self.results_path:
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                write_text("results_path", check_results_path(self.results_path), lines)
        except TelecomError as error:
            if not may_fail:
                raise
            self.log.warning("The results cannot be written: %s", error)
            return {}
        counts = counts_of_results(rows)
        self.log.info("Result: %s", ", ".join(f"{count} SIMs {state}" for state, count in counts.items()))
        for row in rows[:_MAX_LOGGED] if may_fail or counts["skipped"] else ():
            if row["state"] not in ("changed", "unchanged"):
                reason = row["reason"] or "it is as it was"
                self.log.warning("SIM %d: %s: %s: %s", row["sim_id"], row["setting"], row["state"], reason)
        return counts


def check_results_path(path: object) -> str:
    """Return the path of the results. Raises TelecomInputError."""
    if not isinstance(path, str) or not path.lower().endswith(".jsonl"):
        raise TelecomInputError("results_path", "must be a file whose name ends in .jsonl")
    return path
