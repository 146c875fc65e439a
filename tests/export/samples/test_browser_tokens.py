"""The browser sample's tokenizer, words and windows, in Node, beside Python's."""

import json
import shutil
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from bert_tf.text.normalization import normalize_character
from bert_tf.text.pieces import tokenize_texts
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.text.windows import Windows
from bert_tf.text.words import split_words

ROOT = Path(__file__).parents[3]
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(not NODE, reason="node is not on PATH")

ODD = [
    "",
    " \t\n",
    "Naïve  façade,\tStraße\u00a0Łódź İİx ΟΔΟΣ ẞß Å",
    "e\u0301 a\u0308\u0323b combining; \u0301lonely x\u0301",
    "한국어 문장입니다. 각각",
    "北京\u0301是，「很大」！ 東京ﾃﾚﾋﾞ①②",
    "👩‍👩‍👧‍👦 family 🇩🇪 👍🏽 ☃️ 😀",
    "zero\u200bwidth\u200b soft\u00adhyphen\u00ad bell\x07 a\u200b\u0301b",
    "nul\0 \ufffd repl\ufffd",
    "কোথায় ொ हिन्दी में 𑄮 ﬁ ½ Ⅷ",
    "a\u2028b\x85c\x1cd",
    "EU's and James' well-known AT&T. The U.S. and J. Smith cost $3.50 `x` ^^ ~",
    "a" * 800 + " " + "a" * 801 + " " + "é" * 401,
    "[MASK] ##s [CLS]",
]
CASES = [
    TokenizerConfig(do_lower_case=True),
    TokenizerConfig(do_lower_case=False),
    TokenizerConfig(do_lower_case=True, strip_accents=False),
    TokenizerConfig(do_lower_case=False, strip_accents=True),
]


def multilingual():
    """Twenty languages' declarations of human rights, a line a text."""
    files = sorted((ROOT / "tests/data/udhr").glob("*.txt"))
    assert len(files) >= 20
    return [
        line
        for file in files
        for line in file.read_text(encoding="utf-8").splitlines()[:12]
    ]


def vocabulary_of(texts, config):
    """Characters, pairs and short words of texts, but for every seventh."""
    words = [
        word
        for text in texts
        for word in "".join(
            normalize_character(c, config.do_lower_case, config.strips_accents)
            for c in text
        ).split()
    ]
    parts = {
        word[i : i + n] for word in words for n in (1, 2) for i in range(len(word))
    }
    parts |= {word for word in words if len(word) < 8}
    known = [part for n, part in enumerate(sorted(parts)) if n % 7]
    known = [part for part in known if part.strip() and part != "##"]
    entries = [*SPECIAL_TOKENS, *known, *("##" + part for part in known)]
    return Vocabulary.from_entries(list(dict.fromkeys(entries)), config)


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
    """All that both assign: where Unicode's version is newer, more are letters."""
    assigned = [
        chr(code)
        for code in range(0x110000)
        if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs")
        and not 0x3400 < code < 0xF900
        and not 0x20000 < code < 0x2F800
        and not 0x17000 < code < 0x18D00
        and code != 0x1171E  # A vowel sign of Ahom's: Unicode 16 made it spacing.
    ]
    # Each between letters that are known, so that the word's pieces tell.
    texts = [" ".join(f"e{c}e" for c in assigned[i::999]) for i in range(999)]
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
