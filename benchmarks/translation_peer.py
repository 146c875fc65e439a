"""The peer of `benchmarks.translation`: Hugging Face's EncoderDecoderModel, in PyTorch.

A process of its own; the work is given as JSON. Ours are the tokens, the schedule and
the scores.
"""

import csv
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from bert_tf.config import SIZES, OptimizerConfig
from bert_tf.metrics.generation import translation_metrics
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.training import schedules

_IGNORED = -100
_SMOOTHING = 0.1
# Batches among which pairs of like length come together.
_BUCKET = 50
_INTERVAL = 20

Pair = tuple[list[int], list[int]]


def make_model(size: str, vocab_size: int) -> Any:
    """Returns an encoder and a decoder of a released size, at random."""
    shape = SIZES[size]
    values: dict[str, Any] = {
        "vocab_size": vocab_size,
        "hidden_size": shape.hidden_size,
        "num_hidden_layers": shape.num_hidden_layers,
        "num_attention_heads": shape.num_attention_heads,
        "intermediate_size": shape.intermediate_size,
        "max_position_embeddings": shape.max_position_embeddings,
    }
    decoder = transformers.BertConfig(
        **values, is_decoder=True, add_cross_attention=True
    )
    model = transformers.EncoderDecoderModel(
        encoder=transformers.BertModel(
            transformers.BertConfig(**values), add_pooling_layer=False
        ),
        decoder=transformers.BertLMHeadModel(decoder),
    )
    return model


def read_pairs(
    path: str, vocabulary: Vocabulary, length: int
) -> tuple[list[Pair], Any]:
    """Returns the ids of both sides of all pairs, and the targets as text."""
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows = [row for row in reader if len(row) == 2][1:]
    tokenizer = BertTokenizer(vocabulary)
    sides = []
    for column in (0, 1):
        pieces = tokenizer.tokenize([row[column] for row in rows]).to_list()
        sides.append(
            [
                [vocabulary.cls_id, *ids[: length - 2], vocabulary.sep_id]
                for ids in pieces
            ]
        )
    return list(zip(*sides, strict=True)), [row[1] for row in rows]


def batches(pairs: Sequence[Pair], size: int, seed: int) -> Iterator[list[Pair]]:
    """Yields batches of pairs of like length, in another order each time round."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(pairs))
        for start in range(0, len(order), size * _BUCKET):
            bucket = order[start : start + size * _BUCKET].tolist()
            bucket.sort(key=lambda i: sum(map(len, pairs[i])))
            firsts = rng.permutation(range(0, len(bucket) - size + 1, size))
            for first in firsts.tolist():
                yield [pairs[i] for i in bucket[first : first + size]]


def padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """Returns rows of one length."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def loss_of(model: Any, pairs: Sequence[Pair], smoothing: float) -> torch.Tensor:
    """Returns the mean loss of a token."""
    text = padded([pair[0] for pair in pairs], 0)
    logits = model(
        input_ids=text,
        attention_mask=(text > 0).long(),
        decoder_input_ids=padded([pair[1][:-1] for pair in pairs], 0),
        use_cache=False,
    ).logits
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1),
        padded([pair[1][1:] for pair in pairs], _IGNORED).flatten(),
        ignore_index=_IGNORED,
        label_smoothing=smoothing,
    )


def train(model: Any, pairs: Sequence[Pair], work: dict[str, Any]) -> dict[str, float]:
    """Trains; returns the rate and the time it took."""
    recipe = OptimizerConfig(
        learning_rate=work["learning_rate"],
        warmup_steps=0,
        warmup_ratio=0.05,
        beta_2=0.98,
    )
    groups: dict[bool, list[Any]] = {True: [], False: []}
    for parameter in model.parameters():
        groups[parameter.ndim > 1].append(parameter)
    optimizer = torch.optim.AdamW(
        [
            {"params": groups[True], "weight_decay": recipe.weight_decay_rate},
            {"params": groups[False], "weight_decay": 0.0},
        ],
        betas=(recipe.beta_1, recipe.beta_2),
        eps=recipe.epsilon,
    )
    steps, size = work["steps"], work["batch_size"]
    model.train()
    rates, start = [], time.perf_counter()
    before, source = start, batches(pairs, size, seed=0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = schedules.learning_rate(recipe, step, steps)
        loss = loss_of(model, next(source), _SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
        optimizer.step()
        if (step + 1) % _INTERVAL == 0:
            now = time.perf_counter()
            rates.append(_INTERVAL * size / (now - before))
            before = now
            print(f"step {step + 1}: loss {loss.item():.3f}", file=sys.stderr)
    return {
        "pairs/s": float(np.median(rates[len(rates) // 2 :])) if rates else 0.0,
        "seconds": time.perf_counter() - start,
    }


def translate(model: Any, pairs: Sequence[Pair], work: dict[str, Any]) -> list[Any]:
    """Returns the ids of a translation of each text."""
    found = []
    for start in range(0, len(pairs), 16):
        text = padded([pair[0] for pair in pairs[start : start + 16]], 0)
        found += model.generate(
            input_ids=text,
            attention_mask=(text > 0).long(),
            decoder_start_token_id=pairs[0][1][0],
            bos_token_id=None,
            eos_token_id=pairs[0][1][-1],
            pad_token_id=0,
            do_sample=False,
            num_beams=1,
            max_new_tokens=work["length"] - 1,
        ).tolist()
    return found


def main(work: dict[str, Any]) -> None:
    """Trains, translates, scores, and writes what came of it."""
    vocabulary = Vocabulary.load(work["vocabulary"])
    assert vocabulary.pad_id == 0
    pairs, _ = read_pairs(work["train"], vocabulary, work["length"])
    test, references = read_pairs(work["test"], vocabulary, work["length"])
    torch.manual_seed(0)
    model = make_model(work["size"], len(vocabulary.entries))
    rates = train(model, pairs, work)
    model.eval()
    with torch.inference_mode():
        parts = [test[i : i + 16] for i in range(0, len(test), 16)]
        losses = [
            (loss_of(model, part, 0.0).item(), sum(len(p[1]) - 1 for p in part))
            for part in parts
        ]
        ids = translate(model, test, work)
    tokenizer = BertTokenizer(vocabulary)
    written = [tokenizer.written_text(row) for row in ids]
    lower_case = vocabulary.config.do_lower_case
    scores = translation_metrics(written, references, lower_case=lower_case).values
    weights = sum(weight for _, weight in losses)
    results = {
        "chrF": scores["chrf"],
        "BLEU": scores["bleu"],
        "test loss": sum(loss * weight for loss, weight in losses) / weights,
        **rates,
    }
    Path(work["output"]).write_text(json.dumps(results))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
