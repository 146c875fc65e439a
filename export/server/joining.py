"""Which requests may be answered in one call, how they are joined and split again.

What a request is answered must not depend on its company. So inputs are joined only
where their shapes differ in the number of rows alone, and where an output is as wide as
the widest answer of the call (the fillings of as many [MASK]s as a text holds, its
entities), what was added to a request's rows is cut off again: by the convention of
`bert_tf.tasks`, entries whose strings are all empty.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from export.server.signature import Signature, Tensors


def key(signature: Signature, inputs: Tensors) -> Hashable:
    """Returns what requests that may be joined have in common, None for none.

    Args:
        signature: that the request is for.
        inputs: of the request.
    """
    rows = {array.shape[:1] for array in inputs.values()}
    if len(rows) != 1 or rows == {()} or not joinable(signature):
        return None
    shapes = tuple((name, array.shape[1:]) for name, array in sorted(inputs.items()))
    return signature.name, shapes


def joinable(signature: Signature) -> bool:
    """Tells whether a signature's requests may be joined at all.

    All that it takes and returns must have rows, any number of them. If inputs have
    other dimensions of any size, those of the outputs are taken to follow from them;
    if not, outputs that are of any width must say which entries are none.
    """
    specs = [*signature.inputs.values(), *signature.outputs.values()]
    if not all(spec.shape and spec.shape[0] is None for spec in specs):
        return False
    return not _follow_texts(signature) or (
        "string" in (signature.outputs[name].dtype for name in _wide(signature))
        and all(None not in (spec.shape or ())[2:] for spec in specs)
    )


def _follow_texts(signature: Signature) -> bool:
    """Tells whether outputs are as wide as what stands in the inputs."""
    fixed = all(
        None not in (spec.shape or ())[1:] for spec in signature.inputs.values()
    )
    return fixed and bool(_wide(signature))


def _wide(signature: Signature) -> list[str]:
    """Returns the outputs that have a dimension of any size besides the rows."""
    outputs = signature.outputs.items()
    return [name for name, spec in outputs if None in (spec.shape or ())[1:]]


def join(requests: Sequence[Tensors]) -> dict[str, np.ndarray]:
    """Returns the inputs of requests as those of one."""
    return {
        name: np.concatenate([inputs[name] for inputs in requests])
        for name in requests[0]
    }


def split(
    signature: Signature, outputs: Tensors, rows: Sequence[int]
) -> list[dict[str, np.ndarray]] | None:
    """Returns the answers of requests that were joined.

    Args:
        signature: that they were for.
        outputs: of the joined call.
        rows: of each request.

    Returns:
        What each would have been answered alone; None if that cannot be told, for an
        output does not have a row for each input row.
    """
    if any(array.shape[:1] != (sum(rows),) for array in outputs.values()):
        return None
    ends = np.cumsum(rows)
    answers = []
    for start, end in zip(ends - rows, ends, strict=True):
        answer = {name: array[start:end] for name, array in outputs.items()}
        if _follow_texts(signature):
            _trim(answer, _wide(signature))
        answers.append(answer)
    return answers


def _trim(answer: dict[str, np.ndarray], names: Sequence[str]) -> None:
    """Cuts off the entries that none of the rows has."""
    used = 0
    for name in names:
        if answer[name].dtype == object:
            places = np.nonzero(answer[name] != b"")[1]
            used = max(used, places.max(initial=-1) + 1)
    for name in names:
        answer[name] = answer[name][:, :used]
