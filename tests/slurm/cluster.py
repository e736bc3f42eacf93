"""A Slurm of one node on this machine, for as long as a command runs: `cluster.py COMMAND ...`.

Slurm and MUNGE are Debian's packages, installed where they are absent. All that the daemons read
and write lies in a temporary folder; nothing in /etc is touched. Root, or sudo, is needed to
install and to start the daemons; the command itself runs as whoever called.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
DAEMONS = ("slurmctld", "slurmd", "munged")
# What a daemon, or Slurm's answer, may take on a slow machine.
SECONDS = 60
# Debian keeps daemons where only root's PATH looks.
PATH = os.pathsep.join([os.environ["PATH"], "/usr/local/sbin", "/usr/sbin", "/sbin"])
AS_ROOT = [] if os.geteuid() == 0 else ["sudo"]

# A node that has the processors and the memory of this machine, or at least what the rules ask
# for: Slurm only counts them here (task/none, linuxproc), it does not enforce them.
CONFIGURATION = """\
ClusterName=alone
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} RealMemory={memory}
PartitionName=alone Nodes=ALL Default=YES MaxTime=INFINITE
"""


def install() -> None:
    """Install the packages where they are absent.

    Raises
    ------
    SystemExit
        Says in one line what is missing for that.
    """
    if AS_ROOT and not shutil.which("sudo"):
        raise SystemExit("test-slurm: needs root or sudo, to install Slurm and start its daemons")
    if all(shutil.which(name, path=PATH) for name in DAEMONS):
        return
    if not shutil.which("apt-get"):
        raise SystemExit(
            f"test-slurm: no {', '.join(DAEMONS)} and no apt-get here; install Slurm and MUNGE, "
            f"as Debian's packages {' and '.join(PACKAGES)} do, or run it on Debian"
        )
    apt = [*AS_ROOT, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    wanted = ["install", "--yes", "--no-install-recommends", *PACKAGES]
    for arguments in (wanted, ["update"], wanted):
        # A fresh machine has no package lists yet, and then the first try fails.
        done = subprocess.run([*apt, *arguments], capture_output=True, text=True)
        if arguments is wanted and done.returncode == 0:
            return
    reason = (done.stderr or done.stdout).strip().rpartition("\n")[2]
    raise SystemExit(f"test-slurm: apt-get cannot install {' '.join(PACKAGES)}: {reason}")


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """Start a Slurm of one node, wait until a job runs on it, and stop it in the end.

    Yields
    ------
    dict of str to str
        The environment in which Slurm's commands find it.

    Raises
    ------
    SystemExit
        The machine has a Slurm of its own, or the daemons do not start.
    """
    if "Slurmctld(" in run({**os.environ, "PATH": PATH}, "scontrol", "ping", check=False):
        raise SystemExit(
            "test-slurm: this machine belongs to a Slurm already; to run the tests on that one: "
            "python -m pytest tests/slurm/test_slurm.py"
        )
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="slurm-"))
        stack.callback(subprocess.run, [*AS_ROOT, "rm", "-rf", str(home)], check=True)
        home.chmod(0o755)  # MUNGE's socket must be within everyone's reach
        controller_port, node_port = free_ports(2)
        (home / "slurm.conf").write_text(
            CONFIGURATION.format(
                host=socket.gethostname().partition(".")[0],
                home=home,
                controller_port=controller_port,
                node_port=node_port,
                processors=max(2, os.cpu_count() or 0),
                memory=max(8000, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20),
            )
        )
        path = f"{put_srun_aside(home)}{os.pathsep}{PATH}"
        environment = {**os.environ, "PATH": path, "SLURM_CONF": str(home / "slurm.conf")}
        try:
            start_daemons(stack, environment, home)
            yield environment
        except subprocess.SubprocessError as error:
            for log in sorted(home.glob("*.log")):
                subprocess.run([*AS_ROOT, "tail", "-n", "20", "-v", str(log)], check=False)
            raise SystemExit(f"test-slurm: {error}") from error


def put_srun_aside(home: Path) -> Path:
    """Write an `srun` that knows its configuration: within a job, Snakemake's plugin drops it.

    A cluster has its configuration in /etc, where every command looks by itself.
    """
    folder = home / "bin"
    folder.mkdir()
    wrapper = folder / "srun"
    real = shutil.which("srun", path=PATH)
    wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={home}/slurm.conf exec {real} "$@"\n')
    wrapper.chmod(0o755)
    return folder


def start_daemons(stack: ExitStack, environment: dict[str, str], home: Path) -> None:
    """Start MUNGE, the controller and the node's daemon, and wait until a job has run."""
    key, sock = home / "munge.key", home / "munge.socket"
    run(environment, *AS_ROOT, "mungekey", "--create", f"--keyfile={key}")
    own = [f"--{name}-file={home}/munged.{name}" for name in ("pid", "log", "seed")]
    munge = ["munged", f"--socket={sock}"]
    run(environment, *AS_ROOT, *munge, f"--key-file={key}", *own)  # returns when it listens
    stack.callback(run, environment, *AS_ROOT, *munge, "--stop", check=False)
    start(stack, environment, home, "slurmctld", "-D", "-f", str(home / "slurm.conf"))
    run(environment, "scontrol", "show", "config")  # asks again until the controller answers
    start(stack, environment, home, "slurmd", "-D", "-f", str(home / "slurm.conf"))
    stack.callback(stop_slurm, environment)
    run(environment, "srun", "--quiet", "true")


def stop_slurm(environment: dict[str, str]) -> None:
    """Cancel what still runs, and shut the controller and the node's daemon down."""
    # sudo drops the variable from the environment.
    as_root = [*AS_ROOT, "env", f"SLURM_CONF={environment['SLURM_CONF']}"]
    run(environment, *as_root, "scancel", "--partition=alone", check=False)
    # A job that needs the whole node starts when every other one is gone.
    run(environment, "srun", "--quiet", "--exclusive", "true", check=False)
    run(environment, *as_root, "scontrol", "shutdown", check=False)


def start(stack: ExitStack, environment: dict[str, str], home: Path, *command: str) -> None:
    """Start a daemon in the foreground, away from the keyboard's interrupts; later wait for it."""
    name, *arguments = command
    path = shutil.which(name, path=PATH) or name
    with (home / f"{name}.output.log").open("wb") as output:
        daemon = subprocess.Popen(
            [*AS_ROOT, path, *arguments],
            env={key: value for key, value in environment.items() if key != "SLURM_CONF"},
            process_group=0,
            stdout=output,
            stderr=output,
        )
    stack.callback(end, daemon)


def end(daemon: subprocess.Popen[bytes]) -> None:
    """Wait for a daemon that was told to stop, and kill one that does not."""
    try:
        daemon.wait(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        subprocess.run([*AS_ROOT, "kill", "-KILL", "--", f"-{daemon.pid}"], check=False)


def run(environment: dict[str, str], *command: str, check: bool = True) -> str:
    """Run a command to its end, which must come within a minute; what it printed."""
    name, *arguments = command
    path = shutil.which(name, path=PATH) or name
    try:
        done = subprocess.run(
            [path, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=check,
        )
    except subprocess.CalledProcessError as error:
        print(error.output, file=sys.stderr)
        raise
    return done.stdout


def free_ports(number: int) -> list[int]:
    """Find ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the daemons end with it
    install()
    with cluster() as slurm:
        status = subprocess.run(sys.argv[1:], env=slurm, check=False).returncode
    sys.exit(status)
