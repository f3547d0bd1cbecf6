"""What the page of jobs shows: each job with its last run, and a form with what was typed and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from progstore import Filter, Job, Parameter, SessionView, Store, StoreNotFound
from progstore_web.wording import iso, state

Fields = Mapping[str, Sequence[str]]

PREFIX = "arg."
"""Before the names of parameters in a form, so that none is taken for a field of ours."""
COLUMNS = ("name", "summary", "parameters", "last_run", "last_state", "last_started")
WORDS = {
    "int": "whole number",
    "float": "number",
    "date": "date",
    "datetime": "time",
    "path": "path on the server",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter in a form: the text that stands in it, and what is wrong with that."""

    parameter: Parameter
    text: str
    fault: str = ""

    @property
    def name(self) -> str:
        """What the field is called in the form."""
        return PREFIX + self.parameter.name

    @property
    def widget(self) -> str:
        """How it is typed: a box, lines, a tick, a choice, or an input's type."""
        parameter = self.parameter
        if parameter.many:
            return "lines"
        if parameter.kind == "bool":
            return "choice" if parameter.optional or parameter.required else "tick"
        if parameter.kind == "choice":
            return "choice"
        if parameter.is_secret:
            return "password"
        return {"date": "date", "datetime": "datetime-local"}.get(parameter.kind, "text")

    @property
    def choices(self) -> Sequence[str]:
        """What may be chosen."""
        return self.parameter.choices or ("true", "false")

    @property
    def has_blank(self) -> bool:
        """Whether nothing may be chosen, or must first be replaced."""
        return self.parameter.optional or self.parameter.required

    @property
    def hint(self) -> str:
        """What it takes, in words."""
        parts = [WORDS.get(self.parameter.kind, "")]
        if self.parameter.many:
            parts.append("one a line")
        if not self.parameter.required and self.widget != "tick" and not self.text:
            parts.append("may be empty")
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A job with its form and its last run."""

    job: Job
    fields: tuple[Field, ...]
    last: SessionView | None
    fault: str = ""

    @property
    def is_open(self) -> bool:
        """Whether its form is shown at once: something is wrong in it."""
        return bool(self.fault) or any(field.fault for field in self.fields)

    def to_dict(self) -> dict[str, Any]:
        """The job and its last run, as plain JSON."""
        return {**self.job.to_dict(), "last": None if self.last is None else self.last.to_dict()}

    def line(self) -> tuple[object, ...]:
        """The same as a line of a table, in the order of COLUMNS."""
        takes = ", ".join(parameter.name for parameter in self.job.parameters)
        last = self.last
        if last is None:
            return (self.job.name, self.job.summary, takes, None, None, None)
        started = None if last.started_at is None else iso(last.started_at)
        return (self.job.name, self.job.summary, takes, last.id, state(last).word, started)


def read_offers(store: Store, jobs: Mapping[str, Job], refused: Offer | None = None) -> tuple[Offer, ...]:
    """All jobs; `refused` is the one whose form was just sent and is shown again."""
    return tuple(
        refused if refused is not None and refused.job is job else offer_of(store, job, {}, {}) for job in jobs.values()
    )


def offer_of(store: Store, job: Job, typed: Fields, faults: Mapping[str, str], fault: str = "") -> Offer:
    """One job with the form as it was typed."""
    fields = tuple(
        Field(parameter=each, text=_text(each, typed), fault=faults.get(each.name, "")) for each in job.parameters
    )
    return Offer(job=job, fields=fields, last=_last(store, job), fault=fault)


def arguments_of(job: Job, typed: Fields) -> dict[str, Any]:
    """The arguments that a form gives; what is left empty is left out where that is the same."""
    arguments: dict[str, Any] = {}
    for parameter in job.parameters:
        given = typed.get(PREFIX + parameter.name, ())
        text = given[0] if given else ""
        if parameter.many:
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            if lines or not parameter.required:
                arguments[parameter.name] = lines or (None if parameter.optional else [])
        elif parameter.kind == "bool" and not (parameter.optional or parameter.required):
            arguments[parameter.name] = bool(given)
        elif text:
            arguments[parameter.name] = text
        elif parameter.optional:
            arguments[parameter.name] = None
        elif not (parameter.required or parameter.is_secret):
            arguments[parameter.name] = text
    return arguments


def _text(parameter: Parameter, typed: Fields) -> str:
    if parameter.is_secret:
        return ""
    if typed:
        return next(iter(typed.get(PREFIX + parameter.name, ())), "")
    value = parameter.default
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.isoformat(timespec="seconds")
    written = parameter.write(value)
    if isinstance(written, list):
        return "\n".join(map(_word, written))
    return _word(written)


def _word(written: object) -> str:
    if written is None:
        return ""
    return str(written).lower() if isinstance(written, bool) else str(written)


def _last(store: Store, job: Job) -> SessionView | None:
    try:
        return next(iter(store.sessions(Filter(session_name=job.name, meta={"job": job.name}), limit=1)), None)
    except StoreNotFound:
        return None
