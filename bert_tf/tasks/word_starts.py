"""Words of running text inside of a graph, as `bert_tf.text.words` finds them."""

import tensorflow as tf

_MARK = r"[\pP\pS]+"
_IDEOGRAPH = (
    r"[\x{3400}-\x{4dbf}\x{4e00}-\x{9fff}\x{f900}-\x{faff}\x{20000}-\x{2fa1f}"
    r"\x{30000}-\x{323af}]"
)


def word_starts(pieces: tf.Tensor, follows: tf.Tensor) -> tf.Tensor:
    """Tells at which pieces a word begins.

    A tokenizer's pieces tell less than the characters: a run of marks that is one
    piece, an unknown one, counts as one word here.

    Args:
        pieces: string `[pieces]`, each as it stands in the text.
        follows: bool `[pieces]`, whether no blank parts it from the one before.

    Returns:
        bool `[pieces]`.
    """
    number = tf.range(tf.size(pieces))
    run = tf.cumsum(tf.cast(~follows, tf.int32)) - 1
    num_runs = tf.reduce_max(tf.concat([run, [-1]], 0)) + 1

    def in_run(values: tf.Tensor) -> tf.Tensor:
        """Returns how many of the values are true, in each piece's run, before it."""
        before = tf.cumsum(tf.cast(values, tf.int32), exclusive=True)
        first = tf.math.unsorted_segment_min(number, run, num_runs)
        return before - tf.gather(tf.gather(before, first), run)

    is_mark = tf.strings.regex_full_match(pieces, _MARK)
    core_before = in_run(~is_mark)
    core_total = tf.gather(
        tf.math.unsorted_segment_sum(tf.cast(~is_mark, tf.int32), run, num_runs), run
    )
    is_leading = is_mark & (core_before == 0)
    is_trailing = is_mark & (core_before == core_total) & ~is_leading

    # The period of an abbreviation belongs to it, and what stands before it does.
    is_period = (pieces == ".") & ~is_leading
    previous = tf.concat([[""], pieces[:-1]], 0)[: tf.size(pieces)]
    letter = (core_total == 1) & tf.strings.regex_full_match(previous, r"\pL")
    of_abbreviation = is_trailing & is_period & ((in_run(is_period) > 0) | letter)
    last = tf.math.unsorted_segment_max(
        tf.where(of_abbreviation, number, -1), run, num_runs
    )
    core_end = tf.gather(last, run)
    is_trailing &= number > core_end

    is_ideograph = tf.strings.regex_full_match(pieces, _IDEOGRAPH)
    alone = is_leading | is_trailing | is_ideograph
    behind_one = tf.concat([[False], alone[:-1]], 0)[: tf.size(pieces)]
    is_last = ~is_mark & (core_before + 1 == core_total) & (core_end < number)
    is_s = is_last & tf.strings.regex_full_match(pieces, "[sS]")
    before_s = tf.concat([is_s[1:] & follows[1:], [False]], 0)[: tf.size(pieces)]
    is_apostrophe = tf.strings.regex_full_match(pieces, "['’]") & (core_before > 0)
    return ~follows | alone | behind_one | (is_apostrophe & before_s)
