"""Base class of the operators: a connection, private fields and the retry policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from airflow.sdk import BaseOperator
from airflow.sdk.configuration import conf

from airflow_provider_telecom.tasks.parameters import CheckedPartial, DeclaredParameters, check_names
from airflow_provider_telecom.tasks.private import hide, reveal
from airflow_provider_telecom.tasks.retry import POLICY
from airflow_provider_telecom.vendors.description import Vendor, import_from

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context, RetryPolicy
    from airflow.sdk.definitions.mappedoperator import OperatorPartial


DEFERRABLE = conf.getboolean("operators", "default_deferrable", fallback=False)
"""Whether to wait in the triggerer unless an operator says else."""

XComT = TypeVar("XComT", bound=Mapping[str, object])
"""What a task returns: small JSON."""


class TelecomTask(DeclaredParameters):
    """What operators and sensors have in common.

    `private_fields` are template fields whose rendered values must not reach Airflow's database: numbers
    and texts. Read them with `self.reveal("msisdn")`.

    :param conn_id: the connection; `<connection type>_default` without it.
    :param retry_policy: when Airflow retries the task. The default retries temporary errors only; None means
        Airflow's own rules.
    """

    vendor: ClassVar[Vendor]
    private_fields: ClassVar[Sequence[str]] = ()
    conn_id: str
    ui_color: str
    ui_fgcolor: str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if vendor := vars(cls).get("vendor"):
            cls.ui_color, cls.ui_fgcolor = vendor.color, "#000"

    @cached_property
    def hook(self) -> Any:
        """The hook of the connection. A vendor's base class narrows its type."""
        return import_from(self.vendor.hook_path)(self.conn_id)

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Return the task without the arguments that `.expand()` maps."""
        check_names(cls, kwargs)
        found: OperatorPartial = super().partial(**kwargs)  # type: ignore[misc]  # of BaseOperator
        found.__class__ = CheckedPartial
        return found

    def reveal(self, field: str) -> Any:
        """Return the value of a field, private or not."""
        return reveal(getattr(self, field))

    def _do_render_template_fields(
        self,
        parent: object,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Render, then hide. Airflow calls this for mapped tasks too, and stores the fields right after."""
        super()._do_render_template_fields(  # type: ignore[misc]  # of BaseOperator
            parent, template_fields, context, jinja_env, seen_oids
        )
        if parent is self:
            self._hide()

    def _hide(self) -> None:
        for field in self.private_fields:
            setattr(self, field, hide(getattr(self, field)))


class TelecomOperator(TelecomTask, BaseOperator):
    """Base class of all operators."""

    template_fields: Sequence[str] = ("conn_id",)

    def __init__(
        self, *, conn_id: str | None = None, retry_policy: RetryPolicy | None = POLICY, **kwargs: Any
    ) -> None:
        super().__init__(retry_policy=retry_policy, **kwargs)
        self.conn_id = conn_id or self.vendor.default_conn_id


class LocalOperator(TelecomTask, BaseOperator):
    """Base class of operators that talk to no vendor and have no connection."""

    fixed_parameters: ClassVar[tuple[str, ...]] = ("conn_id",)

    def __init__(self, *, retry_policy: RetryPolicy | None = POLICY, **kwargs: Any) -> None:
        super().__init__(retry_policy=retry_policy, **kwargs)


def with_inbox(inlets: object) -> list[object]:
    """Return a task's inlets and the receiver's inbox: Airflow keeps the rows of assets that tasks name."""
    from airflow_provider_telecom.webhooks.assets import INBOX

    given = inlets if isinstance(inlets, (list, tuple)) else [] if inlets is None else [inlets]
    return [*given, INBOX]
