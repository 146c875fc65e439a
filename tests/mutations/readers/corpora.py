"""Text to pretrain on: plain, compressed, JSON lines and Parquet."""

import bz2
import gzip
import json
import lzma
import re
from collections.abc import Callable
from pathlib import Path

from backports import zstd

from bert_tf.storage.input_files import find_input_files
from data_prep.corpus import CorpusOptions, read_documents
from data_prep.input_report import InputReport
from readers.reader import Parts, Reader

DOCUMENTS = [
    f"Sentence {number} of 3, in \N{LATIN SMALL LETTER E WITH ACUTE} and \u5fc3.\n"
    "It is followed by another one.\n"
    for number in range(12)
]
CODECS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    ".gz": (gzip.compress, gzip.decompress),
    ".bz2": (bz2.compress, bz2.decompress),
    ".xz": (lzma.compress, lzma.decompress),
    ".zst": (zstd.compress, zstd.decompress),
}


def write_text(suffix: str) -> Callable[[Path], None]:
    compress, _ = CODECS.get(suffix, (bytes, bytes))
    content = compress("\n".join(DOCUMENTS).encode())

    def write(folder: Path) -> None:
        (folder / f"a.txt{suffix}").write_bytes(content)

    return write


def write_json_lines(folder: Path) -> None:
    lines = [json.dumps({"text": text, "id": 7}) + "\n" for text in DOCUMENTS]
    (folder / "a.jsonl").write_text("".join(lines))


def write_parquet(folder: Path) -> None:
    import pyarrow.parquet

    table = pyarrow.table({"text": DOCUMENTS, "n": list(range(len(DOCUMENTS)))})
    path = folder / "a.parquet"
    pyarrow.parquet.write_table(table, path, write_page_checksum=True)


def read_sentences(folder: Path) -> Parts:
    files = find_input_files(str(folder))
    return {"documents": list(read_documents(files, CorpusOptions(), InputReport()))}


def read_characters(folder: Path) -> Parts:
    """How prose is split into sentences is no matter of reading."""
    documents = read_sentences(folder)["documents"]
    return {"characters": ["".join("".join(text).split()) for text in documents]}


def text_says(folder: Path) -> Parts:
    """A sentence a line and a blank line a document, as google-research/bert reads."""
    (path,) = folder.iterdir()
    _, decompress = CODECS.get(path.suffix, (bytes, bytes))
    documents: list[list[str]] = [[]]
    for line in split_lines(decompress(path.read_bytes())):
        if line.strip():
            documents[-1].append(line.strip())
        elif documents[-1]:
            documents.append([])
    return {"documents": [document for document in documents if document]}


def json_lines_say(folder: Path) -> Parts:
    lines = split_lines((folder / "a.jsonl").read_bytes())
    texts = [json.loads(line)["text"] for line in lines if line.strip()]
    return {"characters": ["".join(t.split()) for t in texts if t.strip()]}


def split_lines(content: bytes) -> list[str]:
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    assert "\0" not in text
    return re.split("\r\n|\r|\n", text)


READERS = [
    *(
        Reader(f"corpus{suffix}", write_text(suffix), read_sentences, text_says)
        for suffix in ("", *CODECS)
    ),
    Reader("corpus.jsonl", write_json_lines, read_characters, json_lines_say),
    Reader("corpus.parquet", write_parquet, read_characters),
]
