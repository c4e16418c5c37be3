"""What a client of a large registry reads and waits: 10,000 models with 10 versions each.

The registry is made in memory with the bins of `hauberk registry init --large`. A refresh is
everything from the pinned anchor to the manifest of a model in production, for a client that
has seen nothing and for one that comes back after further publications. Everything is in memory,
so processor time is what a client waits on an idle machine; the transport comes on top.

Run: python benchmarks/registry_refresh.py [--models N] [--versions N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator

from hauberk.cli._registry_deeds import LARGE_BITS
from hauberk.core.artifact import Digest
from hauberk.core.ports import Pointer
from hauberk.trust.blobs import MemoryBlobs
from hauberk.trust.digest import digest_bytes
from hauberk.trust.keys import KeyPair, Label, generate
from hauberk.trust.pointers import MemoryPointers
from hauberk.trust.registry import founding, names
from hauberk.trust.registry.anchor import VolatileMemory
from hauberk.trust.registry.client import Client
from hauberk.trust.registry.documents import (
    HeldFile,
    Manifest,
    Move,
    Pointing,
    manifest_bytes,
    pointing_bytes,
)
from hauberk.trust.registry.founding import Holder, Office
from hauberk.trust.registry.registrar import Change, Registrar
from hauberk.trust.registry.shelf import Place
from hauberk.trust.registry.view import Trust

TARGET_BYTES, TARGET_S = 100_000, 0.050
START = 1_800_000_000.0
People = tuple[KeyPair, ...]


class Counting:
    """Names that count what is read of them."""

    def __init__(self, files: MemoryPointers) -> None:
        self.files, self.bytes = files, 0

    def get(self, name: str) -> Pointer | None:
        found = self.files.get(name)
        self.bytes += len(found.value) if found else 0
        return found

    def swap(self, name: str, value: bytes | None, *, expect: str | None) -> str | None:
        return self.files.swap(name, value, expect=expect)

    def list(self, prefix: str = "") -> Iterator[str]:
        return self.files.list(prefix)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--models", type=int, default=10_000)
    arguments.add_argument("--versions", type=int, default=10)
    arguments.add_argument("--refreshes", type=int, default=20)
    args = arguments.parse_args()
    started = time.perf_counter()
    place, trust, people = founded()
    fill(place, trust, people, args.models, args.versions)
    print(f"{args.models} models x {args.versions}: made in {time.perf_counter() - started:.0f} s")
    for label, returns in (("new client", False), ("returning client", True)):
        report(label, *measured(place, trust, people, args, returns=returns))


def founded() -> tuple[Place, Trust, People]:
    people = tuple(generate() for _ in range(5))
    place = Place(location="memory", files=MemoryPointers(), blobs=MemoryBlobs())
    offices = (Office.PERSON, Office.TRAINER, Office.SNAPSHOT, Office.TIMESTAMP)
    label = Label(machine="m-ada", custodian="ada")
    holders = [
        Holder(public=pair.public, label=label, office=office)
        for pair, office in zip(people, offices, strict=False)
    ]
    anchor = founding.found(
        place, "acme", holders, hands=people, clock=lambda: START, persons=1, bits=LARGE_BITS
    )
    return place, Trust(anchor=anchor), people


def writer(place: Place, trust: Trust, people: People) -> Registrar:
    return Registrar.open(place, trust, VolatileMemory(), hands=people, clock=lambda: START)


def fill(place: Place, trust: Trust, people: People, models: int, versions: int) -> None:
    """All documents at once: one commit for each role's files."""
    registrar = writer(place, trust, people)
    changes: dict[str, Change] = {}
    for number in range(models):
        for path, data in documents(f"model-{number:05}", versions):
            registrar.set(changes, path, data)
    registrar.commit(list(changes.values()))


def documents(model: str, versions: int) -> Iterator[tuple[str, bytes]]:
    data = b""
    for version in range(1, versions + 1):
        data = manifest_bytes(manifest(model, version))
        yield names.version_path(model, str(version)), data
    for channel in names.CHANNELS:
        pointing = Pointing(
            model=model,
            channel=channel,
            version=str(versions),
            sequence=versions,
            manifest=digest_bytes(data),
            move=Move.PROMOTION,
            highest=versions,
            number=1,
            made=START,
        )
        yield names.channel_path(model, channel), pointing_bytes(pointing)


def manifest(model: str, version: int) -> Manifest:
    held = HeldFile(digest=Digest("sha256:" + f"{version:064x}"), size=1000)
    return Manifest(
        model=model,
        version=str(version),
        sequence=version,
        files={"hauberk/bundle/model.onnx": held},
        entry="hauberk/bundle/model.onnx",
        created=START,
    )


def measured(
    place: Place, trust: Trust, people: People, args: argparse.Namespace, *, returns: bool
) -> tuple[list[int], list[float]]:
    memory, sizes, waits = VolatileMemory(), [], []
    for turn in range(args.refreshes + returns):
        model = f"model-{(turn * 7919) % args.models:05}"
        if returns:
            registrar = writer(place, trust, people)
            changes: dict[str, Change] = {}
            version = args.versions + 1000 + turn
            path = names.version_path(model, str(version))
            registrar.set(changes, path, manifest_bytes(manifest(model, version)))
            registrar.commit(list(changes.values()))
        counting = Counting(place.files)
        kept = memory if returns else VolatileMemory()
        client = Client(
            place=Place(location="memory", files=counting, blobs=place.blobs),
            trust=trust,
            memory=kept,
            clock=lambda: START,
        )
        started = time.process_time()
        client.refresh().resolve(names.parse_reference(f"{model}@production"))
        waits.append(time.process_time() - started)
        sizes.append(counting.bytes)
    return sizes[returns:], waits[returns:]


def report(label: str, sizes: list[int], waits: list[float]) -> None:
    size, wait = max(sizes), statistics.median(waits)
    verdict = "met" if size <= TARGET_BYTES and wait <= TARGET_S else "MISSED"
    print(
        f"{label}: at most {size / 1000:.1f} kB (target {TARGET_BYTES / 1000:.0f}), "
        f"median {wait * 1000:.1f} ms of processor time (target {TARGET_S * 1000:.0f}): {verdict}"
    )


if __name__ == "__main__":
    main()
