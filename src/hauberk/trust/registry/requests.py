"""Requests to promote, from a tool whose writers are not believed: what becomes of each.

A request says which files somebody points at under which name. It moves nothing: it is matched,
by digest, with a version that this registry publishes, and persons sign that version, or do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from hauberk.core.artifact import Digest
from hauberk.errors import HauberkError
from hauberk.trust.canonical import parse_json
from hauberk.trust.digest import parse_digest
from hauberk.trust.fields import Fields, misfit
from hauberk.trust.registry import names
from hauberk.trust.registry.documents import Evidence, Manifest, Pointing, read_pointing
from hauberk.trust.registry.names import PRODUCTION, is_name
from hauberk.trust.registry.upkeep import models, versions

if TYPE_CHECKING:
    from hauberk.trust.registry.registrar import Registrar

MAX_BYTES: Final = 32 << 20
MAX_REQUESTS: Final = 10_000


class State(StrEnum):
    """What became of a request."""

    DONE = "in production"
    WAITING = "waiting for another person"
    OPEN = "nobody has signed"
    OLDER = "older than what production had"
    RETIRED = "retired"
    UNATTESTED = "nobody attests where it comes from"
    UNKNOWN = "no version here has these bytes"

    @property
    def is_refused(self) -> bool:
        """Whether no signature of a person would help."""
        return self not in (State.DONE, State.WAITING, State.OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """That a model's files shall be in production.

    Attributes:
        name: What the other tool calls the model.
        version: What it calls the version.
        asked_by: How it was asked there, in its words.
    """

    name: str
    version: str
    asked_by: str
    digests: frozenset[Digest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A request with what became of it.

    Attributes:
        reference: The version that has these bytes, ``MODEL@VERSION``; empty where none has.
    """

    request: Request
    state: State
    reference: str = ""


def read_requests(data: bytes) -> tuple[Request, ...]:
    """The requests in foreign bytes.

    Raises:
        ArtifactError: They are none.
    """
    fields = Fields.of(parse_json(data, max_bytes=MAX_BYTES, max_depth=8), "requests")
    if fields.count("schema") != 1:
        raise misfit("requests.schema", "1", fields.count("schema"))
    found = tuple(_request(Fields.of(item, where)) for where, item in fields.items("requests"))
    if len(found) > MAX_REQUESTS:
        raise misfit("requests", f"at most {MAX_REQUESTS}", len(found))
    return found


def _request(fields: Fields) -> Request:
    files = fields.object("files").values
    return Request(
        name=_plain(fields, "model"),
        version=_plain(fields, "version"),
        asked_by=_plain(fields, "asked_by"),
        digests=frozenset(parse_digest(one) for one in files.values()),
    )


def _plain(fields: Fields, key: str) -> str:
    text = fields.text(key)
    if len(text) > 200 or not text.isprintable():  # noqa: PLR2004 - a name, not a page
        raise misfit(f"{fields.where}.{key}", "at most 200 printable characters", text)
    return text


def answers(registrar: Registrar, requests: Sequence[Request]) -> tuple[Answer, ...]:
    """What became of each request in the registry's present state.

    Raises:
        As reading the registry does.
    """
    known = set(models(registrar.view))
    return tuple(_answer(registrar, one, known) for one in requests)


def _answer(registrar: Registrar, request: Request, known: set[str]) -> Answer:
    model = request.name.lower()
    manifest = _matching(registrar, model, request) if is_name(model) and model in known else None
    if manifest is None:
        return Answer(request=request, state=State.UNKNOWN)
    reference = f"{model}@{manifest.version}"
    return Answer(request=request, state=_state(registrar, manifest), reference=reference)


def _matching(registrar: Registrar, model: str, request: Request) -> Manifest | None:
    """The newest version whose model is among the files that are pointed at."""
    found = [registrar.view.manifest(model, one)[0] for one in versions(registrar.view, model)]
    same = [one for one in found if one.files[one.entry].digest in request.digests]
    return max(same, key=lambda one: one.sequence, default=None)


def _state(registrar: Registrar, manifest: Manifest) -> State:
    view = registrar.view
    if view.retired(manifest.model).of(manifest) is not None:
        return State.RETIRED
    now = view.pointing(manifest.model, PRODUCTION)
    if now is not None and now.version == manifest.version:
        return State.DONE
    if now is not None and manifest.sequence <= now.highest:
        return State.OLDER
    if manifest.evidence is not Evidence.ATTESTED:
        return State.UNATTESTED
    drafted = _drafted(registrar, manifest.model)
    waits = drafted is not None and drafted.version == manifest.version
    return State.WAITING if waits else State.OPEN


def _drafted(registrar: Registrar, model: str) -> Pointing | None:
    """What a draft would let production point at; nothing where it cannot be read."""
    path = names.channel_path(model, PRODUCTION)
    role, _ = registrar.view.leaf(path)
    try:
        draft: Any = registrar.draft(role)
        target = draft.signed.targets.get(path) if draft is not None else None
        return None if target is None else read_pointing(registrar.drafted_document(target))
    except HauberkError:
        return None  # a broken draft stands in nobody's way: promoting begins a new one
