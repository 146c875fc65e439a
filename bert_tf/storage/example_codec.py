"""`tf.train.Example` messages to and from arrays, without TensorFlow.

Examples are encoded a batch at a time with NumPy, because filling protocol buffers
value by value costs more than everything else in data preparation together.

Wire format: an Example is a message whose field 1, Features, is a map from name to
Feature; a Feature holds a FloatList (field 2) or an Int64List (field 3) whose field 1
is packed. Source: `tensorflow/core/example/{example,feature}.proto` and
https://protobuf.dev/programming-guides/encoding.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bert_tf.errors import InputError

_FLOAT_LIST, _INT64_LIST = 2, 3
_DTYPES = {_FLOAT_LIST: "float32", _INT64_LIST: "int64"}
_CONTINUED = bytes(range(0x80, 0x100))
_FIXED64, _LENGTH_DELIMITED, _FIXED32, _VARINT = 1, 2, 5, 0


@dataclasses.dataclass(frozen=True)
class Feature:
    """One entry of an example.

    Attributes:
        dtype: `int64` or `float32`, the two number types of `tf.train.Example`.
        shape: its shape without the batch dimension.
    """

    dtype: str
    shape: tuple[int, ...]


def encode_examples(batch: Mapping[str, np.ndarray]) -> list[bytes]:
    """Serializes a batch as `tf.train.Example` messages.

    Args:
        batch: name -> `[batch, *shape]`, floating (written as float32) or
            non-negative integers (written as int64). Entries keep this order.

    Returns:
        One message an example; the same values always give the same bytes.

    Raises:
        InputError: a negative integer.
    """
    columns: list[list[bytes]] = []
    same_size: list[np.ndarray] = []  # Neighbors of this kind are cut up together.
    for name, values in batch.items():
        rows = np.ascontiguousarray(values).reshape(len(values), -1)
        if rows.dtype.kind == "f":
            encoded = rows.astype("<f4", copy=False).view(np.uint8)
            same_size += _with_header(name, _FLOAT_LIST, encoded)
        elif (high := _max_of(name, rows)) < 0x80:
            encoded = rows.astype(np.uint8)
            same_size += _with_header(name, _INT64_LIST, encoded)
        else:
            columns += [_cut(same_size)] if same_size else []
            columns += _varint_columns(name, rows, high)
            same_size = []
    columns += [_cut(same_size)] if same_size else []
    examples = map(b"".join, zip(*columns, strict=True))
    return [_delimited(1, example) for example in examples]


def decode_example(
    message: bytes, features: Mapping[str, Feature]
) -> dict[str, np.ndarray]:
    """Parses one `tf.train.Example`; see `decode_examples`.

    Returns:
        name -> array of the schema's dtype and shape, in the schema's order.
    """
    batch = decode_examples([message], features)
    return {name: values[0] for name, values in batch.items()}


def decode_examples(
    messages: Sequence[bytes], features: Mapping[str, Feature]
) -> dict[str, np.ndarray]:
    """Parses a batch of `tf.train.Example` messages, whoever wrote them.

    Args:
        messages: serialized examples. Features outside the schema are ignored.
        features: the schema.

    Returns:
        name -> `[batch, *shape]` of the schema's dtype, in the schema's order.

    Raises:
        InputError: not an Example, or a feature that is missing or of another type
            or length; the message names the feature.
    """
    packed: dict[str, list[bytes]] = {name: [] for name in features}
    for message in messages:
        try:
            found = dict(_parse_example(message))
        except (IndexError, KeyError, ValueError) as error:
            raise InputError(f"Not a tf.train.Example: {error}") from error
        for name, feature in features.items():
            if name not in found:
                raise InputError(f"Feature `{name}` is missing. Found: {sorted(found)}")
            dtype, content = found[name]
            size, num_values = int(np.prod(feature.shape)), _count(dtype, content)
            if dtype != feature.dtype or num_values != size:
                raise InputError(
                    f"Feature `{name}` must hold {size} values of {feature.dtype}. "
                    f"Received: {num_values} of {dtype}"
                )
            packed[name].append(content)
    return {
        name: _unpack(feature.dtype, b"".join(packed[name])).reshape(-1, *feature.shape)
        for name, feature in features.items()
    }


def _max_of(name: str, rows: np.ndarray) -> int:
    low, high = int(rows.min(initial=0)), int(rows.max(initial=0))
    if low < 0:
        raise InputError(f"Feature `{name}` must not be negative. Received: {low}")
    return high


def _with_header(name: str, field: int, encoded: np.ndarray) -> list[np.ndarray]:
    """Returns uint8 `[batch, header]` and `[batch, payload]` of a feature."""
    header = np.frombuffer(_entry_header(name, field, encoded.shape[1]), np.uint8)
    return [np.broadcast_to(header, (len(encoded), len(header))), encoded]


def _cut(parts: list[np.ndarray]) -> list[bytes]:
    """Joins uint8 `[batch, ...]` side by side and cuts out the rows."""
    joined = np.concatenate(parts, axis=1)
    data, width = joined.tobytes(), joined.shape[1]
    return [data[start : start + width] for start in range(0, len(data), width)]


def _varint_columns(name: str, rows: np.ndarray, high: int) -> list[list[bytes]]:
    """Returns headers and payloads of integers that take one or more bytes each.

    Args:
        name: of the feature.
        rows: integers `[batch, width]`, not negative.
        high: the largest.
    """
    num_bytes = -(-high.bit_length() // 7)
    # Lay every value out in `num_bytes` bytes, then drop those it does not need.
    laid_out = np.empty((*rows.shape, num_bytes), np.uint8)
    needed = np.empty(laid_out.shape, bool)
    needed[..., 0] = True
    rest = rows
    for index in range(num_bytes):
        low_bits = rest.astype(np.uint8) & 0x7F
        rest = rest >> 7
        more = rest != 0
        np.bitwise_or(low_bits, more.view(np.uint8) << 7, out=laid_out[..., index])
        if index + 1 < num_bytes:
            needed[..., index + 1] = more
    data = laid_out[needed].tobytes()
    ends = np.cumsum(needed.sum(axis=(1, 2)))
    starts = np.r_[0, ends[:-1]]
    headers = {
        size: _entry_header(name, _INT64_LIST, size)
        for size in np.unique(ends - starts).tolist()
    }
    bounds = list(zip(starts.tolist(), ends.tolist(), strict=True))
    return [
        [headers[end - start] for start, end in bounds],
        [data[start:end] for start, end in bounds],
    ]


def _entry_header(name: str, field: int, payload_size: int) -> bytes:
    """Returns what stands before a feature's packed values, outermost tag first."""
    values = _tag(1, _LENGTH_DELIMITED) + _varint(payload_size)
    feature = _tag(field, _LENGTH_DELIMITED) + _varint(len(values) + payload_size)
    key = _delimited(1, name.encode())
    value = _tag(2, _LENGTH_DELIMITED) + _varint(
        len(feature) + len(values) + payload_size
    )
    inner = key + value + feature + values
    return _tag(1, _LENGTH_DELIMITED) + _varint(len(inner) + payload_size) + inner


