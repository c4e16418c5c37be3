"""The few requests to a server of S3 that ask how a bucket is set up.

Documents are read whole within bounds and handed on as bytes; nothing of them is believed
here. Requests are signed with AWS Signature Version 4, or not at all to see what a stranger
gets. Only GET and, for whoever sets a bucket up in a test, PUT.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Final
from urllib.parse import quote, urlsplit

from hauberk.errors import ArtifactError, UnavailableError, UsageError

MAX_BYTES: Final = 1 << 20
TIMEOUT_S: Final = 20.0
DOCUMENTS: Final = {
    "policy": "policy",
    "acl": "acl",
    "encryption": "encryption",
    "publicAccessBlock": "public_access_block",
    "versioning": "versioning",
}
"""Sub-resource to the name under which it is handed on."""

_EMPTY = hashlib.sha256().hexdigest()
_OK = range(200, 300)
_ABSENT = frozenset({404, 405, 501})


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who asks."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.access_key!r}, ...)"


def credentials(environment: Mapping[str, str] | None = None) -> Credentials | None:
    """Those that the environment names; ``None`` where it names none."""
    environment = os.environ if environment is None else environment
    access, secret = (
        environment.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    )
    if not access or not secret:
        return None
    return Credentials(
        access_key=access, secret_key=secret, token=environment.get("AWS_SESSION_TOKEN") or None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said."""

    status: int
    body: bytes

    @property
    def is_ok(self) -> bool:
        """Whether it did what was asked."""
        return self.status in _OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One bucket of one server.

    Attributes:
        endpoint: ``https://...``; plain http only on this machine.
        region: As the server expects it in signatures.
    """

    name: str
    endpoint: str
    region: str = "us-east-1"

    def documents(self, signer: Credentials | None) -> dict[str, bytes]:
        """Policy, access list, encryption, public access block and versioning, where set.

        Raises:
            UnavailableError: The server does not answer, or does not say.
        """
        found = {}
        for query, name in DOCUMENTS.items():
            answer = self.ask("GET", f"/{self.name}", query=query, signer=signer)
            if answer.is_ok:
                found[name] = answer.body
            elif answer.status not in _ABSENT:
                raise UnavailableError(
                    "the server does not say how the bucket is set up",
                    subject=f"bucket {self.name}, {query}",
                    found=f"status {answer.status}",
                    hint="name credentials that may read the bucket's settings in "
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                )
        return found

    def strangers(self, prefix: str = "") -> dict[str, bool]:
        """What somebody without credentials may do: list names, read the first object."""
        query = f"list-type=2&max-keys=1&prefix={quote(prefix, safe='')}"
        listing = self.ask("GET", f"/{self.name}", query=query)
        found = {"list": listing.is_ok}
        key = re.search(rb"<Key>([^<]{1,1024})</Key>", listing.body) if listing.is_ok else None
        if key is not None:
            path = f"/{self.name}/{unescape(key[1].decode('utf-8', 'replace'))}"
            one = self.ask("GET", path, headers={"Range": "bytes=0-0"})
            found["read"] = one.is_ok
        return found

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        signer: Credentials | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, signed where ``signer`` is given.

        Raises:
            ArtifactError: The answer is larger than settings are.
            UnavailableError: The server cannot be reached.
        """
        parts = urlsplit(self.endpoint)
        connection = self._connection()
        all_headers = {"Host": parts.netloc, **(headers or {})}
        all_headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest() if body else _EMPTY
        if signer is not None:
            all_headers |= _signature(signer, self.region, (method, path, query), all_headers)
        target = quote(path) + (f"?{query}" if query else "")
        try:
            connection.request(method, target, body=body or None, headers=all_headers)
            response = connection.getresponse()
            data = response.read(MAX_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(
                "the server of S3 does not answer",
                subject=self.endpoint,
                found=str(error)[:200] or type(error).__name__,
                hint="look at the endpoint, at the network and at the server",
            ) from error
        finally:
            connection.close()
        if len(data) > MAX_BYTES:
            raise ArtifactError(
                "the answer is larger than settings are",
                subject=f"{self.endpoint}{path}",
                expected=f"at most {MAX_BYTES} bytes",
            )
        return Answer(status=response.status, body=data)

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.endpoint)
        if parts.scheme == "https" and parts.hostname:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=TIMEOUT_S, context=context
            )
        if parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}:
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
        raise UsageError(
            "not an address of a server of S3",
            subject=self.endpoint[:120],
            expected="https://..., or http on this machine",
        )


def _signature(
    signer: Credentials,
    region: str,
    target: tuple[str, str, str],
    headers: Mapping[str, str],
) -> dict[str, str]:
    """The headers of AWS Signature Version 4 for method, path and query."""
    method, path, query = target
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-date": now}
    if signer.token:
        added["x-amz-security-token"] = signer.token
    signed = {name.lower(): value.strip() for name, value in {**headers, **added}.items()}
    names = ";".join(sorted(signed))
    pairs = sorted(item if "=" in item else f"{item}=" for item in query.split("&") if item)
    canonical = "\n".join(
        (
            method,
            quote(path),
            "&".join(pairs),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            signed["x-amz-content-sha256"],
        )
    )
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}"
    key = f"AWS4{signer.secret_key}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    added["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={key.hex()}"
    )
    return added
