"""Tokenizers that transformers wrote: read, used, and handed back."""

import json

import pytest
import transformers
from tokenizers import normalizers

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.conversion import hugging_face_tokenizer
from bert_tf.errors import InputError
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # of Keras
)

ENTRIES = [
    *SPECIAL_TOKENS,
    "the",
    "The",
    "caf",
    "Caf",
    "##e",
    "##é",
    "心",
    "[",
    "]",
    "x",
]
TEXT = "The the CAFÉ Café cafe 心心 x"
FILES = ("vocab.txt", "tokenizer_config.json", "tokenizer.json")


def tokenizer_of_theirs(**settings):
    vocab = {entry: index for index, entry in enumerate(ENTRIES)}
    return transformers.BertTokenizer(vocab=vocab, **settings)


def general(tokenizer):
    """The class of those who train a tokenizer of their own."""
    special = {f"{token.strip('[]').lower()}_token": token for token in SPECIAL_TOKENS}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, **special
    )


def write_vocab_txt(folder):
    (folder / "vocab.txt").write_text("".join(f"{entry}\n" for entry in ENTRIES))


def edit_json(path, edit):
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))


def tokens_of(vocabulary, text=TEXT):
    (ids,) = BertTokenizer(vocabulary).tokenize([text]).to_list()
    return [vocabulary.entries[index] for index in ids]


@pytest.mark.parametrize("do_lower_case", [True, False])
@pytest.mark.parametrize("strip_accents", [None, True, False])
@pytest.mark.parametrize("kind", ["their class", "general class", "with vocab.txt"])
def test_case_and_accents_are_as_in_their_tokenizer(
    tmp_path, do_lower_case, strip_accents, kind
):
    theirs = tokenizer_of_theirs(
        do_lower_case=do_lower_case, strip_accents=strip_accents
    )
    (theirs if kind == "their class" else general(theirs)).save_pretrained(tmp_path)
    if kind == "with vocab.txt":
        write_vocab_txt(tmp_path)
        # As transformers 4 called the class.
        edit_json(
            tmp_path / "tokenizer_config.json",
            lambda v: v.update(tokenizer_class="PreTrainedTokenizerFast"),
        )

    vocabulary = hugging_face_tokenizer.read(tmp_path).vocabulary

    assert vocabulary.entries == tuple(ENTRIES)
    assert tokens_of(vocabulary) == theirs.tokenize(TEXT)
    # A copy of the vocabulary says the same without tokenizer.json.
    (tmp_path / "copy").mkdir()
    vocabulary.save(tmp_path / "copy")
    assert Vocabulary.load(tmp_path / "copy") == vocabulary


def test_where_one_file_says_nothing_the_other_decides(tmp_path):
    tokenizer_of_theirs(do_lower_case=False).save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"

    def read():
        return hugging_face_tokenizer.read(tmp_path).vocabulary.config

    edit_json(path, lambda v: v.update(do_lower_case=True))
    assert read().do_lower_case is True  # Their own class follows this file.
    edit_json(path, lambda v: v.pop("do_lower_case"))
    assert read().do_lower_case is False
    path.unlink()
    assert read().do_lower_case is False
    write_vocab_txt(tmp_path)
    assert read().do_lower_case is False
    (tmp_path / "tokenizer.json").unlink()
    assert read().do_lower_case is False  # Guessed from the entries.
    path.write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    with pytest.raises(InputError, match="says nothing of case.*Add do_lower_case"):
        read()


@pytest.mark.parametrize(
    ("normalizer", "name"),
    [
        (normalizers.NFKC(), "NFKC"),
        (normalizers.Lowercase(), "Lowercase"),
        (
            normalizers.Sequence([normalizers.NFKC(), normalizers.BertNormalizer()]),
            r"Sequence of \['NFKC', 'BertNormalizer'\]",
        ),
        (None, "None"),
    ],
)
def test_another_normalizer_is_refused_by_name(tmp_path, normalizer, name):
    theirs = tokenizer_of_theirs()
    theirs.backend_tokenizer.normalizer = normalizer
    general(theirs).save_pretrained(tmp_path)
    with pytest.raises(
        InputError, match=f"tokenizer.json: `normalizer` must be .*Received: {name}"
    ):
        hugging_face_tokenizer.read(tmp_path)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "tokenizer.json",
            {"pre_tokenizer": {"type": "Whitespace"}},
            "`pre_tokenizer` must be a BertPreTokenizer.*Received: Whitespace",
        ),
        (
            "tokenizer.json",
            {"model": {"type": "Unigram", "vocab": []}},
            "`model` must be a WordPiece.*Received: Unigram",
        ),
        (
            "tokenizer.json",
            {"post_processor": {"type": "RobertaProcessing"}},
            "`post_processor` must make .*RobertaProcessing",
        ),
        (
            "tokenizer.json",
            {
                "post_processor": {
                    "type": "TemplateProcessing",
                    "single": [{"Sequence": {"id": "A", "type_id": 0}}],
                }
            },
            "`post_processor` must make",
        ),
        (
            "tokenizer_config.json",
            {"tokenizer_class": "BertJapaneseTokenizer"},
            "tokenizer_class must be one of .*Received: 'BertJapaneseTokenizer'",
        ),
        (
            "tokenizer_config.json",
            {"tokenize_chinese_chars": False},
            "tokenize_chinese_chars must be true.*Received: False",
        ),
        ("tokenizer_config.json", {"do_basic_tokenize": False}, "do_basic_tokenize"),
        ("tokenizer_config.json", {"never_split": ["x"]}, "never_split must be null"),
        ("tokenizer_config.json", {"wordpieces_prefix": "@@"}, "wordpieces_prefix"),
        (
            "tokenizer_config.json",
            {"cls_token": {"content": "<s>"}},
            r"cls_token must be '\[CLS\]'.*Received: '<s>'",
        ),
    ],
)
def test_what_bert_tokenizes_otherwise_is_refused(tmp_path, file, change, message):
    tokenizer_of_theirs().save_pretrained(tmp_path)
    edit_json(tmp_path / file, lambda values: values.update(change))
    with pytest.raises(InputError, match=f"{file}: {message}"):
        hugging_face_tokenizer.read(tmp_path)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("normalizer", {"handle_chinese_chars": False}),
        ("normalizer", {"clean_text": False}),
        ("model", {"continuing_subword_prefix": "@@"}),
        ("model", {"unk_token": "<unk>"}),
    ],
)
def test_settings_of_tokenizer_json_that_bert_lacks_are_refused(tmp_path, part, change):
    general(tokenizer_of_theirs()).save_pretrained(tmp_path)
    edit_json(tmp_path / "tokenizer.json", lambda values: values[part].update(change))
    (name,) = change
    with pytest.raises(InputError, match=f"tokenizer.json: {part}: {name} must be"):
        hugging_face_tokenizer.read(tmp_path)


