"""Genuine things in the wrong place: of another project, an older run, another role, another form.

Everything here was signed by the right people once. Whoever owns the project's folder and store
exchanges it, cuts it, merges it or writes it in other words, and some hold one key of two.
"""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.lifecycle.run import Options, run
from hauberk.lifecycle.settings import load
from hauberk.lifecycle.signing import pin_own_root
from hauberk.range import sample
from hauberk.range.forgeries import Site
from hauberk.trust import dsse, keys
from hauberk.trust.canonical import canonical_json
from hauberk.trust.dsse import Envelope
from hauberk.trust.keys import Role
from hauberk.trust.statement import PAYLOAD_TYPE
from hauberk.trust.store import Store

OTHER = "growths"
PARTS = ("object:", "rule:", "expected:", "found:", "next:")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a forger has before him.

    Attributes:
        site: The project, with two releases; the one that is changed.
        before: The same project when it had one release.
        other: Another project of the same owner, with the same keys.
        home: The owner's configuration, beside which the commands look.
    """

    site: Path
    before: Path
    other: Path
    home: Path

    @property
    def config(self) -> Path:
        return self.home / "hauberk"


@pytest.fixture(scope="module")
def original(finished: Site, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("exchanged")
    home = folder / "home"
    shutil.copytree(finished.configuration, home / "hauberk")
    tuple(pin_own_root(OTHER, home / "hauberk"))
    for name in ("before", "site"):
        shutil.copytree(finished.root, folder / name / sample.NAME, symlinks=True)
    site, other = folder / "site" / sample.NAME, folder / OTHER
    train = site / "steps/train.py"
    train.write_text(train.read_text().replace("max_iter=1000", "max_iter=1000, C=0.5"))
    sample.write_project(other)
    (other / "hauberk.toml").write_text(
        (other / "hauberk.toml").read_text().replace(f'"{sample.NAME}"', f'"{OTHER}"')
    )
    for root in (site, other):
        options = Options(configuration=home / "hauberk", clock=time.time)
        assert run(load(root), options).exit_code == 0
    return Stage(site=site, before=folder / "before" / sample.NAME, other=other, home=home)


@pytest.fixture
def stage(original: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    copy = tmp_path / sample.NAME
    shutil.copytree(original.site, copy, symlinks=True)
    shutil.copytree(original.home, tmp_path / "owner")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "owner"))
    return replace(original, site=copy, home=tmp_path / "owner")


# What forgers do -------------------------------------------------------------------------


def store_of(root: Path) -> Store:
    return Store.open(root)


def pointed(root: Path) -> dict[str, object]:
    name = f"releases/{load(root).project.name}/staging"
    return json.loads(store_of(root).pointers.get(name).value)


def point(stage: Stage, data: bytes) -> None:
    pointers = store_of(stage.site).pointers
    name = f"releases/{sample.NAME}/staging"
    pointers.swap(name, data, expect=pointers.get(name).tag)


def repoint(stage: Stage, **changes: object) -> None:
    point(stage, canonical_json({**pointed(stage.site), **changes}))


def envelope(root: Path, digest: object) -> bytes:
    return b"".join(store_of(root).blobs.open(digest))


def put(stage: Stage, *envelopes: bytes) -> list[str]:
    return [store_of(stage.site).blobs.put([one]) for one in envelopes]


def bring(stage: Stage, root: Path) -> dict[str, object]:
    """Copy every statement that another store's pointer names; that pointer."""
    found = pointed(root)
    put(stage, *(envelope(root, one) for one in (found["release"], *found["statements"])))
    return found


def swap_file(name: str, source: str = "other") -> Callable[[Stage], None]:
    def forge(stage: Stage) -> None:
        genuine, target = getattr(stage, source) / name, stage.site / name
        if target.is_dir():
            shutil.rmtree(target)
            shutil.copytree(genuine, target)
        else:
            target.chmod(0o600)
            target.write_bytes(genuine.read_bytes())

    return forge


