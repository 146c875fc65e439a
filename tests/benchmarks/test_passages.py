"""What a summarizer learns first: passages that stand in their texts."""

from benchmarks.passages import write_passages


def test_passages_stand_in_their_texts(tmp_path):
    texts = [" ".join(f"{i}.{j}" for j in range(i)) for i in (3, 8, 20, 60)] * 3
    write_passages(texts, tmp_path / "one.tsv")
    write_passages(texts, tmp_path / "two.tsv")
    written = (tmp_path / "one.tsv").read_text()
    assert written == (tmp_path / "two.tsv").read_text()
    header, *rows = [line.split("\t") for line in written.splitlines()]
    assert header == ["text", "target"]
    assert [text for text, _ in rows] == [t for t in texts if len(t.split()) >= 8]
    for text, passage in rows:
        assert f" {passage} " in f" {text} "
        assert 8 <= len(passage.split()) <= 24
        assert set(passage.split()) <= set(text.split()[:36])
    assert len({passage for _, passage in rows}) > 3
