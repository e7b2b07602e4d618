"""Projects: `slipway run` against `mlflow run`, with the same folders and the same parameters."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import ROOT, find_program
from containers import engine_of

PROJECTS = ROOT / "tests" / "projects"
pytestmark = pytest.mark.slipway


@pytest.fixture
def project(tmp_path):
    """A copy of one of the projects, outside of any repository."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(PROJECTS / name, tmp_path / name))

    return copy


@pytest.fixture
def environment():
    """With the Python that runs the tests first on the PATH."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLIPWAY_", "MLFLOW_RUN", "MLFLOW_EXPERIMENT"))}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def slipway(server, environment, tmp_path):
    """Calls the program; gives what ended."""
    if server.data_dir is None:
        pytest.skip("the data folder of the server is not known")

    def call(*words, data_dir=None, fails=False, **variables):
        command = [str(find_program()), "--data-dir", str(data_dir or server.data_dir), *map(str, words)]
        ended = subprocess.run(
            command, env=environment | variables, cwd=tmp_path, capture_output=True, text=True, timeout=600
        )
        assert (ended.returncode != 0) == fails, f"{command}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended

    return call


@pytest.fixture
def stock(server, environment, tmp_path):
    """Calls `mlflow run`."""

    def call(*words):
        command = [sys.executable, "-m", "mlflow", "run", *map(str, words), "--env-manager", "local"]
        variables = environment | {"MLFLOW_TRACKING_URI": server.url}
        ended = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"

    return call


def own_metrics(run):
    """Without those of the machine, of which a slow one has more."""
    return {key: value for key, value in run.data.metrics.items() if not key.startswith("system/")}


def only_run(client, name):
    found = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    assert len(found) == 1, [run.data for run in found]
    return found[0]


# Where both write the same: the folder, the kind, the entry point, and what the script has set.
SAME_TAGS = ["mlflow.source.name", "mlflow.source.type", "mlflow.project.entryPoint", "note", "further"]


@pytest.mark.parametrize(
    "name, entry, parameters",
    [
        ("elasticnet", "main", {"alpha": "0.3", "note": "it's $(id) & \"more\"; rm -rf x"}),
        ("elasticnet", "main", {}),
        ("elasticnet", "main", {"l1_ratio": "1e-1", "rows": "60"}),
        ("workflow", "main", {"rows": "30"}),
        ("workflow", "load", {}),
        ("workflow", "train", {"data": "points of a line.csv", "seed": "4", "depth": "$HOME; id"}),
    ],
)
def test_the_same_run_as_by_mlflow(slipway, stock, client, project, unique, name, entry, parameters):
    folder = project(name)
    if entry == "train":
        # A relative path starts where `mlflow run` was started.
        table = folder.parent / "points of a line.csv"
        table.write_text("".join(f"{x},{2 * x}\n" for x in range(9)))
        parameters = parameters | {"data": str(table)}
    values = [word for key, value in parameters.items() for word in ("-P", f"{key}={value}")]
    stock(folder, "-e", entry, *values, "--experiment-name", f"{unique}-stock")
    slipway("run", folder, "-e", entry, *values, "--env-manager", "local", "--experiment-name", f"{unique}-own")
    theirs, ours = only_run(client, f"{unique}-stock"), only_run(client, f"{unique}-own")
    assert ours.data.params == theirs.data.params
    assert own_metrics(ours) == own_metrics(theirs) and own_metrics(ours)
    assert [ours.data.tags.get(tag) for tag in SAME_TAGS] == [theirs.data.tags.get(tag) for tag in SAME_TAGS]
    assert ours.info.status == theirs.info.status == "FINISHED"


NASTY = ["", " ", "a b", "'", '"', "\\", "$(id)", "`id`", "a;b", "a\nb", "é😀", "*", "~", "-x", "--", "{alpha}", "%s", "!x"]


def test_commands_are_built_as_mlflow_builds_them(slipway, project):
    from mlflow.projects import _project_spec

    folder = project("elasticnet")
    (folder / "MLproject").write_text(
        "name: x\nentry_points:\n  main:\n    parameters:\n      a: {type: string}\n      b: {default: 0.10}\n"
        "      c: {default: yes}\n      d: {default: 010}\n      e: {default: 1e3}\n      f: {default: 2001-01-02}\n"
        "      g: {default: 1_0.5}\n      p: {type: path, default: .}\n"
        "    command: run {a} {{x}} --b={b} {a} {c} {d} {e} {f} {g}\n"
    )
    for value in NASTY:
        given = {"a": value, "zé": value, f"k{value[:1]}".strip() or "k": "1"}
        point = _project_spec.load_project(str(folder)).get_entry_point("main")
        wanted = point.compute_command(dict(given), str(folder))
        words = [word for key, text in given.items() for word in ("-P", f"{key}={text}")]
        plan = json.loads(slipway("run", folder, "--env-manager", "local", "--json", *words).stdout)
        assert plan["shown"] == wanted, value
        recorded, extra = point.compute_parameters(dict(given), None)
        assert dict(plan["parameters"]) == recorded | extra, value


def test_nothing_starts_when_something_is_wrong(slipway, project, client, unique):
    folder = project("elasticnet")
    for words, said in [
        (["-P", "alpha=much"], "`alpha` must be a number"),
        (["-P", "rows=1.5"], "`rows` must be a whole number"),
        (["-e", "nothing"], "there is no entry point `nothing` (there are `main`)"),
        (["--version", "abc"], "is not in git"),
        (["--environment", "x.txt"], "describes no environment `x.txt`"),
    ]:
        ended = slipway("run", folder, *words, "--experiment", unique, fails=True)
        assert ended.returncode == 2 and said in ended.stderr, ended.stderr
    ended = slipway("run", project("workflow"), "-e", "train", "--experiment", unique, fails=True)
    assert "`data` needs a value: add `-P data=…`" in ended.stderr
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20)
    )
    began = time.monotonic()
    for text, said in [
        (bomb, "unfold into more than 100,000 values"),
        ("x" * (50 << 20), "at most 1 MB"),
        ("entry_points: [", "line"),
        ("name: x\npython_env: ../outside.yaml\n", "line 2"),
    ]:
        (folder / "MLproject").write_text(text)
        ended = slipway("run", folder, "--experiment", unique, fails=True)
        assert ended.returncode == 2 and said in ended.stderr and "MLproject" in ended.stderr, ended.stderr
    assert time.monotonic() - began < 10
    assert client.get_experiment_by_name(unique) is None, "no run was made"


def test_a_revision_runs_from_a_clean_copy(slipway, project, client, unique):
    folder = project("workflow")

    def git(*words):
        who = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
        return subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True, text=True).stdout

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    commit = git("rev-parse", "HEAD").strip()
    (folder / "load.py").write_text("raise SystemExit(9)\n")
    for place, name in [(folder, "local"), (f"file://{folder}", "address")]:
        words = ["--version", "main", "-e", "load", "--env-manager", "local", "--experiment", f"{unique}-{name}"]
        slipway("run", place, *words)
        tags = only_run(client, f"{unique}-{name}").data.tags
        assert tags["mlflow.source.git.commit"] == commit and tags["mlflow.source.git.branch"] == "main"
    assert not (folder / "table.csv").exists(), "nothing was written into the folder itself"


def test_a_run_is_repeated_from_its_record_alone(slipway, project, client, unique):
    folder = project("workflow")
    (folder / "load.py").write_text((folder / "load.py").read_text().replace('"rows", given.rows', '"rows", given.rows + 0.5'))
    slipway("run", folder, "-e", "load", "-P", "rows=7", "--env-manager", "local", "--experiment", f"{unique}-a")
    first = only_run(client, f"{unique}-a")
    shutil.rmtree(folder)
    slipway("run", "--again", first.info.run_id, "--experiment", f"{unique}-b")
    again = only_run(client, f"{unique}-b")
    assert again.data.params == first.data.params and own_metrics(again) == own_metrics(first)


def test_a_commit_is_run_again_when_its_folder_is_gone(slipway, project, client, unique):
    folder = project("workflow")
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in [["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "one"]]:
        subprocess.run([*git, *words], check=True)
    (folder / "load.py").write_text((folder / "load.py").read_text().replace('"rows", given.rows', '"rows", given.rows + 0.5'))
    slipway("run", folder, "-e", "load", "-P", "rows=7", "--env-manager", "local", "--experiment", f"{unique}-a")
    first = only_run(client, f"{unique}-a")
    shutil.rmtree(folder)
    slipway("run", "--again", first.info.run_id, "--experiment", f"{unique}-b")
    again = only_run(client, f"{unique}-b")
    assert again.data.params == first.data.params and own_metrics(again) == own_metrics(first)
    assert again.data.tags["mlflow.source.git.commit"] == first.data.tags["mlflow.source.git.commit"]


def test_a_real_environment(slipway, project, client, unique, tmp_path):
    """From the package index of this machine: made once, used twice, listed, removed."""
    folder, data = project("elasticnet"), tmp_path / "data"
    (folder / "requirements.txt").write_text("six==1.17.0\n")
    (folder / "python_env.yaml").write_text(f"python: '{sys.version_info[0]}.{sys.version_info[1]}'\ndependencies: ['-r requirements.txt']\n")
    (folder / "train.py").write_text("import six, sys\nprint('six', six.__version__, sys.prefix)\n")
    first = slipway("run", folder, data_dir=data)
    assert "six 1.17.0" in first.stdout and str(data / "environments") in first.stdout
    assert "six==1.17.0" in first.stderr, "the log of its making is shown"
    began = time.monotonic()
    second = slipway("run", folder, data_dir=data)
    assert "is there already" in second.stderr and time.monotonic() - began < 5
    listed = json.loads(slipway("env", "ls", "--json", data_dir=data).stdout)["environments"]
    assert len(listed) == 1 and listed[0]["is_ready"] and listed[0]["size_bytes"] > 10_000
    slipway("env", "rm", listed[0]["id"][:8], data_dir=data)
    assert json.loads(slipway("env", "ls", "--json", data_dir=data).stdout)["environments"] == []


def test_environments_that_cannot_be_made(slipway, project, tmp_path):
    folder, data = project("elasticnet"), tmp_path / "data"
    (folder / "python_env.yaml").write_text("python: '3.77'\n")
    ended = slipway("run", folder, data_dir=data, fails=True, UV_PYTHON_DOWNLOADS="never")
    assert "there is no Python 3.77 here" in ended.stderr, ended.stderr
    (folder / "python_env.yaml").write_text("dependencies: ['six==999']\n")
    ended = slipway("run", folder, data_dir=data, fails=True)
    assert "could not be made" in ended.stderr and "six==999" in ended.stderr, ended.stderr
    assert json.loads(slipway("env", "ls", "--json", data_dir=data).stdout)["environments"] == []


def test_without_an_engine_it_is_said_what_to_install(slipway, project, tmp_path):
    """A client of docker without its service is none."""
    programs = tmp_path / "programs"
    programs.mkdir()
    folder = project("container")
    ended = slipway("run", folder, fails=True, PATH=str(programs))
    assert "neither podman nor docker is installed. Install podman" in ended.stderr, ended.stderr
    docker = programs / "docker"
    docker.write_text("#!/bin/sh\necho Client: 1\necho Cannot connect to the Docker daemon >&2\nexit 1\n")
    docker.chmod(0o755)
    ended = slipway("run", folder, fails=True, PATH=str(programs))
    assert "docker is installed but does not answer (Cannot connect to the Docker daemon)" in ended.stderr, ended.stderr


def test_a_container_at_the_terminal(slipway, project, tmp_path):
    with engine_of(tmp_path) as engine:
        ended = slipway("run", project("container"), "-P", "word=a b; $(id)", **engine.variables)
        assert ended.stdout == "hello there a b; $(id)\n"


def wait_for_end(server, job_id):
    for _ in range(600):
        job = server.ok(server.own("GET", f"/jobs/{job_id}"))
        summary = job.get("summary", job)
        if summary["state"] not in ("queued", "starting", "running"):
            return summary
        time.sleep(0.1)
    raise AssertionError(f"the job does not end: {job}")


def test_a_project_runs_as_a_job_and_again(server, project, client, unique, tmp_path):
    """In an environment that is there, with everything about it kept."""
    folder = project("workflow")
    (folder / ".venv").symlink_to(Path(sys.prefix))
    run = {
        "project": str(folder),
        "entry_point": "load",
        "parameters": [{"name": "rows", "value": "12"}],
        "environment": ".venv",
    }
    plan = server.ok(server.own("POST", "/projects/plan", json=run))
    assert plan["shown"] == "python load.py --rows 12" and plan["environment"]["is_ready"]
    job = server.ok(server.own("POST", "/projects/run", json={"run": run, "experiment": f"{unique}-a"}))
    ended = wait_for_end(server, job["job_id"])
    assert ended["state"] == "succeeded", ended
    first = only_run(client, f"{unique}-a")
    assert first.data.params == {"rows": "12"} and first.data.metrics["rows"] == 12
    assert first.data.tags["mlflow.project.entryPoint"] == "load" and first.info.status == "FINISHED"
    record = json.loads(Path(client.download_artifacts(first.info.run_id, "project/run.json", str(tmp_path))).read_text())
    assert record["entry_point"] == "load" and record["patch_sha256"]
    shutil.rmtree(folder)
    wanted = {"again": first.info.run_id, "experiment": f"{unique}-b"}
    refused = server.own("POST", "/projects/run", json=wanted)
    assert refused.status_code == 400 and "is not there any more" in refused.text, refused.text
    folder.mkdir()
    (folder / ".venv").symlink_to(Path(sys.prefix))
    ended = wait_for_end(server, server.ok(server.own("POST", "/projects/run", json=wanted))["job_id"])
    assert ended["state"] == "succeeded", ended
    again = only_run(client, f"{unique}-b")
    assert again.data.params == first.data.params and own_metrics(again) == own_metrics(first)
    assert again.data.tags["slipway.repeats"] == first.info.run_id
    assert [path.name for path in folder.iterdir()] == [".venv"], "it ran in a copy of its own"


def test_the_environment_is_made_inside_of_the_job(server, project, client, unique):
    folder = project("elasticnet")
    (folder / "requirements.txt").write_text("six==1.17.0\n")
    (folder / "train.py").write_text("import six, sys\nprint('six', six.__version__, sys.prefix)\n")
    run = {"project": str(folder)}
    job = server.ok(server.own("POST", "/projects/run", json={"run": run, "experiment": unique}))
    ended = wait_for_end(server, job["job_id"])
    assert ended["state"] == "succeeded", ended
    kept = client.list_artifacts(only_run(client, unique).info.run_id, "project")
    assert [file.path for file in kept] == ["project/changes.patch", "project/run.json"]
    record = json.loads(Path(client.download_artifacts(ended["run_id"], "project/run.json")).read_text())
    assert record["lock"] and any(line.startswith("six==1.17.0") for line in record["lock"])
    (folder / "requirements.txt").write_text("six==999\n")
    job = server.ok(server.own("POST", "/projects/run", json={"run": run, "experiment": f"{unique}-bad"}))
    ended = wait_for_end(server, job["job_id"])
    assert ended["state"] == "failed" and "environment" in ended["reason"], ended


@pytest.fixture
def web():
    """A server of files on this machine."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/served.csv")
                self.end_headers()
            elif self.path.split("?")[0] == "/served.csv":
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"served\n")
            else:
                self.send_error(404)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def test_a_path_may_be_something_that_is_fetched(server, slipway, client, unique, tmp_path, web):
    """It is laid out before the command starts; from a form and from a terminal alike."""
    folder = tmp_path / "reader"
    folder.mkdir()
    (folder / "MLproject").write_text(
        "name: reader\nentry_points:\n  main:\n    parameters: {data: path}\n"
        "    command: 'cat {data} > copied.txt'\n  model:\n    parameters: {data: path}\n"
        "    command: 'cat {data}/MLmodel > copied.txt'\n"
    )
    source = client.create_run(client.create_experiment(f"{unique}-source"))
    kept = source.info.run_id
    client.log_text(kept, "x,y\n1,2\n", "tables/some points.csv")
    client.log_text(kept, "flavors: {}\n", "model/MLmodel")
    name = f"{unique}-model"
    client.create_registered_model(name)
    version = client.create_model_version(name, f"runs:/{kept}/model", kept).version
    client.set_registered_model_alias(name, "best", version)
    (tmp_path / "local.csv").write_text("local\n")

    def as_job(value, entry):
        run = {
            "project": str(folder),
            "entry_point": entry,
            "parameters": [{"name": "data", "value": value}],
            "local": True,
        }
        answer = server.own("POST", "/projects/run", json={"run": run, "experiment": unique})
        return wait_for_end(server, server.ok(answer)["job_id"]) if answer.status_code == 200 else answer

    artifact_uri = source.info.artifact_uri
    for value, entry, content in [
        (f"runs:/{kept}/tables/some points.csv", "main", "x,y\n1,2\n"),
        (f"{artifact_uri}/tables/some points.csv", "main", "x,y\n1,2\n"),
        (f"models:/{name}/{version}", "model", "flavors: {}\n"),
        (f"models:/{name}@best", "model", "flavors: {}\n"),
        (f"file://{tmp_path}/local.csv", "main", "local\n"),
        (f"{web}/served.csv?x=1", "main", "served\n"),
        (f"{web}/moved", "main", "served\n"),
    ]:
        ended = as_job(value, entry)
        assert ended["state"] == "succeeded", (value, ended)
        assert (folder / "copied.txt").read_text() == content, value
        (folder / "copied.txt").unlink()
        assert client.get_run(ended["run_id"]).data.params["data"].strip("'") == value
    value = f"data=runs:/{kept}/tables/some points.csv"
    shown = slipway("run", folder, "--env-manager", "local", "--dry-run", "-P", value).stdout
    assert f"`data` is fetched from `runs:/{kept}/tables/some points.csv`" in shown, shown
    slipway("run", folder, "--env-manager", "local", "-P", value, "--experiment", unique)
    assert (folder / "copied.txt").read_text() == "x,y\n1,2\n"
    (folder / "copied.txt").unlink()

    ended = as_job(f"runs:/{kept}/tables/nothing.csv", "main")
    assert ended["state"] == "failed" and "nothing.csv" in ended["reason"], ended
    ended = as_job(f"models:/{name}@nobody", "model")
    assert ended["state"] == "failed" and "nobody" in ended["reason"], ended
    ended = as_job(f"{web}/nothing.csv", "main")
    assert ended["state"] == "failed" and "answered with status 404" in ended["reason"], ended
    value = f"data=runs:/{kept}/nothing"
    ended = slipway("run", folder, "--env-manager", "local", "-P", value, "--experiment", unique, fails=True)
    assert "nothing" in ended.stderr, ended.stderr
    refused = as_job("s3://bucket/k", "main")
    assert refused.status_code == 400 and "declare the parameter as `uri`" in refused.text, refused.text
    assert "`data`" in refused.text and not (folder / "copied.txt").exists(), "nothing was started"


