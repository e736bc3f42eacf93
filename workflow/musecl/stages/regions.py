"""`regions`: the cells that a city is divided into, with their share of land (paper, step 1)."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pandera.pandas as pa
import shapely

from musecl.geography.blocks import blocks_over
from musecl.geography.geo import DEGREES, area_within, equal_area_crs, metric_crs
from musecl.geography.grid import Cell, cells_over
from musecl.geography.polygons import cells_of_polygons
from musecl.geography.settings import RegionSettings
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY, key_column, write_table
from musecl.sources.layers import read_layer
from musecl.sources.settings import Extent

EDGE = 0.01  # degrees; an edge of this length bends by centimetres in a projection
HALF_TURN = 180  # degrees; what is wider lies on both sides of where they begin

DEGREE = {"unit": "degrees (EPSG:4326)"}
SCHEMA = pa.DataFrameSchema(
    {
        KEY: key_column(),
        "geometry": pa.Column("geometry", description="outline", metadata=DEGREE),
        "area_km2": pa.Column(
            float, pa.Check.gt(0), description="area of the outline", metadata={"unit": "km2"}
        ),
        "land_share": pa.Column(
            float, pa.Check.in_range(0, 1), description="part of the area that is land"
        ),
        "longitude": pa.Column(
            float, pa.Check.in_range(-180, 180), description="of the centre", metadata=DEGREE
        ),
        "latitude": pa.Column(
            float, pa.Check.in_range(-90, 90), description="of the centre", metadata=DEGREE
        ),
        "neighbours": pa.Column(object, description="adjacent regions"),
        "spatial_block": pa.Column(
            str, description="larger cell that the split `spatial` holds out"
        ),
        "wide_spatial_block": pa.Column(
            str, description="larger cell that the split `spatial_wide` holds out"
        ),
        "district": pa.Column(
            str, nullable=True, description="named part of the city; null where there is none"
        ),
    },
    strict=True,
)


def run(job: Job) -> None:
    """Divide the city's land into regions and write `regions.parquet`."""
    whole = job.value("cities.{city}.extent") is None
    settings = job.settings("regions", RegionSettings)
    regions = build_regions(
        read_layer(job, "boundary"),
        settings,
        None if whole else job.settings("cities.{city}.extent", Extent),
        read_layer(job, "roads") if settings.grid == "blocks" else None,
    )
    print(
        f"{len(regions)} regions, {regions['spatial_block'].nunique()} spatial blocks", flush=True
    )
    write_table(regions, SCHEMA, job.output("regions.parquet"))


def build_regions(
    boundary: gpd.GeoDataFrame,
    settings: RegionSettings,
    extent: Extent | None = None,
    roads: gpd.GeoDataFrame | None = None,
) -> gpd.GeoDataFrame:
    """Divide the land of a city into cells.

    Parameters
    ----------
    boundary : GeoDataFrame
        Polygons of land, in any CRS; holes and several parts are land's own. A column `district`
        names parts of the city, such as boroughs; `name` each polygon, where they are the regions.
    settings : RegionSettings
        The grid, and the least share of land that a cell must have.
    extent : Extent, optional
        Keep cells whose centre lies in this box (degrees).
    roads : GeoDataFrame, optional
        Lines in any CRS, that blocks lie between.

    Returns
    -------
    GeoDataFrame
        As `SCHEMA`, EPSG:4326, sorted by `region_id`. Areas are measured in a local equal-area
        projection; `spatial_block`, `wide_spatial_block` and `district` are what splits hold out
        whole. `district` is the one that lies nearest to the cell's centre, missing where the
        boundary names none.

    Raises
    ------
    InputError
        The boundary is empty, invalid or without CRS, there are no roads for the blocks that are
        asked for, or no cell is left.
    """
    # An edge is straight in degrees: with corners along it, it is the same line in metres.
    land = check_boundary(boundary).segmentize(EDGE)
    if settings.grid == "polygons":
        cells = list(cells_of_polygons(boundary, settings.resolution))
    elif settings.grid == "blocks":
        if roads is None:
            raise InputError(
                "regions.grid is blocks, and the city has no roads; give cities.*.roads a provider"
            )
        cells = blocks_over(land, roads.geometry, settings.minimum_block_m2, settings.resolution)
    else:
        cells = cells_over(land, settings, metric_crs(land))
    if extent is not None:
        cells = [cell for cell in cells if extent.holds(cell.longitude, cell.latitude)]
    require_within_degrees(cells)
    regions = gpd.GeoDataFrame(
        {
            KEY: [cell.name for cell in cells],
            "longitude": [cell.longitude for cell in cells],
            "latitude": [cell.latitude for cell in cells],
            "neighbours": [cell.neighbours for cell in cells],
            "spatial_block": [cell.spatial_block for cell in cells],
            "wide_spatial_block": [cell.wide_spatial_block for cell in cells],
        },
        geometry=[cell.outline for cell in cells],
        crs=DEGREES,
    )
    flat = equal_area_crs(land)
    outlines = regions.geometry.to_crs(flat).to_numpy()
    regions["area_km2"] = shapely.area(outlines) / 1e6
    on_land = area_within(outlines, shapely.union_all(land.to_crs(flat).to_numpy())) / 1e6
    regions["land_share"] = (on_land / regions["area_km2"]).clip(0, 1)
    regions = regions[(on_land > 0) & (regions["land_share"] >= settings.minimum_land_share)]
    regions["district"] = districts_of(regions, boundary)
    if regions.empty:
        raise InputError(
            "no region is left: see cities.*.extent and regions.minimum_land_share in params.yaml"
        )
    return keep_known_neighbours(regions)


