"""The operator that joins files of outcomes, such as those of the shards of a send."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import in_range, non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.tasks.arguments import TaskArguments
from airflow_provider_telecom.tasks.base import LocalOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_telecom.bulk.outcomes import OutcomeLine

SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet")
_MAX_FILES = 100_000
_NEEDED = ("msisdn", "state", "run")


class JoinedXCom(TypedDict):
    """What `JoinOutcomesOperator` returns: no numbers."""

    outcomes: str
    files: int
    messages: int
    states: dict[str, int]
    prices: dict[str, str]


class JoinOutcomesOperator(LocalOperator):
    """Join files of outcomes to one, in the order of their names: the results of shards, or of channels.

    Returns `{"outcomes": results_path, "files", "messages", "states": {state: messages},
    "prices": {currency: amount}}`. `prices` has what the vendors have reported; a message without a price is
    not in it. The files stay as they are. A task with the same files writes the same rows again.

    Sends nothing. Raises TelecomInputError, and writes nothing, if a file is missing, if one is not complete
    yet (its send runs, or has failed), if two are of the same task, or if something is not a file of
    outcomes. Source: no vendor; docs/sending.md describes it.

    :param outcomes: a path, a glob (`s3://messages/{{ run_id }}/sms-*.jsonl`) or a folder, or a list of them:
        JSON lines or Parquet.
    :param results_path: the new file: JSON lines, or Parquet if it ends in `.parquet`.
    :param files: how many files there must be, such as the number of shards. Without it a shard that has
        written nothing is not missed.
    """

    template_fields: Sequence[str] = ("outcomes", "results_path", "files")
    ui_color = "#d7e3fc"

    def __init__(
        self,
        *,
        outcomes: str | Sequence[str],
        results_path: str,
        files: int | str | None = None,
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        super().__init__(**kwargs)
        from airflow_provider_telecom.operators.recipients import check_results_path

        check_results_path(results_path)
        self.outcomes, self.results_path, self.files = outcomes, results_path, files

    def execute(self, context: Context) -> JoinedXCom:
        """Join the files."""
        from airflow.sdk import ObjectStoragePath

        from airflow_provider_telecom.bulk.budget import shown
        from airflow_provider_telecom.bulk.results_file import ResultsFile

        target = ObjectStoragePath(non_blank("results_path", self.results_path))
        found = self._find(target)
        states: Counter[str] = Counter()
        prices: dict[str, Decimal] = {}

        def counted() -> Iterator[OutcomeLine]:
            for line in _lines(found):
                states[line["state"]] += 1
                if line.get("price") is not None:
                    currency = str(line.get("currency"))
                    prices[currency] = prices.get(currency, Decimal(0)) + Decimal(line["price"])
                yield line

        target.parent.mkdir(parents=True, exist_ok=True)
        joined = ResultsFile(target)
        joined.begin(0)
        try:
            joined.add(counted())
            joined.close_part(states.total())
            joined.finish(states.total())
        finally:
            joined.forget_parts()
        self.log.info("%s messages of %s files: %s", states.total(), len(found), dict(states))
        return {
            "outcomes": str(target),
            "files": len(found),
            "messages": states.total(),
            "states": dict(sorted(states.items())),
            "prices": {currency: shown(amount) for currency, amount in sorted(prices.items())},
        }

    def _find(self, target: ObjectStoragePath) -> list[ObjectStoragePath]:
        """Return the files, each once. Raises TelecomInputError unless all are there and complete."""
        from airflow_provider_telecom.bulk.files import find_files

        given = [self.outcomes] if isinstance(self.outcomes, str) else list(self.outcomes)
        found: dict[str, ObjectStoragePath] = {}
        for path in given:
            for file in find_files("outcomes", non_blank("outcomes", path), SUFFIXES):
                found[str(file)] = file
        if str(target) in found or target.path in {file.path for file in found.values()}:
            raise TelecomInputError("results_path", f"{target} is one of the files to be joined")
        for file in found.values():
            parts = file.with_name(f"{file.name}.parts")
            if file.parent.name.endswith(".parts") or parts.exists():
                raise TelecomInputError(
                    "outcomes", f"{file} is not complete: its send is running, or has failed"
                )
        if self.files is not None:
            wanted = in_range("files", int(self.files), 1, _MAX_FILES)
            if len(found) != wanted:
                raise TelecomInputError("outcomes", f"{wanted} files are wanted, and there are {len(found)}")
        return [found[name] for name in sorted(found)]


def _lines(files: Sequence[ObjectStoragePath]) -> Iterator[OutcomeLine]:
    """Return the rows of all files. Raises TelecomInputError for rows of one task in two files."""
    from airflow_provider_telecom.bulk.outcomes import STATES, read_outcomes

    file_of: dict[str, str] = {}
    for file in files:
        for number, line in enumerate(read_outcomes(file), 1):
            missing = next((name for name in _NEEDED if not isinstance(line.get(name), str)), None)
            if missing or line["state"] not in STATES:
                problem = f"a row without {missing}" if missing else "a state that no outcome has"
                raise TelecomInputError("outcomes", f"{file}, row {number}: {problem}")
            if file_of.setdefault(line["run"], str(file)) != str(file):
                both = f"{file} and {file_of[line['run']]}"
                raise TelecomInputError("outcomes", f"{both} have outcomes of the same task, {line['run']}")
            yield line
