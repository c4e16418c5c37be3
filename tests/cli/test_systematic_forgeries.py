"""Whatever is done to an artefact, the answer is the genuine one or a refusal with all its parts."""

import json
import os
import time

import pytest

from hauberk.cli import main
from hauberk.trust.keys import generate
from hauberk.trust.oms.verification import sign_model

GENEROUS_S = 30.0  # a second on an idle machine; this one may be busy
LOOK_ALIKES = str.maketrans("aeocp", "аеоср")  # noqa: RUF001 - Cyrillic, that is the point


def places(value, path=()):
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items if isinstance(value, dict | list) else ():
        yield from places(inner, (*path, key))


def edited(kind, change):
    """Every value of one kind changed at once."""

    def make(data):
        document = json.loads(data)
        for path, value in reversed(list(places(document))):
            if path and type(value) is kind:
                holder = document
                for key in path[:-1]:
                    holder = holder[key]
                holder[path[-1]] = change(value)
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")

    return make


def duplicated(data):
    key = next(iter(json.loads(data)))
    return b"{" + json.dumps(key).encode() + b":1," + data.lstrip()[1:]


BYTES = {
    "emptied": lambda data: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "one byte short": lambda data: data[:-1],
    "one byte more": lambda data: data + b"x",
    "one line more": lambda data: data + b"\n",
    "twice": lambda data: data * 2,
    "zeros": lambda data: bytes(len(data)),
    "a zero inside": lambda data: data[:9] + b"\0" + data[9:],
    "a bit flipped": lambda data: data[:50] + bytes([data[50] ^ 1]) + data[51:],
    "with a mark of order": lambda data: b"\xef\xbb\xbf" + data,
    "as UTF-16": lambda data: data.decode().encode("utf-16"),
    "no UTF-8": lambda data: data[:1] + b"\xff" + data[1:],
    "lists without end": lambda data: b"[" * 200_000,
    "objects without end": lambda data: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number without end": lambda data: b'{"version":' + b"9" * 100_000 + b"}",
    "null": lambda data: b"null",
    "a list": lambda data: b"[]",
    "an object": lambda data: b"{}",
    "text": lambda data: b'"x"',
    "spaced": lambda data: b" " + data,
    "other ends of lines": lambda data: data.replace(b"\n", b"\r\n"),
    "20 MB of spaces": lambda data: data + b" " * (20 << 20),
}
JSON = {
    "a key twice": duplicated,
    "texts emptied": edited(str, lambda _: ""),
    "texts as numbers": edited(str, lambda _: 7),
    "texts look alike": edited(str, lambda text: text.translate(LOOK_ALIKES) + "а"),  # noqa: RUF001
    "texts upper case": edited(str, str.upper),
    "texts lead elsewhere": edited(str, lambda _: "../../etc/passwd"),
    "texts absolute": edited(str, lambda _: "/etc/passwd"),
    "texts steer terminals": edited(str, lambda text: "\x1b[31m\u202e" + text),
    "texts with half a character": edited(str, lambda _: "\ud800"),
    "texts of 5 MB": edited(str, lambda _: "A" * 5_000_000),
    "lists emptied": edited(list, lambda _: []),
    "lists twice": edited(list, lambda items: items * 2),
    "lists turned": edited(list, lambda items: items[::-1]),
    "lists as null": edited(list, lambda _: None),
    "objects with more": edited(dict, lambda fields: {**fields, "extra": 1}),
    "objects as lists": edited(dict, lambda fields: [fields]),
}


def removed(path):
    path.unlink()


def folder(path):
    path.unlink()
    path.mkdir()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def to_itself(path):
    path.unlink()
    path.symlink_to(path.name)


def to_nowhere(path):
    path.unlink()
    path.symlink_to("nowhere")


def without_end(path):
    with path.open("r+b") as file:
        file.truncate(3 << 30)


FILES = {
    "removed": removed,
    "a folder": folder,
    "a pipe": pipe,
    "a link to itself": to_itself,
    "a link to nowhere": to_nowhere,
    "three gigabytes of nothing": without_end,
}


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "m"
    (folder / "sub").mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"weights")
    (folder / "sub/config.json").write_text("{}")
    key = generate()
    (tmp_path / "key.pub").write_text(key.public.pem)
    signature = folder / "model.sig"
    signature.write_bytes(sign_model(folder, signature, [key]))
    return folder


@pytest.fixture
def proof(tmp_path, monkeypatch):
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    (project / "rows.csv").write_text("a,b\n1,2\n")
    assert main(["data", "add", "rows.csv"]) == 0
    paths = [str(tmp_path / name) for name in ("p.tlog-proof", "p.json")]
    assert main(["log", "prove", "0", "--output", paths[0], "--record-output", paths[1]]) == 0
    return tmp_path / "p.tlog-proof"


def answered(capsys, words):
    capsys.readouterr()
    started = time.monotonic()
    code = main(words)
    assert time.monotonic() - started < GENEROUS_S
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    assert not set(said.out + said.err) & set("\x1b\x07\u202e")
    return code, said


def hold(capsys, words, change, path):
    code, genuine = answered(capsys, words)
    assert code == 0
    change(path)
    code, said = answered(capsys, words)
    if code == 0:
        assert said.out == genuine.out
        return
    assert code in (1, 2, 3)
    if code == 1:
        parts = ("object:", "rule:", "expected:", "found:", "next:")
        assert [part for part in parts if part not in said.err] == []


def rewritten(make):
    return lambda path: path.write_bytes(make(path.read_bytes()))


ALL = {name: rewritten(make) for name, make in (BYTES | JSON).items()} | FILES


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_forged_signature_of_a_model(model, capsys, name):
    words = ["verify", str(model), "--key", str(model.parent / "key.pub")]
    hold(capsys, words, ALL[name], model / "model.sig")


@pytest.mark.parametrize("name", sorted({name: ALL[name] for name in BYTES} | FILES))
def test_a_forged_key(model, capsys, name):
    words = ["verify", str(model), "--key", str(model.parent / "key.pub")]
    hold(capsys, words, ALL[name], model.parent / "key.pub")


@pytest.mark.parametrize("name", sorted({name: ALL[name] for name in BYTES} | FILES))
def test_a_forged_proof(proof, capsys, name):
    words = ["log", "check", str(proof), "--record", str(proof.with_name("p.json"))]
    hold(capsys, words, ALL[name], proof)
