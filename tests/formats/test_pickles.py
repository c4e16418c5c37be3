"""The reader follows what CPython's unpickler would do, and nothing ever runs."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict, defaultdict
from datetime import UTC, datetime

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import LimitError
from hauberk.formats.pickle_events import (
    Called,
    Embedded,
    Ended,
    Imported,
    Oddity,
    PickleEvent,
    Received,
)
from hauberk.formats.pickle_values import describe
from hauberk.formats.pickles import read_pickle
from hauberk.formats.spans import span_of
from hauberk.methods.pickle_writing import array, blob, call, dotted, name, text, whole

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.frozensets(st.integers() | st.text())
        | st.sets(st.integers())
        | st.dictionaries(st.integers(), inner).map(OrderedDict)
    ),
    max_leaves=20,
)


def events(data: bytes, *, arrays: bool = False) -> list[PickleEvent]:
    return list(read_pickle(span_of(data), arrays=arrays))


def ended(data: bytes) -> Ended:
    last = events(data)[-1]
    assert isinstance(last, Ended)
    return last


def calls(data: bytes) -> list[str]:
    return [describe(event.call) for event in events(data) if isinstance(event, Called)]


@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_every_honest_pickle_is_read_to_its_end(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    assert (ended(data).broken, ended(data).offset) == ("", len(data))


@given(st.binary(max_size=400))
def test_arbitrary_bytes_end_with_an_event_and_never_with_an_exception(data: bytes) -> None:
    assert isinstance(events(data)[-1], Ended)


@given(PLAIN, st.integers(0, 5), st.data())
def test_damaged_pickles_end_with_an_event(
    value: object, protocol: int, draw: st.DataObject
) -> None:
    data = bytearray(pickle.dumps(value, protocol))
    at = draw.draw(st.integers(0, len(data) - 1))
    data[at] = draw.draw(st.integers(0, 255))
    assert isinstance(events(bytes(data), arrays=True)[-1], Ended)


@given(st.binary(max_size=60), st.integers(0, 5))
def test_where_cpython_loads_plain_bytes_the_reader_agrees(data: bytes, protocol: int) -> None:
    """Only opcodes without imports are drawn, so loading them here is harmless."""
    body = bytes(byte for byte in data if byte not in b"ciR\x81\x92\x93ob\x82\x83\x84rjPQp\x97")
    stream = bytes([0x80, protocol]) + body + b"."
    try:
        pickle.Unpickler(io.BytesIO(stream)).load()
    except Exception:  # noqa: BLE001 - whatever CPython says of it
        return
    assert ended(stream).broken == ""


def test_a_call_is_told_with_its_arguments_and_not_made() -> None:
    assert calls(whole(call(name("os.system"), text("id")))) == ["os.system('id')"]


def test_calls_before_a_broken_ending_are_told() -> None:
    data = whole(call(name("os.system"), text("id")))[:-1] + b"\xff"
    assert calls(data) == ["os.system('id')"]
    assert "no opcode" in ended(data).broken


@pytest.mark.parametrize(
    "data",
    [
        b"(X\x02\0\0\0idios\nsystem\n.",
        b"(cos\nsystem\nX\x02\0\0\0ido.",
        b"\x80\x02cos\nsystem\nX\x02\0\0\0id\x85\x81.",
        b"\x80\x04cos\nsystem\nX\x02\0\0\0id\x85}\x92.",
    ],
    ids=["INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"],
)
def test_every_opcode_that_calls_is_told(data: bytes) -> None:
    assert calls(data) == ["os.system('id')"]


def test_python_2_names_are_translated_as_the_interpreter_does_it() -> None:
    data = b"c__builtin__\neval\n(S'1'\ntR."
    assert calls(data) == ["builtins.eval('1')"]
    assert calls(b"\x80\x04" + data) == ["__builtin__.eval('1')"]


def test_a_memo_slot_that_is_overwritten_is_followed() -> None:
    data = whole(
        text("builtins")
        + b"q\x000"
        + text("os")
        + b"q\x000h\x00h\x010h\x01q\x000h\x00"
        + text("system")
        + b"\x93"
    )
    assert ended(data).broken  # slot 1 was never filled: CPython stops here too
    data = whole(
        text("os")
        + b"q\x010"
        + text("builtins")
        + b"q\x000h\x01q\x000h\x00"
        + text("system")
        + b"\x93"
    )
    assert [event.target.path for event in events(data) if isinstance(event, Imported)] == [
        "os.system"
    ]


def test_an_argument_list_is_read_as_it_is_when_the_call_happens() -> None:
    data = b"\x80\x04" + name("subprocess.call") + b"]q\x00" + text("sh") + b"a0h\x00\x85R."
    assert ended(data).broken == "" or calls(data) == []
    data = b"\x80\x04" + name("subprocess.call") + b"]q\x00" + text("sh") + b"a\x85R."
    assert calls(data) == ["subprocess.call(['sh'])"]


def test_a_name_that_is_computed_while_loading_is_odd() -> None:
    data = whole(call(name("builtins.str"), blob(b"os"), text("ascii")) + text("system") + b"\x93")
    assert [event.reason for event in events(data) if isinstance(event, Oddity)] == [
        "a name is computed while loading"
    ]


def test_attribute_chains_become_dotted_names() -> None:
    data = whole(call(name("builtins.getattr"), name("os.path"), text("os")))
    names = [event.target.path for event in events(data) if isinstance(event, Imported)]
    assert names == ["builtins.getattr", "os.path", "os.path.os"]


def test_pickles_inside_constants_are_pointed_at() -> None:
    inner = whole(call(name("os.system"), text("id")))
    found = [event for event in events(whole(blob(inner))) if isinstance(event, Embedded)]
    assert [event.span.read(0, 100) for event in found] == [inner]


def test_python_2_bytes_inside_text_are_pointed_at() -> None:
    inner = whole(call(name("os.system"), text("id"))).decode("latin-1")
    data = whole(call(name("_codecs.encode"), text(inner), text("latin1")), 2)
    assert any(isinstance(event, Embedded) for event in events(data))


def test_items_put_into_results_of_calls_are_told() -> None:
    data = pickle.dumps(defaultdict(list, {"a": [datetime(2024, 1, 1, tzinfo=UTC)]}))
    assert [event.opcode for event in events(data) if isinstance(event, Received)] == ["SETITEMS"]


def test_keys_that_cost_exponential_time_to_hash_are_odd() -> None:
    doubled = b")" + b"2\x86" * 40
    data = whole(b"}" + doubled + b"Ns")
    assert any(isinstance(event, Oddity) for event in events(data))


def test_memo_slots_out_of_proportion_are_odd() -> None:
    data = whole(b"Nr\xff\xff\xff\x7f")
    assert any(isinstance(event, Oddity) for event in events(data))


def test_work_is_bounded_by_opcodes() -> None:
    with pytest.raises(LimitError, match="too long"):
        list(read_pickle(span_of(b"N0" * 1000 + b"N."), max_opcodes=1000))


def test_declared_lengths_beyond_the_file_break_the_pickle() -> None:
    assert "declared" in ended(b"\x80\x04\x8e" + b"\xff" * 7 + b"\x00N.").broken


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_joblib_are_passed_over(protocol: int) -> None:
    records = np.zeros(3, dtype=[("a", "f4"), ("b", "O"), ("c", "i2", (2,))])
    value = {
        "numbers": np.arange(10.0),
        "objects": np.array([1, "a", None], dtype=object),
        "records": records,
        "dates": np.array(["2020-01-01"], dtype="M8[D]"),
        "texts": np.array(["abc", "d"]),
        "empty": np.zeros((0, 3)),
    }
    buffer = io.BytesIO()
    joblib.dump(value, buffer, protocol=protocol)
    last = events(buffer.getvalue(), arrays=True)[-1]
    assert isinstance(last, Ended)
    assert (last.broken, last.offset, last.arrays) == ("", len(buffer.getvalue()), 6)


def test_what_is_shown_of_a_call_is_one_short_printable_line() -> None:
    hostile = text("\x1b[2J\n" + "x" * 10_000)
    shown = calls(whole(call(name("os.system"), hostile, array(*[hostile] * 50))))[0]
    assert len(shown) <= 200
    assert shown.isprintable()


def test_dotted_names_keep_their_module() -> None:
    found = [
        e.target for e in events(whole(dotted("logging", "os.system"))) if isinstance(e, Imported)
    ]
    assert [(target.module, target.name) for target in found] == [("logging", "os.system")]
