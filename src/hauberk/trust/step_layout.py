"""Layouts of pipelines: which steps there are, who vouches for each, and what connects them.

The owner of a pipeline signs its layout once; every run is held against it. The rules are those
of in-toto's layouts in a smaller language (in-toto specification 1.0, section 4.3): named steps,
the command of each, the keys of its functionaries with a threshold, and for each material where
it comes from. What is not declared is not allowed. The document has a payload type of its own,
so that a signature over a layout never counts as one over a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.core.policy import Isolation
from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.canonical import canonical_json, parse_canonical
from hauberk.trust.digest import parse_digest
from hauberk.trust.dsse import Envelope, SigningKey, sign, verify_keys
from hauberk.trust.fields import Fields, misfit, time_text
from hauberk.trust.keys import KeyId, PublicKey, read_public
from hauberk.trust.manifest import check_path

LAYOUT_TYPE = "application/vnd.hauberk.layout+json"
FORMAT = "hauberk-layout-1"
ANY = "any"
"""Source of a material that comes from outside with bytes that nobody has pinned."""
MAX_STEPS = 1000
_STEP_KEYS = (
    "by",
    "command",
    "image",
    "level",
    "materials",
    "name",
    "network",
    "products",
    "threshold",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutStep:
    """What one step of a pipeline may be.

    Attributes:
        by: Names of the functionaries' keys, any ``threshold`` of which sign.
        materials: Path or pattern to where it comes from: an earlier step's name, a digest
            of its bytes, or ``any``. What has no wildcard has to be there.
        products: Paths or patterns of what it hands on.
        level: The weakest isolation that counts.
        network: Hosts that it may be given.
        image: Digest of the container image that it runs in; empty where none is asked for.
    """

    name: str
    command: tuple[str, ...]
    by: tuple[str, ...]
    materials: Mapping[str, str]
    products: tuple[str, ...]
    threshold: int = 1
    level: Isolation = Isolation.LANDLOCK
    network: tuple[str, ...] = ()
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLayout:
    """A pipeline as its owner declares it.

    Attributes:
        keys: Name of a functionary to the key.
        expires: Seconds since the epoch from which on it counts no more.
        same_run: Whether all steps carry the id of one run.
    """

    name: str
    steps: tuple[LayoutStep, ...]
    keys: Mapping[str, PublicKey]
    expires: float
    same_run: bool = False
    by_name: Mapping[str, LayoutStep] = field(default_factory=dict, compare=False)


def source_of(materials: Mapping[str, str], path: str) -> str | None:
    """Where a material is declared to come from: by its name, else by the first pattern.

    >>> source_of({"data/*": "any", "data/a.csv": "clean"}, "data/a.csv")
    'clean'
    """
    if path in materials:
        return materials[path]
    return next((said for pattern, said in materials.items() if fnmatchcase(path, pattern)), None)


def is_pattern(path: str) -> bool:
    """Whether a declared path stands for many."""
    return any(letter in path for letter in "*?[")


# Documents ---------------------------------------------------------------------------


def document(layout: StepLayout) -> bytes:
    """The canonical spelling, ready to be signed."""
    return canonical_json(
        {
            "expires": time_text(layout.expires),
            "format": FORMAT,
            "keys": {name: key.pem for name, key in layout.keys.items()},
            "name": layout.name,
            "same_run": layout.same_run,
            "steps": [_step_document(step) for step in layout.steps],
        }
    )


def _step_document(step: LayoutStep) -> dict[str, Any]:
    return {
        "by": list(step.by),
        "command": list(step.command),
        "image": step.image,
        "level": step.level.value,
        "materials": [[path, source] for path, source in step.materials.items()],
        "name": step.name,
        "network": list(step.network),
        "products": list(step.products),
        "threshold": step.threshold,
    }


def read_layout(payload: bytes) -> StepLayout:
    """The layout spelt by signed bytes.

    Raises:
        ArtifactError: It is none, or contradicts itself.
    """
    top = Fields.of(parse_canonical(payload), "layout")
    top.only("expires", "format", "keys", "name", "same_run", "steps")
    if top.text("format") != FORMAT:
        raise misfit("layout.format", FORMAT, top.text("format"))
    keys = top.object("keys")
    return checked(
        StepLayout(
            name=top.text("name"),
            steps=tuple(_read_step(item, where) for where, item in top.items("steps")),
            keys={name: read_public(keys.text(name)) for name in keys.values},
            expires=top.time("expires"),
            same_run=top.flag("same_run"),
        )
    )


def _read_step(item: Any, where: str) -> LayoutStep:
    one = Fields.of(item, where).only(*_STEP_KEYS)
    pairs = dict(_pair(pair, place) for place, pair in one.items("materials"))
    return LayoutStep(
        name=one.text("name"),
        command=one.texts("command"),
        by=one.texts("by"),
        materials=pairs,
        products=one.texts("products"),
        threshold=one.count("threshold"),
        level=one.choice("level", Isolation),
        network=one.texts("network"),
        image=str(one.get("image", str, "text")),
    )


def _pair(value: Any, where: str) -> tuple[str, str]:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(x, str) for x in value):  # noqa: PLR2004
        return value[0], value[1]
    raise misfit(where, "a path and where it comes from", value)


def checked(layout: StepLayout) -> StepLayout:
    """The layout if nothing in it contradicts itself.

    Raises:
        ArtifactError: A step has no command, key or product, waits for a later one, is named
            twice, or asks for more keys than it has.
    """
    if not 1 <= len(layout.steps) <= MAX_STEPS:
        raise misfit("layout.steps", f"1 to {MAX_STEPS} steps", len(layout.steps))
    before: dict[str, LayoutStep] = {}
    for step in layout.steps:
        _check_step(step, layout, before)
        before[step.name] = step
    return StepLayout(
        name=layout.name,
        steps=layout.steps,
        keys=layout.keys,
        expires=layout.expires,
        same_run=layout.same_run,
        by_name=before,
    )


def _check_step(step: LayoutStep, layout: StepLayout, before: Mapping[str, LayoutStep]) -> None:
    where = f"layout.steps.{step.name}"
    check_path(step.name)
    if step.name in before or step.name == ANY or "/" in step.name:
        raise misfit(f"{where}.name", "a name of its own, without slashes", step.name)
    if not step.command or not step.products:
        raise misfit(where, "a command and at least one product", "nothing")
    unknown = [name for name in step.by if name not in layout.keys]
    if unknown or not step.by:
        raise misfit(f"{where}.by", f"some of {', '.join(layout.keys)}", unknown[:1] and unknown[0])
    if not 1 <= step.threshold <= len({layout.keys[name].key_id for name in step.by}):
        raise misfit(f"{where}.threshold", "1 to the number of different keys", step.threshold)
    if step.image:
        parse_digest(step.image)
    _check_paths(step, where, before)


def _check_paths(step: LayoutStep, where: str, before: Mapping[str, LayoutStep]) -> None:
    for path in (*step.materials, *step.products):
        check_path(path)
    for path, source in step.materials.items():
        if source.startswith("sha256:"):
            parse_digest(source)
        elif source != ANY and source not in before:
            raise misfit(f"{where}.materials.{path}", "any, a digest or an earlier step", source)


# Sealing -----------------------------------------------------------------------------


def seal(layout: StepLayout, signers: Sequence[SigningKey]) -> Envelope:
    """The layout signed by its owners."""
    return sign(document(checked(layout)), LAYOUT_TYPE, signers)


def open_layout(
    data: bytes, owners: Mapping[KeyId, PublicKey], threshold: int, now: float
) -> StepLayout:
    """The layout in an envelope that its owners signed and that still counts.

    Raises:
        TrustError: Too few owners signed it, or it has expired.
        ArtifactError: It is no layout.
    """
    envelope = Envelope.from_bytes(data)
    signed = verify_keys(envelope, owners, threshold, payload_type=LAYOUT_TYPE, strict=True)
    layout = read_layout(signed.payload)
    if now >= layout.expires:
        raise TrustError(
            f"the layout {layout.name} has expired",
            subject=layout.name,
            rule="a layout counts until the day that its owner set",
            expected=f"a day after {time_text(now)}",
            found=time_text(layout.expires),
            hint="have its owner look at it and sign it again",
        )
    return layout


def pinned(source: str) -> Digest | None:
    """The digest that a material is pinned to, if it is."""
    return parse_digest(source) if source.startswith("sha256:") else None


def read_source(name: str, table: Mapping[str, Any], keys: Mapping[str, PublicKey]) -> StepLayout:
    """The layout that a person wrote as TOML, its keys read already.

    Raises:
        ArtifactError: A key is missing, unknown or of another type.
    """
    top = Fields.of(table, name)
    top.only("expires", "keys", "name", "same_run", "steps")
    steps = []
    for where, item in top.items("steps"):
        one = Fields.of(item, where).only(*_STEP_KEYS)
        materials = one.values.get("materials", {})
        if not isinstance(materials, Mapping) or not all(
            isinstance(source, str) for source in materials.values()
        ):
            raise misfit(f"{where}.materials", "a table of paths", materials)
        filled = {"image": "", "level": "landlock", "network": [], "threshold": 1, **one.values}
        filled["materials"] = [[path, source] for path, source in materials.items()]
        steps.append(_read_step(filled, where))
    try:
        expires = float(top.values["expires"].timestamp())
    except (KeyError, AttributeError) as error:
        raise ArtifactError(
            "the layout does not say until when it counts",
            subject=f"{name}.expires",
            rule="a layout expires, so that somebody looks at it again",
            expected="expires = 2030-01-01T00:00:00Z",
            found=str(top.values.get("expires", "nothing"))[:40],
        ) from error
    same = top.flag("same_run") if "same_run" in top.values else False
    return checked(
        StepLayout(
            name=top.text("name"), steps=tuple(steps), keys=keys, expires=expires, same_run=same
        )
    )
