"""What forms send, read as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from progstore_web.conditional import AnyRequest
from progstore_web.site import FORM_FIELD

Fields = Mapping[str, Sequence[str]]


async def read_form(request: AnyRequest) -> Fields:
    """The fields of the form that was sent, each with its values; files are left out."""
    form = await request.form()
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
    return fields


def first(fields: Fields, name: str) -> str:
    """The field's first value without the blanks around it, or empty."""
    return next(iter(fields.get(name, ())), "").strip()


def form_key(fields: Fields) -> str:
    """What proves that the form is ours."""
    return first(fields, FORM_FIELD)
