"""Links of a pipeline: signed statements of its steps, held against the signed layout.

Ten rules, each of which refuses with its own words:

1. Every link is of a step that the layout declares, once.
2. Every declared step has a link.
3. Enough of the step's functionaries signed it, and nobody else.
4. The command is the declared one.
5. It was isolated at least as strongly as asked for, with no other hosts.
6. It ran in the declared container image.
7. Every material is declared, and those without a wildcard are there.
8. A material that an earlier step makes has the bytes of that step's product; a pinned one the
   pinned bytes.
9. Every product is declared and made by one step, and those without a wildcard are there.
10. Files that lie there are the products of the chain; what no step takes has to lie there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from hauberk.core.artifact import Digest
from hauberk.core.policy import EvidenceMode, Isolation
from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.dsse import Envelope, Signature, SigningKey, sign, verify_keys
from hauberk.trust.predicates import Step, read_step
from hauberk.trust.statement import PAYLOAD_TYPE, parse
from hauberk.trust.step_layout import (
    ANY,
    LayoutStep,
    StepLayout,
    is_pattern,
    pinned,
    source_of,
)

Held = Callable[[str], Digest | None]
"""The digest of the bytes that lie at a path, ``None`` where nothing does."""


def link(statement: bytes, signer: SigningKey, earlier: bytes = b"") -> bytes:
    """A step's statement in an envelope with one more signature.

    Args:
        earlier: An envelope around the same statement, whose signatures are kept.
    """
    read_step(parse(statement))
    fresh = sign(statement, PAYLOAD_TYPE, [signer])
    kept: tuple[Signature, ...] = ()
    if earlier:
        before = Envelope.from_bytes(earlier)
        if before.payload == statement and before.payload_type == PAYLOAD_TYPE:
            kept = tuple(one for one in before.signatures if one.key_id != signer.public.key_id)
    return Envelope(
        payload=statement, payload_type=PAYLOAD_TYPE, signatures=(*kept, *fresh.signatures)
    ).to_bytes()


def check_links(
    layout: StepLayout, links: Mapping[str, bytes], held: Held, *, run: str = ""
) -> tuple[Step, ...]:
    """Hold the links of one run against the layout.

    Args:
        links: Name for messages, such as a file name, to the bytes of an envelope.
        held: What lies there now.
        run: The id of the run that is meant; any if empty.

    Returns:
        The steps, in the layout's order.

    Raises:
        TrustError: A rule is broken.
        ArtifactError: A link is no statement of a step.
    """
    found: dict[str, Step] = {}
    for name, data in sorted(links.items()):
        step = _verified(layout, name, data)
        if step.name in found:
            raise _refusal(
                f"there are two links of {step.name}",
                step.name,
                "each step has one link",
                "one link",
                "another in " + name,
            )
        found[step.name] = step
    steps = tuple(_present(found, declared) for declared in layout.steps)
    _check_run(layout, steps, run)
    products: dict[str, tuple[str, Digest]] = {}
    for declared, step in zip(layout.steps, steps, strict=True):
        _check_doing(declared, step)
        _check_materials(declared, step, products)
        _check_products(declared, step, products)
    _check_held(steps, products, held)
    return steps


def _verified(layout: StepLayout, name: str, data: bytes) -> Step:
    envelope = Envelope.from_bytes(data)
    claimed = read_step(parse(envelope.payload)).name  # only to choose the keys
    declared = layout.by_name.get(claimed)
    if declared is None:
        raise _refusal(
            f"{claimed} is an extra step",
            claimed,
            "a pipeline has the steps of its layout and no others",
            ", ".join(layout.by_name),
            f"{claimed} in {name}",
        )
    keys = [layout.keys[who] for who in declared.by]
    try:
        signed = verify_keys(
            envelope,
            {key.key_id: key for key in keys},
            declared.threshold,
            payload_type=PAYLOAD_TYPE,
            strict=True,
        )
    except TrustError as error:
        raise _refusal(
            f"{claimed} is not signed by its functionaries",
            claimed,
            "a step is believed by the keys that its layout names",
            f"{declared.threshold} of {', '.join(declared.by)}",
            str(error.found or error)[:200],
        ) from error
    return read_step(parse(signed.payload))


def _present(found: Mapping[str, Step], declared: LayoutStep) -> Step:
    if declared.name not in found:
        raise _refusal(
            f"the step {declared.name} is missing",
            declared.name,
            "every declared step was done",
            f"a link of {declared.name}",
            "links of " + (", ".join(found) or "no step"),
        )
    return found[declared.name]


def _check_run(layout: StepLayout, steps: Sequence[Step], run: str) -> None:
    ids = {step.circumstances.run: step.name for step in steps}
    if (layout.same_run and len(ids) > 1) or (run and set(ids) != {run}):
        raise _refusal(
            "the links are not of one run",
            layout.name,
            "steps of different runs are not put together",
            run or "one id of a run",
            ", ".join(f"{name}: {one[:20]}" for one, name in ids.items())[:300],
        )


def _check_doing(declared: LayoutStep, step: Step) -> None:
    if step.command != declared.command:
        raise _refusal(
            f"{step.name} ran another command",
            step.name,
            "a step runs the command of the layout",
            " ".join(declared.command)[:200],
            " ".join(step.command)[:200],
        )
    is_watched = step.evidence is EvidenceMode.ISOLATED or declared.level is Isolation.OBSERVE
    if step.isolation.rank < declared.level.rank or not is_watched:
        raise _refusal(
            f"{step.name} was held too weakly",
            step.name,
            "a step is isolated at least as the layout asks",
            declared.level.value,
            f"{step.isolation.value}, {step.evidence.value}",
        )
    hosts = step.parameters.get("network", [])
    more = [str(host) for host in hosts if host not in declared.network]
    if more:
        raise _refusal(
            f"{step.name} reached other hosts",
            step.name,
            "a step is given the hosts of the layout",
            ", ".join(declared.network) or "none",
            ", ".join(more)[:200],
        )
    image = str(step.parameters.get("image", ""))
    if declared.image and image.rpartition("@")[2] != declared.image:
        raise _refusal(
            f"{step.name} ran in another container image",
            step.name,
            "a step runs in the image of the layout, by its digest",
            declared.image,
            image or "no image",
        )


def _check_materials(
    declared: LayoutStep, step: Step, products: Mapping[str, tuple[str, Digest]]
) -> None:
    for path, digest in step.materials.items():
        source = source_of(declared.materials, path)
        if source is None:
            raise _refusal(
                f"{step.name} took {path}, which it may not",
                path,
                "a step takes what the layout declares",
                ", ".join(declared.materials) or "nothing",
                path,
            )
        if source == ANY:
            continue
        maker, expected = products.get(path, ("", None))
        if fixed := pinned(source):
            maker, expected = source, fixed
        if maker != source or digest != expected:
            raise _refusal(
                f"{path} is not what {step.name} should take",
                path,
                f"it comes from {source}",
                str(expected or f"a product of {source}"),
                str(digest),
            )
    _check_there("material", step.name, declared.materials, step.materials)


def _check_products(
    declared: LayoutStep, step: Step, products: dict[str, tuple[str, Digest]]
) -> None:
    for path, digest in step.products.items():
        if not any(path == one or fnmatchcase(path, one) for one in declared.products):
            raise _refusal(
                f"{step.name} made {path}, which it may not",
                path,
                "a step hands on what the layout declares",
                ", ".join(declared.products),
                path,
            )
        if path in products:
            raise _refusal(
                f"{path} is made twice",
                path,
                "each path has one maker",
                products[path][0],
                step.name,
            )
        products[path] = (step.name, digest)
    _check_there("product", step.name, declared.products, step.products)


def _check_there(
    kind: str, name: str, declared: Sequence[str] | Mapping[str, str], there: Mapping[str, Digest]
) -> None:
    for path in declared:
        if path not in there and not is_pattern(path):
            raise _refusal(
                f"{name} lacks the {kind} {path}",
                path,
                f"a declared {kind} without wildcard is there",
                path,
                ", ".join(there)[:200] or "nothing",
            )


def _check_held(
    steps: Sequence[Step], products: Mapping[str, tuple[str, Digest]], held: Held
) -> None:
    taken = {path for step in steps for path in step.materials}
    for path, (maker, expected) in products.items():
        digest = held(path)
        if digest is None and path in taken:
            continue
        if digest != expected:
            raise _refusal(
                f"{path} is not what {maker} made",
                path,
                "what lies there is what the pipeline made",
                expected,
                str(digest or "nothing"),
            )


def _refusal(message: str, subject: str, rule: str, expected: str, found: str) -> TrustError:
    return TrustError(
        message,
        subject=subject,
        rule=rule,
        expected=expected,
        found=found,
        hint="do not use what the pipeline made; find out who changed it, or have the layout's "
        "owner declare the change",
    )


def told(steps: Sequence[Step]) -> list[str]:
    """One line for each step, for people."""
    return [
        f"{step.name}: {len(step.materials)} materials, {len(step.products)} products, "
        f"{step.isolation.value}"
        for step in steps
    ]


def read_statement(data: bytes) -> Step:
    """The step of an unsigned statement.

    Raises:
        ArtifactError: It is none.
    """
    try:
        return read_step(parse(data))
    except ArtifactError as error:
        raise ArtifactError("this is no statement of a step", found=str(error)[:200]) from error
