"""One TFLite file for examples of several lengths: a signature for each.

Of a file with fixed shapes every operation is known in advance, which is faster than
shapes that change from call to call; a short text in a short signature is faster yet.
"""

from collections.abc import Mapping, Sequence

from bert_tf.errors import InputError
from export.tflite import graph_file
from export.tflite.joining import JoinedFile


def check(more: Sequence[int], longest: int, mediapipe: bool) -> None:
    """Checks lengths that a file is to take besides its longest.

    Raises:
        InputError: one that it cannot take, or takes already.
    """
    if more and mediapipe:
        raise InputError(
            "--more_lengths: MediaPipe takes files with one signature. Leave out it or "
            "--mediapipe."
        )
    for length in more:
        if not 3 <= length < longest or more.count(length) > 1:
            raise InputError(
                "--more_lengths must be different lengths of at least 3 and less than "
                f"the longest, {longest} (--max_seq_length). Received: {length}"
            )


def join(longest: bytes, others: Mapping[int, bytes]) -> bytes:
    """Joins files of the same weights, each made for another length.

    Args:
        longest: the file whose signature keeps its name.
        others: length -> file, whose signature is then `tokens_64`, say.

    Returns:
        A file in which what is equal, the weights above all, stands once.
    """
    joined = JoinedFile(longest)
    for length, content in others.items():
        joined.add(f"tokens_{length}", *joined.adopt(content))
    return graph_file.write(joined.model)