def point_at_other(stage: Stage) -> None:
    point(stage, canonical_json({**bring(stage, stage.other), "sequence": 1}))


def point_at_other_as_second(stage: Stage) -> None:
    point(stage, canonical_json({**bring(stage, stage.other), "sequence": 2}))


def point_at_before(stage: Stage) -> None:
    point(stage, canonical_json(bring(stage, stage.before)))


def point_at_before_as_second(stage: Stage) -> None:
    point(stage, canonical_json({**bring(stage, stage.before), "sequence": 2}))


def older_statements(stage: Stage) -> None:
    repoint(stage, statements=bring(stage, stage.before)["statements"])


def older_release(stage: Stage) -> None:
    repoint(stage, release=bring(stage, stage.before)["release"])


def no_statements(stage: Stage) -> None:
    repoint(stage, statements=[])


def merged_statements(stage: Stage) -> None:
    both = [*pointed(stage.site)["statements"], *bring(stage, stage.before)["statements"]]
    repoint(stage, statements=list(dict.fromkeys(both)))


def turned_statements(stage: Stage) -> None:
    repoint(stage, statements=pointed(stage.site)["statements"][::-1])


def statement_as_release(stage: Stage) -> None:
    repoint(stage, release=pointed(stage.site)["statements"][0])


def release_as_statement(stage: Stage) -> None:
    found = pointed(stage.site)
    repoint(stage, statements=[found["release"], *found["statements"][1:]])


def other_number(number: int) -> Callable[[Stage], None]:
    return lambda stage: repoint(stage, sequence=number)


def more_in_pointer(stage: Stage) -> None:
    repoint(stage, note="checked by ada")


def spaced_pointer(stage: Stage) -> None:
    point(stage, json.dumps(pointed(stage.site), indent=1).encode() + b"\n{}")


def doubled_key(stage: Stage) -> None:
    found = canonical_json(pointed(stage.site))
    point(stage, found[:-1] + b',"sequence":2}')


def upper_case_digest(stage: Stage) -> None:
    repoint(stage, release=str(pointed(stage.site)["release"]).upper())


def rewritten_release(change: Callable[[bytes], bytes]) -> Callable[[Stage], None]:
    def forge(stage: Stage) -> None:
        release = envelope(stage.site, pointed(stage.site)["release"])
        (digest,) = put(stage, change(release))
        repoint(stage, release=digest)

    return forge


def spaced(data: bytes) -> bytes:
    return json.dumps(json.loads(data), indent=1).encode()


def url_safe(data: bytes) -> bytes:
    outer = json.loads(data)
    raw = base64.b64decode(outer["payload"])
    outer["payload"] = base64.urlsafe_b64encode(raw + b" ").decode().rstrip("=")
    return canonical_json(outer)


def signed_twice(data: bytes) -> bytes:
    outer = json.loads(data)
    return canonical_json({**outer, "signatures": outer["signatures"] * 2})


def unsigned(data: bytes) -> bytes:
    return canonical_json({**json.loads(data), "signatures": []})


def of_another_type(data: bytes) -> bytes:
    return canonical_json({**json.loads(data), "payloadType": "application/vnd.in-toto+JSON"})


def spaced_payload(data: bytes) -> bytes:
    outer = json.loads(data)
    inner = json.dumps(json.loads(base64.b64decode(outer["payload"])), indent=1).encode()
    return canonical_json({**outer, "payload": base64.b64encode(inner).decode()})


def for_production(data: bytes) -> bytes:
    outer = json.loads(data)
    inner = base64.b64decode(outer["payload"]).replace(b'"staging"', b'"production"')
    return canonical_json({**outer, "payload": base64.b64encode(inner).decode()})


def half_signature(data: bytes) -> bytes:
    outer = json.loads(data)
    outer["signatures"][0]["sig"] = outer["signatures"][0]["sig"][:48]
    return canonical_json(outer)


