"""What `make mutate` mutates, and the tests that must notice: one table, ordered by what a fault costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PACKAGE = "airflow_provider_telecom"


@dataclass(frozen=True)
class Module:
    """Files that are mutated together, each with the tests that concern it, quick ones first."""

    name: str
    tests_of: Mapping[str, Sequence[str]]


def _module(name: str, tests_of: Mapping[str, str]) -> Module:
    return Module(
        name,
        {
            f"{_PACKAGE}/{path}.py": tuple(f"tests/{test}.py" for test in tests.split())
            for path, tests in tests_of.items()
        },
    )


MODULES = {
    module.name: module
    for module in (
        _module(
            "journal",
            {
                "journal/journal": "journal/test_journal",
                "journal/unknown": "journal/test_journal",
                "journal/claims": "journal/test_claims bulk/test_budget",
                "journal/idempotency_keys": "journal/test_idempotency_keys",
                "journal/checkpoint": "journal/test_checkpoint",
                "tasks/effects": (
                    "tasks/test_effects operators/test_kyivstar_fmc operators/test_paid_logs "
                    "journal/test_previous_version"
                ),
            },
        ),
        _module(
            "sends",
            {
                "bulk/sender_without_keys": "bulk/test_sender_without_keys",
                "bulk/requests_without_keys": (
                    "bulk/test_requests_without_keys bulk/test_sender_without_keys"
                ),
                "bulk/failover": "bulk/test_failover",
            },
        ),
        _module(
            "retry",
            {
                "calls/retry": "calls/test_retry calls/test_turns",
                "calls/retry_after": "calls/test_retry_after calls/test_retry",
                "calls/errors": "calls/test_errors calls/test_retry",
                "transport/outcome": "transport/test_reasons",
            },
        ),
        _module(
            "budget",
            {
                "bulk/budget": "bulk/test_budget",
                "bulk/budget_store": "bulk/test_budget",
            },
        ),
        _module(
            "ladder",
            {
                "bulk/fallback": "bulk/test_fallback",
                "operators/next_rung": "operators/test_next_rung",
                "bulk/ladder_report": "bulk/test_ladder_report",
            },
        ),
        _module(
            "alerts",
            {"notifications/deduplication": "notifications/test_claims notifications/test_deduplication"},
        ),
        _module(
            "fraud",
            {
                "operators/kyivstar_open_telecom/rules": "operators/kyivstar_open_telecom/test_rules",
                "operators/kyivstar_open_telecom/evidence": (
                    "operators/kyivstar_open_telecom/test_rules "
                    "operators/kyivstar_open_telecom/test_fraud_gate"
                ),
                "operators/kyivstar_open_telecom/fraud_gate": (
                    "operators/kyivstar_open_telecom/test_fraud_gate"
                ),
            },
        ),
        _module("fleet", {"vendors/novaconnect/fleet": "vendors/novaconnect/test_fleet"}),
        _module(
            "oauth",
            dict.fromkeys(
                ("auth/client_credentials", "auth/not_sent"),
                "auth/test_client_credentials auth/test_sharing_of_tokens",
            ),
        ),
        _module("tokens", {"auth/rotating_jwt": "auth/test_rotating_jwt"}),
        _module(
            "secrets",
            {
                "calls/redaction": "calls/test_redaction",
                "calls/privacy": "calls/test_privacy",
                "tasks/private": "tasks/test_private",
                "transport/addresses": "transport/test_addresses",
            },
        ),
        _module(
            "webhooks",
            {"webhooks/address": "webhooks/test_address", "webhooks/keys": "webhooks/test_keys"},
        ),
        _module(
            "verdicts",
            {
                "vendors/kyivstar_open_telecom/responses": (
                    "vendors/kyivstar_open_telecom/test_responses vendors/kyivstar_open_telecom/test_v1"
                ),
                "vendors/novaconnect/responses": "vendors/novaconnect/test_responses",
            },
        ),
    )
}
LIMIT = 90
"""Percent of the mutants that the tests of each module must kill."""


def reason_of(path: str, function: str, change: str) -> str:
    """Return why a surviving mutant is no fault, or an empty text."""
    return _REASONS.get((path.removeprefix(f"{_PACKAGE}/"), function, change), "")


_REASONS: dict[tuple[str, str, str], str] = {
    (
        "journal/journal.py",
        "Journal.__init__",
        "wait_until_ready: Callable[[], object] = lambda: None, -> "
        "wait_until_ready: Callable[[], object] = lambda: 0,",
    ): "nobody reads what it returns",
    (
        "journal/claims.py",
        "valid_claims",
        "if claim and (claim.reservation not in found or found[claim.reservation].number < claim.number): -> "
        "if claim and (claim.reservation not in found or found[claim.reservation].number <= claim.number):",
    ): "no two claims of a reservation have the same number",
    (
        "journal/idempotency_keys.py",
        "",
        "_AT_ONCE = 500 -> _AT_ONCE = 501",
    ): "the keys do not depend on how many are calculated at once",
    (
        "bulk/fallback.py",
        "",
        '_ROWS, _PEOPLE, _JUDGED = "telecom_fallback_rows", "telecom_fallback_people", '
        '"telecom_fallback_judged" -> _ROWS, _PEOPLE, _JUDGED = '
        '"XXtelecom_fallback_rowsXX", "telecom_fallback_people", '
        '"telecom_fallback_judged"',
    ): "the name of a temporary table of DuckDB",
    (
        "bulk/fallback.py",
        "",
        '_ROWS, _PEOPLE, _JUDGED = "telecom_fallback_rows", "telecom_fallback_people", '
        '"telecom_fallback_judged" -> _ROWS, _PEOPLE, _JUDGED = "telecom_fallback_rows", '
        '"XXtelecom_fallback_peopleXX", "telecom_fallback_judged"',
    ): "the name of a temporary table of DuckDB",
    (
        "bulk/fallback.py",
        "",
        '_ROWS, _PEOPLE, _JUDGED = "telecom_fallback_rows", "telecom_fallback_people", '
        '"telecom_fallback_judged" -> _ROWS, _PEOPLE, _JUDGED = "telecom_fallback_rows", '
        '"telecom_fallback_people", "XXtelecom_fallback_judgedXX"',
    ): "the name of a temporary table of DuckDB",
    (
        "bulk/fallback.py",
        "",
        '_CHOSEN = "telecom_fallback_chosen" -> _CHOSEN = None',
    ): "the name of a temporary table of DuckDB",
    (
        "bulk/fallback.py",
        "",
        '_CHOSEN = "telecom_fallback_chosen" -> _CHOSEN = "XXtelecom_fallback_chosenXX"',
    ): "the name of a temporary table of DuckDB",
    (
        "bulk/fallback.py",
        "Fallback",
        "codes: Sequence[str] = () -> codes: Sequence[str] = None",
    ): "each selection gives it",
    (
        "bulk/fallback.py",
        "Fallback",
        "climb_on: Sequence[str] = () -> climb_on: Sequence[str] = None",
    ): "each selection gives it",
    (
        "bulk/fallback.py",
        "Fallback",
        'run: str = "" -> run: str = None',
    ): "each selection gives it",
    (
        "bulk/fallback.py",
        "Fallback",
        'run: str = "" -> run: str = "XXXX"',
    ): "each selection gives it",
    (
        "operators/next_rung.py",
        "check_climb_on",
        'found = _names("climb_on", states) if states else [] -> found = '
        '_names("climb_on", states) if (states) or True else []',
    ): "_names returns nothing for nothing",
    (
        "operators/next_rung.py",
        "",
        "log = logging.getLogger(__name__) -> log = logging.getLogger(None)",
    ): "the lines are the same; only the name of their logger differs",
    (
        "operators/next_rung.py",
        "SelectFallbackOperator",
        'ui_color = "#d7e3fc" -> ui_color = None',
    ): "a colour",
    (
        "operators/next_rung.py",
        "SelectFallbackOperator",
        'ui_color = "#d7e3fc" -> ui_color = "XX#d7e3fcXX"',
    ): "a colour",
    (
        "bulk/ladder_report.py",
        "",
        '_ROWS, _MEMBERS, _STEPS = "telecom_report_rows", "telecom_report_members", '
        '"telecom_report_steps" -> _ROWS, _MEMBERS, _STEPS = "XXtelecom_report_rowsXX", '
        '"telecom_report_members", "telecom_report_steps"',
    ): "the name of a temporary table of DuckDB",
    (
        "bulk/ladder_report.py",
        "",
        '_ROWS, _MEMBERS, _STEPS = "telecom_report_rows", "telecom_report_members", '
        '"telecom_report_steps" -> _ROWS, _MEMBERS, _STEPS = "telecom_report_rows", '
        '"XXtelecom_report_membersXX", "telecom_report_steps"',
    ): "the name of a temporary table of DuckDB",
    (
        "bulk/ladder_report.py",
        "",
        '_ROWS, _MEMBERS, _STEPS = "telecom_report_rows", "telecom_report_members", '
        '"telecom_report_steps" -> _ROWS, _MEMBERS, _STEPS = "telecom_report_rows", '
        '"telecom_report_members", "XXtelecom_report_stepsXX"',
    ): "the name of a temporary table of DuckDB",
    (
        "bulk/ladder_report.py",
        "",
        '_PEOPLE, _LINES = "telecom_report_people", "telecom_report_lines" -> _PEOPLE, '
        '_LINES = "XXtelecom_report_peopleXX", "telecom_report_lines"',
    ): "the name of a temporary table of DuckDB",
    (
        "bulk/ladder_report.py",
        "",
        '_PEOPLE, _LINES = "telecom_report_people", "telecom_report_lines" -> _PEOPLE, '
        '_LINES = "telecom_report_people", "XXtelecom_report_linesXX"',
    ): "the name of a temporary table of DuckDB",
    (
        "vendors/novaconnect/fleet.py",
        "_Index.matching",
        "forms = {_digits(str(wanted)), e164_or_none(str(wanted), self._region) or "
        "str(wanted)} -> forms = {_digits(str(wanted)), e164_or_none(str(wanted), "
        "self._region) or str(None)}",
    ): "a number that is not in E.164 is found by its digits",
    (
        "bulk/fallback.py",
        "",
        "_BATCH = 100_000 -> _BATCH = 100001",
    ): "the result does not depend on how many recipients are read at once",
    (
        "bulk/ladder_report.py",
        "",
        "_BATCH = 100_000 -> _BATCH = 100001",
    ): "the result does not depend on how many recipients are read at once",
    (
        "bulk/ladder_report.py",
        "_read_audiences",
        "has_variants = False -> has_variants = None",
    ): "it is only asked whether it is true",
    (
        "operators/kyivstar_open_telecom/rules.py",
        "Ruling.__init__",
        "self._open = lru_cache(_MAX_REMEMBERED)(self._open_checks) # many numbers have "
        "the same answers -> self._open = lru_cache(None)(self._open_checks) # many "
        "numbers have the same answers",
    ): "only memory and time depend on how many answers are remembered",
    (
        "operators/kyivstar_open_telecom/rules.py",
        "",
        "_MAX_REMEMBERED = 10_000 -> _MAX_REMEMBERED = None",
    ): "only memory and time depend on how many answers are remembered",
    (
        "operators/kyivstar_open_telecom/rules.py",
        "",
        "Rule: TypeAlias = SubscriberCheck | CombinedRule -> Rule: TypeAlias = None",
    ): "for type checkers",
    (
        "operators/kyivstar_open_telecom/evidence.py",
        "",
        "log = logging.getLogger(__name__) -> log = logging.getLogger(None)",
    ): "the lines are the same; only the name of their logger differs",
    (
        "operators/kyivstar_open_telecom/fraud_gate.py",
        "KyivstarFraudGateOperator._decide",
        '"branch": _task_ids(decision, getattr(self, decision)), -> "branch": '
        "_task_ids(None, getattr(self, decision)),",
    ): "the name is for an error that is raised when the Dag is parsed",
    (
        "operators/kyivstar_open_telecom/fraud_gate.py",
        "KyivstarFraudGateOperator._parts",
        "for task_id in _task_ids(name, getattr(self, name)): -> for task_id in "
        "_task_ids(None, getattr(self, name)):",
    ): "the name is for an error that is raised when the Dag is parsed",
    (
        "operators/kyivstar_open_telecom/fraud_gate.py",
        "KyivstarFraudGateOperator._write",
        'file.write_text(json.dumps(content, indent=2) + "\\n", encoding="utf-8") -> '
        'file.write_text(json.dumps(content, indent=2) + "\\n", )',
    ): "the text is ASCII",
    (
        "operators/kyivstar_open_telecom/rules.py",
        "State",
        "SAFE = 2 -> SAFE = 3",
    ): "states are compared and stored by name; only their order matters",
    (
        "operators/kyivstar_open_telecom/rules.py",
        "",
        "_MAX_REMEMBERED = 10_000 -> _MAX_REMEMBERED = 10001",
    ): "the answer does not depend on how many others are remembered",
    (
        "operators/kyivstar_open_telecom/rules.py",
        "Weights.combine",
        "for (_, weight), state in zip(self.weights, states, strict=True): -> "
        "for (_, weight), state in zip(self.weights, states, strict=False):",
    ): "there are as many states as weights: both come from the parts of the rule",
    (
        "operators/kyivstar_open_telecom/rules.py",
        "Weights.combine",
        "for (_, weight), state in zip(self.weights, states, strict=True): -> "
        "for (_, weight), state in zip(self.weights, states, ):",
    ): "there are as many states as weights: both come from the parts of the rule",
    (
        "operators/kyivstar_open_telecom/evidence.py",
        "Evidence.is_younger_than",
        "return abs(datetime.now(UTC) - self.asked_at) < age -> "
        "return abs(datetime.now(UTC) - self.asked_at) <= age",
    ): "an answer that has exactly the age, to the microsecond, may be asked again or not",
    (
        "operators/kyivstar_open_telecom/evidence.py",
        "EvidenceJournal.__init__",
        "hook.repeats_lost_checks = False # a repetition is written to the journal first -> "
        "hook.repeats_lost_checks = None # a repetition is written to the journal first",
    ): "it is only asked whether it is true",
    (
        "operators/kyivstar_open_telecom/fraud_gate.py",
        "KyivstarFraudGateOperator._decide",
        "for check, value in zip(checks[label].columns.values(), given, strict=True): -> "
        "for check, value in zip(checks[label].columns.values(), given, strict=False):",
    ): "there are as many values as columns: both come from the check",
    (
        "operators/kyivstar_open_telecom/fraud_gate.py",
        "KyivstarFraudGateOperator._decide",
        "for check, value in zip(checks[label].columns.values(), given, strict=True): -> "
        "for check, value in zip(checks[label].columns.values(), given, ):",
    ): "there are as many values as columns: both come from the check",
    (
        "vendors/novaconnect/fleet.py",
        "diff",
        "is_held_back = False -> is_held_back = None",
    ): "it is only asked whether it is true",
    (
        "auth/client_credentials.py",
        "ClientCredentials.__init__",
        'self._token: Secret | None = None -> self._token: Secret | None = ""',
    ): "it is not read before `_renew_at` is set",
    (
        "auth/client_credentials.py",
        "ClientCredentials.__init__",
        "self._renew_at = 0.0 -> self._renew_at = 1.0",
    ): "the clock is later than both",
    (
        "auth/client_credentials.py",
        "",
        "_MAX_FETCH_SECONDS = 90.0 -> _MAX_FETCH_SECONDS = 91.0",
    ): "the bound may be any number of this size",
    (
        "auth/client_credentials.py",
        "",
        "_EARLY_SECONDS, _EARLY_SHARE = 120.0, 0.05 -> _EARLY_SECONDS, _EARLY_SHARE = 121.0, 0.05",
    ): "tokens are renewed early by a random time around it",
    (
        "auth/client_credentials.py",
        "",
        "SHARING = RotationTiming(renew_early=720.0, tolerated_early_revocations=10, "
        "max_early_revocations=20) -> SHARING = RotationTiming(renew_early=721.0, "
        "tolerated_early_revocations=10, max_early_revocations=20)",
    ): "tokens are renewed early by a random time around it",
    (
        "auth/client_credentials.py",
        "ClientCredentials._others_share",
        "return False -> return None",
    ): "it is only a condition",
    (
        "auth/client_credentials.py",
        "",
        "log = logging.getLogger(__name__) -> log = logging.getLogger(None)",
    ): "a warning has the name of another logger",
    (
        "notifications/deduplication.py",
        "RecipientRecord.parse",
        'found = json.loads(text or "{}") -> found = json.loads(text or "XX{}XX")',
    ): "a text that is no JSON is an empty record too",
    (
        "calls/redaction.py",
        "_without_secrets",
        "parts = {wanted[place : place + size] for place in range(len(wanted) - size + 1)} -> "
        "parts = {wanted[place : place + size] for place in range(len(wanted) + size + 1)}",
    ): "a shorter part is none of the text's",
    (
        "calls/redaction.py",
        "_without_secrets",
        "parts = {wanted[place : place + size] for place in range(len(wanted) - size + 1)} -> "
        "parts = {wanted[place : place + size] for place in range(len(wanted) - size + 2)}",
    ): "a shorter part is none of the text's",
    (
        "calls/redaction.py",
        "_without_secrets",
        "for place in range(len(text) - size + 1): -> for place in range(len(text) + size + 1):",
    ): "what begins later is shorter than all parts",
    (
        "calls/redaction.py",
        "_without_secrets",
        "for place in range(len(text) - size + 1): -> for place in range(len(text) - size + 2):",
    ): "what begins later is shorter than all parts",
    (
        "calls/redaction.py",
        "_without_secrets",
        'visible = "".join("\\0" if is_hidden else letter for letter, is_hidden in zip(text, '
        'hidden, strict=True)) -> visible = "".join("\\0" if is_hidden else letter for letter, '
        "is_hidden in zip(text, hidden, ))",
    ): "both are equally long",
    (
        "calls/redaction.py",
        "_without_secrets",
        'visible = "".join("\\0" if is_hidden else letter for letter, is_hidden in zip(text, '
        'hidden, strict=True)) -> visible = "".join("\\0" if is_hidden else letter for letter, '
        "is_hidden in zip(text, hidden, strict=False))",
    ): "both are equally long",
    (
        "calls/redaction.py",
        "_forms",
        'yield from (value, quote(value, safe=""), quote(value), quote_plus(value), escape(value)) '
        '-> yield from (value, quote(value, safe="XXXX"), quote(value), quote_plus(value), '
        "escape(value))",
    ): "letters are never encoded",
    (
        "calls/redaction.py",
        "_base64_forms",
        "for before in range(3): -> for before in range(4):",
    ): "the fourth offset is the first one again",
    (
        "calls/redaction.py",
        "_base64_forms",
        "first, end = -(-8 * before // 6), 8 * (before + len(value)) // 6 -> first, end = -(-9 * "
        "before // 6), 8 * (before + len(value)) // 6",
    ): "the offsets are 0, 2 and 3 as well",
    (
        "calls/redaction.py",
        "_base64_forms",
        "first, end = -(-8 * before // 6), 8 * (before + len(value)) // 6 -> first, end = -(-8 * "
        "before // 7), 8 * (before + len(value)) // 6",
    ): "the offsets are 0, 2 and 3 as well",
    (
        "calls/redaction.py",
        "",
        "_MAX_READ, _MAX_TEXT = 4000, 200 -> _MAX_READ, _MAX_TEXT = 4001, 200",
    ): "the bound may be any number of this size",
    (
        "webhooks/address.py",
        "ReceiverSettings.url",
        'path = "/".join(quote(part, safe="") for part in parts) -> path = "/".join(quote(part, '
        'safe="XXXX") for part in parts)',
    ): "letters are never encoded",
    (
        "webhooks/address.py",
        "_setting",
        'return str(conf.get("telecom", name, fallback="") or "").strip() -> return '
        'str(conf.get("telecom", name, ) or "").strip()',
    ): "the provider describes each of its options, so Airflow finds it",
    (
        "webhooks/address.py",
        "_setting",
        'return str(conf.get("telecom", name, fallback="") or "").strip() -> return '
        'str(conf.get("telecom", name, fallback="XXXX") or "").strip()',
    ): "the provider describes each of its options, so Airflow finds it",
    (
        "webhooks/address.py",
        "_check_base_url",
        'host = None -> host = ""',
    ): "both mean that there is none",
    (
        "webhooks/address.py",
        "",
        "Network = IPv4Network | IPv6Network -> Network = None",
    ): "it is only a type",
    (
        "calls/retry.py",
        "wait_until_ready",
        'flow = auth.flow(Request("GET", "/", Idempotency.READ)) # it is never sent -> flow = '
        'auth.flow(Request(None, "/", Idempotency.READ)) # it is never sent',
    ): "it is never sent",
    (
        "calls/retry.py",
        "wait_until_ready",
        'flow = auth.flow(Request("GET", "/", Idempotency.READ)) # it is never sent -> flow = '
        'auth.flow(Request("GET", None, Idempotency.READ)) # it is never sent',
    ): "it is never sent",
    (
        "calls/retry.py",
        "wait_until_ready",
        'flow = auth.flow(Request("GET", "/", Idempotency.READ)) # it is never sent -> flow = '
        'auth.flow(Request("GET", "/", None)) # it is never sent',
    ): "it is never sent",
    (
        "calls/retry.py",
        "wait_until_ready",
        'flow = auth.flow(Request("GET", "/", Idempotency.READ)) # it is never sent -> flow = '
        'auth.flow(Request("XXGETXX", "/", Idempotency.READ)) # it is never sent',
    ): "it is never sent",
    (
        "calls/retry.py",
        "wait_until_ready",
        'flow = auth.flow(Request("GET", "/", Idempotency.READ)) # it is never sent -> flow = '
        'auth.flow(Request("GET", "XX/XX", Idempotency.READ)) # it is never sent',
    ): "it is never sent",
    (
        "calls/retry.py",
        "wait_until_ready",
        'failure: Exception | None = None -> failure: Exception | None = ""',
    ): "both are false",
    (
        "calls/retry.py",
        "send_with_retry",
        "in_doubt = False # whether an earlier request may have arrived -> in_doubt = None # "
        "whether an earlier request may have arrived",
    ): "both are false",
    (
        "calls/retry.py",
        "_take_turn",
        'raise AssertionError("count() does not end") -> pass',
    ): "it is never reached",
    (
        "calls/retry.py",
        "send_with_retry",
        'raise AssertionError("count() does not end") -> pass',
    ): "it is never reached",
    (
        "calls/retry.py",
        "_take_turn",
        "if not should_retry(Idempotency.READ, error, attempt): -> if not should_retry(None, "
        "error, attempt):",
    ): "what was not sent may be sent again in each class",
    (
        "calls/retry.py",
        "_read",
        'place = "".join(format_tb(error.__traceback__)) -> place = '
        '"XXXX".join(format_tb(error.__traceback__))',
    ): "it is only in the log",
    (
        "calls/retry.py",
        "_is_within_limits",
        "return False -> return None",
    ): "both are false",
    (
        "calls/retry_after.py",
        "_parse",
        "if not 0 < len(text) <= _MAX_DATE_LENGTH: -> if not 0 <= len(text) <= _MAX_DATE_LENGTH:",
    ): "the parser reads no date from it either",
    (
        "calls/retry_after.py",
        "_parse",
        "if not 0 < len(text) <= _MAX_DATE_LENGTH: -> if not 1 < len(text) <= _MAX_DATE_LENGTH:",
    ): "the parser reads no date from it either",
    (
        "calls/retry_after.py",
        "_parse",
        "except (TypeError, ValueError, ArithmeticError, LookupError): # raised for texts that are "
        "no date -> except ((ValueError, ArithmeticError, LookupError)): # raised for texts that "
        "are no date",
    ): "for other versions of Python's parser: this one raises no such error",
    (
        "calls/retry_after.py",
        "_parse",
        "except (TypeError, ValueError, ArithmeticError, LookupError): # raised for texts that are "
        "no date -> except ((TypeError, ValueError, ArithmeticError, )): # raised for texts that "
        "are no date",
    ): "for other versions of Python's parser: this one raises no such error",
    (
        "calls/retry_after.py",
        "retry_after",
        'asked = parse_wait(headers.get("retry-after", ""), wall_clock) -> asked = '
        'parse_wait(headers.get("retry-after", "XXXX"), wall_clock)',
    ): "neither is a number or a date",
    (
        "calls/retry_after.py",
        "retry_after",
        'return parse_wait(headers.get("x-rate-limit-reset", ""), wall_clock) if asked is None '
        'else asked -> return parse_wait(headers.get("x-rate-limit-reset", "XXXX"), wall_clock) if '
        "asked is None else asked",
    ): "neither is a number or a date",
    (
        "calls/retry_after.py",
        "is_quota_exhausted",
        'remaining = headers.get("x-rate-limit-remaining", "").strip() -> remaining = '
        'headers.get("x-rate-limit-remaining", "XXXX").strip()',
    ): "neither is a number or a date",
    (
        "calls/errors.py",
        "TelecomError",
        'host: str | None = None -> host: str | None = ""',
    ): "both mean that there is none",
    (
        "calls/errors.py",
        "TelecomError",
        'known_outcome: ClassVar[str] = "" -> known_outcome: ClassVar[str] = None',
    ): "both mean that there is none",
    (
        "calls/errors.py",
        "StoredError",
        "class StoredError(ErrorFields, total=False): -> class StoredError(ErrorFields, total=True):",
    ): "it is only a type",
    (
        "transport/outcome.py",
        "",
        "_MAX_NESTED_ERRORS = 20 -> _MAX_NESTED_ERRORS = 21",
    ): "the bound may be any number of this size",
    (
        "notifications/deduplication.py",
        "Deduplicator._locked",
        "lock.__exit__(None, None, None) -> pass",
    ): "a lock that nobody refers to is released",
    (
        "notifications/deduplication.py",
        "Deduplicator._stored",
        "if text is None and _is_supervised() and self._name in "
        "list(Variable.keys(prefix=self._name)): -> if text is None and _is_supervised() and "
        "self._name in list(Variable.keys()):",
    ): "the name is among all names as well",
    (
        "notifications/deduplication.py",
        "Deduplicator._save",
        "return False -> return None",
    ): "both are false",
    (
        "notifications/deduplication.py",
        "Deduplicator._save",
        '_memory.save(self._name, "") -> _memory.save(self._name, None)',
    ): "each is read as an empty record",
    (
        "notifications/deduplication.py",
        "Deduplicator._save",
        '_memory.save(self._name, "") -> _memory.save(self._name, "XXXX")',
    ): "each is read as an empty record",
    (
        "bulk/budget.py",
        "",
        "Amount = Decimal | str | int -> Amount = None",
    ): "it is only a type",
    (
        "bulk/budget.py",
        "shown",
        'return text.rstrip("0").rstrip(".") if "." in text else text -> return '
        'text.rstrip("XX0XX").rstrip(".") if "." in text else text',
    ): "an amount has no letters",
    (
        "bulk/budget.py",
        "shown",
        'return text.rstrip("0").rstrip(".") if "." in text else text -> return '
        'text.rstrip("0").rstrip("XX.XX") if "." in text else text',
    ): "an amount has no letters",
    (
        "bulk/budget_store.py",
        "Reservation.reserve",
        "asked = _Record(token_hex(6), int(self._clock()), str(extra), self._purpose) -> asked = "
        "_Record(token_hex(None), int(self._clock()), str(extra), self._purpose)",
    ): "an id may have any length",
    (
        "bulk/budget_store.py",
        "Reservation.reserve",
        "asked = _Record(token_hex(6), int(self._clock()), str(extra), self._purpose) -> asked = "
        "_Record(token_hex(7), int(self._clock()), str(extra), self._purpose)",
    ): "an id may have any length",
    (
        "bulk/budget_store.py",
        "Reservation.settle",
        'mine = [_Record(token_hex(6), int(self._clock()), "0", self._purpose)] -> mine = '
        '[_Record(token_hex(None), int(self._clock()), "0", self._purpose)]',
    ): "an id may have any length",
    (
        "bulk/budget_store.py",
        "Reservation.settle",
        'mine = [_Record(token_hex(6), int(self._clock()), "0", self._purpose)] -> mine = '
        '[_Record(token_hex(7), int(self._clock()), "0", self._purpose)]',
    ): "an id may have any length",
    (
        "bulk/budget_store.py",
        "Reservation.settle",
        'mine = [_Record(token_hex(6), int(self._clock()), "0", self._purpose)] -> mine = '
        "[_Record(token_hex(6), int(self._clock()), None, self._purpose)]",
    ): "the amount is replaced below",
    (
        "bulk/budget_store.py",
        "Reservation.settle",
        'mine = [_Record(token_hex(6), int(self._clock()), "0", self._purpose)] -> mine = '
        '[_Record(token_hex(6), int(self._clock()), "XX0XX", self._purpose)]',
    ): "the amount is replaced below",
    (
        "bulk/budget_store.py",
        "Reservation.forget_old",
        "old = datetime.fromtimestamp(self._clock(), UTC).date() - timedelta(days=KEPT_DAYS + 31) "
        "-> old = datetime.fromtimestamp(self._clock(), None).date() - timedelta(days=KEPT_DAYS + "
        "31)",
    ): "old entries may be deleted a day earlier or later",
    (
        "bulk/budget_store.py",
        "Reservation._write",
        "Variable.set(claim.key, self._value, description=_DESCRIPTION) -> Variable.set(claim.key, "
        "self._value, )",
    ): "the description is for people",
    (
        "bulk/budget_store.py",
        "",
        "_MAX_ROUNDS = 8 -> _MAX_ROUNDS = 9",
    ): "the bound may be any number of this size",
    (
        "bulk/budget_store.py",
        "",
        "_PAUSE = 0.2 -> _PAUSE = 1.2",
    ): "the bound may be any number of this size",
    (
        "bulk/budget_store.py",
        "_Record",
        "is_confirmed: bool = False -> is_confirmed: bool = None",
    ): "both are false",
    (
        "bulk/budget_store.py",
        "",
        "log = logging.getLogger(__name__) -> log = logging.getLogger(None)",
    ): "it only names the logger",
    (
        "vendors/kyivstar_open_telecom/responses.py",
        "content",
        'if (units := _units(response.headers.get(RESERVED_UNITS_HEADER, ""))) is not None: -> if '
        '(units := _units(response.headers.get(RESERVED_UNITS_HEADER, "XXXX"))) is not None:',
    ): "neither is a number",
    (
        "vendors/kyivstar_open_telecom/responses.py",
        "_units",
        "return float(found[0]) if found[2] else int(found[0]) -> return float(found[0]) if "
        "found[2] else int(found[1])",
    ): "without a fraction both are the whole text",
    (
        "vendors/kyivstar_open_telecom/responses.py",
        "",
        "_STATUSES_OF_1040 = (200, 400, 404, 422) -> _STATUSES_OF_1040 = ((200, 400, 422))",
    ): "a 404 with a code is the same error",
    (
        "vendors/kyivstar_open_telecom/responses.py",
        "",
        "_STATUSES_OF_1040 = (200, 400, 404, 422) -> _STATUSES_OF_1040 = (200, 400, 405, 422)",
    ): "a 404 with a code is the same error",
    (
        "vendors/novaconnect/responses.py",
        "Envelope.items",
        "if rows == list[dict[str, Any]] and isinstance(found, list) and set(map(type, found)) <= {dict}: -> "
        "if rows == list[dict[str, Any]] and isinstance(found, list) and set(map(type, found)) < {dict}:",
    ): "the slower way reads the same rows",
    (
        "journal/checkpoint.py",
        "",
        "_HASHED_AT_ONCE = 1_000 -> _HASHED_AT_ONCE = 1001",
    ): "the hash does not depend on how many keys are hashed at once",
    (
        "journal/checkpoint.py",
        "",
        "_MAX_BLOCK = 20_000 -> _MAX_BLOCK = 20001",
    ): "the bound may be any number of this size",
    (
        "journal/idempotency_keys.py",
        "IdempotencyKeys.of_all",
        "while batch := list(islice(following, _AT_ONCE)): -> while batch := list(islice(following, None)):",
    ): "the keys do not depend on how many are calculated at once",
    (
        "journal/idempotency_keys.py",
        "",
        "_AT_ONCE = 500 -> _AT_ONCE = None",
    ): "the keys do not depend on how many are calculated at once",
    (
        "journal/idempotency_keys.py",
        "_masks",
        'int.from_bytes((2**size - 1).to_bytes(2 * after // 8, "big") * (128 // after * count), '
        '"big"), -> '
        'int.from_bytes((2**size - 1).to_bytes(2 * after // 8, "big") * (129 // after * count), '
        '"big"),',
    ): "the quotient is the same for all values of `after`",
    (
        "journal/checkpoint.py",
        "Checkpoint.__init__",
        "self._size = 0 -> self._size = None",
    ): "it is only a condition",
    (
        "journal/checkpoint.py",
        "Checkpoint.__init__",
        "self._is_taken_over = False -> self._is_taken_over = None",
    ): "it is only a condition",
    (
        "journal/checkpoint.py",
        "Checkpoint.__init__",
        "self.is_done = False -> self.is_done = None",
    ): "it is only a condition",
    (
        "journal/checkpoint.py",
        "Checkpoint.forget",
        'self._journal.write(self._name, Entry(State.PLANNED, "", nothing)) -> '
        "self._journal.write(self._name, Entry(State.PLANNED, None, nothing))",
    ): "nobody compares the content of an entry that says that nothing was sent",
    (
        "journal/checkpoint.py",
        "Checkpoint.forget",
        'self._journal.write(self._name, Entry(State.PLANNED, "", nothing)) -> '
        'self._journal.write(self._name, Entry(State.PLANNED, "XXXX", nothing))',
    ): "nobody compares the content of an entry that says that nothing was sent",
    (
        "journal/checkpoint.py",
        "_hashed",
        "while batch := list(islice(following, _HASHED_AT_ONCE)): -> "
        "while batch := list(islice(following, None)):",
    ): "the hash does not depend on how many keys are hashed at once",
    (
        "journal/checkpoint.py",
        "",
        "_HASHED_AT_ONCE = 1_000 -> _HASHED_AT_ONCE = None",
    ): "the hash does not depend on how many keys are hashed at once",
    (
        "auth/rotating_jwt.py",
        "RotatingJwt.flow",
        'raise AssertionError("the last round returns") -> pass',
    ): "the line is never reached",
    (
        "auth/rotating_jwt.py",
        "RotatingJwt._expires_soon",
        "return left < self.timing.renew_early * random.uniform(1, 2) and not just_tried -> "
        "return left <= self.timing.renew_early * random.uniform(1, 2) and not just_tried",
    ): "a random time is compared",
    (
        "auth/rotating_jwt.py",
        "RotatingJwt._replace",
        "lease, seen_since = None, 0.0 -> lease, seen_since = None, 1.0",
    ): "it is not read before it is set",
    (
        "auth/rotating_jwt.py",
        "RotatingJwt._acquire_lease",
        'mine = json.dumps({"me": self.worker_id, "at": self.clock()}) -> '
        'mine = json.dumps({"me": self.worker_id, "XXatXX": self.clock()})',
    ): "nobody reads the time of a lease; it makes each lease another one",
    (
        "auth/rotating_jwt.py",
        "RotatingJwt._publish",
        'for _ in ("write", "read back"): -> for _ in ("XXwriteXX", "read back"):',
    ): "the texts are names for readers",
    (
        "auth/rotating_jwt.py",
        "_json_object",
        'found = json.loads(text or "{}") -> found = json.loads(text or "XX{}XX")',
    ): "a text that is no JSON is no token either",
    (
        "auth/rotating_jwt.py",
        "",
        "log = logging.getLogger(__name__) -> log = logging.getLogger(None)",
    ): "a message has the name of another logger",
    (
        "auth/rotating_jwt.py",
        "RotatingToken",
        'refresh: Secret | None = None -> refresh: Secret | None = ""',
    ): "it is only a condition",
    (
        "auth/rotating_jwt.py",
        "RotationTiming",
        "renew_early: float = 1800.0 -> renew_early: float = 1801.0",
    ): "tokens are renewed early by a random time around it",
    (
        "bulk/sender_without_keys.py",
        "SenderWithoutKeys.__init__",
        "self._earlier: Block[MessageT] = Block(()) -> self._earlier: Block[MessageT] = Block(None)",
    ): "its messages are not read before there is another block",
    (
        "bulk/sender_without_keys.py",
        "SenderWithoutKeys.__init__",
        "self._block: Block[MessageT] = Block(()) -> self._block: Block[MessageT] = Block(None)",
    ): "its messages are not read before there is another block",
    (
        "bulk/sender_without_keys.py",
        "SenderWithoutKeys.__init__",
        "self._counted = 0 -> self._counted = 1",
    ): "it is set before there are results",
    (
        "bulk/sender_without_keys.py",
        "SenderWithoutKeys.__init__",
        'self._announced_at: str | None = None -> self._announced_at: str | None = ""',
    ): "it is set before it is read",
    (
        "bulk/sender_without_keys.py",
        "SenderWithoutKeys.run",
        "def run(self, reserve: Callable[[CountsT, int], None] = lambda counts, in_doubt: None) -> "
        "None: -> def run(self, reserve: Callable[[CountsT, int], None] = lambda counts, in_doubt: "
        "0) -> None:",
    ): "nobody reads what it returns",
    (
        "bulk/sender_without_keys.py",
        "SenderWithoutKeys._blocks_left",
        "while part := list(islice(messages, _HANDED_OVER_AT_ONCE)): -> "
        "while part := list(islice(messages, None)):",
    ): "it only bounds the memory",
    (
        "bulk/sender_without_keys.py",
        "SenderWithoutKeys._send_blocks",
        "is_first = False -> is_first = None",
    ): "it is only a condition",
    (
        "bulk/sender_without_keys.py",
        "SenderWithoutKeys._count",
        "if time.monotonic() - self._logged >= EVERY_SECONDS: -> "
        "if time.monotonic() - self._logged > EVERY_SECONDS:",
    ): "a log may be a moment later",
    (
        "bulk/sender_without_keys.py",
        "SenderWithoutKeys._advance",
        'self._checkpoint.advance({**facts, **({"known": known} if known else {})}) -> '
        'self._checkpoint.advance({**facts, **(({"known": known} if (known) or True else {}))})',
    ): "no results are read as none",
    (
        "bulk/sender_without_keys.py",
        "SenderWithoutKeys._known",
        "later = sorted(place for place in self._block.results if place > self._counted) -> "
        "later = sorted(place for place in self._block.results if place >= self._counted)",
    ): "the message at this place has no result",
    (
        "bulk/sender_without_keys.py",
        "SenderWithoutKeys._stop",
        "last = max((*block.in_doubt, *block.results), default=-1) -> "
        "last = max((*block.in_doubt, *block.results), default=-2)",
    ): "the larger of it and a count is used",
    (
        "bulk/sender_without_keys.py",
        "",
        "_HANDED_OVER_AT_ONCE = 20_000 -> _HANDED_OVER_AT_ONCE = None",
    ): "it only bounds the memory",
    (
        "bulk/sender_without_keys.py",
        "",
        "_HANDED_OVER_AT_ONCE = 20_000 -> _HANDED_OVER_AT_ONCE = 20001",
    ): "it only bounds the memory",
    (
        "bulk/sender_without_keys.py",
        "",
        "log = logging.getLogger(__name__) -> log = logging.getLogger(None)",
    ): "a message has the name of another logger",
    (
        "bulk/failover.py",
        "is_connection_failure",
        "return False -> return None",
    ): "it is only a condition",
    (
        "bulk/failover.py",
        "",
        "log = logging.getLogger(__name__) -> log = logging.getLogger(None)",
    ): "a message has the name of another logger",
    (
        "bulk/requests_without_keys.py",
        "BatchRequests",
        "goes_on = False -> goes_on = None",
    ): "it is only a condition",
    (
        "bulk/requests_without_keys.py",
        "BatchRequests",
        "unknown_in_a_row = 0 -> unknown_in_a_row = None",
    ): "nobody reads it of a send in batches",
    (
        "bulk/requests_without_keys.py",
        "BatchRequests",
        "unknown_in_a_row = 0 -> unknown_in_a_row = 1",
    ): "nobody reads it of a send in batches",
    (
        "bulk/requests_without_keys.py",
        "SingleRequests",
        'max_size = None -> max_size = ""',
    ): "it is only a condition",
    (
        "bulk/requests_without_keys.py",
        "",
        "log = logging.getLogger(__name__) -> log = logging.getLogger(None)",
    ): "a message has the name of another logger",
    (
        "bulk/requests_without_keys.py",
        "is_not_sent",
        'return bool(getattr(error, "not_sent", False)) -> return bool(getattr(error, "not_sent", None))',
    ): "it is only a condition",
    (
        "bulk/requests_without_keys.py",
        "SingleRequests.send",
        'with ThreadPoolExecutor(self._concurrency, "telecom-send") as pool: -> '
        "with ThreadPoolExecutor(self._concurrency, None) as pool:",
    ): "the name of a thread",
    (
        "bulk/requests_without_keys.py",
        "SingleRequests.send",
        'with ThreadPoolExecutor(self._concurrency, "telecom-send") as pool: -> '
        'with ThreadPoolExecutor(self._concurrency, "XXtelecom-sendXX") as pool:',
    ): "the name of a thread",
}
"""Mutants that no test can kill, or that no test should: file, function and change, and why."""
