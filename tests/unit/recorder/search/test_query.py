"""What is typed to search: words, phrases, prefixes and filters; nothing of it reaches the database as its language."""

import pytest

from recorder.errors import QueryRefused
from recorder.search.query import parse


@pytest.mark.parametrize(
    ("typed", "match", "filters"),
    [
        ("rm", 'text : "rm"', {}),
        ("rm -rf", 'text : "rm" AND text : "-rf"', {}),
        ('"rm -rf" /etc', 'text : "rm -rf" AND text : "/etc"', {}),
        ("pass*", 'text : "pass" *', {}),
        ('"drop tab"*', 'text : "drop tab" *', {}),
        ("kind:file b94d*", 'text : "b94d" *', {"kind": "file"}),
        ("device:scan01", "", {"device": "scan01"}),
        ('supplier:"Imagerie du Nord" tube', 'text : "tube"', {"supplier": "Imagerie du Nord"}),
        ("http://x:80", 'text : "http://x:80"', {}),
        ("rm\0 \0-rf\0", 'text : "rm" AND text : "-rf"', {}),
        ("off_now _x", 'text : "off_now" AND text : "_x"', {}),
        ("OR NOT x", 'text : "OR" AND text : "NOT" AND text : "x"', {}),
        ("tags:c0ffee NEAR(a", 'text : "tags:c0ffee" AND text : "NEAR(a"', {}),
    ],
)
def test_what_is_typed_is_text_and_filters(typed: str, match: str, filters: dict[str, str]) -> None:
    """Every word is a quoted string for the database, whatever signs and operators it is made of."""
    query = parse(typed)
    assert (query.match, query.filters) == (match, filters)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("x" * 301, "long"),
        (" ".join("ab" for _ in range(21)), "words"),
        ('"rm -rf', "unclosed"),
        ("a*b", "star"),
        ("*", "symbols"),
        ("a*", "prefix"),
        ("-- ;", "symbols"),
        ('""', "symbols"),
        ("_ __", "symbols"),
        ("\0", "empty"),
        ("kind:nothing x", "kind"),
        ("device:a device:b", "twice"),
    ],
)
def test_what_asks_for_nothing_says_why(typed: str, reason: str) -> None:
    """Each refusal has a reason for its sentence."""
    with pytest.raises(QueryRefused) as refused:
        parse(typed)
    assert refused.value.reason == reason
