"""A V2 server behind the guard, in place of a model in this process.

The server is asked in canonical form: names, types, shapes and flat data of what was admitted,
and nothing else of what the client sent - no headers, no parameters, no fields. Its answer is
believed as far as its form goes:

1. It comes within the deadline and the bound, as HTTP and as JSON that means one thing.
2. Its outputs are among those of its metadata, with the declared type, and none twice.
3. As many rows come back as were sent, where the output has rows.

Anything else is the server's fault and no client's: 502, or 504 where it was too slow. What
it says of its own errors is not passed on.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from hauberk.errors import ArtifactError, UnavailableError
from hauberk.formats import v2
from hauberk.formats.strict_json import JsonLimits, decode
from hauberk.formats.v2 import Parameter, Request, RequestedOutput, Tensor
from hauberk.formats.v2_schema import InputSchema, TensorSchema
from hauberk.guard.answering import FailedAnswerError, Meter
from hauberk.guard.bundle import MANIFEST, Bundle
from hauberk.guard.chat_upstream import Spoken, Upstream, UpstreamError, ask
from hauberk.guard.policy import GuardPolicy
from hauberk.trust.digest import digest_bytes

CONNECT_S = 2.0
PROBE_S = 2.0
MAX_ANSWER = 64 << 20
_MAX_METADATA = 4 << 20
_READY_S = 1.0
"""How long an answer about readiness is good for."""

_CLIENT_ERRORS = range(400, 500)
_TURNED_AWAY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a server says of a model.

    Attributes:
        parameters: Of inputs that want any (``content_type``), by name.
        digest: Of the metadata as it came.
    """

    name: str
    version: str
    platform: str
    signature: InputSchema
    parameters: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)
    digest: str = ""


class Remote:
    """A model of a V2 server; used from one event loop."""

    def __init__(
        self, upstream: Upstream, described: Described, *, path: str, deadline_s: float = 10.0
    ) -> None:
        self.upstream = upstream
        self.described = described
        self._path = path
        self._deadline_s = deadline_s
        self._outputs = {tensor.name: tensor for tensor in described.signature.outputs}
        self._ready = (0.0, True)

    @property
    def signature(self) -> InputSchema:
        """As the server's metadata says."""
        return self.described.signature

    @property
    def platform(self) -> str:
        """As the server's metadata says."""
        return self.described.platform

    def within(self, policy: GuardPolicy) -> Remote:
        """The same server under another deadline."""
        if policy.deadline_s == self._deadline_s:
            return self
        return Remote(self.upstream, self.described, path=self._path, deadline_s=policy.deadline_s)

    def close(self) -> None:
        """Nothing is held between requests."""

    async def ready(self) -> bool:
        """Whether the server says that it is ready."""
        at, was = self._ready
        if time.monotonic() - at < _READY_S:
            return was
        try:
            said = await ask(
                self.upstream,
                "/v2/health/ready",
                None,
                max_bytes=_MAX_METADATA,
                connect_s=PROBE_S,
                deadline_s=PROBE_S,
            )
            is_ready = said.status == HTTPStatus.OK
        except UpstreamError:
            is_ready = False
        self._ready = (time.monotonic(), is_ready)
        return is_ready

    def at_once(self, request: Request, n_rows: int, meter: Meter) -> None:
        """A server is always waited for."""
        del request, n_rows, meter

    async def outputs(self, request: Request, n_rows: int, meter: Meter) -> tuple[Tensor, ...]:
        """Ask the server."""
        started = time.monotonic()
        body = canonical(request, self.described.parameters)
        try:
            said = await ask(
                self.upstream,
                f"{self._path}/infer",
                body,
                max_bytes=MAX_ANSWER,
                connect_s=min(CONNECT_S, self._deadline_s),
                deadline_s=self._deadline_s,
            )
        except UpstreamError as error:
            raise failed(error.status, error.rule) from error
        finally:
            meter.seconds = time.monotonic() - started
        return believed(said, request, n_rows, self._outputs)


def canonical(
    request: Request, parameters: Mapping[str, Mapping[str, Parameter]] | None = None
) -> bytes:
    """The request as JSON with what was admitted, and nothing else of what the client sent."""
    inputs = tuple(
        Tensor(
            name=tensor.name,
            datatype=tensor.datatype,
            shape=tensor.shape,
            values=tensor.values,
            parameters=(parameters or {}).get(tensor.name, {}),
        )
        for tensor in request.inputs
    )
    outputs = tuple(RequestedOutput(name=output.name) for output in request.outputs)
    return v2.write_request(Request(inputs=inputs, outputs=outputs))


