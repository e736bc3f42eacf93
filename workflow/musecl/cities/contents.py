"""How much of what a provider reads lies in a city, and what looks wrong with it."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from musecl.cities.report import FEW_REGIONS, Area, Report
from musecl.geography.geo import DEGREES, cells_of_points
from musecl.indicators.aggregation import values_by_region
from musecl.pois import locate_pois
from musecl.runtime.tables import KEY
from musecl.sources.contract import Flows, OfRegions, Points, Raster, Trips, Values, Zones
from musecl.sources.positions import share_inside

ENDS = ("origin", "destination")
COUNTED = ("count", "distinct", "sum")


def look_at_pois(pois: gpd.GeoDataFrame, area: Area | None) -> Report:
    """Look at POIs, as `sources.contract` has them."""
    categories = pois["category"].nunique()
    report = Report(f"{len(pois)} rows, {categories} categories, {pois.crs.name}")
    if area is not None:
        points = pois.geometry.representative_point().to_crs(DEGREES)
        inside = check_positions(points.x.to_numpy(), points.y.to_numpy(), area, report)
        regions = locate_pois(pois, area.regions)[KEY].nunique()
        report.what += f"; {inside} inside, in {regions} of {len(area.regions)} regions"
    if categories == 1:
        report.doubts.append("all are of one category: their kinds will tell nothing")
    return report


def look_at_mobility(given: Trips | Flows, area: Area | None) -> Report:
    """Look at trips or flows, as `sources.contract` has them."""
    table = given.table
    report = Report(f"{len(table)} rows, {table['trips'].sum():g} trips")
    if isinstance(given, Trips):
        report.what += f", {table['start'].notna().sum()} with a start"
        if area is not None:
            ends = [table[[f"{end}_longitude", f"{end}_latitude"]].to_numpy() for end in ENDS]
            longitude, latitude = np.concatenate(ends).T
            inside = check_positions(longitude, latitude, area, report)
            regions = _regions_of(longitude, latitude, area)
            report.what += f"; {inside} of {2 * len(table)} ends inside, in {regions} regions"
        return report
    if given.zones is not None:
        report.what += f" between {len(given.zones)} zones, {given.zones.crs.name}"
    if area is None:
        return report
    if given.zones is None:
        known = int(table["origin"].isin(area.regions[KEY]).sum())
        report.what += f" between regions; {known} origins are regions of the city"
    else:
        outline = shapely.union_all(area.regions.geometry.to_numpy())
        known = int(given.zones.to_crs(DEGREES).intersects(outline).sum())
        report.what += f"; {known} meet the city"
    if known == 0:
        report.problems.append("nothing of it lies in the city; check the file and the grid")
    return report


def look_at_indicator(
    given: Values | Points | Zones | Raster | OfRegions, area: Area | None
) -> Report:
    """Look at an indicator, as `sources.contract` has it."""
    table = getattr(given, "table", None)
    kind = type(given).__name__.lower()
    report = Report(kind if table is None else f"{len(table)} rows of {kind}")
    crs = getattr(table, "crs", None)
    if crs is not None:
        report.what += f", {crs.name}"
    if area is None or isinstance(given, OfRegions):
        return report
    if isinstance(given, Points):
        longitude, latitude = given.table["longitude"], given.table["latitude"]
        inside = check_positions(longitude.to_numpy(), latitude.to_numpy(), area, report)
        report.what += f", {inside} inside"
    labels = values_by_region(given, area.regions).dropna()
    if isinstance(given, Points) and given.statistic in COUNTED:
        # A region without any has a true zero, which says nothing of where the file lies.
        labels = labels[labels > 0]
    report.what += f"; in {len(labels)} of {len(area.regions)} regions"
    if labels.empty:
        report.problems.append("no region has a value; check the file, its CRS and its columns")
        return report
    low, middle, high = labels.min(), labels.median(), labels.max()
    report.what += f" from {low:.4g} to {high:.4g}, median {middle:.4g}"
    if len(labels) < FEW_REGIONS:
        report.doubts.append(
            f"labels in fewer than {FEW_REGIONS} regions: no score will mean anything"
        )
    if labels.nunique() == 1:
        report.doubts.append("every region has the same value: there is nothing to predict")
    return report


def check_positions(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], area: Area, report: Report
) -> int:
    """Count the positions (N,) that lie in a region, and report what a fetch would refuse.

    Parameters
    ----------
    longitude, latitude : array of shape (N,)
        Degrees (EPSG:4326), nan where unknown.
    area : Area
        Of the city.
    report : Report
        What is wrong is added to it.
    """
    outline = shapely.union_all(area.regions.geometry.to_numpy())
    wrong = share_inside(longitude, latitude, outline)[1]
    if wrong is not None:
        report.problems.append(wrong)
    return int(shapely.contains_xy(outline, longitude, latitude).sum())


def _regions_of(longitude: NDArray[np.float64], latitude: NDArray[np.float64], area: Area) -> int:
    known = np.isfinite(longitude) & np.isfinite(latitude)
    cells = cells_of_points(longitude[known], latitude[known], area.regions)
    return int(pd.Series(cells, dtype=object).nunique())
