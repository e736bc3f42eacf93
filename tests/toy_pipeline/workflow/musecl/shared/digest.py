"""A stage whose outputs are a digest of everything that it read: the lock can be recomputed."""

import hashlib
import json
from pathlib import Path

from musecl.runtime.leftovers import without_leftovers


def digest_of(texts: list[str], values: dict[str, object], salt: str) -> str:
    return hashlib.sha256(json.dumps([texts, values, salt], sort_keys=True).encode()).hexdigest()


def text_of(path: Path) -> str:
    files = sorted(without_leftovers(path.iterdir(), path)) if path.is_dir() else [path]
    return "".join(f"{file.name}={file.read_text()}" for file in files)


def content(name: str, digest: str) -> str:
    """What an output that is a file holds: numbers for DVC to compare, or the digest itself."""
    scores = [int(digest[8 * fold : 8 * fold + 8], 16) / 2**32 for fold in range(4)]
    if name.endswith(".json"):
        return json.dumps({"r2": scores[0]}) + "\n"
    if name.endswith(".csv"):
        return "fold,r2\n" + "".join(f"{fold},{score}\n" for fold, score in enumerate(scores))
    return f"{name} {digest}\n"


def write(job, salt: str) -> None:
    data = [name for name in job.declared.inputs if not name.startswith("workflow/")]
    values = {key: job.value(key) for key in job.declared.parameters}
    digest = digest_of([text_of(job.input(name)) for name in data], values, salt)
    for name in job.declared.outputs:
        path = job.output(name)
        if name.endswith("tiles"):
            path.mkdir()
            for part in range(2):
                (path / f"{part}.txt").write_text(f"{name} {part} {digest}\n")
        else:
            path.write_text(content(name, digest))
