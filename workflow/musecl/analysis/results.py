"""The results of a city, read into tables that are joined by `region_id`."""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd

from musecl.runtime.errors import InputError
from musecl.runtime.tables import KEY, read_geotable, read_table, read_vectors


@dataclass(frozen=True)
class Results:
    """What the pipeline found out about a city.

    docs/output.md describes every column.

    Attributes
    ----------
    city : str
        Name of the city.
    regions : GeoDataFrame
        A row per region, indexed by `region_id` (EPSG:4326): its outline, and each indicator
        observed and predicted, in its unit. From `map.parquet`.
    predictions : DataFrame
        A row per region, indicator and split, in the unit of the indicator.
    embeddings : DataFrame
        The vectors that predict, a row per region, indexed by `region_id`. Their columns are
        components: scale them together, not each to variance 1.
    fused : DataFrame
        The output of the fusion alone, what a region itself is like; indexed by `region_id`.
    scores : DataFrame
        `r2.csv`: the score of every method, indicator and split.
    """

    city: str
    regions: gpd.GeoDataFrame
    predictions: pd.DataFrame
    embeddings: pd.DataFrame
    fused: pd.DataFrame
    scores: pd.DataFrame

    @property
    def units(self) -> dict[str, str]:
        """The unit of each indicator that is predicted."""
        named = self.predictions.drop_duplicates("indicator")
        return dict(zip(named["indicator"], named["unit"], strict=True))

    @property
    def imagery(self) -> str:
        """`rendered` where any image was drawn, else `photographic`; `no` where there is none.

        `unknown` where nothing was judged, for the scores say it.
        """
        said = set(self.scores["imagery"].astype(str))
        if any("rendered" in one for one in said):
            return "rendered"
        return "photographic" if "photographic" in said else "no" if said else "unknown"


def load_results(folder: str | Path) -> Results:
    """Read the results of a city.

    Parameters
    ----------
    folder : str or Path
        `results/CITY`, as `snakemake` or `dvc repro` left it, or a copy of it.

    Returns
    -------
    Results

    Raises
    ------
    InputError
        A file is absent or damaged; the message names it.

    Examples
    --------
    >>> results = musecl.load_results("results/nyc")
    >>> results.regions["population_density_prediction"]
    """
    folder = Path(folder)
    for name in ("map.parquet", "predictions.parquet", "embeddings.parquet", "r2.csv"):
        if not (folder / name).exists():
            raise InputError(
                f"{folder / name}: absent; name the folder results/CITY of a city that was run "
                f"(`make results/{folder.name}/{name}`)"
            )
    return Results(
        city=folder.resolve().name,
        regions=read_geotable(folder / "map.parquet").set_index(KEY),
        predictions=read_table(folder / "predictions.parquet"),
        embeddings=_vectors(folder / "embeddings.parquet", "embedding"),
        fused=_vectors(folder / "embeddings.parquet", "fused"),
        scores=pd.read_csv(folder / "r2.csv", keep_default_na=False),
    )


def _vectors(path: Path, column: str) -> pd.DataFrame:
    keys, vectors = read_vectors(path, column)
    return pd.DataFrame(vectors, index=pd.Index(keys[KEY], name=KEY))
