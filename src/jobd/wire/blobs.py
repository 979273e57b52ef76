"""Blobs: bytes named by their hash, so that 10,000 jobs of one environment keep it once. Pure.

An environment is the concatenation of NAME=VALUE entries, each ended by a zero byte, sorted, as in /proc/PID/environ.
"""

# hashlib itself would load OpenSSL, which costs each client 3 ms of its start.
from _blake2 import blake2b

from jobd.errors import WireError
from jobd.wire.batch import Blob


def key_of(data: bytes) -> str:
    """The name of these bytes."""
    return blake2b(data, digest_size=16).hexdigest()


def blob_of(data: bytes) -> Blob:
    """These bytes with their name."""
    return Blob(key_of(data), data)


def checked(blob: Blob) -> Blob:
    """A blob from a peer, if its name is its own.

    Raises:
        WireError: it is not.
    """
    if key_of(blob.data) != blob.key:
        raise WireError(f"blob {blob.key[:40]!r}: not the hash of its bytes")
    return blob


def pack_environment(variables: dict[bytes, bytes]) -> bytes:
    """The bytes of an environment; the same for the same variables."""
    return b"".join(name + b"=" + variables[name] + b"\0" for name in sorted(variables))


def unpack_environment(data: bytes) -> dict[bytes, bytes]:
    """The variables of an environment; what has no `=` is dropped."""
    variables = {}
    for entry in data.split(b"\0"):
        name, sign, value = entry.partition(b"=")
        if sign and name:
            variables[name] = value
    return variables
