"""How weights are pruned while a model is fine-tuned. Free of TensorFlow."""

import dataclasses
from typing import Self

from bert_tf.errors import InputError, check

METHODS = ("", "magnitude", "movement", "soft_movement")
SCOPES = ("matrix", "global")


@dataclasses.dataclass
class PruningConfig:
    """Which weights of the encoder's kernels become zeros, and when.

    Embeddings, biases, LayerNorms and heads stay whole.

    Attributes:
        method: `magnitude` keeps the largest weights; `movement` those that training
            moves away from zero, by scores that are learned beside them;
            `soft_movement` those whose score is above a threshold, which a penalty on
            scores makes fewer; empty to prune nothing.
        final_sparsity: the share of zeros at the end, of `magnitude` and `movement`.
        scope: `matrix` for that share of each kernel, `global` for that of all
            together.
        block: rows and columns of the blocks that stay or go as a whole; each kernel
            must be a whole number of them.
        warmup_ratio: the share of the steps before the first zeros.
        cooldown_ratio: the share of the steps after the last ones; in between their
            number grows, by the cubic schedule.
        update_interval: steps between new choices of what stays.
        score_learning_rate: of soft movement's scores, at its peak, on the schedule of
            the optimizer's; hard movement looks at their order alone, which no rate
            changes.
        score_threshold: of soft movement, for the sigmoid of a score; it grows from 0
            by the cubic schedule.
        regularization: of soft movement, the weight of the mean of all sigmoids in the
            loss; it grows likewise.

    Source: Zhu and Gupta 2017 (arXiv:1710.01878), section 3; Sanh et al. 2020
    (arXiv:2005.07683), sections 4 and 5; blocks: Lagunas et al. 2021
    (arXiv:2109.04838), section 3.
    """

    method: str = ""
    final_sparsity: float = 0.0
    scope: str = "matrix"
    block: tuple[int, ...] = (1, 1)
    warmup_ratio: float = 0.1
    cooldown_ratio: float = 0.3
    update_interval: int = 10
    score_learning_rate: float = 1e-2
    score_threshold: float = 0.1
    regularization: float = 0.0

    @property
    def learns_scores(self) -> bool:
        """Whether the model has scores beside its weights."""
        return self.method.endswith("movement")

    @property
    def is_soft(self) -> bool:
        """Whether a threshold decides, and not a number of weights."""
        return self.method == "soft_movement"

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        check(self, "method", self.method in METHODS, f"one of {METHODS}")
        check(self, "scope", self.scope in SCOPES, f"one of {SCOPES}")
        check(self, "final_sparsity", 0 <= self.final_sparsity < 1, "in [0, 1)")
        self.block = tuple(self.block)
        fits = len(self.block) == 2 and min(self.block) >= 1
        check(self, "block", fits, "two numbers of at least 1, rows and columns")
        for name in ("warmup_ratio", "cooldown_ratio"):
            check(self, name, 0 <= getattr(self, name) < 1, "in [0, 1)")
        rest = 1 - self.warmup_ratio
        check(self, "cooldown_ratio", self.cooldown_ratio < rest, f"below {rest:g}")
        check(self, "update_interval", self.update_interval >= 1, "at least 1")
        rate = self.score_learning_rate
        check(self, "score_learning_rate", rate > 0, "positive")
        check(self, "score_threshold", 0 < self.score_threshold < 0.5, "in (0, 0.5)")
        check(self, "regularization", self.regularization >= 0, "at least 0")
        if self.is_soft != (self.regularization > 0):
            raise InputError(
                "`pruning.regularization` is what soft_movement has in place of a "
                "sparsity: set it for that method, to 100 for instance, and for no "
                f"other. Received: {self.regularization} and {self.method!r}"
            )
        takes_sparsity = self.method in ("magnitude", "movement")
        if takes_sparsity != (self.final_sparsity > 0):
            raise InputError(
                "`pruning.final_sparsity` must be above 0 for the methods magnitude "
                "and movement, and is nothing to others. Received: "
                f"{self.final_sparsity} and {self.method!r}"
            )
        return self
