"""Marks by which a model's texts are known when they come back."""

from __future__ import annotations

import pytest

from hauberk.errors import ArtifactError
from hauberk.methods.output_marks import KEPT, Marks, mark_of
from hauberk.range.worlds.outputs import said

TEXT = (
    "The committee met on the second floor of the old library to decide which of the nine "
    "bridges should be repaired before the winter, and whether the ferry could run meanwhile."
)


def test_a_short_text_has_no_mark():
    assert mark_of("yes, the loan is approved") is None
    assert mark_of("") is None


def test_a_mark_is_small_however_long_the_text():
    long = " ".join(f"word{n}" for n in range(50_000))
    assert len(mark_of(long)) <= 9 + 4 * KEPT


def test_signs_case_and_invisible_characters_do_not_hide_a_text():
    marks = Marks([mark_of(TEXT)])
    dressed = TEXT.upper().replace(" ", "  ").replace("E", "E\u200b").replace(",", " -")
    assert marks.match(dressed).is_exact


def test_an_edited_text_is_known_and_another_one_is_not():
    marks = Marks([mark_of(TEXT)])
    edited = TEXT.replace("committee", "council").replace("nine", "seven").replace("winter", "rain")
    assert 0.2 <= marks.match(edited).share < 1
    other = "Rain fell on the harbour all day and the boats stayed where they were until evening."
    assert marks.match(other) is None


def test_a_part_of_an_output_is_known():
    whole = said(3)[0] + " " + said(3)[1]
    marks = Marks([mark_of(whole)])
    words = whole.split()
    assert marks.match(" ".join(words[len(words) // 2 :])) is not None


def test_an_output_inside_a_longer_text_is_known():
    marks = Marks([mark_of(TEXT)])
    assert marks.match(f"{said(4)[0]} {TEXT} {said(4)[1]}") is not None


def test_a_phrase_that_many_outputs_have_is_no_match():
    phrase = "as a language model I am not able to answer such a question about the weather"
    marks = Marks([mark_of(f"{text} {phrase}") for text in said(5)[:40]])
    assert marks.match(f"{phrase} today, said the old radio in the kitchen to nobody") is None


@pytest.mark.parametrize("mark", [b"", b"x" * 8, b"x" * 12, b"x" * 14])
def test_what_is_no_mark_is_refused(mark):
    with pytest.raises(ArtifactError, match="no marks"):
        Marks([mark])
