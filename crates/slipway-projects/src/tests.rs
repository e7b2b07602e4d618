//! Whole looks at small folders made for each test.

use crate::{InspectError, Limits, Report, inspect, inspect_within};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        write(dir.path(), path, content);
    }
    dir
}

fn write(root: &Path, path: &str, content: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// `kind path: detail` for each item, with `!` where there is a warning.
fn lines(report: &Report) -> Vec<String> {
    report
        .items
        .iter()
        .map(|item| {
            let warned = if item.warning.is_some() { " !" } else { "" };
            format!("{:?} {}: {}{warned}", item.kind, item.path, item.detail)
        })
        .collect()
}

fn look(files: &[(&str, &[u8])]) -> Vec<String> {
    let dir = folder(files);
    lines(&inspect(dir.path()).unwrap())
}

const EXPERIMENT: &[u8] =
    b"artifact_location: file:///x/1\nexperiment_id: '1'\nlifecycle_stage: active\nname: a\n";
const RUN: &[u8] = b"artifact_uri: file:///x/1/r/artifacts\nrun_id: r\nrun_uuid: r\nstatus: 3\n";

#[test]
fn a_project_names_its_entry_points() {
    let project = b"name: fraud\npython_env: python_env.yaml\nentry_points:\n  main:\n    parameters:\n      alpha: {type: float, default: 0.1}\n      data: path\n    command: python train.py {alpha}\n  validate:\n    command: python validate.py\n";
    assert_eq!(
        look(&[("MLproject", project), ("python_env.yaml", b"python: 3.11\ndependencies:\n  - mlflow\n")]),
        [
            "MlProject MLproject: fraud; entry points main(alpha, data), validate; own Python environment",
            "PythonEnvironment python_env.yaml: Python 3.11, 1 package",
        ]
    );
}

#[test]
fn broken_yaml_is_named_with_a_warning() {
    let dir = folder(&[("sub/MLproject", b"name: [unclosed\nentry_points: {")]);
    let report = inspect(dir.path()).unwrap();
    assert_eq!(lines(&report), ["MlProject sub/MLproject: cannot be read !"]);
    let warning = report.items[0].warning.clone().unwrap();
    assert!(!warning.is_empty() && !warning.contains('\n'), "{warning:?}");
    // Broken YAML of which nothing is known is nobody's business.
    assert!(look(&[("other.yaml", b"{{{ pipelineInfo deploymentSpec")]).is_empty());
}

#[test]
fn a_yaml_bomb_costs_nothing() {
    let mut bomb =
        String::from("pipelineInfo: {name: x}\ndeploymentSpec: {}\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    let dir = folder(&[("bomb.yaml", bomb.as_bytes())]);
    let report = inspect(dir.path()).unwrap();
    // Written out it would have 10^12 words: a reader that did that would not come back.
    assert!(report.items.is_empty(), "{report:?}");
}

#[test]
fn a_file_store_is_counted_and_not_entered() {
    let files: &[(&str, &[u8])] = &[
        ("mlruns/0/meta.yaml", EXPERIMENT),
        ("mlruns/1/meta.yaml", EXPERIMENT),
        ("mlruns/1/aa/meta.yaml", RUN),
        ("mlruns/1/aa/artifacts/model/MLmodel", b"flavors: {sklearn: {}}"),
        ("mlruns/1/bb/meta.yaml", RUN),
        ("mlruns/1/not-a-run/x.csv", b"a,b\n"),
        ("mlruns/.trash/2/meta.yaml", EXPERIMENT),
    ];
    assert_eq!(look(files), ["MlflowFileStore mlruns: 2 experiments, 2 runs"]);
    let dir = folder(files);
    let inside = |path: &str| lines(&inspect(&dir.path().join(path)).unwrap());
    assert_eq!(inside("mlruns"), ["MlflowFileStore : 2 experiments, 2 runs"]);
    assert_eq!(inside("mlruns/1"), ["MlflowFileStore : 1 experiment, 2 runs"]);
    assert_eq!(inside("mlruns/1/aa"), ["MlflowFileStore : 1 run"]);
}

#[test]
fn a_meta_file_of_something_else_is_not_a_store() {
    assert_eq!(
        look(&[("x/y/meta.yaml", b"package: numpy\n"), ("x/y/t.csv", b"a,b\n")]),
        ["Table x/y/t.csv: CSV, 4 B, 2 columns: a, b"]
    );
}

#[test]
fn a_database_is_known_by_its_tables() {
    let mut database = b"SQLite format 3\0".to_vec();
    database.resize(2000, 0);
    database.extend_from_slice(b"CREATE TABLE alembic_version (x) CREATE TABLE latest_metrics (y)");
    database.resize(4096, 0);
    let mut other = b"SQLite format 3\0".to_vec();
    other.resize(4096, 1);
    let files: &[(&str, &[u8])] = &[
        ("tracking.whatever", &database),
        ("other.db", &other),
        // The names alone do not make a database.
        ("notes.txt", &[b"alembic_version latest_metrics ".repeat(30)].concat()),
    ];
    assert_eq!(look(files), ["MlflowDatabase tracking.whatever: SQLite, 4.0 kB"]);
}

#[test]
fn event_files_are_one_item_where_they_all_lie() {
    // The head of a file that TensorBoard's writer made: a record of 24 bytes.
    let event: &[u8] = &[0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22, 9, 0, 0];
    assert_eq!(
        look(&[
            ("logs/a/train/events.out.tfevents.1", event),
            ("logs/a/train/events.out.tfevents.2", event),
            ("logs/b/events.out.tfevents.1", event),
            ("logs/c/events.out.tfevents.1", b"not a record at all"),
            ("logs/c/events.out.tfevents.empty", b""),
        ]),
        ["TensorBoard logs: 2 runs, 3 event files"]
    );
}

#[test]
fn wandb_runs_are_known_by_their_log() {
    let log = b":W&B\xe1\xbe\x00rest";
    assert_eq!(
        look(&[
            ("wandb/run-1-a/run-a.wandb", log),
            ("wandb/run-1-a/files/requirements.txt", b"torch\n"),
            ("wandb/offline-run-2-b/run-b.wandb", log),
            ("wandb/run-3-c/run-c.wandb", b":W&C\xe1\xbe\x00"),
        ]),
        ["Wandb wandb: 2 runs, 1 offline"]
    );
}

#[test]
fn notebooks_say_their_cells() {
    let notebook = br#"{"cells":[{"cell_type":"code"},{}],"metadata":{"kernelspec":{"display_name":"Python 3"}},"nbformat":4,"nbformat_minor":5}"#;
    assert_eq!(
        look(&[
            ("a.ipynb", notebook),
            ("b.ipynb", b"{\"cells\": ["),
            ("c.ipynb", b"{\"cells\": []}"),
            ("old.ipynb", br#"{"worksheets":[{"cells":[{}]}],"metadata":{},"nbformat":3}"#),
        ]),
        [
            "Notebook a.ipynb: 2 cells, Python 3, nbformat 4.5",
            "Notebook b.ipynb: cannot be read !",
            "Notebook c.ipynb: cannot be read !",
            "Notebook old.ipynb: 1 cell, nbformat 3.0",
        ]
    );
}

#[test]
fn pipelines_are_known_in_one_or_two_documents() {
    let spec = b"# PIPELINE DEFINITION\npipelineInfo:\n  name: fraud\nroot:\n  dag:\n    tasks:\n      prep: {}\n      train: {}\ndeploymentSpec:\n  executors: {}\n";
    let two = [spec.as_slice(), b"---\nplatforms:\n  kubernetes: {}\n"].concat();
    let platform_first = [b"platforms: {}\n---\n".as_slice(), spec].concat();
    assert_eq!(
        look(&[
            ("one.yaml", spec),
            ("two.yml", &two),
            ("x.yaml", &platform_first),
            ("not.yaml", b"pipelineInfo: {}\n# deploymentSpec\n"),
        ]),
        [
            "KfpPipeline one.yaml: fraud, 2 tasks",
            "KfpPipeline two.yml: fraud, 2 tasks",
            "KfpPipeline x.yaml: fraud, 2 tasks",
        ]
    );
}

#[test]
fn environments_say_what_they_need() {
    assert_eq!(
        look(&[
            ("pyproject.toml", b"[project]\nname = 'fraud'\nrequires-python = '>=3.10'\ndependencies = ['a', 'b']\n[tool.uv]\n"),
            ("broken/pyproject.toml", b"[project\n"),
            ("uv.lock", b"version = 1\n\n[[package]]\nname = 'a'\n\n[[package]]\nname = 'b'\n"),
            ("requirements-dev.txt", b"# tools\n-r requirements.txt\npytest==8\nruff \\\n  ==1\n"),
            ("environment.yml", b"name: ml\ndependencies:\n  - python=3.11\n  - numpy\n  - pip:\n      - mlflow\n"),
            ("other/environment.yml", b"production: true\n"),
            ("Dockerfile", b"FROM --platform=linux/amd64 python:3.11 AS a\nRUN x\nFROM a\n"),
            ("sub/Dockerfile", b"just a text"),
        ]),
        [
            "PythonEnvironment broken/pyproject.toml: cannot be read !",
            "PythonEnvironment pyproject.toml: fraud, Python >=3.10, 2 packages, uv",
            "PythonEnvironment uv.lock: uv lock file, 2 packages",
            "Requirements requirements-dev.txt: 2 packages",
            "CondaEnvironment environment.yml: ml, Python 3.11, 3 packages",
            "Dockerfile Dockerfile: from python:3.11, 2 stages",
        ]
    );
}

#[test]
fn models_are_listed_and_pickles_are_marked() {
    let header = br#"{"__metadata__":{},"a":{},"b":{}}"#;
    let mut safetensors = u64::try_from(header.len()).unwrap().to_le_bytes().to_vec();
    safetensors.extend_from_slice(header);
    let mut lying = u64::MAX.to_le_bytes().to_vec();
    lying.extend_from_slice(b"{\"a\":{}}");
    let gguf = [b"GGUF".as_slice(), &3_u32.to_le_bytes(), &7_u64.to_le_bytes()].concat();
    let pickle: &[u8] = &[0x80, 4, 0x95, 0, 0];
    assert_eq!(
        look(&[
            ("a.safetensors", &safetensors),
            ("lying.safetensors", &lying),
            ("b.gguf", &gguf),
            ("c.onnx", &[0x08, 8, 0x12, 7]),
            ("d.pkl", pickle),
            ("e.joblib", b"x\x9cabc"),
            ("f.pt", b"PK\x03\x04rest"),
            ("empty.pkl", b""),
            ("m/MLmodel", b"flavors:\n  python_function: {}\n  sklearn: {}\nsignature: {}\n"),
            ("m/model.pkl", pickle),
            ("m/requirements.txt", b"x\n"),
            ("safe/MLmodel", b"flavors: {onnx: {}}\n"),
        ]),
        [
            "Model a.safetensors: safetensors, 2 tensors, 41 B",
            "Model b.gguf: GGUF 3, 7 tensors, 16 B",
            "Model c.onnx: ONNX, IR version 8, 4 B",
            "Model d.pkl: pickle, protocol 4, 5 B !",
            "Model e.joblib: pickle, 5 B !",
            "Model f.pt: PyTorch archive with a pickle, 8 B !",
            "Model m: MLflow model, sklearn, with signature !",
            "Model safe: MLflow model, onnx",
        ]
    );
}

#[test]
fn tables_name_their_columns() {
    assert_eq!(
        look(&[
            ("a.csv", b"step,loss,\"a, b\",d,e,f\r\n1,2,3\n"),
            ("b.tsv", b"x\ty\n"),
            ("semicolons.csv", b"x;y;z\n"),
            ("binary.csv", &[0, 1, 2, 3]),
            ("empty.csv", b""),
            ("p.parquet", b"PAR1....footPAR1"),
            ("half.parquet", b"PAR1....foot"),
        ]),
        [
            "Table a.csv: CSV, 30 B, 6 columns: step, loss, a, b, d, e, …",
            "Table b.tsv: TSV, 4 B, 2 columns: x, y",
            "Table p.parquet: Parquet, 16 B",
            "Table semicolons.csv: CSV, 6 B, 3 columns: x, y, z",
        ]
    );
}

#[test]
fn scripts_are_counted() {
    assert_eq!(look(&[("src/a.py", b""), ("src/deep/b.py", b"")]), ["PythonScript src: 2 Python scripts"]);
    let dir = folder(&[("train.py", b"import this")]);
    assert_eq!(lines(&inspect(dir.path()).unwrap()), ["PythonScript train.py: Python script"]);
    assert_eq!(lines(&inspect(&dir.path().join("train.py")).unwrap()), ["PythonScript : Python script"]);
}

#[test]
fn other_peoples_folders_are_skipped() {
    assert!(
        look(&[
            (".git/a.csv", b"a,b\n"),
            ("node_modules/x/a.csv", b"a,b\n"),
            (".venv/a.csv", b"a,b\n"),
            ("venv/a.csv", b"a,b\n"),
            ("__pycache__/a.csv", b"a,b\n"),
            ("lib/site-packages/a.csv", b"a,b\n"),
        ])
        .is_empty()
    );
}

#[test]
fn limits_are_kept_and_said() {
    let dir = folder(&[("1/2/3/4/5/6/seen.csv", b"a,b\n"), ("1/2/3/4/5/6/7/deep.csv", b"a,b\n")]);
    let report = inspect(dir.path()).unwrap();
    assert_eq!(report.items.len(), 1);
    assert!(report.truncated && report.items[0].path.ends_with("seen.csv"));

    let many = folder(&[("a/x", b""), ("b/x", b""), ("c/x", b"")]);
    let limits = Limits { max_folders: 3, ..Limits::default() };
    let report = inspect_within(many.path(), &limits).unwrap();
    assert!(report.truncated && report.folders_seen == 3);
    assert!(!inspect(many.path()).unwrap().truncated);

    let limits = Limits { max_time: Duration::ZERO, ..Limits::default() };
    assert!(inspect_within(many.path(), &limits).unwrap().truncated);
    let limits = Limits { max_files: 2, ..Limits::default() };
    assert!(inspect_within(many.path(), &limits).unwrap().truncated);
}

#[test]
fn many_of_one_kind_become_a_short_list() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..60 {
        write(dir.path(), &format!("{number:03}.csv"), b"a,b\n");
    }
    let report = inspect(dir.path()).unwrap();
    assert_eq!(report.items.len(), 51);
    assert_eq!(report.items[50].detail, "and 10 more tables");
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let outside = folder(&[("secret.csv", b"a,b\n")]);
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.csv"), dir.path().join("link.csv")).unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
    let report = inspect(dir.path()).unwrap();
    assert!(report.items.is_empty() && report.folders_seen == 1, "{report:?}");
    // What the person gave may be a link.
    assert_eq!(inspect(&dir.path().join("link")).unwrap().items.len(), 1);
}

#[cfg(unix)]
#[test]
fn unreadable_folders_are_counted_and_left() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder(&[("shut/a.csv", b"a,b\n"), ("open/b.csv", b"a,b\n")]);
    let shut = dir.path().join("shut");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).unwrap();
    // An administrator may read it all the same.
    let refused = fs::read_dir(&shut).is_err();
    let report = inspect(dir.path()).unwrap();
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(report.unreadable, u64::from(refused));
    assert_eq!(report.items.len(), if refused { 1 } else { 2 });
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_are_shown_and_pipes_are_not_opened() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("t.csv"), "a,b\n").unwrap();
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("pipe.csv")).status().unwrap();
    assert!(made.success());
    let report = inspect(dir.path()).unwrap();
    assert_eq!(report.items.len(), 1);
    assert_eq!(report.items[0].path, "caf\u{fffd}/t.csv");
    let pipe = inspect(&dir.path().join("pipe.csv"));
    assert!(matches!(pipe, Err(InspectError::NotFileOrFolder(_))), "{pipe:?}");
}

