"""The signer: a process of its own, the only one that ever opens private keys.

The runner starts it before any step, or once per act of signing after a step's process tree
has ended, and talks to it over an inherited socket that no other process holds. The signer

1. makes itself unreadable to other processes of the user (no tracing, no core dumps, no
   look into its memory), then loads the keys of the roles it was started for, no others;
2. takes a request: a role, a statement, and for each subject the path of its bytes;
3. refuses statements that the role may not sign (`SIGNS`);
4. hashes the bytes itself, following no link in a path's last component, and refuses when
   they are not what the statement says;
5. signs, and answers with the envelope. It ends when the runner closes the socket.

What this protects from: a step (or what a step left behind) that reads the runner's memory,
descriptors or environment finds no key there; bytes exchanged between the runner's look and
the signature are refused. What it does not protect from: whoever controls the runner itself
can ask for signatures over whatever lies on disk, and a process of the same user that is
not isolated can read the key files. Therefore steps run isolated, the folder of the keys is
no part of what they see, and below a level that isolates files no release key is loaded:
that is the caller's explicit decision by ``roles``, and ``roles=()`` starts no process.
"""

from __future__ import annotations

import base64
import binascii
import ctypes
import os
import resource
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hauberk import errors
from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, HauberkError, TrustError, UnavailableError, UsageError
from hauberk.trust import dsse, keys
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.checkpoint import parse_head, signing_with
from hauberk.trust.digest import check, digest_bytes, digest_file, digest_tree, is_folder_name
from hauberk.trust.dsse import Envelope
from hauberk.trust.fields import Fields
from hauberk.trust.keys import KeyPair, PublicKey, Role
from hauberk.trust.predicates import DATA_VERSION, PROVENANCE, RELEASE, SUMMARY, TEST_RESULT
from hauberk.trust.statement import PAYLOAD_TYPE, parse

SIGNS: Mapping[Role, frozenset[str]] = {
    Role.LIFECYCLE: frozenset({PROVENANCE, TEST_RESULT, SUMMARY, DATA_VERSION}),
    Role.RELEASE: frozenset({RELEASE}),
}
"""Predicate types that each role may sign; a role that is not named here signs none."""

METADATA: Mapping[Role, str] = {
    Role.RELEASE: "targets",
    Role.SNAPSHOT: "snapshot",
    Role.TIMESTAMP: "timestamp",
}
"""Kind of a registry's metadata that each role may sign here; persons sign theirs themselves."""

HEAD_SIGNER = "hauberk"
"""Name on the signature line of a log's head."""

MAX_FRAME_BYTES = 48 << 20  # a statement of 16 MiB in base64, with the paths of its subjects
START_TIMEOUT_S = 30.0
_LENGTH = struct.Struct(">I")
_PR_SET_DUMPABLE = 4  # prctl(2)
_PR_SET_NO_NEW_PRIVS = 38


# The runner's side -------------------------------------------------------------------


