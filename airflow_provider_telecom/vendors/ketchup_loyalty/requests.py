"""How requests are built, and in which order the document's addresses and formats are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.errors import TelecomError, TelecomRejectedError
from airflow_provider_telecom.calls.request import Form, Idempotency, Json, Request, Response
from airflow_provider_telecom.vendors.api import Api
from airflow_provider_telecom.vendors.ketchup_loyalty import models
from airflow_provider_telecom.vendors.ketchup_loyalty.options import KetchUpOptions
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.content import read_content
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import (
    NOT_SUPPORTED,
    KetchUpDuplicateKeyError,
    is_not_understood,
    is_wrong_address,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.results import join_results

T = TypeVar("T")
Variant = TypeVar("Variant")
Items = TypeVar("Items", bound=Sequence[Any])

_BASE_PATHS = ("/rest", "")


class KetchUpRequests(Api[KetchUpOptions]):
    """Base class of the calls: requests below the connection's base path."""

    def _get(self, path: str, **ids: str) -> Request:
        return Request("GET", f"{self.options.base_path}{path}", Idempotency.READ, ids=ids)

    def _post(self, path: str, idempotency: Idempotency, body: Json | Form) -> Request:
        return Request("POST", f"{self.options.base_path}{path}", idempotency, body=body)

    def _delete(self, path: str, **ids: str) -> Request:
        return Request("DELETE", f"{self.options.base_path}{path}", Idempotency.SET_STATE, ids=ids)

    def _call(self, request: Request, read: Callable[[Response], T]) -> Call[T]:
        return self._call_first_address([request], read)

    def _call_by_reference(self, path: str, reference: str, read: Callable[[Response], T]) -> Call[T]:
        """Read something by our key; at an address that also takes ids only if the key can't be an id."""
        paths = [f"{path}/reference/{{reference}}"]
        if not reference.isdecimal():
            paths.append(f"{path}/{{reference}}")
        return self._call_first_address((self._get(each, reference=reference) for each in paths), read)

    def _call_first_address(self, requests: Iterable[Request], read: Callable[[Response], T]) -> Call[T]:
        """Make a call at the first address that exists, and remember the address for the account.

        The document has addresses with and without `/rest`, and two for some calls. A call to an address that
        does not exist has no effect; for an effect without an idempotency key that needs more proof. Raises
        the first error if no address exists.
        """
        learned, errors = self.account.learned, []
        for request in self._addresses(requests):
            try:
                result = yield from super()._call(request, read)
            except TelecomRejectedError as error:
                if not is_wrong_address(error):
                    learned.add(_exists(request))
                    raise
                proven = request.idempotency is not Idempotency.NONE or error.code == NOT_SUPPORTED
                if not proven and not (yield from self._is_missing(request)):
                    raise
                errors.append(error)
                continue
            learned.add(_exists(request))
            return result
        raise errors[0]

    def _is_missing(self, request: Request) -> Call[bool]:
        """Return whether the price list beside an effect's address does not exist either.

        That proves that the address is wrong. A 404 alone does not prove that nothing was done.
        """
        path = f"{request.path.rpartition('/')[0]}/prices/{{tariff}}"
        prices = Request("GET", path, Idempotency.READ, ids={"tariff": "0"})
        try:
            yield from super()._call(prices, read_content)
        except TelecomError as error:
            return isinstance(error, TelecomRejectedError) and is_wrong_address(error)
        return False

    def _addresses(self, requests: Iterable[Request]) -> Iterator[Request]:
        """Yield the requests with and without `/rest`, those first whose address is known to exist."""
        others = []
        for request in requests:
            for each in self._with_and_without_rest(request):
                if _exists(each) in self.account.learned:
                    yield each
                else:
                    others.append(each)
        yield from others

    def _with_and_without_rest(self, request: Request) -> Iterator[Request]:
        yield request
        prefix = self.options.base_path
        if prefix in _BASE_PATHS:
            path = request.path.removeprefix(prefix)
            yield from (replace(request, path=other + path) for other in _BASE_PATHS if other != prefix)

    def _call_first_variant(
        self,
        name: str,
        variants: Sequence[Variant],
        call: Callable[[Variant], Call[T]],
        idempotency: Idempotency = Idempotency.WITH_KEY,
    ) -> Call[T]:
        """Make a call in the first variant of its body that the vendor understands: the document has several.

        A variant that was understood before is tried first, the others in their order. One that is not
        understood has no effect; for an effect without an idempotency key only the vendor's own code proves
        that. Raises the first error if no variant is understood.
        """
        learned, errors = self.account.learned, []
        for variant in sorted(variants, key=lambda each: f"{name} as {each}" not in learned):
            try:
                result = yield from call(variant)
            except TelecomRejectedError as error:
                if is_not_understood(error) and (
                    error.code is not None or idempotency is not Idempotency.NONE
                ):
                    errors.append(error)
                    continue
                raise
            learned.add(f"{name} as {variant}")
            return result
        raise errors[0]

    def _create_all(
        self, items: Items, create: Callable[[Items], Call[models.BatchResult]]
    ) -> Call[models.BatchResult]:
        """Create all items by one call; in halves if the vendor refuses it because it knows one of the keys.

        The vendor may refuse so a request that it has had before, or parts of it, and then says nothing about
        the other items. After that, errors are `partial`.
        """
        try:
            return (yield from create(items))
        except KetchUpDuplicateKeyError:
            half = len(items) // 2
        try:
            first = yield from self._create_all(cast("Items", items[:half]), create)
            return join_results(first, (yield from self._create_all(cast("Items", items[half:]), create)))
        except TelecomError as error:
            error.partial = True
            raise

    def _tariff(self, tariff: int | None, default: int = 0) -> int:
        """Return the tariff to send: the call's, the connection's, or the document's default."""
        chosen = tariff if tariff is not None else self.options.tariff
        return in_range("tariff", default if chosen is None else chosen, 0, 9)


def _exists(request: Request) -> str:
    return f"{request.label} exists"
