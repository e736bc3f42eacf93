"""What OpenStreetMap stands in for where a city is added by its name, and files are lacking."""

from datetime import date

from musecl.cities.entry import Entry
from musecl.cities.guessing import described

STREETS = "street_density"


def fill_from_openstreetmap(
    layers: dict[str, Entry | None], indicators: dict[str, Entry]
) -> list[str]:
    """Add what a run needs and no file was given for: something to learn from, and to predict.

    Parameters
    ----------
    layers, indicators : dict of Entry
        By name, as read off the files; filled in place.

    Returns
    -------
    list of str
        What was added, a line each.
    """
    said = []
    if all(layers[layer] is None for layer in ("pois", "satellite", "street_view")):
        layers["pois"] = Entry({"provider": "osm"}, "No file was given: OpenStreetMap's POIs")
        said.append("pois: no file was given; OpenStreetMap's stand in")
    if not indicators:
        indicators[STREETS] = described(
            Entry(
                {"provider": "osm_streets"},
                "Stands in for an indicator of yours, so that there is something to predict",
            ),
            "ln(1+x)",
            unit="km of street per km2 of land",
            year=date.today().year,
            label_provenance=["pois", "text", "pairs"],
        )
        said.append(
            f"indicators: no file was given; {STREETS} stands in, the length of OpenStreetMap's "
            "streets: it shows the way, and shares its source with the POIs"
        )
    return said
