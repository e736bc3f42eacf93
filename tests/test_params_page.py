"""docs/params.md says what the settings and params.yaml say."""

import params_page


def test_the_page_is_up_to_date() -> None:
    assert params_page.PAGE.read_text(encoding="utf-8") == params_page.page(), "run `make declare`"
