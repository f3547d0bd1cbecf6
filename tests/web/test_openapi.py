"""The API's own description: whole, valid, true to the answers, and behind the token."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest

import progstore
from progstore_web import Access, create_app
from tests.store.conftest import Filled

Serve = Callable[..., httpx.Client]
Schema = dict[str, Any]
METHODS = {"get", "post", "delete"}
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


@pytest.fixture
def described(site: httpx.Client, filled: Filled) -> Schema:
    """The description, of a server over a store with something of each kind in it."""
    session = filled.session(status=None, process_id=filled.process())
    filled.task(session, status="running", process_id=1, key="job")
    filled.meta(session, job="nightly")
    task = filled.task(session, "Parse", "error", error_type="ValueError", error="row 7", curve="[[0,0],[1,5]]")
    filled.meta(session, task, model="tiny", depth={"levels": [1, None]})
    filled.event(session, task, data='{"row": 7}')
    found = site.get("/api/v1/openapi.json")
    assert found.status_code == 200
    document: Schema = found.json()
    return document


def operations(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Every path with each of its methods."""
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield path, method, item[method]


def resolved(document: Schema, schema: Schema) -> Schema:
    """The schema that a reference leads to."""
    while "$ref" in schema:
        place: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        schema = place
    return schema


def fits(document: Schema, schema: Schema, value: Any, where: str = "") -> list[str]:
    """What is wrong with a value, by the parts of JSON Schema that the description uses."""
    schema = resolved(document, schema)
    if "oneOf" in schema:
        faults = [fits(document, each, value, where) for each in schema["oneOf"]]
        return [] if [] in faults else [f"{where}: none of {len(faults)} fits {value!r:.60}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is not among {schema['enum']}"]
    kind = schema.get("type")
    if kind and not isinstance(value, KINDS[kind]):
        return [f"{where}: {value!r:.60} is no {kind}"]
    found: list[str] = []
    if kind == "array" and isinstance(schema.get("items"), dict):
        for number, each in enumerate(value):
            found += fits(document, schema["items"], each, f"{where}[{number}]")
    if kind == "object":
        found += [f"{where}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, part in schema.get("properties", {}).items():
            if name in value:
                found += fits(document, part, value[name], f"{where}.{name}")
    return found


def test_every_route_of_the_api_is_described_and_nothing_else(described: Schema, store_path: Any) -> None:
    """With a summary, its parameters, its problems and a name of its own."""
    with progstore.open_store(str(store_path)) as store:
        inside: Any = create_app(store).app
        routes = {
            (re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path), method.lower())
            for route in inside.routes
            for method in getattr(route, "methods", ())
            if route.path.startswith("/api/v1") and "openapi" not in route.path
        }
    # Litestar puts two of its own beside the description, which answer nothing.
    own = {"/api/v1", "/api/v1/{path}"}
    routes = {(path, method) for path, method in routes if method in METHODS and path not in own}
    assert {(path, method) for path, method, _ in operations(described)} == routes
    assert ("/api/v1/prune", "post") in routes
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(set(names)) == len(names)
    for path, method, operation in operations(described):
        assert operation["summary"], path
        assert {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"} == set(
            re.findall(r"\{(\w+)\}", path)
        )
        for status in {"400", "401", *({"403"} if method != "get" else ())}:
            problem = operation["responses"][status]["content"]["application/problem+json"]["schema"]
            assert problem == {"$ref": "#/components/schemas/Problem"}, (path, status)


def test_the_description_is_a_whole_document(site: httpx.Client, described: Schema) -> None:
    """Of version 3.1, every reference leads somewhere, the token is told of, and limits are the real ones."""
    assert described["openapi"].startswith("3.1")
    assert described["info"]["version"] == progstore.__version__
    assert described["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    assert {"token": []} in described["security"]
    for reference in re.findall(r'"\$ref":\s*"([^"]+)"', json.dumps(described)):
        assert resolved(described, {"$ref": reference}), reference
    limit = next(
        each["schema"] for each in described["paths"]["/api/v1/tasks"]["get"]["parameters"] if each["name"] == "limit"
    )
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 500, 50)
    assert site.get(f"/api/v1/tasks?limit={int(limit['maximum'])}").status_code == 200
    assert site.get(f"/api/v1/tasks?limit={int(limit['maximum']) + 1}").status_code == 400
    body = described["paths"]["/api/v1/prune"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert resolved(described, body)["properties"]["dry_run"]["default"] is True


def test_answers_are_as_described(site: httpx.Client, described: Schema) -> None:
    """Every GET that answers JSON, and problems too; a schema that is wrong would be found."""
    asked = 0
    for path, method, operation in operations(described):
        answer = operation["responses"].get("200", {}).get("content", {}).get("application/json")
        if method != "get" or answer is None:
            continue
        address = path.replace("{session_id}", "1").replace("{task_id}", "1").replace("{run_id}", "1")
        query = {"session": "nightly", "task": "Ingest"} if path.endswith("/history") else {}
        found = site.get(address, params=query)
        assert found.status_code == 200, path
        assert fits(described, answer["schema"], found.json(), path) == []
        asked += 1
    assert asked >= 13
    problem = site.get("/api/v1/sessions/99")
    assert fits(described, {"$ref": "#/components/schemas/Problem"}, problem.json()) == []
    stopping = described["paths"]["/api/v1/sessions/{session_id}/stop"]["post"]["responses"]["202"]
    asked_to_stop = site.post("/api/v1/sessions/1/stop").json()
    assert fits(described, stopping["content"]["application/json"]["schema"], asked_to_stop) == []
    report = site.post("/api/v1/prune", json={"older_than": 0}).json()
    assert fits(described, {"$ref": "#/components/schemas/PruneReport"}, report) == []
    assert fits(described, {"$ref": "#/components/schemas/SessionView"}, {**report, "id": "1"}) != []


def test_it_is_had_as_yaml_too(site: httpx.Client, described: Schema) -> None:
    """The same, and without anything that only Python reads."""
    text = site.get("/api/v1/openapi.yaml").content
    assert b"!!" not in text
    assert msgspec.yaml.decode(text) == described


def test_it_is_behind_the_token_and_loads_nothing_from_elsewhere(serve: Serve) -> None:
    """Like what it describes; there is no page of Litestar's beside it."""
    site = serve(access=Access(tokens=("alpha",)))
    for path in ("/api/v1/openapi.json", "/api/v1/openapi.yaml"):
        assert site.get(path).status_code == 401
        found = site.get(path, headers={"authorization": "Bearer alpha"})
        assert found.status_code == 200
        assert re.findall(r"https?://(?!spdx)[\w.]+", found.text) == []
    for path in ("/schema", "/schema/openapi.json", "/api/v1", "/api/v1/", "/api/v1/swagger", "/docs"):
        assert site.get(path, headers={"authorization": "Bearer alpha"}).status_code == 404, path
