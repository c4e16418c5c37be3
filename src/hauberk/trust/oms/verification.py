"""Sign a model, and verify one: every file, no other file, nothing through a link.

Verification goes in this order:

1. the signature's envelope, before anything in it is looked at;
2. the statement and its own consistency;
3. the names of all files that lie there now against those that were signed;
4. the bytes of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hauberk.errors import TrustError
from hauberk.trust.dsse import SigningKey
from hauberk.trust.keys import KeyId, PublicKey
from hauberk.trust.oms import bundle
from hauberk.trust.oms.contents import GIT, Method, files_below, hashed
from hauberk.trust.oms.statement import Signed, parse

SIGNATURE_NAME: Final = "model.sig"
_NAMED: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedModel:
    """A model whose every byte was signed.

    Attributes:
        signers: Key ids, or the identity of a keyless signature.
    """

    signed: Signed
    signers: tuple[str, ...]
    n_files: int
    n_bytes: int


def signature_path(path: Path) -> Path:
    """Where the signature of a model lies by default: inside its folder, or beside its file."""
    return path / SIGNATURE_NAME if path.is_dir() else path.with_name(path.name + ".sig")


def statement_of(
    path: Path, signature: Path, *, shard_bytes: int | None = None, workers: int = 0
) -> Signed:
    """What is to be signed for the model at ``path``: every file but the signature and ``.git``.

    Raises:
        ArtifactError: It holds links, special files or unusable names.
        UsageError: There is nothing.
    """
    ignored = (GIT[0],) if path.is_dir() and (path / GIT[0]).exists() else ()
    method = Method(shard_bytes=shard_bytes, ignored=ignored)
    resources = hashed(files_below(path, ignored, signature), method, workers=workers)
    return Signed(model=path.resolve().name, method=method, resources=resources)


def sign_model(path: Path, signature: Path, signers: Sequence[SigningKey], **how: int) -> bytes:
    """The bundle for the model at ``path``.

    Args:
        how: ``workers`` of `statement_of`.
    """
    return bundle.seal(statement_of(path, signature, **how).to_bytes(), signers)


def verify_model(
    path: Path, signature: Path, keys: Mapping[KeyId, PublicKey], *, workers: int = 0
) -> VerifiedModel:
    """Verify the model at ``path`` against a signature by one of ``keys``.

    Raises:
        TrustError: The signature is by nobody of them, or files differ; the error names them.
        ArtifactError: The signature is malformed, or a link lies in the model.
        UnavailableError: Something cannot be read.
    """
    found = bundle.read(signature)
    if found.is_keyless:
        raise TrustError(
            "the signature is keyless",
            subject=str(signature),
            rule="a signature is believed for a key or an identity that the verifier names",
            expected="a signature by a key",
            found="one by a certificate",
            hint="name whom you expect: --identity and --issuer",
        )
    opened = bundle.open_bundle(found, keys)
    return check_model(path, signature, parse(opened.payload), opened.key_ids, workers=workers)


def check_model(
    path: Path,
    signature: Path,
    signed: Signed,
    signers: Sequence[str],
    *,
    workers: int = 0,
) -> VerifiedModel:
    """Steps 3 and 4 for a statement whose signature was good.

    Raises:
        TrustError: Files were added, removed or changed.
    """
    files = files_below(path, signed.method.ignored, signature)
    wanted = {one.name: one.digest for one in signed.resources}
    names = {_path_of(name, signed.method) for name in wanted}
    added = sorted(files.keys() - names)
    removed = sorted(names - files.keys())
    if added or removed:
        raise _differs(path, signed, added, removed, ())
    resources = hashed(files, signed.method, workers=workers)
    here = {one.name: one.digest for one in resources}
    changed = sorted(
        {_path_of(n, signed.method) for n in here.keys() | wanted if here.get(n) != wanted.get(n)}
    )
    if changed:
        raise _differs(path, signed, (), (), changed)
    return VerifiedModel(
        signed=signed,
        signers=tuple(signers),
        n_files=len(files),
        n_bytes=sum(place.stat().st_size for place in files.values()),
    )


def _path_of(name: str, method: Method) -> str:
    return name if method.shard_bytes is None else name.rsplit(":", 2)[0]


def _differs(
    path: Path, signed: Signed, added: Sequence[str], removed: Sequence[str], changed: Sequence[str]
) -> TrustError:
    parts = (("unsigned", added), ("removed", removed), ("changed", changed))
    found = "; ".join(f"{word} {_few(names)}" for word, names in parts if names)
    return TrustError(
        f"{path} is not what was signed: {found}",
        subject=str(path),
        rule="a model holds exactly the files that were signed, byte for byte",
        expected=f"the {len(signed.resources)} resources of {ascii(signed.model)[1:-1]}, "
        f"sha256:{signed.root}",
        found=found,
        hint="get the genuine files again and remove the others; sign anew only what you made",
    )


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(ascii(name)[1:-1] for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