def test_opened_projects_are_watched(server, project):
    folder = project("workflow")
    detail = server.ok(server.own("POST", "/projects/open", json={"project": str(folder), "remember": True}))
    assert [entry["name"] for entry in detail["mlproject"]["entry_points"]] == ["load", "train", "main"]
    assert [script["path"] for script in detail["scripts"]] == ["load.py", "train.py"]
    with server.own("GET", "/events", stream=True) as events:
        lines = events.iter_lines(decode_unicode=True)
        assert "reset" in next(line for line in lines if line.startswith("data:"))
        (folder / "new.py").write_text("import argparse\n")
        told = next(line for line in lines if '"projects"' in line)
        assert str(folder) in told
    listed = server.ok(server.own("GET", "/projects"))["projects"]
    assert [entry["watched"] for entry in listed if entry["project"] == str(folder)] == [True]
    server.ok(server.own("POST", "/projects/close", json={"project": str(folder)}))


def test_a_lock_of_uv_is_taken_as_it_is(slipway, tmp_path):
    folder, data = tmp_path / "locked", tmp_path / "data"
    folder.mkdir()
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "wine"\nversion = "0.1.0"\nrequires-python = ">={python}"\ndependencies = []\n'
    )
    (folder / "uv.lock").write_text(
        f'version = 1\nrequires-python = ">={python}"\n\n'
        '[[package]]\nname = "wine"\nversion = "0.1.0"\nsource = { virtual = "." }\n'
    )
    (folder / "show.py").write_text("import sys\nprint(sys.prefix)\n")
    ended = slipway("run", folder, "-e", "show.py", data_dir=data)
    assert ended.stdout.startswith(str(data / "environments")), ended.stdout
    plan = json.loads(slipway("run", folder, "-e", "show.py", "--json", data_dir=data).stdout)
    assert plan["environment"]["name"] == "uv.lock" and plan["environment_is_ready"]
    (folder / "uv.lock").write_text("version = 1\n[[package]\n")
    ended = slipway("run", folder, "-e", "show.py", data_dir=data, fails=True)
    assert "uv.lock" in ended.stderr, ended.stderr


