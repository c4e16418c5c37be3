"""What may go to production: pinned trust, two persons, and evidence of our own.

Promotion is an act apart from a run; what it publishes is for `hauberk.trust.chain` to verify
and for these rules to let through.
"""

from __future__ import annotations

from collections.abc import Iterable

from hauberk.core.policy import EvidenceMode
from hauberk.errors import TrustError
from hauberk.trust.chain import VerifiedChain
from hauberk.trust.handover import refusal
from hauberk.trust.keys import KeyId, Role, custodians
from hauberk.trust.root import Pin, Root

_PERSONS = 2  # who must agree on production
_OWN_EVIDENCE = (EvidenceMode.ISOLATED, EvidenceMode.HOOKED)


def check_production(verified: VerifiedChain, root: Root) -> None:
    """Refuse a verified chain that may not go to production.

    Beside `check_promotion`: what was only watched, or was told by others,
    is no evidence of how a step ran.

    Args:
        verified: The chain, just verified against ``root``.
        root: The root in force.

    Raises:
        TrustError: The root was taken on first use, fewer than two persons signed, or a step
            was neither isolated nor hooked.
    """
    check_promotion(root, verified.signed_by)
    if verified.evidence not in _OWN_EVIDENCE:
        raise refusal(
            "production needs evidence of Hauberk's own",
            subject=f"release {verified.release.version}",
            rule="every step and test ran isolated or hooked",
            expected=" or ".join(mode.value for mode in _OWN_EVIDENCE),
            found=verified.evidence.value,
            hint="run the lifecycle with hauberk run",
        )


def check_promotion(root: Root, signed_by: Iterable[KeyId]) -> None:
    """Refuse what may not go to production: one person's word, or trust on first use.

    Args:
        root: The root in force.
        signed_by: Keys whose signatures were verified.

    Raises:
        TrustError: The root was taken on first use, or fewer than two persons signed.
    """
    if root.state is not Pin.PINNED:
        raise TrustError(
            "trust on first use does not reach production",
            subject=f"root of {root.project}",
            rule="production needs a root that a person pinned",
            expected=Pin.PINNED.value,
            found=root.state.value,
            hint="compare the key ids with their owners, then pin the root",
        )
    signed = set(signed_by)
    labels = [one.label for one in root.keys(Role.RELEASE).keys if one.public.key_id in signed]
    persons = custodians(labels)
    if persons < _PERSONS:
        raise TrustError(
            "promotion to production needs two persons",
            subject=f"release of {root.project}",
            rule="keys are counted by person: one machine or one custodian is one person",
            expected=f"{_PERSONS} persons",
            found=f"{len(labels)} keys of {persons}"
            + (" (demo, one custodian)" if len(labels) > 1 else ""),
            hint="have a second person sign with a key made on another machine",
        )