#[test]
fn binary_junk_under_every_name_is_nothing_or_a_warning() {
    let junk: Vec<u8> =
        (0..40_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let names = [
        "MLproject",
        "MLmodel",
        "meta.yaml",
        "x.yaml",
        "x.ipynb",
        "pyproject.toml",
        "uv.lock",
        "conda.yaml",
        "python_env.yaml",
        "requirements.txt",
        "Dockerfile",
        "x.onnx",
        "x.safetensors",
        "x.gguf",
        "x.parquet",
        "x.csv",
        "x.db",
        "events.out.tfevents.1",
        "x.wandb",
        "x.pt",
    ];
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        write(dir.path(), name, &junk);
    }
    let report = inspect(dir.path()).unwrap();
    for item in &report.items {
        assert!(item.warning.is_some(), "{item:?} was taken for real");
    }
}

#[test]
fn paths_that_cannot_be_are_refused() {
    assert!(matches!(inspect(Path::new("relative")), Err(InspectError::NotAbsolute(_))));
    let dir = tempfile::tempdir().unwrap();
    let error = inspect(&dir.path().join("gone")).unwrap_err();
    assert!(matches!(error, InspectError::NotFound(_)));
    assert!(error.to_string().contains("gone"), "{error}");
}

#[test]
fn a_look_says_how_far_it_is_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..50 {
        let below = folder.path().join(format!("{number:02}"));
        std::fs::create_dir(&below).unwrap();
        std::fs::write(below.join("train.py"), "1").unwrap();
    }
    let mut told = Vec::new();
    let limits = Limits::default();
    let report = crate::inspect_while(folder.path(), &limits, &mut |progress| {
        told.push(progress.folders);
        progress.folders < 11
    });
    let report = report.unwrap();
    assert_eq!(told, (0..=11).collect::<Vec<_>>());
    assert!(report.stopped && report.truncated && report.folders_seen == 11, "{report:?}");
    assert_eq!(report.items[0].detail, "10 Python scripts", "what was found until then is there");
}
