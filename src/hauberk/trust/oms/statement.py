"""The statement inside a model signature, predicate ``model_signing/signature/v1.0``.

Rules, those of the reference implementation and ours where it is silent:

1. the only subject is the model's name with the SHA-256 over the digests of all resources
   in the order listed;
2. every resource is a file, or a shard of one, by a path that means the same everywhere;
   none stands there twice;
3. what a signature may leave out is the signature itself and git's own files at the top;
   links are never followed, whatever the statement allows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.fields import Fields, misfit
from hauberk.trust.manifest import MAX_ENTRIES, check_path
from hauberk.trust.oms.contents import GIT, WHOLE_FILE, Method, Resource
from hauberk.trust.statement import STATEMENT_TYPE

PREDICATE: Final = "https://model_signing/signature/v1.0"
MAX_STATEMENT_BYTES: Final = 256 << 20
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a signature says.

    Attributes:
        model: Name of the model; the name of its folder when it was signed.
        resources: In the order of the statement.
    """

    model: str
    method: Method
    resources: tuple[Resource, ...]

    @property
    def root(self) -> str:
        """Hexadecimal digits that stand for the whole model."""
        return root_of(self.resources)

    def to_bytes(self) -> bytes:
        """The statement, canonical."""
        method = self.method
        serialization: dict[str, Any] = {
            "allow_symlinks": False,
            "hash_type": method.algorithm,
            "ignore_paths": list(method.ignored),
            "method": "files" if method.shard_bytes is None else "shards",
        }
        if method.shard_bytes is not None:
            serialization["shard_size"] = method.shard_bytes
        resources = [
            {"algorithm": method.algorithm, "digest": one.digest, "name": one.name}
            for one in self.resources
        ]
        return canonical_json(
            {
                "_type": STATEMENT_TYPE,
                "predicate": {"resources": resources, "serialization": serialization},
                "predicateType": PREDICATE,
                "subject": [{"digest": {"sha256": self.root}, "name": self.model}],
            }
        )


def root_of(resources: Sequence[Resource]) -> str:
    """SHA-256 over the digests in order."""
    state = hashlib.sha256()
    for one in resources:
        state.update(bytes.fromhex(one.digest))
    return state.hexdigest()


def parse(payload: bytes) -> Signed:
    """The statement in signed bytes.

    Raises:
        ArtifactError: It is malformed, or says something that is not known here.
        TrustError: Its resources do not make the digest of its subject.
    """
    document = parse_json(payload, max_bytes=MAX_STATEMENT_BYTES, max_depth=12)
    fields = Fields.of(document, "statement")
    for key, expected in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE)):
        if fields.text(key) != expected:
            raise misfit(f"statement.{key}", expected, fields.text(key))
    subjects = list(fields.items("subject"))
    if len(subjects) != 1:
        raise misfit("statement.subject", "one subject", len(subjects))
    subject = Fields.of(subjects[0][1], "statement.subject[0]")
    predicate = fields.object("predicate")
    method = _method(predicate.object("serialization"))
    resources = _resources(predicate, method)
    signed = Signed(model=subject.text("name"), method=method, resources=resources)
    claimed = subject.object("digest").text("sha256")
    if signed.root != claimed:
        raise TrustError(
            "the signature contradicts itself",
            subject=ascii(signed.model)[:200],
            rule="the subject's digest is that over the digests of all resources",
            expected=claimed[:64],
            found=signed.root,
            hint="get the signature again from whoever made it",
        )
    return signed


def _method(fields: Fields) -> Method:
    kind = fields.text("method")
    if kind not in ("files", "shards"):
        raise misfit(f"{fields.where}.method", "files or shards", kind)
    ignored = fields.texts("ignore_paths") if "ignore_paths" in fields.values else ()
    return Method(
        shard_bytes=fields.count("shard_size") if kind == "shards" else None,
        algorithm=fields.text("hash_type"),
        ignored=_allowed(ignored),
    )


def _allowed(ignored: Sequence[str]) -> tuple[str, ...]:
    """Rule 3: the paths that a verifier may leave out; a signature file is found by name."""
    names = tuple(PurePosixPath(path).name for path in ignored)
    foreign = [n for n, p in zip(names, ignored, strict=True) if n not in GIT and _is_below(p)]
    if foreign:
        raise ArtifactError(
            "the signature leaves out files that matter",
            subject=ascii(foreign[0])[:200],
            rule="a signature covers every file but itself and git's own",
            expected=", ".join(GIT),
            found=ascii(foreign)[:200],
            hint="sign the model anew without ignored paths",
        )
    return tuple(name for name in names if name in GIT)


def _is_below(path: str) -> bool:
    """Whether an ignored path covers anything but one signature file."""
    return not path.endswith((".sig", ".sigstore", ".sigstore.json"))


def _resources(predicate: Fields, method: Method) -> tuple[Resource, ...]:
    found: list[Resource] = []
    for where, item in predicate.items("resources"):
        one = Fields.of(item, where)
        digest = one.text("digest")
        if one.text("algorithm") != method.algorithm:
            raise misfit(f"{where}.algorithm", method.algorithm, one.text("algorithm"))
        if not digest or len(digest) % 2 or not _HEX.issuperset(digest):
            raise misfit(f"{where}.digest", "hexadecimal digits", digest)
        found.append(Resource(name=_checked(one.text("name"), method), digest=digest))
    if not 1 <= len(found) <= MAX_ENTRIES:
        raise misfit(f"{predicate.where}.resources", f"1 to {MAX_ENTRIES} resources", len(found))
    if len({one.name for one in found}) != len(found):
        raise misfit(f"{predicate.where}.resources", "every name once", "a name twice")
    return tuple(found)


def _checked(name: str, method: Method) -> str:
    path = name
    if method.shard_bytes is not None:
        path, start, end = [*name.rsplit(":", 2), "", ""][:3]
        if not (start.isdecimal() and end.isdecimal()):
            raise misfit("statement.predicate.resources", "shards as path:start:end", name)
    if path != WHOLE_FILE:
        check_path(path)
    return name
