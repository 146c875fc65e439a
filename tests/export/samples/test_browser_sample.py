"""The browser sample in Chromium, without a network, beside Python's answers."""

import dataclasses
import functools
import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from bert_tf.checkpoints.model_folder import load_model_folder, save_model_folder
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.models import named_variables
from bert_tf.tasks.catalog import create_task
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

SAMPLE = Path(__file__).parents[3] / "export/samples/browser"
CHROMIUM, DRIVER, NPM = map(shutil.which, ("chromium", "chromedriver", "npm"))

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER and NPM),
        reason="chromium, chromedriver and npm are not on PATH",
    ),
]

S, P = 32, 4
WORDS = """peace work union the of is we must strong , . ? ' " s 北 京 是 한국 어 문장
е мир труд और शांति naive facade x ##s ##ing ##е ##р ##a ##b a b c d e é""".split()
TEXTS = [
    "We must work for PEACE.",
    "Naïve façades, “naïve”?",
    "北京是 мир, труд!",
    "한국어 문장 और शांति \U0001f600 e\u0301t\u0301",
    "…",
    "the union is strong " * 20,
]
TASKS = {
    "classification": {"labels": ("good", "<b>bad</b>", "naïve")},
    "multi_label": {"labels": ("new", "old"), "settings": {"threshold": 0.4}},
    "regression": {"labels": ("value",), "settings": {"pairs": True}},
    "embedding": {"settings": {"pooling": "mean", "normalize": True}},
    "token_classification": {"labels": ("O", "B-PER", "I-PER", "B-LOC")},
    "question_answering": {
        "settings": {"max_query_length": 4, "doc_stride": 6, "no_answer": True}
    },
    "pretraining": {},
}


