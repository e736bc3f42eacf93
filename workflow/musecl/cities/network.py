"""Small requests, each with a time limit: whether what a provider would fetch is there."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import geopandas as gpd
import requests

from musecl.cities.report import Report
from musecl.geography.geo import DEGREES
from musecl.runtime.errors import InputError
from musecl.sources.addresses import with_query

TIMEOUT_S = 10
SAMPLED_URLS = 3
HEADERS = {"User-Agent": "musecl (region embeddings of cities)"}


def look_at_urls(urls: Sequence[str]) -> Report:
    """Ask for the first bytes of the files behind some URLs."""
    asked = urls[:SAMPLED_URLS]
    report = Report(f"{len(urls)} URLs")
    for url in asked:
        parts = urlsplit(url)
        # What else a URL holds may be a key.
        shown = f"{parts.scheme}://{parts.hostname}{parts.path}"
        headers = {**HEADERS, "Range": "bytes=0-63"}
        try:
            with requests.get(
                with_query(url), headers=headers, stream=True, timeout=TIMEOUT_S
            ) as answer:
                if not answer.ok:
                    report.problems.append(f"{shown}: the server says {answer.status_code}")
        except requests.RequestException as error:
            report.problems.append(f"{shown}: no answer ({type(error).__name__})")
    report.what += f"; {len(asked) - len(report.problems)} of {len(asked)} asked answer"
    return report


def find_outline(settings: Any) -> gpd.GeoDataFrame:
    """Ask Nominatim for the outline of a place, sea and all.

    Parameters
    ----------
    settings : Section
        With `place`, `osm_id` and `nominatim_url`.

    Returns
    -------
    GeoDataFrame
        One row in EPSG:4326: `display_name` and polygons.

    Raises
    ------
    InputError
        It does not answer in time, or knows no such place that has an outline.
    """
    search = "search" if settings.osm_id is None else "lookup"
    asked = {"q": settings.place} if settings.osm_id is None else {"osm_ids": settings.osm_id}
    try:
        answer = requests.get(
            f"{settings.nominatim_url}/{search}",
            {**asked, "format": "geojson", "polygon_geojson": "1"},
            headers=HEADERS,
            timeout=TIMEOUT_S,
        )
        answer.raise_for_status()
        features = answer.json()["features"]
    except (requests.RequestException, ValueError, KeyError) as error:
        raise InputError(
            f"{settings.nominatim_url}: no answer of use ({type(error).__name__}); try again later"
        ) from error
    found = gpd.GeoDataFrame.from_features(features, crs=DEGREES) if features else None
    polygons = None if found is None else found[found.geom_type.isin(["Polygon", "MultiPolygon"])]
    if polygons is None or polygons.empty:
        raise InputError(
            f"OpenStreetMap knows no outline of {settings.place or settings.osm_id!r}; write it as "
            "openstreetmap.org finds it, or give the osm_id of a relation"
        )
    return polygons.iloc[:1]
