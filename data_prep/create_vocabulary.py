r"""Learns a WordPiece vocabulary from text.

Example:
    python -m data_prep.create_vocabulary \
        --input_file='texts/*.txt' --output_file=build/vocab.txt --vocab_size=30522

Reads files, folders and globs, comma separated: a sentence a line with blank lines
between documents, running prose (--input_format=prose), JSON Lines or Parquet; text
files also as .gz, .bz2, .xz and .zst. Writes the vocabulary, one entry a line, and
`tokenizer_config.json` beside it. The same text gives the same bytes.
"""

import collections
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from bert_tf.cli import jobs
from bert_tf.errors import InputError, validated
from bert_tf.storage import files

if TYPE_CHECKING:
    from bert_tf.text import vocabulary_fit
    from data_prep import vocabulary

# A share of characters, below which marks are strays.
_MANY_DROPPED_LETTERS = 0.01

_INPUT_FILE = flags.DEFINE_string(
    "input_file", None, "Text: files, folders or globs, comma separated."
)
_OUTPUT_FILE = flags.DEFINE_string("output_file", None, "The vocab.txt to write.")
_VOCAB_SIZE = flags.DEFINE_integer("vocab_size", 30522, "Most entries.")
_DO_LOWER_CASE = flags.DEFINE_bool("do_lower_case", True, "Lower-case the text.")
_STRIP_ACCENTS = flags.DEFINE_bool(
    "strip_accents", None, "Drop combining marks; as --do_lower_case if not given."
)
_COVERAGE = flags.DEFINE_float(
    "character_coverage",
    0.9999,
    "Share of the text's characters that get an entry; the rarest become [UNK].",
)
_INPUT_FORMAT = flags.DEFINE_string(
    "input_format",
    "auto",
    "sentences, prose, jsonl, parquet, or auto: by file name, sentences otherwise.",
)
_TEXT_FIELD = flags.DEFINE_string(
    "text_field", "text", "Field or column that holds the text."
)
_LANGUAGE = flags.DEFINE_string(
    "language", "en", "ISO 639 code for splitting prose into sentences."
)
_BAD_INPUT = flags.DEFINE_string(
    "bad_input",
    "error",
    "error: stop at what is no text; skip: leave it out and count it.",
)


def main(argv: Sequence[str]) -> None:
    """Reads the corpus, learns, writes, and says what came of it."""
    del argv
    from tqdm import tqdm

    from bert_tf.storage.input_files import find_input_files
    from bert_tf.text import vocabulary_fit
    from bert_tf.text.special_tokens import SPECIAL_TOKENS
    from bert_tf.text.tokenization import WordSplitter
    from bert_tf.text.tokenizer_config import TOKENIZER_CONFIG_NAME, TokenizerConfig
    from bert_tf.text.vocabulary import Vocabulary
    from data_prep import corpus, vocabulary
    from data_prep.input_report import InputReport

    vocabulary.check_parameters(_VOCAB_SIZE.value, _COVERAGE.value)
    options = validated(
        corpus.CorpusOptions(
            input_format=_INPUT_FORMAT.value,
            text_field=_TEXT_FIELD.value,
            language=_LANGUAGE.value,
            bad_input=_BAD_INPUT.value,
        ),
        "--",
    )
    input_file, output_file = _INPUT_FILE.value or "", Path(_OUTPUT_FILE.value or "")
    if output_file.is_dir():
        raise InputError(
            f"--output_file must name a file, for instance {output_file / 'vocab.txt'}."
        )
    files.check_local(output_file)
    output_file.parent.mkdir(parents=True, exist_ok=True)
    inputs = find_input_files(input_file)
    config = TokenizerConfig(_DO_LOWER_CASE.value, _STRIP_ACCENTS.value)

    splitter = WordSplitter(config)
    report = InputReport()
    characters: vocabulary.CharacterCounts = collections.Counter()
    total = sum(file.num_bytes for file in inputs)
    with tqdm(total=total, unit="B", unit_scale=True, desc="Counting words") as bar:

        def sentences() -> Iterator[str]:
            for document in corpus.read_documents(inputs, options, report):
                yield from document
                bar.update(report.num_bytes - bar.n)
            bar.update(total - bar.n)

        words = vocabulary.count_words(sentences(), splitter, characters)
    if not words:
        raise InputError(f"{input_file}: the text holds no words.")
    room = _VOCAB_SIZE.value - len(SPECIAL_TOKENS)
    alphabet = vocabulary.choose_alphabet(words, splitter, _COVERAGE.value, room)
    print(f"Learning from {len(words):,} different words", file=sys.stderr)
    learned = Vocabulary.from_entries(
        vocabulary.train(words, alphabet, _VOCAB_SIZE.value), config
    )
    fit = vocabulary_fit.measure(learned, words)

    learned.save_file(output_file)
    for line in [*report.lines(), *_summary(len(learned), alphabet, fit)]:
        print(line)
    if config.strips_accents:
        _warn_of_dropped_letters(characters)
    print(f"Wrote {output_file} and {output_file.with_name(TOKENIZER_CONFIG_NAME)}")
    print(
        jobs.next_command(
            "data_prep.create_pretraining_data",
            input_file=input_file,
            vocab_file=output_file,
            output_dir="DIRECTORY",
        )
    )


def _summary(
    num_entries: int, alphabet: "vocabulary.Alphabet", fit: "vocabulary_fit.Fit"
) -> Iterator[str]:
    yield f"{num_entries:,} entries"
    if num_entries < _VOCAB_SIZE.value:
        yield (
            f"fewer than the {_VOCAB_SIZE.value:,} asked for: the text repeats no more "
            "pieces; more text gives more"
        )
    yield (
        f"{alphabet.num_characters:,} characters, {alphabet.coverage:.4%} of the text's"
    )
    if alphabet.dropped:
        rarest = " ".join(f"{char!r}" for char, _ in alphabet.dropped[:10])
        yield (
            f"{len(alphabet.dropped):,} rare characters left out, words with them are "
            f"[UNK]: {rarest}{' ...' if len(alphabet.dropped) > 10 else ''}"
        )
    yield (
        f"{fit.num_words:,} words: {fit.unknown_rate:.4%} become [UNK], with "
        f"{fit.unknown_character_rate:.4%} of the characters; the average is "
        f"{fit.pieces_per_word:.3f} pieces"
    )


def _warn_of_dropped_letters(characters: "vocabulary.CharacterCounts") -> None:
    from data_prep import vocabulary

    marks = vocabulary.letters_among_accents(characters)
    share = marks.total() / characters.total()
    if share >= _MANY_DROPPED_LETTERS:
        # A mark needs something to stand on.
        shown = " ".join(f"\u25cc{mark}" for mark, _ in marks.most_common(5))
        print(
            f"{share:.0%} of the text's characters are marks that spell it and are "
            f"dropped as accents ({shown}): --strip_accents=false keeps them"
        )


def cli() -> None:
    """Runs the job."""
    jobs.run(main, required=["input_file", "output_file"])


if __name__ == "__main__":
    cli()
