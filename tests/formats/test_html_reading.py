"""HTML of strangers: every text is read to its end, and none takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.formats.html_reading import MAX_BROKEN, HtmlReader
from hauberk.methods.rich_text import rich_html

_PIECES = st.sampled_from(
    ["<", ">", "!", "[", "]", "-", "/", "?", "a", " ", "=", "'", '"', "&", "script", "CDATA"]
)


class Seen(HtmlReader):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def _seen(text):
    reader = Seen()
    reader.read(text)
    return reader


def test_tags_and_text_are_told_apart():
    found = _seen("<p>one &amp; <b>two</b></p>")
    assert (found.tags, found.text) == (["p", "b"], "one & two")


@pytest.mark.parametrize(
    "text", ["<![>seen", "<![foo bar>seen", "<![CDATA[>seen", "<![if gte mso 9]>seen<![endif]>"]
)
def test_a_section_of_any_name_is_a_comment(text):
    found = _seen(f"{text}<b>after")
    assert (found.tags, found.text) == (["b"], "seenafter")


@given(st.lists(_PIECES, max_size=60).map("".join))
def test_no_text_breaks_it(text):
    _seen(text)


@pytest.mark.parametrize(
    "piece",
    [
        "<a ",
        "<a b='",
        "<!--",
        "<!--x>",
        "</",
        "</a ",
        "<?",
        "<!x",
        "<![CDATA[",
        '<a b=">"',
        "<script>",
    ],
)
def test_what_begins_and_never_ends_takes_little_time(piece):
    text = piece * (60_000 // len(piece))
    began = time.process_time()
    rich_html(text)
    assert time.process_time() - began < 1.0


def test_what_lies_beyond_too_many_broken_tags_is_text():
    found = _seen("<!--x>" * (MAX_BROKEN + 1) + "&lt;<b>")
    assert (found.tags, found.text[-4:]) == ([], "<<b>")
    assert "<b>" not in rich_html("<!--x>" * (MAX_BROKEN + 1) + "<b>")
