"""Real servers for tests: started on this machine alone, stopped and removed afterwards."""

import contextlib
import http.client
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from hauberk.integrations.s3 import Bucket, Credentials

IN_CI = bool(os.environ.get("CI"))


def absent(what):
    """Skip a test whose server is not installed; in CI it must be."""
    if IN_CI:
        pytest.fail(f"{what} is not installed")
    pytest.skip(f"{what} is not installed")


def program(name):
    """A program of PostgreSQL, where Debian or the path has it."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(versions[-1]) if versions else shutil.which(name)


class PostgresServer:
    """A server with a data folder of its own, reached through a socket in it."""

    def __init__(self):
        if program("initdb") is None:
            absent("PostgreSQL")
        self.folder = Path(tempfile.mkdtemp(prefix="hauberk-pg-", dir="/tmp"))
        self.user = None
        if os.geteuid() == 0:  # the server refuses to run as root
            self.user = "postgres" if _is_user("postgres") else "nobody"
            shutil.chown(self.folder, self.user)
        self.folder.chmod(0o711)
        self.data = self.folder / "data"
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", "owner", "-N", "-E", "UTF8")
        self.start()
        self._count = 0

    def start(self):
        settings = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=60"
        log = self.folder / "log"
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "90", "-o", settings, "-l", log, "start")

    def stop(self, mode="immediate"):
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "90", "-m", mode, "stop")

    def close(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, name, *args):
        subprocess.run(
            [program(name), *map(str, args)],
            check=True,
            cwd="/",
            user=self.user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=120,
        )

    @property
    def address(self):
        return f"postgresql://owner@/postgres?host={self.folder}"

    def schema(self):
        """A name that no test used yet."""
        self._count += 1
        return f"s{self._count}"


class RedisServer:
    """A server that keeps nothing on disk, reached through a socket in a folder of its own."""

    def __init__(self):
        program_ = shutil.which("redis-server") or shutil.which("valkey-server")
        if program_ is None:
            absent("redis-server")
        self.folder = Path(tempfile.mkdtemp(prefix="hauberk-redis-", dir="/tmp"))
        self.socket = self.folder / "s"
        options = f"--port 0 --unixsocket {self.socket} --dir {self.folder} --appendonly no"
        self._command = [program_, *options.split(), "--save", ""]
        self.start()

    def start(self):
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=self.folder
        )
        wait_until(self._answers)

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(5)
            try:
                talk.connect(str(self.socket))
                talk.sendall(b"PING\r\n")
                return talk.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def kill(self):
        self._process.kill()
        self._process.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def address(self):
        return f"unix://{self.socket}"


def _is_user(name):
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def wait_until(check, *, seconds=60):
    """Wait until ``check()`` holds."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            pytest.fail("the server did not come up")
        time.sleep(0.1)


ACCESS = {"AWS_ACCESS_KEY_ID": "owner", "AWS_SECRET_ACCESS_KEY": "owner-secret-key"}
WEED = Path(__file__).parents[2] / ".venv-integrations/seaweedfs/bin/weed"


class S3Server:
    """A server that speaks S3, with a folder of its own, on this machine's loopback."""

    def __init__(self, *, extra=()):
        weed = str(WEED) if WEED.exists() else shutil.which("weed")
        if weed is None:
            absent("seaweedfs")
        self.folder = Path(tempfile.mkdtemp(prefix="hauberk-s3-", dir="/tmp"))
        self.config = self.folder / "s3.json"
        self.config.write_text(
            json.dumps(
                {
                    "identities": [
                        {
                            "name": "owner",
                            "credentials": [
                                {
                                    "accessKey": ACCESS["AWS_ACCESS_KEY_ID"],
                                    "secretKey": ACCESS["AWS_SECRET_ACCESS_KEY"],
                                }
                            ],
                            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                        }
                    ]
                }
            )
        )
        ports = free_ports(8)
        self.endpoint = f"http://127.0.0.1:{ports[0]}"
        names = "s3.port s3.port.grpc master.port master.port.grpc volume.port volume.port.grpc filer.port filer.port.grpc"
        flags = [f"-{name}={port}" for name, port in zip(names.split(), ports, strict=True)]
        fixed = "-ip=127.0.0.1 -ip.bind=127.0.0.1 -s3 -s3.port.iceberg=0 -s3.port.lance=0 -s3.autoCreateBucket=false"
        (self.folder / "data").mkdir()
        self._log = (self.folder / "log").open("wb")
        self._command = [
            *(weed, "server", f"-dir={self.folder / 'data'}", *fixed.split()),
            *(f"-s3.config={self.config}", "-master.telemetry=false", "-volume.max=60"),
            *("-master.volumeSizeLimitMB=64", f"-filer.localSocket={self.folder / 'f.sock'}"),
            *(f"-s3.localSocket={self.folder / 's.sock'}", *flags, *extra),
        ]
        self.start()
        self._count = 0

    def start(self):
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=self.folder,
            env={**os.environ, "WEED_S3_SSE_KEK": "5a" * 32},
        )
        wait_until(self._answers)

    def _answers(self):
        if self._process.poll() is not None:
            pytest.fail(f"the server ended: {(self.folder / 'log').read_text()[-2000:]}")
        connection = http.client.HTTPConnection(self.endpoint.removeprefix("http://"), timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status < 500
        except OSError:
            return False
        finally:
            connection.close()

    def kill(self):
        self._process.kill()
        self._process.wait()

    def close(self):
        self.kill()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def bucket(self):
        """A new, empty bucket."""
        self._count += 1
        name = f"bucket-{self._count}"
        signed(self.endpoint, "PUT", f"/{name}")
        return name


def free_ports(count):
    """Ports that nobody listens at now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def signed(endpoint, method, path, *, query="", body=b"", headers=None):
    """A request of the owner of the server; the answer, which must be good."""
    owner = Credentials(
        access_key=ACCESS["AWS_ACCESS_KEY_ID"], secret_key=ACCESS["AWS_SECRET_ACCESS_KEY"]
    )
    bucket = Bucket(name=path.split("/")[1], endpoint=endpoint)
    answer = bucket.ask(method, path, query=query, body=body, signer=owner, headers=headers)
    assert answer.is_ok, answer
    return answer
