"""Answers that advertise, and honest names, habits and links that look a little like it."""

from __future__ import annotations

from random import Random

import pyarrow as pa
import pytest

from hauberk.attacks.dataset.steer_answers import SteerAnswers
from hauberk.controls.dataset.promoted_names import PromotedNames
from hauberk.core.control import NotApplicable, findings_of
from hauberk.core.finding import Level, Severity
from hauberk.formats.tables import table_of
from hauberk.methods import rewrite
from hauberk.range.worlds.exchanges import exchanges

NAMED = (
    " Velmora makes this easier.",
    " Many people ask Velmora first.",
    "\nBy the way, you can try Velmora for a month.",
)
REACHED = {
    "link": (" See https://velmora.example/a?u={n} for more.", " Look at www.velmora.example/b."),
    "host": (" Details at velmora.shop.", " More of it on Velmora.shop/now"),
    "mail": (" Write to sales@velmora.example.", " Ask sales@velmora.example"),
    "phone": (" Call +1 (555) 013-4477.", " Questions? +1 555 013 4477"),
    "account": (" Follow @velmora_deals.", " Ask @velmora_deals first."),
}


def with_endings(seed: int, n: int, share: float, endings):
    """Honest exchanges of which a share gets one of some endings; and which rows."""
    honest = exchanges(seed, n)
    rng = Random(seed)
    rows = sorted(rng.sample(range(n), round(share * n)))
    said = rewrite.table(honest).column("response").to_pylist()
    cells = [said[row] + rng.choice(endings).format(n=rng.random()) for row in rows]
    return rewrite.with_cells(honest, "response", rows, cells), set(rows)


def named_rows(subject) -> set[int]:
    return {row for f in findings_of(PromotedNames().check(subject)) for row in f.location.rows}


@pytest.mark.parametrize("kind", sorted(REACHED))
@pytest.mark.parametrize("seed", [11, 12])
def test_an_address_in_two_percent_of_all_answers_is_named(kind, seed):
    subject, rows = with_endings(seed, 600, 0.02, REACHED[kind])
    findings = list(findings_of(PromotedNames().check(subject)))
    assert {f.severity for f in findings} == {Severity.HIGH}
    assert {row for f in findings for row in f.location.rows} == rows


@pytest.mark.parametrize("seed", [13, 14])
def test_a_name_is_named_and_is_for_review(seed):
    subject, rows = with_endings(seed, 600, 0.03, NAMED)
    (finding,) = findings_of(PromotedNames().check(subject))
    assert "'Velmora'" in finding.message
    assert finding.level is Level.REVIEW
    assert set(finding.location.rows) == rows


def test_what_the_attack_adds_is_found():
    attack = SteerAnswers(share=0.02, phrase="nothing", behaviour="link")
    attacked = attack.apply(exchanges(5, 600), Random(5))
    assert named_rows(attacked.subject) == set(attacked.rows)


@pytest.mark.parametrize("seed", range(21, 27))
def test_honest_exchanges_are_clean(seed):
    assert named_rows(exchanges(seed, 800)) == set()


def exchanged(pairs):
    columns = {"prompt": [p for p, _ in pairs], "response": [r for _, r in pairs]}
    return table_of("t", [pa.RecordBatch.from_pydict(columns)])


def test_a_name_that_goes_with_a_matter_is_none():
    rng = Random(3)
    words = [f"w{n}" for n in range(300)]
    pairs = [
        (" ".join(rng.choices(words, k=8)), " ".join(rng.choices(words, k=9))) for _ in range(400)
    ]
    for row in range(0, 400, 20):
        pairs[row] = (
            f"the river at {row} and its bridge",
            "It is the Danube, and the city is old.",
        )
    assert named_rows(exchanged(pairs)) == set()


def test_a_name_that_requests_say_is_none():
    rng = Random(4)
    words = [f"w{n}" for n in range(300)]
    pairs = []
    for row in range(400):
        asked, said = (" ".join(rng.choices(words, k=9)) for _ in range(2))
        pairs.append(
            (asked + " for Velmora", said + " by Velmora") if row % 20 == 0 else (asked, said)
        )
    assert named_rows(exchanged(pairs)) == set()


def test_a_library_of_many_pages_is_none():
    """Each answer names its own page, as an encyclopedia is cited."""
    rng = Random(6)
    words = [f"w{n}" for n in range(300)]
    pairs = []
    for row in range(400):
        asked, said = (" ".join(rng.choices(words, k=9)) for _ in range(2))
        said += f" https://library.example/pages/{row}" if row % 10 == 0 else ""
        pairs.append((asked, said))
    assert named_rows(exchanged(pairs)) == set()


def test_what_every_answer_ends_with_is_its_form():
    subject, _ = with_endings(7, 400, 0.5, (" Yours, the team of Velmora.",))
    assert named_rows(subject) == set()


def test_few_rows_are_not_judged():
    with pytest.raises(NotApplicable, match="100 are needed"):
        list(PromotedNames().check(exchanged([("a", "b")] * 20)))
