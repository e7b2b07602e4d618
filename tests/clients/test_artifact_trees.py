"""Folders of files: odd names, listing, downloading, big files in parts."""

import hashlib
import random
from pathlib import Path

import mlflow
import pytest
from conftest import FULL
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

MIB = 1 << 20

# `#` and `?` are missing: the client sends them as they are, and all servers see only what stands before them.
NAMES = [
    "plain.txt",
    "with space.txt",
    "zwei  spaces .bin",
    "ünï-cödé 日本 🚢.txt",
    "plus+and&amp=eq.txt",
    "100% sure.txt",
    "semi;colon,comma.txt",
    "(brackets) [square] {curly}.txt",
    "quote'single.txt",
    "tilde~at@dollar$.txt",
    ".hidden",
    "no_ending",
    "many.dots.in.a.name.tar.gz",
    "caret^and`tick.txt",
    "x" * 200 + ".txt",
    "deep folder/über/mañana+1/file 1.txt",
    "deep folder/über/file 2.txt",
    "deep folder/empty.txt",
]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): digest(p) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def made(tmp_path) -> Path:
    """A folder of files with odd names."""
    folder = tmp_path / "made"
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name.endswith("empty.txt") else f"content of {name}".encode() * 3)
    return folder


def listed(client, run, folder=None) -> dict[str, int]:
    """Every file below a folder, found by asking for one folder after another."""
    found = {}
    for entry in client.list_artifacts(run, folder):
        if entry.is_dir:
            found |= listed(client, run, entry.path)
        else:
            # MLflow leaves out the size of an empty file.
            found[entry.path] = entry.file_size or 0
    return found


@pytest.mark.parametrize("below", [None, "some folder/ünder"])
def test_a_tree_with_odd_names_goes_in_and_comes_out(client, run, made, tmp_path, below):
    client.log_artifacts(run, str(made), below)
    prefix = f"{below}/" if below else ""
    sizes = listed(client, run)
    assert sizes == {prefix + name: (made / name).stat().st_size for name in NAMES}
    back = Path(client.download_artifacts(run, below or "", str(tmp_path / "back")))
    assert tree(back) == tree(made)


def test_single_files_and_folders_are_downloaded(tracking, client, run, made, tmp_path):
    client.log_artifacts(run, str(made))
    uri = client.get_run(run).info.artifact_uri
    for name in NAMES:
        target = tmp_path / "one"
        got = Path(client.download_artifacts(run, name, str(target)))
        assert digest(got) == digest(made / name), name
    folder = Path(tracking.artifacts.download_artifacts(f"runs:/{run}/deep folder", dst_path=str(tmp_path / "part")))
    assert tree(folder) == tree(made / "deep folder")
    whole = Path(tracking.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "whole")))
    assert tree(whole) == tree(made)
    with pytest.raises((MlflowException, OSError)):
        client.download_artifacts(run, "nothing here.txt", str(tmp_path))
    assert client.list_artifacts(run, "nothing here") == []


def test_listing_is_sorted_and_tells_folders_from_files(client, run, made):
    client.log_artifacts(run, str(made))
    top = client.list_artifacts(run)
    assert [f.path for f in top] == sorted(f.path for f in top)
    assert [f.path for f in top if f.is_dir] == ["deep folder"]
    assert all(f.file_size for f in top if not f.is_dir)
    inside = client.list_artifacts(run, "deep folder/über")
    assert [(f.path, f.is_dir) for f in inside] == [
        ("deep folder/über/file 2.txt", False),
        ("deep folder/über/mañana+1", True),
    ]


def test_artifacts_of_a_run_are_removed(client, run, made):
    client.log_artifacts(run, str(made))
    repository = mlflow.store.artifact.artifact_repository_registry.get_artifact_repository(
        client.get_run(run).info.artifact_uri, tracking_uri=client.tracking_uri
    )
    repository.delete_artifacts("deep folder/über")
    left = listed(client, run)
    assert set(left) == {name for name in NAMES if "über" not in name}
    repository.delete_artifacts("plain.txt")
    assert "plain.txt" not in listed(client, run)


def test_many_small_files(client, run, tmp_path):
    source = tmp_path / "many"
    for number in range(2000 if FULL else 300):
        path = source / f"{number % 20:02}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    client.log_artifacts(run, str(source), "many")
    back = Path(client.download_artifacts(run, "many", str(tmp_path / "back")))
    assert tree(back) == tree(source)


def big_file(folder: Path, size: int) -> Path:
    path = folder / "big file.bin"
    path.write_bytes(random.Random(size).randbytes(size))
    return path


def test_a_big_file_goes_in_and_comes_out(client, run, tmp_path):
    path = big_file(tmp_path, 48 * MIB + 17)
    client.log_artifact(run, str(path), "weights")
    assert listed(client, run) == {"weights/big file.bin": path.stat().st_size}
    assert digest(Path(client.download_artifacts(run, "weights/big file.bin", str(tmp_path / "back")))) == digest(path)


@pytest.fixture
def in_parts(monkeypatch):
    """Makes the client send files of 6 MiB and more in parts of 5 MiB. MLflow's own server cannot do so on a disk."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(6 * MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * MIB))


@pytest.mark.slipway
def test_a_big_file_in_parts(client, run, tmp_path, in_parts, monkeypatch):
    whole = []
    complete = HttpArtifactRepository.complete_multipart_upload

    def completed(self, local_file, *arguments):
        complete(self, local_file, *arguments)
        whole.append(Path(local_file).name)

    monkeypatch.setattr(HttpArtifactRepository, "complete_multipart_upload", completed)
    path = big_file(tmp_path, 23 * MIB + 5)
    small = tmp_path / "small.bin"
    small.write_bytes(b"s")
    client.log_artifact(run, str(path), "wéights")
    client.log_artifact(run, str(small), "wéights")
    assert whole == ["big file.bin"], "in parts, and not given up for a plain upload"
    assert listed(client, run) == {"wéights/big file.bin": path.stat().st_size, "wéights/small.bin": 1}
    back = Path(client.download_artifacts(run, "wéights", str(tmp_path / "back")))
    assert digest(back / "big file.bin") == digest(path)


@pytest.mark.slipway
def test_an_upload_in_parts_that_fails_leaves_nothing(client, run, tmp_path, in_parts, monkeypatch):
    sent = HttpArtifactRepository._upload_part

    def broken(credential, local_file, size, start_byte):
        if credential.part_number == 2:
            raise MlflowException("the network went away")
        return sent(credential, local_file, size, start_byte)

    monkeypatch.setattr(HttpArtifactRepository, "_upload_part", staticmethod(broken))
    with pytest.raises(MlflowException):
        client.log_artifact(run, str(big_file(tmp_path, 12 * MIB)))
    assert listed(client, run) == {}
