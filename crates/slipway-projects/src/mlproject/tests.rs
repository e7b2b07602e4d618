//! Against what `mlflow.projects` does with the same files and values.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use super::*;

const ELASTICNET: &str = "
name: wine quality

python_env: env.yaml

entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.10}
      l1_ratio:
        type: float
        default: 1e-1
      data: path
      note: {default: it's {}}
    command: \"python train.py --alpha {alpha} --l1-ratio {l1_ratio} {data} {{literal}} {note}\"
  validate:
    command: python validate.py
";

fn read(text: &str) -> Result<MlProject, FileError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("env.yaml"), "python: '3.11'").unwrap();
    std::fs::write(folder.path().join("MLproject"), text).unwrap();
    load(folder.path())
}

fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_whole_file_is_read() {
    let project = read(&ELASTICNET.replace("it's {}", "\"it's {}\"")).unwrap();
    assert_eq!(project.name.as_deref(), Some("wine quality"));
    assert!(matches!(&project.environment, Environment::Python { file } if file.ends_with("env.yaml")));
    let main = project.entry_point("main").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wine data.csv"), "").unwrap();
    let values = main
        .values(
            &given(&[("data", "wine data.csv"), ("seed", "1; rm -rf ~"), ("a b", "$(id)")]),
            folder.path(),
        )
        .unwrap();
    let data = folder.path().join("wine data.csv");
    assert_eq!(
        main.command_line(&values).unwrap(),
        format!(
            "python train.py --alpha 0.1 --l1-ratio 1e-1 '{}' {{literal}} 'it'\"'\"'s {{}}' --seed '1; rm -rf ~' \
             --'a b' '$(id)'",
            data.display()
        )
    );
    let recorded: Vec<&str> = values.recorded.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(recorded, ["0.1", "1e-1", "'wine data.csv'", "'it'\"'\"'s {}'", "'1; rm -rf ~'", "'$(id)'"]);
}

#[test]
fn wrong_values_are_all_said_before_anything_starts() {
    let project = read(&ELASTICNET.replace("it's {}", "x")).unwrap();
    let main = project.entry_point("main").unwrap();
    let error =
        main.values(&given(&[("alpha", "much"), ("l1_ratio", "")]), Path::new("/")).unwrap_err().to_string();
    assert!(error.contains("`alpha` must be a number") && error.contains("`l1_ratio` must be"), "{error}");
    assert!(error.contains("`data` needs a value: add `-P data=…`"), "{error}");
}

#[test]
fn what_can_be_fetched_is_fetched_for_a_path() {
    let text = "entry_points:\n  main:\n    parameters:\n      data: path\n      a/b: {type: path, default: /}\n    \
                command: cat {data}\n";
    let main = read(text).unwrap();
    let main = main.entry_point("main").unwrap();
    for (value, artifact, place) in [
        ("runs:/r1/tables/a b.csv", "runs:/r1/tables/a b.csv", "'data/a b.csv'"),
        ("https://h:1/a/b.csv?x=1#y", "https://h:1/a/b.csv?x=1#y", "data/b.csv"),
        ("http://h", "http://h", "data/files"),
        ("RUNS:/r1/x", "runs:/r1/x", "data/x"),
        ("runs:/r1", "runs:/r1", "data/files"),
        ("runs:/r1/..", "runs:/r1/..", "data/files"),
        ("models:/wine/3", "models:/wine/3", "data/model"),
        ("models:/wine@champion", "models:/wine@champion", "data/model"),
        ("models:/m-12", "models:/m-12", "data/model"),
        ("mlflow-artifacts:/1/r/artifacts/$(id)", "mlflow-artifacts:/1/r/artifacts/$(id)", "'data/$(id)'"),
    ] {
        let values = main.values(&given(&[("data", value)]), Path::new("/")).unwrap();
        let line = main.command_line(&values).unwrap();
        assert_eq!(line, format!("cat \"${{SLIPWAY_ATTEMPT_DIR:?}}\"/inputs/{}", place), "{value}");
        let [(name, files)] = values.fetched.as_slice() else { panic!("{value}: {:?}", values.fetched) };
        assert_eq!((name.as_str(), files.artifact.as_str()), ("data", artifact));
        assert_eq!(values.recorded[0], ("data".to_owned(), super::quote(value)));
    }
    let odd = main.values(&given(&[("data", "/"), ("a/b", "runs:/r/x")]), Path::new("/")).unwrap();
    assert_eq!(odd.fetched[0].1.path, Path::new("input-0/x"));
    for refused in [
        "s3://b/k",
        "gs://b/k",
        "dbfs:/x",
        "hdfs://h/x",
        "https://me:pw@h/x",
        "https:///x",
        "runs:x",
        "models:",
    ] {
        let error = main.values(&given(&[("data", refused)]), Path::new("/")).unwrap_err().to_string();
        assert!(error.contains("`data`") && error.contains("declare the parameter as `uri`"), "{error}");
    }
}

