"""Dangerous pickles, written before the rules were read: calls of libraries, and opcodes that call."""

from __future__ import annotations

import struct
import zlib

from hauberk.methods import model_writing as write
from hauberk.methods.pickle_writing import array, blob, call, dotted, method, name, text, whole

ECHO = "echo canary"
SYSTEM = whole(call(name("os.system"), text(ECHO)))


def called(path: str, *args: bytes) -> bytes:
    """A pickle that calls a function."""
    return whole(call(name(path), *(args or (text("x"),))))


def npy(pickle: bytes) -> bytes:
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    head += b" " * (63 - (len(head) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + pickle


def pickles() -> dict[str, bytes]:
    """Calls of libraries, and opcodes that call."""
    mark = b"("
    made: dict[str, bytes] = {
        f"call-{path}": called(path)
        for path in (
            "torch.hub.load",
            "torch.load",
            "torch.jit.load",
            "torch.utils.cpp_extension.load_inline",
            "torch.serialization.load",
            "torch.package.PackageImporter",
            "torch.ops.load_library",
            "torch._inductor.codecache.compile_file",
            "torch.utils.collect_env.run",
            "numpy.load",
            "numpy.f2py.compile",
            "numpy.ctypeslib.load_library",
            "numpy.lib.npyio.load",
            "numpy.testing._private.utils.runstring",
            "joblib.load",
            "joblib.numpy_pickle.load",
            "sklearn.utils._testing.assert_run_python_script_without_output",
            "sklearn.datasets.fetch_openml",
            "pandas.read_pickle",
            "pandas.eval",
            "pandas.io.pickle.read_pickle",
            "pandas.core.computation.eval.eval",
            "scipy.io.loadmat",
            "cloudpickle.loads",
            "dill.loads",
            "dill._dill._create_code",
            "pip._internal.cli.main.main",
            "setuptools.sandbox.run_setup",
            "distutils.spawn.spawn",
            "idlelib.pyshell.ModifiedInterpreter",
            "lib2to3.pgen2.pgen.ParserGenerator",
            "doctest.debug_script",
            "trace.Trace",
            "profile.run",
            "cProfile.run",
            "pdb.run",
            "bdb.Bdb.run",
            "timeit.timeit",
            "code.interact",
            "codeop.compile_command",
            "runpy.run_path",
            "imp.load_source",
            "importlib.machinery.SourceFileLoader",
            "ctypes.CDLL",
            "_ctypes.dlopen",
            "cffi.FFI",
            "webbrowser.open",
            "antigravity.geohash",
            "ensurepip.bootstrap",
            "venv.create",
            "shutil.rmtree",
            "pathlib.Path.write_text",
            "os.remove",
            "io.FileIO",
            "_io.open",
            "tempfile.mkstemp",
            "socket.create_connection",
            "urllib.request.urlopen",
            "requests.get",
            "smtplib.SMTP",
            "ftplib.FTP",
            "logging.config.listen",
            "multiprocessing.context.Process",
            "asyncio.run",
            "pty.spawn",
            "sqlite3.connect",
            "xmlrpc.client.ServerProxy",
            "test.support.script_helper.assert_python_ok",
            "tensorflow.io.write_file",
            "tensorflow.py_function",
            "keras.models.load_model",
            "transformers.AutoModel.from_pretrained",
            "mlflow.pyfunc.load_model",
            "IPython.get_ipython",
            "jinja2.Environment.from_string",
            "yaml.unsafe_load",
            "lightgbm.basic._load_lib",
            "xgboost.core._load_lib",
            "nltk.data.load",
            "gensim.utils.unpickle",
            "statsmodels.iolib.smpickle.load_pickle",
            "operator.methodcaller",
            "functools.partial",
            "builtins.__import__",
            "builtins.breakpoint",
            "_posixsubprocess.fork_exec",
            "posix.execv",
            "nt.system",
            "sys.settrace",
            "gc.get_objects",
            "marshal.loads",
            "types.FunctionType",
            "atexit.register",
            "signal.signal",
            "threading.Timer",
        )
    }
    made |= {
        "inst": b"(" + text(ECHO) + b"ios\nsystem\n.",
        "obj": b"\x80\x02(" + name("os.system") + text(ECHO) + b"o.",
        "obj-subprocess": b"\x80\x02(" + name("subprocess.Popen") + text(ECHO) + b"o.",
        "ext": b"\x80\x02\x82\x01(" + text(ECHO) + b"tR.",
        "ext-4": b"\x80\x02\x84\x01\x02\x00\x00(" + text(ECHO) + b"tR.",
        "newobj-ex": whole(name("subprocess.Popen") + mark + text(ECHO) + b"t}\x92"),
        "newobj": whole(name("subprocess.Popen") + mark + text(ECHO) + b"t\x81"),
        "newobj-ex-partial": whole(
            name("functools.partial") + mark + name("os.system") + text(ECHO) + b"t}\x92)R"
        ),
        "map": called(
            "builtins.list", call(name("builtins.map"), name("os.system"), array(text(ECHO)))
        ),
        "memo-swap": b"\x80\x02" + name("os.system") + b"q\x000h\x00(" + text(ECHO) + b"tR.",
        "put-text": name("os.system") + b"p5\n0g5\n(" + text(ECHO) + b"tR.",
        "stack-global-memo": whole(
            text("os") + b"\x94" + text("system") + b"\x9400h\x00h\x01\x93(" + text(ECHO) + b"tR"
        ),
        "dotted": whole(call(dotted("sklearn", "utils.os.system"), text(ECHO))),
        "dotted-numpy": whole(call(dotted("numpy", "core.multiarray.sys.modules.get"), text("os"))),
        "dotted-joblib": whole(call(dotted("joblib", "os.system"), text(ECHO))),
        "method-of-import": whole(
            method(call(name("importlib.import_module"), text("os")), "system", text(ECHO))
        ),
        "build-hook": whole(
            name("collections.OrderedDict")
            + b")\x81}"
            + text("__setstate__")
            + name("os.system")
            + b"sb"
            + text(ECHO)
            + b"b"
        ),
        "build-class": whole(
            name("collections.OrderedDict") + b"}" + text("__reduce__") + name("os.system") + b"sb"
        ),
        "second-pickle": whole(b"N") + SYSTEM,
        "broken-tail": SYSTEM[:-1],
        "broken-tail-junk": SYSTEM[:-1] + b"\xff\xfe",
        "comments-in-front": b"\x80\x04" + (text("x") + b"0") * 3000 + SYSTEM[2:],
        "pickle-in-bytes": called("pickle.loads", blob(SYSTEM)),
        "pickle-in-argument": called("_pickle.loads", blob(zlib.compress(SYSTEM))),
        "defaultdict": whole(call(name("collections.defaultdict"), name("os.getcwd"))),
        "persistent": b"\x80\x02(" + text("storage") + name("os.system") + text(ECHO) + b"tQ.",
        "frame-lies": b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00" + SYSTEM[2:],
        "string-opcode": b"cos\nsystem\n(S'" + ECHO.encode() + b"'\ntR.",
        "unicode-escapes": b"\x80\x02c__builtin__\ngetattr\n(cos\n__dict__\nX\x03\x00\x00\x00gettR.",
        "reduce-in-dict": whole(b"}" + text("a") + call(name("os.popen"), text(ECHO)) + b"s"),
        "numpy-object-array": npy(SYSTEM),
        "npz": write.zipped({"a.npy": npy(SYSTEM)}),
        "weak-hash": whole(
            call(
                name("numpy.core.multiarray._reconstruct"),
                name("subprocess.Popen"),
                text("id"),
                text("b"),
            )
        ),
        "sklearn-transformer": whole(
            name("sklearn.preprocessing._function_transformer.FunctionTransformer")
            + b")\x81}"
            + text("func")
            + name("os.system")
            + b"sb"
        ),
        "joblib-delayed": whole(
            call(name("joblib.parallel.BatchedCalls"), array(name("os.system")))
        ),
        "scipy-lambda": whole(call(name("cloudpickle.cloudpickle._make_function"), text("x"))),
    }
    return made
