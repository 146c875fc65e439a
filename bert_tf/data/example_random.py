"""Random numbers that are a pure function of an example's seed.

There is no state to save, and the batch around an example makes no difference. Each
decision takes a sequence of its own, so that what one draws does not shift another's.
"""

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def example_seeds(*seed: int, positions: np.ndarray) -> np.ndarray:
    """Returns a seed for each of a sequence's examples, uint64 `[batch]`.

    Args:
        *seed: of the sequence, for instance the run's and the shard's.
        positions: int `[batch]`, the examples' numbers in the sequence.
    """
    start = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    return _mix(start + _GOLDEN * positions.astype(np.uint64))


def unique_keys(seeds: np.ndarray, sequence: int, width: int) -> np.ndarray:
    """Returns random uint32 sort keys `[batch, width]`, no two of a row alike.

    Args:
        seeds: uint64 `[batch]`, see `example_seeds`.
        sequence: the number of the decision that takes them.
        width: keys an example.
    """
    keys = _random_bits(seeds, sequence, -(-width // 2)).view(np.uint32)[:, :width]
    bits = np.uint32(width.bit_length())
    # The column in the lowest bits breaks ties.
    return keys >> bits << bits | np.arange(width, dtype=np.uint32)


def uniform(seeds: np.ndarray, sequence: int, width: int) -> np.ndarray:
    """Returns float64 `[batch, width]` in [0, 1); arguments as `unique_keys`."""
    return (_random_bits(seeds, sequence, width) >> np.uint64(11)) * 2.0**-53


def _random_bits(seeds: np.ndarray, sequence: int, width: int) -> np.ndarray:
    """Returns uint64 `[batch, width]`: SplitMix64, one stream a row.

    Source: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
    """
    counters = np.arange(1, width + 1, dtype=np.uint64) + np.uint64(sequence << 32)
    return _mix(seeds[:, None] + _GOLDEN * counters)


def _mix(bits: np.ndarray) -> np.ndarray:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
