"""The page in a browser, for every task."""

import shutil

import every_task
import pytest
from running_server import RunningServer
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
TOKEN = "0123456789abcdef"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not on PATH"
    ),
]


@pytest.fixture(scope="module")
def server(warm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    token = folder / "token"
    token.write_text(TOKEN)
    models = every_task.write(folder / "everything")
    command = ["-m", "export.serve", str(models), "--port=0", f"--token_file={token}"]
    job = warm.start(command)
    yield RunningServer(job)
    job.kill()
    job.wait()


@pytest.fixture(scope="module")
def browser(server, tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new",
        "--no-sandbox",  # There is none for root, as in a container.
        "--disable-dev-shm-usage",
        "--window-size=900,1000",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(server, browser):
    browser.get(f"http://127.0.0.1:{server.port}/")
    page = Page(browser)
    page.wait(lambda: page.find("#token").is_displayed())
    assert "wants a token" in page.find("#about").text
    page.find("#token").send_keys("wrong", Keys.ENTER)
    page.wait(lambda: "wants a token" in page.find("#about").text)
    page.find("#token").clear()
    page.find("#token").send_keys(TOKEN, Keys.ENTER)
    page.wait(lambda: page.find("#send").is_enabled())
    assert not page.find("#token").is_displayed()
    assert page.find("h1").text == browser.title == "everything"
    browser.get_log("browser")  # Of the requests without the token.
    return page


class Page:
    def __init__(self, browser):
        self.browser = browser

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        found = self.browser.find_elements(By.CSS_SELECTOR, selector)
        return [element.text for element in found]

    def wait(self, holds):
        WebDriverWait(self.browser, 60, 0.05).until(lambda _: holds())

    def ask(self, signature, **inputs):
        """Types texts and waits for the answer."""
        Select(self.find("#signature")).select_by_value(signature)
        for name, text in inputs.items():
            area = self.find(f"#input-{name}")
            area.clear()
            # The driver's keyboard has no characters beyond 16 bits.
            self.browser.execute_script("arguments[0].value = arguments[1]", area, text)
        self.browser.execute_script(
            "document.getElementById('answer').replaceChildren()"
        )
        area.send_keys(Keys.CONTROL, Keys.ENTER)
        self.wait(
            lambda: (
                self.find("#answer").get_attribute("aria-busy") == "false"
                and self.find("#answer").get_attribute("childElementCount") != "0"
            )
        )
        assert self.texts("#answer .error") == []


def test_fillings(page):
    page.ask("fill_mask", text="the [MASK] of the [MASK]")
    assert page.texts("#answer caption") == ["[MASK] 1", "[MASK] 2"]
    assert len(page.texts("#answer th")) == 10
    assert all(text.endswith("%") for text in page.texts("#answer td.number"))
    page.ask("fill_mask", text="the union")
    assert page.texts("#answer p") == ["Write [MASK] where a word is missing."]


def test_labels_are_texts_whatever_they_hold(page):
    page.ask("classification", text="<script>alert(1)</script>")
    assert sorted(page.texts("#answer th")) == ["<b>bad</b>", "good"]
    shares = [float(t.split()[0]) for t in page.texts("#answer td.number")]
    assert abs(sum(shares) - 100) < 0.2 and shares == sorted(shares, reverse=True)
    assert len(page.texts("#answer tr.best")) == 1
    page.ask("multi_label", text="peace")
    assert sorted(page.texts("#answer th")) == ["borrowed", "new", "old"]
    page.ask("regression", text="peace")
    assert float(page.find("#answer .big").text) is not None


def test_words_are_marked_where_they_stand(page):
    """Behind characters of two UTF-16 units, accents and line ends."""
    text = "\U0001f600 é\n𝔘nion of e\u0301tat"
    page.ask("tagging", text=text)
    script = """return [...document.querySelectorAll('#answer mark')].map(
        mark => mark.firstChild.textContent)"""
    marked = page.browser.execute_script(script)
    assert marked == ["\U0001f600", "é", "𝔘nion", "of", "e\u0301tat"]
    assert {n.split()[0] for n in page.texts("#answer mark small")} <= {"NOUN", "VERB"}


def test_an_answer_is_marked_in_its_context(page):
    context = "\U0001f600 we must work for peace ."
    page.ask("answers", question="the union ?", context=context)
    answer = page.find("#answer .big").text
    assert answer and answer in context
    assert page.texts("#answer mark") == [answer]
    assert page.find("#answer .text").text == context


def test_choices_sentences_and_likeness(page):
    page.ask("choices", text="we must", choices="work\n\npeace\nunion")
    assert sorted(page.texts("#answer th")) == ["peace", "union", "work"]
    page.ask("summary", sentences="the union is strong .\nwe must work for peace .")
    assert page.find("#answer .text").text.startswith("the union is strong .")
    assert len(page.texts("#answer mark")) == 1
    page.ask("embedding", text="peace")
    assert "Write two lines or more" in page.find("#answer p").text
    page.ask("embedding", text="peace\nunion\npeace")
    assert page.texts("#answer tbody th") == ["1 peace", "2 union", "3 peace"]
    cells = page.texts("#answer td.number")
    assert cells[0] == cells[2] == cells[4] == "1.000"


def test_all_that_is_written_is_shown_and_no_likeness_of_its_scores(page):
    page.ask("writing", text="the union is strong .\nwe must work")
    assert len(page.texts("#answer p.text")) == every_task.BEAMS["num_beams"]
    assert page.texts("#answer table") == []


def test_an_error_is_shown_and_read_out(page):
    Select(page.find("#signature")).select_by_value("fill_mask")
    page.browser.execute_script(
        "document.getElementById('input-text').value = '\\ud800'"
    )
    page.find("#send").click()
    page.wait(lambda: page.texts("#answer .error"))
    assert "surrogate pair" in page.find("#answer [role=alert]").text
    log = [entry["message"] for entry in page.browser.get_log("browser")]
    assert all("400 (Bad Request)" in message for message in log), log


def test_it_is_usable_without_seeing_it(page):
    """Every control has a name, and every answer is announced."""
    unnamed = """return [...document.querySelectorAll('textarea, select, input')]
        .filter(control => control.labels.length !== 1).length"""
    assert page.browser.execute_script(unnamed) == 0
    assert page.find("#answer").get_attribute("aria-live") == "polite"
    assert page.find("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(page, scheme):
    """4.5 to 1, as WCAG 2.1 wants it for text."""
    page.browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    page.ask("tagging", text="we must work")
    for text, behind in (
        ("body", "body"),
        ("#about", "body"),
        ("label", "form"),
        ("#answer mark", "#answer mark"),
        ("#answer mark small", "#answer mark"),
        ("#send", "#send"),
    ):
        colors = page.browser.execute_script(
            "return [getComputedStyle(document.querySelector(arguments[0])).color, "
            "getComputedStyle(document.querySelector(arguments[1])).backgroundColor]",
            text,
            behind,
        )
        light, dark = sorted(map(luminance, colors), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, colors)


def luminance(color):
    """Relative luminance of `rgb(r, g, b)`; WCAG 2.1."""
    values = color[color.index("(") + 1 : -1].split(",")[:3]
    shares = [float(value) / 255 for value in values]
    linear = [
        s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares
    ]
    return sum(w * s for w, s in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_it_asks_nobody_but_its_server(page, server):
    names = page.browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    here = f"http://127.0.0.1:{server.port}/"
    assert names and all(name.startswith((here, "data:")) for name in names)
