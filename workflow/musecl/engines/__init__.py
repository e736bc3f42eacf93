"""The agreement of Snakemake and DVC; docs/engines.md is its page.

planning    Snakemake's view: which stages are stale, learnt from DVC
running     a job: one stage through DVC
environment what the engines' processes inherit, and which versions of the engines are known
repository  DVC's repository, opened alike by both, and its stages
asked       which of the long tables were asked for
logs        a stage's log and timing: those of the run that built it stay
markers     what makes a stage run, for Snakemake goes by times
lockfile    dvc.lock, one entry at a time
"""
