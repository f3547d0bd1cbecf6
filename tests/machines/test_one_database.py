"""Several machines, one store on PostgreSQL, as the guide has it."""

from __future__ import annotations

import glob
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machines.conftest import Machine, Network

JOB = """
import sys, progstore
with progstore.session("nightly import"), progstore.track(name=sys.argv[1], total=2, unit="file") as task:
    for line in sys.stdin:
        task.update()
        print(progstore.flush(10), flush=True)
"""
AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")


@pytest.fixture
def database(network: Network, until: Callable[..., Any]) -> Iterator[str]:
    """A server on a machine of its own, and the URL by which the others reach it."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        pytest.skip("there is no PostgreSQL server to be put on a machine of its own")
    machine, folder = network.machine("db"), Path(tempfile.mkdtemp(prefix="progstore-machines-"))
    shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    machine.run(*AS_POSTGRES, f"{found[-1]}/initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync")
    with (data / "pg_hba.conf").open("a", encoding="ascii") as hosts:
        hosts.write("host all all 10.77.0.0/24 trust\n")
    serve = " ".join((*AS_POSTGRES, f"{found[-1]}/postgres", "-D", str(data), "-c", "fsync=off"))
    # Not in the first process's place, for one that becomes another user outlives the machine.
    machine.start("sh", "-c", f"{serve} -c listen_addresses={machine.address} -k {folder} & wait")
    until(lambda: os.path.exists(folder / ".s.PGSQL.5432"))
    yield f"postgresql://postgres@{machine.address}/postgres"
    machine.power_off()
    shutil.rmtree(folder)


def listed(machine: Machine, database: str) -> dict[str, dict[str, Any]]:
    """What that machine's command line says of all sessions, by host."""
    told = machine.run(sys.executable, "-m", "progstore", "ls", "--json", PROGSTORE_URL=database)
    return {session["host"]: session for session in json.loads(told)}


def test_machines_share_a_store_and_see_each_other_s_jobs(network: Network, database: str) -> None:
    """Each records by itself, and each knows of the other's job that it lives."""
    machines = [network.machine("alpha"), network.machine("beta")]
    jobs = [
        machine.start(sys.executable, "-c", JOB, name, PROGSTORE_URL=database)
        for machine, name in zip(machines, ("Fetch", "Resize"), strict=True)
    ]
    for job in jobs:
        assert job.stdin is not None
        assert job.stdout is not None
        job.stdin.write("on\n")
        job.stdin.flush()
        assert job.stdout.readline() == "True\n"
    for machine in machines:
        sessions = listed(machine, database)
        assert sessions.keys() == {"alpha", "beta"}
        assert [session["verdict"]["life"] for session in sessions.values()] == ["alive", "alive"]
    for job in jobs:
        job.communicate("on\n", timeout=60)
    assert {session["status"] for session in listed(machines[0], database).values()} == {"complete"}
