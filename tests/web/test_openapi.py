"""The API describes itself, and as it is."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from progstore_web import Access
from tests.store.conftest import Filled
from tests.web.conftest import Serve

PLACES = {"{session_id}": "1", "{task_id}": "1"}
NEEDED = {"/api/v1/names/history": {"session": "nightly", "task": "Ingest"}}
KINDS: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


@pytest.fixture
def described(filled: Filled) -> None:
    """A store with something of each kind in it."""
    session = filled.session(process_id=filled.ended_process())
    task = filled.task(session, status="error", error_type="ValueError", error="row 7", curve="[[0,0],[1,5]]")
    filled.meta(session, task, model="tiny")
    filled.event(session, task)


def fits(value: Any, schema: dict[str, Any], parts: dict[str, Any]) -> bool:
    """Whether the value is as the schema says; as much of JSON Schema as the document uses."""
    if "$ref" in schema:
        schema = parts[schema["$ref"].rpartition("/")[2]]
    if "oneOf" in schema:
        return any(fits(value, each, parts) for each in schema["oneOf"])
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not isinstance(value, tuple(kind for name in kinds for kind in KINDS[name])):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        has_all = all(name in value for name in schema.get("required", []))
        return has_all and all(fits(value[name], known[name], parts) for name in value if name in known)
    if isinstance(value, list) and "items" in schema:
        return all(fits(each, schema["items"], parts) for each in value)
    return True


@pytest.mark.usefixtures("described")
def test_each_answer_is_as_the_description_says(site: httpx.Client) -> None:
    """Every address that is read, with no request to another host."""
    document = site.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    parts = document["components"]["schemas"]
    checked = 0
    for path, operations in document["paths"].items():
        answers = operations.get("get", {}).get("responses", {})
        schema = answers.get("200", {}).get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            continue
        address = path
        for place, number in PLACES.items():
            address = address.replace(place, number)
        answer = site.get(address, params=NEEDED.get(path))
        assert answer.status_code == 200, address
        assert fits(answer.json(), schema, parts), address
        checked += 1
    assert checked >= 10


@pytest.mark.usefixtures("described")
def test_the_description_has_every_route_its_problems_and_the_token(site: httpx.Client) -> None:
    """The same as JSON and as YAML; the pages are not in it."""
    document = site.get("/api/v1/openapi.json").json()
    assert msgspec.yaml.decode(site.get("/api/v1/openapi.yaml").content) == document
    assert all(path.startswith("/api/v1/") for path in document["paths"])
    for path, method in (("/sessions/{session_id}", "delete"), ("/prune", "post"), ("/export", "get")):
        operation = document["paths"][f"/api/v1{path}"][method]
        assert operation["summary"]
        assert "application/problem+json" in operation["responses"]["400"]["content"]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    (limit,) = (each for each in document["paths"]["/api/v1/tasks"]["get"]["parameters"] if each["name"] == "limit")
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"]) == (1, 500)


def test_the_description_is_behind_the_token(serve: Serve) -> None:
    """As all that it describes."""
    site = serve(access=Access(tokens=("alpha",)))
    for path in ("openapi.json", "openapi.yaml"):
        assert site.get(f"/api/v1/{path}").status_code == 401
        assert site.get(f"/api/v1/{path}", headers={"authorization": "Bearer alpha"}).status_code == 200
