"""What is no code and no data: the same to DVC, to a job and to the readers of files."""

from pathlib import Path

import pytest
from dvc.ignore import DvcIgnorePatterns

from bare_pipeline import REPOSITORY
from musecl.runtime.leftovers import KEPT, NAMES, is_leftover, without_leftovers
from musecl.sources.files import find_files

LEFT = (
    # vim, Emacs, Kate, nano; PyCharm as it saves
    *(".job.py.swp", ".job.py.swx", "4913", "job.py~", ".job.py.un~", "#job.py#", ".#job.py"),
    *(".job.py.kate-swp", ".#job.py#", "job.py___jb_tmp___", ".idea", ".vscode"),
    # LibreOffice, Word, Jupyter, git and patch
    *(".~lock.pois.csv#", "~$pois.xlsx", ".ipynb_checkpoints", ".~job.ipynb"),
    *("job.py.orig", "job.py.rej"),
    # macOS, Windows, Linux; network disks
    *(".DS_Store", "._pois.csv", ".Spotlight-V100", "__MACOSX", "Thumbs.db", "desktop.ini"),
    *(
        "Icon\r",
        "$RECYCLE.BIN",
        "System Volume Information",
        ".directory",
        ".Trash-1000",
        "lost+found",
    ),
    *(".nfs00000001", ".fuse_hidden0001", ".smbdeleteAAA", "@eaDir", ".goutputstream-A"),
    # Python
    *("__pycache__", "job.pyc", "job.pyo", ".mypy_cache"),
    ".snakemake_timestamp",
)
TAKEN = (
    *("job.py", "pois.csv", "part-000.parquet", "config.json", "model.safetensors", KEPT),
    *(
        "a file with spaces.tif",
        "r\u00e9gions.geojson",
        "x.pth",
        "tokenizer.model",
        "14913",
        "Icons",
        "a#b.csv",
    ),
)


@pytest.fixture(scope="module")
def of_dvc() -> DvcIgnorePatterns:
    text = (REPOSITORY / ".dvcignore").read_text(encoding="utf-8")
    return DvcIgnorePatterns(text.splitlines(), str(REPOSITORY), "/")


@pytest.mark.parametrize("name", LEFT)
def test_dvc_and_a_job_leave_it_out(of_dvc: DvcIgnorePatterns, name: str) -> None:
    assert is_leftover(name)
    assert of_dvc.matches(str(REPOSITORY / "workflow/musecl/runtime"), name, is_dir=False)
    assert of_dvc.matches(str(REPOSITORY / "inputs/nyc/pois/more"), name, is_dir=True)


@pytest.mark.parametrize("name", TAKEN)
def test_dvc_and_a_job_take_it(of_dvc: DvcIgnorePatterns, name: str) -> None:
    assert not is_leftover(name)
    assert not of_dvc.matches(str(REPOSITORY / "inputs/nyc/pois"), name, is_dir=False)


def test_dvcignore_names_the_same() -> None:
    lines = (REPOSITORY / ".dvcignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if not line.startswith(("# ", "/"))]
    assert patterns == [NAMES[0], f"!{KEPT}", *(name.replace("#*", r"\#*") for name in NAMES[1:])]


def test_a_pattern_stands_for_no_leftover(tmp_path: Path) -> None:
    for name in ("a.csv", "._a.csv", ".ipynb_checkpoints/a.csv", "more/b.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("left")
    assert find_files(tmp_path, "*.csv") == [tmp_path / "a.csv"]
    assert find_files(tmp_path, "**/*.csv") == [tmp_path / "a.csv", tmp_path / "more/b.csv"]


def test_the_folder_itself_may_lie_in_a_hidden_one(tmp_path: Path) -> None:
    paths = [tmp_path / ".work/a.csv"]
    assert list(without_leftovers(paths, tmp_path / ".work")) == paths
