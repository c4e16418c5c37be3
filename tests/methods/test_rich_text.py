"""Formatted answers keep their formatting and nothing that acts."""

from __future__ import annotations

import re

import pytest

from hauberk.attacks.exchange.inject_output import payloads
from hauberk.methods.rich_text import allowed_link, rich_html, rich_markdown

HOSTS = frozenset({"docs.example"})
MARKDOWN = """# Title

Some *soft*, **strong** and `code <b>` words, 3 * 4 = 12, snake_case_name.

- one
- two

1. first

> quoted

| a | b |
|---|---|
| 1 | **2** |

```python
print("<b>") # `x`
```

See [the guide](https://docs.example/guide) and [more](https://evil.example/x).
"""


def test_markdown_keeps_its_structure():
    written = rich_markdown(MARKDOWN, HOSTS)
    for kept in ("# Title", "*soft*", "**strong**", "`code <b>`", "- one", "1. first", "> quoted",
                 "|---|---|", '```python\nprint("<b>") # `x`\n```',
                 "[the guide](<https://docs.example/guide>)"):  # fmt: skip
        assert kept in written
    assert "evil.example" not in written


def test_rendered_markdown_says_what_it_said_before():
    renderer = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")

    def words(text: str) -> str:
        return re.sub(r"<[^>]+>|\s", "", renderer.render(text))

    assert words(rich_markdown(MARKDOWN, HOSTS)) == words(MARKDOWN)


def test_no_payload_renders_to_anything_that_loads_or_leads_away():
    renderer = pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": True})
    for sink, text in payloads():
        if sink in ("markdown", "html"):
            page = renderer.render(rich_markdown(text, HOSTS))
            assert not re.search(
                r"<(?!/?(?:p|h\d|ul|ol|li|em|strong|code|pre|blockquote|hr)\b)", page
            )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<p>a<b>b", "<p>a<b>b</b></p>"),
        ("a</div></b>b", "ab"),
        ("<b onclick=x style=y>a</b>", "<b>a</b>"),
        ("<script>x</script>a<style>y</style>", "a"),
        ("<svg><script>x</script></svg>a", "a"),
        ("<iframe>x", ""),
        ("<a href='https://docs.example/x'>y</a>",
         '<a href="https://docs.example/x" rel="noopener noreferrer">y</a>'),
        ("<a href='https://docs.example/?q=1'>y</a>", "y"),
        ("<a href=JavaScript:x>y</a>", "y"),
        ("<br/>&lt;b&gt;", "<br>&lt;b&gt;"),
        ("<!-- x --><!doctype y><?z?>a", "a"),
        ("1 < 2 & 3", "1 &lt; 2 &amp; 3"),
        ("<i><b>x</i>y", "<i><b>x</b></i>y"),
    ],
)  # fmt: skip
def test_html_is_built_anew_from_what_is_allowed(text, written):
    assert rich_html(text, HOSTS) == written


def test_writing_it_again_changes_nothing_more():
    for _, text in payloads():
        once = rich_html(text)
        assert rich_html(once) == once


def test_deep_nesting_is_cut():
    assert rich_html("<b>" * 5000).count("<b>") == 100


@pytest.mark.parametrize(
    "url",
    ["http://docs.example/", "https://docs.example:1/", "https://x@docs.example/", "//docs.example",
     "https://docs.example/?a", "https://docs.example/%41", "https://DOCS.example/"],
)  # fmt: skip
def test_links_that_lead_elsewhere_or_carry_data_are_not_allowed(url):
    assert not allowed_link(url, HOSTS)


@pytest.mark.parametrize("sign", ["*", "_", "[", "![](", "`", "<b", "<", "|", "- ", "> ", "**a"])
def test_repeated_signs_take_little_time(sign):
    rich_markdown(sign * 5000)
    rich_html(sign * 5000)
