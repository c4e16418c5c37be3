"""Documents between tags in a message."""

from __future__ import annotations

import time

import pytest

from hauberk.methods.enclosed import MAX_ENCLOSED, around, enclosed, pasted


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<document id='1'>One.</document> and <CONTEXT>Two.</context>", ["One.", "Two."]),
        ("<search_results>\nOne.\n</search_results>", ["\nOne.\n"]),
        ("<doc>never closed", ["never closed"]),
        ("<document>One <b>bold</b></document>", ["One <b>bold</b>"]),
        ("<div>no document</div>", []),
        ("if a <docs and b", []),
        ("no tags", []),
    ],
)
def test_what_stands_between_tags_of_documents_is_found(text, found):
    assert list(enclosed(text)) == found


def test_there_are_only_so_many_and_none_costs_much():
    began = time.process_time()
    assert len(list(enclosed("<doc>x</doc>" * 50_000))) == MAX_ENCLOSED
    assert len(list(enclosed("<doc>" * 100_000))) == 1
    assert not list(enclosed("<doc" * 100_000))
    assert time.process_time() - began < 3


def test_letters_that_grow_in_lower_case_move_no_border():
    text = "\u0130\u0130\u0130 <doc>Open at nine.</DOC> When?"
    assert list(enclosed(text)) == ["Open at nine."]
    assert around(text) == "\u0130\u0130\u0130 <doc></DOC> When?"


def test_what_stands_around_documents_is_the_rest():
    assert around("A <doc>x</doc> B <doc>y") == "A <doc></doc> B <doc>"


@pytest.mark.parametrize(
    "text",
    [
        "Summarise this article:\n",
        "Please translate the text below into French:",
        "Answer the question from this context.\nContext:",
        "Based on the following e-mail, who pays?\n\n",
    ],
)
def test_what_stands_behind_an_order_about_a_text_is_pasted(text):
    rest = "Rain fell on the town and on the mill. " * 4
    assert pasted(text + rest).endswith(rest)


@pytest.mark.parametrize(
    "text",
    [
        "Summarise this: rain.",
        "Write a story about a mill and a river, with rain in it, and a town that is asleep by noon.",
        "x " * 400 + "Summarise this text:" + " rain" * 40,
    ],
)
def test_a_message_without_such_a_text_has_none(text):
    assert pasted(text) == ""