def _tag(field: int, wire_type: int) -> bytes:
    return bytes([field << 3 | wire_type])


def _delimited(field: int, content: bytes) -> bytes:
    return _tag(field, _LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _parse_example(message: bytes) -> Iterator[tuple[str, tuple[str, bytes]]]:
    """Yields each feature's name, type and packed values."""
    for _, features in _fields(message, only=1):
        for _, entry in _fields(features, only=1):
            parts = dict(_fields(entry))
            for field, values in _fields(parts.get(2, b"")):
                content = b"".join(part for _, part in _fields(values, only=1))
                yield parts[1].decode(), (_DTYPES.get(field, "bytes"), content)


def _count(dtype: str, content: bytes) -> int:
    """Returns how many numbers there are; of a cut-off one, nothing."""
    if dtype == "float32":
        return len(content) // 4
    # The last byte of a number is the one without the highest bit.
    return len(content.translate(None, delete=_CONTINUED))


def _unpack(dtype: str, content: bytes) -> np.ndarray:
    if dtype == "float32":
        return np.frombuffer(content, "<f4")
    data = np.frombuffer(content, np.uint8)
    last = data < 0x80
    if last.all():
        return data.astype(np.int64)
    ends = np.flatnonzero(last) + 1
    starts = np.r_[0, ends[:-1]]
    place = np.arange(len(data)) - np.repeat(starts, ends - starts)
    bits = (data & np.uint64(0x7F)) << (7 * place).astype(np.uint64)
    return np.add.reduceat(bits, starts).astype(np.int64)


def _fields(message: bytes, only: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Yields (field number, bytes) of a message; numbers as their own bytes."""
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        field, wire_type = key >> 3, key & 7
        start = position
        if wire_type == _LENGTH_DELIMITED:
            size, start = _read_varint(message, position)
            position = start + size
        elif wire_type == _VARINT:
            _, position = _read_varint(message, position)
        elif wire_type in (_FIXED32, _FIXED64):
            position += 4 if wire_type == _FIXED32 else 8
        else:
            raise InputError(f"unknown wire type {wire_type}")
        if position > len(message):
            raise InputError("it is cut off")
        if only in (None, field):
            yield field, message[start:position]


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
