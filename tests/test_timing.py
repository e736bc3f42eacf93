"""The table of timings says what the benchmark files say."""

from pathlib import Path

from musecl.timing import timings

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def write(path: Path, seconds: float, memory: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD}{seconds}\t0:00:01\t{memory}\t1\t1\t1\t0\t0\t0\t0\n")


def test_the_longest_comes_first_and_the_sum_last(tmp_path: Path) -> None:
    write(tmp_path / "nyc" / "regions.tsv", 2.5, "300.0")
    write(tmp_path / "nyc" / "fuse.tsv", 40.0, "1200.4")
    write(tmp_path / "fetch_models.tsv", 0.5, "-")
    (tmp_path / "nyc" / "evaluate.tsv").touch()  # cut by a kill
    write(tmp_path / "nyc" / "pois.tsv", 1.0, "10.0")  # of a job that restored them
    write(tmp_path / "nyc" / "pois.built.tsv", 30.0, "200.0")
    write(tmp_path / "nyc" / "mobility.tsv", 1.0, "10.0")
    (tmp_path / "nyc" / "mobility.built.tsv").touch()  # built elsewhere
    words = [line.split() for line in timings(tmp_path).splitlines()]
    assert words[1] == ["fuse@nyc", "40.0", "1200"]
    assert words[2] == ["pois@nyc", "30.0", "200"]
    assert words[3] == ["regions@nyc", "2.5", "300"]
    assert words[4] == ["fetch_models", "0.5", "nan"]
    assert words[5][-2:] == ["73.0", "1200"]


def test_without_a_run_it_says_so(tmp_path: Path) -> None:
    assert "nothing ran" in timings(tmp_path)
