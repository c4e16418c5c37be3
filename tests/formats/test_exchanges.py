"""Requests and answers wherever they stand."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from hauberk.errors import UnavailableError
from hauberk.formats import exchanges as exchange_files
from hauberk.formats.exchanges import exchanges_of
from hauberk.formats.tables import open_table, table_of


def table(**columns):
    return table_of("t", [pa.RecordBatch.from_pydict(columns)])


def test_instruction_and_input_are_one_request():
    read = exchanges_of(table(instruction=["add", "say"], input=["1 2", None], output=["3", "x"]))
    assert read == [("add\n1 2", "3"), ("say", "x")]


def test_names_count_in_any_case_and_order():
    assert exchanges_of(table(Answer=["b"], Question=["a"])) == [("a", "b")]


def test_answers_alone_are_no_exchanges():
    assert exchanges_of(table(answer=["b"], colour=["red"])) is None


@pytest.mark.parametrize(("who", "words"), [("role", "content"), ("from", "value")])
def test_messages_of_both_dialects_are_read(who, words):
    model = "assistant" if who == "role" else "gpt"
    said = [{who: "system", words: "s"}, {who: "human", words: "a"}, {who: model, words: "b"}]
    said += [{who: "human", words: "c"}, {who: model, words: "d"}]
    assert exchanges_of(table(conversations=[json.dumps(said)])) == [("s\na\nc", "b\nd")]


def test_messages_as_nested_columns_are_read(tmp_path):
    from pyarrow import parquet

    said = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]]
    parquet.write_table(pa.table({"messages": said}), tmp_path / "chat.parquet")
    assert exchanges_of(open_table(tmp_path / "chat.parquet")) == [("a", "b")]


def test_parts_of_a_message_are_joined():
    said = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]
    said.append({"role": "assistant", "content": "b"})
    assert exchanges_of(table(messages=[json.dumps(said)])) == [("a\n", "b")]


@pytest.mark.parametrize(
    "mark", ["### Response:", "\nAssistant:", "[/INST]", "<|assistant|>", "<|im_start|>assistant"]
)
def test_a_mark_divides_a_text(mark):
    ((request, answer),) = exchanges_of(table(text=[f"ask {mark} say"]))
    assert (request.strip(), answer) == ("ask", " say")


def test_texts_without_marks_are_no_exchanges():
    assert exchanges_of(table(text=["a story", "another"])) is None


def test_a_broken_message_among_good_ones_is_an_empty_exchange():
    good = json.dumps([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
    read = exchanges_of(table(messages=[good] * 9 + ['[{"role":']))
    assert read == [("a", "b")] * 9 + [("", "")]


def test_the_middle_of_a_long_text_is_left_out():
    ((request, _),) = exchanges_of(table(prompt=["a" * 9_000 + "b" * 9_000], response=["c"]))
    assert len(request) == exchange_files.MAX_CELL_CHARACTERS + 1
    assert request.endswith("b" * 4_000)


def test_too_much_text_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(exchange_files, "MAX_CHARACTERS", 5)
    with pytest.raises(UnavailableError, match="too many"):
        exchanges_of(table(prompt=["abc"], response=["def"]))
