"""The token that requests must bear."""

import os

from bert_tf.errors import InputError
from bert_tf.storage.files import read_bytes

_SHORTEST = 16


def read(path: str | os.PathLike[str]) -> bytes:
    """Returns a file's token.

    Raises:
        InputError: it holds none, or one that is guessed easily or fits no header.
    """
    token = read_bytes(path).strip()
    if len(token) < _SHORTEST or not all(0x21 <= byte <= 0x7E for byte in token):
        raise InputError(
            f"{path}: a token is at least {_SHORTEST} printable ASCII characters "
            f"without blanks. Received: {len(token)} bytes. `openssl rand -hex 32` "
            "makes one."
        )
    return token