@dataclass(slots=True)
class Signer:
    """A handle on a signer that runs as a process of its own; a context manager.

    Attributes:
        public: Role to the key that signs for it; empty for a run that may not sign.
    """

    public: Mapping[Role, PublicKey]
    _socket: socket.socket | None
    _process: subprocess.Popen[bytes] | None

    @classmethod
    def start(cls, folder: Path, roles: Sequence[Role], *, timeout_s: float = 600.0) -> Signer:
        """Start a signer with the keys of ``roles``.

        Args:
            folder: Where keys lie, see `hauberk.trust.keys`.
            roles: Whose keys it loads. With ``()`` no process starts and `sign` refuses.
            timeout_s: Longest wait for one signature; it covers hashing the bytes.

        Raises:
            UnavailableError: A key is missing, or the process does not start.
            TrustError: A key is open to others.
        """
        if not roles:
            return cls(public={}, _socket=None, _process=None)
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                _command(theirs.fileno(), folder, roles),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )
        signer = cls(public={}, _socket=ours, _process=process)
        try:
            ours.settimeout(START_TIMEOUT_S)
            greeting = signer._ask(None).object("public")
            ours.settimeout(timeout_s)
        except HauberkError:
            signer.close()
            raise
        signer.public = {role: keys.read_public(greeting.text(role.value)) for role in roles}
        return signer

    def sign(self, role: Role, statement: bytes, paths: Mapping[str, Path]) -> Envelope:
        """An envelope around ``statement``, signed by the key of ``role``.

        Args:
            role: Whose key signs.
            statement: Canonical bytes of an in-toto statement.
            paths: For every subject of the statement, where its bytes lie now.

        Raises:
            UsageError: The signer was started without that role.
            TrustError: The bytes are not what the statement says, or the role may not say it.
            ArtifactError: The statement is malformed.
            UnavailableError: Bytes are missing, or the signer has ended or takes too long.
        """
        if role not in self.public:
            raise UsageError(
                f"this run may not sign as {role}",
                subject=role.value,
                rule="keys are loaded only for the roles that a run was started with",
                expected=", ".join(self.public) or "no role: the run is unsigned",
                found=role.value,
                hint="run at an isolation level that keeps steps away from keys",
            )
        request = {
            "paths": {name: str(path.absolute()) for name, path in paths.items()},
            "role": role.value,
            "statement": base64.b64encode(statement).decode(),
        }
        envelope = Envelope.from_bytes(_bytes(self._ask(request), "envelope"), canonical=True)
        key = self.public[role]
        signed = dsse.verify(envelope, {key.key_id: key}, strict=True)
        check(digest_bytes(signed), digest_bytes(statement), subject="the signer's answer")
        return envelope

    def sign_head(self, role: Role, text: bytes) -> bytes:
        """The signature line of a log's head, see `hauberk.trust.checkpoint`.

        Raises:
            UsageError: The signer was started without that role.
            TrustError: The text is no head of a log.
            UnavailableError: The signer has ended or takes too long.
        """
        if role not in self.public:
            raise UsageError(f"this run may not sign as {role}", subject=role.value)
        request = {"head": base64.b64encode(text).decode(), "role": role.value}
        return _bytes(self._ask(request), "line")

    def sign_metadata(self, role: Role, payload: bytes) -> bytes:
        """A bare signature over the signed part of a registry's metadata.

        Raises:
            UsageError: The signer was started without that role.
            TrustError: The role may not sign metadata of this kind.
            ArtifactError: It is no metadata.
            UnavailableError: The signer has ended or takes too long.
        """
        if role not in self.public:
            raise UsageError(f"this run may not sign as {role}", subject=role.value)
        request = {"metadata": base64.b64encode(payload).decode(), "role": role.value}
        return _bytes(self._ask(request), "signature")

    def close(self) -> None:
        """End the process and wait for it."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._socket = self._process = None
        self.public = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, request: Mapping[str, Any] | None) -> Fields:
        """The answer to one request; after a broken exchange nothing more is asked."""
        connection = self._open()
        try:
            if request is not None:
                send_frame(connection, request)
            answer = receive_frame(connection)
        except OSError as error:
            self.close()
            raise _ended(str(error)) from error
        if answer is None:
            self.close()
            raise _ended("it closed the connection")
        if "error" in answer.values:
            raise _error_of(answer.object("error"))
        return answer

    def _open(self) -> socket.socket:
        if self._socket is None:
            raise _ended("it was closed")
        return self._socket


def _command(descriptor: int, folder: Path, roles: Sequence[Role]) -> list[str]:
    """``-I``: neither the environment nor the current folder decides what is imported."""
    return [
        sys.executable,
        "-I",
        "-m",
        "hauberk.trust.signer",
        str(descriptor),
        str(folder.absolute()),
        *(role.value for role in roles),
    ]


def _ended(found: str) -> UnavailableError:
    return UnavailableError(
        "the signer does not answer",
        subject="signer",
        expected="an answer",
        found=found,
        hint="start the run again; finished steps are not repeated",
    )


# The signer's side -------------------------------------------------------------------


def harden() -> None:
    """Close this process to others of the same user, before any key is in it.

    Raises:
        TrustError: The kernel does not do it; without it no key may be loaded.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    for option, value in ((_PR_SET_DUMPABLE, 0), (_PR_SET_NO_NEW_PRIVS, 1)):
        arguments = [ctypes.c_ulong(number) for number in (value, 0, 0, 0)]
        if prctl is None or prctl(option, *arguments) != 0:
            raise TrustError(
                "the signer cannot close itself to other processes",
                subject="signer",
                rule="no process of the user can read the memory that holds a key",
                expected="prctl to succeed",
                found=os.strerror(ctypes.get_errno()),
                hint="run on Linux",
            )


