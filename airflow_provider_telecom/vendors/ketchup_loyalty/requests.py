"""What the groups of calls share: the base path, senders, tariffs, keys and times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from airflow_provider_telecom.calls.checks import aware_datetime, in_range, matching, non_blank, non_empty
from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.calls.privacy import mask_number
from airflow_provider_telecom.calls.request import Idempotency, Json, Request, Response
from airflow_provider_telecom.vendors.api import Api
from airflow_provider_telecom.vendors.ketchup_loyalty.models import BatchResult
from airflow_provider_telecom.vendors.ketchup_loyalty.options import KetchUpOptions
from airflow_provider_telecom.vendors.ketchup_loyalty.responses import (
    NOT_SUPPORTED,
    KetchUpDuplicateKeyError,
    content,
    is_elsewhere,
    is_misread,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.results import joined

T = TypeVar("T")
Form = TypeVar("Form")

LONGEST_ORIGINATOR = 14
_BASE_PATHS = ("/rest", "")
REFERENCE = r"[A-Za-z0-9]{1,32}"


class KetchUpRequests(Api[KetchUpOptions]):
    """Requests below the connection's base path."""

    def _request(self, method: str, path: str, idempotency: Idempotency, **facts: Any) -> Request:
        return Request(method, f"{self.options.base_path}{path}", idempotency, **facts)

    def _call(self, request: Request, read: Callable[[Response], T]) -> Call[T]:
        return self._at_any_address([request], read)

    def _at_any_address(self, requests: Sequence[Request], read: Callable[[Response], T]) -> Call[T]:
        """Make a call at the first address that is there, and remember it for the account.

        The document has addresses with and without `/rest`, and two for some calls. A call to an address that
        is not there has no effect; for an effect without a key that needs more proof. Raises the first error
        if none is there.
        """
        learned, refusals = self.account.learned, []
        addresses = [other for request in requests for other in self._with_and_without_rest(request)]
        for request in sorted(addresses, key=lambda one: _there(one) not in learned):
            try:
                result = yield from super()._call(request, read)
            except TelecomRejectedError as error:
                if not is_elsewhere(error):
                    learned.add(_there(request))
                    raise
                proven = request.idempotency is not Idempotency.NONE or error.code == NOT_SUPPORTED
                if not proven and not (yield from self._is_nowhere(request)):
                    raise
                refusals.append(error)
                continue
            learned.add(_there(request))
            return result
        raise refusals[0]

    def _is_nowhere(self, request: Request) -> Call[bool]:
        """Return whether the prices beside an effect's address are not there either.

        That proves that the address is wrong, while a 404 alone does not prove that nothing was done.
        """
        path = f"{request.path.rpartition('/')[0]}/prices/{{tariff}}"
        prices = Request("GET", path, Idempotency.READ, ids={"tariff": "0"})
        try:
            yield from super()._call(prices, content)
        except TelecomError as error:
            return isinstance(error, TelecomRejectedError) and is_elsewhere(error)
        return False

    def _with_and_without_rest(self, request: Request) -> Sequence[Request]:
        prefix = self.options.base_path
        if prefix not in _BASE_PATHS:
            return [request]
        path = request.path.removeprefix(prefix)
        return [request, *(replace(request, path=other + path) for other in _BASE_PATHS if other != prefix)]

    def _by_reference(self, path: str, reference: str, read: Callable[[Response], T]) -> Call[T]:
        """Ask for something by our key; in an address that is for ids too only if the key can be no id."""
        paths = [
            f"{path}/reference/{{reference}}",
            *([] if reference.isdecimal() else [f"{path}/{{reference}}"]),
        ]
        return self._at_any_address([self._get(each, reference=reference) for each in paths], read)

    def _get(self, path: str, **ids: str) -> Request:
        return self._request("GET", path, Idempotency.READ, ids=ids)

    def _post(self, path: str, idempotency: Idempotency, body: Mapping[str, Any] | Sequence[Any]) -> Request:
        return self._request("POST", path, idempotency, body=Json(body))

    def _created(
        self, orders: Sequence[T], create: Callable[[Sequence[T]], Call[BatchResult]]
    ) -> Call[BatchResult]:
        """Create all orders by one call; in halves if they are refused because a key is known already.

        The vendor may answer so about a request that it has had before, or had in part, and then says nothing
        of the other orders. Once it has done so, errors are `partial`.
        """
        try:
            return (yield from create(orders))
        except KetchUpDuplicateKeyError:
            half = len(orders) // 2
        try:
            first = yield from self._created(orders[:half], create)
            return joined(first, (yield from self._created(orders[half:], create)))
        except TelecomError as error:
            error.partial = True
            raise

    def _in_any_form(
        self,
        name: str,
        forms: Sequence[Form],
        call: Callable[[Form], Call[T]],
        idempotency: Idempotency = Idempotency.WITH_KEY,
    ) -> Call[T]:
        """Make a call in the form that the vendor understands: the document allows several.

        One that was understood before is tried first, the others in their order. A form that is not
        understood has no effect; for an effect without a key only the vendor's own code proves that. Raises
        the first error if none is understood.
        """
        learned, refusals = self.account.learned, []
        for form in sorted(forms, key=lambda one: f"{name} as {one}" not in learned):
            try:
                result = yield from call(form)
            except TelecomRejectedError as error:
                if is_misread(error) and (error.code is not None or idempotency is not Idempotency.NONE):
                    refusals.append(error)
                    continue
                raise
            learned.add(f"{name} as {form}")
            return result
        raise refusals[0]

    def _tariff(self, tariff: int | None, default: int = 0) -> int:
        """Return the tariff to send: the call's, the connection's, or the document's default."""
        chosen = tariff if tariff is not None else self.options.tariff
        return in_range("tariff", default if chosen is None else chosen, 0, 9)

    def _originator(self, originator: str | None) -> str:
        chosen = originator if originator is not None else self.options.originator
        if chosen is None:
            raise TelecomInputError("originator", "must be given here or in the connection's extra")
        return non_blank("originator", chosen, LONGEST_ORIGINATOR)


def _there(request: Request) -> str:
    return f"{request.label} is there"


def reference_of(value: str, field: str = "reference") -> str:
    """Return our key for a message, as the vendor wants it."""
    return matching(field, value, REFERENCE, "must be 1 to 32 of the characters a-z A-Z 0-9")


def numeric_id(field: str, value: str | int) -> str:
    """Return an id of the vendor's. In a shared path a word would be read as a reference."""
    return matching(field, str(value), r"[0-9]{1,32}", "must be the vendor's own number")


def iso_datetime(field: str, at: datetime) -> str:
    """Return an aware moment as ISO 8601 with its offset."""
    return aware_datetime(field, at).isoformat(timespec="seconds")


def orders(field: str, values: Sequence[T], kind: type[T]) -> Sequence[T]:
    """Return a list of at least one order, all of one kind. An iterator will not do: it is walked twice."""
    if not isinstance(non_empty(field, values), Sequence) or not all(isinstance(one, kind) for one in values):
        raise TelecomInputError(field, f"must be a list of {kind.__name__}")
    return values


def reject_duplicates(numbers: Iterable[str], references: Iterable[str | None]) -> None:
    """Raise TelecomInputError when a number or a key stands twice: the vendor would drop one of them."""
    seen: set[str] = set()
    for number in numbers:
        if number in seen:
            raise TelecomInputError("msisdn", "stands twice in one call", shown=mask_number(number))
        seen.add(number)
    keys: set[str] = set()
    for key in references:
        if key is not None and key in keys:
            raise TelecomInputError("reference", "stands twice in one call", shown=key)
        keys.add(key or "")
