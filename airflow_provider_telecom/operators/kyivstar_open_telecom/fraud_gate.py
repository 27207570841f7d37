"""The operator that decides about one subscriber by several checks: pay, review or refuse."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, get_args

from airflow.sdk import BranchMixIn

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import e164
from airflow_provider_telecom.calls.privacy import HideTraceback
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import (
    KyivstarOperator,
    OnLostAnswer,
    add_units,
)
from airflow_provider_telecom.tasks.arguments import JournaledArguments
from airflow_provider_telecom.tasks.effects import JournaledOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_telecom.operators.kyivstar_open_telecom.evidence import Evidence
    from airflow_provider_telecom.operators.kyivstar_open_telecom.rules import Rule, State

_BRANCHES = ("pay", "review", "refuse")
_PAYING_RULES = ("all_success", "none_failed", "none_failed_min_one_success", "none_skipped")
"""Trigger rules of tasks that wait for all decisions, and don't run after a failed one."""
_RULES_WITHIN = tuple(rule for rule in _PAYING_RULES if rule != "none_failed")
"""Those of the other tasks of a group: the gate skips the first tasks, and these must be skipped by them."""
_ONLY_SAFE = "must not be the branch pay or share a task with it, as only a safe subscriber is paid"
_HOUR = timedelta(hours=1)
_COUNTRY_CODE = "380"


