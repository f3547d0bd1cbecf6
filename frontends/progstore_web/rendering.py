"""Pages from templates: what is put into them is escaped, and a name that does not exist is an error, never a gap."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

import progstore
from progstore import SessionView
from progstore.wording import amount, clock_error, number
from progstore_web import charts, wording
from progstore_web.assets import Assets
from progstore_web.bars import session_bar, task_bar
from progstore_web.links import name_address, names_link
from progstore_web.shown.job_run import is_stopping
from progstore_web.shown.trees import Fold, folded, rows_of

SIBLINGS = 40
"""Tasks that a session's page shows below one parent before it folds those that ended well."""


class Templates:
    """Renders the templates of this package. Safe to use from several threads."""

    def __init__(self, assets: Assets, *, share_key: Callable[[SessionView], str], has_jobs: bool) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            amount=amount,
            clock=clock_error,
            counted=wording.counted,
            duration=wording.duration,
            iso=wording.iso,
            marked=_marked,
            number=number,
            percent=wording.percent,
            pretty=_pretty,
            rate=wording.rate,
            state=wording.state,
            utc=wording.utc,
        )
        self._environment.tests["fold"] = lambda value: isinstance(value, Fold)
        self._environment.globals.update(
            asset=assets.path,
            charts=charts,
            has_jobs=has_jobs,
            is_stopping=is_stopping,
            assets_version=assets.version,
            name_address=name_address,
            names_link=names_link,
            session_bar=session_bar,
            share_key=share_key,
            task_bar=task_bar,
            tree=lambda tasks: folded(rows_of(tasks), SIBLINGS),
            version=progstore.__version__,
        )

    def render(self, name: str, root: str, **context: Any) -> bytes:
        """The template `name`; `root` is the path under which the pages stand, which every link begins with."""
        text = self._environment.get_template(name).render(root=root, **context)
        # Escaping leaves lone surrogates alone, and UTF-8 cannot hold them.
        return text.encode("utf-8", "replace")


def _marked(text: str) -> Markup:
    """A sentence of ours, escaped, in which what stands between backticks is something to type."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped just before


def _pretty(value: object) -> str:
    """A metadata value: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
