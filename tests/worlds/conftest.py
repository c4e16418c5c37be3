import secrets

import pytest
from tests.worlds.servers import ACCESS, S3Server

from hauberk.trust.backends import Backends


@pytest.fixture(scope="session")
def s3_server():
    server = S3Server()
    server.shared = server.bucket()
    yield server
    server.close()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """The server of S3, with its owner's credentials in the environment."""
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def s3_backends(s3):
    """An empty prefix for blobs and pointers."""
    prefix = secrets.token_hex(8)
    return Backends(blobs=f"s3://{s3.shared}/{prefix}", pointers="blobs", endpoint=s3.endpoint)
