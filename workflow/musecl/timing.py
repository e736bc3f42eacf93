"""Where the time of a run went: Snakemake's benchmark files, in one table."""

from pathlib import Path

import pandas as pd


def read_timings(logs: Path) -> pd.DataFrame:
    """Read what every rule took when it built its outputs, the longest first.

    Parameters
    ----------
    logs : Path
        The folder of `{city}/{rule}.tsv`, as the rules' `benchmark` lines write them. Where the
        last job restored what was built before, `{rule}.built.tsv` has the timing of that.

    Returns
    -------
    DataFrame
        `rule` (`fuse@nyc`), `s` (seconds), `max_rss` (MiB); no row where nothing was built here.
    """
    found = {_rule(file, logs): file for file in sorted(logs.rglob("*.tsv"), reverse=True)}
    # A kill or a full disk in the moment of writing leaves an empty one.
    files = {rule: file for rule, file in found.items() if file.stat().st_size}
    if not files:
        return pd.DataFrame(columns=["rule", "s", "max_rss"])
    rows = pd.concat(
        [
            pd.read_csv(file, sep="\t", na_values="-").assign(rule=rule)
            for rule, file in files.items()
        ]
    )
    return rows.sort_values(["s", "rule"], ascending=[False, True], ignore_index=True)


def timings(logs: Path) -> str:
    """Lay out seconds and peak memory (MiB) of every rule that ran, and their sum, as text."""
    rows = read_timings(logs)
    if rows.empty:
        return "no benchmark yet: nothing ran here"
    lines = [f"{'rule':40} {'seconds':>8} {'peak MiB':>9}"]
    lines += [
        f"{row.rule:40} {row.s:8.1f} {row.max_rss:9.0f}" for row in rows.itertuples(index=False)
    ]
    lines.append(
        f"{'all, one after another':40} {rows['s'].sum():8.1f} {rows['max_rss'].max():9.0f}"
    )
    return "\n".join(lines)


def _rule(file: Path, logs: Path) -> str:
    *city, name = file.relative_to(logs).parts
    return "@".join([name.partition(".")[0], *city])
