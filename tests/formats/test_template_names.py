"""Which texts are read as templates that a loader of models renders."""

from __future__ import annotations

import pytest

from hauberk.formats.spans import span_of
from hauberk.formats.text_kinds import TextKind, text_kind

PAGE = b'{% extends "frame.html" %}\n{% include "head.html" %}\n<h1>{{ title }}</h1>\n'
ESCAPE = b"<h1>{{ ''.__class__.__mro__ }}</h1>\n"


@pytest.mark.parametrize(
    ("name", "text", "is_template"),
    [
        ("chat_template.jinja", PAGE, True),
        ("model/chat_template_tools", PAGE, True),
        ("prompt.jinja", PAGE, True),
        ("chat_template.jinja", b"<s>{{ messages }}", True),
        ("theme/index.html.jinja2", PAGE, False),
        ("theme/index.html.jinja2", ESCAPE, True),
        ("docs/markdown.tmpl", b"{{$name := .Name}}{{range .messages}}{{.}}{{end}}", False),
        ("prompt.tmpl", b"{% for m in messages %}{{ end }}{% endfor %}", True),
        ("chat_templates.md", b"How a {{ name }} is rendered\n", False),
        ("chat_template_utils.py", b"# {% generation %}\n", False),
        ("tests/test_chat_template.py", b"# {% generation %}\n", False),
    ],
)
def test_a_template_is_told_by_name_and_by_what_it_reaches_for(
    name: str, text: bytes, is_template: bool
) -> None:
    assert (text_kind(span_of(text), text, name) is TextKind.TEMPLATE) is is_template