def test_conda_makes_what_conda_describes(slipway, tmp_path):
    """With a stand-in that does what micromamba is asked to do."""
    folder, data, programs = tmp_path / "c", tmp_path / "data", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    (folder / "environment.yml").write_text("dependencies: [python=3.11, {pip: [six]}]\n")
    (folder / "show.py").write_text("import sys\nprint('hello')\n")
    conda = programs / "micromamba"
    conda.write_text(
        f"""#!/bin/sh
echo "micromamba $*"
if [ "$1" = create ]; then mkdir -p "$4/bin" && ln -s {sys.executable} "$4/bin/python"; else echo "@EXPLICIT"; fi
"""
    )
    conda.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    ended = slipway("run", folder, "-e", "show.py", data_dir=data, PATH=path)
    assert ended.stdout == "hello\n" and "micromamba create -y -p" in ended.stderr, ended.stderr
    conda.write_text("#!/bin/sh\necho 'nothing provides pithon'\nexit 1\n")
    (folder / "environment.yml").write_text("dependencies: [pithon]\n")
    ended = slipway("run", folder, "-e", "show.py", data_dir=data, PATH=path, fails=True)
    assert "could not be made" in ended.stderr and "nothing provides pithon" in ended.stderr, ended.stderr


def test_making_an_environment_is_followed_and_canceled(server, project):
    folder = project("elasticnet")
    slow = folder / "slow"
    slow.mkdir()
    (slow / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "slow"\nversion = "1"\n'
    )
    (slow / "backend.py").write_text(
        "import os, pathlib, time\n\n\ndef build_wheel(*_, **__):\n"
        "    pathlib.Path(__file__).with_name('begun').write_text(str(os.getpid()))\n    time.sleep(300)\n"
    )
    (folder / "requirements.txt").write_text("./slow\n")
    wanted = {"project": str(folder), "environment": "requirements.txt"}
    job = server.ok(server.own("POST", "/environments/make", json=wanted))
    for _ in range(600):
        if (slow / "begun").exists():
            break
        time.sleep(0.1)
    builder = int((slow / "begun").read_text())
    listed = server.ok(server.own("GET", "/environments"))["environments"]
    assert [one["in_use"] for one in listed if not one["is_ready"]] == [True], "it is said that it is being made"
    server.ok(server.own("POST", f"/jobs/{job['job_id']}/cancel", json={"grace_ms": 1000}))
    assert wait_for_end(server, job["job_id"])["state"] == "canceled"
    for _ in range(200):
        if not Path(f"/proc/{builder}").exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{builder}").exists(), "what it has started has ended, too"
    unfinished = [one for one in server.ok(server.own("GET", "/environments"))["environments"] if not one["is_ready"]]
    assert [one["in_use"] for one in unfinished] == [False]
    removed = server.ok(server.own("POST", "/environments/remove", json={"ids": [unfinished[0]["id"]]}))
    assert removed["removed"] == [unfinished[0]["id"]]
    wrong = server.own("POST", "/environments/make", json=wanted | {"environment": "other.txt"})
    assert wrong.status_code == 400 and "describes no environment `other.txt`" in wrong.text


