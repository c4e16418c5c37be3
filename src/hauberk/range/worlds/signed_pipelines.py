"""A pipeline with a signed layout, whose runs are signed by functionaries."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from hauberk.core.artifact import Digest, PipelineRun, StepRecord
from hauberk.core.lifecycle import Component
from hauberk.core.policy import EvidenceMode, Isolation, Policy
from hauberk.trust.digest import digest_bytes
from hauberk.trust.keys import Algorithm, KeyPair, generate
from hauberk.trust.predicates import Circumstances, Step, step_statement
from hauberk.trust.step_layout import LayoutStep, StepLayout, open_layout, seal
from hauberk.trust.step_links import check_links, link

NOW = 1_800_000_000.0
IMAGES = {name: digest_bytes(name.encode()) for name in ("builder", "trainer")}
_CHAIN = (
    ("fetch", "trainer", ("pinned.txt",), "data/rows.parquet"),
    ("train", "trainer", ("train.py", "data/rows.parquet"), "model.onnx"),
    ("package", "builder", ("model.onnx",), "bundle.zip"),
    ("image", "builder", ("bundle.zip", "Dockerfile"), "layer.tar"),
    ("upload", "builder", ("layer.tar",), "registry/layer.tar"),
)


class SignedPipeline:
    """Five steps, two functionaries, one owner; keys are new for each world."""

    def __init__(self) -> None:
        self.owner, self.stranger = (generate(Algorithm.ED25519) for _ in range(2))
        self.keys = {name: generate(Algorithm.ED25519) for name in IMAGES}
        makers: dict[str, str] = {}
        steps = []
        for name, who, taken, made in _CHAIN:
            steps.append(
                LayoutStep(
                    name=name,
                    command=(name, "--all"),
                    by=(who,),
                    materials={path: makers.get(path, "any") for path in taken},
                    products=(made,),
                    image=IMAGES[who],
                )
            )
            makers[made] = name
        layout = StepLayout(
            name="ci",
            steps=tuple(steps),
            keys={name: pair.public for name, pair in self.keys.items()},
            expires=NOW + 86_400,
        )
        self.layout = seal(layout, [self.owner]).to_bytes()

    def honest(self, rng: Random) -> PipelineRun:
        """A run as declared, with bytes drawn."""
        known: dict[str, Digest] = {}
        records = []
        for name, _, taken, made in _CHAIN:
            materials = {path: known.get(path) or digest_bytes(rng.randbytes(32)) for path in taken}
            known[made] = digest_bytes(rng.randbytes(32))
            records.append(
                StepRecord(
                    name=name,
                    command=(name, "--all"),
                    materials=materials,
                    products={made: known[made]},
                )
            )
        return PipelineRun(name="ci", steps=tuple(records))

    def links(
        self,
        run: PipelineRun,
        *,
        signer: KeyPair | None = None,
        images: Mapping[str, Digest] | None = None,
    ) -> dict[str, bytes]:
        """Signed statements of a run, by whoever holds the keys in its jobs.

        Args:
            signer: Signs everything, in place of the functionaries.
            images: Name of a step to the image that it ran in, where not the declared one.
        """
        who = {name: functionary for name, functionary, _, _ in _CHAIN}
        found = {}
        for number, record in enumerate(run.steps):
            functionary = who.get(record.name, "builder")
            image = (images or {}).get(record.name, IMAGES[functionary])
            statement = _statement(record, number, image)
            found[f"{number}.link"] = link(statement, signer or self.keys[functionary])
        return found

    def check(self, links: Mapping[str, bytes], held: Mapping[str, Digest]) -> None:
        """What ``hauberk layout verify`` does; raises where it refuses."""
        owners = {self.owner.public.key_id: self.owner.public}
        check_links(open_layout(self.layout, owners, 1, NOW), links, held.get)


def _statement(record: StepRecord, number: int, image: Digest) -> bytes:
    return step_statement(
        Step(
            name=record.name,
            component=Component.PIPELINE,
            command=record.command,
            materials=record.materials,
            products=record.products,
            isolation=Isolation.FULL,
            evidence=EvidenceMode.ISOLATED,
            circumstances=Circumstances(
                run="1", sequence=number, policy=Policy(), tool_version="1.0"
            ),
            started=NOW + number,
            finished=NOW + number + 1,
            parameters={"image": f"ci@{image}", "network": []},
        )
    )


def lying(run: PipelineRun) -> dict[str, Digest]:
    """What lies there after a run: everything that it made."""
    return {path: digest for step in run.steps for path, digest in step.products.items()}
