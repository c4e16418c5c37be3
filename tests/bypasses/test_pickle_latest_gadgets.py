"""Ways around scanners from advisories up to 2026, and relatives that no attack here uses.

Names of callables come from advisories of picklescan (GHSA, 2025 and 2026: idlelib, lib2to3,
torch, numpy.f2py, asyncio, multiprocessing, ensurepip), from the lists of fickling and
modelscan, and from reading what popular packages open, import and run.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hauberk.engine.load_gate import ModelState, scan_model
from hauberk.methods.pickle_writing import array, blob, call, method, name, text, whole

_CALLED = [
    "pty.spawn",
    "cProfile.runctx",
    "profile.runctx",
    "doctest.debug_script",
    "pdb.run",
    "uuid._get_command_stdout",
    "multiprocessing.util.spawnv_passfds",
    "distutils.file_util.write_file",
    "ensurepip._run_pip",
    "asyncio.create_subprocess_shell",
    "idlelib.calltip.get_entity",
    "runpy.run_path",
    "runpy.run_module",
    "site.addpackage",
    "py_compile.compile",
    "venv.create",
    "test.support.script_helper.assert_python_ok",
    "sysconfig._parse_makefile",
    "logging.config.dictConfig",
    "codeop.compile_command",
    "types.CodeType",
    "gc.get_objects",
    "inspect.currentframe",
    "sys.exit",
    "os._exit",
    "os.kill",
    "os.remove",
    "os.rename",
    "os.putenv",
    "os.posix_spawn",
    "os.execv",
    "shutil.rmtree",
    "_posixsubprocess.fork_exec",
    "ctypes.PyDLL",
    "ctypes.util.find_library",
    "urllib.request.urlopen",
    "socket.create_connection",
    "ftplib.FTP",
    "smtplib.SMTP",
    "webbrowser.open",
    "linecache.getlines",
    "fileinput.input",
    "shelve.open",
    "dbm.dumb.open",
    "mailbox.mbox",
    "tempfile.NamedTemporaryFile",
    "atexit.register",
    "functools.singledispatch",
    "copyreg.add_extension",
    "copyreg.pickle",
    "dataclasses.make_dataclass",
    "importlib.machinery.ExtensionFileLoader",
    "pandas.core.computation.eval.eval",
    "pandas.io.common.get_handle",
    "pandas.io.parsers.readers.read_csv",
    "sympy.core.sympify.sympify",
    "numexpr.necompiler.evaluate",
    "numpy.fromfile",
    "numpy.genfromtxt",
    "numpy.apply_along_axis",
    "numpy.fromfunction",
    "numpy.distutils.exec_command.exec_command",
    "numpy.f2py.compile",
    "numpy.ctypeslib.load_library",
    "numpy.DataSource",
    "scipy.io.loadmat",
    "scipy.optimize._optimize.brute",
    "sklearn.datasets._base.load_files",
    "sklearn.datasets._openml.fetch_openml",
    "joblib.memory.Memory",
    "joblib.parallel.eval_expr",
    "joblib.externals.loky.backend.fork_exec.fork_exec",
    "torch.hub.load",
    "torch.serialization.load",
    "torch.jit._serialization.load",
    "torch.package.package_importer.PackageImporter",
    "torch.utils.collect_env.run",
    "torch.utils.cpp_extension.load_inline",
    "torch.utils._config_module.load_config",
    "torch._inductor.codecache.PyCodeCache.load",
    "keras.utils.get_file",
    "tensorflow.python.saved_model.load.load",
    "mlflow.pyfunc.load_model",
    "dill.loads",
    "cloudpickle.cloudpickle._make_function",
    "yaml.unsafe_load",
    "setuptools.sandbox.run_setup",
    "pip._internal.cli.main.main",
    "IPython.utils.process.system",
    "pexpect.run",
    "invoke.run",
    "psutil.Popen",
    "gunicorn.util.import_app",
]

_FOLLOWED = {
    "attrgetter over two modules": call(
        call(call(name("operator.attrgetter"), text("os.system")), name("logging.Logger")),
        text("x"),
    ),
    "items of a module's namespace": call(
        call(call(name("operator.itemgetter"), text("system")), name("builtins.vars")), text("x")
    ),
    "globals of a method": call(
        name("builtins.getattr"),
        call(name("builtins.getattr"), name("logging.Logger"), text("__init__")),
        text("__globals__"),
    ),
    "a timer": method(call(name("threading.Timer"), b"K\x00", name("os.system")), "start"),
    "a pool": method(
        call(name("concurrent.futures.thread.ThreadPoolExecutor")), "submit", name("os.system")
    ),
    "a stack of exits": method(
        call(name("contextlib.ExitStack")), "callback", name("os.system"), text("x")
    ),
    "an annotation that is evaluated": method(
        call(name("typing.ForwardRef"), text("__import__('os').system('x')")), "_evaluate"
    ),
    "a filter that a tuple drains": call(
        name("builtins.tuple"), call(name("builtins.filter"), name("os.system"), array(text("x")))
    ),
    "an iterator until a sentinel": call(
        name("builtins.list"),
        call(name("builtins.iter"), call(name("functools.partial"), name("os.system")), b"K\x00"),
    ),
    "a vectorized function": call(
        call(name("numpy.vectorize"), name("os.system")), array(text("x"))
    ),
    "a function transformer that is applied": method(
        call(
            name("sklearn.preprocessing._function_transformer.FunctionTransformer"),
            name("os.system"),
        ),
        "transform",
        text("x"),
    ),
    "a batch of joblib": call(
        call(name("joblib.parallel.BatchedCalls"), array(name("os.system")), b"N")
    ),
    "a dotted import of torch": call(
        call(name("torch._utils._import_dotted_name"), text("os.system")), text("x")
    ),
    "a subclass rebuilt by another function": call(
        name("torch._tensor._rebuild_from_type_v2"),
        name("os.system"),
        name("builtins.str"),
        b"(" + text("x") + b"t",
        b"N",
    ),
    "the environment filled": name("os.environ") + b"(" + text("PATH") + text("/x") + b"u",
    "the search path extended": name("sys.path") + b"(" + text("/x") + b"e",
    "the modules replaced": name("sys.modules") + b"(" + text("json") + b"Nu",
    "source as bytes": call(name("builtins.exec"), blob(b"pass")),
    "names in overwritten slots": text("math")
    + b"q\x00"
    + text("os")
    + b"q\x0000h\x00"
    + text("system")
    + b"\x93("
    + text("x")
    + b"tR",
    "names in far slots": text("os")
    + b"r\xff\xff\x00\x000j\xff\xff\x00\x00"
    + text("system")
    + b"\x93("
    + text("x")
    + b"tR",
    "a mark that is popped": b"(" + text("x") + b"1" + call(name("os.system"), text("x")),
    "a frame that ends inside": b"\x95\x02" + bytes(7) + b"N0" + call(name("os.system"), text("x")),
    "a pickle in a bytearray": call(
        name("pickle.loads"), b"\x96\x0d" + bytes(7) + b"cos\nsystem\n)R."
    ),
}


def state(folder: Path, data: bytes) -> ModelState:
    path = folder / "model.pkl"
    path.write_bytes(data)
    return scan_model(path).state


@pytest.mark.parametrize("path", _CALLED)
def test_a_call_that_no_honest_model_makes_is_dangerous(path: str, tmp_path: Path) -> None:
    found = state(tmp_path, whole(call(name(path), text("/tmp/x"))))
    assert found in {ModelState.DANGEROUS, ModelState.MALFORMED}


@pytest.mark.parametrize("way", _FOLLOWED)
def test_the_way_to_a_call_is_followed(way: str, tmp_path: Path) -> None:
    assert state(tmp_path, whole(_FOLLOWED[way])) is ModelState.DANGEROUS