def load_keys(folder: Path, roles: Sequence[Role]) -> dict[Role, KeyPair]:
    """The keys that a signer serves."""
    return {role: keys.load(folder, role) for role in roles}


def serve(connection: socket.socket, pairs: Mapping[Role, KeyPair]) -> None:
    """Answer requests until the other side closes; errors are answers too."""
    public = {role.value: pair.public.pem for role, pair in pairs.items()}
    send_frame(connection, {"public": public})
    while (request := receive_frame(connection)) is not None:
        try:
            answer = _answer_to(request, pairs)
        except HauberkError as error:
            send_frame(connection, {"error": _error_document(error)})
        else:
            send_frame(connection, answer)


def _answer_to(request: Fields, pairs: Mapping[Role, KeyPair]) -> dict[str, str]:
    if "head" in request.values:
        return {"line": base64.b64encode(_serve_head(request, pairs)).decode()}
    if "metadata" in request.values:
        return {"signature": base64.b64encode(_serve_metadata(request, pairs)).decode()}
    return {"envelope": base64.b64encode(_serve_one(request, pairs)).decode()}


def _serve_head(request: Fields, pairs: Mapping[Role, KeyPair]) -> bytes:
    """Sign what parses as a head of a log and nothing else."""
    request.only("head", "role")
    role, text = request.choice("role", Role), _bytes(request, "head")
    parse_head(text)
    if role is not Role.LIFECYCLE or role not in pairs:
        raise TrustError(
            f"role {role} may not sign heads of logs",
            subject=role.value,
            rule="every role signs its own statements only",
            expected=Role.LIFECYCLE.value,
            found=role.value,
        )
    return signing_with(HEAD_SIGNER, [pairs[role]])(text)


def _serve_metadata(request: Fields, pairs: Mapping[Role, KeyPair]) -> bytes:
    """Sign a registry's metadata of the one kind that the role may sign, without delegations."""
    request.only("metadata", "role")
    role, payload = request.choice("role", Role), _bytes(request, "metadata")
    said = Fields.of(parse_json(payload), "metadata")
    kind = said.text("_type")
    if role not in pairs or METADATA.get(role) != kind or "delegations" in said.values:
        raise TrustError(
            f"role {role} may not sign this metadata",
            subject=ascii(kind)[:200],
            rule="every role signs its own kind of metadata, and hands no trust on",
            expected=METADATA.get(role, "nothing"),
            found=ascii(kind)[:200] + (" with delegations" * ("delegations" in said.values)),
            hint="persons sign delegations themselves, with hauberk registry",
        )
    return pairs[role].sign(payload)


def _serve_one(request: Fields, pairs: Mapping[Role, KeyPair]) -> bytes:
    request.only("paths", "role", "statement")
    role = request.choice("role", Role)
    paths = {name: Path(str(path)) for name, path in request.object("paths").values.items()}
    return sign_checked(_bytes(request, "statement"), paths, role, pairs).to_bytes()


def sign_checked(
    payload: bytes, paths: Mapping[str, Path], role: Role, pairs: Mapping[Role, KeyPair]
) -> Envelope:
    """Sign a statement whose subjects are, byte for byte, what lies at ``paths``.

    Raises:
        TrustError: They are not, paths and subjects do not match, or the role may not sign it.
        ArtifactError: The statement is malformed, or a path leads to no file or folder.
        UnavailableError: Bytes are missing.
    """
    said = parse(payload)
    if role not in pairs or said.predicate_type not in SIGNS.get(role, ()):
        raise TrustError(
            f"role {role} may not sign this",
            subject=said.predicate_type[:200],
            rule="every role signs its own predicates only",
            expected=", ".join(sorted(SIGNS.get(role, ())))
            if role in pairs
            else "a role with a key",
            found=said.predicate_type[:200],
            hint="ask for the role that answers for this statement",
        )
    if paths.keys() != said.subjects.keys():
        odd = sorted(paths.keys() ^ said.subjects.keys())
        raise TrustError(
            "subjects and paths do not match",
            subject=ascii(odd[0])[:200],
            rule="the signer sees the bytes of everything that it signs for",
            expected="one path for each subject",
            found=f"{len(odd)} without counterpart",
            hint="name the path of every product",
        )
    for name, expected in said.subjects.items():
        check(_digest(name, paths[name]), expected, subject=name)
    return dsse.sign(payload, PAYLOAD_TYPE, [pairs[role]])


