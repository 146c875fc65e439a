"""What writes texts: the library's `generate`, and the job."""

import json

import numpy as np
import pytest

import bert_tf
from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.labelled.examples import GenerationExample, Place, TextExample
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

pytestmark = pytest.mark.slow  # Each search is compiled, for seconds.

WORDS = ["one", "two", "three", "four", "five", "##teen", "six", "seven", "."]
TEXTS = ["One two.", "Three four five sixteen seven seven seven.", "six"]
POSITIONS = 24
VOCABULARY = Vocabulary.from_entries([*SPECIAL_TOKENS, *WORDS], TokenizerConfig())
CONFIG = BertConfig(
    vocab_size=len(VOCABULARY),
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=POSITIONS,
    initializer_range=1.0,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from bert_tf.models import EncoderDecoder, named_variables

    model = EncoderDecoder(CONFIG, CONFIG)
    variables = {n: np.asarray(v) for n, v in named_variables(model).items()}
    return save_model_folder(
        tmp_path_factory.mktemp("models") / "writer",
        config=CONFIG,
        variables=variables,
        vocabulary=VOCABULARY,
        task=TaskDescription(
            "sequence_to_sequence", 12, settings={"max_target_length": 9}
        ),
    )


@pytest.fixture(scope="module")
def model(folder):
    return bert_tf.load(folder)


def test_answers_do_not_depend_on_the_batch(model):
    generator = model.generator(
        num_beams=3, num_return_sequences=3, forced_words=["fiveteen"]
    )
    examples = [model.example(text, 1) for text in TEXTS]
    together = generator.run(examples, 2)
    alone = [generator.run([example], 1)[0] for example in examples]
    for one, other in zip(together, alone, strict=True):
        for mine, theirs in zip(
            [one, *one["alternatives"]], [other, *other["alternatives"]], strict=True
        ):
            assert "fiveteen" in mine["generated_text"]
            assert "[SEP]" not in mine["generated_text"]
            assert mine["generated_text"] == theirs["generated_text"]
            assert mine["score"] == pytest.approx(theirs["score"], rel=1e-4)
            log_probs = mine["token_log_probs"]
            # By default a length penalty of 1, and no rule that changes scores.
            assert mine["score"] == pytest.approx(np.mean(log_probs), rel=1e-4)
            assert len(log_probs) <= 8


def test_texts_of_any_length_take_one_compiled_search(model):
    generator = model.generator(max_new_tokens=2)
    for text in TEXTS:
        generator.run([model.example(text)], 1)
    assert generator._run.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("settings", [{}, {"do_sample": True, "temperature": 3.0}])
def test_a_stream_is_the_text_in_parts(model, settings):
    settings = {"forced_words": ["fiveteen", "two six"], **settings}
    generator = model.generator(**settings)
    streams = []
    for text, expected in zip(TEXTS, model.generate(TEXTS, **settings), strict=True):
        parts = list(generator.stream(model.example(text)))
        assert "".join(parts) == expected["generated_text"]
        assert all(parts)
        streams.append(parts)
    assert max(map(len, streams)) > 1
    assert list(model.generate_stream(TEXTS[2], **settings)) == streams[2]
    # Of one text, XLA computes the scores in parts.
    (alone,) = model.generate(TEXTS[2:], **settings)
    assert alone["generated_text"] == "".join(streams[2])
    with pytest.raises(InputError, match="leave `num_beams` at 1"):
        list(model.generate_stream("six", num_beams=2))
    with pytest.raises(InputError, match="leave `penalty_alpha` at 0"):
        list(model.generate_stream("six", penalty_alpha=0.6, top_k=4))
    with pytest.raises(InputError, match="leave `num_return_sequences` at 1"):
        list(model.generate_stream("six", do_sample=True, num_return_sequences=2))
    with pytest.raises(InputError, match="the text is empty"):
        list(model.generate_stream(" "))


def test_draws_depend_on_seed_and_text_alone(model):
    settings = {"do_sample": True, "num_return_sequences": 4, "temperature": 2.0}
    found = model.generate([TEXTS[0], TEXTS[1], TEXTS[0]], seed=1, **settings)
    first, third = ([each, *each["alternatives"]] for each in (found[0], found[2]))
    # Rows of a batch may round differently on some processors.
    for one, other in zip(first, third, strict=True):
        assert one["generated_text"] == other["generated_text"]
        for name in ("score", "token_log_probs"):
            assert one[name] == pytest.approx(other[name], abs=1e-5)
    texts = {each["generated_text"] for each in [found[0], *found[0]["alternatives"]]}
    assert len(texts) > 1
    assert found != model.generate([TEXTS[0], TEXTS[1], TEXTS[0]], seed=2, **settings)


@pytest.mark.parametrize(
    "inputs, settings, message",
    [
        ([" "], {}, "the text is empty"),
        (["one"], {"beams": 3}, "Generation has the settings max_new_tokens,"),
        (["one"], {"max_new_tokens": 25}, "at most the decoder's positions, 24"),
        (
            ["one"],
            {"max_new_tokens": 24, "penalty_alpha": 0.6, "top_k": 4},
            "at most the decoder's positions less one, 23",
        ),
        (["one"], {"forbidden_words": ["zebra"]}, "'zebra' cannot be written"),
        (["one"], {"forced_words": "one"}, "must be a list of texts"),
        (["one"], {"forbidden_words": None}, "must be a list of texts"),
        (["one"], {"num_beams": 15}, "at most the size of the vocabulary, 14"),
    ],
)
def test_bad_input_is_told(model, inputs, settings, message):
    with pytest.raises(InputError, match=message):
        model.generate(inputs, **settings)


@pytest.mark.parametrize("num_beams", [1, 2])
def test_a_text_that_no_sequence_can_be_written_of_is_named(model, num_beams):
    """Each of 14 tokens comes once at most, and no text may end before the 16th."""
    generator = model.generator(
        num_beams=num_beams,
        no_repeat_ngram_size=1,
        min_new_tokens=16,
        max_new_tokens=20,
    )
    example = GenerationExample(text="one", place=Place("new.txt", 7))
    with pytest.raises(InputError, match="new.txt: line 7: no sequence keeps all"):
        generator.run([example], 1)
    if num_beams == 1:
        with pytest.raises(InputError, match="new.txt: line 7: no sequence keeps all"):
            list(generator.stream(example))


def test_fewer_positions_than_the_task_says_are_what_is_written(folder):
    """As of a model that was trained elsewhere, of which no length is known."""
    from bert_tf.models import EncoderDecoder
    from bert_tf.prediction.predictor import Predictor
    from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask

    task = SequenceToSequenceTask(TaskDescription("sequence_to_sequence", 12))
    predictor = Predictor(task, EncoderDecoder(CONFIG, CONFIG), VOCABULARY)
    assert predictor.generator().config.max_new_tokens == POSITIONS - 1


def test_a_language_model_continues_prompts_of_any_length(tmp_path):
    from bert_tf.models import CausalLM, named_variables

    causal = CausalLM(CONFIG, name="causal")
    variables = {n: np.asarray(v) for n, v in named_variables(causal).items()}
    folder = save_model_folder(
        tmp_path / "causal",
        config=CONFIG,
        variables=variables,
        vocabulary=VOCABULARY,
        task=TaskDescription("causal_lm", 12),
    )
    model = bert_tf.load(folder)
    assert model.generator().config.max_new_tokens == POSITIONS // 2
    generator = model.generator(max_new_tokens=5)
    prompts = ["one", "two three four seven .", "six"]
    examples = [TextExample(text=text, place=Place("", 1)) for text in prompts]
    together = generator.run(examples, 2)  # The longest text first.
    end = VOCABULARY.sep_id
    for text, answer in zip(prompts, together, strict=True):
        alone = generator.run([TextExample(text=text, place=Place("", 1))], 1)[0]
        assert alone["generated_text"] == answer["generated_text"]
        example = TextExample(text=text, place=Place("", 1))
        assert "".join(generator.stream(example)) == answer["generated_text"]
        # Greedy search without a cache, the whole text anew for each token.
        ids = [VOCABULARY.cls_id, *map(VOCABULARY.entries.index, text.split())]
        log_probs = []
        while len(log_probs) < 5 and ids[-1] != end:
            logits = causal({"input_ids": np.array([ids])})["logits"][0, -1]
            logits = np.asarray(logits, float)
            log_probs.append(logits.max() - np.log(np.exp(logits).sum()))
            ids.append(int(logits.argmax()))
        np.testing.assert_allclose(answer["token_log_probs"], log_probs, atol=1e-5)
    with pytest.raises(InputError, match="has 21 tokens, .* room for 20"):
        generator.run([TextExample(text="one " * 20, place=Place("", 1))], 1)


def test_the_job_writes_what_the_library_does(model, folder, tmp_path, warm):
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(TEXTS) + "\n")
    output = tmp_path / "written.jsonl"
    command = [
        *("-m", "bert_tf.run_generation", f"--checkpoint={folder}"),
        *("--num_beams=2", "--early_stopping=true", "--forbidden_word=six"),
    ]
    result = warm.run(
        [*command, f"--input_file={file}", f"--output_file={output}", "--batch_size=2"]
    )
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    expected = model.generate(
        TEXTS, num_beams=2, early_stopping=True, forbidden_words=["six"]
    )
    assert [row["text"] for row in rows] == TEXTS
    for row, answer in zip(rows, expected, strict=True):
        assert row["generated_text"] == answer["generated_text"]
        assert row["score"] == pytest.approx(answer["score"], rel=1e-4)
    result = warm.run([*command, "--text=one"])
    assert json.loads(result.stdout)["text"] == "one"
    result = warm.run([*command, "--text=one", "--temperature=0"])
    assert result.returncode != 0
    assert "temperature` must be a number from 0.001 to 1000" in result.stderr
