"""`musecl city check`: whether each layer can be read, and how much of it lies in the area.

It works on the user's files below `inputs/`, by the providers' own readers and before anything is
fetched; of large tables, on the first rows.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from musecl.cities.contents import look_at_indicator, look_at_mobility, look_at_pois
from musecl.cities.imagery import look_at_photographs, look_at_rasters
from musecl.cities.network import find_outline, look_at_urls
from musecl.cities.report import FEW_REGIONS, Area, Report
from musecl.cities.sampling import ROWS, sample_files
from musecl.config import Params, load_params
from musecl.runtime.errors import MuseclError, ParameterError
from musecl.runtime.tables import read_geotable
from musecl.sources.providers import chosen
from musecl.stages.regions import build_regions


def check_city(root: Path, name: str) -> Iterator[Report]:
    """Check the layers of a city, one after the other.

    Parameters
    ----------
    root : Path
        The folder that holds params.yaml and inputs/.
    name : str
        Of the city.

    Yields
    ------
    Report
        One a layer, and one an indicator.

    Raises
    ------
    ParameterError
        params.yaml does not load, or has no such city.
    """
    params = load_params(root / "params.yaml")
    if name not in params.cities:
        raise ParameterError(f"no city {name!r}; there is {', '.join(params.cities)}")
    city, inputs = params.cities[name], root / "inputs" / name
    report, area = _check_boundary(root, name, params)
    yield report
    layers: dict[str, tuple[str, Any]] = {
        layer: (layer, getattr(city, layer))
        for layer in ("pois", "mobility", "satellite", "street_view")
    }
    for indicator, about in city.indicators.items():
        settings = chosen("indicators", about.source)[1]
        layers[f"indicators.{indicator}"] = "indicators", settings
    for key, (layer, settings) in layers.items():
        try:
            report = _check_layer(layer, settings, inputs / layer, area, params)
        except MuseclError as error:
            report = Report("", problems=[str(error)])
        report.name = key
        yield report


def _check_boundary(root: Path, name: str, params: Params) -> tuple[Report, Area | None]:
    city, report = params.cities[name], Report("", name="boundary")
    fetched = root / "data" / name / "regions.parquet"
    by_file = hasattr(city.boundary, "path") and not _is_extract(city.boundary)
    try:
        if by_file:
            folder = root / "inputs" / name / "boundary"
            with _reading("boundary", city.boundary, folder) as (land, said):
                report.said = said
            report.what = f"{len(land)} polygons, {land.crs.name}"
        elif fetched.exists():
            land = read_geotable(fetched)
            report.what = f"fetched, {len(land)} regions"
            return report, Area(land, land)
        elif hasattr(city.boundary, "nominatim_url"):
            land = find_outline(city.boundary)
            report.what = f"OpenStreetMap has {land['display_name'].iloc[0]}"
        else:
            report.what = f"not checked: `snakemake -c1 {fetched.relative_to(root)}` fetches it"
            return report, None
        regions = build_regions(land, params.regions, city.extent)
    except MuseclError as error:
        report.problems.append(str(error))
        return report, None
    km2 = (regions["area_km2"] * regions["land_share"]).sum()
    report.what += f"; {len(regions)} regions, {km2:.0f} km2"
    if len(regions) < FEW_REGIONS:
        report.doubts.append(
            f"fewer than {FEW_REGIONS} regions; choose a finer grid, or a larger city"
        )
    return report, Area(land, regions)


def _check_layer(
    layer: str, settings: Any, folder: Path, area: Area | None, params: Params
) -> Report:
    if settings is None:
        return Report("null, the city lacks it")
    if getattr(settings, "urls", ()):
        return look_at_urls(settings.urls)
    if not hasattr(settings, "path"):
        return Report(f"not checked: {settings.provider} is asked when it is fetched")
    if _is_extract(settings):
        return _look_at_extract(folder / settings.path)
    if layer == "satellite":
        return look_at_rasters(folder, settings, area, params.satellite)
    if layer == "street_view":
        return look_at_photographs(folder, settings, area)
    look: Callable[[Any, Area | None], Report] = {
        "pois": look_at_pois,
        "mobility": look_at_mobility,
    }.get(layer, look_at_indicator)
    with _reading(layer, settings, folder) as (given, said):
        report = look(given, area)
    report.said += said
    return report


def _is_extract(settings: Any) -> bool:
    """Tell an extract of OpenStreetMap: that of a country takes minutes to read."""
    return str(settings.path).endswith(".pbf")


def _look_at_extract(path: Path) -> Report:
    if not path.is_file():
        return Report("", problems=[f"{path}: no such file; put it there"])
    return Report(f"not checked: {path.name} of {path.stat().st_size >> 20} MiB is there")


@contextlib.contextmanager
def _reading(layer: str, settings: Any, folder: Path) -> Iterator[tuple[Any, list[str]]]:
    """Read a layer from the user's own files, which lie there until the end; and what was said."""
    provider, _ = chosen(layer, settings.model_dump(mode="json"))
    said = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="musecl-") as temporary:
        cut = sample_files(folder, Path(temporary))
        try:
            with contextlib.redirect_stdout(said):
                given = provider.read(Path(temporary), settings)
            lines = said.getvalue().replace(temporary, str(folder)).splitlines()
            yield given, [*(f"{name}: the first {ROWS} rows of it" for name in cut), *lines]
        except MuseclError as error:
            raise type(error)(str(error).replace(temporary, str(folder))) from error
