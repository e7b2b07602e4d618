//! Plans of folders as people have them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what went wrong by panicking")]

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn request(folder: &Path, entry: &str, given: &[(&str, &str)]) -> RunRequest {
    RunRequest {
        project: folder.display().to_string(),
        entry_point: Some(entry.to_owned()),
        parameters: given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..RunRequest::default()
    }
}

const MLPROJECT: &str = "name: x\npython_env: env.yaml\nentry_points:\n  main:\n    parameters: {a: float}\n    command: python t.py {a} && echo done\n";

#[test]
fn a_plan_says_exactly_what_runs() {
    let data = tempfile::tempdir().unwrap();
    let project = folder(&[("MLproject", MLPROJECT), ("env.yaml", "python: '3.11'\ndependencies: [six]\n")]);
    let plan =
        plan_run(&request(project.path(), "main", &[("a", "1"), ("b", "$(id)")]), data.path()).unwrap();
    assert_eq!(plan.argv, ["bash", "-c", "python t.py 1 && echo done --b '$(id)'"]);
    assert!(plan.through_shell && !plan.environment_is_ready);
    let id = plan.environment_id.clone().unwrap();
    assert_eq!(plan.path, [data.path().join("environments").join(id).join("env/bin")]);
    assert_eq!(plan.tags.get("mlflow.project.entryPoint").map(String::as_str), Some("main"));
    assert_eq!(plan.parameters, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "'$(id)'".to_owned())]);

    let local = RunRequest { environment: Wish::Local, ..request(project.path(), "main", &[("a", "1")]) };
    let plan = plan_run(&local, data.path()).unwrap();
    assert!(plan.path.is_empty() && plan.preparations.is_empty());
    let wrong = RunRequest { environment: Wish::Named { name: "x".to_owned() }, ..local };
    assert!(plan_run(&wrong, data.path()).unwrap_err().to_string().contains("there are `env.yaml`"));
    let error =
        plan_run(&request(project.path(), "main", &[("a", "x")]), data.path()).unwrap_err().to_string();
    assert!(error.contains("`a` must be a number"), "{error}");
}

#[test]
fn scripts_run_without_a_shell() {
    let data = tempfile::tempdir().unwrap();
    let project = folder(&[(
        "src/t.py",
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', type=int)\np.add_argument('--x')\n",
    )]);
    let plan =
        plan_run(&request(project.path(), "src/t.py", &[("n", "2"), ("x", "; rm -rf ~")]), data.path())
            .unwrap();
    assert_eq!(plan.argv, ["python", "src/t.py", "--n", "2", "--x", "; rm -rf ~"]);
    assert!(!plan.through_shell);
    assert!(plan_run(&request(project.path(), "src/t.py", &[("n", "two")]), data.path()).is_err());
    assert!(plan_run(&request(project.path(), "../t.py", &[]), data.path()).is_err());
    assert!(plan_run(&request(project.path(), "nothing", &[]), data.path()).is_err());
    let detail = detail(open(&project.path().display().to_string(), None, data.path()).unwrap(), data.path());
    assert_eq!(detail.scripts[0].path, "src/t.py");
}

#[test]
fn a_record_alone_runs_the_same_again() {
    let data = tempfile::tempdir().unwrap();
    let project = folder(&[
        ("MLproject", MLPROJECT),
        ("env.yaml", "python: '3.11'\ndependencies: [six>=1]\n"),
        ("t.py", "1"),
    ]);
    let plan = plan_run(&request(project.path(), "main", &[("a", "1")]), data.path()).unwrap();
    let mut record: RunRecord = serde_json::from_str(&serde_json::to_string(&plan.record).unwrap()).unwrap();
    assert_eq!(record, plan.record);
    record.lock = vec!["six==1.17.0".to_owned(), "-e file:///x".to_owned()];
    let patch = data.path().join("p");
    std::fs::write(&patch, plan.patch.as_ref().unwrap()).unwrap();
    drop(project);
    let again = record.plan_again(Some(&patch), data.path()).unwrap();
    assert_eq!((again.argv.clone(), again.folder.clone()), (plan.argv, None));
    let Preparation::Environment { recipe } = &again.preparations[1] else { panic!("{again:?}") };
    assert_eq!(recipe.requirements, ["six==1.17.0"]);
    let Preparation::CheckOut { revision, patch: Some(file) } = &again.preparations[0] else {
        panic!("{again:?}")
    };
    let copy = data.path().join("copy");
    git::check_out(revision, Some(file), &copy, data.path()).unwrap();
    assert_eq!(std::fs::read_to_string(copy.join("t.py")).unwrap(), "1");
    std::fs::write(&patch, "other").unwrap();
    assert!(record.plan_again(Some(&patch), data.path()).unwrap_err().to_string().contains("not the one"));
    assert!(record.plan_again(None, data.path()).unwrap_err().to_string().contains("missing"));
}
