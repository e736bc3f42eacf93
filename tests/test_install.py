"""The environment: pip's configuration reaches uv; no machine gets a PyTorch that it cannot use."""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from musecl.engines.environment import TESTED, untested_versions
from registry import build_wheel, pin
from toy_checkout import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import install


def test_what_pip_is_set_up_for_reaches_uv() -> None:
    listed = "\n".join(
        [
            ":env:.find-links='/c'",
            ":env:.index-url=''",
            ":env:.default-timeout='180'",
            "download.find-links='/d'",
            "global.cert='/a file.pem'",
            r"global.extra-index-url='\nfile:///one\nhttps://user:word@two/simple'",
            "global.find-links='/a /b'",
            "global.index-url='https://three/simple'",
            "install.constraint='/e /f'",
            "install.trusted-host='three'",
        ]
    )
    assert install.settings_for_uv(listed) == {
        "UV_FIND_LINKS": "/c",
        "SSL_CERT_FILE": "/a file.pem",
        "UV_INDEX": "file:///one https://user:word@two/simple",
        "UV_DEFAULT_INDEX": "https://three/simple",
        "UV_CONSTRAINT": "/e /f",
        "UV_INSECURE_HOST": "three",
    }
    assert install.settings_for_uv("global.find-links='/a /b'\n") == {"UV_FIND_LINKS": "/a,/b"}
    assert install.settings_for_uv("") == {}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, the only place where pip is set up to look."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    for folder in ("shelf", "other", "index"):
        (tmp_path / folder).mkdir()
    (tmp_path / "constraints.txt").write_text("torch<3\n")
    # Every option has a line, for an empty one hides what the machine has.
    lines = {
        **dict.fromkeys(install.OPTIONS, ""),
        "index-url": (tmp_path / "index").as_uri(),
        "find-links": f"\n    {tmp_path}/other\n    {tmp_path}/shelf",
        "constraint": f"{tmp_path}/constraints.txt",
    }
    text = "".join(f"{option} = {value}\n" for option, value in lines.items())
    (tmp_path / "pip.conf").write_text(f"[global]\n{text}")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "shelf"


def uv(*arguments: str) -> str:
    """What uv says, with pip's settings, of what it would install."""
    command = [word for word in install.UV if word != "--quiet"]
    done = subprocess.run(
        [*command, "--dry-run", *arguments],
        env=install.environment(),
        capture_output=True,
        text=True,
    )
    return done.stderr


def test_uv_finds_what_pip_would_and_checks_its_hash(shelf: Path) -> None:
    wheel = build_wheel(shelf, "sample-of-nothing", "1.0", {})
    assert "+ sample-of-nothing==1.0" in uv("sample-of-nothing")
    lock = shelf / "lock.txt"
    lock.write_text(pin(wheel))
    locked = ("--no-deps", "--require-hashes", "-r", str(lock))
    command = [*(word for word in install.UV if word != "--quiet"), *locked]
    free = {key: value for key, value in install.environment().items() if key != "UV_CONSTRAINT"}
    target = ["--target", str(shelf / "target")]
    assert subprocess.run([*command, *target], env=free).returncode == 0
    assert (shelf / "target/sample_of_nothing-1.0.dist-info").is_dir()
    lock.write_text("sample-of-nothing==1.0 --hash=sha256:" + "0" * 64)
    other = ["--target", str(shelf / "other"), "--no-cache"]
    assert subprocess.run([*command, *other], env=free).returncode


def test_uv_heeds_a_constraint_and_not_this_project(shelf: Path) -> None:
    build_wheel(shelf, "torch", "2.99", {})
    build_wheel(shelf, "torch", "3.1", {})
    assert "+ torch==2.99" in uv("--no-deps", "--reinstall", "torch")


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_machine_without_a_gpu_gets_no_cuda(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], installer: str
) -> None:
    monkeypatch.setattr(install, "processors_only", lambda: False)
    assert install.torch_arguments(installer, install.environment()) == [install.TORCH]
    assert not capsys.readouterr().out
    monkeypatch.setattr(install, "processors_only", lambda: True)
    build = f"{install.TORCH}+cpu"
    found = install.torch_arguments(installer, install.environment())
    assert found == (["--torch-backend=cpu", build] if installer == "uv" else [build])
    assert "make environment TORCH=" in capsys.readouterr().out
    build_wheel(shelf, "torch", build.partition("==")[2], {})
    assert install.torch_arguments(installer, install.environment()) == [build]


