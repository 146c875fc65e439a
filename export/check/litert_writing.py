"""Greedy search with a TFLite file that writes, and what it writes beside Keras."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bert_tf.cli.quiet_tensorflow import held_back_stderr
from bert_tf.errors import InputError
from export.check.litert import litert_interpreter

Arrays = Mapping[str, np.ndarray]


class LiteRtWriter:
    """A TFLite file that writes, run as an application runs it.

    Its signatures are those of `export.tflite.text_writing`.

    Args:
        path: the file.
        num_threads: threads the interpreter may use.

    Raises:
        InputError: LiteRT is not installed, or the file does not write.
        FileNotFoundError: no such file.
    """

    def __init__(self, path: str | os.PathLike[str], num_threads: int = 2):
        interpreter = litert_interpreter()
        content = Path(path).read_bytes()
        with held_back_stderr():  # LiteRT greets at the first call.
            opened = interpreter(model_content=content, num_threads=num_threads)
        if "decode" not in opened.get_signature_list():
            raise InputError(
                f"{os.fspath(path)}: has no signature `decode`: it is not of a model "
                "that writes."
            )
        self._decode = opened.get_signature_runner("decode")
        self._encode = None
        if "encode" in opened.get_signature_list():
            self._encode = opened.get_signature_runner("encode")
        self._past = {
            name: np.zeros(details["shape"], details["dtype"])
            for name, details in self._decode.get_input_details().items()
            if name.startswith("past_")
        }

    @property
    def most_tokens(self) -> int:
        """How many tokens can be fed after each other."""
        return int(self._past["past_keys_0"].shape[2])

    def write(
        self, prompt: Sequence[int], end_id: int, text: Arrays | None = None
    ) -> list[int]:
        """Writes by the likeliest token of each step.

        Args:
            prompt: the tokens it begins with, one at least: [CLS].
            end_id: [SEP], which ends what is written.
            text: of an encoder-decoder, the inputs of `encode`, int32 `[1, length]`.

        Returns:
            The tokens after the prompt, the end among them if it came.
        """
        memory: dict[str, Any] = {}
        if self._encode is not None:
            memory = self._encode(**(text or {}))
        past, written = dict(self._past), list[int]()
        tokens = list(prompt)
        for position in range(self.most_tokens):
            outputs = self._decode(
                token_ids=np.array([[tokens[position]]], np.int32),
                position=np.array([position], np.int32),
                **memory,
                **past,
            )
            past = {name: outputs[name] for name in past}
            if position + 1 < len(tokens):
                continue
            tokens.append(int(outputs["logits"][0].argmax()))
            written.append(tokens[-1])
            if tokens[-1] == end_id:
                break
        return written


@dataclasses.dataclass(frozen=True)
class Written:
    """What a file writes of held-out texts.

    Attributes:
        name: of the file.
        same: how many texts are Keras' own, token by token.
        count: how many there are.
        metrics: of the texts.
    """

    name: str
    same: int
    count: int
    metrics: Mapping[str, float]


def table(results: Sequence[Written]) -> str:
    """Returns results as lines of text."""
    lines = []
    for each in results:
        metrics = ", ".join(
            f"{name} {value:.4g}" for name, value in each.metrics.items()
        )
        lines.append(f"{each.name}: {each.same} of {each.count} as Keras; {metrics}")
    return "\n".join(lines)
