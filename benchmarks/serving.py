r"""Exported models beside OpenVINO, ONNX Runtime and Hugging Face, on one processor.

Example:
    pip install 'bert-tf[bench]'
    python -m benchmarks.serving --output_file=serving.json

BERT-base's shape with random weights and a classifier over two labels, the same weights
in every framework. Each runs in a process of its own and they take turns; a figure is
the fastest of all turns, since what else the machine does only ever adds. `products
only` multiplies by the kernels and does nothing else: a bound for all of them.
"""

import gzip
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from tqdm import tqdm

from benchmarks import serving_backends
from bert_tf.cli import jobs
from bert_tf.errors import InputError

FRAMEWORKS = (
    "bert_tf float32",
    "openvino float32",
    "onnx_runtime float32",
    "hugging_face float32",
    "products only",
    "bert_tf bfloat16",
    "openvino bfloat16",
    "hugging_face bfloat16",
)
_REFERENCE = "hugging_face float32"
_CORPUS = Path(__file__).with_name("data") / "state_of_the_union.txt.gz"
_LENGTH = 128

_FRAMEWORKS = flags.DEFINE_list("frameworks", list(FRAMEWORKS), "What to measure.")
_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "8", "32"], "Of ids.")
_TURNS = flags.DEFINE_integer("turns", 5, "Turns of every framework.", lower_bound=1)
_NUM_THREADS = flags.DEFINE_integer("num_threads", 2, "Of each.", lower_bound=1)
_TEXT_FILE = flags.DEFINE_string(
    "text_file",
    None,
    "A text a line, such as reviews; by default sentences of the bundled corpus.",
)
_NUM_TEXTS = flags.DEFINE_integer(
    "num_texts", 32, "Texts of a request; 0 for none.", lower_bound=0
)
_LAYERS = flags.DEFINE_integer("num_hidden_layers", 12, "Of the model.")
_OUTPUT_FILE = flags.DEFINE_string("output_file", None, "A JSON file to write.")


def write_models(folder: Path, texts: Sequence[str], layers: int) -> int:
    """Writes the same weights as Hugging Face, ONNX and SavedModels.

    Returns:
        Entries of the vocabulary, which is made of the texts.
    """
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    from bert_tf.checkpoints import conversion
    from bert_tf.checkpoints.model_folder import load_model_folder
    from export.checkpoint import pretrained
    from export.saved_model import precision, saving

    trainer = BertWordPieceTokenizer()
    trainer.train_from_iterator(texts, vocab_size=8000, show_progress=False)
    target = folder / serving_backends.HUGGING_FACE
    target.mkdir()
    trainer.save_model(str(target))
    BertTokenizer(str(target / "vocab.txt"), model_max_length=_LENGTH).save_pretrained(
        target
    )
    torch.manual_seed(0)
    config = BertConfig(vocab_size=trainer.get_vocab_size(), num_hidden_layers=layers)
    config.num_labels = 2
    config._attn_implementation = "eager"
    model = BertForSequenceClassification(config).eval()
    # As training leaves none of them: a bias of zeros is optimized away, and with it
    # what fuses GELU into the product before it.
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=config.initializer_range)
    model.save_pretrained(target)
    names = ["input_ids", "input_mask", "segment_ids"]
    ids = torch.ones(2, 8, dtype=torch.int32)
    torch.onnx.export(
        model,
        (ids, ids, torch.zeros_like(ids)),
        str(folder / serving_backends.ONNX),
        input_names=names,
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "seq_length"} for name in names},
        dynamo=False,
    )
    conversion.save(conversion.load_any(target), folder / "native", "native")
    trained = pretrained.load(load_model_folder(folder / "native"), _LENGTH)
    for name in ("float32", "bfloat16"):
        saving.save(folder / name, precision.converted(trained, name))
    return config.vocab_size


