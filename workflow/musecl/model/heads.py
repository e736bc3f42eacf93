"""From the vector of a region to its indicators: ridge of all labels, kept to be used again."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from musecl.evaluation.backtransform import Correction, Scale, land_of
from musecl.evaluation.everywhere import fold_of_all_labels
from musecl.evaluation.judgeable import Judgeable
from musecl.evaluation.labels import CityLabels
from musecl.evaluation.methods import Preparation, RegionFeatures, fit_preparation
from musecl.evaluation.prediction import fit_ridge
from musecl.evaluation.ridge import coefficients
from musecl.evaluation.settings import EvaluateSettings

Array = NDArray[np.float64]
FIELDS = ("fill", "centre", "spread", "mark_centre", "mark_spread")


@dataclass(frozen=True)
class Head:
    """Ridge of T indicators that are known in the same regions.

    Attributes
    ----------
    names : list of str
        The indicators.
    scales : list of Scale
        What the fitted numbers of each mean.
    preparation : Preparation
        Of the vectors.
    intercept : array of shape (T,)
    slopes : array of shape (P, T)
    half_width : array of shape (T,)
        Of the 90% interval, on the fitted scale; infinite where labels are too few.
    corrections : list of Correction
        What brings the fitted numbers of each back to its unit as means.
    """

    names: list[str]
    scales: list[Scale]
    preparation: Preparation
    intercept: Array
    slopes: Array
    half_width: Array
    corrections: list[Correction]

    def predict(self, region_ids: list[str], vectors: NDArray[np.floating]) -> pd.DataFrame:
        """Predict regions from their vectors (N, E).

        Returns
        -------
        DataFrame
            `region_id`, `indicator`, `prediction`, `lower_90`, `upper_90`, `unit`; N x T rows.
        """
        block = RegionFeatures(vectors.astype(np.float64), np.ones(len(vectors), dtype=np.bool_))
        fitted = self.intercept + self.preparation.apply(block) @ self.slopes
        tables = []
        for column, (name, scale) in enumerate(zip(self.names, self.scales, strict=True)):
            said, width = fitted[:, column], self.half_width[column]
            low, high = scale.back(said - width), scale.back(said + width)
            middle = np.clip(scale.back(self.corrections[column].apply(said)), low, high)
            columns = {"region_id": region_ids, "indicator": name, "prediction": middle}
            bounds = {"lower_90": low, "upper_90": high, "unit": scale.unit}
            tables.append(pd.DataFrame({**columns, **bounds}))
        return pd.concat(tables, ignore_index=True)


def fit_head(
    labelled: CityLabels,
    block: RegionFeatures,
    task: Judgeable,
    settings: EvaluateSettings,
    seed: int,
) -> Head:
    """Fit the indicators of a group to every region that has their labels.

    Parameters
    ----------
    labelled : CityLabels
        Of a city of N regions.
    block : RegionFeatures
        Vectors of the N regions.
    task : Judgeable
        The group, and the split by which the penalty is chosen.
    settings : EvaluateSettings
        Folds.
    seed : int
        Of the division into parts.
    """
    names = task.group.names
    labels = labelled.values[names].to_numpy()
    fold = fold_of_all_labels(labelled.regions, task, settings, seed)
    fitted = fit_ridge((block,), labels, fold)
    scales = [labelled.scales[name] for name in names]
    left_out = fitted.known - fitted.residuals
    land = land_of(labelled.regions)[fold.train]
    corrections = [
        scale.correction(seen, unseen, land)
        for scale, seen, unseen in zip(scales, fitted.known.T, left_out.T, strict=True)
    ]
    return Head(
        names,
        scales,
        fit_preparation(block, fold.train),
        fitted.known.mean(axis=0),
        coefficients(fitted.decomposed, fitted.known, fitted.penalties),
        fitted.half_width,
        corrections,
    )


def tensors_of(heads: list[Head]) -> dict[str, Array]:
    """Name the numbers of heads for a file."""
    found: dict[str, Array] = {}
    for number, head in enumerate(heads):
        values = {field: getattr(head.preparation, field) for field in FIELDS}
        values |= {field: getattr(head, field) for field in ("intercept", "slopes", "half_width")}
        values["corrections"] = np.array(head.corrections)
        found |= {
            f"{number}/{field}": np.ascontiguousarray(np.atleast_1d(value), dtype=np.float64)
            for field, value in values.items()
        }
    return found


def about(heads: list[Head]) -> list[list[dict[str, Any]]]:
    """Describe the indicators of heads for a file: name and scale; null for no bound."""
    return [
        [
            {
                "indicator": name,
                **{
                    key: None if isinstance(value, float) and np.isinf(value) else value
                    for key, value in asdict(scale).items()
                },
            }
            for name, scale in zip(head.names, head.scales, strict=True)
        ]
        for head in heads
    ]


def heads_of(tensors: dict[str, Array], described: list[list[dict[str, Any]]]) -> list[Head]:
    """Build heads from what `tensors_of` and `about` gave."""
    heads = []
    for number, indicators in enumerate(described):
        part: dict[str, Array] = {
            name.partition("/")[2]: value
            for name, value in tensors.items()
            if name.startswith(f"{number}/")
        }
        spread, mark_centre, mark_spread = (float(part[field][0]) for field in FIELDS[2:])
        scales = [
            Scale(one["unit"], one["transform"], _bound(one, "minimum"), _bound(one, "maximum"))
            for one in indicators
        ]
        heads.append(
            Head(
                [one["indicator"] for one in indicators],
                scales,
                Preparation(part["fill"], part["centre"], spread, mark_centre, mark_spread),
                part["intercept"],
                part["slopes"],
                part["half_width"],
                [Correction(float(held), float(shift)) for held, shift in part["corrections"]],
            )
        )
    return heads


def _bound(described: dict[str, Any], name: Literal["minimum", "maximum"]) -> float:
    value = described[name]
    if value is None:
        return -np.inf if name == "minimum" else np.inf
    return float(value)
