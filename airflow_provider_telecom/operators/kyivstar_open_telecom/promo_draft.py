"""Creating the draft of a promo with its whole audience. It costs nothing and reaches nobody."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomUnknownError

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.audience import Entry
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
    from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_parts import PromoPart
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Promo
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.promos import Recipient

log = logging.getLogger(__name__)

_TOO_LARGE = 413
_MAX_DRAFTS = 3
VARIABLE = re.compile(r"\$\{(\d+)\}")


def check_variables(text: str, columns: Sequence[str]) -> None:
    """Check that the text has one variable `${1}`, `${2}`, ... per column. Raises TelecomInputError."""
    found = {int(place) for place in VARIABLE.findall(text)}
    if found != set(range(1, len(columns) + 1)):
        named = ", ".join(f"${{{place}}}" for place in sorted(found)) or "no variables"
        raise TelecomInputError(
            "param_columns",
            f"has {len(columns)} columns, and the text has {named}: they must be ${{1}}, ${{2}}, ...",
        )


def fill_variables(text: str, values: Sequence[str]) -> str:
    """Return the text for a recipient, as the vendor fills it: with the values of `${1}`, `${2}`, ..."""
    return VARIABLE.sub(lambda found: values[int(found[1]) - 1], text)


def build_draft(
    hook: KyivstarOpenTelecomHook,
    create: Callable[[], Promo],
    image: bytes | None,
    part: PromoPart,
    chunk_size: int,
) -> str:
    """Return the id of a draft of `create` that holds all recipients, each recipient once.

    The audience cannot be read, and a duplicate of a chunk would be appended. So after an unknown outcome the
    draft is abandoned and another one is created. After three drafts TelecomUnknownError is raised.
    """
    for attempt in range(1, _MAX_DRAFTS + 1):
        try:
            return _build(hook, create, image, part, chunk_size)
        except TelecomUnknownError:
            if attempt == _MAX_DRAFTS:
                raise
            log.warning("A promo draft is abandoned after an unknown outcome; another one is created")
    raise AssertionError("the last attempt returns or raises")


def _build(
    hook: KyivstarOpenTelecomHook,
    create: Callable[[], Promo],
    image: bytes | None,
    part: PromoPart,
    chunk_size: int,
) -> str:
    from airflow_provider_telecom.bulk.chunks import in_chunks

    promo = create()
    if image is not None:
        hook.add_promo_image(promo.id, image)
    params = promo.param_count

    def append(chunk: Sequence[Entry]) -> None:
        if params is not None and params != len(chunk[0]) - 1:
            raise TelecomInputError("param_columns", f"the vendor counts {params} variables in the text")
        people: Sequence[Recipient] = [entry[0] for entry in chunk]
        if len(chunk[0]) > 1:
            people = [(msisdn, values) for msisdn, *values in chunk]
        hook.add_promo_audience(promo.id, people)

    for _ in in_chunks(part.entries(), chunk_size, append, lambda error: error.status == _TOO_LARGE):
        pass
    return promo.id