class KyivstarFraudGateOperator(KyivstarOperator, JournaledOperator, BranchMixIn):
    """Check a subscriber by several rules, then go on with the branch `pay`, `review` or `refuse`. Billed.

        gate = KyivstarFraudGateOperator(
            task_id="gate", msisdn="{{ params.msisdn }}",
            rules=AllOf(SimChanged(hours=72), SimCount(days=30, most=2), Score(least=300)),
            pay="pay_out", review="ask_a_person", refuse="refuse",
        )
        gate >> [pay_out, ask_a_person, refuse]

    If the rules are safe, the branch is `pay`; if they are suspicious, `refuse`; otherwise `review`. An
    answer that is unknown never counts as safe. The cheapest check is asked first, and no check that can't
    change the decision any more.

    Each check is billed, and is recorded before and after its request. A retry, a killed task or "Clear" asks
    nothing again whose answer is younger than `evidence_max_age`. Other tasks and other runs ask by
    themselves. Returns

        {"decision", "branch", "evidence": [{"check", "question", "answer", "reason", "code", "state",
         "asked_at", "facts"}], "not_asked": [names of checks], "requests", "lost_answers", "reserved_units"}

    without the number. `requests` were made by this try. `lost_answers` is how many requests of this run
    about these questions have lost their answers: each of them may be billed. A request that the vendor
    refuses, for example because of a wrong `model_id`, is `unknown` with the reason `refused`.

    It can't be mapped, nor be in a mapped task group: Airflow would not skip the other branches. For many
    numbers use `KyivstarCheckSubscribersOperator`.

    :param msisdn: the number to check, in any common form. Only Ukrainian numbers can be subscribers.
    :param rules: a rule of the module `operators.kyivstar_open_telecom.rules`: a check, or `AllOf`, `AnyOf`
        and `Weights` of rules. `Device(imei=...)` takes a template or an XCom.
    :param pay: ids of the tasks or task groups that follow if the subscriber is safe. All branches must be
        directly downstream of this task, and what pays must wait for it: not with the trigger rule
        `one_success`, `one_done`, `all_done` or `always`. Within a group `none_failed` is refused as well.
    :param review: those that follow if an answer is missing for a decision: to ask a person, for example.
    :param refuse: those that follow if the subscriber is suspicious.
    :param prices: what a check costs, by its name: `{"sim_changed": "0.50"}`. The cheapest is asked first;
        checks without a price follow in the order in which the rules have them.
    :param evidence_max_age: how old an answer of an earlier try may be.
    :param evidence_path: also write what is returned to this JSON file: a path, or a URL like `s3://...`.
    :param on_lost_answer: what to do about a check whose answer was lost: `repeat_once` (default), or
        `report` it as unknown at once. It is never requested more than twice while it is that young.

    Raises TelecomInputError before anything is requested, TelecomAuthError, TelecomFundsError,
    TelecomThrottledError and TelecomNotSentError (the next try goes on). Then no branch is followed.
    Source: "/subscribers/{phoneNumber}" and the calls below it.
    """

    inherits_from_skipmixin = True
    template_fields: Sequence[str] = (
        *KyivstarOperator.template_fields,
        "dedupe_key",
        "msisdn",
        "rule_values",
        "evidence_path",
    )
    private_fields: ClassVar[Sequence[str]] = ("msisdn", "rule_values")

    def __init__(
        self,
        *,
        msisdn: str | int,
        rules: Rule,
        pay: str | Sequence[str],
        review: str | Sequence[str],
        refuse: str | Sequence[str],
        prices: Mapping[str, float | Decimal | str] | None = None,
        evidence_max_age: timedelta = _HOUR,
        evidence_path: str | None = None,
        on_lost_answer: OnLostAnswer = "repeat_once",
        **kwargs: Unpack[JournaledArguments],
    ) -> None:
        from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import OtherDevice
        from airflow_provider_telecom.operators.kyivstar_open_telecom.rules import Ruling

        super().__init__(**kwargs)
        self.msisdn, self.rules, self.prices = msisdn, rules, prices
        checks = Ruling(rules, prices).checks
        for check in checks:
            if isinstance(check, OtherDevice) and check.imei is None:
                raise TelecomInputError("rules", "a gate needs the IMEI: Device(imei=...)")
        self.rule_values = {check.label: list(check.values) for check in checks if check.values}
        self.pay, self.review, self.refuse = pay, review, refuse
        branches = {name: _task_ids(name, getattr(self, name)) for name in _BRANCHES}
        for name in ("review", "refuse"):
            if shared := sorted(set(branches["pay"]) & set(branches[name])):
                raise TelecomInputError(name, f"{_ONLY_SAFE}: {shared[0]}")
        if not isinstance(evidence_max_age, timedelta) or evidence_max_age <= timedelta(0):
            raise TelecomInputError("evidence_max_age", "must be a timedelta above 0")
        self.evidence_max_age, self.evidence_path = evidence_max_age, evidence_path
        self.on_lost_answer = one_of("on_lost_answer", on_lost_answer, get_args(OnLostAnswer))

    def execute(self, context: Context) -> dict[str, Any]:
        """Ask until it is decided, then skip the other branches."""
        if context["ti"].map_index != -1:  # only with -1 does Airflow skip branches
            raise TelecomInputError(
                "msisdn", "must not be mapped: Airflow would skip no branch. Nothing was requested"
            )
        self._check_branches()
        with HideTraceback():
            target = self._evidence_file()
            found = self._decide(context)
        self.log.info(
            "decision: %s, answers: %s, not asked: %s",
            found["decision"],
            ", ".join(map(_logged, found["evidence"])),
            ", ".join(found["not_asked"]) or "none",
        )
        if found["lost_answers"]:
            self.log.warning("the answers of %s requests are lost; they may be billed", found["lost_answers"])
        if target is not None:
            self._write(found, target)
        context["ti"].xcom_push("return_value", found)  # a branch does not return if it skips tasks
        self.do_branch(context, found["branch"])
        return found

    def _decide(self, context: Context) -> dict[str, Any]:
        from airflow_provider_telecom.operators.kyivstar_open_telecom.evidence import EvidenceJournal
        from airflow_provider_telecom.operators.kyivstar_open_telecom.rules import STATE_OF_ANSWER, Ruling

        msisdn = e164(self.reveal("msisdn"), self.hook.options.default_region)
        if not msisdn.startswith(_COUNTRY_CODE):
            raise TelecomInputError("msisdn", "must be a Ukrainian number: no other is a subscriber's")
        ruling, values = Ruling(self.rules, self.prices), self.reveal("rule_values")
        checks = {check.label: check for check in ruling.checks}
        for label, given in values.items():
            for check, value in zip(checks[label].columns.values(), given, strict=True):
                check(value)
        journal = EvidenceJournal(
            self._journal(context),
            self.hook,
            msisdn,
            max_age=self.evidence_max_age,
            repeats_lost=self.on_lost_answer == "repeat_once",
            dedupe_key=self._dedupe_key,
        )
        found: dict[str, Evidence] = {}
        states: dict[str, State] = {}
        while left := ruling.open_checks(states):
            label = left[0]
            found[label] = journal.answer(checks[label], values.get(label, ()))
            states[label] = STATE_OF_ANSWER[found[label].outcome.answer]
        decision = ruling.decision(states)
        units = None
        for evidence in found.values():
            units = add_units(units, evidence.outcome.facts.get("reserved_units"))
        return {
            "decision": decision,
            "branch": _task_ids(decision, getattr(self, decision)),
            "evidence": [evidence.to_dict(checks[label]) for label, evidence in found.items()],
            "not_asked": [label for label in checks if label not in found],
            "requests": journal.requests,
            "lost_answers": sum(evidence.lost for evidence in found.values()),
            "reserved_units": units,
        }

    def _check_branches(self) -> None:
        """Check that each branch can be skipped: otherwise it would run whatever is decided."""
        for name in _BRANCHES:
            for root in self._roots(name):
                if root not in self.downstream_task_ids:
                    raise TelecomInputError(
                        name,
                        f"{root} is not directly downstream of {self.task_id}, so that it would not be "
                        "skipped. Nothing was requested",
                    )
        for name in ("review", "refuse"):
            if shared := sorted(self._tasks("pay") & self._tasks(name)):
                raise TelecomInputError(name, f"{_ONLY_SAFE}: {shared[0]}. Nothing was requested")
        roots = self._roots("pay")
        for task_id in sorted(self._tasks("pay")):
            task = self.dag.get_task(task_id)
            rule = str(getattr(task.trigger_rule, "value", task.trigger_rule))
            safe = _PAYING_RULES if task_id in roots else _RULES_WITHIN
            if rule not in safe and not task.is_teardown:
                raise TelecomInputError(
                    "pay",
                    f"{task_id} has the trigger rule {rule}, with which it may run whatever is decided; give "
                    f"it one of {', '.join(safe)}. Nothing was requested",
                )

    def _roots(self, name: str) -> set[str]:
        """Return the first tasks of a branch, which are skipped if another one follows."""
        return {task.task_id for part in self._parts(name) for task in part.roots}

    def _tasks(self, name: str) -> set[str]:
        """Return the tasks of a branch: all of its groups."""
        found = set[str]()
        for part in self._parts(name):
            found |= {task.task_id for task in (part.iter_tasks() if hasattr(part, "iter_tasks") else [part])}
        return found

    def _parts(self, name: str) -> Iterator[Any]:
        """Return the tasks and groups that a branch names."""
        dag = self.dag
        for task_id in _task_ids(name, getattr(self, name)):
            if (group := dag.task_group_dict.get(task_id)) is not None:
                yield group
            elif task_id in dag.task_ids:
                yield dag.get_task(task_id)
            else:
                raise TelecomInputError(name, f"{task_id} is neither a task nor a group of this Dag")

    def _evidence_file(self) -> ObjectStoragePath | None:
        """Return where the evidence is written to, after a test write into the folder."""
        if self.evidence_path is None:
            return None
        from airflow_provider_telecom.tasks.storage import open_parent

        path = non_blank("evidence_path", self.evidence_path)
        non_blank("evidence_path", path.rpartition("/")[2])
        return open_parent(path, field="evidence_path")

    def _write(self, found: Mapping[str, Any], target: ObjectStoragePath) -> None:
        """Write the file of evidence."""
        from airflow_provider_telecom.operators.kyivstar_open_telecom.rules import Ruling
        from airflow_provider_telecom.tasks.storage import place

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / target.name
            content = {**found, "rules": Ruling(self.rules).to_dict()}
            file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            place(file, target)


def _logged(evidence: Mapping[str, Any]) -> str:
    """Return an answer for the log, with why it is unknown."""
    reason = f" ({evidence['reason']})" if evidence["reason"] else ""
    return f"{evidence['check']}: {evidence['answer']}{reason}"


def _task_ids(name: str, given: object) -> list[str]:
    """Return the ids of a branch."""
    ids = [given] if isinstance(given, str) else given
    if not isinstance(ids, (list, tuple)) or not ids:
        raise TelecomInputError(name, "must be the id of a task or a task group, or a list of them")
    return [non_blank(name, each) for each in ids]
