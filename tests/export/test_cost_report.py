"""The report on what a TFLite file costs, and what it is made of."""

import pytest
from toy_checkpoint import S

from bert_tf.errors import InputError
from export.check import profile, tflite_weights
from export.tflite import exporter
from export.tflite.settings import Settings

SUMMARY = """
========= Run Order =========
          [node type]    [start]    [first]   [avg ms]        [%]     [cdf%]   [mem KB]
              RESHAPE      0.001      0.001      0.250     0.134%     0.5%      0.0  10
    Delegate/Add (ND)      0.001      0.001      0.500     0.134%     0.5%      0.0  10
    Delegate/Fully Connected (NC, QD8, F32, QC8W) GEMM  0.1  0.2  3.000  0.1%  0.5%  0
    Delegate/Add (ND)      0.001      0.001      0.500     0.134%     0.5%      0.0  10

Number of nodes executed: 4

========= Summary by node type =========
    Delegate/Add (ND)      2      0.001      0.500     0.134%     0.5%      0.0  10
"""


def test_the_profilers_table_is_added_up():
    assert profile.parse(SUMMARY) == [
        profile.OperationTime("Fully Connected (NC, QD8, F32, QC8W) GEMM", 1, 3.0),
        profile.OperationTime("Add (ND)", 2, 1.0),
        profile.OperationTime("RESHAPE", 1, 0.25),
    ]


@pytest.mark.slow
def test_a_profile_has_the_files_operations(tflite_files):
    times = profile.profile_tflite(tflite_files["dynamic_int8"], calls=3)
    by_name = {time.name: time for time in times}
    assert by_name["EMBEDDING_LOOKUP"].count == 2
    (products,) = (n for n in by_name if "F32, QC8W" in n)
    # Six a block, the pooler, and the masked-LM head's two; nothing is counted twice.
    assert by_name[products].count >= 14
    assert times == sorted(times, key=lambda time: -time.ms)
    tflite_files["none"].with_name("no.tflite").write_bytes(b"TFL3")
    with pytest.raises(InputError, match=r"no\.tflite: LiteRT gives no profile"):
        profile.profile_tflite(tflite_files["none"].with_name("no.tflite"))
    with pytest.raises(InputError, match="no signature tokens_3"):
        profile.profile_tflite(tflite_files["none"], "tokens_3")


@pytest.mark.slow
def test_the_share_of_integer_multiplications(tflite_files):
    shares = {
        name: tflite_weights.integer_share(path.read_bytes())
        for name, path in tflite_files.items()
    }
    assert shares["none"] == shares["float16"] == 0.0
    # By hand, for 16 tokens: four products of 64 x 64 and two of 64 x 128 a block; the
    # attention's two products of 16 x 16 x 64. The heads come on top.
    block = S * (4 * 64 * 64 + 2 * 64 * 128)
    attention = 2 * S * S * 64
    least = block / (block + attention) - 0.02
    assert least < shares["dynamic_int8"] == shares["int8"] == shares["int4"] < 1


@pytest.mark.slow
def test_the_report_compares_with_float32(trained, tmp_path):
    settings = Settings("dynamic_int8", report_dir=str(tmp_path / "report"))
    exporter.export(trained, settings, tmp_path)
    text = (tmp_path / "report" / "report.md").read_text()
    assert text.startswith(f"# TFLite: pretraining, {S} tokens")
    for part in (
        *("| float32 |", "| dynamic_int8 |", "Latency, 1 thread\n", "2 threads"),
        *("Where the time of float32 goes", "Where the time of dynamic_int8 goes"),
        "EMBEDDING_LOOKUP",
    ):
        assert part in text
    assert text.count("| tokens | float32, ms | dynamic_int8, ms |") == 2
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("<svg") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_folder_that_cannot_be_made_is_told_before_the_work(
    trained, tmp_path, monkeypatch
):
    monkeypatch.setattr(exporter.converter, "convert_float", None)
    (tmp_path / "report").touch()
    with pytest.raises(FileExistsError):
        exporter.export(
            trained, Settings(report_dir=str(tmp_path / "report")), tmp_path
        )
