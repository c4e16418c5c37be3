import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.example_record import (
    HOSTILE,
    accepted_record,
    assessments,
    example_record,
    scores,
    threats,
)

from hauberk.catalogue import figures
from hauberk.core.finding import Outcome
from hauberk.core.lifecycle import COMPONENTS, Component
from hauberk.core.policy import Isolation
from hauberk.core.record import RunRecord, StepReport, StepState
from hauberk.core.threat import Comparison
from hauberk.report import html
from hauberk.report.coverage import Cover, cover
from hauberk.report.evidence import with_digests
from hauberk.report.verdict import Tone, headline, state_words

_VOID = {"br", "hr", "meta"}


class _Reader(HTMLParser):
    """Collects tags and attributes, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.open += [] if tag in _VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader


@pytest.fixture(scope="module")
def page() -> str:
    return html(example_record(), threats=threats())


def test_every_element_of_the_page_is_closed_in_order(page: str):
    assert _read(page).open == []


def test_the_page_has_no_element_that_loads_or_runs_anything(page: str):
    assert not _read(page).tags & {"script", "img", "iframe", "link", "object", "embed", "form"}


def test_every_link_of_the_page_leads_into_the_page(page: str):
    reader = _read(page)
    targets = {value for name, value in reader.attributes if name == "href"}
    assert targets <= {f"#{name}" for name in reader.ids}


def test_no_attribute_of_the_page_carries_code_style_or_a_source(page: str):
    names = {name for name, _ in _read(page).attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"src", "srcset", "style", "action", "xlink:href", "srcdoc"}


def test_ids_of_the_page_are_unique(page: str):
    ids = _read(page).ids
    assert len(ids) == len(set(ids))


def test_the_policy_of_the_page_allows_its_own_style_alone(page: str):
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src &#x27;none&#x27;; style-src &#x27;sha256-")
    assert "unsafe" not in policy


def test_the_style_of_the_page_fetches_nothing(page: str):
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_has_a_ring_and_a_card(page: str, component: Component):
    assert page.count(f'href="#{component.value}"') >= 2
    assert f'<article id="{component.value}"' in page.replace('class="', 'class="')


@pytest.mark.parametrize("hostile", HOSTILE[:2])
def test_a_hostile_name_is_shown_as_text(page: str, hostile: str):
    assert hostile not in page
    assert hostile.replace("<", "&lt;").replace(">", "&gt;")[:10].split('"')[0] in page


def test_characters_that_act_are_shown_by_their_code_point(page: str):
    assert "\u202e" not in page
    assert '<span class="ctl">[U+202E]</span>' in page


@given(text=st.text(st.characters(codec=None), max_size=60))
def test_no_text_breaks_the_page(text: str):
    step = StepReport(
        component=Component.TRAINING,
        state=StepState.REFUSED,
        summary=text,
        reason=text,
        outputs={text: example_record().steps[0].outputs["data/applications.csv"]},
    )
    record = replace(accepted_record(), project=text, steps=(step,), trust={text: text})
    page = html(record, threats=threats())
    assert _read(page).open == []
    assert page.encode("utf-8")


def test_equal_records_give_equal_pages():
    assert html(example_record(), threats=threats()) == html(example_record(), threats=threats())


def test_the_page_of_an_empty_record_says_that_nothing_ran():
    record = replace(accepted_record(), steps=(), trust={}, environment={})
    page = html(record, threats=threats())
    assert "Nothing ran" in page
    assert "not stated: treat as unsigned" in page


def test_the_shipped_catalogue_is_the_default():
    assert "All 106 threats in words" in html(accepted_record())


# Verdict -----------------------------------------------------------------------------


def _with(state: StepState, **changes: object) -> RunRecord:
    record = accepted_record()
    steps = (replace(record.steps[0], state=state, reason="Because."), *record.steps[1:])
    return replace(record, steps=steps, **changes)  # type: ignore[arg-type]


def test_a_clean_run_is_accepted():
    assert headline(accepted_record()).tone is Tone.GOOD


@pytest.mark.parametrize(
    ("state", "title"),
    [(StepState.REFUSED, "Refused at acquisition"), (StepState.FAILED, "Stopped at acquisition")],
)
def test_a_stopped_step_outweighs_the_exit_code(state: StepState, title: str):
    head = headline(_with(state, exit_code=0))
    assert (head.tone, head.title, head.reason) == (Tone.BAD, title, "Because.")


@pytest.mark.parametrize("exit_code", [1, 2, 3, 4, 130, 77])
def test_no_other_exit_code_than_zero_is_accepted(exit_code: int):
    assert headline(replace(accepted_record(), exit_code=exit_code)).tone is not Tone.GOOD


@pytest.mark.parametrize("value", ["unsigned", "trust on first use", "log not witnessed", "Demo"])
def test_a_weak_trust_state_is_a_reservation(value: str):
    head = headline(replace(accepted_record(), trust={"root": value}))
    assert head.tone is Tone.CAUTION
    assert value in head.reason


def test_an_assessment_that_failed_is_a_reservation():
    record = accepted_record()
    (made,) = record.steps[0].assessments
    failed = replace(made, outcome=Outcome.FAILED, reason="no reader")
    steps = (replace(record.steps[0], assessments=(failed,)), *record.steps[1:])
    assert headline(replace(record, steps=steps)).tone is Tone.CAUTION


def test_a_finding_that_no_gate_refused_is_a_reservation():
    record = accepted_record()
    step = replace(record.steps[0], assessments=(assessments()[2],))
    head = headline(replace(record, steps=(step, *record.steps[1:])))
    assert head.tone is Tone.CAUTION
    assert "1 finding for a person to look at" in head.reason


def test_the_level_observe_is_said_to_hold_nothing_back():
    sentences = headline(replace(accepted_record(), isolation=Isolation.OBSERVE)).sentences
    assert any("recorded, not held back" in sentence for sentence in sentences)


# Coverage ----------------------------------------------------------------------------


def test_each_threat_is_covered_as_its_scores_and_assessments_say():
    covers = cover(example_record(), threats())
    chosen = ("AQ-2", "PP-1", "EX-1", "SV-6", "PK-2", "AQ-1", "AQ-3")
    assert [covers[name] for name in chosen] == [  # type: ignore[index]
        Cover.MET,
        Cover.MISSED,
        Cover.OPEN,
        Cover.VOID,
        Cover.FLAGGED,
        Cover.CHECKED,
        Cover.UNJUDGED,
    ]


def test_a_threat_with_one_missed_part_is_missed():
    parts = (scores()[0], replace(scores()[0], metric="other", state="missed", met=False))
    covers = cover(replace(accepted_record(), scores=parts), threats())
    assert covers[parts[0].threat] is Cover.MISSED


def test_a_threat_that_nothing_answers_is_a_gap():
    unknown = {"ZZ-9": replace(threats()["AQ-1"], id="ZZ-9")}  # type: ignore[index, arg-type]
    covers = cover(accepted_record(), unknown)  # type: ignore[arg-type]
    assert list(covers.values()) == [Cover.GAP]


def test_too_few_trials_say_on_which_side_of_the_target_they_point():
    few = replace(scores()[2], value=1.0)
    assert state_words(few) == "not enough trials, on target so far"
    assert state_words(replace(few, value=0.1)) == "not enough trials, off target so far"
    assert state_words(replace(few, comparison=Comparison.AT_MOST)).endswith("off target so far")


def test_a_digest_in_a_rooms_facts_is_cut_and_kept_whole_for_who_points_at_it(page: str):
    digest = "sha256:" + "ab" * 32
    assert with_digests(f"x {digest} y") == (
        f'x <code title="{digest}" class="digest">abababababab</code> y'
    )
    assert with_digests(digest + "a") == digest + "a"


def test_a_score_stands_beside_what_the_catalogue_ships_of_the_same_part():
    (known, shipped), *_ = figures().items()
    few = replace(shipped[0], trials=1, state="not enough trials", met=None)
    page = html(replace(accepted_record(), scores=(few,)))
    assert f"measured in full: {shipped[0].state}, {shipped[0].trials} trials" in page
    assert known in page
