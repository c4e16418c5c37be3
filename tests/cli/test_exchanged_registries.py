"""Every file of a registry exchanged, cut, merged and written in other words, before a new reader.

Two registries of the same owner, with the same keys and the same names in them, and one of them as
it was a version ago. The reader has the pinned root and no memory.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.trust import keys
from hauberk.trust.keys import Role

PARTS = ("object:", "rule:", "expected:", "found:", "next:")
WEIGHTS = b"{}" + b" " * 30


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Registries ``mine`` with two versions, ``before`` with its first, ``other`` with two."""

    folder: Path

    @property
    def mine(self) -> Path:
        return self.folder / "mine"


def write_model(path: Path, extra: int) -> None:
    header = WEIGHTS + b" " * 8 * extra
    path.write_bytes(len(header).to_bytes(8, "little") + header)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("registries")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    patch.setenv("XDG_CONFIG_HOME", str(folder / "owner"))
    for number, name in enumerate(("mine", "other")):
        assert main(["registry", "init", "--name", name, "--registry", name]) == 0
        assert main(["root", "show", name, "--out", f"{name}.json"]) == 0
        for version in (1, 2):
            write_model(folder / "bare.safetensors", 2 * number + version)
            words = ["bare.safetensors", "--model", "bare", "--version", str(version)]
            where = ["--registry", name, "--root", f"{name}.json"]
            assert main(["registry", "publish", *words, *where]) == 0
            if (name, version) == ("mine", 1):
                shutil.copytree(folder / name, folder / "before")
    patch.undo()
    return Stage(folder=folder)


