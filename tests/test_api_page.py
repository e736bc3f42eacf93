"""docs/api.md says what the docstrings say, of every public name."""

import api_page
import musecl


def test_the_page_is_up_to_date() -> None:
    assert api_page.PAGE.read_text(encoding="utf-8") == api_page.page(), "run `make declare`"


def test_every_public_name_is_on_the_page() -> None:
    assert sorted(api_page.ORDER) == sorted(musecl.__all__)