def write_model(directory, name, do_lower_case=True):
    """A model that nobody trained, whose answers differ from text to text."""
    entries = list(dict.fromkeys([*SPECIAL_TOKENS, *WORDS]))
    config = BertConfig(
        vocab_size=len(entries),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=S,
    )
    description = TaskDescription(name, S, **TASKS[name])
    rng = np.random.default_rng(len(name))
    variables = {
        key: np.asarray(value)
        + 0.2 * rng.standard_normal(value.shape, dtype=np.float32)
        for key, value in named_variables(
            create_task(description).create_model(config)
        ).items()
    }
    vocabulary = Vocabulary.from_entries(entries, TokenizerConfig(do_lower_case))
    return save_model_folder(
        directory,
        config=config,
        variables=variables,
        vocabulary=vocabulary,
        step=1,
        task=description,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page as it is served, with the runtime that npm has."""
    folder = tmp_path_factory.mktemp("sample") / "browser"
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        [NPM, "install", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"npm cannot install LiteRT.js: {done.stderr[-300:]}")
    return folder


@pytest.fixture(scope="module")
def models(folder, tmp_path_factory):
    """Each task's checkpoint; its TFLite file lies beside the page."""
    from export.checkpoint import pretrained
    from export.tflite import converter, description, lengths

    folders = {}
    for name in TASKS:
        checkpoint = write_model(tmp_path_factory.mktemp(name) / "model", name)
        settings = {"max_predictions_per_seq": P} if name == "pretraining" else {}
        trained = pretrained.load(load_model_folder(checkpoint), **settings)
        path = folder / f"{name}.tflite"
        path.write_bytes(converter.convert(trained, "none"))
        text = json.dumps(description.describe(trained))
        path.with_name(path.name + ".json").write_text(text)
        folders[name] = checkpoint
        if name == "classification":
            (folder / "int8.tflite").write_bytes(
                converter.convert(trained, "dynamic_int8")
            )
            (folder / "int8.tflite.json").write_text(text)
            shorter = dataclasses.replace(trained, max_seq_length=S // 2)
            others = {S // 2: converter.convert(shorter, "none")}
            joined = lengths.join(path.read_bytes(), others)
            (folder / "lengths.tflite").write_bytes(joined)
            (folder / "lengths.tflite.json").write_text(text)
    return folders


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address(folder, models):
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser(address, tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new",
        "--no-sandbox",  # There is none for root, as in a container.
        "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(argument)
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


class Page:
    """The page with a model open."""

    def __init__(self, browser, address, model):
        self.browser = browser
        browser.get(f"{address}?model={model}")
        about = self.find("#about")
        self.wait(lambda: not about.text.startswith("Loading"))
        assert self.find("#send").is_enabled(), about.text

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        found = self.browser.find_elements(By.CSS_SELECTOR, selector)
        return [element.text for element in found]

    def wait(self, holds):
        WebDriverWait(self.browser, 60, 0.05).until(lambda _: holds())

    def ask(self, **texts):
        """Asks as a person does, and waits until the answer is shown."""
        for name, text in texts.items():
            area = self.find(f"#input-{name}")
            # The driver's keyboard has no characters beyond 16 bits.
            self.browser.execute_script("arguments[0].value = arguments[1]", area, text)
        self.browser.execute_script(
            "document.getElementById('answer').replaceChildren()"
        )
        self.find("#send").click()
        answer = self.find("#answer")
        self.wait(
            lambda: (
                answer.get_attribute("aria-busy") == "false"
                and answer.get_attribute("childElementCount") != "0"
            )
        )

    def said(self, **texts):
        """What the page's own code answers, as values."""
        script = """const [texts, done] = arguments;
            import(new URL("answers.js", location)).then(
                ({ TASKS }) => TASKS[model.task](model, texts)
            ).then(done, error => done(String(error)))"""
        return self.browser.execute_async_script(script, texts)


def close(found, expected, tolerance=1e-4):
    """Checks values of any nesting; floats may differ a little."""
    if isinstance(expected, dict):
        assert found.keys() >= expected.keys()
        for name in expected:
            close(found[name], expected[name], tolerance)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            close(*pair, tolerance)
    elif isinstance(expected, float):
        assert abs(found - expected) < tolerance
    else:
        assert found == expected


@pytest.fixture(scope="module")
def python(models):
    """What `bert_tf.run_prediction` answers."""
    from bert_tf.prediction import predictor

    return functools.cache(lambda task: predictor.load(str(models[task]), None))


@pytest.mark.parametrize(
    "task", ["classification", "multi_label", "embedding", "token_classification"]
)
def test_answers_to_texts_are_pythons(browser, address, python, task):
    page = Page(browser, address, f"{task}.tflite")
    for text, expected in zip(TEXTS, python(task).predict(TEXTS), strict=True):
        close(page.said(text=text), expected)


def test_pairs(browser, address, python):
    page = Page(browser, address, "regression.tflite")
    for first, second in zip(TEXTS, TEXTS[::-1], strict=True):
        (expected,) = python("regression").predict([(first, second)])
        close(page.said(text=first, text_pair=second), expected)


def test_answers_that_stand_in_a_text(browser, address, python):
    page = Page(browser, address, "question_answering.tflite")
    answered = 0
    for question, context in zip(TEXTS, TEXTS[::-1], strict=True):
        texts = {"question": question, "context": context}
        (expected,) = python("question_answering").predict([texts])
        found = page.said(**texts)
        expected.pop("null_score_difference", None)
        close(found, expected, 1e-3)
        page.ask(**texts)
        answered += bool(expected["answer"])
        shown = expected["answer"] or "No answer in this text."
        assert page.find("#answer .big").text.split() == shown.split()
        assert (
            page.find("#answer .text")
            .get_attribute("textContent")
            .startswith(context[: expected["start"]])
        )
    assert 0 < answered


def test_fillings(browser, address, python):
    page = Page(browser, address, "pretraining.tflite")
    text = "\U0001f600 the [MASK] of the [MASK]s"
    (expected,) = python("pretraining").predict([text])
    close(page.said(text=text), expected)
    page.ask(text=text)
    assert page.texts("#answer caption") == ["[MASK] 1", "[MASK] 2"]
    page.ask(text="[MASK] " * (P + 1))
    assert "at most 4" in page.find("#answer [role=alert]").text


def test_int8_is_what_litert_gives(browser, address, folder, models):
    """Roundings differ: the browser's products are of other instructions."""
    page = Page(browser, address, "int8.tflite")
    run = Interpreter(str(folder / "int8.tflite")).get_signature_runner(
        "serving_default"
    )
    for text in TEXTS:
        script = """const [text, done] = arguments;
            import(new URL("tokenizer.js", location)).then(async ({ pack }) => {
                const pieces = model.tokenizer.tokenize(text);
                const packed = pack(model.tokenizer, [pieces], model.length);
                done([packed.ids, (await model.run(packed)).logits]);
            })"""
        ids, logits = browser.execute_async_script(script, text)
        padded = np.zeros([1, S], np.int32)
        padded[0, : len(ids)] = ids
        mask = (np.arange(S) < len(ids))[None].astype(np.int32)
        expected = run(
            input_ids=padded, input_mask=mask, segment_ids=np.zeros_like(mask)
        )["logits"]
        np.testing.assert_allclose([logits], expected, atol=0.02)
    page.ask(text=TEXTS[0])
    assert sorted(page.texts("#answer th")) == ["<b>bad</b>", "good", "naïve"]


def test_short_texts_go_through_the_short_signature(browser, address, python):
    page = Page(browser, address, "lengths.tflite")
    script = "return model.signatures.map(({ sizes }) => sizes.input_ids)"
    assert browser.execute_script(script) == [S // 2, S]
    browser.execute_script(
        "window.used = []; for (const { run, sizes } of model.signatures) {"
        "const real = run.run.bind(run);"
        "run.run = (given) => { used.push(sizes.input_ids); return real(given); }; }"
    )
    texts = [TEXTS[0], TEXTS[-1]]
    for text, expected in zip(
        texts, python("classification").predict(texts), strict=True
    ):
        close(page.said(text=text), expected)
    assert browser.execute_script("return window.used") == [S // 2, S]


def test_entities_are_marked_where_they_stand(browser, address, python):
    page = Page(browser, address, "token_classification.tflite")
    text = TEXTS[3]
    (expected,) = python("token_classification").predict([text])
    page.ask(text=text)
    marked = browser.execute_script(
        "return [...document.querySelectorAll('#answer mark')].map("
        "mark => mark.firstChild.textContent)"
    )
    assert marked == [entity["text"] for entity in expected["entities"]]


def test_it_asks_nobody_but_its_server(browser, address):
    page = Page(browser, address, "classification.tflite")
    page.ask(text="peace")
    names = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert any(name.endswith(".wasm") for name in names)
    assert all(name.startswith((address, "data:")) for name in names), names
    blocked = browser.execute_async_script(
        "fetch('https://example.com').then(() => arguments[0](false), "
        "() => arguments[0](true))"
    )
    assert blocked


def test_a_missing_model_is_told(browser, address):
    browser.get(f"{address}?model=none.tflite")
    about = browser.find_element(By.ID, "about")
    WebDriverWait(browser, 60).until(lambda _: "none.tflite.json" in about.text)
    assert "404" in about.text


def test_a_model_that_takes_text_is_told(browser, address, folder):
    """LiteRT.js has no texts: it opens none of the signatures of such a file."""
    description = json.loads((folder / "classification.tflite.json").read_text())
    description["text_signature"] = {"name": "serve_text"}
    (folder / "text.tflite.json").write_text(json.dumps(description))
    browser.get(f"{address}?model=text.tflite")
    about = browser.find_element(By.CSS_SELECTOR, "#about")
    WebDriverWait(browser, 60).until(lambda _: not about.text.startswith("Loading"))
    assert "text.tflite takes text itself" in about.text
    assert "without --text_input" in about.text
