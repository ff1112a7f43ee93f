"""Wildcards and regular expressions: what they match, and that nothing makes them slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flyte_agent_core.errors import InvalidConfig
from flyte_agent_s3_sensor import patterns, templates
from flyte_agent_s3_sensor.address import common_start


def matches(wildcard: str, key: str) -> bool:
    return patterns.matcher(patterns.wildcard_regex(wildcard))(key)


@pytest.mark.parametrize(
    ("wildcard", "yes", "no"),
    [
        ("a/*.csv", ["a/.csv", "a/b.csv"], ["a/b/c.csv", "a/b.csvx", "xa/b.csv"]),
        ("a/**", ["a/", "a/b", "a/b/c"], ["a", "b/a/"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ab"]),
        ("a/**.csv", ["a/b.csv", "a/b/c.csv"], ["a/b"]),
        ("a?c", ["abc", "aéc"], ["a/c", "ac"]),
        ("[ab]x", ["ax", "bx"], ["cx"]),
        ("[!ab]x", ["cx"], ["ax", "/x"]),
        ("[a-c]x", ["bx"], ["dx"]),
        ("a+b(1).*", ["a+b(1).x"], ["aab1.x"]),
        ("a\n*", ["a\nb"], ["a"]),
        ("größe*", ["größe1"], ["grosse"]),
        ("[]x]", [], []),
    ],
)
def test_what_wildcards_match(wildcard, yes, no):
    if wildcard == "[]x]":
        with pytest.raises(InvalidConfig):
            patterns.wildcard_regex(wildcard)
        return
    assert all(matches(wildcard, key) for key in yes)
    assert not any(matches(wildcard, key) for key in no)


@pytest.mark.parametrize(
    ("regex", "prefix"),
    [
        (r"in/\d+", "in/"), ("in/2024-01", "in/2024-01"), (r"in/a(?:b)?c", "in/a"), ("a|b", ""), ("(?i)abc", ""),
        ("^in/.*$", "in/"), (r"in/a\.b+", "in/a.b"), ("größe/.*", "größe/"), ("", ""), (r"\Qa*b\E.*", "a*b"),
    ],
)  # fmt: skip
def test_the_longest_literal_beginning_of_a_regex(regex, prefix):
    assert patterns.regex_prefix(regex) == prefix


@pytest.mark.parametrize("regex", ["in/(a+)+$", "in/(a|aa)+$", "in/(.*a){20}", "in/(x+x+)+y"])
def test_a_pattern_that_would_backtrack_for_ever_does_not(regex):
    started_s = time.process_time()
    assert not patterns.matcher(regex)("in/" + "a" * 1000 + "!")
    assert not patterns.matcher(regex)("in/" + "x" * 1000)
    assert time.process_time() - started_s < 1.0


@pytest.mark.parametrize("regex", ["a" * 3000, "in/(a{1000}){1000}", "in/\\1", "in/[", "\ud800"])
def test_a_regex_that_cannot_be_is_refused(regex):
    with pytest.raises(InvalidConfig, match="regex: found"):
        patterns.check_regex(regex)


@settings(deadline=None)  # other work on the machine is no mistake
@given(st.text(max_size=30))
@example("*?[a]")
@example("a.b+c(d)\\e")
def test_a_value_matches_itself_and_nothing_else(text):
    for escape, compiled in (
        (templates.in_regex, lambda made: patterns.matcher("k" + made)),
        (templates.in_wildcard, lambda made: patterns.matcher(patterns.wildcard_regex("k" + made))),
    ):
        fits = compiled(escape(text))
        assert fits("k" + text)
        assert not fits("k" + text + "x")
        assert not fits("kx" + text) or text == "x" * len(text)


@settings(deadline=None)
@given(st.lists(st.text(max_size=8), min_size=1, max_size=5))
def test_the_common_beginning(texts):
    start = common_start(texts)
    assert all(text.startswith(start) for text in texts)
    assert (
        not all(text.startswith(texts[0][: len(start) + 1]) for text in texts) or start == texts[0]
    )
