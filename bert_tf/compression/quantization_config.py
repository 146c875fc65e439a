"""The configuration of quantization-aware training. Free of TensorFlow."""

import dataclasses
from typing import Self

from bert_tf.config import check
from bert_tf.errors import InputError

# Their output layer is the table of words, whose products int8 files compute otherwise.
_UNSUPPORTED = ("causal_lm", "sequence_to_sequence")


@dataclasses.dataclass
class QuantizationConfig:
    """Whether a run learns with the rounding of its int8 file, and how.

    Attributes:
        export: the quantization of `export.export_tflite` that is simulated, `int8`;
            empty for none.
        ema_decay: how much of an activation's range stays at a step; the rest comes
            from the step's examples.
        freeze_ratio: share of the steps after which ranges stay as they are.
    """

    export: str = ""
    ema_decay: float = 0.95
    freeze_ratio: float = 0.75

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        if self.export not in ("", "int8"):
            raise InputError(
                "`quantization.export` must be 'int8', or empty for none: the other "
                "formats have no ranges to learn (dynamic_int8 finds them anew for "
                f"each input). Received: {self.export!r}"
            )
        check(self, "ema_decay", 0 <= self.ema_decay < 1, "in [0, 1)")
        check(self, "freeze_ratio", 0 < self.freeze_ratio <= 1, "in (0, 1]")
        return self

    def check_run(self, task: str, precision: str) -> None:
        """Refuses runs that no int8 file can be simulated in.

        Args:
            task: name of what is learned.
            precision: what products are computed in.

        Raises:
            InputError: another precision than float32, or a task that writes.
        """
        if not self.export:
            return
        if precision != "float32":
            raise InputError(
                "`quantization` simulates int8 in float32, of which the other "
                "precisions would keep too little. Set --config.precision=float32. "
                f"Received: {precision!r}"
            )
        if task in _UNSUPPORTED:
            raise InputError(
                f"`quantization` cannot train {task!r}: its scores of words are "
                "products with the table of embeddings, whose inputs int8 files round "
                "anew for each text. Leave --config.quantization.export out."
            )
