"""Texts on which samples tokenize as Python does, and vocabularies for them."""

import unicodedata
from pathlib import Path

from bert_tf.text.normalization import normalize_character
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

ROOT = Path(__file__).parents[3]

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


def every_character():
    """Texts that have every character between letters, but for ideographs and such.

    And but for two on which Unicode's versions disagree: U+1734 is a spacing mark since
    14, U+1171E since 16.
    """
    assigned = [
        chr(code)
        for code in range(0x110000)
        if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs")
        and not 0x3400 < code < 0xF900
        and not 0x20000 < code < 0x2F800
        and not 0x17000 < code < 0x18D00
        and code not in (0x1734, 0x1171E)
    ]
    return [" ".join(f"e{c}e" for c in assigned[i::999]) for i in range(999)]