def release_by(role: Role) -> Callable[[Stage], None]:
    """The release of the project, signed by a key that signs other things."""

    def forge(stage: Stage) -> None:
        genuine = Envelope.from_bytes(envelope(stage.site, pointed(stage.site)["release"]))
        key = keys.load(stage.config / "keys", role)
        (digest,) = put(stage, dsse.sign(genuine.payload, PAYLOAD_TYPE, [key]).to_bytes())
        repoint(stage, release=digest)

    return forge


def step_by_release_key(stage: Stage) -> None:
    first, *others = pointed(stage.site)["statements"]
    genuine = Envelope.from_bytes(envelope(stage.site, first))
    key = keys.load(stage.config / "keys", Role.RELEASE)
    (digest,) = put(stage, dsse.sign(genuine.payload, PAYLOAD_TYPE, [key]).to_bytes())
    repoint(stage, statements=[digest, *others])


def key_id_of_another(stage: Stage) -> None:
    """The lifecycle key's signature under the release key's id."""
    genuine = Envelope.from_bytes(envelope(stage.site, pointed(stage.site)["release"]))
    key = keys.load(stage.config / "keys", Role.LIFECYCLE)
    outer = json.loads(dsse.sign(genuine.payload, PAYLOAD_TYPE, [key]).to_bytes())
    outer["signatures"][0]["keyid"] = genuine.signatures[0].key_id
    (digest,) = put(stage, canonical_json(outer))
    repoint(stage, release=digest)


def heads(keep: int) -> Callable[[Stage], None]:
    """Heads cut back to the oldest few; the records stay."""

    def forge(stage: Stage) -> None:
        notes = list(store_of(stage.site).log.heads())
        path = stage.site / ".hauberk/log/heads"
        path.write_bytes(b"".join(note + b"\n" for note in notes[:keep]))

    return forge


def merged_heads(stage: Stage) -> None:
    path = stage.site / ".hauberk/log/heads"
    path.write_bytes((stage.other / ".hauberk/log/heads").read_bytes() + path.read_bytes())


def merged_logs(stage: Stage) -> None:
    (mine,) = (stage.site / ".hauberk/log").glob("*.segment")
    (theirs,) = (stage.other / ".hauberk/log").glob("*.segment")
    mine.write_bytes(mine.read_bytes() + theirs.read_bytes())


def no_log(stage: Stage) -> None:
    for path in (stage.site / ".hauberk/log").iterdir():
        path.unlink()


def all_but_the_log(stage: Stage) -> None:
    log = stage.site / ".hauberk/log"
    log.rename(stage.site.parent / "log")
    shutil.rmtree(stage.site)
    shutil.copytree(stage.before, stage.site, symlinks=True)
    shutil.rmtree(log)
    (stage.site.parent / "log").rename(log)


def blob(stage: Stage, name: str = "hauberk/bundle/model.onnx") -> Path:
    release = Envelope.from_bytes(envelope(stage.site, pointed(stage.site)["release"]))
    said = json.loads(release.payload)
    digest = next(one["digest"]["sha256"] for one in said["subject"] if one["name"] == name)
    return store_of(stage.site).blobs.path(f"sha256:{digest}")


def older_blob(stage: Stage) -> None:
    """The bytes of the first release under the name of the second."""
    before = replace(stage, site=stage.before)
    path = blob(stage)
    assert path.read_bytes() != blob(before).read_bytes()
    path.chmod(0o600)
    path.write_bytes(blob(before).read_bytes())


def cut_blob(stage: Stage) -> None:
    path = blob(stage)
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(data[:-1])


def linked_blob(stage: Stage) -> None:
    path = blob(stage)
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved").name)


def upper_case_blob(stage: Stage) -> None:
    path = store_of(stage.site).blobs.path(pointed(stage.site)["release"])
    path.rename(path.with_name(path.name.upper()))


