"""YAML within bounds, with the lines it stands on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import ArtifactError
from hauberk.formats.yaml_text import Node, read_yaml


def plain(node: Node) -> Any:
    if node.kind == "mapping":
        return {key: plain(value) for key, value in node.entries.items()}
    if node.kind == "sequence":
        return [plain(item) for item in node.items]
    return node.text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb:\n  - x\n  - y: z\n    w: v\n", {"a": "1", "b": ["x", {"y": "z", "w": "v"}]}),
        ("a:\n- x\n- y\n", {"a": ["x", "y"]}),
        ("a: [x, 'y, z', {b: c}]\n", {"a": ["x", "y, z", {"b": "c"}]}),
        ("a: |\n  one\n    two\nb: 1\n", {"a": "one\n  two", "b": "1"}),
        ("a: &x {b: c}\nd: *x\n", {"a": {"b": "c"}, "d": {"b": "c"}}),
        (
            "a: &x\n  b: c\nd:\n  <<: *x\n  e: f\n",
            {"a": {"b": "c"}, "d": {"<<": {"b": "c"}, "b": "c", "e": "f"}},
        ),
        ("a: http://x.y:8/z # note\n", {"a": "http://x.y:8/z"}),
        ('"a: b": "c\\n"\n', {"a: b": "c\n"}),
        ("a: this is\n  more\nb:\n", {"a": "this is more", "b": ""}),
        ("{{- if .x }}\na: {{ .Values.y }}\n{{- end }}\n", {"a": "TEMPLATE"}),
        ("a: ${{ b.c }}\n", {"a": "${{ b.c }}"}),
        ("- - a\n  - b\n- c\n", [["a", "b"], "c"]),
    ],
)
def test_ordinary_settings_are_read(text, value):
    assert [plain(node) for node in read_yaml(text)] == [value]


def test_documents_and_lines_are_kept():
    first, second = read_yaml("a: 1\n---\n\nb:\n  - c\n")
    assert first.key_lines == {"a": 1}
    assert second.entries["b"].items[0].line == 5


@pytest.mark.parametrize("text", ["a: *nobody\n", "a: [b\n", "a: 'b\n", "a: 1\n b: 2\n"])
def test_what_is_no_yaml_is_refused(text):
    with pytest.raises(ArtifactError):
        read_yaml(text)


def test_nesting_is_bounded():
    with pytest.raises(ArtifactError, match="parse"):
        read_yaml("a: " + "[" * 500 + "]" * 500)


@given(st.text(alphabet="ab:-[]{}&*'\"|>#\n ,!?%", max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        nodes = read_yaml(text)
    except ArtifactError:
        return
    for node in nodes:
        assert node.line >= 1
