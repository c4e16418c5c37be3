"""VD-4: versions of a data set by people without the role for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from hauberk.attacks.registry.write_version import WriteVersion
from hauberk.core.artifact import Digest
from hauberk.core.threat import ThreatId
from hauberk.range.outcomes import alarmed
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.datasets import CONTROL, Trainee, Warehouse, copy_of
from hauberk.trust import dsse
from hauberk.trust.keys import KeyPair, Label, generate
from hauberk.trust.role_keys import TrustedKey

VD_4 = ThreatId("VD-4")
NAME = "rows"
_OUT_OF_ROLE = ("contractor", "releaser", "owner of another project", "build service")
_TOO_FEW = ("one owner", "one owner twice")
_ENDED = ("guest after the end",)
_END = 1_800_000_000.0


def _house(seed: int) -> Warehouse:
    rng = Random(seed)
    house = Warehouse(releasers=(generate(), generate()))
    rows = "".join(f"{n},{rng.random():.6f},{rng.randrange(2)}\n" for n in range(60))
    house.publish(NAME, {"rows.csv": rows.encode()})
    return house


@dataclass(slots=True)
class Account:
    """An insider's account, before a training that verifies or does not."""

    trainee: Trainee
    guest: tuple[KeyPair, ...] = ()

    @property
    def files(self) -> dict[str, bytes]:
        """The newest version's files."""
        return dict(self.trainee.files)

    def write(self, files: Mapping[str, bytes], who: str) -> None:
        """The next version, with the keys of ``who``."""
        house = self.trainee.house
        owners = house.keys
        hands: dict[str, tuple[KeyPair, ...]] = {
            "contractor": (generate(), generate()),
            "releaser": house.releasers,
            "owner of another project": Warehouse().keys,
            "build service": owners,
            "one owner": owners[:1],
            "one owner twice": (owners[0], owners[0]),
            "guest after the end": self.guest,
        }
        before = house.newest(NAME)
        house.keys = hands[who]
        try:
            house.publish(NAME, files)
        finally:
            house.keys = owners
        if who == "build service" and before is not None:
            self._reuse(house, before.envelope)

    @staticmethod
    def _reuse(house: Warehouse, earlier: Digest) -> None:
        """Put the signatures of an earlier version over the new one's statement."""
        event = house.events(NAME)[-1]
        old = dsse.Envelope.from_bytes(house.blobs[earlier])
        new = dsse.Envelope.from_bytes(house.blobs[event["envelope"]])
        forged = dsse.Envelope(
            payload=new.payload, payload_type=new.payload_type, signatures=old.signatures
        )
        event["envelope"] = house.put(forged.to_bytes())
        house.pointers[NAME]["envelope"] = event["envelope"]

    def train(self) -> dict[str, bytes] | None:
        """What the training works with."""
        return self.trainee.train()


def _trial(seed: int, people: tuple[str, ...]) -> Trial:
    attack = WriteVersion(who=people[seed % len(people)])
    house = _house(seed)
    outcomes = [
        attack.play(
            Account(Trainee(house=copy_of(house), name=NAME, guarded=guarded)), Random(seed)
        ).succeeded
        for guarded in (True, False)
    ]
    return Trial(values={"refused": not outcomes[0]}, potent=outcomes[1])


def _ended(seed: int) -> Trial:
    """A guest whose key has ended; the same deed counts while the key is in force."""
    attack, guest = WriteVersion(who=_ENDED[0]), generate()
    house = _house(seed)
    label = Label(machine="m-guest", custodian="guest")
    house.guests = (TrustedKey(public=guest.public, label=label, ends=_END),)
    outcomes = []
    for now, guarded in ((_END, True), (_END, False), (_END - 1, True)):
        visited = copy_of(house)
        visited.now = now
        account = Account(Trainee(house=visited, name=NAME, guarded=guarded), guest=(guest,))
        outcomes.append(attack.play(account, Random(seed)).succeeded)
    return Trial(values={"refused": not outcomes[0]}, potent=outcomes[1] and outcomes[2])


def _honest(seed: int) -> Trial:
    house = _house(seed)
    rows = house.copy["rows.csv"] + b"60,0.5,1\n"
    house.publish(NAME, {"rows.csv": rows})
    refused = alarmed(CONTROL, house.entry(NAME))
    return Trial(values={"false_refusals": refused}, false_alarm=float(refused))


_NOTE = "data sets of two owners who both sign; potent where a client that follows names takes it"
SCENARIOS = (
    Scenario(
        threat=VD_4,
        attack=WriteVersion(who="contractor"),
        control=CONTROL,
        play=lambda seed: _trial(seed, _OUT_OF_ROLE),
        parts=(("refused", "out of role"),),
        note=f"{', '.join(_OUT_OF_ROLE)} in turn; {_NOTE}",
    ),
    Scenario(
        threat=VD_4,
        attack=WriteVersion(who="one owner"),
        control=CONTROL,
        play=lambda seed: _trial(seed, _TOO_FEW),
        parts=(("refused", "under threshold"),),
        note=f"{', '.join(_TOO_FEW)} in turn; {_NOTE}",
    ),
    Scenario(
        threat=VD_4,
        attack=WriteVersion(who="guest after the end"),
        control=CONTROL,
        play=_ended,
        parts=(("refused", "expired"),),
        note="a guest's key, used from its end on and dated back; potent where a client that "
        "follows names takes the version, and the control too while the key counts",
    ),
    Scenario(
        threat=VD_4,
        attack="none: a second version by both owners",
        control=CONTROL,
        play=_honest,
        parts=(("false_refusals", ""),),
    ),
)
