"""Numbers about conversations: what a row of them holds, and the file of them."""

from __future__ import annotations

import json

import pytest

from hauberk.errors import UsageError
from hauberk.formats.chat import parse_answer, parse_request
from hauberk.guard.chat_facts import FACTS, SCHEMA, FactsFile, facts_of

DOCUMENT = "The shop opens at nine."
REQUEST = {
    "model": "m",
    "max_tokens": 70,
    "messages": [
        {"role": "user", "content": "When?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": DOCUMENT},
    ],
}


def row(finish="stop", text="At nine."):
    answer = {"choices": [{"index": 0, "message": {"content": text}, "finish_reason": finish}]}
    return facts_of(
        parse_request(json.dumps(REQUEST).encode()), parse_answer(json.dumps(answer).encode())
    )


def numbers(request):
    return {tensor.name: tensor.values[0] for tensor in request.inputs}


def test_a_conversation_is_a_row_of_the_declared_schema():
    request, outputs = row()
    assert SCHEMA.check(request) == 1
    assert numbers(request) == dict(
        zip(FACTS, (28, 23, 3, 1, 23, 0, 70, 8, 0), strict=True),
    )
    assert [list(tensor.values) for tensor in outputs] == [["stop"]]


def test_how_an_answer_ended_is_one_of_few_words():
    assert list(row(finish="Ana has the flu")[1][0].values) == ["stop"]


def test_the_file_holds_numbers_and_no_text(tmp_path):
    file = FactsFile(tmp_path / "facts.csv")
    file.accepted(*row(text="Ana has the flu."), 86400.0)
    file.refused("role", 86401.0)
    file.close()
    head, line = (tmp_path / "facts.csv").read_text().splitlines()
    assert head == "at," + ",".join(FACTS) + ",finish"
    assert line == "1970-01-02T00:00:00,28,23,3,1,23,0,70,16,0,stop"


def test_a_file_goes_on_where_it_was_and_ends_at_its_bound(tmp_path):
    for _ in range(2):
        file = FactsFile(tmp_path / "facts.csv", max_lines=3)
        for _ in range(2):
            file.accepted(*row(), 1.0)
        file.close()
    assert len((tmp_path / "facts.csv").read_text().splitlines()) == 4


def test_another_table_is_not_added_to(tmp_path):
    (tmp_path / "rows.csv").write_text("age,town\n1,x\n")
    with pytest.raises(UsageError, match="another table"):
        FactsFile(tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text() == "age,town\n1,x\n"


def test_a_file_that_cannot_be_written_is_a_clear_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        FactsFile(tmp_path / "nowhere" / "facts.csv")