#[test]
fn kinds_take_what_python_takes() {
    let here = Path::new("/");
    for (kind, good, bad) in [
        (
            ParameterKind::Float,
            vec!["1", "-1.5e-3", "inf", "NaN", "1_000.5"],
            vec!["", "1,5", "0x1", "1__0", "1e"],
        ),
        (ParameterKind::Int, vec!["-7", "+7", "1_000"], vec!["1.0", "", "-", "1e3", "_1"]),
        (ParameterKind::Uri, vec!["s3://b/k", "runs:/x", "file:///x"], vec!["data.csv", "/abs", "1a://x"]),
        (ParameterKind::Path, vec!["/", "file:///"], vec!["s3://b/k", "/no such thing", "runs:/1/x"]),
        (ParameterKind::String, vec!["", "; rm -rf /"], vec!["a\0b"]),
    ] {
        for value in good {
            assert!(kind.check("p", value, here).is_ok(), "{kind:?} {value:?}");
        }
        for value in bad {
            assert!(kind.check("p", value, here).is_err(), "{kind:?} {value:?}");
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_its_cure() {
    for (text, line, words) in [
        ("- a", 1, "must be a mapping"),
        ("name: x\nentry_points:\n  main: python", 3, "`main` must be a mapping with a `command`"),
        ("entry_points:\n  main:\n    parameters: {}", 3, "has no `command`"),
        (
            "entry_points:\n  main:\n    command: run {x}",
            3,
            "`{x}` stands for a parameter that is not listed",
        ),
        ("entry_points:\n  main:\n    command: \"run {0!r}\"", 3, "is no placeholder"),
        ("entry_points:\n  main:\n    command: \"run }\"", 3, "write `}}`"),
        (
            "entry_points:\n  main:\n    parameters:\n      a: {default: [1]}\n    command: x",
            4,
            "a single value",
        ),
        ("python_env: env.yaml\nconda_env: env.yaml", 2, "names both"),
        ("python_env: ../x.yaml", 1, "there is no file"),
        ("python_env: none.yaml", 1, "there is no file"),
        ("docker_env: {volumes: [a]}", 1, "needs an `image`"),
        ("docker_env:\n  image: x\n  volumes: /a:/b", 3, "`volumes` must be a list"),
        ("docker_env:\n  image: x\n  environment: [[A]]", 3, "`environment` must be a list"),
        ("databricks_spark_job:\n  python_file: x.py", 2, "only on Databricks"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.problem.contains(words), "{text}: {error}");
        assert_eq!(error.line, Some(line), "{text}: {error}");
        assert!(error.file.ends_with("MLproject"));
    }
}

#[test]
fn files_outside_and_links_out_are_refused() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("project");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(outer.path().join("env.yaml"), "python: '3.11'").unwrap();
    std::os::unix::fs::symlink("../env.yaml", folder.join("link.yaml")).unwrap();
    std::os::unix::fs::symlink("loop.yaml", folder.join("loop.yaml")).unwrap();
    for (named, words) in
        [("../env.yaml", "leads out"), ("link.yaml", "leads out"), ("loop.yaml", "cannot be read")]
    {
        std::fs::write(folder.join("MLproject"), format!("python_env: {named}")).unwrap();
        let error = load(&folder).unwrap_err().to_string();
        assert!(error.contains(words), "{named}: {error}");
    }
}

#[test]
fn long_and_binary_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("MLproject")).unwrap();
    file.set_len(50 << 20).unwrap();
    let error = load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("52 MB") && error.contains("at most 1 MB"), "{error}");
    std::fs::write(folder.path().join("MLproject"), [0xff, 0xfe, 0x00]).unwrap();
    assert!(load(folder.path()).unwrap_err().to_string().contains("UTF-8"));
}

#[test]
fn docker_and_scripts() {
    let project = read(
        "name: x\ndocker_env:\n  image: img\n  volumes: [\"/a:/b\"]\n  environment: [[\"A\", \"1\"], \"HOME\"]\nfoo: 1",
    )
    .unwrap();
    let Environment::Docker(docker) = &project.environment else { panic!("{project:?}") };
    assert_eq!(docker.environment, [("A".to_owned(), Some("1".to_owned())), ("HOME".to_owned(), None)]);
    assert_eq!(project.notes, ["`foo` means nothing in an MLproject and is passed over."]);
    let script = project.entry_point("my {train}.py").unwrap();
    let values = script.values(&[], Path::new("/")).unwrap();
    assert_eq!(script.command_line(&values).unwrap(), "python 'my {train}.py'");
    assert!(project.entry_point("nothing").unwrap_err().to_string().contains("defines none"));
}