def lowered_policy(stage: Stage) -> None:
    path = stage.site / "hauberk.toml"
    path.write_text(path.read_text() + '\n[policy]\nmin_isolation = "observe"\n')


FORGERIES: dict[str, Callable[[Stage], None]] = {
    "the pointers of another project": swap_file(".hauberk/pointers.sqlite"),
    "the pointers before the last run": swap_file(".hauberk/pointers.sqlite", "before"),
    "the log of another project": swap_file(".hauberk/log"),
    "the log before the last run": swap_file(".hauberk/log", "before"),
    "the heads of another project": swap_file(".hauberk/log/heads"),
    "the heads before the last run": swap_file(".hauberk/log/heads", "before"),
    "the model before the last run": swap_file("model.joblib", "before"),
    "the script before the last run": swap_file("steps/train.py", "before"),
    "a channel at another project's release": point_at_other,
    "a channel at another project's release, by number": point_at_other_as_second,
    "a channel at the release before": point_at_before,
    "a channel at the release before, by number": point_at_before_as_second,
    "a release with the statements before": older_statements,
    "the release before with the new statements": older_release,
    "a release without statements": no_statements,
    "statements of two releases": merged_statements,
    "a step in place of the release": statement_as_release,
    "the release in place of a step": release_as_statement,
    "a pointer with a higher number": other_number(1 << 40),
    "a pointer with a lower number": other_number(1),
    "a pointer with more in it": more_in_pointer,
    "a pointer with more behind it": spaced_pointer,
    "a pointer with a key twice": doubled_key,
    "a pointer in capitals": upper_case_digest,
    "a release in other spacing": rewritten_release(spaced),
    "a release in another alphabet": rewritten_release(url_safe),
    "a release with a signature twice": rewritten_release(signed_twice),
    "a release without signatures": rewritten_release(unsigned),
    "a release of another type": rewritten_release(of_another_type),
    "a release with a payload in other spacing": rewritten_release(spaced_payload),
    "a release for another channel": rewritten_release(for_production),
    "a release with half a signature": rewritten_release(half_signature),
    "a release signed by the lifecycle key": release_by(Role.LIFECYCLE),
    "a step signed by the release key": step_by_release_key,
    "a signature under another key's id": key_id_of_another,
    "everything but the log before the last run": all_but_the_log,
    "no heads": heads(0),
    "one head": heads(1),
    "heads of two logs": merged_heads,
    "no log": no_log,
    "a released blob before the last run": older_blob,
    "a released blob cut short": cut_blob,
    "a released blob as a link": linked_blob,
    "the release under a name in capitals": upper_case_blob,
    "a policy below the pinned floor": lowered_policy,
}

HARMLESS: dict[str, Callable[[Stage], None]] = {
    "statements in another order": turned_statements,
    "the records of another log behind the last commit, as a crash leaves bytes": merged_logs,
}


def test_the_untouched_projects_verify(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    for root, number in ((stage.site, 2), (stage.before, 1), (stage.other, 1)):
        assert main(["verify", str(root)]) == 0
        assert f"version {number} " in capsys.readouterr().out


@pytest.mark.parametrize("name", FORGERIES)
def test_an_exchange_is_refused(
    stage: Stage, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    FORGERIES[name](stage)
    for words in (["verify"], ["explain"]):
        code = main([*words, str(stage.site)])
        shown = capsys.readouterr()
        assert code == 1, (shown.out, shown.err)
        assert [part for part in PARTS if part not in shown.err] == []
        assert "Traceback" not in shown.err


@pytest.mark.parametrize("name", HARMLESS)
def test_what_changes_nothing_that_was_signed_changes_no_answer(
    stage: Stage, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(stage.site)]) == 0
    genuine = capsys.readouterr().out
    HARMLESS[name](stage)
    assert main(["verify", str(stage.site)]) == 0
    assert capsys.readouterr().out == genuine
