"""The page in a real browser: what is chosen is drawn, by mouse and by keyboard, and offline."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reported_city import CITY, HOSTILE, PRIMARY, SIGNED, UNLABELLED, build, lay_city

MINUS, NONE = "\N{MINUS SIGN}", "\N{EN DASH}"
BROWSER = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is absent")
if not BROWSER.exists():
    pytest.skip(f"{BROWSER} is absent: install chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("city")
    lay_city(root)
    build(root)
    return root


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=str(BROWSER), args=ARGUMENTS)
        yield launched
        launched.close()


class Page:
    """report.html in a tab; `complaints` gathers errors of the script and requests to outside."""

    def __init__(self, browser, city: Path, width: int = 1400) -> None:
        self.tab = browser.new_page(
            viewport={"width": width, "height": 900}, reduced_motion="reduce"
        )
        self.complaints: list[str] = []
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("console", lambda told: self.complaints.append(told.text))
        self.tab.on("request", self._requested)
        self.tab.goto((city / f"results/{CITY}/report.html").as_uri())
        self.data = json.loads(self.tab.locator("#data").text_content())

    def _requested(self, request) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.complaints.append(request.url)

    def region(self, row: int):
        return self.tab.locator(
            f'#map path.region[aria-label^="{self.data["regions"]["id"][row]}"]'
        )

    def colours(self) -> list[str]:
        count = len(self.data["regions"]["id"])
        return [self.region(row).get_attribute("fill") for row in range(count)]

    def choose_layer(self, name: str) -> None:
        self.tab.locator("fieldset label", has_text=name).click()


@pytest.fixture
def page(browser, city: Path) -> Iterator[Page]:
    opened = Page(browser, city)
    yield opened
    opened.tab.close()
    assert opened.complaints == []


def test_every_layer_colours_the_map_and_has_a_legend_with_its_unit(page: Page) -> None:
    seen = set()
    for name in ("Observed", "Predicted", "Error", "Width of the interval"):
        page.choose_layer(name)
        seen.add(tuple(page.colours()))
        legend = page.tab.locator("#legend").inner_text()
        assert f"{name}, people per km²" in legend
        unlabelled = page.colours()[-UNLABELLED:]
        has_none = name in ("Observed", "Error")
        assert (set(unlabelled) == {"url(#no-value)"}) == has_none
        assert ("no value" in legend) == has_none
        assert "predicted by the model of all labels" in legend
    assert len(seen) == 4


def test_errors_diverge_from_zero(page: Page) -> None:
    page.choose_layer("Error")
    indicator = page.data["indicators"][0]
    guess = indicator["splits"]["spatial"]["prediction"]
    errors = [g - o for g, o in zip(guess, indicator["observed"], strict=True) if o is not None]
    by_size = sorted(range(len(errors)), key=errors.__getitem__)
    colours = page.colours()
    assert colours[by_size[0]] == "#542788"
    assert colours[by_size[-1]] == "#b35806"


def test_an_indicator_and_a_split_are_chosen(page: Page) -> None:
    page.choose_layer("Predicted")
    before = page.colours()
    page.tab.select_option("#split", "random")
    other_split = page.colours()
    page.tab.select_option("#indicator", SIGNED)
    assert len({tuple(before), tuple(other_split), tuple(page.colours())}) == 3
    assert "people a year" in page.tab.locator("#legend").inner_text()
    assert page.tab.locator("#map-says").inner_text() == "Predicted: migration balance, 2024"
    assert re.search(MINUS + "[0-9]", page.tab.locator("#scatter").text_content())


def test_position_alone_is_shown_where_it_was_asked(page: Page) -> None:
    page.choose_layer("Not explained by position")
    assert set(page.colours()) == {"url(#no-value)"}  # known at random alone
    page.tab.select_option("#split", "random")
    assert "url(#no-value)" not in page.colours()[:-UNLABELLED]


def test_hovering_tells_a_number_that_a_person_reads(page: Page) -> None:
    page.region(3).hover(force=True)
    told = page.tab.locator(".leaflet-tooltip").inner_text()
    value = page.data["indicators"][0]["observed"][3]
    shown = re.search(r"([\d,.]+) people per km²", told)[1]
    assert abs(float(shown.replace(",", "")) - value) <= 0.005 * value
    assert ("," in shown) == (value >= 1000)


def cosines(explorer) -> list[float]:
    told = re.findall(r"cosine (-?[\d.]+)", explorer.inner_text().replace(MINUS, "-"))
    return [float(text) for text in told]


def test_a_click_opens_the_region_with_images_pois_and_its_like(page: Page) -> None:
    page.region(3).click(force=True)
    explorer = page.tab.locator("#region")
    assert page.data["regions"]["id"][3] in explorer.locator("h3").inner_text()
    assert explorer.locator(".images img").count() == 3
    assert explorer.locator(".images img").first.evaluate("one => one.naturalWidth") == 48
    assert HOSTILE in explorer.inner_text()
    assert "park: covers 25%" in explorer.inner_text()
    assert page.tab.locator("#scatter circle.selected").count() == 1
    found = explorer.locator(".similar button")
    told = cosines(explorer)
    assert told == [cosine for _, cosine in page.data["similar"]["elsewhere"][3]]
    explorer.get_by_label("Leave out neighbours").uncheck()
    told = cosines(explorer)
    assert told == [cosine for _, cosine in page.data["similar"]["everywhere"][3]]
    found.first.click()
    nearest = page.data["similar"]["everywhere"][3][0][0]
    assert page.data["regions"]["id"][nearest] in explorer.locator("h3").inner_text()


def test_the_keyboard_walks_and_chooses(page: Page) -> None:
    page.tab.locator("#map").focus()
    page.tab.keyboard.press("Tab")
    focused = "document.activeElement.getAttribute('aria-label')"
    while page.tab.evaluate("document.activeElement.matches('.region')") is False:
        page.tab.keyboard.press("Tab")
    first = page.tab.evaluate(focused)
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown") * 2:
        page.tab.keyboard.press(key)
    moved = page.tab.evaluate(focused)
    assert moved != first
    assert page.tab.locator("#map path[tabindex='0']").count() == 1
    page.tab.keyboard.press("Enter")
    assert moved.split(",")[0] in page.tab.locator("#region h3").inner_text()


def test_walking_east_goes_east(page: Page) -> None:
    page.region(0).focus()
    pois = [page.data["regions"]["centre"][0][1]]
    for _ in range(3):
        page.tab.keyboard.press("ArrowRight")
        label = page.tab.evaluate("document.activeElement.getAttribute('aria-label')")
        row = page.data["regions"]["id"].index(label.split(",")[0])
        pois.append(page.data["regions"]["centre"][row][1])
    assert pois == sorted(pois)
    assert pois[0] < pois[-1]


def test_plus_and_minus_zoom_and_arrows_move_the_map(page: Page) -> None:
    page.tab.locator("#map").focus()
    before = page.region(0).bounding_box()
    page.tab.keyboard.press("+")
    zoomed = page.region(0).bounding_box()
    assert zoomed["width"] > 1.2 * before["width"]
    pane = page.tab.locator(".leaflet-map-pane")
    place = pane.get_attribute("style")
    page.tab.keyboard.press("ArrowRight")
    playwright.expect(pane).not_to_have_attribute("style", place)
    page.tab.keyboard.press("-")
    assert page.region(0).bounding_box()["width"] == pytest.approx(before["width"], rel=0.02)


def test_the_table_of_methods_is_r2_csv(page: Page, city: Path) -> None:
    with (city / f"results/{CITY}/r2.csv").open() as file:
        rows = list(csv.DictReader(file))
    headings = {"regions held out at random": "random", "whole spatial blocks held out": "spatial"}
    told = {}
    for name in (PRIMARY, SIGNED):
        page.tab.select_option("#methods-of", name)
        shown = page.tab.locator(f'[data-indicator="{name}"]')
        assert shown.is_visible()
        table = shown.locator("tr").evaluate_all(
            "rows => rows.map(row => [...row.cells].map(cell => cell.innerText))"
        )
        splits = [headings[text] for text in table[0][2:]]
        for method, predictor, *cells in table[1:]:
            for split, cell in zip(splits, cells, strict=True):
                if cell != NONE:
                    told[name, method, predictor, split] = cell
    assert told == {
        (row["indicator"], row["method"].replace("_", " "), row["predictor"], row["split"]): (
            f"{float(row['r2_mean']):.3f} ± {float(row['r2_std']):.3f}"
        )
        for row in rows
    }


@pytest.mark.parametrize("width", [360, 768, 1400])
def test_nothing_is_wider_than_the_screen(browser, city: Path, width: int) -> None:
    opened = Page(browser, city, width)
    opened.region(3).click(force=True)
    assert opened.tab.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []
    opened.tab.close()


@pytest.mark.parametrize(("k_rings", "lacking"), [(0, ()), (2, ("satellite", "street_view"))])
def test_a_city_of_little_opens(browser, tmp_path: Path, k_rings: int, lacking: tuple) -> None:
    regions = lay_city(tmp_path, k_rings=k_rings, lacking=lacking, districts=False)
    build(tmp_path)
    opened = Page(browser, tmp_path)
    opened.region(0).click(force=True)
    explorer = opened.tab.locator("#region").inner_text()
    assert regions["region_id"].min() in explorer
    assert ("No region to compare with." in explorer) == (k_rings == 0)
    assert ("No image of this region." in explorer) == bool(lacking)
    assert opened.complaints == []
    opened.tab.close()
