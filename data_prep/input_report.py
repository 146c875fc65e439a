"""What reading a corpus counts."""

import dataclasses

from bert_tf.storage.lines import ReadReport


@dataclasses.dataclass
class InputReport(ReadReport):
    """What was read of a corpus so far; filled in while reading.

    Attributes:
        num_documents: documents handed on.
        num_sentences: sentences in them.
        num_empty_documents: documents without text, left out.
        num_split_documents: documents too long for memory, handed on in parts.
    """

    num_documents: int = 0
    num_sentences: int = 0
    num_empty_documents: int = 0
    num_split_documents: int = 0

    def reject(self, place: str, reason: str, detail: str, bad_input: str) -> None:
        """Raises over bad input, or counts it; see `ReadReport`."""
        detail += " bad_input=skip leaves such places out and counts them."
        super().reject(place, reason, detail, bad_input)

    def lines(self) -> list[str]:
        """Returns the report as lines of text."""
        lines = [
            f"{self.num_documents:,} documents with {self.num_sentences:,} sentences "
            f"from {self.num_files:,} files ({self.num_bytes / 1e6:,.1f} MB)"
        ]
        if self.num_empty_documents:
            lines.append(f"left out {self.num_empty_documents:,} empty documents")
        if self.num_split_documents:
            lines.append(f"split {self.num_split_documents:,} very long documents")
        return lines + self.skipped_lines()
