"""Judge anybody's vectors as the pipeline judges its own: same folds, beside the same baselines."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from musecl.evaluation.judgeable import judgeable
from musecl.evaluation.labels import label_regions
from musecl.evaluation.methods import Method, align
from musecl.evaluation.prediction import predict_from_vectors, predict_without_vectors
from musecl.evaluation.scoring import describe
from musecl.evaluation.settings import EvaluateSettings, MlpSettings
from musecl.geography.geo import metric_coordinates
from musecl.runtime.errors import InputError
from musecl.runtime.section import explain
from musecl.runtime.tables import KEY, read_geotable, read_table

# Never fitted here; the settings ask for one.
NO_PERCEPTRON = MlpSettings(
    methods=[], seeds=1, components=1, hidden=[1], learning_rate=1, batch=1, epochs=1, patience=1
)


def evaluate_vectors(
    vectors: pd.DataFrame,
    city: str | Path,
    splits: Sequence[str] = ("random", "spatial"),
    folds: int = 5,
    seeds: int = 5,
    seed: int = 1,
    method: str = "vectors",
) -> pd.DataFrame:
    """Predict each indicator from vectors by ridge, out of fold, beside the naive baselines.

    Folds, the choice of the penalty and the scores are those of the stage `evaluate`: with the
    same `folds`, `seeds` and `seed` as params.yaml the numbers stand beside those of `r2.csv`.

    Parameters
    ----------
    vectors : DataFrame
        A row per region, indexed by `region_id` (or with a column of that name), numbers only. A
        region without a row is predicted as the mean of the others' vectors would be.
    city : str or Path
        `data/CITY`: holds `regions.parquet` and `indicators.parquet`.
    splits : sequence of str
        Of `random`, `spatial`, `spatial_wide`, `district` and `paper`.
    folds, seeds, seed : int
        Parts that the regions are divided into, repetitions, and what seeds every draw; the
        values of the shipped params.yaml.
    method : str
        What the column `method` calls the vectors.

    Returns
    -------
    DataFrame
        The columns of `r2.csv` but `imagery`. Rows by `method`: `dummy_mean` (of the training
        fold), `coordinates` (nearest regions or a random forest), and the vectors.

    Raises
    ------
    InputError
        A vector is of no region of the city or holds no number, the city has no indicator, no
        split suits it, or an argument is not what params.yaml may say.

    Examples
    --------
    >>> musecl.evaluate_vectors(results.embeddings, "data/nyc", splits=["spatial"])
    """
    folder = Path(city)
    regions = read_geotable(folder / "regions.parquet").sort_values(KEY, ignore_index=True)
    labelled = label_regions(regions, read_table(folder / "indicators.parquet"))
    if KEY in vectors.columns:
        vectors = vectors.set_index(KEY)
    try:
        numbers = vectors.to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"the vectors hold something that is no number ({error})") from error
    if vectors.isna().any(axis=None):
        raise InputError("the vectors hold empty cells; leave out regions that have no vector")
    keys = pd.DataFrame({KEY: vectors.index.astype(str)})
    block = align(regions[KEY], keys, numbers, where="the vectors")
    if not labelled.groups:
        raise InputError(f"{folder}: the city has no indicator, and vectors are judged by one")
    asked = {"seeds": seeds, "folds": folds, "splits": list(splits), "mlp": NO_PERCEPTRON}
    try:
        settings = EvaluateSettings.model_validate(asked)
    except ValidationError as error:
        raise InputError(explain(error, EvaluateSettings)) from error
    coordinates = metric_coordinates(regions)
    rows = []
    for split, group, trials in judgeable(regions, labelled.groups, settings, seed)[0]:
        compact = block.take(group.rows).compact()
        for answer in chain(
            predict_without_vectors(coordinates[group.rows], group.labels, trials),
            predict_from_vectors(
                [Method(method, (compact,), perceptron=False)], group.labels, trials, None
            ),
        ):
            rows += [{**row, "split": split} for row in describe(group, answer)]
    table = pd.DataFrame(rows)
    table.insert(0, "city", folder.resolve().name)
    table.insert(4, "split", table.pop("split"))
    table["label_provenance"] = table["indicator"].map(labelled.label_provenance)
    return table.sort_values(["indicator", "split"], kind="stable", ignore_index=True)
