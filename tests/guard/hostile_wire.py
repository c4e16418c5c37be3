"""Hostile requests as bytes on a connection, made systematically; every one has to be refused.

Each case is a whole connection: what is sent, and nothing more. The names say what is wrong.
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Iterator

PATH = "/v2/models/classifier/infer"
TENSOR = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1.5]}
BODY = json.dumps({"inputs": [TENSOR]}).encode()
BINARY = "inference-header-content-length"

Case = tuple[str, bytes]


def sent(body: bytes = BODY, *lines: str, first: str = f"POST {PATH} HTTP/1.1", **changes: str):
    """A request; ``changes`` replace a usual header or, where empty, leave it out."""
    usual = {
        "host": "localhost",
        "content_type": "application/json",
        "content_length": str(len(body)),
    } | changes
    names = {"host": "Host", "content_type": "Content-Type", "content_length": "Content-Length"}
    head = [first, *(f"{names[name]}: {value}" for name, value in usual.items() if value), *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body


def _chunked(*chunks: bytes, coding: str = "chunked") -> bytes:
    return sent(b"", f"Transfer-Encoding: {coding}", content_length="") + b"".join(chunks)


_WHOLE = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


def first_lines() -> Iterator[Case]:
    """Methods, targets and versions."""
    for method in (
        "GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "post", "Post", "POSTS",
        "PO ST", "P\u00d6ST", "POST\t", "X" * 300,
    ):  # fmt: skip
        yield f"method {method[:8]!r}", sent(first=f"{method} {PATH} HTTP/1.1")
    for target in (
        "*", "v2/models/classifier/infer", "localhost:80", f"//{PATH}", f"/{PATH}", f"{PATH}/",
        f"{PATH}//", f"{PATH}/.", f"/.{PATH}", f"/a/..{PATH}", f"{PATH}/../infer", f"{PATH}.",
        f"{PATH};a=b", f"{PATH}?", f"{PATH}?a=b", f"{PATH}#a", f"{PATH}%00", f"{PATH}%20",
        f"{PATH}%2f", f"{PATH}%0d%0aX:y", "/v2%2fmodels%2fclassifier%2finfer",
        "/%76%32/models/classifier/infer", "/v2/models/classifie%72/infer",
        "/v2/models/classifier%2finfer", "/v2/models/%63lassifier/infer",
        "/v2/models/classifier/versions/9/infer", "/v2/models/classifier/versions//infer",
        "/V2/models/classifier/infer", "/v2/models/Classifier/infer", "/v2\\models\\classifier\\infer",
        "/v2/models/../models/classifier/infer", "/v2/./models/classifier/infer",
        "/v2/models/%2e%2e/models/classifier/infer", "/v2/models/classifier\u00e9/infer",
        "/v2/models//classifier/infer", "/v2/repository/index", "/v2/repository/models/x/load",
        "/v2/models/classifier/unload", "/metrics", "/openapi.json", "/v2", "/", "/admin",
        "/v2/systemsharedmemory/region/x/register", "/v2/logging", "/v2/trace/setting",
        f"http://evil.example{PATH}", f"ftp://localhost{PATH}", f"http://a:b@localhost{PATH}",
        f"{PATH} x", f"{PATH}{'a' * 600}", f"{PATH}{'/a' * 9000}",
    ):  # fmt: skip
        yield f"target {target[:40]!r}", sent(first=f"POST {target} HTTP/1.1")
    for version in (
        "HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "HTTP/1", "HTTP/11", "http/1.1", "HTTP/1.1x", "HTTP /1.1",
        "HTTPS/1.1", "ICY/1.1", "HTTP/1.-1", "HTTP/01.1",
    ):  # fmt: skip
        yield f"version {version}", sent(first=f"POST {PATH} {version}")
    yield "no version", sent(first=f"POST {PATH}")
    yield "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield "two blanks", sent(first=f"POST  {PATH} HTTP/1.1")
    yield "tabs for blanks", sent(first=f"POST\t{PATH}\tHTTP/1.1")
    yield (
        "a TLS greeting",
        bytes.fromhex("160301020001000 1fc0303".replace(" ", "")) + b"\0" * 80 + b"\r\n\r\n",
    )
    yield "a blank before the method", sent(first=f" POST {PATH} HTTP/1.1")


def lengths() -> Iterator[Case]:
    """What says how long a body is."""
    n = len(BODY)
    for value in (
        f"+{n}", f"-{n}", f"{n}.0", f"0x{n:x}", f"{n},{n}", f"{n}, {n}", f"{n};", f"{n} {n}", f"1e{n}",
        f"{n}_0", f"\u00b2{n}", f"{n}\x0b", "", "-1", "-0", "9" * 30, "9" * 400, f"{n} 0", "NaN", "null",
        f'"{n}"', str(n + (1 << 40)),
    ):  # fmt: skip
        yield f"length {value[:12]!r}", sent(BODY, f"Content-Length: {value}", content_length="")
    yield "no length", sent(content_length="")
    yield "a length of nothing", sent(BODY, content_length="0")
    yield "half of the length", sent(BODY, content_length=str(n // 2))
    for second in (str(n), str(n + 1), "0"):
        yield f"a second length {second}", sent(BODY, f"Content-Length: {second}")
        yield f"a second length {second} in capitals", sent(BODY, f"CONTENT-LENGTH: {second}")
    for coding in ("chunked", "identity", "gzip", "", "chunked, identity"):
        yield f"a length beside the coding {coding!r}", sent(BODY, f"Transfer-Encoding: {coding}")
    for coding in (
        "gzip", "identity", "deflate", "compress", "x-chunked", "chunkedx", "chunked, chunked",
        "gzip, chunked", "chunked, gzip", "chunked;q=1", '"chunked"', "chun ked", "chunked,", ",chunked",
        "\x0bchunked", "chunked\x0c", "\u00a0chunked", "br", "trailers", "0",
    ):  # fmt: skip
        yield f"coding {coding!r}", _chunked(_WHOLE, coding=coding)
    twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: "
    for coding in ("chunked", "identity", "x"):
        raw = sent(b"", twice + coding, content_length="") + _WHOLE
        yield f"codings chunked and {coding}", raw
    for name in (
        "Transfer-Encoding ",
        "Transfer_Encoding",
        "Transfer-Encoding\t",
        " Transfer-Encoding",
    ):
        raw = sent(b"", f"{name}: chunked", content_length="") + _WHOLE
        yield f"coding under {name!r}", raw


def chunks() -> Iterator[Case]:
    """Bodies in chunks that lie."""
    for size in (
        b"-1", b"+5", b"0x5", b"5;a=b", b"5 ;a", b"5 5", b"g", b"", b" 5", b"5\x00", b"ffffffffffffffff",
        b"1" * 30, b"5.0", b"5,", b"\xb2",
    ):  # fmt: skip
        yield f"chunk of size {size!r}", _chunked(size + b"\r\n" + BODY + b"\r\n0\r\n\r\n")
    yield "a chunk that ends early", _chunked(b"%x\r\n%s0\r\n\r\n" % (len(BODY), BODY))
    yield "a chunk with more behind it", _chunked(b"5\r\n" + BODY + b"\r\n0\r\n\r\n")
    yield "chunks ended by line feeds", _chunked(b"%x\n%s\n0\n\n" % (len(BODY), BODY))
    yield "no chunk", _chunked(b"0\r\n\r\n")
    big = b"10000\r\n" + b" " * 65536 + b"\r\n"
    yield "chunks beyond the bound", _chunked(big * 70, b"0\r\n\r\n")


def headers() -> Iterator[Case]:
    """Headers that stand twice, that lie, or that are none."""
    for line in (
        "Host: localhost", "Host: evil.example", "Content-Type: application/json",
        "Content-Type: text/plain", "content-type: application/json",
    ):  # fmt: skip
        yield f"once more {line}", sent(BODY, line)
    for name in ("Content-Encoding", f"{BINARY}", "Authorization", "Expect", "X-Hauberk-Sink"):
        value = {"Expect": "100-continue", "X-Hauberk-Sink": "html"}.get(name, "1")
        yield f"{name} twice", sent(BODY, f"{name}: {value}", f"{name}: {value}")
    for host in (
        "evil.example", "localhost.evil.example", "evil.example:80", "localhost@evil.example", "127.0.0.2",
        "localhost, evil.example", "0.0.0.0", "[::]", "localhost:80:80", "local host", "localhost.",
        "LOCALHOST\u00e9", "2130706433", "127.1", "localhost/", "user@localhost", "[::1", "::1",
    ):  # fmt: skip
        yield f"host {host!r}", sent(host=host)
    yield "no host", sent(host="")
    for encoding, packed in (
        ("gzip", gzip.compress(BODY, mtime=0)), ("deflate", zlib.compress(BODY)), ("br", BODY),
        ("zstd", BODY), ("identity, gzip", BODY), ("gzip, identity", BODY), ("x-gzip", BODY), ("*", BODY),
        ("", BODY), ("aes128gcm", BODY),
    ):  # fmt: skip
        yield f"encoding {encoding!r}", sent(packed, f"Content-Encoding: {encoding}")
    for kind in (
        "text/plain", "application/xml", "text/json", "application/json, text/html", "application/jsonp",
        "application/json;charset=utf-16", "application/json; charset=latin-1",
        "application/json; charset=utf-7", "application/json;charset=utf-8;charset=utf-16",
        "application/json; boundary=x", "application/json; version=2", "application/vnd.api+json",
        "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/msgpack",
        "application/octet-stream", "application/grpc", "application/x-protobuf", "*/*", "json",
        "application/ json", "application\\json", "application/json\x0b", "application/json;",
        "application/json; charset", "application/json; =utf-8",
    ):  # fmt: skip
        if kind != "application/json;":
            yield f"type {kind!r}", sent(content_type=kind)
    yield "no type", sent(content_type="")
    for expected in ("200-ok", "100-continue, x", "nothing", ""):
        yield f"expects {expected!r}", sent(BODY, f"Expect: {expected}")
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        for method in ("DELETE", "GET", "POST"):
            yield f"{name}: {method}", sent(BODY, f"{name}: {method}")
    for sink in ("xml", "HTML", "html, csv", "../html", "html;x", ""):
        yield f"sink {sink!r}", sent(BODY, f"X-Hauberk-Sink: {sink}")
    for line in (
        "no colon", ": no name", "A B: c", "A : b", "A\x00: b", "A: b\x00c", "A: b\rc", "A: b\nc", " A: b",
        "\tA: b", "A: b\r\n folded", "A\u00e9: b", "A(: b", "A: \x01", "A: \x7f", "{A}: b", '"A": b',
    ):  # fmt: skip
        yield f"line {line!r}", sent(BODY, line)
    yield "many headers", sent(BODY, *(f"X-{n}: a" for n in range(150)))
    yield "a long header", sent(BODY, "X-A: " + "a" * (17 << 10))
    yield "a long name", sent(BODY, "X-" + "A" * (17 << 10) + ": a")
    yield "lines ended by line feeds", sent().replace(b"\r\n", b"\n")
    yield "lines ended by carriage returns", sent().replace(b"\r\n", b"\r") + b"\r\n\r\n"


def raw_tensors() -> Iterator[Case]:
    """The binary extension, lying."""
    raw = struct.pack("<2f", 0.5, 1.5)

    def message(top, tail=raw, length=None, kind="application/octet-stream"):
        text = json.dumps(top).encode()
        given = str(len(text)) if length is None else length.replace("N", str(len(text)))
        return sent(text + tail, f"{BINARY}: {given}", content_type=kind)

    def tensor(size=8, **more):
        item = {
            "name": "x",
            "shape": [1, 2],
            "datatype": "FP32",
            "parameters": {"binary_data_size": size},
        }
        return {"inputs": [item | more]}

    for size in (7, 9, 0, -8, 8.0, "8", True, None, 10**30, [8], 4, 16):
        yield f"raw size {size!r}", message(tensor(size))
    for length in (
        "0",
        "-1",
        "N0",
        "1",
        "N.0",
        "+N",
        "0xN",
        "N,N",
        "",
        "9" * 13,
        "nan",
        "N;",
        "\u00b2",
    ):
        yield f"length of the JSON {length!r}", message(tensor(), length=length)
    for bits in (0x7FC00000, 0x7F800000, 0xFF800000, 0x7F800001):
        yield f"raw {bits:#x}", message(tensor(), struct.pack("<fI", 0.5, bits))
    yield "raw and data", message(tensor(data=[0.5, 1.5]))
    yield "bytes behind the last tensor", message(tensor(), raw + b"\0")
    yield "too few bytes", message(tensor(), raw[:-1])
    yield "no bytes", message(tensor(), b"")
    yield "raw FP64", message(tensor(16, datatype="FP64"), raw * 2)
    yield "raw text", message(tensor(10, datatype="BYTES", shape=[1, 1]), b"\xff\xff\xff\x7fabcdef")
    yield "raw of a shape that overflows", message(tensor(shape=[1 << 62, 4]))
    yield "raw of a shape that wraps", message(tensor(shape=[(1 << 61) + 1, 8]))
    yield "raw without its header", sent(json.dumps(tensor()).encode() + raw)
    yield (
        "raw without its size",
        message({"inputs": [{k: v for k, v in TENSOR.items() if k != "data"}]}),
    )
    yield "base64 in place of bytes", message(tensor(12), b"AAAAPwAAwD8=")
    yield (
        "the type of JSON in another form",
        message(tensor(), kind="application/json; charset=utf-16"),
    )


def documents() -> Iterator[Case]:
    """Bodies that are no JSON, or JSON with several meanings."""
    for name, body in _documents():
        yield name, sent(body)


def _documents() -> Iterator[Case]:  # noqa: PLR0912 - a list
    text = BODY.decode()
    for coding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7"):
        raw = text.encode(coding)
        if raw != BODY:
            yield f"JSON in {coding}", raw
    yield "JSON in UTF-7", text.replace('"x"', '"+AHg-"').encode()
    for key in ("inputs", "name", "shape", "datatype", "data"):
        for other in ("null", "[]", '"x"', "[1, 2]"):
            twice = text.replace(f'"{key}"', f'"{key}": {other}, "{key}"', 1)
            yield f"{key} twice, first {other}", twice.encode()
        capital = text.replace(f'"{key}"', f'"{key.title()}"', 1)
        yield f"{key} as {key.title()}", capital.encode()
        escaped = text.replace(f'"{key}"', f'"\\u{ord(key[0]):04x}{key[1:]}"', 1)
        yield f"{key} with an escape", escaped.encode()
        yield f"{key} with a blank", text.replace(f'"{key}"', f'"{key} "', 1).encode()
        yield f"{key} without quotes", text.replace(f'"{key}"', key, 1).encode()
        yield f"{key} in single quotes", text.replace(f'"{key}"', f"'{key}'", 1).encode()
    deep = {"inputs": [TENSOR], "parameters": {"a": {"b": {"a": 1}}}}
    yield "a parameter that is an object", json.dumps(deep).encode()
    for value in (
        "NaN", "Infinity", "-Infinity", "nan", "inf", "1e400", "-1e400", "1e99999999999", "0x1", "01", "+1",
        ".5", "5.", "1_0", "1,5", "1e", "--1", "\u0661", "'1'", '"1"', '"NaN"', "null", "true", "{}", "[]",
        "[1]", "1" * 70, "0." + "1" * 70, "1e39", "-1e39", "3.5e38", "undefined", "1/2", "0b1", "1f", "1L",
        "1e+", "-", "2e308", "1" * 5000,
    ):  # fmt: skip
        yield f"number {value[:14]}", text.replace("0.5", value).encode()
    for shape in (
        "[1]", "[2]", "[2, 1]", "[1, 1]", "[1, 3]", "[0, 2]", "[-1, 2]", "[1, -2]", "[1.0, 2]", "[1, 2.0]",
        '["1", 2]', "[true, 2]", "[null, 2]", "[1, 2, 1]", "[]", "{}", "null", '"1x2"', "2", "[[1, 2]]",
        "[4294967297, 2]", "[9223372036854775809, 2]", "[4611686018427387904, 4]", "[1e0, 2]",
        "[3000000000, 3000000000]", "[" + "1, " * 70 + "2]", "[18446744073709551616, 1]",
    ):  # fmt: skip
        yield f"shape {shape[:30]}", text.replace("[1, 2]", shape).encode()
    for kind in (
        "FP64", "FP16", "BF16", "INT32", "INT64", "UINT8", "BOOL", "BYTES", "fp32", "FP32 ", "FLOAT", "", "FP32\\u0000",
    ):  # fmt: skip
        yield f"datatype {kind!r}", text.replace("FP32", kind).encode()
    for data in (
        "[0.5]", "[0.5, 1.5, 2.5]", "[]", "{}", "null", '"AAAAPwAAwD8="', "[[0.5], [1.5]]", "[[[0.5, 1.5]]]",
        "[[0.5, 1.5], []]", "[[0.5, 1.5], [0.5, 1.5]]", "[0.5, [1.5]]", "[[0.5], 1.5]", '{"b64": "AAAA"}',
        '[{"b64": "AAAA"}, 1]', "0.5", "[0.5, 1.5,]", "[0.5 1.5]", "[,0.5, 1.5]",
    ):  # fmt: skip
        yield f"data {data}", text.replace("[0.5, 1.5]", data).encode()
    for comment in ("/* a */", "// a\n", "# a\n", "<!-- a -->"):
        yield f"a comment {comment.strip()}", (comment + text).encode()
        yield f"a comment {comment.strip()} inside", text.replace(", ", f", {comment}", 1).encode()
    for behind in ("{}", "null", "]", "}", "\x00", "\n\n[]", ",", text, "\x1a", "garbage"):
        yield f"{behind[:8]!r} behind", (text + behind).encode()
    for before in (
        "\x00",
        "\x0b",
        "\x0c",
        "\u00a0",
        "\u2028",
        ")]}',\n",
        "while(1);",
        "\x1e",
        "[",
        "callback(",
    ):
        yield f"{before!r} before", (before + text).encode()
    for end in range(1, len(text), 9):
        yield f"cut after {end}", text[:end].encode()
    for depth in (20, 1_000, 100_000):
        yield f"{depth} brackets", b"[" * depth
        yield f"{depth} brackets and their ends", b"[" * depth + b"]" * depth
        yield f"{depth} objects", b'{"a":' * depth
        data = text.replace("[0.5, 1.5]", "[" * depth + "0.5" + "]" * depth)
        yield f"data {depth} deep", data.encode()
    for name in (
        "\\ud800", "\\udc00\\ud800", "\\ud83d", "\\u0000", "\\x41", "\\u00", "y", "X", "x ", "\u0445", "x\\u200b", "",
        "../x", "<x>", "x\\r\\nA: b", "x" * 5000, "${x}", "__proto__", "constructor",
    ):  # fmt: skip
        yield f"name {name[:20]!r}", text.replace('"x"', f'"{name}"').encode()
    yield "bytes that are no UTF-8", BODY.replace(b'"x"', b'"\xff"')
    yield "an overlong letter", BODY.replace(b'"x"', b'"\xc1\xb8"')
    yield "a surrogate in UTF-8", BODY.replace(b'"x"', b'"\xed\xa0\x80"')
    yield "a control character", BODY.replace(b'"x"', b'"\x01"')
    for extra in (
        '"id": 1', '"id": ""', '"id": "a b"', '"id": "<b>"', '"id": []', '"id": "' + "a" * 300 + '"', '"ID": "a"',
        '"parameters": []', '"parameters": {"x": 1}', '"parameters": {"binary_data_output": {}}',
        '"parameters": {"priority": 9}', '"parameters": {"sequence_id": 1}', '"parameters": {"__class__": "a"}',
        '"outputs": {}', '"outputs": [{"name": "nothing"}]', '"outputs": [{"name": "label"}, {"name": "label"}]',
        '"outputs": [{}]', '"outputs": [{"name": "label", "x": 1}]', '"outputs": ["label"]', '"model_name": "a"',
        '"model_version": "9"', '"raw_input_contents": []', '"timeout": 1', '"__proto__": {}', '"inputs ": []',
        '"outputs": [{"name": "label", "parameters": {"shared_memory_region": "a"}}]', '"": 1',
    ):  # fmt: skip
        yield f"more {extra[:50]}", (text[:-1] + ", " + extra + "}").encode()
    for extra in (
        '"parameters": {"shared_memory_region": "a"}', '"parameters": {"binary_data_size": 8}', '"dtype": "<f4"',
        '"parameters": {"binary_data_size": "8"}', '"byte_size": 8', '"contents": {}', '"parameters": null',
        '"parameters": {"content_type": "pickle;<x>"}', '"fp32_contents": [1, 2]', '"__reduce__": []', '"url": "file:///"',
    ):  # fmt: skip
        yield f"a tensor with {extra[:40]}", text.replace('"name"', f'{extra}, "name"').encode()
    yield "the same input twice", json.dumps({"inputs": [TENSOR, TENSOR]}).encode()
    yield "many inputs", json.dumps({"inputs": [TENSOR] * 2000}).encode()
    yield "empty objects", b'{"inputs":[' + b",".join([b"{}"] * 20_000) + b"]}"
    yield "a value that is no object", b"[1]"
    for plain in (b"", b" ", b"null", b"1", b'"x"', b"true", b"{}", b"\0" * 50, b"\xff" * 50):
        if plain:
            yield f"only {plain[:8]!r}", plain
    yield "many keys", b"{" + b",".join(b'"%d":1' % n for n in range(50_000)) + b"}"
    yield "a long text", json.dumps({"inputs": [TENSOR | {"name": "x" * 200_000}]}).encode()
    yield "a million commas", b'{"inputs":[' + b"," * 1_000_000 + b"]}"
    yield "four megabytes and more", b" " * ((4 << 20) + 1)
    yield "a bomb of zeros", text.replace("0.5", "0." + "0" * 100_000).encode()


def cases() -> Iterator[Case]:
    """All of them."""
    for family in (first_lines, lengths, chunks, headers, raw_tensors, documents):
        for name, raw in family():
            yield f"{family.__name__}: {name}", raw
