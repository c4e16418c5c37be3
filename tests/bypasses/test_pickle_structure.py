"""Tricks of the format and of containers that got past published scanners."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest

from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile
from hauberk.core.finding import Finding, Severity
from hauberk.errors import UnavailableError
from hauberk.methods.pickle_writing import array, blob, call, method, name, text, whole

SYSTEM = call(name("os.system"), text("id"))


def judged(folder: Path, data: bytes, label: str = "model.bin") -> list[Finding]:
    path = folder / label
    path.write_bytes(data)
    return list(UnsafeOpcodes().check(ModelFile(name=label, path=path)))


def is_critical(folder: Path, data: bytes, label: str = "model.bin") -> bool:
    return any(item.severity is Severity.CRITICAL for item in judged(folder, data, label))


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for label, data in members.items():
            archive.writestr(label, data)
    return buffer.getvalue()


STREAMS = {
    # picklescan issue 14: PUT and MEMOIZE number their slots differently.
    "memo-mixed": b"\x80\x04" + text("os") + b"q\x000" + text("system") + b"q\x010"
    + text("torch._utils") + b"\x940" + text("_rebuild_tensor_v2") + b"\x940h\x00h\x01\x93"
    + text("id") + b"\x85R.",
    # picklescan issue 22: GET of a slot that was filled twice.
    "memo-refilled": b"\x80\x04" + text("collections") + b"q\x050" + text("os") + b"q\x050h\x05"
    + text("system") + b"\x93" + text("id") + b"\x85R.",
    # modelscan issue 85: PUT between the names and the opcode that takes them.
    "put-between": b"\x80\x04" + text("os") + b"p7\n" + text("system") + b"p8\n\x93" + text("id") + b"\x85R.",
    # picklescan issue 13: INST imports and calls in one.
    "inst": b"(" + text("id") + b"ios\nsystem\n.",
    # fickling, promptfoo's report of 2026: the result of the call is dropped at once.
    "result-popped": b"\x80\x04" + SYSTEM + b"0" + text("fine") + b".",
    "result-behind-mark": b"\x80\x04(" + SYSTEM + b"1" + text("fine") + b".",
    # picklescan GHSA-9gvj-pp9x-gcfr: parsing stops where loading already ran the payload.
    "bad-tail": b"\x80\x04" + SYSTEM + b"\xff\xff",
    "unquoted-string": b"\x80\x02" + SYSTEM + b"0Sunquoted\n.",
    "second-proto": b"\x80\x02\x80\x04\x80\x00" + SYSTEM + b".",
    # A module name with a trailing blank line or carriage return is another name to CPython
    # and must at least not look like a harmless one.
    "escaped-name": b"\x80\x04" + text("o\x73") + text("sys\x74em") + b"\x93" + text("id") + b"\x85R.",
    "raw-unicode-name": b"\x80\x04V\\u006fs\nVs\\u0079stem\n\x93" + text("id") + b"\x85R.",
    "octal-string-name": b"\x80\x04S'\\157s'\nS'system'\n\x93" + text("id") + b"\x85R.",
    # fickling GHSA-6ggj-6f2q-f7mx: the call is routed through BUILD.
    "build-setstate": b"\x80\x04" + call(name("types.SimpleNamespace")) + b"}" + text("__setstate__")
    + name("os.system") + b"sb" + text("id") + b"b.",
    "build-on-class": b"\x80\x04" + name("collections.Counter") + b"}" + text("__reduce__")
    + name("os.system") + b"sb.",
    "modules-changed": b"\x80\x04" + name("sys.modules") + text("json") + name("os.path") + b"s.",
    # Names made while loading.
    "text-computed": b"\x80\x04" + call(name("builtins.str"), blob(b"os"), text("ascii")) + text("system")
    + b"\x93" + text("id") + b"\x85R.",
    "getattr-chain": whole(method(name("shop.models.os"), "system", text("id"))),
    "key-computed": b"\x80\x04" + call(name("types.SimpleNamespace")) + b"}"
    + call(name("builtins.str"), blob(b"__setstate__"), text("ascii")) + name("os.getcwd") + b"sb.",
    # "Brainwash" of list subclasses: APPEND calls a method of the receiver.
    "append-to-import": b"\x80\x04" + name("sys.path") + text("/tmp") + b"a.",
    "dict-from-map": whole(call(name("builtins.dict"), call(name("builtins.map"), name("os.system"), array(text("id"))))),
    "ext-registry": b"\x80\x04\x82\x01" + text("id") + b"\x85R.",
    "inside-python-2-bytes": b"\x80\x02" + call(
        name("pickle.loads"), call(name("_codecs.encode"), text(whole(SYSTEM, 2).decode("latin-1")), text("latin1"))
    ) + b".",
}  # fmt: skip


@pytest.mark.parametrize("label", STREAMS)
def test_streams_that_hid_their_call_are_refused(tmp_path: Path, label: str) -> None:
    found = judged(tmp_path, STREAMS[label])
    assert {item.severity for item in found} & {Severity.CRITICAL, Severity.HIGH}


@pytest.mark.parametrize(
    "label", ["m.txt", "m.onnx", "m.safetensors", "m.csv", "m.PKL", "m", "m.h5", "m.json"]
)
def test_the_ending_does_not_matter(tmp_path: Path, label: str) -> None:
    """CVE-2025-10155: a pickle with the ending of something else was not read."""
    assert is_critical(tmp_path, whole(SYSTEM), label)


def test_a_wrong_checksum_does_not_stop_the_reading(tmp_path: Path) -> None:
    """CVE-2025-10156: torch ignores the checksum that made the scanner give up."""
    data = bytearray(zipped({"m/data.pkl": whole(SYSTEM)}))
    data[14:18] = b"\0\0\0\0"
    at = data.index(b"PK\x01\x02")
    data[at + 16 : at + 20] = b"\0\0\0\0"
    assert is_critical(tmp_path, bytes(data), "m.pt")


def test_a_flag_that_only_the_member_has_does_not_stop_the_reading(tmp_path: Path) -> None:
    data = bytearray(zipped({"m/data.pkl": whole(SYSTEM)}))
    data[6] |= 1
    assert is_critical(tmp_path, bytes(data), "m.pt")


def test_an_encrypted_member_is_no_pass(tmp_path: Path) -> None:
    data = bytearray(zipped({"m/data.pkl": pickle.dumps(1)}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(UnavailableError, match="encrypted"):
        judged(tmp_path, bytes(data))


def test_a_pickle_in_front_of_an_archive_is_read(tmp_path: Path) -> None:
    """Measured: picklescan 1.0.5 reads only the harmless archive."""
    assert is_critical(tmp_path, whole(SYSTEM) + zipped({"a.txt": b"hello"}), "m.zip")


def test_an_archive_behind_a_harmless_pickle_is_read(tmp_path: Path) -> None:
    assert is_critical(tmp_path, pickle.dumps(1) + zipped({"m/data.pkl": whole(SYSTEM)}), "m.pt")


def test_a_payload_among_tensors_is_read_under_its_own_name(tmp_path: Path) -> None:
    archive = zipped({"m/data.pkl": pickle.dumps(1), "m/extra.bin": whole(SYSTEM)})
    assert is_critical(tmp_path, archive, "m.pt")


def test_legacy_tar_files_of_torch_are_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for label, data in {
            "sys_info": pickle.dumps({}, 2),
            "pickle": whole(SYSTEM, 2),
            "tensors": b"\0" * 99,
        }.items():
            info = tarfile.TarInfo(label)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert is_critical(tmp_path, buffer.getvalue(), "m.pt")


def test_a_shelf_of_pickles_is_carved(tmp_path: Path) -> None:
    """Measured: pickles inside a database file, as ``shelve`` makes them, were missed."""
    assert is_critical(
        tmp_path, b"\x13\x57\x9a\xce" + bytes(508) + whole(SYSTEM) + bytes(99), "shelf.db"
    )


def test_members_behind_a_false_directory_are_a_contradiction(tmp_path: Path) -> None:
    """Two end records: readers differ in which one they take."""
    first, second = zipped({"a": whole(SYSTEM)}), zipped({"a": pickle.dumps(1)})
    found = judged(tmp_path, first + second)
    assert {item.severity for item in found} & {Severity.CRITICAL, Severity.HIGH}
