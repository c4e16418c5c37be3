"""Policies as data: one spelling, one digest, and a floor that projects can only raise.

The floor of a policy is pinned with the root of trust; a project's own policy counts where
it demands more. `tighten` joins the two, `check_floor` holds a policy named in an attestation
against the floor. Lower is: denying later (`fail_on`), a weaker `min_isolation`, fewer
`required` controls, less of an `examination`, or a waiver that the floor does not grant.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.core.finding import Severity
from hauberk.core.policy import Examination, Isolation, Policy, Waiver
from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes
from hauberk.trust.fields import Fields, misfit

_KEYS = ("examination", "fail_on", "min_isolation", "required", "waivers")
_EXAMINATION_KEYS = (
    "attacks",
    "max_age_days",
    "min_queries",
    "min_radius",
    "min_rows",
    "parts",
)
_WAIVER_KEYS = ("expires", "owner", "reason", "subject", "threat")


def policy_document(policy: Policy) -> dict[str, Any]:
    """The policy as JSON; its digest is left out because it follows from the rest.

    What is demanded of examinations stands there only where it is not the default.
    """
    usual = policy.examination == Examination()
    extra = {} if usual else {"examination": _examination_document(policy.examination)}
    waivers = sorted(policy.waivers, key=lambda one: (one.threat, one.subject, one.expires))
    return extra | {
        "fail_on": policy.fail_on.value,
        "min_isolation": policy.min_isolation.value,
        "required": None if policy.required is None else sorted(policy.required),
        "waivers": [
            {
                "expires": waiver.expires.isoformat(),
                "owner": waiver.owner,
                "reason": waiver.reason,
                "subject": waiver.subject,
                "threat": waiver.threat,
            }
            for waiver in waivers
        ],
    }


def _examination_document(wanted: Examination) -> dict[str, Any]:
    return {
        "attacks": sorted(wanted.attacks),
        "max_age_days": wanted.max_age_days,
        "min_queries": wanted.min_queries,
        "min_radius": wanted.min_radius,
        "min_rows": wanted.min_rows,
        "parts": sorted(wanted.parts),
    }


def policy_digest(policy: Policy) -> Digest:
    """The identity of what a policy demands."""
    return digest_bytes(canonical_json(policy_document(policy)))


def sealed(policy: Policy) -> Policy:
    """The policy with its own digest, as attestations name it."""
    return replace(policy, digest=policy_digest(policy))


def read_policy(value: Any, where: str = "policy") -> Policy:
    """The policy that `policy_document` wrote, or that a configuration file holds.

    Every key may be missing and then has the default of `Policy`. Days may be text or dates.

    Raises:
        ArtifactError: An unknown key, or a value of another type.
    """
    fields = Fields.of(value, where).only(*_KEYS)
    known = fields.values
    default = Policy()
    return sealed(
        Policy(
            examination=(
                _examination(fields.object("examination"))
                if "examination" in known
                else default.examination
            ),
            fail_on=fields.choice("fail_on", Severity) if "fail_on" in known else default.fail_on,
            min_isolation=(
                fields.choice("min_isolation", Isolation)
                if "min_isolation" in known
                else default.min_isolation
            ),
            required=(
                frozenset(fields.texts("required")) if known.get("required") is not None else None
            ),
            waivers=tuple(
                _waiver(item, place)
                for place, item in (fields.items("waivers") if "waivers" in known else ())
            ),
        )
    )


def _examination(fields: Fields) -> Examination:
    """What is demanded of examinations; a key that is missing has its default."""
    known, usual = fields.only(*_EXAMINATION_KEYS).values, Examination()
    numbers = {
        name: fields.get(name, (int, float), "a number") if name in known else default
        for name, default in (
            ("max_age_days", usual.max_age_days),
            ("min_queries", usual.min_queries),
            ("min_radius", usual.min_radius),
            ("min_rows", usual.min_rows),
        )
    }
    for name, value in numbers.items():
        if not 0 <= value < math.inf:
            raise misfit(f"{fields.where}.{name}", "a number, 0 or more", value)
    return Examination(
        parts=frozenset(fields.texts("parts")) if "parts" in known else usual.parts,
        attacks=frozenset(fields.texts("attacks")) if "attacks" in known else usual.attacks,
        min_rows=int(numbers["min_rows"]),
        min_queries=int(numbers["min_queries"]),
        min_radius=float(numbers["min_radius"]),
        max_age_days=float(numbers["max_age_days"]),
    )


def read_project_policy(value: Any, where: str) -> Policy:
    """`read_policy` for a file that the caller wrote.

    Raises:
        UsageError: As `read_policy`, because the caller can mend it.
    """
    try:
        return read_policy(value, where)
    except ArtifactError as error:
        raise UsageError(
            error.message,
            subject=error.subject,
            expected=error.expected,
            found=error.found,
            hint="correct the policy",
        ) from error


def _waiver(value: Any, where: str) -> Waiver:
    fields = Fields.of(value, where).only(*_WAIVER_KEYS)
    return Waiver(
        threat=fields.text("threat"),
        subject=fields.text("subject"),
        reason=fields.text("reason"),
        owner=fields.text("owner"),
        expires=_day(fields),
    )


def _day(fields: Fields) -> date:
    value = fields.values.get("expires")
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(fields.text("expires"))
    except ValueError as error:
        if isinstance(error, ArtifactError):
            raise
        raise misfit(f"{fields.where}.expires", "a day such as 2030-12-31", value) from error


def tighten(
    floor: Policy,
    project: Policy,
    *,
    project_waivers: bool = False,
    defaults: frozenset[str] | None = None,
) -> Policy:
    """The project's policy on top of the floor, sealed.

    A project that names no required controls demands those of the floor; waivers of the
    floor hold for the project too.

    Args:
        floor: Pinned outside the project.
        project: What the project's own file says.
        project_waivers: Whether the floor lets projects grant waivers of their own.
        defaults: Controls that ``required=None`` stands for; without them a project cannot
            list required controls over a floor that requires all.

    Raises:
        TrustError: The project demands less; the error names the key.
    """
    joined = replace(
        project,
        required=floor.required if project.required is None else project.required,
        waivers=tuple(dict.fromkeys((*floor.waivers, *project.waivers))),
    )
    check_floor(floor, joined, project_waivers=project_waivers, defaults=defaults)
    return sealed(joined)


def check_floor(
    floor: Policy,
    policy: Policy,
    *,
    project_waivers: bool = False,
    defaults: frozenset[str] | None = None,
    subject: str = "policy",
) -> None:
    """Refuse a policy that demands less than the floor.

    Args:
        floor: Pinned outside the project.
        policy: What was applied.
        project_waivers: As in `tighten`.
        defaults: As in `tighten`.
        subject: Names the policy's place in errors.

    Raises:
        TrustError: It demands less; the error names the key.
    """
    if policy.fail_on.rank > floor.fail_on.rank:
        raise _lowered(subject, "fail_on", floor.fail_on.value, policy.fail_on.value)
    if policy.min_isolation.rank < floor.min_isolation.rank:
        raise _lowered(
            subject, "min_isolation", floor.min_isolation.value, policy.min_isolation.value
        )
    _check_examination(floor.examination, policy.examination, subject)
    missing = _missing(floor.required, policy.required, defaults)
    if missing:
        raise _lowered(subject, "required", missing, "a list without it")
    extra = [] if project_waivers else [one for one in policy.waivers if one not in floor.waivers]
    if extra:
        found = f"a waiver of {extra[0].threat} for {extra[0].subject}"
        raise _lowered(subject, "waivers", "only waivers that the floor grants", found)


def _check_examination(floor: Examination, given: Examination, subject: str) -> None:
    pairs = (
        ("parts", floor.parts <= given.parts, sorted(floor.parts), sorted(given.parts)),
        ("attacks", floor.attacks <= given.attacks, sorted(floor.attacks), sorted(given.attacks)),
        ("min_rows", floor.min_rows <= given.min_rows, floor.min_rows, given.min_rows),
        (
            "min_queries",
            floor.min_queries <= given.min_queries,
            floor.min_queries,
            given.min_queries,
        ),
        ("min_radius", floor.min_radius <= given.min_radius, floor.min_radius, given.min_radius),
        (
            "max_age_days",
            floor.max_age_days >= given.max_age_days,
            floor.max_age_days,
            given.max_age_days,
        ),
    )
    for name, kept, expected, found in pairs:
        if not kept:
            raise _lowered(subject, f"examination.{name}", str(expected), str(found))


def _missing(
    floor: frozenset[str] | None, policy: frozenset[str] | None, defaults: frozenset[str] | None
) -> str | None:
    """What the policy fails to require, in words; ``None`` stands for the defaults."""
    if floor == policy:
        return None
    wanted = defaults if floor is None else floor
    given = defaults if policy is None else policy
    if wanted is None or given is None:
        return (
            "all controls that need nothing optional" if wanted is None else ", ".join(floor or ())
        )
    return ", ".join(sorted(wanted - given)) or None


def _lowered(subject: str, key: str, expected: str, found: str) -> TrustError:
    return TrustError(
        f"{subject} lowers {key}",
        subject=f"{subject}.{key}",
        rule="a project may tighten the pinned policy, never lower it",
        expected=expected,
        found=found,
        hint="raise it again, or have the owner of the root of trust pin another floor",
    )
