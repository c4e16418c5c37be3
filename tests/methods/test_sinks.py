"""Encoded text is shown by its sink, whole, and acted on by none."""

from __future__ import annotations

import csv
import doctest
import html
import json
import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.controls.exchange.active_outputs import ActiveOutputs
from hauberk.methods import sinks
from hauberk.methods.sinks import Sink, encode_for_sink

_text = st.text(
    st.characters(exclude_categories=["Cs"])
    | st.sampled_from("<>&\"'`=\\{}[]()|$;#%\n\r\t\x1b-+@_*~!:/"),
    max_size=40,
)
_calm = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=40).filter(
    lambda text: not sinks.INVISIBLE.search(text)
)


@given(_text, st.sampled_from(Sink))
@settings(max_examples=500)
def test_nothing_that_was_encoded_is_active(text, sink):
    assert ActiveOutputs().active(encode_for_sink(text, sink), sink) == ""


@given(_calm)
def test_html_shows_the_text_itself(text):
    assert html.unescape(encode_for_sink(text, Sink.HTML)) == text


@given(_calm)
def test_csv_gives_one_field_with_the_text(text):
    (row,) = csv.reader([encode_for_sink(text, Sink.CSV)])
    assert row in ([text], ["'" + text])


@given(_calm)
def test_a_shell_reads_one_word_with_the_text(text):
    (word,) = shlex.split(encode_for_sink(text, Sink.SHELL))
    assert word in (text, " " + text)


@given(_text)
def test_an_agent_s_line_is_json_with_the_text(text):
    line = encode_for_sink(text, Sink.AGENT)
    assert "\n" not in line
    json.loads(line.removeprefix("untrusted data: "))


@pytest.mark.parametrize("text", ["-5", "+3.25", "1e5", "-1,5"])
def test_numbers_stay_numbers_in_csv(text):
    assert encode_for_sink(text, Sink.CSV) == f'"{text}"'


def test_line_ends_in_terminals_stay_and_escapes_are_shown():
    assert encode_for_sink("a\nb\x1b[2J\r", Sink.TERMINAL) == "a\nb\\x1b[2J\\r"


@pytest.mark.parametrize("sink", Sink)
def test_invisible_characters_reach_no_sink(sink):
    assert not sinks.INVISIBLE.search(encode_for_sink("a\u202eb\u200bc\U000e0041", sink))


def test_links_to_allowed_hosts_stay_links_in_markdown():
    text = "see https://docs.example/a/b and https://evil.example/x"
    encoded = encode_for_sink(text, Sink.MARKDOWN, link_hosts=frozenset({"docs.example"}))
    assert encoded == r"see <https://docs.example/a/b> and https\:\/\/evil\.example\/x"


@given(_text)
@settings(max_examples=25, deadline=None)
def test_a_real_shell_prints_what_it_was_given(text):
    word = encode_for_sink(text, Sink.SHELL)
    done = subprocess.run(["sh", "-c", f"printf %s {word}"], capture_output=True, check=True)
    assert done.stdout.decode() == shlex.split(word)[0]


def test_the_examples_in_the_docstring_are_true():
    assert doctest.testmod(sinks).failed == 0
