"""The quick reader accepts what the strict one does, and nothing else."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from hauberk.errors import ArtifactError
from hauberk.formats import v2
from hauberk.formats.strict_json import JsonLimits
from hauberk.formats.v2 import Datatype, Limits, Response, Tensor
from hauberk.formats.v2_quick import reader_for, writer_for
from hauberk.formats.v2_schema import InputSchema, Rule, TensorSchema, limits_for

NUMBERS = TensorSchema(
    name="x",
    datatype=Datatype.FP32,
    shape=(None, 2),
    columns=(Rule(name="a", low=-10.0, high=10.0), Rule(name="b", low=0.0)),
)
COUNTS = TensorSchema(
    name="n items", datatype=Datatype.INT64, shape=(None, 1), columns=(Rule(low=-5, high=500),)
)
TEXTS = TensorSchema(
    name="t", datatype=Datatype.BYTES, shape=(None, 1), columns=(Rule(max_chars=40),), optional=True
)
KINDS = TensorSchema(
    name="k",
    datatype=Datatype.INT32,
    shape=(None, 1),
    columns=(Rule(categories=frozenset({1, 2, 3})),),
    optional=True,
)
FLAGS = TensorSchema(name="f", datatype=Datatype.BOOL, shape=(None, 1), optional=True)
SCHEMA = InputSchema(inputs=(NUMBERS, COUNTS, TEXTS, KINDS, FLAGS), max_rows=300)
LIMITS = limits_for(SCHEMA, Limits())


def strictly(body, schema=SCHEMA, limits=LIMITS):
    try:
        request = v2.parse_request(body, limits)
        schema.check(request)
    except ArtifactError:
        return None
    return request


def same(one, other) -> bool:
    return (one.id, len(one.inputs)) == (other.id, len(other.inputs)) and all(
        (a.name, a.datatype, a.shape) == (b.name, b.datatype, b.shape)
        and np.array_equal(a.array(), b.array())
        for a, b in zip(one.inputs, other.inputs, strict=True)
    )


def tensor(name, datatype, data, shape=None):
    rows = shape or [len(data), 1]
    return {"name": name, "shape": rows, "datatype": datatype, "data": data}


def honest(rng, n_rows=2):
    x = [rng.uniform(0, 9) for _ in range(2 * n_rows)]
    if rng.random() < 0.3:
        x = [x[2 * row : 2 * row + 2] for row in range(n_rows)]
    inputs = [
        tensor("x", "FP32", x, [n_rows, 2]),
        tensor("n items", "INT64", [rng.randrange(-5, 500) for _ in range(n_rows)]),
    ]
    if rng.random() < 0.5:
        inputs.append(tensor("t", "BYTES", [f"a:{rng.random()}" for _ in range(n_rows)]))
    if rng.random() < 0.5:
        inputs.append(tensor("k", "INT32", [rng.randrange(1, 4) for _ in range(n_rows)]))
    if rng.random() < 0.5:
        inputs.append(tensor("f", "BOOL", [rng.random() < 0.5 for _ in range(n_rows)]))
    rng.shuffle(inputs)
    top = {"inputs": inputs}
    return top | {"id": f"r:{rng.randrange(99)}"} if rng.random() < 0.5 else top


READER = reader_for(SCHEMA, LIMITS)


@pytest.mark.parametrize("seed", range(40))
def test_usual_requests_are_read_quickly_and_alike(seed):
    rng = random.Random(seed)
    body = json.dumps(honest(rng, rng.choice((1, 2, 40, 300)))).encode()
    quick, strict = READER.read(body), strictly(body)
    assert quick is not None
    assert strict is not None
    assert same(quick, strict)


PIECES = (
    b",", b":", b'"', b"{", b"}", b"[", b"]", b"0", b"1", b".5", b"e9", b"-", b" ", b"\n", b"\\",
    b'"x"', b'"inputs"', b'"data"', b"null", b"true", b"NaN", b"1e400", b"\xff", b'"id":"a",',
    b'"parameters":{},', b'"outputs":[],', b"\xef\xbb\xbf", b"9" * 70, b'"\\u0078"', b"[[1]]",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(150))
def test_what_the_quick_reader_accepts_the_strict_one_accepts_alike(seed):
    rng = random.Random(seed)
    body = json.dumps(honest(rng)).encode()
    for _ in range(40):
        place, end = sorted((rng.randrange(len(body) + 1), rng.randrange(len(body) + 1)))
        choice = rng.random()
        if choice < 0.5:
            changed = body[:place] + rng.choice(PIECES) + body[place:]
        elif choice < 0.75:
            changed = body[:place] + body[place + 1 :]
        elif choice < 0.9:
            changed = body[:end] + body[place:end] + body[end:]
        else:
            changed = body[:place] + rng.choice(PIECES) + body[min(end, place + 6) :]
        quick = READER.read(changed)
        if quick is not None:
            strict = strictly(changed)
            assert strict is not None, changed
            assert same(quick, strict), changed


FLOATS = InputSchema(inputs=(NUMBERS,), max_rows=300)
FLOAT_LIMITS = limits_for(FLOATS, Limits())
FLOAT_READER = reader_for(FLOATS, FLOAT_LIMITS)


@pytest.mark.parametrize("n_rows", [1, 2, 32, 33, 300])
def test_the_one_input_of_a_model_is_read_quickly_and_alike(n_rows):
    for shape in ("flat", "nested"):
        rows = [[0.5 * row - 9.0 if row < 30 else 1.0, float(row)] for row in range(n_rows)]
        data = rows if shape == "nested" else [x for row in rows for x in row]
        body = json.dumps({"inputs": [tensor("x", "FP32", data, [n_rows, 2])]}).encode()
        quick, strict = FLOAT_READER.read(body), strictly(body, FLOATS, FLOAT_LIMITS)
        assert quick is not None
        assert strict is not None
        assert same(quick, strict)


@pytest.mark.parametrize("seed", range(150))
def test_what_is_changed_in_the_one_input_is_read_as_the_strict_one_reads_it(seed):
    rng = random.Random(seed)
    inputs = [tensor("x", "FP32", [rng.uniform(0, 9) for _ in range(4)], [2, 2])]
    body = json.dumps({"inputs": inputs}).encode()
    for _ in range(60):
        place, end = sorted((rng.randrange(len(body) + 1), rng.randrange(len(body) + 1)))
        changed = rng.choice(
            (
                body[:place] + rng.choice(PIECES) + body[place:],
                body[:place] + body[place + 1 :],
                body[:end] + body[place:end] + body[end:],
                body[:place] + rng.choice(PIECES) + body[min(end, place + 6) :],
            )
        )
        quick = FLOAT_READER.read(changed)
        if quick is not None:
            strict = strictly(changed, FLOATS, FLOAT_LIMITS)
            assert strict is not None, changed
            assert same(quick, strict), changed


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs":[{"name":"x","name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}',
        b'{"inputs":[{"name":"x","shape":[1,2],"shape":[1,2],"datatype":"FP32","data":[1,2]}]}',
        b'{"inputs":[],"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}',
        b'{"inputs":[{"name":"x","shape":[1.0,2],"datatype":"FP32","data":[1,2]}]}',
        b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":["1",2]}]}',
        b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[true,2]}]}',
        b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2,3]}]}',
        b'{"inputs":[{"name":"x","shape":[0,2],"datatype":"FP32","data":[]}]}',
        b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[11,2]}]}',
        b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,-2]}]}',
        b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,2]}]}',
        b'{"inputs":[{"name":"y","shape":[1,2],"datatype":"FP32","data":[1,2]}]}',
        b'{"inputs":[{"name":"x","shape":[-1,-2],"datatype":"FP32","data":[1,2]}]}',
        b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1e999,2]}]}',
        b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[NaN,2]}]}',
    ],
)
def test_the_one_input_is_held_against_everything_the_schema_says(body):
    assert strictly(body, FLOATS, FLOAT_LIMITS) is None
    assert FLOAT_READER.read(body) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"inputs"', b'"inputs":[],"inputs"'),
        (b'"name": "x"', b'"name":"n items","name":"x"'),
        (b'"shape"', b'"shape":[1,2],"shape"'),
        (b'"data"', b'"data":[0.5],"data"'),
        (b'"datatype": "FP32"', b'"datatype":"INT8","datatype":"FP32"'),
        (b'"FP32"', b'"FP64"'),
        (b"[1, 2]", b"[1.0, 2]"),
        (b"[1, 2]", b"[true, 2]"),
        (b"[1, 2]", b"[2, 1]"),
        (b"[4]", b"[4.0]"),
        (b"[4]", b"[4e0]"),
        (b"[4]", b'["4"]'),
        (b"[4]", b"[501]"),
        (b"[4]", b"[99999999999999999999]"),
        (b"[0.5, 1.5]", b"[0.5, -1.5]"),
        (b"[0.5, 1.5]", b"[0.5, 1e39]"),
        (b"[0.5, 1.5]", b"[0.5, 1.5, 2.5]"),
        (b"[0.5, 1.5]", b"[0.5, null]"),
        (b"[0.5, 1.5]", b'[0.5, "1.5"]'),
        (b"[0.5, 1.5]", b"[0.5, true]"),
        (b"[0.5, 1.5]", b"[[0.5], [1.5]]"),
        (b"[0.5, 1.5]", b"[[[0.5, 1.5]]]"),
        (b'"x"', b'"y"'),
        (b"}]}", b'}], "more": 1}'),
        (b"}]}", b'}], "id": ""}'),
        (b"}]}", b'}], "id": "a b"}'),
        (b"}]}", b'}], "id": 7}'),
        (b"}]}", b"}]} {}"),
        (b'{"inputs"', b'\xef\xbb\xbf{"inputs"'),
    ],
)
def test_what_is_wrong_is_left_to_the_strict_reader(old, new):
    top = {"inputs": [tensor("x", "FP32", [0.5, 1.5], [1, 2]), tensor("n items", "INT64", [4])]}
    body = json.dumps(top).encode()
    assert READER.read(body) is not None
    assert old in body
    changed = body.replace(old, new, 1)
    assert READER.read(changed) is None
    assert strictly(changed) is None


@pytest.mark.parametrize("missing", [0, 1])
def test_an_input_that_must_be_there_is_missed(missing):
    inputs = [tensor("x", "FP32", [0.5, 1.5], [1, 2]), tensor("n items", "INT64", [4])]
    del inputs[missing]
    assert READER.read(json.dumps({"inputs": inputs}).encode()) is None


def test_deep_brackets_are_left_alone():
    assert READER.read(b'{"inputs":[{"data":' + b"[" * 90_000) is None


def test_narrow_limits_have_no_quick_reader():
    narrow = Limits(json=JsonLimits(max_depth=3))
    assert reader_for(SCHEMA, narrow) is None


@pytest.mark.parametrize("n_rows", [1, 300])
@pytest.mark.parametrize("name", [None, "r-1"])
def test_answers_are_written_as_the_strict_writer_writes_them(n_rows, name):
    rng = np.random.default_rng(n_rows)
    outputs = (
        v2.tensor_of("label", rng.integers(0, 3, n_rows)),
        v2.tensor_of("scores", rng.random((n_rows, 3)).astype(np.float32), many=64),
        v2.tensor_of("word", np.array(["a\u00e9<b>"] * n_rows, object)),
    )
    response = Response(model_name="m", model_version="3", id=name, outputs=outputs)
    written = writer_for("m", "3").write(name, outputs)
    assert json.loads(written) == json.loads(v2.write_response(response))
    assert list(json.loads(written)) == list(json.loads(v2.write_response(response)))


def test_an_answer_that_is_not_finite_is_left_to_the_strict_writer():
    broken = Tensor(name="s", datatype=Datatype.FP32, shape=(1,), values=[float("nan")])
    assert writer_for("m", "1").write(None, (broken,)) is None
