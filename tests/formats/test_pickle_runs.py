"""Batches that are passed over leave the same result as stepping through them."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.formats.pickle_events import Called, Ended, Imported, Oddity
from hauberk.formats.pickle_values import Call, Group
from hauberk.formats.pickles import read_pickle
from hauberk.formats.spans import span_of

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def ended(data: bytes) -> Ended:
    *_, last = read_pickle(span_of(data))
    assert isinstance(last, Ended)
    return last


def result(data: bytes) -> Any:
    last = ended(data)
    assert last.broken == ""
    return last.result


WORDS = {f"token_{number:05d}": number for number in range(5000)}
MADE: dict[str, Any] = {
    "vocabulary": WORDS,
    "names by number": {number: word for word, number in WORDS.items()},
    "list of words": list(WORDS),
    "words for words": {word: word[::-1] for word in WORDS},
    "numbers": list(range(5000)),
    "fractions": [number / 7 for number in range(5000)],
    "mixed": [None, True, 0.5, "a", 3] * 1000,
    "words of other scripts": {f"слово{number}": number for number in range(5000)},
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("label", MADE)
def test_a_long_container_keeps_its_count(label: str, protocol: int) -> None:
    group = result(pickle.dumps(MADE[label], protocol=protocol))
    assert isinstance(group, Group)
    assert group.count == len(MADE[label]) * (2 if isinstance(MADE[label], dict) else 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_text_that_was_passed_over_is_found_again_by_its_slot(protocol: int) -> None:
    words = list(WORDS)
    group = result(pickle.dumps((words, [words[4321], words[4999], words[0]]), protocol=protocol))
    assert group.items[1].items == [words[4321], words[4999], words[0]]


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_name_made_of_texts_that_were_passed_over_is_told(protocol: int) -> None:
    words = [*WORDS, "os", "system"]
    written = pickle.dumps(words, protocol=protocol).replace(b"\x95", b"\x95", 1)
    assert written.endswith(b"e.")
    slots = len(words) - 1
    wanted = b"".join(b"j" + (slots + shift).to_bytes(4, "little") for shift in (0, 1))
    events = list(read_pickle(span_of(written[:-1] + wanted + b"\x93.")))
    assert [event.target.path for event in events if isinstance(event, Imported)] == ["os.system"]


def test_a_slot_that_is_written_over_a_passed_text_holds_the_new_value() -> None:
    words = list(WORDS)
    written = pickle.dumps(words, protocol=2)[:-1]
    first = 4000
    overwrite = b"X\x02\x00\x00\x00osr" + first.to_bytes(4, "little")
    name = b"X\x06\x00\x00\x00system\x86"
    group = result(written + overwrite + b"0j" + first.to_bytes(4, "little") + name + b".")
    assert group.items[0] == "os"
    assert group.items[1] == "system"


def test_calls_between_batches_are_told_where_they_lie() -> None:
    listed = pickle.dumps([*WORDS, *[3] * 1000], protocol=4)
    call = b"cos\nsystem\n(X\x02\x00\x00\x00idtR"
    at = listed.rindex(b"e")
    events = list(read_pickle(span_of(listed[:at] + call + listed[at:])))
    (told,) = [event for event in events if isinstance(event, Called)]
    assert isinstance(told.call, Call)
    assert told.call.offset == at + len(call) - 1


def test_a_frame_that_cuts_a_batch_is_told() -> None:
    written = bytearray(pickle.dumps(list(WORDS), protocol=4))
    written[3:11] = (2345).to_bytes(8, "little")
    told = [event for event in read_pickle(span_of(bytes(written))) if isinstance(event, Oddity)]
    assert told


def test_text_that_is_not_utf_8_breaks_the_pickle_where_it_stands() -> None:
    written = pickle.dumps(list(WORDS), protocol=4)
    damaged = written.replace(b"token_04500", b"token_\xff4500")
    assert "UTF-8" in ended(damaged).broken


values = st.one_of(
    st.integers(-(2**33), 2**33),
    st.floats(allow_nan=False),
    st.none(),
    st.booleans(),
    st.text(max_size=80),
    st.tuples(st.integers(), st.text(max_size=3)),
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(values, min_size=1, max_size=30),
    st.integers(1030, 4000),
    st.sampled_from(PROTOCOLS),
)
def test_any_list_is_counted_and_its_last_slots_are_right(
    cycle: list[Any], size: int, protocol: int
) -> None:
    made = [cycle[at % len(cycle)] for at in range(size)]
    marker = "behind everything"
    group = result(pickle.dumps((made, marker, [marker]), protocol=protocol))
    assert group.items[0].count == size
    assert group.items[2].items == [marker]