def test_a_gpu_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has one")
    monkeypatch.setattr(install.platform, "system", lambda: "Linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.processors_only()
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert not install.processors_only()
    (tmp_path / "nvidia-smi").unlink()
    monkeypatch.setattr(install.platform, "system", lambda: "Darwin")
    assert not install.processors_only()


def test_one_package_is_cut_out_of_the_lock_with_its_hashes() -> None:
    lock = "uvloop==1 \\\n    --hash=a\nuv==2 \\\n    --hash=b \\\n    --hash=c\nvine==3 \\\n"
    assert install.block_of("uv", lock) == "uv==2 \\\n    --hash=b \\\n    --hash=c\n"
    with pytest.raises(SystemExit, match="no xyz"):
        install.block_of("xyz", lock)
    text = install.LOCK.read_text(encoding="utf-8")
    assert install.block_of("uv", text).count("--hash=sha256:") > 1


def test_who_fails_says_what_else_there_is() -> None:
    with pytest.raises(SystemExit, match=r"not installed; INSTALLER=pip"):
        install.run([sys.executable, "-c", "raise SystemExit(1)"], {}, "INSTALLER=pip")


def test_what_cannot_be_imported_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stages = tmp_path / "workflow/musecl/stages"
    stages.mkdir(parents=True)
    (stages / "draw.py").write_text("")
    monkeypatch.setattr(install, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(install, "ENGINES", ("json",))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    install.import_all()
    assert list(stages.glob("__pycache__/draw.*.pyc"))
    (stages / "draw.py").write_text("import nothing_of_that_name")
    with pytest.raises(SystemExit, match="cannot import"):
        install.import_all()
    assert "nothing_of_that_name" in capfd.readouterr().err


def pins_of(lines: list[str]) -> dict[str, str]:
    """Requirements by name; the version that is pinned, or nothing."""
    parts = [re.split(r" *== *", line.strip()) for line in lines]
    return {
        re.sub(r"\[.*\]", "", name).replace(".", "-"): version[0] if version else ""
        for name, *version in parts
    }


def test_conda_gets_the_same_and_the_engines_that_were_tried() -> None:
    document = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *_, packages = document["dependencies"]
    # Snakemake copies the file alone: nothing in it may name another.
    assert not [line for line in packages["pip"] if line.startswith("-") or "/" in line]
    named = pins_of(packages["pip"])
    wanted = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    needed = set(pins_of([line for line in wanted if line.strip() and line[0] != "#"]))
    locked = pins_of(re.findall(r"^[\w.-]+==[^ ;\\]+", install.LOCK.read_text("utf-8"), re.M))
    assert set(named) == needed | set(TESTED) | {"torch", "ruamel-yaml"}
    pinned = {name: version for name, version in named.items() if version and name != "torch"}
    assert pinned.items() <= locked.items()
    assert set(TESTED) | {"dvc-s3", "dvc-ssh", "ruamel-yaml-clib"} <= set(pinned)
    assert {name: locked[name] for name in TESTED} == TESTED
    assert f"torch=={named['torch']}" == install.TORCH


def test_an_engine_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert untested_versions() == []
    monkeypatch.setitem(TESTED, "dvc", "3.0.0")
    found = metadata.version("dvc")
    assert untested_versions() == [f"dvc {found} (tested: 3.0.0)"]


def test_git_leaves_every_file_as_it_is(tmp_path: Path) -> None:
    """Whatever the machine is set up for, such as core.autocrlf on Windows: code is hashed."""
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    for command in (["init", "-q"], ["config", "core.autocrlf", "true"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (tmp_path / "code.py").write_bytes(b"a = 1\nb = 2\n")
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    (tmp_path / "code.py").unlink()
    subprocess.run(["git", "checkout", "-q", "--", "."], cwd=tmp_path, check=True)
    assert (tmp_path / "code.py").read_bytes() == b"a = 1\nb = 2\n"


def test_the_front_door_lists_its_targets(tmp_path: Path) -> None:
    """Also by a sed of BSD's, as on a Mac, to which `\\t` is a t."""
    bsd = '#!/bin/sh\nPATH=${PATH#*:} exec sed "$(printf %s "$1" | tr -d "\\\\")"\n'
    (tmp_path / "sed").write_text(bsd, encoding="utf-8")
    (tmp_path / "sed").chmod(0o755)
    # Within another make, as these tests are run, it would say where it is.
    command = ["make", "--no-print-directory", "help"]
    path = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=ROOT, env=path, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert "help                  list these targets" in lines
    assert any(line.startswith("results/%             build any result") for line in lines)
    assert all(line[21] == " " and line[22] != " " for line in lines)
