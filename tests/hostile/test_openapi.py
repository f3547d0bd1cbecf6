"""Requests made from the API's own description: every answer is one that the description tells of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance

import progstore
from progstore_web import Access, create_app
from tests.hostile.hostility import EVERYTHING, hostile_store
from tests.store.conftest import Filled

FOR_EVER = "/stream"
"""Ends the addresses that go on answering."""
load_all_checks()

Operations = list[Any]
"""What the description offers; schemathesis leaves their kinds open."""


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    """What the description of a server over a hostile store offers, asked within this process."""
    filled = Filled(tmp_path_factory.mktemp("described") / "store.db")
    hostile_store(filled, EVERYTHING)
    with progstore.open_store(filled.location.url) as store:
        app = create_app(store, auth=Access(hosts=frozenset({"testserver"})))
        described = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
        found: Operations = [each.ok() for each in described.get_all_operations()]  # type: ignore[union-attr]  # of a whole document
        yield [each for each in found if not each.path.endswith(FOR_EVER)]
        app.close()
    filled.close()


def test_every_answer_is_as_described(operations: Operations, soak: bool) -> None:
    """Status, content type, headers and document, and no mistake of the server's, to requests right and wrong.

    That whatever fits the description is taken is not asked: a filter or a cursor is more than a schema can say.
    """
    assert len(operations) >= 16
    for operation in operations:

        @settings(
            max_examples=400 if soak else 10,
            deadline=None,
            derandomize=not soak,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def answers(case: Any) -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        answers()
