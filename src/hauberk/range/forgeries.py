"""Forgeries of a finished project, each of which `hauberk verify` must refuse.

A forger holds the project's folder and its store, but neither the signing keys nor the
root of trust, which lie in the user's configuration. Each forgery changes one thing in a
copy; whoever plays it then verifies the copy against the pinned root.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hauberk.core.artifact import Digest
from hauberk.core.lifecycle import Component
from hauberk.core.policy import Isolation
from hauberk.core.threat import ThreatId
from hauberk.errors import HauberkError, InternalError
from hauberk.lifecycle import release_records, releases
from hauberk.lifecycle.production import metadata_index
from hauberk.lifecycle.run import Options, run
from hauberk.lifecycle.settings import load
from hauberk.lifecycle.signing import keys_folder, make_keys
from hauberk.lifecycle.verification import verify_project
from hauberk.trust.canonical import canonical_json
from hauberk.trust.keys import Role
from hauberk.trust.signer import Signer
from hauberk.trust.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A finished project and where its user keeps keys and roots.

    Attributes:
        level: Level at which the project was run.
    """

    root: Path
    configuration: Path
    clock: Callable[[], float]
    level: Isolation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """One thing that a forger changes.

    Attributes:
        deed: What is done, as an imperative.
        forge: Does it to a copy of the site.
    """

    name: str
    deed: str
    threat: ThreatId
    component: Component
    forge: Callable[[Site], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What verification said.

    Attributes:
        refused: Whether it refused.
        words: The refusal in one sentence, or what was accepted.
    """

    refused: bool
    words: str


def play(forgery: Forgery, site: Site, folder: Path) -> Refusal:
    """Forge a copy of ``site`` below ``folder`` and verify it.

    The untouched copy must verify first, or the refusal would prove nothing.

    Raises:
        InternalError: The untouched copy does not verify.
    """
    copy = Site(
        root=folder / forgery.name / site.root.name,
        configuration=site.configuration,
        clock=site.clock,
        level=site.level,
    )
    shutil.copytree(site.root, copy.root, symlinks=True)
    if not _verdict(copy).words.startswith("accepted"):
        raise InternalError("a clean copy of the project does not verify", subject=forgery.name)
    forgery.forge(copy)
    verdict = _verdict(copy)
    shutil.rmtree(folder / forgery.name)
    return verdict


def _verdict(site: Site) -> Refusal:
    try:
        chain = verify_project(load(site.root), site.configuration)
    except HauberkError as error:
        return Refusal(refused=True, words=error.message)
    return Refusal(refused=False, words=f"accepted version {chain.release.version}")


# What a forger does --------------------------------------------------------------------


def flip_byte(path: Path) -> None:
    """Change one byte in the middle of a file, whatever its permissions are."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def _flip(name: str) -> Callable[[Site], None]:
    return lambda site: flip_byte(site.root / name)


def _flip_blob(path: str) -> Callable[[Site], None]:
    def forge(site: Site) -> None:
        store = Store.open(site.root)
        flip_byte(store.blobs.path(_released(site, path)))

    return forge


def _released(site: Site, path: str) -> Digest:
    """Digest of a released file, read from the chain before it is forged."""
    chain = verify_project(load(site.root), site.configuration)
    return chain.release.files[path]


def _raise_metric(site: Site) -> None:
    path = site.root / "metrics.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps({name: min(1.0, value + 0.01) for name, value in metrics.items()}))


def _remove_step(site: Site) -> None:
    _rewrite_pointer(site, lambda found: found.statements[1:])


def _add_step(site: Site) -> None:
    _rewrite_pointer(site, lambda found: (*found.statements, found.statements[0]))


def _rewrite_pointer(site: Site, change: Callable[[releases.Staged], tuple[Digest, ...]]) -> None:
    store = Store.open(site.root)
    name = load(site.root).project.name
    found = releases.required(store, name)
    value = {
        "release": found.release,
        "statements": list(change(found)),
        "sequence": found.sequence,
    }
    store.pointers.swap(f"releases/{name}/staging", canonical_json(value), expect=found.tag)


def _edit_statement(site: Site) -> None:
    """Raise a metric inside a signed test result and point the release's name at it."""
    store = Store.open(site.root)
    name = load(site.root).project.name
    found = releases.required(store, name)
    release, envelopes = releases.envelopes(store, found)
    del release
    edited = [_with_better_metrics(envelope) for envelope in envelopes]
    statements = tuple(store.blobs.put(iter([envelope])) for envelope in edited)
    _rewrite_pointer(site, lambda _: statements)


def _with_better_metrics(envelope: bytes) -> bytes:
    outer = json.loads(envelope)
    inner = base64.b64decode(outer["payload"])
    better = re.sub(rb'("roc_auc":)0\.\d+', rb"\g<1>0.9999", inner)
    if better == inner:
        return envelope
    outer["payload"] = base64.b64encode(better).decode()
    return canonical_json(outer)


def _swap_model(site: Site) -> None:
    """Replace the released model by another one of the store, under its name."""
    store = Store.open(site.root)
    model = store.blobs.path(_released(site, "hauberk/bundle/model.onnx"))
    other = store.blobs.path(_released(site, "hauberk/bundle/schema.json"))
    model.chmod(0o600)
    model.write_bytes(other.read_bytes())


def _edit_index(site: Site) -> None:
    """Raise a metric in the index that people ask; the log of signed events stays."""
    path = metadata_index.path_of(Store.open(site.root))
    with closing(sqlite3.connect(path)) as database:
        database.execute("update metrics set value = 0.999 where name = 'roc_auc'")
        database.commit()


def _cut_log(site: Site) -> None:
    """Take the last record out of the log, beneath its signed head."""
    for path in sorted((site.root / ".hauberk" / "log").rglob("*")):
        if path.is_file() and path.stat().st_size and "seg" in str(path).lower():
            data = path.read_bytes()
            path.chmod(0o600)
            path.write_bytes(data[:-20])
            return


def _empty_pointers(site: Site) -> None:
    """Make a project that released look like one that has not."""
    with closing(sqlite3.connect(site.root / ".hauberk/pointers.sqlite")) as database:
        database.execute("delete from pointers")
        database.commit()


def _remove_pointers(site: Site) -> None:
    (site.root / ".hauberk/pointers.sqlite").unlink()


def _turn_back(site: Site) -> None:
    """Leave the channel at a release after which the owner logged and signed another."""
    store = Store.open(site.root)
    project = load(site.root).project.name
    found = releases.required(store, project)
    later = release_records.Release(
        channel=release_records.channel_of(project, releases.STAGING),
        digest=store.blobs.put([b"a later release"]),
        number=found.sequence + 1,
    )
    store.log.append([canonical_json(release_records.done("later", later))])
    with Signer.start(keys_folder(site.configuration), (Role.LIFECYCLE,)) as signer:
        store.log.checkpoint(lambda text: signer.sign_head(Role.LIFECYCLE, text))


def _lower_policy(site: Site) -> None:
    path = site.root / "hauberk.toml"
    path.write_text(path.read_text() + '\n[policy]\nfail_on = "critical"\n')


def _replace_store(site: Site) -> None:
    """Run the project again with keys of the forger's own: a whole, consistent store."""
    shutil.rmtree(site.root / ".hauberk")
    own = site.root.parent / "forger"
    tuple(make_keys(own))
    run(load(site.root), Options(configuration=own, clock=site.clock, level=site.level))
    shutil.rmtree(own)


def _sign_with_foreign_key(site: Site) -> None:
    """Sign the genuine release anew with a key that nobody pinned."""
    from hauberk.trust import dsse, keys
    from hauberk.trust.dsse import Envelope
    from hauberk.trust.statement import PAYLOAD_TYPE

    store = Store.open(site.root)
    name = load(site.root).project.name
    found = releases.required(store, name)
    genuine = Envelope.from_bytes(releases.envelopes(store, found)[0])
    forged = dsse.sign(genuine.payload, PAYLOAD_TYPE, [keys.generate()]).to_bytes()
    value = {
        "release": store.blobs.put(iter([forged])),
        "statements": list(found.statements),
        "sequence": found.sequence,
    }
    store.pointers.swap(f"releases/{name}/staging", canonical_json(value), expect=found.tag)


def forgeries(raw: str) -> tuple[Forgery, ...]:
    """All forgeries of a project whose raw data lie at ``raw``."""
    return (
        _forgery("raw-data", "change one byte of the raw data", "AQ-2", "acquisition", _flip(raw)),
        _forgery(
            "prepared-set",
            "change one byte of a prepared set",
            "PK-4",
            "preparation",
            _flip("data/train.csv"),
        ),
        _forgery(
            "trained-model",
            "change one byte of the trained model",
            "PI-2",
            "pipeline",
            _flip("model.joblib"),
        ),
        _forgery(
            "released-blob",
            "change one byte of the released model in the store",
            "EX-7",
            "model-export",
            _flip_blob("hauberk/bundle/model.onnx"),
        ),
        _forgery("metric", "raise the claimed metric", "VA-4", "validation", _raise_metric),
        _forgery(
            "signed-metric",
            "raise a metric inside a signed test result",
            "MS-1",
            "metadata-store",
            _edit_statement,
        ),
        _forgery(
            "index-metric",
            "raise a metric in the metadata index",
            "MS-1",
            "metadata-store",
            _edit_index,
        ),
        _forgery("cut-log", "cut the end of the log", "MO-2", "monitoring", _cut_log),
        _forgery("removed-step", "leave a step out", "VD-5", "versioned-data", _remove_step),
        _forgery("added-step", "list a step twice", "PI-1", "pipeline", _add_step),
        _forgery("swapped-model", "put another file in its place", "EX-7", "serving", _swap_model),
        _forgery(
            "foreign-key",
            "sign the release with another key",
            "EX-13",
            "model-registry",
            _sign_with_foreign_key,
        ),
        _forgery(
            "emptied-pointers",
            "empty the pointers, as if nothing had been released",
            "RG-1",
            "model-registry",
            _empty_pointers,
        ),
        _forgery(
            "removed-pointers", "remove the pointers", "RG-1", "model-registry", _remove_pointers
        ),
        _forgery(
            "turned-back",
            "point the channel back at the release before the last",
            "RG-3",
            "model-registry",
            _turn_back,
        ),
        _forgery("lowered-policy", "lower the policy", "XC-2", "code-repository", _lower_policy),
        _forgery(
            "replaced-store",
            "replace the whole store together with its keys",
            "RG-1",
            "model-registry",
            _replace_store,
        ),
    )


def _forgery(
    name: str, deed: str, threat: str, component: str, forge: Callable[[Site], None]
) -> Forgery:
    return Forgery(
        name=name,
        deed=deed,
        threat=ThreatId(threat),
        component=Component(component),
        forge=forge,
    )
