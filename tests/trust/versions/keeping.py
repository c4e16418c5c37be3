"""A store with data versions, signed in this process, for tests of crashes and sequences."""

from tests.trust.chains import root_of as trust_root

from hauberk.trust import dsse
from hauberk.trust.checkpoint import signing_with
from hauberk.trust.keys import Algorithm, generate
from hauberk.trust.signer import HEAD_SIGNER
from hauberk.trust.statement import PAYLOAD_TYPE
from hauberk.trust.store import Store
from hauberk.trust.versions import lineage
from hauberk.trust.versions.commit import Hand, commit, files_of, keep_files, repair
from hauberk.trust.versions.intake import take
from hauberk.trust.versions.recipes import read
from hauberk.trust.versions.versions import Version, root_of

KEY, RELEASE = generate(), generate(Algorithm.ED25519)
ROOT = trust_root(KEY, RELEASE)
HAND = Hand(
    statement=lambda payload, _: dsse.sign(payload, PAYLOAD_TYPE, [KEY]).to_bytes(),
    head=signing_with(HEAD_SIGNER, [KEY]),
)
NAME = "rows"


def add(store: Store, path, **words) -> Version:
    """What `hauberk data add` does, without processes."""
    with store.lock():
        found = repair(NAME, store, ROOT, HAND)
        before = None if found is None else found.version
        old = () if before is None else files_of(before, store.blobs)
        taken, keeper = take(path, store.blobs, old=old, indexed=False)
        files = keep_files(taken.files, keeper, None if before is None else before.files)
        version = Version(
            name=NAME,
            number=1 if before is None else before.number + 1,
            parent=None if before is None else before.digest,
            root=root_of(taken.files),
            files=files,
            n_files=len(taken.files),
            size=sum(file.size for file in taken.files),
            created=1,
            tool_version="9.9",
            **words,
        )
        commit(version, store, HAND)
    return version


def verified(store: Store):
    """The lineage, or the refusal."""
    return lineage.verify(
        NAME, log=store.log, pointers=store.pointers, blobs=store.blobs, root=ROOT
    )


def contents(store: Store, version: Version) -> dict[str, bytes]:
    """Every file of a version, verified."""
    files = files_of(version, store.blobs)
    return {file.path: b"".join(read(file.recipe, store.blobs)) for file in files}
