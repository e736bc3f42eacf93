"""The model card: what a model was made of, how well it does, and where it ends."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from musecl.model.heads import Head

PROVENANCE = "provenance.json"
PYTHON = """```python
import musecl

model = musecl.load_model("model")
found = model.embed(images="chips", street_views="streets", pois="pois.csv")
found.vectors      # a row per region
found.predictions  # each indicator in its unit, with a 90% interval
```"""
SHELL = """```console
$ musecl embed --model model --images chips --pois pois.csv --output vectors.parquet
```"""


def card(
    city: str,
    imagery: str | None,
    said: Mapping[str, Any],
    raw: Mapping[str, Path],
    scores: pd.DataFrame,
    heads: list[Head],
) -> str:
    """Write the card of a model.

    Parameters
    ----------
    city : str
        That it was trained on.
    imagery : str or None
        `rendered` or `photographic`; None where no view was given.
    said : mapping
        As in `settings.json`.
    raw : mapping of str to Path
        By layer, the folder that its provider filled.
    scores : DataFrame
        `r2.csv`.
    heads : list of Head
        What it predicts.
    """
    shown = {
        "rendered": "**The images of this city are rendered, not photographed.** They were drawn "
        "from tables of lots and streets. On photographs nobody has measured this model.",
        "photographic": "The images are photographs.",
        None: "No image was given.",
    }[imagery]
    ground, pixels = said["satellite"]["ground_m"], said["satellite"]["pixels"]
    units = "\n".join(
        f"- `{name}`, in {scale.unit or 'its own unit'}"
        for head in heads
        for name, scale in zip(head.names, head.scales, strict=True)
    )
    return f"""# MuseCL, trained on {city}

Vectors of regions from images, street views and POIs, and indicators predicted from them (Yong
and Zhou, IJCAI 2024). The folder holds all that is needed; `settings.json` says how it was made.

{PYTHON}

{SHELL}

Any of the three inputs may be missing, for all regions or for some. An image from above shows
{ground:g} m of ground from side to side, and is resized to {pixels} pixels.

## Predicts

{units or "Nothing: the city has no indicator."}

## Made of

{shown}

{sources(raw)}

Pretrained weights, under the licences of their makers: {weights(said)}.

## How well

R2 out of fold in {city}, from `r2.csv`: regions held out at random, by whole larger cells
(`spatial`, `spatial_wide`) or by district. `dummy_mean` is the mean of the training fold,
`coordinates` what position alone tells. The label provenance names the inputs that share a source
with the label: such an indicator is easier than it looks.

{figures(scores)}

## Limits

- Trained on one city: what its images, POIs and people have in common need not hold elsewhere.
- The encoders and the fusion have seen all regions of the city, but no indicator.
- An interval comes from residuals of that city. How often it holds elsewhere, nobody measured.
- Indicators describe areas, not persons; they are no ground for a decision on a person.
"""


def sources(raw: Mapping[str, Path]) -> str:
    """List where each layer comes from, its licence and whom to name."""
    lines = ["| layer | provider | licence | attribution |", "|---|---|---|---|"]
    for layer, folder in raw.items():
        for path in sorted(folder.rglob(PROVENANCE)):
            said = json.loads(path.read_text(encoding="utf-8"))
            if said["provider"] is None:
                lines.append(f"| {layer} | none | | |")
            else:
                cells = (said["provider"], said["licence"], said["attribution"])
                lines.append(f"| {layer} | {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def weights(said: Mapping[str, Any]) -> str:
    """Name the pretrained weights of each modality."""
    return ", ".join(f"{name} `{one['weights']}`" for name, one in said["encoders"].items())


def figures(scores: pd.DataFrame) -> str:
    """Lay out R2 of the method beside the naive baselines, a row per indicator and split."""
    head = "| indicator | split | dummy_mean | coordinates | musecl | label provenance |"
    lines = [head, "|---|---|---|---|---|---|"]
    chosen = scores[scores["predictor"] != "mlp"]
    for (indicator, split), rows in chosen.groupby(["indicator", "split"], sort=True):
        value = rows.set_index("method")["r2_mean"]
        cells = [f"{value[name]:.3f}" for name in ("dummy_mean", "coordinates", "musecl")]
        cells.append(str(rows["label_provenance"].iloc[0]))
        lines.append(f"| {indicator} | {split} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else "Nothing could be judged."
