"""Street views of each region: photographs or drawings from up to so many viewpoints."""

from musecl.imagery.drawn import draw_images
from musecl.imagery.images import write_view
from musecl.imagery.photographs import cut_photographs
from musecl.imagery.settings import StreetViewSettings
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY, read_geotable
from musecl.sources.contract import Photographs
from musecl.sources.layers import imagery_of, read_layer


def run(job: Job) -> None:
    """Choose the viewpoints of each region and write what is seen from them."""
    regions = read_geotable(job.input("regions.parquet"))
    settings = job.settings("street_view", StreetViewSettings)
    given = read_layer(job, "street_view")
    rows = None
    if given is not None:
        seed = int(job.value("seed"))
        if isinstance(given, Photographs):
            rows = cut_photographs(given, regions, settings, seed)
        else:
            rows = draw_images(given, regions, settings.viewpoints, settings.pixels, seed)
        without = len(regions) - rows[KEY].nunique()
        viewpoints = len(rows[[KEY, "viewpoint"]].drop_duplicates())
        print(f"street_view: {viewpoints} viewpoints; {without} regions have none")
    write_view(job.output("street_view"), rows, imagery_of(job, "street_view"))
