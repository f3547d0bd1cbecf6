"""Machines of our own: each with its name, ids, processes and network, as several hosts have them; on one kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

_SETTLE_IN = """
hostname "$1" && mount --bind "$2/machine-id" /etc/machine-id &&
mount --bind "$2/boot-id" /proc/sys/kernel/random/boot_id && shift 2 && exec "$@"
"""
"""What a new machine does before it begins its work: it takes on its name and its ids."""


class Machine:
    """One machine: `address` is how the others reach it."""

    def __init__(self, name: str, address: str, network: str, folder: Path) -> None:
        self.name = name
        self.address = address
        self._network = network
        self._folder = folder
        folder.mkdir()
        (folder / "machine-id").write_text(uuid.uuid4().hex + "\n")
        (folder / "boot-id").write_text(f"{uuid.uuid4()}\n")
        self._running: list[subprocess.Popen[str]] = []

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command on this machine; its data is in a folder of its own."""
        inside = ("ip", "netns", "exec", self._network, "unshare", "--uts", "--mount", "--pid", "--fork")
        settle_in = ("--mount-proc", "--kill-child", "sh", "-c", _SETTLE_IN, "sh", self.name, str(self._folder))
        process = subprocess.Popen(
            [*inside, *settle_in, *command],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "XDG_DATA_HOME": str(self._folder), **environment},
        )
        self._running.append(process)
        return process

    def python(self, source: str, **environment: str) -> subprocess.Popen[str]:
        """Start a Python program on this machine."""
        return self.start(sys.executable, "-c", source, **environment)

    def run(self, *command: str, **environment: str) -> str:
        """Run a command on this machine to its end; it must end well."""
        process = self.start(*command, **environment)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return output

    def processes_of(self, process: subprocess.Popen[str]) -> list[int]:
        """The pids, as they are known here outside, of what runs on the machine below what was started."""
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as children:
            return [int(pid) for pid in children.read().split()]

    def power_off(self) -> None:
        """Everything on it ends at once."""
        for process in self._running:
            process.kill()  # the machine's first process goes with it, and all others with that
            with suppress(ValueError):  # a test has closed its input
                process.communicate()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        self._running.clear()


class Network:
    """Machines that reach each other, and nothing else reaches."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._id = f"ps{os.getpid() % 10_000}"
        self._machines: list[Machine] = []
        self._ip("netns", "add", self._hub)
        self._within(self._hub, "link", "add", "hub", "type", "bridge")
        self._within(self._hub, "link", "set", "hub", "up")

    @property
    def _hub(self) -> str:
        return f"{self._id}-hub"

    def machine(self, name: str) -> Machine:
        """One more machine."""
        number = len(self._machines) + 1
        network, address, plug = f"{self._id}-{number}", f"10.77.0.{number}", f"plug{number}"
        self._ip("netns", "add", network)
        self._ip("-n", self._hub, "link", "add", plug, "type", "veth", "peer", "name", "eth0", "netns", network)
        self._within(self._hub, "link", "set", plug, "master", "hub", "up")
        self._within(network, "link", "set", "lo", "up")
        self._within(network, "address", "add", f"{address}/24", "dev", "eth0")
        self._within(network, "link", "set", "eth0", "up")
        made = Machine(name, address, network, self._folder / name)
        self._machines.append(made)
        return made

    def unplug(self, machine: Machine) -> None:
        """The machine goes on, but nobody reaches it, nor it anybody."""
        self._within(self._hub, "link", "set", f"plug{self._machines.index(machine) + 1}", "down")

    def plug_in(self, machine: Machine) -> None:
        """It is reached again."""
        self._within(self._hub, "link", "set", f"plug{self._machines.index(machine) + 1}", "up")

    def close(self) -> None:
        """Nothing of it is left."""
        for machine in self._machines:
            machine.power_off()
        for number in range(len(self._machines)):
            self._ip("netns", "delete", f"{self._id}-{number + 1}")
        self._ip("netns", "delete", self._hub)

    def _within(self, network: str, *arguments: str) -> None:
        self._ip("-n", network, *arguments)

    def _ip(self, *arguments: str) -> None:
        done = subprocess.run([shutil.which("ip") or "ip", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """A network without machines; only who may make network namespaces has one."""
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("ip", "unshare")):
        pytest.skip("only root can make machines of its own, with `ip` and `unshare`")
    made = Network(tmp_path)
    yield made
    made.close()
