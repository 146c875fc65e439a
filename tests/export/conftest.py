"""The toy checkpoint and what the jobs make of it, once a session."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_checkpoint import P, write_checkpoint, write_records

from bert_tf.checkpoints.model_folder import load_model_folder

ROOT = Path(__file__).parents[2]

# Of TensorFlow, in the job's process and the SavedModel's, and of LiteRT.
GREETINGS = ("InitializeLog", "oneDNN custom operations", "cuInit", "XNNPACK")


@pytest.fixture(scope="session")
def checkpoint_dir(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="session")
def folder(checkpoint_dir):
    return load_model_folder(checkpoint_dir)


@pytest.fixture(scope="session")
def trained(folder):
    from export.checkpoint import pretrained

    return pretrained.load(folder, max_predictions_per_seq=P)


@pytest.fixture(scope="session")
def model(trained):
    return trained.model


@pytest.fixture(scope="session")
def records_dir(tmp_path_factory, checkpoint_dir):
    return write_records(tmp_path_factory.mktemp("records") / "records", checkpoint_dir)


@pytest.fixture(scope="session")
def run_job(warm) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m export.JOB` with flags, as a user would.

    With an environment of its own, in a process of its own.
    """

    def run(
        job: str,
        *arguments: str,
        env: dict[str, str] | None = None,
        **flags: object,
    ) -> subprocess.CompletedProcess[str]:
        command = ["-m", f"export.{job}", *arguments]
        command += [
            f"--{name}={value}"
            for name, values in flags.items()
            for value in (values if isinstance(values, list) else [values])
        ]
        if env is None:
            done = warm.run(command)
        else:
            done = subprocess.run(
                [sys.executable, *command],
                cwd=ROOT,
                env=env,
                capture_output=True,
                text=True,
                timeout=500,
            )
        for greeting in GREETINGS:
            assert greeting not in done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def saved_model_dir(tmp_path_factory, checkpoint_dir, run_job):
    output = tmp_path_factory.mktemp("saved_model") / "1"
    done = run_job("export_saved_model", checkpoint=checkpoint_dir, output_dir=output)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="session")
def tflite_files(tmp_path_factory, trained, records_dir):
    from export.tflite import converter, quantizer
    from export.tflite.inputs import read_inputs
    from export.tflite.quantizations import QUANTIZATIONS

    directory = tmp_path_factory.mktemp("tflite")
    content = converter.convert_float(trained)
    examples = read_inputs(trained, str(records_dir), 16)
    paths = {name: directory / f"{name}.tflite" for name in QUANTIZATIONS}
    for name, path in paths.items():
        ranges = quantizer.calibrate(content, name, examples)
        path.write_bytes(quantizer.quantize(content, name, ranges=ranges))
    return paths
