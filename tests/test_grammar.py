"""What people type to say which tasks they mean: ages, times, and the small filter grammar with its errors."""

from __future__ import annotations

import math
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progstore import BadFilter, Filter, Status, change_filter, parse_filter, write_filter
from progstore.ages import moment, parse_age


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("90s", 90), ("15m", 900), ("26h", 93600), ("30d", 2592000), ("2w", 1209600), ("1.5h", 5400), (" 5 M ", 300)],
)
def test_an_age_is_a_number_and_a_unit(typed: str, seconds: float) -> None:
    """Seconds, minutes, hours, days and weeks, in either case, with or without a space."""
    assert parse_age(typed) == seconds


@pytest.mark.parametrize(
    "typed",
    ["", "26", "h", "-5h", "5y", "1h30m", "nan", "infd", "1e3s", "٣d", "99999999999w", "5 h ago", "9" * 500 + "s"],
)
def test_a_bad_age_is_refused_with_right_ones(typed: str) -> None:
    """The message repeats what was typed, and shows what would have been understood."""
    with pytest.raises(BadFilter, match="90s, 15m, 26h, 30d or 2w") as caught:
        parse_age(typed)
    assert repr(typed) in str(caught.value)


def test_a_moment_is_a_local_date_a_time_with_a_zone_or_an_age_ago() -> None:
    """A date without a zone is meant where the user is; seconds since 1970 are exact."""
    assert moment("2026-11-01") == datetime(2026, 11, 1).astimezone().timestamp()
    assert moment("2026-11-01T08:30:00+02:00") == 1793514600
    assert moment("@1793514600.1234567") == 1793514600.1234567
    before = time.time() - 7 * 86400
    assert before <= moment("7d") <= time.time() - 7 * 86400 + 1


@pytest.mark.parametrize(
    "typed", ["yesterday", "2026-13-01", "1.11.2026", "0001-01-01T00:00:00+23:00x", "", "@", "@nan", "@" + "9" * 400]
)
def test_a_bad_moment_is_refused_with_right_ones(typed: str) -> None:
    """The message shows a date, a time and an age."""
    with pytest.raises(BadFilter, match="2026-11-01"):
        moment(typed)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", Filter()),
        ("  \n ", Filter()),
        ("name:etl", Filter(name="etl")),
        ('name:"two words" session:nightly', Filter(name="two words", session_name="nightly")),
        ("status:error,cancelled", Filter(statuses=frozenset({Status.ERROR, Status.CANCELLED}))),
        ("status:error status:RUNNING", Filter(statuses=frozenset({Status.ERROR, Status.RUNNING}))),
        ("took>10m took<1.5h", Filter(longer_than=600, shorter_than=5400)),
        ("took>=10m", Filter(longer_than=math.nextafter(600, 0))),
        ("took<=90s", Filter(shorter_than=math.nextafter(90, math.inf))),
        ("host:db1 meta.model:x", Filter(host="db1", meta={"model": "x"})),
        ('meta."a: b".c:d:e meta.empty:""', Filter(meta={"a: b.c": "d:e", "empty": ""})),
        ("since:@100 until:2026-11-01T08:30:00Z", Filter(since=100, until=1793521800)),
        ("in:17,18 in:20 is:root is:live", Filter(session_ids=(17, 18, 20), roots=True, live=True)),
        ("rest are   words", Filter(text="rest are words")),
        ('late "a  b" name:x "12:30"', Filter(text="late a  b 12:30", name="x")),
        ('"took>10m" 5%_ <b> a->b', Filter(text="took>10m 5%_ <b> a->b")),
        (r'"say \"no\" to C:\temp \\ "', Filter(text='say "no" to C:\\temp \\ ')),
        ('host:""', Filter(host="")),
        ("name:a:b name", Filter(name="a:b", text="name")),
    ],
)
def test_keys_narrow_and_the_rest_is_looked_for(typed: str, meant: Filter) -> None:
    """Quotes hold together what has blanks; what is compared is an age."""
    assert parse_filter(typed) == meant


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("http://example.org", "no 'http:' to filter by, but name: session: .* quotes: \"http://example.org\""),
        ("at 12:30", '^12:30: .* in quotes: "12:30"'),
        ("done>5", "no 'done>' to filter by"),
        ("status:failed", "^status:failed: .*'failed'.* pending, running, complete, error, cancelled"),
        ("status:lost", "^status:lost: lost is not stored, but concluded .* status:running"),
        ("status:error,", "^status:error,: there is no status ''"),
        ("took:10m", "^took:10m: took is asked for as in took>10m"),
        ("took>10", "^took>10: '10' is not an age.*90s"),
        ("took>1m took>=2m", "^took>=2m: 'took>' stands here twice"),
        ("name>x", "^name>x: name is asked for as in name:x"),
        ("meta.k<3", r"^meta.k<3: meta.k is asked for as in meta.k:3"),
        ("name:a name:b", "^name:b: 'name:' stands here twice"),
        ("meta.k:1 meta.k:2", "^meta.k:2: meta.k stands here twice"),
        ("is:root is:root", "^is:root: 'is:root' stands here twice"),
        ("is:nested", "^is:nested: .*is:root .*is:live.*nested tasks"),
        ("name: x", "^name:: nothing stands after 'name:'.* name:\"\""),
        ("took>", "^took>: nothing stands after 'took>'$"),
        ('x ""', '^"": nothing stands between'),
        ('name:"two words', '^name:"two words: the quote at character 6 is not closed'),
        ("since:yesterday", "^since:yesterday: 'yesterday' is not a time.*2026-11-01.*26h"),
        ("in:x", "^in:x: 'x' is no session's number.*in:17"),
        ("in:0", "^in:0: '0'"),
        ("x" * 100_001, "at most 100,000 characters"),
    ],
)
def test_an_error_says_which_piece_is_wrong_and_what_is_right(typed: str, said: str) -> None:
    """Never a guess: what is not understood is refused."""
    with pytest.raises(BadFilter, match=said):
        parse_filter(typed)


