"""What both pipelines declare: the stages, and what each reads and writes for one city."""

import re
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from closure import ROOT
from musecl.runtime.pipeline import declaration, read_stages

STAGES = sorted(read_stages(ROOT))
# A transfer has two cities, all other stages one or none.
WILDCARDS = {"city": "nyc", "source": "nyc", "target": "synth"}


def declared(stage: str) -> Any:
    """Declare a stage of either dvc.yaml for one city."""
    over = read_stages(ROOT)[stage].get("foreach")
    name = "{source}-to-{target}" if over == "${transfers.transfer}" else "{city}"
    return declaration(ROOT, stage, name.format(**WILDCARDS) if over else None)


@cache
def written() -> frozenset[str]:
    """List every output, and every log of a rule or a job, of one city and one transfer."""
    rules = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("workflow/rules/*.smk"))
    logs = re.findall(r'"(logs/[^"]+)"', rules)
    # What a job keeps of the run that built the stage: musecl.engines.logs.
    logs += [re.sub(r"\.(log|tsv)$", r".built.\1", path) for path in logs]
    outputs = [path for stage in STAGES for path in declared(stage).outputs]
    return frozenset([*outputs, *(path.format(**WILDCARDS) for path in logs)])


def is_written(path: str) -> bool:
    """Whether a path is an output, lies in one, or is a folder that holds one.

    Any name may stand for the city; a word in capitals and `*` for any part of a path.
    """
    parts = path.strip("/").split("/")
    if len(parts) > 1 and parts[1] != "models":
        parts[1] = "nyc-to-synth" if "-to-" in parts[1] else "nyc"
    patterns = [re.sub(r"[A-Z]{3,}", "*", part) for part in parts]
    return any(all(map(fnmatchcase, one.split("/"), patterns)) for one in written())
