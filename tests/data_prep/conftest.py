"""A toy corpus in which every sentence names its document."""

import random

import pytest

NUM_DOCUMENTS = 60
WORDS = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("ale", "ino", "oru", "ung")]


@pytest.fixture(scope="session")
def write_corpus():
    """Writes a toy corpus: `write_corpus(path, num_documents) -> path`."""
    return _write_corpus


def _write_corpus(path, num_documents=NUM_DOCUMENTS, num_sentences=20):
    rng = random.Random(0)
    documents = []
    for index in range(num_documents):
        sentences = []
        for _ in range(num_sentences):
            words = rng.choices(WORDS, k=rng.randint(3, 15))
            # A plural is two pieces, and "é" is no entry of the vocabulary.
            words[0] += "s" * rng.randint(0, 1)
            words[1] = rng.choice([words[1], words[1], "é"])
            sentences.append(" ".join([f"doc{index}", *words, "."]))
        documents.append("\n".join(sentences))
    path.write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    return path


def write_vocabulary(directory):
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", ".", "##s"]
    entries += WORDS + [f"doc{index}" for index in range(NUM_DOCUMENTS)]
    directory.mkdir(exist_ok=True)
    (directory / "vocab.txt").write_text("\n".join(entries) + "\n")
    config = '{"do_lower_case": true, "strip_accents": false}'
    (directory / "tokenizer_config.json").write_text(config)
    return directory / "vocab.txt"


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory):
    return _write_corpus(tmp_path_factory.mktemp("corpus") / "text.txt")


@pytest.fixture(scope="session")
def vocab_file(tmp_path_factory):
    return write_vocabulary(tmp_path_factory.mktemp("vocabulary"))