PIECES = (
    "name:",
    "status:",
    "took>",
    "took<=",
    "meta.",
    "since:",
    "in:",
    "is:",
    '"',
    "\\",
    ":",
    ",",
    "10m",
    "@",
    " ",
    "\n",
)


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=12).map("".join))
def test_whatever_is_typed_is_a_filter_or_a_bad_one(typed: str) -> None:
    """No other error comes out, and what is understood can be written again."""
    try:
        wanted = parse_filter(typed)
    except BadFilter:
        return
    assert parse_filter(write_filter(wanted)) == wanted


TIMES = st.none() | st.floats(-1e12, 1e12)
SECONDS = st.none() | st.floats(0, 1e15) | st.sampled_from([0.0, 600.0, math.nextafter(600.0, 0), 604800.0])
FILTERS = st.builds(
    Filter,
    text=st.text(max_size=20),
    name=st.none() | st.text(max_size=10),
    session_name=st.none() | st.text(max_size=10),
    statuses=st.frozensets(st.sampled_from(Status)),
    host=st.none() | st.text(max_size=10),
    since=TIMES,
    until=TIMES,
    longer_than=SECONDS,
    shorter_than=SECONDS,
    meta=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    session_ids=st.none() | st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=3).map(tuple),
    roots=st.booleans(),
    live=st.booleans(),
)


@given(FILTERS)
def test_a_written_filter_is_read_as_the_same(wanted: Filter) -> None:
    """To the last bit of a time, and with any sign in a name."""
    assert parse_filter(write_filter(wanted)) == wanted


def test_a_filter_is_written_as_people_would() -> None:
    """Round ages and times, quotes only where they must be."""
    wanted = Filter(
        name="two words", host="db1", longer_than=math.nextafter(600, 0), since=1793521800, text="late rows"
    )
    assert write_filter(wanted) == 'name:"two words" host:db1 since:2026-11-01T08:30:00Z took>=10m late rows'
    for cannot in (Filter(parent_id=1), Filter(active_since=1.0), Filter(session_ids=()), Filter(longer_than=-1.0)):
        with pytest.raises(BadFilter):
            write_filter(cannot)


def test_one_key_is_changed_and_the_rest_stays_as_it_was_typed() -> None:
    """Ages ago are not turned into times."""
    typed = 'since:7d  host:a status:error "x  y" status:cancelled'
    assert change_filter(typed, "host", "b c") == 'since:7d status:error "x  y" status:cancelled host:"b c"'
    assert change_filter(typed, "status", None) == 'since:7d host:a "x  y"'
    assert change_filter("", "host", "") == 'host:""'
