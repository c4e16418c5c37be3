"""What answers promise to be."""

from __future__ import annotations

import pytest

from hauberk.methods.forms import Allowed, Form, broken, broken_arguments, shaped

ALLOWED = Allowed(
    link_hosts=frozenset({"docs.example"}),
    commands=frozenset({"ls -l --color", "git log --oneline"}),
)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (Form.SQL, "SELECT 1"),
        (Form.URL, "https://docs.example/a"),
        (Form.PATH, "a/b c.txt"),
        (Form.COMMAND, "ls -l 'my docs'"),
        (Form.COMMAND, "ls --color=never docs"),
        (Form.COMMAND, "git log --oneline"),
        (Form.TEMPLATE, "Dear {name}, $5"),
        (Form.JSON, '{"a": [1]}'),
        (Form.HTML, "<b>"),
    ],
)
def test_what_keeps_its_form_is_not_withheld(form, text):
    assert broken(text, form, ALLOWED) == ""


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (Form.SQL, "DELETE FROM t"),
        (Form.SQL, "SELECT 1\u200b"),
        (Form.URL, "https://evil.example/"),
        (Form.PATH, "../x"),
        (Form.PATH, "/etc/passwd"),
        (Form.PATH, ""),
        (Form.PATH, "a/-rf"),
        (Form.PATH, "a\nb"),
        (Form.COMMAND, "ls; id"),
        (Form.COMMAND, "ls -R"),
        (Form.COMMAND, "ls /etc"),
        (Form.COMMAND, "ls ../.."),
        (Form.COMMAND, "git push"),
        (Form.COMMAND, "git log --output=x"),
        (Form.COMMAND, "ls 'open"),
        (Form.COMMAND, ""),
        (Form.TEMPLATE, "{{ 7*7 }}"),
        (Form.TEMPLATE, "${jndi:x}"),
        (Form.JSON, '{"a": 1, "a": 2}'),
        (Form.JSON, "{"),
    ],
)
def test_what_breaks_its_form_is_withheld(form, text):
    assert broken(text, form, ALLOWED)


def test_what_is_run_is_not_changed():
    assert shaped("SELECT '<'", Form.SQL, ALLOWED) == "SELECT '<'"


def test_what_is_shown_is_encoded():
    assert shaped("<b>", Form.HTML, ALLOWED) == "&lt;b&gt;"


def test_arguments_of_calls_keep_their_forms():
    forms = {"query": Form.SQL}
    assert broken_arguments({"query": "SELECT 1", "x": 1}, forms, ALLOWED) == ""
    assert broken_arguments({}, forms, ALLOWED) == ""
    assert broken_arguments({"query": 1}, forms, ALLOWED) == "query: no text"
    assert broken_arguments([], forms, ALLOWED)
    assert "query" in broken_arguments({"query": "DROP TABLE t"}, forms, ALLOWED)
