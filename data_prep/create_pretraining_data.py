r"""Turns text into records to pretrain BERT on.

Reads text, tokenizes it, cuts it into pairs of segments, masks tokens and writes
TFRecord files with a description beside them. Memory does not grow with the text.
Run the same command again after an interruption: it goes on where it stopped. The
output is the same bytes for any number of workers.

Example:
    python -m data_prep.create_pretraining_data \
        --input_file='corpus/*.txt' --vocab_file=build/vocab/vocab.txt \
        --output_dir=build/data/train --eval_output_dir=build/data/eval \
        --max_seq_length=128 --max_predictions_per_seq=20

Text has one sentence a line and a blank line after each document; --input_format has
others. To write sequences of 128 and of 512 from text that is tokenized once, give both
runs the same --tokenized_dir.
"""

import dataclasses
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from bert_tf.cli import jobs
from bert_tf.data.dataset_info import OBJECTIVES, DataParameters
from bert_tf.errors import InputError, validated
from bert_tf.storage.input_files import InputFile, find_input_files
from bert_tf.storage.lines import COMPRESSIONS
from data_prep import corpus

if TYPE_CHECKING:
    from bert_tf.data.dataset import Dataset
    from bert_tf.text.vocabulary import Vocabulary

_DEFAULTS = DataParameters()
_MEBIBYTE = 1 << 20
_COMPRESSION = 3  # Of text, roughly.
_MANY_UNKNOWN_CHARACTERS = 0.001
# As many random pairs leave too few others to learn from; half is meant.
_MANY_RANDOM_PAIRS = 0.8
# What the summary says about input that is in no record, or changed.
_LEFT_OUT = {
    "num_empty_documents": "left out: empty documents",
    "num_documents_without_tokens": "left out: documents without tokens",
    "num_sentences_without_tokens": "left out: sentences without tokens",
    "num_split_documents": "very long documents, split",
}