class Process:
    """A framework in a process of its own."""

    def __init__(self, name: str, folder: Path, num_threads: int):
        self._name = name
        command = [sys.executable, "-m", "benchmarks.serving_backends"]
        self._process = subprocess.Popen(
            [*command, name, str(folder), str(num_threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def call(self, kind: str, inputs: Any, calls: int) -> tuple[Any, float]:
        """Returns outputs, and the seconds of the fastest call."""
        assert self._process.stdin and self._process.stdout
        pickle.dump((kind, inputs, calls), self._process.stdin)
        self._process.stdin.flush()
        try:
            return pickle.load(self._process.stdout)
        except EOFError as error:
            raise InputError(f"{self._name} ended without an answer.") from error

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()


def requests(
    batch_sizes: Sequence[int], texts: Sequence[str], vocab_size: int
) -> dict[str, tuple[str, Any]]:
    """Returns what is asked, by the name of the column."""
    rng = np.random.default_rng(0)
    asked: dict[str, tuple[str, Any]] = {}
    for size in batch_sizes:
        batch = {
            "input_ids": rng.integers(5, vocab_size, [size, _LENGTH]).astype(np.int32),
            "input_mask": np.ones([size, _LENGTH], np.int32),
            "segment_ids": np.zeros([size, _LENGTH], np.int32),
        }
        asked[f"{size} x {_LENGTH}"] = "ids", batch
    if texts:
        asked[f"{len(texts)} texts"] = "text", list(texts)
    return asked


def measure(
    folder: Path, asked: dict[str, tuple[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Returns each framework's milliseconds and distance from the reference."""
    found: dict[str, dict[str, Any]] = {name: {} for name in _FRAMEWORKS.value}
    processes = {
        name: Process(name, folder, _NUM_THREADS.value) for name in _FRAMEWORKS.value
    }
    outputs: dict[tuple[str, str], Any] = {}
    total = len(asked) * _TURNS.value * len(processes)
    with tqdm(total=total, desc="Measuring", unit="turn") as progress:
        for column, (kind, inputs) in asked.items():
            calls = 3 if column.startswith("1 ") else 1
            for turn in range(_TURNS.value):
                for name, process in processes.items():
                    if not turn:  # The first call of a shape prepares for it.
                        process.call(kind, inputs, 1)
                    answer, seconds = process.call(kind, inputs, calls)
                    outputs[name, column] = answer
                    progress.update()
                    if answer is not None:
                        best = found[name].get(column, {"ms": float("inf")})["ms"]
                        ms = min(best, 1000 * seconds)
                        found[name][column] = {"ms": ms}
    for process in processes.values():
        process.close()
    for (name, column), answer in outputs.items():
        expected = outputs.get((_REFERENCE, column))
        if answer is not None and answer.size and expected is not None:
            difference = float(np.abs(answer - expected).max())
            found[name][column]["max_abs_diff"] = difference
    return found


def table(found: dict[str, dict[str, Any]], columns: Sequence[str]) -> list[str]:
    """Returns the figures as Markdown: milliseconds, and ours divided by each."""
    lines = ["| framework | " + " | ".join(columns) + " | largest difference |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for name, by_column in found.items():
        ours = f"bert_tf {name.split(' ')[-1]}"
        cells = []
        for column in columns:
            cell = by_column.get(column)
            base = found.get(ours, found.get("bert_tf float32", {})).get(column)
            if cell is None:
                cells.append("")
            elif base is None or name == ours:
                cells.append(f"{cell['ms']:.1f}")
            else:
                cells.append(f"{cell['ms']:.1f} ({cell['ms'] / base['ms']:.2f}x)")
        differences = [c["max_abs_diff"] for c in by_column.values() if len(c) > 1]
        shown = f"{max(differences):.1e}" if differences else ""
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {shown} |")
    return lines


def main(argv: Sequence[str]) -> None:
    """Measures and prints a table."""
    from bert_tf.storage.json_files import write_json

    if _TEXT_FILE.value:
        corpus = Path(_TEXT_FILE.value).read_text().splitlines()
    else:
        with gzip.open(_CORPUS, "rt") as file:
            corpus = file.read().splitlines()
    if not _TEXT_FILE.value:
        corpus = [sentence for line in corpus for sentence in line.split(". ")]
    corpus = [line for line in corpus if line.strip()]
    drawn = np.random.default_rng(1).permutation(len(corpus))[: _NUM_TEXTS.value]
    with tempfile.TemporaryDirectory() as name:
        vocab_size = write_models(Path(name), corpus, _LAYERS.value)
        asked = requests(
            [int(size) for size in _BATCH_SIZES.value],
            [corpus[i] for i in drawn],
            vocab_size,
        )
        found = measure(Path(name), asked)
    print("\n".join(table(found, list(asked))))
    if _OUTPUT_FILE.value:
        write_json(Path(_OUTPUT_FILE.value), found)
        print(f"Wrote {_OUTPUT_FILE.value}")


if __name__ == "__main__":
    jobs.run(main)
