"""Who is let in, by what, and the headers that protect every answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from progstore_web import Access
from progstore_web.access import TRIES, cookie_name, cookie_value, host_name, parse_tokens

Serve = Callable[..., httpx.Client]
TOKENS = parse_tokens("alpha , beta,")
GUARDED_PAGES = ("/", "/live/now", "/sessions/1", "/live/sessions/1")
GUARDED_JSON = (
    "/api/v1/now",
    "/api/v1/sessions",
    "/api/v1/sessions/1",
    "/api/v1/sessions/1/tasks",
    "/api/v1/sessions/1/events",
)


@pytest.fixture
def locked(serve: Serve) -> httpx.Client:
    """A server that asks for one of two tokens."""
    return serve(access=Access(tokens=TOKENS))


def test_tokens_are_given_as_a_list_with_commas() -> None:
    """Spaces around them and empty ones do not count."""
    assert TOKENS == ("alpha", "beta")


@pytest.mark.parametrize("token", ["pässwort", "", " alpha", "al\npha"])
def test_a_token_that_no_header_can_carry_is_none(token: str) -> None:
    """Nobody could come in by it, or everybody: so there is no such server."""
    for tokens in ({"tokens": ("alpha", token)}, {"view_tokens": (token,)}, {"push_tokens": (token,)}):
        with pytest.raises(ValueError, match="cannot be a token"):
            Access(**tokens)


def test_a_page_without_a_token_is_the_form_that_asks_for_it(locked: httpx.Client) -> None:
    """Nothing of the page is shown, and the form comes back to it."""
    for path in GUARDED_PAGES:
        answer = locked.get(path)
        assert answer.status_code == 401
        assert 'action="/login"' in answer.text
        assert f'name="next" value="{path}"' in answer.text


def test_json_without_a_token_is_a_problem_document(locked: httpx.Client) -> None:
    """It says how a token is sent; one in the address is not enough here."""
    for address in (*GUARDED_JSON, *(f"{path}?token=alpha" for path in GUARDED_JSON)):
        answer = locked.get(address)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer" in answer.json()["detail"]


def test_either_token_is_let_in_as_a_bearer(locked: httpx.Client, ingest: object) -> None:
    """However the scheme's word is written."""
    for header in ("Bearer beta", "bearer beta", "BEARER  alpha"):
        for path in (*GUARDED_PAGES, *GUARDED_JSON):
            assert locked.get(path, headers={"authorization": header}).status_code == 200, path


def test_anything_else_is_not_let_in(locked: httpx.Client) -> None:
    """Neither a wrong token nor another scheme."""
    for header in (
        "Bearer gamma",
        "Bearer",
        "Basic YWxwaGE6",
        "alpha",
        "Bearer alphabeta",
        "Bearer \u00e4",
    ):
        answer = locked.get("/api/v1/sessions", headers={b"authorization": header.encode()})
        assert answer.status_code == 401, header


def test_health_needs_no_token_and_tells_nothing_but_health(locked: httpx.Client) -> None:
    """A watchdog needs no more."""
    answer = locked.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_token_in_the_address_becomes_a_cookie_and_leaves_the_address(locked: httpx.Client) -> None:
    """The rest stays. Scripts cannot read the cookie, other sites cannot use it, and it does not tell the token."""
    answer = locked.get("/?a=1&token=beta&b=%C3%A4")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?a=1&b=%C3%A4")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "beta" not in cookie
    assert locked.get("/").status_code == 200
    assert locked.get("/api/v1/now").status_code == 200


def test_a_wrong_token_in_the_address_sets_no_cookie(locked: httpx.Client) -> None:
    """The form says what was wrong."""
    answer = locked.get("/?token=gamma")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "not a token of this server" in answer.text


