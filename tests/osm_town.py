"""A town of a few OpenStreetMap elements, and a server on loopback that answers as OSM's do."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from shapely import box, geometry

from musecl.sources.osm.answers import write_file

BREAK = (0, b"")  # the line breaks before an answer comes
STAMP = "2026-01-02T03:04:05Z"
AREA = box(10.0, 50.0, 10.02, 50.01)
HOLE = box(10.015, 50.002, 10.016, 50.003)
ADMIN = {"boundary": "administrative"}
SLOTS = "Connected as: 1\nCurrent time: now\nAnnounced endpoint: none\nRate limit: 2\n2 slots\n"


def node(number, longitude, latitude, **tags):
    return {"type": "node", "id": number, "lon": longitude, "lat": latitude, "tags": tags}


def way(number, nodes, **tags):
    return {"type": "way", "id": number, "nodes": nodes, "tags": tags}


def relation(number, members, **tags):
    parts = [{"type": "way", "ref": ref, "role": role} for ref, role in members]
    return {"type": "relation", "id": number, "members": parts, "tags": tags}


def boundary():
    """A rectangle with a hole, its ring in two ways; halves; an area that is not closed."""
    corners = {
        **{1: (10.0, 50.0), 2: (10.02, 50.0), 3: (10.02, 50.01), 4: (10.0, 50.01)},
        **{5: (10.015, 50.002), 6: (10.016, 50.002), 7: (10.016, 50.003), 8: (10.015, 50.003)},
        **{9: (10.01, 50.0), 10: (10.01, 50.01)},
    }
    return [
        *(node(number, *place) for number, place in corners.items()),
        way(11, [1, 9, 2, 3]),
        way(12, [3, 10, 4, 1]),
        way(13, [5, 6, 7, 8, 5]),
        way(14, [1, 9, 10, 4, 1], name="West", admin_level="9", **ADMIN),
        way(15, [9, 2, 3, 10, 9], name="East", admin_level="9", **ADMIN),
        relation(
            *(16, [(11, "outer"), (12, "outer"), (13, "inner")]),
            **{"type": "boundary", "name": "Toytown", "name:fr": "Villejouet", "admin_level": "8"},
            **ADMIN,
        ),
        relation(17, [(11, "outer"), (99, "outer")], type="boundary", name="Toyland", **ADMIN),
    ]


def pois():
    return [
        node(30, 10.001, 50.001, amenity="restaurant", name="Da Mario"),
        node(31, 10.002, 50.001, shop="yes"),
        node(32, 10.003, 50.001, amenity="bench"),
        node(33, 10.03, 50.001, amenity="cafe", name="Far"),
        node(34, 10.004, 50.001, shop="bakery;cafe", name="Loaf"),
        node(35, 10.005, 50.001, public_transport="platform", name="Stop"),
        node(36, 10.006, 50.001, tourism="hotel", name="Hotel Toy", amenity="no"),
        node(37, 10.007, 50.001, railway="tram_stop", name="Square"),
        *(node(41, 10.011, 50.004), node(42, 10.012, 50.004), node(43, 10.012, 50.005)),
        way(44, [41, 42, 43, 41], leisure="park", name="Green"),
        way(45, [41, 42, 999, 41], amenity="school", name="Gone"),
        relation(46, [(44, "outer"), (98, "outer")], type="multipolygon", leisure="garden"),
    ]


def roads():
    return [
        *(node(51, 9.99, 50.005), node(52, 10.01, 50.005), node(53, 10.015, 50.005)),
        way(54, [51, 52], highway="residential", name="Main Street"),
        way(55, [52, 53], highway="service"),
        way(56, [51, 53], highway="footway", name="Path"),
        way(57, [51, 52, 53, 51], highway="pedestrian", area="yes", name="Square"),
        way(58, [52, 998], highway="primary", name="Gone"),
    ]


def coast():
    """A shore from north to south at 10.005 degrees: the land lies to its left, in the east."""
    return [
        *(node(61, 10.005, 50.02), node(62, 10.005, 50.005), node(63, 10.005, 49.99)),
        way(64, [61, 62, 63], natural="coastline"),
    ]


def answer(elements, **more):
    """What Overpass sends."""
    content = {"version": 0.6, "osm3s": {"timestamp_osm_base": STAMP}, "elements": elements, **more}
    return 200, json.dumps(content).encode()


def found(shape=AREA, **more):
    """One row of what Nominatim sends."""
    west, south, east, north = shape.bounds
    return {
        **{"osm_type": "relation", "osm_id": 16, "lat": "50", "lon": "10", "importance": 0.5},
        **{"boundingbox": [str(south), str(north), str(west), str(east)], "name": "Toytown"},
        **{"display_name": "Toytown, Toyland", "geojson": geometry.mapping(shape), **more},
    }


def write_town(folder: Path, *elements, name="town.osm.pbf") -> Path:
    """Write elements as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "town.json"
    source.write_bytes(answer(list(elements))[1])
    write_file([source], folder / name)
    return folder / name


class Services:
    """What a server will answer, and what it was asked.

    Attributes
    ----------
    interpreter, search, status : list of (status, bytes) or (status, bytes, headers)
        The last one is given again and again; `BREAK` is none, and stands once.
    asked : list of (path, User-Agent, body)
    """

    def __init__(self) -> None:
        self.interpreter = [answer([])]
        self.search = [(200, b"[]")]
        self.status = [(200, SLOTS.encode())]
        self.asked: list[tuple[str, str, str]] = []
        self.url = ""

    def paths(self) -> list[str]:
        return [path.split("?")[0].removeprefix("/") for path, _, _ in self.asked]


@contextmanager
def serve() -> Iterator[Services]:
    """Answer on a free port of loopback."""
    services = Services()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply("")

        def do_POST(self) -> None:
            self._reply(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def _reply(self, body: str) -> None:
            services.asked.append((self.path, self.headers["User-Agent"], body))
            kind = self.path.split("?")[0].removeprefix("/")
            replies = getattr(services, "search" if kind == "lookup" else kind)
            if replies[0] is BREAK:
                replies.pop(0)
                self.connection.close()
                return
            status, data, *headers = replies.pop(0) if len(replies) > 1 else replies[0]
            self.send_response(status)
            for name, value in (headers[0] if headers else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        services.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield services
        finally:
            server.shutdown()
            thread.join()
