"""`musecl embed`: a trained model applied to the user's images and POIs."""

from pathlib import Path

import pandas as pd

from musecl.model.given import read_given
from musecl.model.reading import load_model
from musecl.runtime.errors import InputError
from musecl.runtime.tables import KEY, write_vectors


def run_embed(
    model: str,
    output: str,
    images: str | None,
    street_views: str | None,
    pois: str | None,
    regions: str | None,
) -> None:
    """Write the vectors of regions, and what is predicted of them.

    Parameters
    ----------
    model : str
        Folder of the model.
    output : str
        Parquet file of the vectors; the predictions go beside it, as `NAME_predictions.csv`.
    images, street_views, pois : str, optional
        See `Model.embed`.
    regions : str, optional
        Table with `region_id` and `neighbours`, as `data/CITY/regions.parquet`.

    Raises
    ------
    InputError
        As `load_model` and `Model.embed`, or the output cannot be written: known before anything
        is computed.
    """
    path = Path(output)
    if path.suffix != ".parquet":
        raise InputError(f"--output {output}: name a file that ends in .parquet")
    neighbours = None
    if regions is not None:
        given = read_given(Path(regions), [KEY, "neighbours"])
        # A CSV has no lists: of a text, each letter would be taken for a region.
        if not given["neighbours"].map(pd.api.types.is_list_like).all():
            raise InputError(
                f"{regions}: a cell of `neighbours` is no list; give a Parquet table, such as "
                "data/CITY/regions.parquet"
            )
        neighbours = dict(zip(given[KEY], given["neighbours"], strict=True))
    # Beside their place and renamed into it: a file is whole, or as it was.
    partial = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        partial.unlink()
    except OSError as error:
        raise InputError(
            f"--output {output}: {error.strerror}; name a file in a folder that can be written"
        ) from error
    found = load_model(model).embed(images, street_views, pois, neighbours)
    write_vectors(
        partial,
        found.vectors.index.to_frame(index=False),
        embedding=found.vectors.to_numpy(),
        fused=found.fused.to_numpy(),
    )
    partial.replace(path)
    table = path.with_name(f"{path.stem}_predictions.csv")
    partial = table.with_name(f".partial-{table.name}")
    found.predictions.to_csv(partial, index=False)
    partial.replace(table)
    print(f"{len(found.vectors)} regions: vectors in {path}, predictions in {table}")
