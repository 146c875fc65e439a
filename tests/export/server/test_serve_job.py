"""`bert-tf-serve` as a user runs it, and as the world treats it."""

import concurrent.futures
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from running_server import TEXTS, RunningServer, request_bytes, until_closed

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def start(warm):
    started = []

    def run(*arguments, **flags):
        flags = {"port": 0, "model_name": "bert", **flags}
        command = ["-m", "export.serve", *map(str, arguments)]
        command += [f"--{name}={value}" for name, value in flags.items()]
        started.append(warm.start(command))
        return started[-1]

    yield run
    for job in started:
        job.kill()
        job.wait()


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory, saved_model_dir):
    folder = tmp_path_factory.mktemp("models") / "bert"
    shutil.copytree(saved_model_dir, folder / "1")
    return folder


@pytest.fixture(scope="module")
def server(start, models_dir):
    return RunningServer(start(models_dir, max_request_bytes=4096))


@pytest.fixture(scope="module")
def impatient(start, models_dir):
    return RunningServer(start(models_dir, request_timeout_s=1))


@pytest.fixture(scope="module")
def signatures(saved_model_dir):
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    return tf.saved_model.load(str(saved_model_dir)).signatures


def expected(signatures, texts):
    import tensorflow as tf

    found = signatures["serving_default"](text=tf.constant(texts))
    tokens = [[[t.decode() for t in m] for m in r] for r in found["tokens"].numpy()]
    return tokens, found["probabilities"].numpy()


def check(answer, tokens, probabilities):
    """The server's rows are the model's own."""
    rows = answer["predictions"]
    assert [row["tokens"] for row in rows] == tokens
    for row, values in zip(rows, probabilities, strict=True):
        given = np.reshape(row["probabilities"], values.shape)  # [] has one dimension.
        np.testing.assert_allclose(given, values, atol=1e-5)


