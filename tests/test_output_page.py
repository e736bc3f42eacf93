"""docs/output.md says what the schemas say, of every file that is declared below results/."""

import output_page


def test_the_page_is_up_to_date() -> None:
    assert output_page.PAGE.read_text(encoding="utf-8") == output_page.page(), "run `make declare`"


def test_every_declared_result_is_on_the_page_and_nothing_else() -> None:
    assert {(one.path, one.stage) for one in output_page.files()} == output_page.declared()


def test_every_column_is_described() -> None:
    columns = [(one.path, row) for one in output_page.files() for row in one.rows]
    assert len(columns) > 100
    assert [(path, row.name) for path, row in columns if not row.meaning] == []
