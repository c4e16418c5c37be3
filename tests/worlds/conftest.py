import secrets

import pytest

from hauberk.trust.backends import Backends


@pytest.fixture
def s3_backends(s3):
    """An empty prefix for blobs and pointers."""
    prefix = secrets.token_hex(8)
    return Backends(blobs=f"s3://{s3.shared}/{prefix}", pointers="blobs", endpoint=s3.endpoint)
