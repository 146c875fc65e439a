"""The real TF Serving, where Docker is.

Opt in by naming its image: `BERT_TF_SERVING_IMAGE=tensorflow/serving:2.21.0 python -m
pytest -m container tests/export`. Everything else is tested on a test double.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from test_client import begins_alike

from export.client import calling, protocols
from export.deployment import writing

IMAGE = os.environ.get("BERT_TF_SERVING_IMAGE")
TEXTS = ["the [MASK] of the union", "we must [MASK] for [MASK]", "peace"]

pytestmark = [
    pytest.mark.container,
    pytest.mark.slow,
    pytest.mark.skipif(
        not IMAGE or not shutil.which("docker"),
        reason="names no image in BERT_TF_SERVING_IMAGE, or there is no Docker",
    ),
]


@pytest.fixture(scope="module")
def ports(saved_model_dir, tmp_path_factory):
    """The server, run with the files that `write_deployment` makes."""
    models = tmp_path_factory.mktemp("models") / "toy"
    shutil.copytree(saved_model_dir, models / "1")
    config = tmp_path_factory.mktemp("deploy")
    writing.write(config, models, image=IMAGE, resources=writing.Resources())
    chosen = {}
    for protocol in ("grpc", "http"):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            chosen[protocol] = free.getsockname()[1]
    command = ["docker", "run", "--rm", "--detach"]
    command += [f"--publish=127.0.0.1:{chosen['grpc']}:8500"]
    command += [f"--publish=127.0.0.1:{chosen['http']}:8501"]
    command += [f"--volume={models}:/models/toy:ro", f"--volume={config}:/config:ro"]
    command += [
        IMAGE,
        "--model_config_file=/config/models.config",
        "--allow_version_labels_for_unavailable_models=true",
        "--enable_batching=true",
        "--batching_parameters_file=/config/batching.config",
        "--monitoring_config_file=/config/monitoring.config",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    container = done.stdout.strip()
    try:
        status = f"http://127.0.0.1:{chosen['http']}/v1/models/toy"
        for _ in range(120):
            with contextlib.suppress(OSError, urllib.error.URLError):
                if b"AVAILABLE" in urllib.request.urlopen(status, timeout=5).read():
                    break
            time.sleep(1)
        else:
            logs = subprocess.run(
                ["docker", "logs", container], capture_output=True, text=True
            )
            raise AssertionError(logs.stdout + logs.stderr)
        yield chosen
    finally:
        subprocess.run(["docker", "kill", container], capture_output=True)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_texts_are_answered_under_both_labels(ports, protocol):
    answers = []
    for label in ("stable", "canary"):
        target = protocols.Target(
            f"{protocol}://127.0.0.1:{ports[protocol]}", "toy", label=label
        )
        client = protocols.connect(target, 8)
        asked = [{"text": text} for text in TEXTS * 10]
        found = list(calling.ask(client, asked, batch_size=1, concurrency=8))
        client.close()
        # Requests that were batched together get as many masks as the longest.
        answers.append([[m for m in a["tokens"] if m[0]] for a in found])
    assert answers[0] == answers[1]
    counts = [text.count("[MASK]") for text in TEXTS * 10]
    assert [len(masks) for masks in answers[0]] == counts


def test_the_readmes_examples_are_answered_as_it_says(ports, saved_model_dir):
    text = (saved_model_dir / "README.md").read_text()
    examples = re.findall(
        r"curl -d '(.*)' \\\n    localhost:8501/v1/models/\S+:predict\n(.*)\n", text
    )
    assert len(examples) == 4
    for body, answer in examples:
        url = f"http://127.0.0.1:{ports['http']}/v1/models/toy:predict"
        with urllib.request.urlopen(url, body.encode()) as response:
            found = json.load(response)
        assert begins_alike(found, json.loads(answer.replace("...", "null")))


def test_metrics_are_there(ports):
    url = f"http://127.0.0.1:{ports['http']}/monitoring/prometheus/metrics"
    with urllib.request.urlopen(url) as response:
        assert b":tensorflow:" in response.read()