def test_signing_in_leads_back_to_the_page(locked: httpx.Client) -> None:
    """And from then on the cookie is enough; the form leads on to the first page."""
    answer = locked.post("/login", data={"token": " alpha ", "next": "/sessions/7?x=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sessions/7?x=1")
    assert locked.get("/").status_code == 200
    assert locked.get("/login").headers["location"] == "/"


def test_signing_out_forgets_who_one_is(serve: Serve, ingest: object) -> None:
    """By a form of ours, to which each page leads where there are tokens; whichever the browser was let in by."""
    locked = serve(access=Access(tokens=("alpha",), view_tokens=("look",)), root_path="/jobs")
    for token in ("alpha", "look"):
        locked.post("/jobs/login", data={"token": token})
        for path in ("/jobs/", "/jobs/sessions/1", "/jobs/history"):
            assert 'href="/jobs/logout"' in locked.get(path).text, path
        key = re.search(r'name="form_key" value="(\w+)"', locked.get("/jobs/logout").text)
        assert key is not None
        own = {"origin": str(locked.base_url).rstrip("/")}
        assert locked.post("/jobs/logout", headers=own).status_code == 403
        assert locked.get("/jobs/").status_code == 200
        answer = locked.post("/jobs/logout", data={"form_key": key[1]}, headers=own)
        assert (answer.status_code, answer.headers["location"]) == (303, "/jobs/login")
        assert locked.get("/jobs/").status_code == 401
    assert locked.get("/jobs/logout").headers["location"] == "/jobs/"


def test_signing_in_never_leads_to_another_site(locked: httpx.Client) -> None:
    """What is no path of this server becomes the first page."""
    for target in ("//evil.example", "/\\evil.example", "https://evil.example", "", "/\r\nx: y", "evil"):
        assert locked.post("/login", data={"token": "alpha", "next": target}).headers["location"] == "/"


def test_signing_in_leads_back_to_a_page_of_any_name(locked: httpx.Client) -> None:
    """What the server decoded on its way in is encoded again: a header holds no other script, and no second line."""
    for path in ("/names/%E6%97%A5%E6%9C%AC", "/names/a%0D%0Ax-evil%3A%201", "/names/a%3Fb%23c"):
        assert locked.get(f"{path}?token=alpha").headers["location"].lower() == path.lower()
        locked.cookies.clear()
        assert f'name="next" value="{path}"' in locked.get(path).text
    answer = locked.post("/login", data={"token": "alpha", "next": "/names/日本?task=ä"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/names/%E6%97%A5%E6%9C%AC?task=%C3%A4")
    # What a form was sent to cannot be looked at.
    locked.cookies.clear()
    assert 'name="next" value="/"' in locked.post("/delete").text
    # Slashes that the routes pass over would be the beginning of another site's address.
    assert locked.get("//history?token=alpha").headers["location"] == "/"


def test_a_wrong_token_in_the_form_is_refused_with_a_word(locked: httpx.Client) -> None:
    """The page that was asked for is remembered."""
    answer = locked.post("/login", data={"token": "gamma", "next": "/sessions/7"})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert 'value="/sessions/7"' in answer.text


def test_after_many_wrong_tokens_even_the_right_one_has_to_wait(locked: httpx.Client) -> None:
    """A token cannot be guessed through the form; who holds a bearer token goes on."""
    for _ in range(TRIES):
        assert locked.post("/login", data={"token": "gamma"}).status_code == 401
    refused = locked.post("/login", data={"token": "alpha"})
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert locked.get("/?token=alpha").status_code == 429
    assert locked.get("/", headers={"authorization": "Bearer alpha"}).status_code == 200


def test_a_form_that_is_none_is_refused_without_a_fault(locked: httpx.Client) -> None:
    """Neither a file in place of the token nor a body of another kind makes an error of the server's."""
    assert locked.post("/login", files={"token": b"alpha"}).status_code == 400
    assert locked.post("/login", content=b"\xff\xfe", headers={"content-type": "application/json"}).status_code == 401
    assert locked.post("/login", content=b"token=" + b"a" * 100_000).status_code in (401, 413)


def test_the_cookie_of_another_token_lets_nobody_in(locked: httpx.Client) -> None:
    """Neither under its own name nor under that of a right one."""
    for name in (cookie_name("gamma"), cookie_name("alpha")):
        answer = locked.get("/", headers={"cookie": f"other=1; {name}={cookie_value('gamma')}; x"})
        assert answer.status_code == 401


def test_servers_with_different_tokens_do_not_sign_out_each_other(serve: Serve) -> None:
    """Browsers send one host's cookies to all its ports, so their names differ."""
    assert cookie_name("alpha") != cookie_name("beta")
    assert cookie_value("alpha") != cookie_name("alpha")


def test_a_sign_in_outlives_a_restart_of_the_server(serve: Serve) -> None:
    """The cookie is derived from the token, not from anything that a restart forgets."""
    first = serve(access=Access(tokens=("alpha",)))
    cookie = first.get("/?token=alpha").headers["set-cookie"].partition(";")[0]
    second = serve(access=Access(tokens=("alpha",)))
    assert second.get("/", headers={"cookie": cookie}).status_code == 200


def test_a_link_from_another_site_is_asked_again_by_our_own_page(locked: httpx.Client) -> None:
    """A strict cookie is kept back on such a link, so who is signed in would meet the form."""
    linked = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    answer = locked.get("/", headers=linked)
    assert '<meta http-equiv="refresh" content="0">' in answer.text
    assert locked.get("/", headers={**linked, "sec-fetch-site": "same-origin"}).status_code == 401


def test_the_names_of_this_machine_are_answered(site: httpx.Client) -> None:
    """With a port and without."""
    for host in ("localhost", "127.0.0.1", "LOCALHOST", "localhost:1", "[::1]", "[::1]:8787"):
        assert site.get("/health", headers={"host": host}).status_code == 200, host


def test_another_sites_name_is_not_answered(site: httpx.Client) -> None:
    """A name that somebody else points at this machine must not let his pages read ours."""
    for host in ("evil.example", "evil.example:8787", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", "@"):
        for path in ("/", "/api/v1/sessions", "/health", "/login", "/static/x/app.js", "/nowhere"):
            answer = site.get(path, headers={"host": host})
            assert answer.status_code == 400, (host, path)
            assert "--allow-host" in answer.json()["detail"]


def test_names_that_were_let_in_are_answered(serve: Serve) -> None:
    """By --allow-host; on a server for all addresses plain addresses too, for those nobody can point elsewhere."""
    named = serve(access=Access(hosts=frozenset({"jobs.example"})))
    assert named.get("/health", headers={"host": "Jobs.Example:80"}).status_code == 200
    assert named.get("/health").status_code == 400
    wide = serve(access=Access(any_address=True))
    assert wide.get("/health", headers={"host": "10.0.0.1:8787"}).status_code == 200
    assert wide.get("/health", headers={"host": "evil.example"}).status_code == 400
    free = serve(access=Access(hosts=None))
    assert free.get("/health", headers={"host": "evil.example"}).status_code == 200


@pytest.mark.parametrize(
    ("header", "name"),
    [("a.b:80", "a.b"), ("[::1]:80", "::1"), ("[::1]", "::1"), ("::1", "::1"), ("", ""), (" A ", "a")],
)
def test_a_host_header_is_a_name_and_perhaps_a_port(header: str, name: str) -> None:
    """Only the name is compared."""
    assert host_name(header) == name


def test_a_form_of_another_site_is_refused(locked: httpx.Client) -> None:
    """Also of another port of this machine."""
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        answer = locked.post("/login", data={"token": "alpha"}, headers={"origin": origin})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_our_own_form_is_taken(locked: httpx.Client) -> None:
    """By its origin, or by what the browser says of it where the origin is kept back."""
    own = str(locked.base_url).rstrip("/")
    assert locked.post("/login", data={"token": "alpha"}, headers={"origin": own}).status_code == 303
    hidden = {"origin": "null", "sec-fetch-site": "same-origin"}
    assert locked.post("/login", data={"token": "alpha"}, headers=hidden).status_code == 303


def test_every_answer_carries_the_headers_that_protect(site: httpx.Client, ingest: object) -> None:
    """Pages, JSON and errors: no script or style that is not ours, no frame, no guessing of types, no referrer."""
    answers = {
        path: site.get(path) for path in ("/", "/api/v1/now", "/health", "/nowhere", "/api/v1/nowhere", "/login")
    }
    assert [answer.status_code for answer in answers.values()] == [200, 200, 200, 404, 404, 303]
    foreign = site.get("/", headers={"host": "evil.example"})
    for answer in (*answers.values(), foreign):
        policy = answer.headers["content-security-policy"]
        for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
            assert part in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_what_only_shows_cannot_be_written_to(site: httpx.Client) -> None:
    """Pages, lists and files take nothing but GET and HEAD."""
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in ("/", "/history", "/sql", "/api/v1/sessions", "/api/v1/tasks", "/health", "/metrics"):
            assert site.request(method, path).status_code == 405, (method, path)


def test_head_is_answered_like_get_without_the_body(site: httpx.Client, ingest: Any) -> None:
    """On pages, JSON and files."""
    ingest.end()
    for path in ("/", "/api/v1/sessions", "/health", "/nowhere"):
        whole, head = site.get(path), site.head(path)
        assert head.content == b""
        assert (head.status_code, head.headers["content-length"]) == (
            whole.status_code,
            whole.headers["content-length"],
        )


def test_a_push_token_reads_and_deletes_nothing(serve: Serve, ingest: object) -> None:
    """Neither as a bearer nor by signing in; and no cookie stands for it."""
    site = serve(access=Access(tokens=("alpha",), view_tokens=("look",), push_tokens=("send",)))
    sent = {"authorization": "Bearer send"}
    for path in GUARDED_PAGES:
        assert site.get(path, headers=sent).status_code == 401, path
    for path in GUARDED_JSON:
        assert site.get(path, headers=sent).status_code == 403, path
    assert site.delete("/api/v1/sessions/1", headers=sent).status_code == 403
    refused = site.post("/login", data={"token": "send"})
    assert (refused.status_code, "That is a push token" in refused.text) == (403, True)
    forged = {"cookie": f"{cookie_name('send')}={cookie_value('send')}"}
    assert site.get("/api/v1/sessions", headers=forged).status_code == 401
