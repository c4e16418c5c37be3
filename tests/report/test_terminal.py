from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.report.example_record import accepted_record, example_record

from hauberk.core.lifecycle import COMPONENTS
from hauberk.report import summary_text


def test_the_summary_fits_80_columns():
    assert max(map(len, summary_text(example_record()).splitlines())) <= 80


def test_the_summary_gives_the_answer_first():
    assert summary_text(example_record()).startswith("Refused at validation\n  roc_auc is 0.71")


def test_the_summary_names_every_component():
    written = summary_text(replace(accepted_record(), steps=()))
    assert all(f" {component.value} " in written for component in COMPONENTS)


def test_the_summary_has_colour_only_if_asked():
    assert "\x1b" not in summary_text(example_record())
    assert "\x1b[32mAccepted\x1b[0m" in summary_text(accepted_record(), colour=True)


def test_a_finding_for_review_is_called_so():
    words = summary_text(example_record()).split()
    assert "(deploy/key.pem:1:1, for review)" in " ".join(words)


@given(text=st.text(st.characters(codec=None), max_size=200))
def test_the_summary_holds_no_character_that_acts_on_the_terminal(text: str):
    record = replace(accepted_record(), project=text, trust={text: text})
    written = summary_text(record)
    assert all(char == "\n" or char.isprintable() for char in written)
    assert max(map(len, written.splitlines())) <= 80
