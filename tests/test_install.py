"""The environment: pip's configuration reaches uv; no machine gets a PyTorch that it cannot use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry import build_wheel, pin
from relay_race import ROOT

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