def test_answers_are_the_models_alone_and_in_company(server, signatures):
    requests = [TEXTS[i % 6 :][: 1 + i % 3] for i in range(48)]
    alone = [expected(signatures, texts) for texts in requests]
    for texts, want in zip(requests[:6], alone[:6], strict=True):
        status, answer = server.predict(texts)
        assert status == 200
        check(answer, *want)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        mixed = [x for r in requests for x in (r, [1])]
        for index, (status, answer) in enumerate(pool.map(server.predict, mixed)):
            if index % 2:
                assert status == 400, answer
            else:
                assert status == 200
                check(answer, *alone[index // 2])


def test_every_signature_is_described_and_answers(server):
    _, _, metadata = server.ask("GET", "/v1/models/bert/metadata")
    found = metadata["metadata"]["signature_def"]["signature_def"]
    text = found["serving_default"]["inputs"]["text"]
    assert text["dtype"] == "DT_STRING"
    assert text["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}],
        "unknown_rank": False,
    }
    assert {"serving_default", "embed", "serve_ids", "serve_examples"} <= found.keys()
    _, answer = server.predict(["peace"], signature_name="embed")
    assert np.shape(answer["predictions"][0]["pooled_output"]) == (64,)
    ids = {
        "input_ids": [2, 6, 3],
        "input_mask": [1, 1, 1],
        "segment_ids": [0, 0, 0],
        "masked_lm_positions": [1],
    }
    status, answer = server.predict([ids, ids], signature_name="serve_ids")
    assert status == 200
    assert len(answer["predictions"][1]["next_sentence_logits"]) == 2
    ids["input_ids"] = [2, 600, 3]
    status, answer = server.predict([ids], signature_name="serve_ids")
    assert status == 400 and "input_ids must be at least 0" in answer["error"]
    status, answer = server.predict(["no example"], signature_name="serve_examples")
    assert status == 400 and "parse" in answer["error"].lower()
    status, _, about = server.ask("GET", "/model.json")
    assert about["task"]["name"] == "pretraining" and "checkpoint" not in about


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02",
        b"GET\r\n\r\n",
        b"GET / SPDY/3\r\nHost: here\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: here\r\n\r\n",
        b"POST /v1/models/bert:predict HTTP/1.1\r\nHost: a\r\n"
        b"Content-Length: x\r\n\r\n",
        b"POST /v1/models/bert:predict HTTP/1.1\r\nHost: a\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: here\r\n" + b"x: " + b"y" * 200_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_ends_the_connection_alone(impatient, request_bytes):
    with impatient.connect() as connection:
        try:
            connection.sendall(request_bytes)
        except ConnectionError:
            pass
        received = until_closed(connection)
    assert b" 200 " not in received.split(b"\r\n")[0]
    assert impatient.predict(["peace"])[0] == 200


def test_connections_that_are_dropped_end_nothing(server):
    whole = request_bytes(TEXTS)
    for end in (1, 20, len(whole) - 5, len(whole)):
        with server.connect() as connection:
            connection.sendall(whole[:end])
    assert server.predict(["peace"])[0] == 200


def test_a_body_that_is_too_large_is_not_read(server):
    body = b'{"instances": ["' + b"a" * 5000 + b'"]}'
    status, _, answer = server.ask("POST", "/v1/models/bert:predict", body)
    assert (status, answer["error"]) == (413, "A body may have 4096 bytes.")


def test_the_slow_are_not_waited_for(impatient):
    """Of headers, of a body, and readers of an answer."""
    with impatient.connect() as headers, impatient.connect() as body:
        headers.sendall(b"GET / HTTP/1.1\r\nHost:")
        body.sendall(request_bytes(TEXTS)[:-5])
        assert until_closed(headers) == b""
        assert b"408 Request Timeout" in until_closed(body)
    with impatient.connect() as reader:
        # More than the buffers of both sides hold, and nobody who takes it.
        reader.setsockopt(1, 8, 4096)
        request = b"GET /v1/models/bert/metadata HTTP/1.1\r\nHost: here\r\n\r\n"
        reader.settimeout(1)
        with pytest.raises((TimeoutError, ConnectionError)):
            while True:
                reader.sendall(request * 100)
        time.sleep(2.5)
        reader.settimeout(60)
        with pytest.raises(ConnectionError):
            while reader.recv(1 << 20):
                pass
            reader.sendall(request)
            reader.sendall(request)
    assert impatient.predict(["peace"])[0] == 200


def test_a_request_that_has_begun_is_answered_before_the_end(start, models_dir):
    for number in (signal.SIGTERM, signal.SIGINT):
        server = RunningServer(start(models_dir, batch_delay_ms=500))
        with server.connect() as busy, server.connect() as idle:
            # It waits for company; the signal comes meanwhile.
            busy.sendall(request_bytes(["the [MASK]"]))
            time.sleep(0.1)
            server.job.send_signal(number)
            received = until_closed(busy)
            assert b"200 OK" in received and b"probabilities" in received
            assert until_closed(idle) == b""
        assert server.job.wait(60) == 0
        stdout, stderr = server.job.output()
        assert stdout.endswith("every request that had begun was answered.\n")
        assert "Traceback" not in stderr


def test_a_new_version_is_served_and_a_broken_one_is_not(start, models_dir, tmp_path):
    folder = tmp_path / "bert"
    shutil.copytree(models_dir / "1", folder / "1")
    server = RunningServer(start(folder, poll_seconds=0.05))
    (folder / "3").mkdir()
    (folder / "3" / "saved_model.pb").write_bytes(b"damaged")

    def wait_for(found):
        deadline = time.monotonic() + 60
        while not found():
            assert time.monotonic() < deadline, server.job.output()
            time.sleep(0.02)

    wait_for(lambda: "not a SavedModel" in server.job.output()[1])
    assert server.predict(["peace"])[0] == 200
    shutil.rmtree(folder / "3")
    shutil.copytree(folder / "1", tmp_path / "2")
    (tmp_path / "2").rename(folder / "2")
    wait_for(lambda: "Serving version 2." in server.job.output()[0])
    assert server.predict(["peace"])[0] == 200
    status, _, _ = server.ask("GET", "/v1/models/bert/versions/2")
    assert status == 200
    assert server.predict(["peace"], name="bert/versions/1")[0] == 404
    shutil.rmtree(folder / "2")
    wait_for(lambda: "Serving version 1." in server.job.output()[0])


def run(*arguments, env, **flags):
    """Runs the job where it must not need TensorFlow."""
    command = [sys.executable, "-m", "export.serve", *map(str, arguments)]
    command += [f"--{name}={value}" for name, value in flags.items()]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def test_bad_arguments_get_one_line(models_dir, server, tmp_path, without_tensorflow):
    short = tmp_path / "token"
    short.write_text("short\n")
    for arguments, flags, message in (
        ([], {}, "missing --model_dir (--help lists the flags)"),
        ([models_dir, "more"], {}, "missing --model_dir"),
        ([tmp_path / "none"], {}, "neither a SavedModel nor a folder of them"),
        ([models_dir], {"token_file": short}, "at least 16 printable ASCII characters"),
        ([models_dir], {"token_file": tmp_path / "no"}, "No such file or directory"),
        ([models_dir], {"model_name": "a/b"}, "must hold neither / nor :"),
        ([models_dir], {"port": server.port}, "Address already in use"),
        ([models_dir], {"host": "256.0.0.1"}, "Cannot listen on"),
        ([models_dir], {"port": 70000}, "--port"),
    ):
        done = run(*arguments, env=without_tensorflow, **flags)
        assert done.returncode in (1, 2), done.stderr
        assert message in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert done.stdout == ""


def test_a_missing_package_is_named(models_dir, environment_with):
    refusal = "raise ModuleNotFoundError('no', name='{name}')\n"
    done = run(models_dir, env=environment_with(["uvicorn"], refusal))
    assert "uvicorn is missing: pip install 'bert-tf[serve]'" in done.stderr


def test_a_model_that_does_not_load_ends_the_server(start, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    job = start(tmp_path)
    assert job.wait(120) == 1
    stdout, stderr = job.output()
    assert "it holds no graph that is tagged `serve`" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr and stdout == ""


def test_a_version_folder_is_served_with_a_token(start, models_dir, tmp_path):
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    server = RunningServer(start(models_dir / "1", token_file=token))
    assert server.predict(["peace"])[0] == 401
    status, _, answer = server.ask(
        "POST",
        "/v1/models/bert:predict",
        b'{"instances": ["peace"]}',
        {"Authorization": "Bearer 0123456789abcdef"},
    )
    assert status == 200
