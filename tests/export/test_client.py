"""Our client and an independent one ask a test double of TF Serving."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bert_tf.errors import InputError
from export.client import calling, load_report, protocols, rows

ROOT = Path(__file__).parents[2]
TEXTS = ["the [MASK] of the union", "we must [MASK] for [MASK]", "peace"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def double(saved_model_dir, tmp_path_factory):
    """Ports of the test double: gRPC, REST."""
    script = Path(__file__).with_name("serving_double.py")
    log = open(tmp_path_factory.mktemp("double") / "stderr", "wb")
    process = subprocess.Popen(
        [sys.executable, "-P", script, "toy", saved_model_dir],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    line = process.stdout.readline().split()
    assert len(line) == 2, Path(log.name).read_text()
    yield dict(zip(["grpc", "http"], line, strict=True))
    process.kill()
    process.communicate()
    log.close()


def address(double, protocol):
    return f"{protocol}://127.0.0.1:{double[protocol]}"


def client(double, protocol, **settings):
    settings = {"model": "toy", **settings}
    return protocols.connect(protocols.Target(address(double, protocol), **settings), 4)


def served(saved_model_dir, signature, **inputs):
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    function = tf.saved_model.load(str(saved_model_dir)).signatures[signature]
    return {
        name: value.numpy()
        for name, value in function(
            **{name: tf.constant(value) for name, value in inputs.items()}
        ).items()
    }


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_answers_are_the_models(double, saved_model_dir, protocol):
    expected = served(saved_model_dir, "serving_default", text=TEXTS)
    asked = [{"text": text} for text in TEXTS]
    asker = client(double, protocol)
    together = list(calling.ask(asker, asked, batch_size=3, concurrency=1))
    alone = list(calling.ask(asker, asked * 10, batch_size=1, concurrency=4))
    asker.close()
    for i, answer in enumerate(together):
        assert set(answer) == set(expected)
        assert (
            answer["tokens"]
            == np.char.decode(expected["tokens"][i].astype(bytes)).tolist()
        )
        np.testing.assert_allclose(
            answer["probabilities"], expected["probabilities"][i], atol=1e-5
        )
    # In the order of the input, whatever was answered first.
    for i, answer in enumerate(alone):
        masks = TEXTS[i % 3].count("[MASK]")
        assert answer["tokens"] == together[i % 3]["tokens"][:masks]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_ids_and_examples(double, saved_model_dir, protocol):
    ids = {
        "input_ids": [2, 5, 4, 3],
        "input_mask": [1, 1, 1, 1],
        "segment_ids": [0, 0, 0, 0],
        "masked_lm_positions": [2],
    }
    batch = {name: np.array([value], np.int32) for name, value in ids.items()}
    expected = served(saved_model_dir, "serve_ids", **batch)
    asker = client(double, protocol, signature="serve_ids", version=1)
    (answer,) = asker.predict([ids])
    asker.close()
    for name, value in expected.items():
        np.testing.assert_allclose(answer[name], value[0], atol=1e-5)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_refused_request_is_told_in_its_place(double, protocol):
    bad = {"input_ids": [99], "input_mask": [1], "segment_ids": [0]}
    good = {**bad, "input_ids": [5]}
    asked = [{**row, "masked_lm_positions": [0]} for row in (good, bad, good)]
    asker = client(double, protocol, signature="serve_ids")
    first, second, third = calling.ask(asker, asked, batch_size=1, concurrency=2)
    asker.close()
    assert first == third and "masked_lm_logits" in first
    assert "input_ids must be at least 0 and less than" in second["error"]
    assert ("INVALID_ARGUMENT" if protocol == "grpc" else "HTTP 400") in second["error"]
    # One bad row refuses a whole request.
    asker = client(double, protocol, signature="serve_ids")
    answers = list(calling.ask(asker, asked, batch_size=3, concurrency=1))
    assert all("error" in answer for answer in answers)
    asker.close()


def test_an_id_that_its_type_cannot_hold_is_not_sent(double):
    """TensorFlow would keep its lower bits, which are a good id."""
    asker = client(double, "grpc", signature="serve_ids")
    row = {"input_mask": [1], "segment_ids": [0], "masked_lm_positions": [0]}
    for number in (2**32 + 5, 2**70):
        with pytest.raises(protocols.RequestFailed, match="int32 cannot|too large"):
            asker.predict([{**row, "input_ids": [number]}])
    asker.close()


def test_who_is_not_there_is_told(double):
    with pytest.raises(protocols.RequestFailed, match="NOT_FOUND: Servable not found"):
        client(double, "grpc", model="other")
    with pytest.raises(protocols.RequestFailed, match="label: canary"):
        client(double, "grpc", label="canary")
    with pytest.raises(InputError, match="no signature 'other', but embed, serve_ex"):
        client(double, "grpc", signature="other")
    asker = client(double, "http", model="other")
    with pytest.raises(protocols.RequestFailed, match="HTTP 404: Servable not found"):
        asker.predict([{"text": "a"}])
    asker = client(double, "http", label="canary")
    with pytest.raises(protocols.RequestFailed, match="HTTP 404: .*label: canary"):
        asker.predict([{"text": "a"}])
    assert client(double, "http", label="stable").predict([{"text": "a"}])
    nobody = protocols.Target("http://127.0.0.1:1", "toy", timeout=5)
    with pytest.raises(protocols.RequestFailed, match="127.0.0.1:1"):
        protocols.connect(nobody, 1).predict([{"text": "a"}])
    with pytest.raises(InputError, match="must begin with http://"):
        protocols.connect(protocols.Target("localhost:8500", "toy"), 1)


def test_the_job(double, tmp_path, run_job):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    for protocol in ("http", "grpc"):
        done = run_job(
            "run_client",
            server=address(double, protocol),
            model="toy",
            input_file=tmp_path / "texts.txt",
            output_file=tmp_path / f"{protocol}.jsonl",
        )
        assert done.returncode == 0, done.stderr
    lines = [(tmp_path / f"{p}.jsonl").read_text() for p in ("http", "grpc")]
    http, grpc = ([json.loads(line) for line in text.splitlines()] for text in lines)
    assert [row["tokens"] for row in http] == [row["tokens"] for row in grpc]
    assert [len(row["tokens"]) for row in http] == [1, 2, 0]

    done = run_job(
        "run_client",
        "--load_test",
        server=address(double, "http"),
        model="toy",
        text=TEXTS,
        concurrency=4,
        seconds=1,
        report_dir=tmp_path / "report",
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^p99_ms +[\d.,]+$", done.stdout, re.MULTILINE)
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("<svg") == 2 and "requests_per_second" in page

    asked = {"server": "http://127.0.0.1:1", "model": "toy", "text": "a"}
    done = run_job("run_client", **asked)
    assert done.returncode == 1 and "1 of 1 rows got an error" in done.stderr
    done = run_job("run_client", "--load_test", "--seconds=0.1", **asked)
    assert done.returncode == 1 and "no request was answered" in done.stderr


def test_rest_needs_no_tensorflow(double):
    code = (
        "import sys\n"
        "from export.client import calling, load_report, protocols\n"
        f"target = protocols.Target({address(double, 'http')!r}, 'toy')\n"
        "client = protocols.connect(target, 1)\n"
        "print(client.predict([{'text': 'peace'}]))\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_an_independent_client_gets_the_same(double, saved_model_dir):
    """OpenVINO's client of TF Serving's interfaces, with protos of its own."""
    code = (
        "import json, sys\n"
        "import numpy as np\n"
        "import ovmsclient\n"
        "texts = json.loads(sys.argv[3])\n"
        "clients = [ovmsclient.make_grpc_client('127.0.0.1:' + sys.argv[1]),\n"
        "           ovmsclient.make_http_client('127.0.0.1:' + sys.argv[2])]\n"
        "for client in clients:\n"
        "    status = client.get_model_status('toy', 1)\n"
        "    found = client.predict({'text': texts}, 'toy', 1)\n"
        "    print(json.dumps([status[1]['state'],\n"
        "                      np.asarray(found['probabilities']).tolist()]))\n"
    )
    arguments = [double["grpc"], double["http"], json.dumps(TEXTS)]
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", code, *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    expected = served(saved_model_dir, "serving_default", text=TEXTS)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        state, probabilities = json.loads(line)
        assert state == "AVAILABLE"
        np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-5)


def test_the_readmes_examples_are_answered_as_it_says(double, saved_model_dir):
    """Every request of the generated README, sent as it stands there."""
    import urllib.request

    text = (saved_model_dir / "README.md").read_text()
    examples = re.findall(
        r"curl -d '(.*)' \\\n    localhost:8501/v1/models/(\S+):predict\n(.*)\n", text
    )
    assert len(examples) == 4
    for body, name, answer in examples:
        assert name == saved_model_dir.parent.name
        url = f"{address(double, 'http')}/v1/models/toy:predict"
        with urllib.request.urlopen(url, body.encode()) as response:
            found = json.load(response)
        expected = json.loads(answer.replace("...", "null"))
        assert begins_alike(found, expected), (found, expected)


def begins_alike(found, expected):
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            begins_alike(found[name], value) for name, value in expected.items()
        )
    if isinstance(expected, list):
        if expected and expected[-1] is None:
            expected = expected[:-1]
            found = found[: len(expected)]
        return len(found) == len(expected) and all(map(begins_alike, found, expected))
    if isinstance(expected, float):
        return found == pytest.approx(expected, rel=1e-3, abs=1e-6)
    return found == expected


def test_rows_of_files(tmp_path):
    path = tmp_path / "rows"
    path.write_bytes("\ufeffone\n\ntwo\u2028\x0cmore\r\nthree".encode())
    texts = [row["text"] for row in rows.read(str(path))]
    assert texts == ["one", "two\u2028\x0cmore", "three"]
    path.write_text('"a\u2028b"\n{"question": "q", "context": "c"}\n', encoding="utf-8")
    assert rows.read(str(path), "jsonl") == [
        {"text": "a\u2028b"},
        {"question": "q", "context": "c"},
    ]
    path = path.rename(tmp_path / "rows.csv")
    path.write_text('text,text_pair\n"a, b",c\n', encoding="utf-8")
    assert rows.read(str(path)) == [{"text": "a, b", "text_pair": "c"}]
    for content, format, message in [
        (b"\n\n", "text", "nothing to ask in it"),
        (b"a\n\xff", "text", "line 2: not UTF-8"),
        (b"{}\n", "jsonl", "line 1: expected an object of inputs"),
        (b"\n{", "jsonl", "line 2: not JSON"),
        (b"a,b\n1\n", "csv", "line 2: expected 2 columns"),
        (b"a,b\n1,2,3\n", "csv", "line 2: expected 2 columns"),
    ]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            rows.read(str(path), format)


def test_figures_of_a_load_test():
    calls = [(i / 100, (i + 1) / 1000) for i in range(100)]
    measured = calling.Measured(2.0, 4, 8, 390, calls, {"HTTP 503: busy": 3})
    values = load_report.figures(measured)
    assert values["requests"] == 100 and values["errors"] == 3
    assert values["requests_per_second"] == 50 and values["rows_per_second"] == 195
    assert values["p50_ms"] == pytest.approx(50.5) and values["max_ms"] == 100
    assert "3 x HTTP 503: busy" in load_report.table(measured)


def test_a_load_test_counts_the_rows_that_were_asked():
    class Asked:
        rows = 0

        def predict(self, batch):
            self.rows += len(batch)
            return [{}] * len(batch)

    client = Asked()
    measured = calling.measure(
        client, [{"text": "a"}] * 5, batch_size=4, concurrency=1, seconds=0.05
    )
    # All but the first, uncounted request of 4 rows, the next of 1, 4, 1, ...
    assert measured.num_rows == client.rows - 4
    assert len(measured.calls) > 1 and measured.num_rows < 4 * len(measured.calls)


@pytest.mark.parametrize("token", ["", "two\nlines", "\ufeffmark", "a b"])
def test_a_token_that_fits_no_header_is_told_at_once(token):
    with pytest.raises(InputError, match="--token_file: a token is printable ASCII"):
        protocols.Target("http://localhost:8501", "toy", token=token)


def test_what_is_no_address_is_told():
    with pytest.raises(InputError, match=r"--server=http://\[::1: Invalid IPv6 URL"):
        protocols.connect(protocols.Target("http://[::1", "toy"), 1)