_INPUT_FILE = flags.DEFINE_string(
    "input_file", None, "Text: files, folders or globs, comma separated."
)
_VOCAB_FILE = flags.DEFINE_string(
    "vocab_file",
    None,
    "The vocabulary: that of data_prep.create_vocabulary, with tokenizer_config.json "
    "beside it, or any vocab.txt of BERT's.",
)
_DO_LOWER_CASE = flags.DEFINE_bool(
    "do_lower_case",
    None,
    "Lower-case the text; default: as tokenizer_config.json says, or without such a "
    "file as the vocabulary's entries suggest.",
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Where the records go.")
_EVAL_OUTPUT_DIR = flags.DEFINE_string(
    "eval_output_dir",
    None,
    "Where records of held-out documents go: one pass, with static masks.",
)
_EVAL_FRACTION = flags.DEFINE_float(
    "eval_fraction",
    0.05,
    "Share of documents held out for --eval_output_dir, rounded to one in N.",
    lower_bound=0.0001,
    upper_bound=0.5,
)
_TOKENIZED_DIR = flags.DEFINE_string(
    "tokenized_dir",
    None,
    "Keeps the tokenized text here for other runs; default: in --output_dir until the "
    "end.",
)
_MAX_SEQ_LENGTH = flags.DEFINE_integer(
    "max_seq_length", _DEFAULTS.max_seq_length, "Tokens an example."
)
_MAX_PREDICTIONS_PER_SEQ = flags.DEFINE_integer(
    "max_predictions_per_seq",
    _DEFAULTS.max_predictions_per_seq,
    "Most masked tokens an example.",
)
_MASKED_LM_PROB = flags.DEFINE_float(
    "masked_lm_prob", _DEFAULTS.masked_lm_prob, "Share of tokens that are masked."
)
_SHORT_SEQ_PROB = flags.DEFINE_float(
    "short_seq_prob",
    _DEFAULTS.short_seq_prob,
    "Share of documents cut into examples of a random shorter length.",
)
_DUPE_FACTOR = flags.DEFINE_integer(
    "dupe_factor",
    _DEFAULTS.dupe_factor,
    "Passes over the text, each with other cuts, pairs and masks.",
)
_DO_WHOLE_WORD_MASK = flags.DEFINE_bool(
    "do_whole_word_mask", False, "Masks all pieces of a word together."
)
_MAX_NGRAM_SIZE = flags.DEFINE_integer(
    "max_ngram_size", 1, "Most whole words masked in one go; 1 for no spans."
)
_DYNAMIC_MASKING = flags.DEFINE_bool(
    "dynamic_masking",
    False,
    "Leaves masking to training, which draws new masks every time.",
)
_OBJECTIVE = flags.DEFINE_enum(
    "objective", _DEFAULTS.objective, OBJECTIVES, "What pairs of segments teach."
)
_RANDOM_SEED = flags.DEFINE_integer(
    "random_seed", _DEFAULTS.random_seed, "Start of all randomness."
)
_INPUT_FORMAT = flags.DEFINE_enum(
    "input_format",
    "auto",
    corpus.FORMATS,
    "Format of the text; auto: by file name, a sentence a line otherwise.",
)
_TEXT_FIELD = flags.DEFINE_string(
    "text_field", "text", "Field of JSON Lines or column of Parquet with the text."
)
_LANGUAGE = flags.DEFINE_string(
    "language", "en", "ISO 639 code for splitting running text into sentences."
)
_BAD_INPUT = flags.DEFINE_enum(
    "bad_input",
    "error",
    ("error", "skip"),
    "What to do about a line that is no text: stop, or leave it out and count it.",
)
_NUM_SHARDS = flags.DEFINE_integer(
    "num_shards",
    None,
    "Record files to train on; default: by the size of the text. A worker holds the "
    "text of one in memory.",
    lower_bound=1,
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers",
    os.cpu_count() or 1,
    "Processes; the output is the same for any number.",
    lower_bound=1,
)
_RUNNER = flags.DEFINE_enum(
    "runner",
    "local",
    ("local", "beam"),
    "Where to run: processes of this machine, or an Apache Beam pipeline.",
)
_BEAM_OPTIONS = flags.DEFINE_string(
    "beam_options", "", "Options of Beam, for instance '--runner=FlinkRunner'."
)


def main(argv: Sequence[str]) -> None:
    """Writes the data sets and prints what is in them."""
    del argv
    assert _INPUT_FILE.value and _VOCAB_FILE.value and _OUTPUT_DIR.value
    from data_prep.corpus_tokenization import CorpusSource
    from data_prep.documents import ShardAssignment
    from data_prep.pretraining_data import PlannedDataset, create_pretraining_data

    parameters = validated(
        DataParameters(
            max_seq_length=_MAX_SEQ_LENGTH.value,
            max_predictions_per_seq=_MAX_PREDICTIONS_PER_SEQ.value,
            masked_lm_prob=_MASKED_LM_PROB.value,
            short_seq_prob=_SHORT_SEQ_PROB.value,
            dupe_factor=_DUPE_FACTOR.value,
            do_whole_word_mask=_DO_WHOLE_WORD_MASK.value,
            max_ngram_size=_MAX_NGRAM_SIZE.value,
            dynamic_masking=_DYNAMIC_MASKING.value,
            objective=_OBJECTIVE.value,
            random_seed=_RANDOM_SEED.value,
        ),
        "--",
    )
    vocabulary = _load_vocabulary(Path(_VOCAB_FILE.value))
    files = find_input_files(_INPUT_FILE.value)
    num_shards = _NUM_SHARDS.value or _default_num_shards(files)
    assignment = ShardAssignment(num_shards)
    if _EVAL_OUTPUT_DIR.value:
        num_eval_shards = max(1, round(num_shards * _EVAL_FRACTION.value))
        assignment = ShardAssignment(num_shards, num_eval_shards, _EVAL_FRACTION.value)
    source = CorpusSource(
        files=files,
        options=corpus.CorpusOptions(
            input_format=_INPUT_FORMAT.value,
            text_field=_TEXT_FIELD.value,
            language=_LANGUAGE.value,
            bad_input=_BAD_INPUT.value,
        ),
        vocabulary=vocabulary,
        assignment=assignment,
    )
    output_dir = Path(_OUTPUT_DIR.value)
    planned = [PlannedDataset(output_dir, parameters, range(num_shards))]
    if _EVAL_OUTPUT_DIR.value:
        # Held-out text is read once and always the same.
        eval_parameters = dataclasses.replace(
            parameters, dupe_factor=1, dynamic_masking=False
        )
        eval_dir = Path(_EVAL_OUTPUT_DIR.value)
        shards = range(num_shards, assignment.total)
        planned.append(PlannedDataset(eval_dir, eval_parameters, shards))
    on_beam = _RUNNER.value == "beam"
    datasets = create_pretraining_data(
        source,
        planned,
        num_workers=_NUM_WORKERS.value,
        tokenized_dir=Path(_TOKENIZED_DIR.value) if _TOKENIZED_DIR.value else None,
        beam_options=shlex.split(_BEAM_OPTIONS.value) if on_beam else None,
    )
    for dataset in datasets:
        _print_summary(dataset)
    print(jobs.next_command("data_prep.inspect_records", input_dir=_OUTPUT_DIR.value))


def cli() -> None:
    """Runs the job."""
    jobs.run(main, required=["input_file", "vocab_file", "output_dir"])


def _load_vocabulary(path: Path) -> "Vocabulary":
    """Reads the vocabulary, and settles how it treats case."""
    from bert_tf.text.tokenizer_config import TOKENIZER_CONFIG_NAME, TokenizerConfig
    from bert_tf.text.vocabulary import Vocabulary, load_entries

    asked = _DO_LOWER_CASE.value
    stated = TokenizerConfig.find(path.parent)
    if stated is not None:
        if asked is not None and asked != stated.do_lower_case:
            raise InputError(
                f"--do_lower_case={str(asked).lower()} contradicts "
                f"{path.with_name(TOKENIZER_CONFIG_NAME)}, which says "
                f"{str(stated.do_lower_case).lower()}. Leave the flag out, or give the "
                "vocabulary a folder without that file."
            )
        return Vocabulary.load_file(path)
    if asked is not None:
        return Vocabulary.load_file(path, TokenizerConfig(do_lower_case=asked))
    config = TokenizerConfig.guess(load_entries(path))
    if not config.do_lower_case:
        assumed = "Case is kept, since entries have capital letters; --do_lower_case"
        assumed += " lower-cases text."
    else:
        assumed = "Text is lower-cased, since no entry has a capital letter"
        if not config.strips_accents:
            assumed += ", and keeps its accents, since entries have them"
        assumed += "; --do_lower_case=false keeps case."
    print(f"{path}: no {TOKENIZER_CONFIG_NAME} beside it. {assumed}")
    return Vocabulary.load_file(path, config)


def _default_num_shards(files: Sequence[InputFile]) -> int:
    """Shards small enough for any laptop, yet enough of them for its cores."""
    num_bytes = sum(
        size * (_COMPRESSION if path.suffix in COMPRESSIONS else 1)
        for path, size in files
    )
    return max(1, min(num_bytes // _MEBIBYTE, 16), num_bytes // (16 * _MEBIBYTE))


def _print_summary(dataset: "Dataset") -> None:
    statistics = dataset.info.statistics
    num_bytes = sum(shard.num_bytes for shard in dataset.info.shards)
    print(
        f"{dataset.directory}: {dataset.num_records:,} examples in "
        f"{len(dataset.record_paths)} files ({num_bytes / 1e6:,.1f} MB) from "
        f"{statistics['num_documents']:,} documents with "
        f"{statistics['num_sentences']:,} sentences and "
        f"{statistics['num_corpus_tokens']:,} tokens."
    )
    if "cut_off_rate" in statistics:
        print(
            f"  cut off: {statistics['cut_off_rate']:.1%} of the text's tokens, where "
            "segments are longer than an example"
        )
    unknown = statistics.get("unknown_character_rate", 0.0)
    if unknown >= _MANY_UNKNOWN_CHARACTERS:
        print(
            f"  unknown: {unknown:.1%} of the text's characters are in words that the "
            "vocabulary cannot spell ([UNK])"
        )
    random_pairs = statistics.get("random_pair_rate", 0.0)
    if random_pairs > _MANY_RANDOM_PAIRS:
        print(
            f"  {random_pairs:.0%} of the pairs are random: most documents hold one "
            "sentence, which nothing follows. Little can be learnt of next sentences; "
            "--objective=sentence_order or none does without. (In text a blank line "
            "ends a document.)"
        )
    inputs = statistics["inputs"]
    for name, count in inputs.items():
        reason = name.removeprefix("skipped: ")
        if count and (reason != name or name in _LEFT_OUT):
            place = inputs["examples"].get(reason)
            where = f", first {place}" if place else ""
            print(f"  {_LEFT_OUT.get(name, f'left out: {reason}')}: {count:,}{where}")


if __name__ == "__main__":
    cli()
