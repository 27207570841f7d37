"""Texts with values from the recipients' columns: `Dear {name}, your order {order} is ready`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from string import Formatter

from airflow_provider_telecom.calls.checks import encodable
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.tasks.literals import check_if_literal, is_literal

_COLUMN = re.compile(r"\w+(?:[ -]\w+)*")


class TextTemplate:
    """A text whose `{column}` is filled from each recipient's row. It may contain names of columns only.

    `columns` are those of the row, if it has others as well.
    """

    def __init__(self, text: str, columns: Sequence[str] = ()) -> None:
        try:
            parts = list(Formatter().parse(text))
        except ValueError:
            raise TelecomInputError("text", "has a brace that is not part of a {column}") from None
        for _, column, form, conversion in parts:
            if column is not None and (form or conversion or not _COLUMN.fullmatch(column)):
                raise TelecomInputError("text", "may contain only names of columns in braces, like {name}")
        named = [column for _, column, _, _ in parts if column is not None]
        self.columns: Sequence[str] = tuple(columns or dict.fromkeys(named))
        self._parts = [
            (before, None if column is None else self.columns.index(column)) for before, column, _, _ in parts
        ]
        self._of_row = "".join(
            escaped if place is None else f"{escaped}{{{place + 1}}}"
            for before, place in self._parts
            for escaped in [before.replace("{", "{{").replace("}", "}}")]
        ).format

    @property
    def text_values(self) -> int:
        """How many values of `columns` must not all be blank: if the text is blank without them, all."""
        return 0 if "".join(before for before, _ in self._parts).strip() else len(self.columns)

    @property
    def source(self) -> str:
        """The text with the names of its columns."""
        return self.fill([f"{{{column}}}" for column in self.columns])

    def fill(self, values: Sequence[str]) -> str:
        """Return the text for one recipient, from the values of `columns`."""
        return "".join(before if place is None else before + values[place] for before, place in self._parts)

    def fill_row(self, row: Sequence[str]) -> str:
        """Return the text for one recipient, from a number and the values of `columns`."""
        return self._of_row(*row)

    def fill_all(self, columns: Sequence[Sequence[str]]) -> list[str]:
        """Return the texts for many recipients, whose numbers are the first column: `fill` of each."""
        if not self.columns:
            return [self.fill(())] * len(columns[0])
        return list(map(self._of_row, *columns))


class VariantTexts:
    """One text for each variant of an audience, with the methods of `TextTemplate`."""

    text_values = 0

    def __init__(self, texts: Mapping[str, str]) -> None:
        from airflow_provider_telecom.bulk.audience_folder import VARIANT

        alone = [TextTemplate(text) for text in texts.values()]
        named = [column for template in alone for column in template.columns]
        self.columns: Sequence[str] = tuple(dict.fromkeys([VARIANT, *named]))
        self._templates = {name: TextTemplate(text, self.columns) for name, text in texts.items()}
        self.can_be_blank = any(template.text_values for template in alone)
        """Whether a text has nothing but values."""

    @property
    def source(self) -> Mapping[str, str]:
        """The texts with the names of their columns."""
        return {name: template.source for name, template in sorted(self._templates.items())}

    def fill(self, values: Sequence[str]) -> str:
        """Return the text for one recipient, from the values of `columns`."""
        return self._templates[values[0]].fill(values)

    def fill_all(self, columns: Sequence[Sequence[str]]) -> list[str]:
        """Return the texts for many recipients, whose numbers are the first column: `fill` of each."""
        templates = self._templates
        return [templates[row[1]].fill_row(row) for row in zip(*columns, strict=True)]


Text = TextTemplate | VariantTexts


def blank_check(text: Text) -> Callable[[Sequence[str]], bool] | None:
    """Return what says whether the text for an entry is empty, if one of several texts can be."""
    if isinstance(text, VariantTexts) and text.can_be_blank:
        return lambda entry: not text.fill(entry[1:]).strip()
    return None


def check_text(text: object, has_columns: bool = True) -> None:
    """Check what is known of a text, or of one text per variant, when the Dag is parsed.

    `has_columns`: whether `{column}` is replaced in it. Raises TelecomInputError.
    """
    if not isinstance(text, Mapping):
        if has_columns and isinstance(text, str):
            check_if_literal(text, TextTemplate)
        return
    if not text:
        raise TelecomInputError("text", "has no variant")
    for name, one in text.items():
        if not isinstance(name, str) or not name.strip():
            raise TelecomInputError("text", "must have names of variants, and a text for each")
        if is_literal(one) or not isinstance(one, str):
            _check_text_of(name, one, has_columns)


def _check_text_of(name: str, text: object, has_columns: bool) -> None:
    if not isinstance(text, str) or not text.strip():
        raise TelecomInputError("text", f"of the variant {name} must be a text that is not empty")
    encodable("text", text)
    if has_columns:
        try:
            TextTemplate(text)
        except TelecomInputError as error:
            raise TelecomInputError("text", f"of the variant {name}: {error.rule}") from None


def check_texts(
    texts: Mapping[str, str], variants: Mapping[str, int], chosen: str | Sequence[str] | None
) -> VariantTexts:
    """Return the texts of the variants of an audience. Raises TelecomInputError."""
    check_text(texts)
    check_names_of_texts(texts, variants, chosen)
    return VariantTexts(texts)


def check_names_of_texts(
    texts: Mapping[str, str], variants: Mapping[str, int], chosen: str | Sequence[str] | None
) -> None:
    """Check that each variant that is sent to has a text, and that the audience has a variant for each text.

    Raises TelecomInputError.
    """
    from airflow_provider_telecom.bulk.audience_folder import check_variants

    if not variants:
        raise TelecomInputError("text", "is one per variant, but the audience has no variants")
    there = ", ".join(variants)
    if unknown := [name for name in texts if name not in variants]:
        rule = f"has a text for {', '.join(unknown)}, but the audience has the variants {there}"
        raise TelecomInputError("text", rule)
    wanted = check_variants(chosen, variants) or list(variants)
    if missing := [name for name in wanted if name not in texts]:
        raise TelecomInputError(
            "text", f"has no text for {', '.join(missing)} of the audience's variants {there}"
        )
