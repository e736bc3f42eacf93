"""Pairs for the contrastive stages: anchor, positive and negative regions.

As shipped, the positives of the satellite view are the most similar regions by POIs, lambda^POI;
those of the street view the most similar ones by mobility, lambda^PM, among regions with enough
trips. A region with too few is its own positive (two of its images are alike), and so is what is
missing where a city has fewer such regions than positives are asked for. The negative is random.
"""

import numpy as np
import pandera.pandas as pa

from musecl.pair_mining.mining import mobility_pairs, poi_pairs
from musecl.pair_mining.settings import PairSettings
from musecl.runtime.job import Job
from musecl.runtime.tables import read_geotable, read_table, write_table

SATELLITE_STREAM, STREET_VIEW_STREAM = 11, 12
REASONS = ["pois", "mobility", "neighbours", "random", "same region"]
PAIRS = pa.DataFrameSchema(
    {
        "anchor": pa.Column(str, description="a region"),
        "positive": pa.Column(str, description="a region that is like it"),
        "negative": pa.Column(str, description="a region that is not"),
        "similarity": pa.Column(
            float, nullable=True, description="of anchor and positive; null where none was measured"
        ),
        "reason": pa.Column(str, pa.Check.isin(REASONS), description="why the two count as alike"),
    },
    strict=True,
)


def run(job: Job) -> None:
    """Write satellite_pairs.parquet and street_view_pairs.parquet."""
    settings = job.settings("pairs", PairSettings)
    seed = job.value("seed")
    regions = read_geotable(job.input("regions.parquet"))
    category_counts = read_table(job.input("poi_category_counts.parquet"))
    flows = read_table(job.input("flows.parquet"))
    origin_destination = read_table(job.input("origin_destination.parquet"))
    generator = np.random.default_rng([seed, SATELLITE_STREAM])
    satellite = poi_pairs(settings.satellite, regions, category_counts, generator)
    generator = np.random.default_rng([seed, STREET_VIEW_STREAM])
    street_view = mobility_pairs(
        settings.street_view, regions, flows, origin_destination, generator
    )
    for view, pairs in (("satellite", satellite), ("street_view", street_view)):
        alone = pairs.loc[pairs["reason"] == "same region", "anchor"].nunique()
        print(
            f"{view}: {len(pairs)} pairs, {pairs['positive'].nunique()} of {len(regions)} regions "
            f"are a positive, {alone} their own"
        )
        write_table(pairs, PAIRS, job.output(f"{view}_pairs.parquet"))
