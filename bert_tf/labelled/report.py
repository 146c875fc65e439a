"""What reading labelled data found."""

import dataclasses

from bert_tf.storage.lines import ReadReport

_MAX_LISTED = 5


@dataclasses.dataclass
class LabelledReport(ReadReport):
    """What was read so far; filled in while reading.

    Attributes:
        num_examples: handed on.
        notes: how files are read, each once.
        listed: the first few places of what was left out, by reason.
    """

    num_examples: int = 0
    notes: dict[str, None] = dataclasses.field(default_factory=dict)
    listed: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def skip(self, place: str, reason: str) -> None:
        """Counts something that is left out; see `ReadReport`."""
        super().skip(place, reason)
        places = self.listed.setdefault(reason, [])
        if len(places) < _MAX_LISTED:
            places.append(place)

    def lines(self) -> list[str]:
        """Returns the report as lines of text."""
        lines = [
            f"{self.num_examples:,} examples from {self.num_files:,} files "
            f"({self.num_bytes / 1e6:,.1f} MB)",
            *self.notes,
        ]
        for reason, count in sorted(self.skipped.items()):
            places, last = "", ""
            for place in self.listed[reason]:
                path, _, where = place.rpartition(": ")
                places += f", {where}" if path == last else f"; {place}"
                last = path
            places = places.removeprefix("; ")
            more = ", ..." if count > len(self.listed[reason]) else ""
            lines.append(f"left out {count:,} {reason}: {places}{more}")
        return lines