def believed(
    said: Spoken, request: Request, n_rows: int, declared: Mapping[str, TensorSchema]
) -> tuple[Tensor, ...]:
    """The outputs of what a server said, by rules 1 to 3.

    Raises:
        ArtifactError: The server refuses the input.
        FailedAnswerError: It is no answer.
    """
    if said.status in _CLIENT_ERRORS:
        raise ArtifactError(
            "the model server refuses this input",
            rule="inputs that the model server takes",
            expected="an input that fits its metadata",
            found="one that it refuses",
        )
    if said.status != HTTPStatus.OK:
        raise failed(HTTPStatus.BAD_GATEWAY, "upstream: status")
    try:
        outputs = answered(said.body)
    except ArtifactError as error:
        raise failed(HTTPStatus.BAD_GATEWAY, "upstream: not an answer of V2") from error
    asked = sorted(output.name for output in request.outputs)
    if asked and asked != sorted(tensor.name for tensor in outputs):
        raise failed(HTTPStatus.BAD_GATEWAY, "upstream: other outputs than asked for")
    for tensor in outputs if declared else ():
        _check_declared(tensor, declared.get(tensor.name), n_rows)
    return outputs


def _check_declared(tensor: Tensor, declared: TensorSchema | None, n_rows: int) -> None:
    if declared is None or declared.datatype is not tensor.datatype:
        raise failed(HTTPStatus.BAD_GATEWAY, "upstream: other outputs than declared")
    has_rows = bool(declared.shape) and declared.shape[0] is None
    if has_rows and tensor.shape[0] != n_rows:
        raise failed(HTTPStatus.BAD_GATEWAY, "upstream: other number of rows than sent")


def answered(body: bytes) -> tuple[Tensor, ...]:
    """The outputs of a server's answer; fields beyond the protocol are passed over.

    Raises:
        ArtifactError: It is no answer.
    """
    value = decode(body, JsonLimits(max_bytes=MAX_ANSWER))
    if type(value) is not dict or type(value.get("outputs")) is not list:
        raise ArtifactError("not an answer", rule="outputs", expected="a list", found="none")
    outputs = [
        {name: item[name] for name in ("name", "shape", "datatype", "data") if name in item}
        for item in value["outputs"]
        if type(item) is dict
    ]
    if len(outputs) != len(value["outputs"]):
        raise ArtifactError("not an answer", rule="outputs", expected="objects", found="others")
    plain = {"model_name": "m", "outputs": outputs}
    return v2.response_of(plain, v2.DEFAULT_LIMITS, v2.values_in_json).outputs


def failed(status: int, rule: str) -> FailedAnswerError:
    """That there is no answer; the client is told no more than whether it was late."""
    late = status == HTTPStatus.GATEWAY_TIMEOUT
    text = "the model server did not answer in time" if late else "the model server gave no answer"
    return FailedAnswerError(text, status=status, rule=rule)


# What the server says of itself --------------------------------------------------------


async def describe(upstream: Upstream, model: str, version: str = "") -> Described:
    """Ask the server for the metadata of a model.

    Raises:
        UnavailableError: It does not answer, or has no such model.
        ArtifactError: What it says is no metadata.
    """
    path = path_of(model, version)
    try:
        said = await ask(
            upstream,
            path,
            None,
            max_bytes=_MAX_METADATA,
            connect_s=CONNECT_S,
            deadline_s=5 * CONNECT_S,
        )
    except UpstreamError as error:
        raise _unreachable(model, error.rule) from error
    if said.status != HTTPStatus.OK:
        raise _unreachable(model, f"status {said.status}")
    return described(said.body, model, version)


def path_of(model: str, version: str = "") -> str:
    """Where a server of the protocol has a model."""
    return f"/v2/models/{model}" + (f"/versions/{version}" if version else "")


def _unreachable(model: str, found: str) -> UnavailableError:
    return UnavailableError(
        "the model server does not describe its model",
        subject=f"model {model}",
        rule="metadata of the Open Inference Protocol",
        expected="status 200",
        found=found,
        hint="check --upstream and --model, and that the server runs",
    )