def check_boundary(boundary: gpd.GeoDataFrame) -> gpd.GeoSeries:
    """Reproject a boundary to EPSG:4326, or refuse it.

    Raises
    ------
    InputError
        It is empty, has no CRS, holds other than polygons, or an invalid one, lies outside the
        range of its CRS, or on both sides of 180 degrees.
    """
    boundary = boundary[~(boundary.geometry.is_empty | boundary.geometry.isna())]
    if boundary.empty:
        raise InputError("the boundary of the city is empty; choose another source for it")
    if boundary.crs is None:
        raise InputError("the boundary of the city has no CRS; set one, such as EPSG:4326")
    if not boundary.geom_type.isin(["Polygon", "MultiPolygon"]).all():
        kinds = ", ".join(sorted(set(boundary.geom_type)))
        raise InputError(f"the boundary of the city must be polygons; it holds {kinds}")
    invalid = boundary.geometry[~boundary.geometry.is_valid]
    if len(invalid):
        reason = shapely.is_valid_reason(invalid.iloc[0])
        raise InputError(f"the boundary of the city is invalid ({reason}); repair it")
    land = boundary.geometry.to_crs(DEGREES)
    west, south, east, north = land.total_bounds
    # Infinite where a coordinate cannot be reprojected.
    if not (west >= -180 and south >= -90 and east <= 180 and north <= 90):
        raise InputError(
            f"the boundary of the city lies outside the range of its CRS, {boundary.crs.name}; "
            "set the one that its coordinates are in"
        )
    if east - west > HALF_TURN:
        raise InputError(
            "the boundary of the city lies on both sides of 180 degrees east, where longitudes "
            "begin anew; give the part on one side of it"
        )
    return land


def require_within_degrees(cells: list[Cell]) -> None:
    """Refuse cells that reach over 180 degrees: their outlines would go around the world."""
    width = [east - west for west, _, east, _ in (cell.outline.bounds for cell in cells)]
    if max(width, default=0) > HALF_TURN:
        over = sum(one > HALF_TURN for one in width)
        raise InputError(
            f"{over} cells reach over 180 degrees east, where longitudes begin anew; cut the city "
            "back from there, by its boundary or cities.*.extent"
        )


def districts_of(regions: gpd.GeoDataFrame, boundary: gpd.GeoDataFrame) -> pd.Series:
    """Name the district nearest to the centre of each region, missing where there are none.

    Parameters
    ----------
    regions : GeoDataFrame
        N regions; `longitude`, `latitude`.
    boundary : GeoDataFrame
        Polygons; `district` where they have names.

    Returns
    -------
    Series of str
        N names, of the index of `regions`.
    """
    if "district" not in boundary.columns:
        return pd.Series(None, index=regions.index, dtype=object)
    named = boundary[["district", "geometry"]].to_crs(metric_crs(boundary.geometry))
    named = named.sort_values("district", ignore_index=True)
    centres = gpd.points_from_xy(regions["longitude"], regions["latitude"], crs=DEGREES)
    points = gpd.GeoSeries(centres).to_crs(named.crs)
    # A centre lies in the water where the land does not reach it.
    distances = np.stack([points.distance(part).to_numpy() for part in named.geometry])
    return pd.Series(named["district"].to_numpy()[distances.argmin(axis=0)], index=regions.index)


def keep_known_neighbours(regions: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Drop the neighbours that are no region of the table, and sort the table by name."""
    known = set(regions[KEY])
    regions = regions.sort_values(KEY, ignore_index=True)
    regions["neighbours"] = pd.Series(
        [[name for name in names if name in known] for names in regions["neighbours"]], dtype=object
    )
    return regions