@pytest.fixture
def stage(original: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    shutil.copytree(original.folder, tmp_path / "stage")
    monkeypatch.chdir(tmp_path / "stage")
    return Stage(folder=tmp_path / "stage")


# Which file, and what is done to it ------------------------------------------------------------

FILES = {
    "timestamp": "metadata/timestamp.json",
    "snapshot": "metadata/3.snapshot.json",
    "targets": "metadata/1.targets.json",
    "models": "metadata/2.models.json",
    "staging": "metadata/2.staging.json",
    "retired": "metadata/1.retired.json",
    "root": "metadata/1.root.json",
    "channel": "targets/channels/bare/*.staging.json",
    "manifest": "targets/models/bare/*.2.json",
    "bytes": "blobs/*/*",
}
Change = Callable[[Stage, Path], None]


def newest(folder: Path, pattern: str) -> Path:
    """The file of the newest version; names of documents and bytes begin with their digest."""
    return max(folder.glob(pattern), key=lambda path: path.stat().st_mtime_ns)


def of(change: Callable[[bytes], bytes]) -> Change:
    return lambda _, path: void(path.write_bytes(change(path.read_bytes())))


def void(_: object) -> None:
    return None


def spaced(data: bytes) -> bytes:
    """The same JSON in other spacing; other bytes where it is none."""
    try:
        return json.dumps(json.loads(data), indent=3).encode()
    except ValueError:
        return data.replace(b" ", b"\t")


def turned(data: bytes) -> bytes:
    """The same JSON with its keys in the other order."""
    try:
        return json.dumps(dict(reversed(json.loads(data).items()))).encode()
    except ValueError:
        return data[::-1]


def in_capitals(_: Stage, path: Path) -> None:
    path.rename(path.with_name(path.name.upper()))


def from_elsewhere(source: str) -> Change:
    def forge(stage: Stage, path: Path) -> None:
        pattern = next(one for one in FILES.values() if path in stage.mine.glob(one))
        here = path.relative_to(stage.mine).as_posix()
        exact = stage.folder / source / here
        path.write_bytes(
            (exact if exact.exists() else newest(stage.folder / source, pattern)).read_bytes()
        )

    return forge


CHANGES: dict[str, Change] = {
    "of another registry": from_elsewhere("other"),
    "in other spacing": of(spaced),
    "in another order": of(turned),
    "cut short": of(lambda data: data[:-1]),
    "halved": of(lambda data: data[: len(data) // 2]),
    "twice": of(lambda data: data * 2),
    "emptied": of(lambda _: b""),
    "with a mark of order": of(lambda data: b"\xef\xbb\xbf" + data),
    "with a byte behind": of(lambda data: data + b"\n"),
    "under a name in capitals": in_capitals,
    "removed": lambda _, path: path.unlink(),
}


def pull(stage: Stage, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, bytes]:
    capsys.readouterr()
    out = stage.folder / "out"
    words = ["registry", "pull", "bare@staging", str(out), "--unattested"]
    code = main([*words, "--registry", str(stage.mine), "--root", "mine.json"])
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    taken = (out / "bare.safetensors").read_bytes() if out.exists() else b""
    shutil.rmtree(out, ignore_errors=True)
    return code, shown.err, taken


def test_what_is_untouched_is_served(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    genuine = (stage.folder / newest(stage.mine, FILES["bytes"])).read_bytes()
    assert pull(stage, capsys) == (0, "", genuine)
    assert pull(stage, capsys) == (0, "", genuine)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("file", FILES)
def test_a_file_that_was_changed_is_refused_or_changes_nothing(
    stage: Stage, file: str, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = newest(stage.mine, FILES[file])
    genuine = newest(stage.mine, FILES["bytes"]).read_bytes()
    CHANGES[change](stage, path)
    code, said, taken = pull(stage, capsys)
    if code == 0:
        assert (file, taken) == ("root", genuine)
        assert change in RESPELT
        return
    assert (code, taken) == (3 if change in MISSING else 1, b""), said
    assert [part for part in PARTS if part not in said] == []


MISSING = ("removed", "under a name in capitals")
"""What is not there cannot be judged: exit code 3, and nothing is served."""
RESPELT = ("in other spacing", "in another order")
"""The pin names what the root says, not how it is spelt."""


def test_a_registry_of_the_same_owner_behind_the_pinned_root_is_refused(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Same keys, same names, same numbers: everything but the root is another registry's."""
    root = (stage.mine / "metadata/1.root.json").read_bytes()
    shutil.rmtree(stage.mine)
    shutil.copytree(stage.folder / "other", stage.mine)
    (stage.mine / "metadata/1.root.json").write_bytes(root)
    code, said, taken = pull(stage, capsys)
    assert (code, taken) == (1, b"")
    assert "is of another registry" in said


@pytest.mark.parametrize("role", ["targets", "models", "staging", "retired"])
def test_a_role_of_another_registry_is_refused_with_all_that_it_names(
    stage: Stage, role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("targets", "blobs"):
        shutil.copytree(stage.folder / "other" / name, stage.mine / name, dirs_exist_ok=True)
    CHANGES["of another registry"](stage, newest(stage.mine, FILES[role]))
    code, said, taken = pull(stage, capsys)
    assert (code, taken) == (1, b"")
    assert f"role {role} is of another registry" in said


def test_a_reader_who_saw_more_is_not_taken_back(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull(stage, capsys)[0] == 0
    shutil.rmtree(stage.mine)
    shutil.copytree(stage.folder / "before", stage.mine)
    code, said, _ = pull(stage, capsys)
    assert code == 1
    assert "rolled back" in said


@pytest.mark.parametrize("file", ["timestamp", "snapshot", "models", "staging", "retired"])
@pytest.mark.parametrize("role", ["person", "release", "snapshot", "timestamp", "lifecycle"])
def test_metadata_signed_by_the_key_of_another_role_is_refused(
    stage: Stage, file: str, role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from hauberk.trust.registry.metadata import parse

    path = newest(stage.mine, FILES[file])
    pair = keys.load(stage.folder / "owner/hauberk/keys", Role(role))
    outer = json.loads(path.read_bytes())
    if pair.public.key_id in {one["keyid"] for one in outer["signatures"]}:
        pytest.skip("this role's own key")
    signed = parse(path.read_bytes(), file).signed_bytes
    signature = {"keyid": pair.public.key_id, "sig": pair.sign(signed).hex()}
    path.write_text(json.dumps({**outer, "signatures": [signature]}))
    code, said, taken = pull(stage, capsys)
    assert (code, taken) == (1, b"")
    assert [part for part in PARTS if part not in said] == []


def test_a_mistyped_model_has_no_history(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--registry", str(stage.mine), "--root", "mine.json"]
    assert main(["registry", "history", "bare", *where]) == 0
    assert main(["registry", "history", "bear", *where]) == 2
    assert "did you mean bare?" in capsys.readouterr().err
