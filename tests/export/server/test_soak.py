"""Damaged requests, some of each kind: the whole soak is `benchmarks.serving_load`."""

import pytest
from running_server import RunningServer

from benchmarks import hostile_requests

COUNT = 150


@pytest.fixture(scope="module")
def server(warm, saved_model_dir):
    command = ["-m", "export.serve", str(saved_model_dir)]
    job = warm.start([*command, "--port=0", "--model_name=bert"])
    yield RunningServer(job)
    job.kill()
    job.wait()


def test_damaged_requests_end_nothing(server):
    ids = {name: [1, 1, 1] for name in ("input_ids", "input_mask", "segment_ids")}
    target = hostile_requests.Target(
        server.port,
        "bert",
        {
            "serving_default": {"text": "the [MASK] of the union"},
            "embed": {"text": "peace"},
            "serve_ids": {**ids, "masked_lm_positions": [1]},
            "serve_examples": {"examples": "none"},
        },
    )
    before = server.predict(["the [MASK]", "peace"])
    for request in hostile_requests.requests(target, COUNT, seed=1):
        answer = hostile_requests.survives(target, request, 0.3)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 "), (request, answer)
        assert b" 500 " not in answer, (request, answer)
    assert server.predict(["the [MASK]", "peace"]) == before
    assert "Traceback" not in server.job.output()[1]


def test_the_same_seed_damages_alike():
    target = hostile_requests.Target(1, "bert", {"embed": {"text": "peace"}})
    first = list(hostile_requests.requests(target, 200, seed=3))
    assert first == list(hostile_requests.requests(target, 200, seed=3))
    assert first != list(hostile_requests.requests(target, 200, seed=4))
    assert len(set(first)) > 150