def described(body: bytes, model: str, version: str = "") -> Described:
    """The metadata of a model, read.

    Raises:
        ArtifactError: It is none, or says less than a schema needs.
    """
    value = decode(body, JsonLimits(max_bytes=_MAX_METADATA))
    try:
        inputs, outputs = value["inputs"], value.get("outputs", [])
        signature = InputSchema(
            inputs=tuple(map(_declared, inputs)), outputs=tuple(map(_declared, outputs))
        )
        parameters = {item["name"]: _parameters(item) for item in inputs}
        versions = value.get("versions") or []
        found = version or str(versions[-1] if versions else "1")
        platform = str(value.get("platform") or "v2")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _no_schema(type(error).__name__) from error
    if not signature.inputs:
        raise _no_schema("no inputs")
    return Described(
        name=model,
        version=found,
        platform=platform[:64],
        signature=signature,
        parameters={name: held for name, held in parameters.items() if held},
        digest=digest_bytes(body),
    )


def _declared(item: Mapping[str, Any]) -> TensorSchema:
    name, sizes = item["name"], item["shape"]
    if type(name) is not str or not name or not sizes:
        raise ValueError("name and shape")
    if any(type(size) is not int or size < -1 or size == 0 for size in sizes):
        raise ValueError("shape")
    if -1 in sizes[1:]:
        raise ValueError("a dimension that is open")
    shape = tuple(None if size == -1 else size for size in sizes)
    return TensorSchema(name=name, datatype=v2.Datatype(item["datatype"]), shape=shape)


def _parameters(item: Mapping[str, Any]) -> dict[str, Parameter]:
    """The only parameter that a server needs back: how it decodes the tensor."""
    found = (item.get("parameters") or {}).get("content_type")
    return {"content_type": found} if type(found) is str else {}


def _no_schema(found: str) -> ArtifactError:
    return ArtifactError(
        "the server's metadata is no schema that requests can be held against",
        subject="metadata of the model",
        rule="inputs with name, datatype and shape, open in the number of rows only",
        expected="such inputs",
        found=found,
        hint="declare the inputs to the server, or give the guard a schema with --schema FILE",
    )


def bundle_for(described: Described, schema: InputSchema | None, policy: GuardPolicy) -> Bundle:
    """What a service needs to know of a model that it does not hold itself."""
    return Bundle(
        name=described.name,
        version=described.version,
        model=b"",
        schema=schema or described.signature,
        profile=b"",
        policy=policy,
        digests={MANIFEST: digest_bytes(described.digest.encode())},
    )


STRANGERS_ASK = ("/v2", "/v2/health/ready", "/metrics", "/v1/models", "/")
"""What a stranger asks a model server first; one answer is a way around the guard."""

UNTOLD = "whether it answers strangers could not be told: it took a connection and said nothing"


async def has_way_around(
    upstream: Upstream, paths: tuple[str, ...] = STRANGERS_ASK, *, probe_s: float = PROBE_S
) -> str:
    """How somebody else could reach the server past the guard; empty where nobody could.

    A socket file is guarded by its permissions. Elsewhere the server is asked as a stranger
    would: without the guard's key and certificate, for several things, for some servers keep
    one of them and not the others. Silence is no refusal and is said as such.
    """
    if upstream.socket:
        mode = _mode(upstream.socket)
        return "its socket file is open to every user of this machine" if mode & 0o007 else ""
    stranger = replace(upstream, authorization="", tls=_stranger(upstream))
    untold = ""
    for path in paths:
        try:
            said = await ask(
                stranger, path, None, max_bytes=_MAX_METADATA, connect_s=probe_s, deadline_s=probe_s
            )
        except UpstreamError as error:
            late = error.status is HTTPStatus.GATEWAY_TIMEOUT
            untold = UNTOLD if late else untold
            continue
        is_there = path == paths[0] or said.status < HTTPStatus.BAD_REQUEST
        if is_there and said.status not in _TURNED_AWAY:
            return f"it answers whoever reaches its address ({path}: {said.status})"
    return untold


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - of the socket itself
    except OSError:
        return 0


def _stranger(upstream: Upstream) -> ssl.SSLContext | None:
    """TLS without the guard's certificate; who the server is does not matter here."""
    if upstream.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
