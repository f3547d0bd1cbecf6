"""Stored text on every page: it is shown as what it says, and nothing of it becomes part of the page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import quote
from xml.dom.minidom import parseString

import httpx
import pytest

from tests.hostile.hostility import EVERYTHING, HARMLESS, TEXTS, Skeleton, addresses, hostile_store, site_of
from tests.store.conftest import Filled

NOW = 1_700_000_000.0
"""When these stores were filled, so that two of them differ in their texts only."""
FORMULAS = tuple("=+-@\t\r")


def answers(path: Path, text: str) -> list[tuple[str, httpx.Response]]:
    """Every address over a store full of the text, with its answer."""
    filled = Filled(path)
    filled.now = NOW
    try:
        hostile_store(filled, text)
        with site_of(filled) as (store, site):
            return [(address, site.get(address)) for address in addresses(store)]
    finally:
        filled.close()


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> list[httpx.Response]:
    """The answers where all texts are a plain word."""
    found = answers(tmp_path_factory.mktemp("harmless") / "store.db", HARMLESS)
    assert [address for address, answer in found if answer.status_code != 200] == []
    return [answer for _, answer in found]


def texts(*, soak: bool) -> Iterator[str]:
    """All at once; the long form tries each alone too."""
    yield EVERYTHING
    if soak:
        yield from TEXTS.values()


def test_no_stored_text_becomes_part_of_a_page(harmless: list[httpx.Response], tmp_path: Path, soak: bool) -> None:
    """Each page has the elements, attributes and links that it has with a plain word, whatever is stored; what is no
    page can be read by who reads its kind.
    """
    for number, text in enumerate(texts(soak=soak)):
        for (address, answer), plain in zip(answers(tmp_path / f"{number}.db", text), harmless, strict=True):
            if "\0" in text and "%00" in address:
                continue  # in a question NUL counts as U+FFFD, so such a name is found by its number only
            assert answer.status_code == 200, (address, answer.text)
            assert answer.headers["content-type"] == plain.headers["content-type"]
            check(address, answer, plain, text)


def check(address: str, answer: httpx.Response, plain: httpx.Response, text: str) -> None:
    """One answer by the rules of its kind."""
    kind = answer.headers["content-type"].partition(";")[0]
    if kind == "text/html":
        shown = Skeleton(answer.text)
        assert shown.parts == Skeleton(plain.text).parts, address
        strange = [link for link in shown.addresses if not link.startswith(("/", "#", "?"))]
        assert strange == [], address
    elif kind == "application/json":
        json.loads(answer.text)
    elif kind == "application/x-ndjson":
        assert all(json.loads(line)["name"] == text for line in answer.text.strip("\n").split("\n"))
    elif kind == "text/csv":
        cells = [cell for row in csv.reader(io.StringIO(answer.text, newline="")) for cell in row]
        assert [cell for cell in cells if cell.startswith(FORMULAS) and not is_number(cell)] == [], address
    elif kind == "image/svg+xml":
        parseString(answer.text)  # noqa: S318  # what it parses is ours, and that it can be is what is asked
        assert Skeleton(answer.text).parts == Skeleton(plain.text).parts


def is_number(cell: str) -> bool:
    """Whether a spreadsheet may well read it as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_a_stored_text_can_be_read_on_its_page(filled: Filled) -> None:
    """To the letter: what is escaped comes back as it was said."""
    text = " ".join(EVERYTHING.split())
    hostile_store(filled, text)
    with site_of(filled) as (_, site):
        for address in ("/", "/history", "/sessions/2", "/sessions/2/tasks/4"):
            page = site.get(address).text
            assert text in " ".join(" ".join(Skeleton(page).words).split()), address
            assert text in unescape(page), address
            assert TEXTS["script"] not in page


def test_whatever_a_visitor_sends_comes_back_as_text(filled: Filled) -> None:
    """In a filter, a question, a path, a parameter: every page answers, none with a mistake of the server's."""
    filled.session()
    places = [
        *(
            f"/{page}={{}}"
            for page in ("history?q", "sql?q", "names?session", "timeline?span", "timeline?at", "compare?task")
        ),
        *(
            f"/{page}={{}}"
            for page in ("history?cursor", "history?sort", "login?next", "delete?session", "api/v1/tasks?q")
        ),
        *("/{}", "/sessions/{}", "/embed/{}", "/api/v1/sessions/{}", "/static/{}/x", "/names/{}"),
    ]
    with site_of(filled) as (_, site):
        for place in places:
            for text in TEXTS.values():
                answer = site.get(place.format(quote(text, safe="")))
                assert answer.status_code < 500, (place, text, answer.text)
                if answer.headers.get("content-type", "").startswith("text/html"):
                    shown = Skeleton(answer.text)
                    assert not any(part[0] == "script" and len(part) < 3 for part in shown.parts), (place, text)
                    assert not [each for part in shown.parts for each in part if each.startswith("on")], (place, text)
                    assert not [link for link in shown.addresses if link.startswith("javascript:")]
