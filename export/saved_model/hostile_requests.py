"""Requests that no client should send, and that a server must survive."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np


class Hostile(NamedTuple):
    """A request that is not what a signature asks for.

    Attributes:
        what: is wrong with it.
        signature: to which it is sent.
        inputs: by name.
    """

    what: str
    signature: str
    inputs: dict[str, np.ndarray]


def hostile_requests(
    signature: str, valid: Mapping[str, np.ndarray]
) -> Iterator[Hostile]:
    """Yields requests that are each wrong in one way.

    Args:
        signature: its name.
        valid: a request to it that is right.
    """

    def changed(what: str, name: str, value: np.ndarray) -> Hostile:
        return Hostile(f"{name}: {what}", signature, {**valid, name: value})

    yield Hostile(
        "an empty batch", signature, {name: v[:0] for name, v in valid.items()}
    )
    yield Hostile("no inputs", signature, {})
    for name, value in valid.items():
        yield changed("NaN", name, np.full(value.shape, np.nan, np.float32))
        yield changed("one dimension more", name, value[np.newaxis])
        yield changed("one row more than the others", name, np.repeat(value, 2, 0))
        if value.dtype.kind == "O":
            texts = {
                "invalid UTF-8": b"\xff\xfe\xc3",
                "NUL": b"\x00",
                "empty": b"",
                "a word of 1 MB": b"a" * 10**6,
                "1 MB of words": b"ab " * (10**6 // 3),
            }
            yield changed("numbers", name, np.ones(value.shape, np.int32))
            for what, text in texts.items():
                yield changed(what, name, np.full(value.shape, text, object))
        else:
            limits = np.iinfo(np.int32)
            for number in (-1, limits.min, limits.max):
                wrong = value.copy()
                wrong.flat[-1] = number
                yield changed(f"a value of {number}", name, wrong)
            yield changed("int64", name, value.astype(np.int64))
            yield changed("text", name, np.full(value.shape, "1", object))
            if value.ndim > 1:
                yield changed("no tokens", name, value[:, :0])
