"""What reading an OpenStreetMap extract costs beyond osmium's own loop over it.

`python benchmarks/osm_extract.py FILE.osm.pbf`: POIs, roads, boundaries and coastlines in one
pass, against two plain loops over the same objects: one that looks at none of them (`loop`), and
one that reads all tags of each (`tags`), which is what the ratio is told of. Each is the best of
three, in seconds of the processor and in a process of its own. The ratio is to stay under 1.5, the
peak of memory under 500 MB. `--copies 30` lays so many copies side by side first.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import osmium  # noqa: E402
from osmium.filter import KeyFilter  # noqa: E402

from musecl.sources.osm.collectors import Boundaries, Coast, Pois, Roads  # noqa: E402
from musecl.sources.osm.extract import TYPES, scan  # noqa: E402
from musecl.sources.osm.tags import POIS  # noqa: E402

RATIO, MEGABYTES = 1.5, 500
TIMES = 3


def multiply(source: Path, path: Path, copies: int) -> None:
    """Write copies of an extract side by side, each with numbers of its own."""
    kinds = osmium.osm.NODE, osmium.osm.WAY, osmium.osm.RELATION
    with osmium.SimpleWriter(path) as writer:
        for kind in kinds:
            for copy in range(copies):
                shift = copy * 10**11
                for thing in osmium.FileProcessor(source, kind):
                    number = thing.id + shift
                    if thing.is_node():
                        place = thing.location.lon + copy * 0.1, thing.location.lat
                        writer.add(thing.replace(id=number, location=place))
                    elif thing.is_way():
                        nodes = [node.ref + shift for node in thing.nodes]
                        writer.add(thing.replace(id=number, nodes=nodes))
                    else:
                        members = [(m.type, m.ref + shift, m.role) for m in thing.members]
                        writer.add(thing.replace(id=number, members=members))


def loop(path: Path) -> int:
    """Let osmium show the same objects, and look at none of them."""
    return sum(1 for _ in shown(path))


def tags(path: Path) -> int:
    """Let osmium show the same objects, and read the tags of each."""
    return sum(len(dict(thing.tags)) > 0 for thing in shown(path))


def shown(path: Path) -> osmium.FileProcessor:
    """Build the reader that shows what `read` looks at."""
    areas = (*POIS, "boundary", "place")
    keys = {"n": POIS, "w": ("highway", "natural", *areas), "a": areas, "r": areas}
    reader = osmium.FileProcessor(path).with_areas(KeyFilter(*areas))
    for kind, wanted in keys.items():
        selected = KeyFilter(*wanted)
        selected.enable_for(TYPES[kind])
        reader.with_filter(selected)
    return reader


def read(path: Path) -> int:
    """Read all that there is to read."""
    collectors = Pois(), Roads(), Boundaries(admin_level=9), Coast()
    scan(path, *collectors)
    return sum(len(collector.table()) for collector in collectors)


def main() -> int:
    """Print seconds, memory and their limits; 1 where one is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--only", choices=["loop", "tags", "read"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        seconds = []
        for _ in range(TIMES):
            start = time.process_time()
            rows = {"loop": loop, "tags": tags, "read": read}[given.only](given.path)
            seconds.append(time.process_time() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(min(seconds), peak, rows)
        return 0
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        path = given.path
        if given.copies > 1:
            path = Path(folder) / "copies.osm.pbf"
            multiply(given.path, path, given.copies)
        print(f"{path.stat().st_size / 1e6:.1f} MB")
        for name in ("loop", "tags", "read"):
            command = [sys.executable, __file__, str(path), "--only", name]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, peak, rows = map(float, done.stdout.split())
            measured[name] = seconds
            print(f"{name}: {seconds:.2f} s, {peak:.0f} MB, {rows:.0f} rows")
    ratio = measured["read"] / measured["tags"]
    print(f"{measured['read'] / measured['loop']:.2f} times the loop that looks at nothing")
    print(f"ratio {ratio:.2f} of at most {RATIO}; {peak:.0f} MB of at most {MEGABYTES}")
    return int(ratio > RATIO or peak > MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
