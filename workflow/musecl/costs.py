"""Where the time of a run went: Snakemake's benchmark files, in one table."""

from pathlib import Path

import pandas as pd


def costs(logs: Path) -> str:
    """Lay out seconds and peak memory of every rule that ran, the longest first.

    Parameters
    ----------
    logs : Path
        The folder of `{city}/{rule}.tsv`, as the rules' `benchmark` lines write them.

    Returns
    -------
    str
        A line per rule, and their sum; memory in MiB is the peak of the largest job.
    """
    # A kill or a full disk in the moment of writing leaves an empty one.
    files = sorted(file for file in logs.rglob("*.tsv") if file.stat().st_size)
    if not files:
        return "no benchmark yet: nothing ran here"
    rows = pd.concat(
        [
            pd.read_csv(file, sep="\t", na_values="-").assign(rule=_rule(file, logs))
            for file in files
        ]
    ).sort_values(["s", "rule"], ascending=[False, True])
    lines = [f"{'rule':40} {'seconds':>8} {'peak MiB':>9}"]
    lines += [
        f"{row.rule:40} {row.s:8.1f} {row.max_rss:9.0f}" for row in rows.itertuples(index=False)
    ]
    lines.append(
        f"{'all, one after another':40} {rows['s'].sum():8.1f} {rows['max_rss'].max():9.0f}"
    )
    return "\n".join(lines)


def _rule(file: Path, logs: Path) -> str:
    *city, rule = file.relative_to(logs).with_suffix("").parts
    return "@".join([rule, *city])
