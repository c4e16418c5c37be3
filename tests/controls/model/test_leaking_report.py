"""Reports that show rows of training, and reports that show none."""

from __future__ import annotations

from random import Random

import pyarrow as pa
import pytest

from hauberk.attacks.model.quote_people import QuotePeople
from hauberk.attacks.model.quote_rows import QuoteRows
from hauberk.controls.model.leaking_report import LeakingReport
from hauberk.core.artifact import Report
from hauberk.core.control import findings_of
from hauberk.core.finding import Level
from hauberk.errors import UsageError
from hauberk.formats.tables import table_of
from hauberk.methods.shown_numbers import shown_numbers
from hauberk.range.worlds.reports import honest_report, split

FORMS = ("html", "markdown", "records", "log", "notebook", "tooltip", "csv")


def findings(report: Report):
    return findings_of(LeakingReport().check(report))


@pytest.mark.parametrize("seed", [9000, 9001, 9002])
@pytest.mark.parametrize("form", FORMS)
def test_the_quoted_rows_and_no_others_are_named_in_every_form(form, seed):
    attacked = QuoteRows(form=form, n_rows=3, digits=3).apply(honest_report(seed), Random(seed))
    (finding,) = findings(attacked.subject)
    assert finding.location.rows == attacked.rows
    assert finding.level is Level.DEFECT


@pytest.mark.parametrize("seed", range(9000, 9006))
def test_scores_importances_summaries_and_test_rows_show_nothing(seed):
    assert findings(honest_report(seed)) == ()


def test_grouped_numbers_in_another_order_are_a_row_too():
    train, _ = split(9002)
    row = next(train.read()).slice(7, 1).to_pylist()[0]
    text = (
        f"trade {row['trade']}, loan {row['loan']:,}, balance {row['balance']:.1f}, "
        f"income {row['income']:,.2f}, age {row['age']}"
    )
    (finding,) = findings(Report(name="notes.txt", text=text, train=train))
    assert finding.location.rows == (7,)


def test_rows_of_few_coarse_columns_single_nobody_out():
    cells = {name: [str(i // step % 3) for i in range(300)] for step, name in ((1, "a"), (9, "b"))}
    numbers = {"c": [i % 7 for i in range(300)], "d": [i % 5 for i in range(300)]}
    train = table_of("coarse", [pa.record_batch(cells | numbers)])
    assert findings(Report(name="r", text="a=0 b=0 c=3 d=3\n" * 20, train=train)) == ()


def test_a_passage_of_one_training_text_is_found_and_words_of_many_are_not():
    own = "the brown bear of the harbour sold eleven lamps to a tired clock maker on sunday"
    common = "this message was sent to you because you are a customer of our shop today"
    texts = [f"{common} and {own if i == 4 else 'nothing else was said'}" for i in range(60)]
    train = table_of("texts", [pa.record_batch({"text": texts})])
    (finding,) = findings(Report(name="samples", text=f"sample: {own.upper()}!", train=train))
    assert finding.location.rows == (4,)
    assert findings(Report(name="samples", text=f"sample: {common}", train=train)) == ()


@pytest.mark.parametrize("seed", range(9000, 9005))
def test_data_that_name_a_person_ask_for_a_review(seed):
    attacked = QuotePeople().apply(honest_report(seed), Random(seed))
    (finding,) = findings(attacked.subject)
    assert finding.level is Level.REVIEW
    assert attacked.truth["item"] not in finding.message


def test_an_address_that_stands_in_the_training_rows_is_a_defect():
    mails = [f"p{i}@post.example" for i in range(40)]
    train = table_of("people", [pa.record_batch({"mail": mails})])
    (finding,) = findings(Report(name="debug.log", text="skipped p7@post.example", train=train))
    assert finding.level is Level.DEFECT


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.5", 1234.5),
        ("1 234", 1234.0),
        ("0,17", 0.17),
        ("1.234,5", 1234.5),
        ("1.2e3", 1234.0),
        ("12.3%", 0.1234),
        ("\u22120.5", -0.5),
    ],
)
def test_a_number_is_read_in_any_usual_form(text, value):
    assert any(item.low <= value <= item.high for item in shown_numbers(f"x: {text}."))


def test_an_unknown_form_is_refused():
    with pytest.raises(UsageError, match="no such form"):
        QuoteRows(form="song").apply(honest_report(9000), Random(1))


CARD = "4111111111111111"
COLD = table_of("cold", [pa.record_batch({"a": [i / 7 for i in range(60)]})])


@pytest.mark.parametrize(
    "text",
    [
        f"please write to {CARD}.",
        f"record of {CARD}, skipped",
        f"17,{CARD},refused",
        f"card no.{CARD}",
        f"4111-1111-1111-1111: declined, {CARD[:4]}",
        "telephone: 020 7946 0958 (home)",
        '{"phone_number": "(020) 7946 0958"}',
    ],
)
def test_a_number_of_a_person_is_told_by_what_stands_around_it(text):
    (finding,) = findings(Report(name="r", text=text, train=COLD))
    assert finding.level is Level.REVIEW


@pytest.mark.parametrize(
    "text",
    [
        f"loss 0.{CARD}",
        f"loss 0,{CARD}",
        f"weights: -{CARD} {CARD}.25",
        f"checksum {CARD}-77 of run",
        "020 7946 0958 rows of 14 000",
    ],
)
def test_decimals_negatives_and_pieces_of_longer_numbers_name_nobody(text):
    assert findings(Report(name="r", text=text, train=COLD)) == ()


def test_a_card_in_a_column_of_whole_numbers_is_a_defect():
    numbers = [int(CARD) + 10 * i for i in range(60)]
    train = table_of("cards", [pa.record_batch({"card": numbers})])
    (finding,) = findings(Report(name="debug.log", text=f"refused {CARD}", train=train))
    assert finding.level is Level.DEFECT


def test_extremes_that_one_row_holds_in_several_columns_are_a_summary():
    cells = {
        name: [(k * i * i % 9973) / 7 for i in range(1, 200)] for k, name in enumerate("abcde", 3)
    }
    for column in cells.values():
        column[41] = 9000.123
    train = table_of("train", [pa.record_batch(cells)])
    text = "\n".join(f"{name} max {max(column):.3f}" for name, column in cells.items())
    assert findings(Report(name="describe.txt", text=text, train=train)) == ()
