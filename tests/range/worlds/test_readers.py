"""Readers act on what is active for them, and on nothing else."""

from __future__ import annotations

import pytest

from hauberk.range.worlds import readers


@pytest.mark.parametrize(
    ("sink", "text"),
    [
        ("html", "a &lt;b&gt; c"),
        ("markdown", r"\[x\]\(y\)"),
        ("csv", '"-5.2"'),
        ("csv", '"\'=1+1"'),
        ("terminal", "a\tb\nc"),
        ("latex", r"5 \% of \$3"),
        ("shell", "'; touch hauberk-canary'"),
        ("agent", '{"not": "a call"}'),
        ("agent", "a {broken} brace"),
    ],
)
def test_harmless_text_is_only_shown(sink, text):
    assert not readers.acts(sink, text)


@pytest.mark.parametrize(
    ("sink", "text"),
    [
        ("html", "<b>"),
        ("markdown", "[x](y)"),
        ("csv", "=1+1"),
        ("csv", "a,b"),
        ("terminal", "\x1b[m"),
        ("latex", r"\input x"),
        ("latex", "$x$"),
        ("shell", "; touch hauberk-canary"),
        ("agent", '{"name": "send", "arguments": {}}'),
    ],
)
def test_active_text_is_acted_on(sink, text):
    assert readers.acts(sink, text)


def test_there_is_no_reader_for_an_unknown_sink():
    with pytest.raises(KeyError):
        readers.acts("fax", "x")
