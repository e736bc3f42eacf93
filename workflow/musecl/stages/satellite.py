"""A chip of imagery per region, cut from georeferenced rasters or drawn by the provider."""

from musecl.imagery.chips import cut_chips
from musecl.imagery.drawn import draw_images
from musecl.imagery.images import write_view
from musecl.imagery.settings import SatelliteSettings
from musecl.runtime.job import Job
from musecl.runtime.tables import read_geotable
from musecl.sources.contract import Rasters
from musecl.sources.layers import imagery_of, read_layer


def run(job: Job) -> None:
    """Cut or draw a chip around the centre of every region that the source covers."""
    regions = read_geotable(job.input("regions.parquet"))
    settings = job.settings("satellite", SatelliteSettings)
    given = read_layer(job, "satellite")
    rows = counted = None
    if isinstance(given, Rasters):
        rows, counted = cut_chips(given, regions, settings), given.counted
    elif given is not None:
        rows = draw_images(given, regions, 1, settings.pixels, seed=0)
    if rows is not None:
        print(f"satellite: {len(rows)} chips, {len(regions) - len(rows)} regions have none")
    write_view(job.output("satellite"), rows, imagery_of(job, "satellite"), counted)