def _digest(name: str, path: Path) -> Digest:
    if not is_folder_name(name):
        return digest_file(path)
    if path.is_symlink():
        raise ArtifactError(
            f"{name} is a symbolic link",
            subject=name,
            expected="a folder",
            found="a symbolic link",
            hint="replace it by a copy of the folder",
        )
    return digest_tree(path)


def main(arguments: Sequence[str]) -> int:
    """Serve on an inherited socket: its descriptor, the folder of the keys, the roles."""
    descriptor, folder, *roles = arguments
    with socket.socket(fileno=int(descriptor)) as connection:
        try:
            harden()
            pairs = load_keys(Path(folder), [Role(role) for role in roles])
        except HauberkError as error:
            send_frame(connection, {"error": _error_document(error)})
            return error.exit_code
        serve(connection, pairs)
    return 0


# Frames ------------------------------------------------------------------------------


def send_frame(connection: socket.socket, document: Mapping[str, Any]) -> None:
    """Send one document behind its length.

    Raises:
        ArtifactError: It is too large.
        OSError: The other side is gone.
    """
    data = canonical_json(document)
    if len(data) > MAX_FRAME_BYTES:
        raise ArtifactError(
            "too much for one signature",
            subject="request",
            expected=f"at most {MAX_FRAME_BYTES} bytes",
            found=f"{len(data)} bytes",
            hint="name folders instead of their files",
        )
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive_frame(connection: socket.socket) -> Fields | None:
    """One document, or ``None`` where the other side has closed in between.

    Raises:
        ArtifactError: The frame is too large, cut short or malformed.
        OSError: The connection broke or took too long.
    """
    head = _receive(connection, _LENGTH.size)
    if not head:
        return None
    size = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else MAX_FRAME_BYTES + 1
    body = _receive(connection, size) if size <= MAX_FRAME_BYTES else b""
    if len(body) != size:
        raise ArtifactError(
            "a frame is cut short or too large",
            subject="frame",
            expected=f"a length of at most {MAX_FRAME_BYTES} bytes, then that many",
            found=f"{len(body)} bytes",
        )
    return Fields.of(parse_json(body, max_bytes=MAX_FRAME_BYTES), "frame")


def _receive(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        chunk = connection.recv(min(size - len(parts), 1 << 20))
        if not chunk:
            break
        parts += chunk
    return bytes(parts)


def _bytes(fields: Fields, key: str) -> bytes:
    try:
        return base64.b64decode(fields.text(key), validate=True)
    except binascii.Error as error:
        raise ArtifactError("bytes are not base64", subject=key, expected="base64") from error


_PARTS = ("subject", "rule", "expected", "found", "hint")


def _error_document(error: HauberkError) -> dict[str, Any]:
    parts = {name: getattr(error, name) for name in _PARTS if getattr(error, name) is not None}
    return {"class": type(error).__name__, "message": error.message} | parts


def _error_of(fields: Fields) -> HauberkError:
    """The error that the signer met, as one of ours whatever the frame claims."""
    kinds: dict[str, type[HauberkError]] = {
        kind.__name__: kind
        for kind in (errors.ArtifactError, errors.TrustError, errors.UnavailableError)
    }
    kind = kinds.get(fields.text("class"), errors.InternalError)
    parts = {name: fields.text(name) for name in _PARTS if name in fields.values}
    return kind(fields.text("message"), **parts)


if __name__ == "__main__":  # pragma: no cover - runs as a process of its own
    sys.exit(main(sys.argv[1:]))