def test_the_class_may_stand_in_the_models_configuration(tmp_path, make_weights):
    conversion.save(make_weights(), tmp_path / "model", "hugging_face")
    edit_json(
        tmp_path / "model" / "config.json",
        lambda v: v.update(tokenizer_class="BertJapaneseTokenizer"),
    )
    with pytest.raises(InputError, match="config.json: tokenizer_class must be one of"):
        conversion.load_any(tmp_path / "model")


def test_two_vocabularies_are_refused(tmp_path):
    tokenizer_of_theirs().save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join([*ENTRIES[:-1], "y"]))
    with pytest.raises(InputError, match="hold different vocabularies, of 15 and 15"):
        hugging_face_tokenizer.read(tmp_path)


@pytest.fixture
def with_added_tokens(tmp_path, make_weights):
    """A folder of theirs whose tokenizer got two tokens more."""
    theirs = tokenizer_of_theirs()
    theirs.add_tokens(["covid"])
    theirs.add_special_tokens({"additional_special_tokens": ["[ENT]"]})
    config = make_weights().config
    config.vocab_size = len(ENTRIES) + 2
    weights = make_weights(config=config, vocabulary=None)
    conversion.save(weights, tmp_path / "theirs", "hugging_face")
    theirs.save_pretrained(tmp_path / "theirs")
    edit_json(
        tmp_path / "theirs" / "tokenizer_config.json",
        lambda values: values.update(model_max_length=7),
    )
    return tmp_path / "theirs"


ADDED_TEXT = "the covids [ENT] COVID x[ENT]x [ent]"


@pytest.mark.parametrize("format", conversion.WRITERS)
def test_what_only_hugging_face_knows_comes_back_to_it(
    tmp_path, with_added_tokens, format
):
    expected = transformers.AutoTokenizer.from_pretrained(with_added_tokens)
    assert "covid" in expected.tokenize(ADDED_TEXT)

    weights = conversion.load_any(with_added_tokens)
    assert weights.vocabulary.entries == (*ENTRIES, "covid", "[ENT]")
    conversion.save(weights, tmp_path / "between", format)
    between = conversion.load_any(tmp_path / "between")
    conversion.save(between, tmp_path / "back", "hugging_face", strict=True)

    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "back")
    assert again.tokenize(ADDED_TEXT) == expected.tokenize(ADDED_TEXT)
    assert again(ADDED_TEXT).input_ids == expected(ADDED_TEXT).input_ids
    assert again.model_max_length == 7


def test_strict_conversion_names_added_tokens(tmp_path, with_added_tokens):
    weights = conversion.load_any(with_added_tokens)
    with pytest.raises(InputError, match=r"are 2: added token: 'covid', added token: "):
        conversion.save(weights, tmp_path / "model", "native", strict=True)

    weights = conversion.load_any(with_added_tokens)
    conversion.save(weights, tmp_path / "model", "native")
    assert "added tokens 'covid', '[ENT]' in a text before it is" in weights.notes[-1]


@pytest.mark.parametrize("kind", ["added_tokens.json", "added_tokens_decoder"])
def test_added_tokens_of_older_files(tmp_path, kind):
    write_vocab_txt(tmp_path)
    settings = {"do_lower_case": True}
    number = len(ENTRIES)
    if kind == "added_tokens.json":
        path = tmp_path / kind
        path.write_text(json.dumps({"[ENT]": number + 1, "covid": number}))
    else:
        path = tmp_path / "tokenizer_config.json"
        settings[kind] = {
            "0": {"content": "[PAD]", "special": True},
            str(number + 1): {"content": "[ENT]", "special": True},
            str(number): {"content": "covid"},
        }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))

    tokenizer = hugging_face_tokenizer.read(tmp_path)

    assert tokenizer.vocabulary.entries == (*ENTRIES, "covid", "[ENT]")
    assert {token.content for token in tokenizer.added_tokens} == {"covid", "[ENT]"}

    path.write_text(path.read_text().replace(str(number + 1), str(number + 2)))
    with pytest.raises(InputError, match=r"'\[ENT\]' is an added token of id 17, but"):
        hugging_face_tokenizer.read(tmp_path)
