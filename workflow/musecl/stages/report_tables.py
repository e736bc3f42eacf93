"""Show the long tables of a city on one page: baselines, ablations, the inductive setting."""

import pandas as pd

from musecl.report.long_tables import TABLES, lay_out_table
from musecl.report.page import render
from musecl.runtime.job import Job


def run(job: Job) -> None:
    """Write `tables.html`."""
    imagery = pd.read_csv(job.input("r2.csv"))["imagery"].fillna("")
    page = render(
        "tables.html",
        city=job.city,
        rendered=bool(imagery.str.contains("rendered").any()),
        tables=[lay_out_table(name, pd.read_csv(job.input(f"{name}.csv"))) for name in TABLES],
    )
    job.output("tables.html").write_text(page, encoding="utf-8")
