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
        "_base32",
        "return [text[place : place + 32] for place in range(0, len(text), 32)] -> "
        "return [text[place : place + 33] for place in range(0, len(text), 32)]",
    ): "only the first 31 letters become part of a key",
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
