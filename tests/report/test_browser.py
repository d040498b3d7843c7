"""The page in a real Chromium: search, sort, both widths, dark, print, keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixturepipe.report import write_report
from tests.largerun import LargeRun

pytest.importorskip("playwright", reason="NO PLAYWRIGHT: the report is not tested in a browser")

from tests.report.browser import DESK, PHONE, Opened, chromium, opened_browser

pytestmark = pytest.mark.skipif(
    chromium() is None,
    reason="NO CHROMIUM: the report is not tested in a browser. `make setup-dev` installs it.",
)

# For each text that can be seen: its contrast with what is behind it, by the formula of
# https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio, and the element, if it is below that of AA.
_LOW_CONTRAST = """() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).slice(0, 3).map((value) => value / 255)
      .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if ((parts(color)[3] ?? 1) > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest("script")) continue;
    const style = getComputedStyle(element);
    const color = element.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(color), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.push(`${ratio.toFixed(1)} ${element.outerHTML.slice(0, 80)}`);
  }
  return low;
}"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a large run, with its hostile values."""
    directory = LargeRun().write(tmp_path_factory.mktemp("browser") / "run")
    write_report(directory, values=True)
    return directory.path / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Opened]:
    with opened_browser() as opened:
        yield opened


@pytest.fixture
def opened(browser: Opened, file: Path) -> Opened:
    browser.open(file)
    return browser


def column(opened: Opened, number: int) -> list[str]:
    """The texts of a column of the models' table, of the rows that are shown."""
    script = f"""rows => rows.filter(row => !row.hidden).map(
        row => row.cells[{number}].textContent.trim())"""
    found: list[str] = opened.page.eval_on_selector_all("#model-table tbody tr", script)
    return found


def width(opened: Opened) -> int:
    found: int = opened.page.evaluate("document.documentElement.scrollWidth")
    return found


def test_it_loads_nothing_complains_of_nothing_and_runs_no_script_of_others(
    opened: Opened, file: Path
) -> None:
    opened.page.emulate_media(media="print")
    opened.page.set_viewport_size(PHONE)
    assert opened.requests == [file.as_uri()]
    assert opened.complaints == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["1280", "390"])
def test_the_page_never_scrolls_sideways(opened: Opened, size: dict[str, int]) -> None:
    opened.page.set_viewport_size(size)
    opened.page.evaluate("document.querySelector('details').open = true")
    assert width(opened) == size["width"]


def test_the_search_shows_the_models_that_have_all_words_and_says_how_many(
    opened: Opened,
) -> None:
    opened.page.get_by_label("Find a model").fill("audit exceptions")
    assert column(opened, 0) == ["audit.address"]
    assert opened.page.locator("#found").text_content() == "1 of 200 models"
    opened.page.get_by_label("Find a model").fill("")
    assert len(column(opened, 0)) == 200


def test_columns_sort_by_number_and_by_name_and_say_so(opened: Opened) -> None:
    header = opened.page.locator("#model-table thead th").nth(2)
    table = opened.page.locator("#model-table")
    table.get_by_role("button", name="Source", exact=True).click()
    numbers = [int(text.replace(",", "")) for text in column(opened, 2)]
    assert numbers == sorted(numbers, reverse=True)
    assert header.get_attribute("aria-sort") == "descending"
    table.get_by_role("button", name="Source", exact=True).press("Enter")
    assert [int(text.replace(",", "")) for text in column(opened, 2)] == sorted(numbers)
    assert header.get_attribute("aria-sort") == "ascending"
    table.get_by_role("button", name="Model").click()
    assert column(opened, 0) == sorted(column(opened, 0))
    assert header.get_attribute("aria-sort") is None


def test_the_first_tab_leads_past_the_head_and_one_tab_into_the_graph(opened: Opened) -> None:
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.textContent") == "Skip to the models"
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("document.activeElement.id") == "models"
    assert opened.page.locator(".node[tabindex='0']").count() == 1
    opened.page.locator(".node[tabindex='0']").focus()
    before = opened.page.locator("#picked").text_content()
    opened.page.keyboard.press("ArrowDown")
    assert opened.page.locator("#picked").text_content() != before
    assert opened.page.locator(".node.picked").count() == 1


def test_a_model_in_the_graph_lights_what_it_needs_and_what_needs_it(opened: Opened) -> None:
    node = opened.page.locator(".node", has=opened.page.locator("title", has_text="auth.user"))
    node.hover()
    edges = opened.page.locator(".edges path.lit").count()
    assert edges > 10
    said = opened.page.locator("#picked").text_content() or ""
    assert said.startswith("auth.user needs nothing. Needed by ")
    assert said.count(",") == edges - 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(opened: Opened, scheme: str) -> None:
    opened.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 28)")
    assert opened.page.evaluate(_LOW_CONTRAST) == []


def test_it_prints_on_a4_with_repeated_heads_and_without_controls(opened: Opened) -> None:
    content = opened.page.pdf(prefer_css_page_size=True)
    assert 5 < content.count(b"/Type /Page\n") < 30
    opened.page.emulate_media(media="print", color_scheme="dark")
    for control in ("nav", ".skip", ".search"):
        assert opened.page.locator(control).is_hidden()
    styles = opened.page.evaluate("""[
        getComputedStyle(document.querySelector("thead")).display,
        getComputedStyle(document.querySelector("thead th")).position,
        getComputedStyle(document.querySelector("thead th button")).display,
        getComputedStyle(document.body).color]""")
    assert styles == ["table-header-group", "static", "contents", "rgb(28, 33, 38)"]


def test_without_scripts_all_is_there_but_the_controls(browser: Opened, file: Path) -> None:
    chrome = browser.page.context.browser
    assert chrome is not None
    page = chrome.new_page(java_script_enabled=False)
    page.goto(file.as_uri())
    assert page.locator("#model-table tbody tr").count() == 200
    assert page.locator(".search").is_hidden()
    assert page.locator("#picked").is_hidden()
    assert page.locator("thead button").count() == 0
    page.locator("summary").click()
    assert page.locator("details li").first.is_visible()
    page.close()
