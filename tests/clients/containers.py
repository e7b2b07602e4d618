"""A container engine for tests, if there is one that can run anything here, and an image that needs no registry."""

import io
import json
import os
import resource
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

IMAGE = "slipway-test-container"
GREET = """
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words) { printf("%s %s\\n", getenv("GREETING"), words[1]); return 0; }
"""


@dataclass
class Engine:
    """A program that runs containers."""

    program: str
    # Which it needs to keep everything in the folder of the test.
    variables: dict[str, str] = field(default_factory=dict)

    def call(self, *words) -> subprocess.CompletedProcess:
        command = [self.program, *map(str, words)]
        return subprocess.run(command, env=os.environ | self.variables, capture_output=True, text=True, timeout=120)

    def containers(self) -> list[str]:
        """Ids of all that there are, also of those that have ended, of jobs of Slipway."""
        listed = self.call("ps", "--all", "--quiet", "--filter", "label=slipway.attempt")
        assert listed.returncode == 0, listed.stderr
        return listed.stdout.split()


def image(folder: Path) -> Path:
    """A root folder as an archive: one static program of its own, and otherwise only where this machine's go."""
    source, program, archive = folder / "greet.c", folder / "greet", folder / "image.tar"
    source.write_text(GREET)
    subprocess.run(["cc", "-static", "-o", program, source], check=True)
    with tarfile.open(archive, "w") as tar:

        def add(name: str, kind: bytes = tarfile.DIRTYPE, mode: int = 0o755, link: str = "", data: bytes = b""):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.linkname, entry.size = kind, mode, link, len(data)
            tar.addfile(entry, io.BytesIO(data))

        for name in ("dev", "etc", "proc", "sys", "usr", "own"):
            add(name)
        add("tmp", mode=0o1777)
        for name in ("bin", "lib", "lib64"):
            add(name, tarfile.SYMTYPE, link=f"usr/{name}")
        add("etc/passwd", tarfile.REGTYPE, 0o644, data=b"root:x:0:0:root:/tmp:/bin/sh\n")
        add("own/greet", tarfile.REGTYPE, data=program.read_bytes())
    return archive


@contextmanager
def engine_of(folder: Path):
    """An engine that has the image and has run it, as long as it is needed; without one the test is skipped."""
    # The sockets of podman's containers need short paths.
    with tempfile.TemporaryDirectory(prefix="sw-", ignore_cleanup_errors=True) as storage:
        found = find_engine(folder, Path(storage))
        if isinstance(found, str):
            pytest.skip(f"no container can run here: {found}")
        yield found
        assert found.containers() == [], "a test left a container behind"
        found.call("rmi", IMAGE)


def find_engine(folder: Path, storage: Path) -> Engine | str:
    """An engine, or why there is none, in words."""
    problems = []
    for candidate in candidates(storage):
        try:
            made = candidate.call("import", image(folder), IMAGE)
            ran = made if made.returncode else candidate.call("run", "--rm", "-e", "GREETING=hi", IMAGE, "/own/greet", "you")
        except subprocess.TimeoutExpired:
            problems.append(f"{candidate.program} does not answer")
            continue
        if ran.returncode == 0 and ran.stdout == "hi you\n":
            return candidate
        problems.append(f"{candidate.program} cannot run: {ran.stderr.strip().splitlines()[-1:]}")
    return "; ".join(problems) or "neither podman nor docker is installed"


def candidates(folder: Path):
    if podman := shutil.which("podman"):
        storage, plain, modest = folder / "storage.conf", folder / "plain.conf", folder / "modest.conf"
        # Copies instead of mounts: what a test leaves is only files.
        places = f'graphroot = "{folder}/containers"\nrunroot = "{folder}/containers-run"\n'
        storage.write_text(f'[storage]\ndriver = "vfs"\n{places}')
        plain.write_text("")
        # A machine that may not raise its limits, with controllers in both hierarchies, wants it said.
        limits = [
            f"{name}={least}:{least}"
            for name, kind, most in (("nofile", resource.RLIMIT_NOFILE, 1024), ("nproc", resource.RLIMIT_NPROC, 4096))
            for allowed in [resource.getrlimit(kind)[1]]
            for least in [most if allowed == resource.RLIM_INFINITY else min(most, allowed)]
        ]
        modest.write_text(f'[containers]\ndefault_ulimits = {json.dumps(limits)}\n[engine]\nruntime = "runc"\n')
        for configuration in (plain, modest):
            yield Engine(podman, {"CONTAINERS_STORAGE_CONF": str(storage), "CONTAINERS_CONF": str(configuration)})
    if docker := shutil.which("docker"):
        yield Engine(docker)