def test_values_that_are_wrong_are_said_for_each_field(server, project):
    run = {"project": str(project("elasticnet")), "local": True}
    given = [{"name": "alpha", "value": "much"}, {"name": "rows", "value": "1.5"}]
    wrong = server.own("POST", "/projects/plan", json=run | {"parameters": given})
    assert wrong.status_code == 400
    assert [field["field"] for field in wrong.json()["fields"]] == ["alpha", "rows"], wrong.text


def test_clean_copies_go_when_nothing_was_left_in_them(slipway, tmp_path, unique):
    folder, data = tmp_path / "tidy", tmp_path / "data"
    folder.mkdir()
    (folder / "MLproject").write_text(
        "entry_points:\n  main:\n    command: echo done\n  leave:\n    command: echo text > kept.txt\n"
    )
    who = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    for words in [["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "one"]]:
        subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True)
    slipway("run", folder, "--version", "main", "--env-manager", "local", data_dir=data)
    assert list((data / "copies").iterdir()) == []
    ended = slipway("run", folder, "-e", "leave", "--version", "main", "--env-manager", "local", data_dir=data)
    [kept] = (data / "copies").iterdir()
    assert (kept / "kept.txt").exists() and str(kept) in ended.stderr
    os.utime(kept, (0, 0))
    slipway("run", folder, "--version", "main", "--env-manager", "local", data_dir=data)
    assert list((data / "copies").iterdir()) == [], "after a week it goes"


def test_open_lists_what_a_folder_contains(slipway, project, tmp_path):
    folder = project("elasticnet")
    (folder / "loop").symlink_to(folder)
    (folder / "out").symlink_to("/etc")
    (folder / "x.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    (folder / "boom.py").write_text("raise SystemExit('this was run')\n")
    before = sorted(folder.rglob("*"))
    listed = slipway("open", folder, "--list")
    assert "project" in listed.stdout and "entry point main" in listed.stdout and "x.ipynb" in listed.stdout
    assert "this was run" not in listed.stdout + listed.stderr and "loop" not in listed.stdout
    found = json.loads(slipway("open", folder, "--json").stdout)
    assert {"ml_project", "notebook", "requirements", "python_environment", "python_script"} <= {
        item["kind"] for item in found["items"]
    }
    assert found["folders_seen"] == 1, "links are not followed"
    assert sorted(folder.rglob("*")) == before
    assert slipway("open", tmp_path / "nothing", fails=True).returncode == 3
