"""The Android sample's tokenizer, compiled and run, beside Python's."""

import base64
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sample_texts import CASES, ODD, ROOT, every_character, multilingual, vocabulary_of

from bert_tf.text.pieces import tokenize_texts
from bert_tf.text.tokenization import BertTokenizer

TOKENIZER = "export/samples/android/app/src/main/java/org/example/bert/Tokenizer.kt"
COMPILER = "kotlin-compiler@2.4.20"
NPM, JAVA = map(shutil.which, ("npm", "java"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (NPM and JAVA), reason="npm and java are not on PATH"),
]


class Kotlin:
    def __init__(self, jar):
        self.process = subprocess.Popen(
            [JAVA, "-Dfile.encoding=UTF-8", "-jar", str(jar)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, *words):
        line = " ".join(base64.b64encode(word.encode()).decode() for word in words)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return [int(number) for number in self.process.stdout.readline().split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def kotlin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kotlin")
    install = [NPM, "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
    done = subprocess.run([*install, COMPILER], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm cannot install Kotlin's compiler: {done.stderr[-300:]}")
    jar = folder / "tokens.jar"
    sources = [
        ROOT / TOKENIZER,
        Path(__file__).with_name("kotlin") / "Tokens.kt",
    ]
    compiler = folder / "node_modules/kotlin-compiler/bin/kotlinc"
    command = [compiler, "-Werror", *sources, "-include-runtime", "-d", jar]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kotlin = Kotlin(jar)
    yield kotlin
    kotlin.close()


@pytest.fixture(scope="module", params=CASES, ids=str)
def vocabulary(request, kotlin):
    vocabulary = vocabulary_of([*ODD, *multilingual()], request.param)
    config = vocabulary.config
    settings = f"{int(config.do_lower_case)}{int(config.strips_accents)}"
    kotlin.ask("vocabulary", settings, *vocabulary.entries)
    return vocabulary


def test_pieces_and_their_places(vocabulary, kotlin):
    # A Java of an older Unicode lacks some characters.
    unknown = {
        chr(code)
        for text in every_character()
        for code in kotlin.ask("unassigned", text)
    }
    characters = [
        " ".join(word for word in text.split(" ") if not unknown & set(word))
        for text in every_character()
    ]
    texts = [*ODD, *multilingual(), *characters]
    pieces = tokenize_texts(BertTokenizer(vocabulary), texts, with_offsets=True)
    differ = [
        text
        for index, text in enumerate(texts)
        if kotlin.ask("pieces", text)
        != np.stack([pieces[index], *pieces.offsets(index)]).T.ravel().tolist()
    ]
    assert differ == []


def test_packed(vocabulary, kotlin):
    tokenizer = BertTokenizer(vocabulary)
    texts = multilingual()
    for first, second in zip(texts[::7], texts[3::7], strict=False):
        for given in ([first], [first, second]):
            segments = [tokenizer.tokenize([text]) for text in given]
            inputs = tokenizer.pack(segments, 24)
            mask = inputs["input_mask"][0].numpy() == 1
            expected = [
                inputs[name][0].numpy()[mask].tolist()
                for name in ("input_ids", "segment_ids")
            ]
            assert kotlin.ask("packed", "24", *given) == expected[0] + expected[1]
