"""Polls that find nothing new are answered before any routing, and to nobody who would not be answered by it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from progstore_web import Access
from tests.web.conftest import Serve

PATHS = ("/api/v1/sessions/1", "/api/v1/now")


@pytest.mark.parametrize("path", PATHS)
def test_who_has_it_already_is_told_so_until_it_changes(site: httpx.Client, ingest: Any, path: str, until: Any) -> None:
    """With the headers that every answer carries; any of several tags will do."""
    ingest.end()
    tag = until(lambda: site.get(path), lambda answer: '"complete"' in answer.text).headers["etag"]
    for given in (tag, f'"other", W/{tag}', "*"):
        answer = site.get(path, headers={"if-none-match": given})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private, no-cache"
    assert site.get(path, headers={"if-none-match": '"other"'}).status_code == 200
    assert site.head(path, headers={"if-none-match": tag}).status_code == 304
    assert site.get(f"{path}?x=1", headers={"if-none-match": '"other"'}).status_code == 200


def test_without_a_token_not_even_that_nothing_changed_is_told(serve: Serve, ingest: Any) -> None:
    """Nor to another site's name for this server."""
    site = serve(access=Access(tokens=("alpha",), view_tokens=("beta",)))
    for path in PATHS:
        tag = site.get(path, headers={"authorization": "Bearer beta"}).headers["etag"]
        for authorization, status in (("Bearer beta", 304), ("Bearer alpha", 304), ("Bearer gamma", 401), ("", 401)):
            answer = site.get(path, headers={"if-none-match": tag, "authorization": authorization})
            assert answer.status_code == status, authorization
        answer = site.get(path, headers={"if-none-match": tag, "authorization": "Bearer alpha", "host": "evil.example"})
        assert answer.status_code == 400


def test_an_address_that_is_none_is_left_to_the_routes(site: httpx.Client, ingest: Any) -> None:
    """Whatever stands where a number belongs."""
    for number in ("x", "-1", "1/tasks/", "٣", "9" * 30, ""):
        answer = site.get(f"/api/v1/sessions/{number}", headers={"if-none-match": "*"})
        assert answer.status_code in (200, 304, 404), number
        assert number not in ("x", "٣", "9" * 30) or answer.status_code == 404
