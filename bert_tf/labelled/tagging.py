"""Schemes in which tags mark entities, turned into IOB2 and checked.

IOB2: B-X begins every entity, I-X goes on. IOB1: I-X also begins one; B-X only where
an entity follows another of its type. BIOES, also called BILOU: E-X (L-X) ends an
entity, S-X (U-X) is one of a single word.

Source: Tjong Kim Sang and Veenstra 1999 (cs/9907006), for IOB1 and IOB2; Ratinov and
Roth 2009 (W09-1119), for BILOU.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence

from bert_tf.errors import InputError
from bert_tf.labelled.examples import TaggedSentence

OUTSIDE = "O"
_OUTSIDE = (OUTSIDE, "")
BAD_TAGS = ("error", "repair")
_TAG = re.compile("([BIESLUM])-(.+)", re.DOTALL)
_PREFIXES = {"L": "E", "U": "S", "M": "I"}

_Parsed = tuple[str, str]
"""Prefix and type; `("O", "")` outside."""


@dataclasses.dataclass
class TagReport:
    """What was found.

    Attributes:
        scheme: `IOB1`, `IOB2`, `BIOES`, or `plain` for tags that mark no entities, as
            parts of speech.
        num_repaired: tags changed because they followed nothing they could.
    """

    scheme: str
    num_repaired: int = 0

    def lines(self) -> list[str]:
        """Returns the report as lines of text."""
        lines = [f"tags: {self.scheme}"]
        if self.scheme in ("IOB1", "BIOES"):
            lines[0] += ", turned into IOB2"
        if self.num_repaired:
            lines.append(f"repaired {self.num_repaired:,} tags that followed no B-")
        return lines


def to_iob2(
    sentences: Sequence[TaggedSentence], bad_tags: str = "error"
) -> tuple[list[TaggedSentence], TagReport]:
    """Turns the tags of a data set into IOB2.

    Args:
        sentences: all of them, since the scheme shows only in the whole.
        bad_tags: what to do about I-X, or E-X, that follows no tag of an entity of
            type X: `error`, or `repair`, which begins an entity there.

    Raises:
        InputError: bad tags, or tags of entities among others.
    """
    parsed = [_parse(sentence) for sentence in sentences]
    scheme = _scheme(sentences, parsed)
    if scheme == "plain":
        return list(sentences), TagReport(scheme)
    # In IOB1 an I- may begin an entity.
    faults = [] if scheme == "IOB1" else list(_entities_begun_inside(parsed))
    if faults and bad_tags == "error":
        number, index = faults[0]
        sentence = sentences[number]
        assert sentence.tags is not None
        before = sentence.tags[index - 1] if index else "the start of the sentence"
        place = sentence.place._replace(number=sentence.place.number + index)
        if sentence.place.unit != "line":
            place = sentence.place
        raise InputError(
            f"{place}: tag {sentence.tags[index]!r} of {sentence.words[index]!r} "
            f"follows {before!r}: an entity begins with B- in this file ({scheme}). "
            f"{len(faults):,} such tags in all. Correct them, or bad_tags=repair lets "
            "an entity begin there."
        )
    converted = [
        dataclasses.replace(sentence, tags=tuple(_convert(tags)))
        for sentence, tags in zip(sentences, parsed, strict=True)
    ]
    return converted, TagReport(scheme, len(faults))


def _parse(sentence: TaggedSentence) -> list[_Parsed | None]:
    assert sentence.tags is not None
    tags: list[_Parsed | None] = []
    for tag in sentence.tags:
        match = _TAG.fullmatch(tag)
        if tag == OUTSIDE:
            tags.append(_OUTSIDE)
        elif match:
            tags.append((_PREFIXES.get(match[1], match[1]), match[2]))
        else:
            tags.append(None)
    return tags


def _scheme(
    sentences: Sequence[TaggedSentence], parsed: Sequence[Sequence[_Parsed | None]]
) -> str:
    found = {tag[0] if tag else None for tags in parsed for tag in tags}
    if not found & set("BIES"):
        return "plain"
    if None in found:
        sentence, index = next(
            (sentence, tags.index(None))
            for sentence, tags in zip(sentences, parsed, strict=True)
            if None in tags
        )
        assert sentence.tags is not None
        raise InputError(
            f"{sentence.place}: tag {sentence.tags[index]!r} of "
            f"{sentence.words[index]!r} is neither O nor of the form B-X or I-X, as "
            "others in the file are. Correct it."
        )
    if found & set("ES"):
        return "BIOES"
    if any(True for _ in _entities_begun_inside(parsed)):
        needless = any(
            tag[0] == "B" and tag[1] != before[1]
            for tags in parsed
            for before, tag in itertools.pairwise([_OUTSIDE, *tags])
            if tag and before
        )
        return "IOB2" if needless else "IOB1"
    return "IOB2"


def _entities_begun_inside(
    parsed: Sequence[Sequence[_Parsed | None]],
) -> Iterator[tuple[int, int]]:
    """Yields sentence and word of each I- or E- that goes on with no entity."""
    for number, tags in enumerate(parsed):
        for index, (before, tag) in enumerate(itertools.pairwise([_OUTSIDE, *tags])):
            assert tag and before
            if tag[0] in "IE" and not _goes_on(before, tag):
                yield number, index


def _goes_on(before: _Parsed, tag: _Parsed) -> bool:
    return tag[0] in "IE" and before[0] in "BI" and before[1] == tag[1]


def _convert(tags: Sequence[_Parsed | None]) -> Iterator[str]:
    for before, tag in itertools.pairwise([_OUTSIDE, *tags]):
        assert tag and before
        if tag == _OUTSIDE:
            yield OUTSIDE
        else:
            yield f"{'I' if _goes_on(before, tag) else 'B'}-{tag[1]}"
