"""The file of outcomes of promos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from airflow_provider_telecom.bulk.outcomes import ACCEPTED, Origin, OutcomeLine
from airflow_provider_telecom.bulk.results_file import ResultsFile

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_parts import PromoPart


def write_outcomes(
    path: ObjectStoragePath,
    origin: Origin,
    started: Sequence[tuple[PromoPart, str, str | None]],
    variant_place: int | None,
) -> None:
    """Write a line for each recipient of promos, of which the id and the time of the start are known.

    The vendor reports counts only, so no line says more than that the promo was accepted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file, rows = ResultsFile(path), 0
    file.begin(0)
    for part, promo_id, at in started:
        file.add(_lines(origin, part, promo_id, at, variant_place))
        rows += part.count
        file.close_part(rows)
    file.finish(rows)
    file.forget_parts()


def _lines(
    origin: Origin, part: PromoPart, promo_id: str, at: str | None, variant_place: int | None
) -> Iterator[OutcomeLine]:
    for entry in part.recipients.entries():
        variant = None if variant_place is None else entry[variant_place]
        yield origin.line(entry[0], ACCEPTED, reference=promo_id, variant=variant, sent_at=at)
