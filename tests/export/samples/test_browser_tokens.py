"""The browser sample's tokenizer, words and windows, in Node, beside Python's."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sample_texts import CASES, ODD, ROOT, every_character, multilingual, vocabulary_of

from bert_tf.text.pieces import tokenize_texts
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.text.windows import Windows
from bert_tf.text.words import split_words

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(not NODE, reason="node is not on PATH")


class Node:
    def __init__(self):
        script = Path(__file__).with_name("browser_tokens.mjs")
        self.process = subprocess.Popen(
            [NODE, str(script), str(ROOT / "export/samples/browser")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def ask(self, kind, value):
        self.process.stdin.write(json.dumps([kind, value]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def node():
    node = Node()
    yield node
    node.close()


@pytest.fixture(scope="module", params=CASES, ids=str)
def vocabulary(request, node):
    vocabulary = vocabulary_of([*ODD, *multilingual()], request.param)
    node.ask("description", description(vocabulary))
    return vocabulary


def description(vocabulary):
    config = vocabulary.config
    return {
        "vocabulary": list(vocabulary.entries),
        "tokenizer": {
            "do_lower_case": config.do_lower_case,
            "strip_accents": config.strips_accents,
            "max_bytes_per_word": 800,
        },
    }


def test_pieces_and_their_places(vocabulary, node):
    texts = [*ODD, *multilingual()]
    pieces = tokenize_texts(BertTokenizer(vocabulary), texts, with_offsets=True)
    unknown = 0
    for index, text in enumerate(texts):
        expected = [pieces[index], *pieces.offsets(index)]
        found = np.array(node.ask("pieces", text), int).reshape(-1, 3).T
        np.testing.assert_array_equal(found, expected, err_msg=repr(text))
        unknown += (pieces[index] == vocabulary.unk_id).sum()
    assert 0 < unknown < len(pieces.ids) / 4


def test_every_character_is_as_in_python(vocabulary, node):
    """That both know: where Unicode's version is newer, more are letters."""
    texts = every_character()
    pieces = tokenize_texts(BertTokenizer(vocabulary), texts, with_offsets=True)
    differ = []
    for index, text in enumerate(texts):
        expected = np.stack([pieces[index], *pieces.offsets(index)]).T
        if node.ask("pieces", text) != expected.tolist():
            differ.append(index)
    assert differ == []


def test_masks_pairs_and_windows(vocabulary, node):
    tokenizer = BertTokenizer(vocabulary)
    masked = "é[MASK]😀 [MASK][mask] x"
    expected = tokenizer.tokenize([masked], literal_mask=True)[0]
    assert node.ask("masked", masked) == expected.numpy().tolist()
    texts = multilingual()
    for first, second in zip(texts[::7], texts[3::7], strict=False):
        for given in ([first], [first, second]):
            segments = [tokenizer.tokenize([text]) for text in given]
            inputs = tokenizer.pack(segments, 24)
            found = node.ask("packed", {"texts": given, "length": 24})
            mask = inputs["input_mask"][0].numpy() == 1
            assert found["ids"] == inputs["input_ids"][0].numpy()[mask].tolist()
            assert (
                found["segmentIds"] == inputs["segment_ids"][0].numpy()[mask].tolist()
            )


@pytest.mark.parametrize("question", [None, "who are all human beings ?"])
def test_windows(vocabulary, node, question):
    tokenizer = BertTokenizer(vocabulary)
    texts = ["", *max(multilingual(), key=len).split(), max(multilingual(), key=len)]
    asked = None if question is None else [question] * len(texts)
    windows = Windows.build(
        tokenize_texts(tokenizer, texts),
        vocabulary,
        max_seq_length=40,
        doc_stride=9,
        max_query_length=8,
        questions=None if asked is None else tokenize_texts(tokenizer, asked),
    )
    for index, text in enumerate(texts):
        request = {"question": question, "context": text, "length": 40, "stride": 9}
        found = node.ask("windows", request)
        best = windows.is_max_context(index)
        assert len(found) == len(best)
        for row, number in enumerate(windows.of_example(index)):
            assert found[row] == {
                "start": windows.starts[number],
                "length": windows.lengths[number],
                "offset": windows.context_offsets[number],
                "ids": windows.ids(number).tolist(),
                "segmentIds": windows.segment_ids(number).tolist(),
                "best": best[row].tolist(),
            }
    assert len(found) > 3


def test_words(node):
    for text in [*ODD, *multilingual()]:
        assert node.ask("words", text) == [list(span) for span in split_words(text)]


def test_more_than_a_call_takes_arguments(node):
    count = 150_000
    assert len(node.ask("words", "北" * count)) == count
    entries = [*SPECIAL_TOKENS, *map(str, range(count))]
    vocabulary = Vocabulary.from_entries(entries, TokenizerConfig())
    node.ask("description", description(vocabulary))
    assert node.ask("pieces", f"0 {count - 1}") == [[5, 0, 1], [count + 4, 2, 8]]
