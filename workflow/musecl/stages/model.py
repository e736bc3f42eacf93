"""Put together a model that can be handed on: encoders, fusion, ridge of all labels, and a card.

Ridge is fitted to every region that has a label, as the predictions of regions without one are;
`model.model` applies all of it to regions that training never saw.
"""

import pandas as pd

from musecl.evaluation.judgeable import judgeable
from musecl.evaluation.labels import read_labelled
from musecl.evaluation.methods import align
from musecl.evaluation.settings import EvaluateSettings
from musecl.fusion.inputs import VIEWS
from musecl.imagery.images import imagery_of
from musecl.mapping.layout import split_of_map
from musecl.model.card import card
from musecl.model.heads import fit_head
from musecl.model.reading import FUSION
from musecl.model.writing import write_model
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY, read_vectors

LAYERS = ("boundary", "roads", "pois", "mobility", *VIEWS, "indicators")
RECORDED_SECTIONS = ("encoders", "satellite", "street_view", "embed_satellite", "embed_street_view")


def run(job: Job) -> None:
    """Write `model/`."""
    settings = job.settings("evaluate", EvaluateSettings)
    seed = int(job.value("seed"))
    labelled = read_labelled(job)
    keys, vectors = read_vectors(job.input("embeddings.parquet"), "embedding")
    block = align(labelled.regions[KEY], keys, vectors, where="embeddings.parquet")
    tasks, _ = judgeable(labelled.regions, labelled.groups, settings, seed)
    split = split_of_map([task.split for task in tasks])
    heads = [
        fit_head(labelled, block, task, settings, seed) for task in tasks if task.split == split
    ]
    said = {"city": job.city, "seed": seed}
    said |= {name: job.value(name) for name in (*RECORDED_SECTIONS, "embed_text")}
    said["images"] = {view: [job.value(view)["pixels"]] * 2 for view in VIEWS}
    folder = job.output("model")
    write_model(
        folder,
        said,
        {
            FUSION: job.input(f"{job.city}/{FUSION}"),
            **{view: job.input(f"{view}_encoder") for view in VIEWS},
        },
        {name: job.input(f"models/{name}") for name in (*VIEWS, "text")},
        heads,
    )
    found = {imagery_of(job.input(f"{job.city}/{view}")) for view in VIEWS} - {None}
    imagery = "rendered" if "rendered" in found else next(iter(found), None)
    raw = {layer: job.input(f"raw/{layer}") for layer in LAYERS}
    scores = pd.read_csv(job.input("r2.csv"), keep_default_na=False)
    text = card(job.city, imagery, said, raw, scores, heads)
    (folder / "README.md").write_text(text, encoding="utf-8")
