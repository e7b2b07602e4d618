//! Recipes from the files of a folder, and the shelf with a stand-in for uv. Real environments are made by the tests
//! in `tests/clients`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what went wrong by panicking")]

use super::*;
use std::path::Path;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn recipe(folder: &Path, name: &str) -> Recipe {
    let choice = choices(folder).into_iter().find(|choice| choice.name == name).unwrap();
    choice.recipe.unwrap_or_else(|| panic!("{:?}", choice.problem))
}

#[test]
fn all_the_files_that_people_write() {
    let folder = folder(&[
        (
            "python_env.yaml",
            "python: \"3.11.7\"\nbuild_dependencies: [pip]\ndependencies:\n  - -r sub/more.txt\n  - six==1.17.0\n",
        ),
        ("sub/more.txt", "# comment\nnumpy>=1, \\\n  <3  # why\n-c ../limits.txt\n-r more.txt\n"),
        ("limits.txt", "six<2\n"),
        ("requirements.txt", "-e .\nrequests[socks]==2 ; python_version > '3'\n--pre\n"),
        ("requirements-gpu.txt", "torch\n"),
        (
            "pyproject.toml",
            "[project]\nname='x'\nrequires-python='>=3.10'\ndependencies=['a>1']\n[build-system]\nrequires=[]\n",
        ),
    ]);
    let env = recipe(folder.path(), "python_env.yaml");
    assert_eq!(env.python.as_deref(), Some("3.11.7"));
    assert_eq!(
        (env.build, env.requirements, env.constraints),
        (
            vec!["pip".to_owned()],
            vec!["numpy>=1,    <3".to_owned(), "six==1.17.0".to_owned()],
            vec!["six<2".to_owned()],
        )
    );
    let requirements = recipe(folder.path(), "requirements.txt").requirements;
    let real = folder.path().canonicalize().unwrap();
    assert_eq!(requirements[0], format!("-e {}", real.display()));
    assert_eq!(requirements[1..], ["requests[socks]==2 ; python_version > '3'", "--pre"]);
    let project = recipe(folder.path(), "pyproject.toml");
    assert_eq!(project.python.as_deref(), Some(">=3.10"));
    assert_eq!(project.requirements[0], "a>1");
    let names: Vec<String> = choices(folder.path()).into_iter().map(|choice| choice.name).collect();
    assert_eq!(names, ["python_env.yaml", "requirements.txt", "pyproject.toml", "requirements-gpu.txt"]);
    std::fs::write(folder.path().join("uv.lock"), "version = 1\n").unwrap();
    assert_eq!(choices(folder.path())[0].name, "uv.lock");
    let first = recipe(folder.path(), "uv.lock").id();
    std::fs::write(folder.path().join("uv.lock"), "version = 1 \n").unwrap();
    assert_ne!(recipe(folder.path(), "uv.lock").id(), first, "another lock is another environment");
}

#[test]
fn conda_without_conda_gives_its_pip_part_and_says_so() {
    let folder = folder(&[
        (
            "conda.yaml",
            "name: x\ndependencies:\n  - conda-forge::python=3.10.4=build1\n  - pip<=22\n  - numpy=1.2\n  - pip:\n    - mlflow==3.1\n    - -r more.txt\n",
        ),
        ("more.txt", "six"),
    ]);
    let (recipe, notes) =
        super::conda::read_with(folder.path(), &folder.path().join("conda.yaml"), false).unwrap();
    assert_eq!(recipe.python.as_deref(), Some("3.10.4"));
    assert_eq!(recipe.build, ["pip<=22"]);
    assert_eq!(recipe.requirements, ["mlflow==3.1", "six"]);
    assert!(notes[0].contains("Left out: numpy=1.2. Install micromamba"), "{notes:?}");
    let (recipe, _) =
        super::conda::read_with(folder.path(), &folder.path().join("conda.yaml"), true).unwrap();
    assert!(recipe.conda.is_some());
}

#[test]
fn wrong_files_are_said_with_their_line() {
    for (name, text, words) in [
        ("python_env.yaml", "python: [3]\n", "line 1: `python` must be a version"),
        (
            "python_env.yaml",
            "dependencies:\n  - {a: 1}\n",
            "line 2: an entry of `dependencies` must be a text",
        ),
        ("requirements.txt", "six\n-r none.txt\n", "line 2: there is no file `none.txt`"),
        ("requirements.txt", "-r ../outside.txt\n", "there is no file `../outside.txt`"),
        ("pyproject.toml", "[project]\nname = \n", "line 2: this is not valid TOML"),
        ("environment.yml", "dependencies: 3\n", "line 1: `dependencies` must be a list"),
    ] {
        let folder = folder(&[(name, text)]);
        let problem = choices(folder.path())[0].problem.clone().unwrap_or_default();
        // With conda on this machine its own reader says what is wrong.
        if name != "environment.yml" || super::conda::program().is_none() {
            assert!(problem.contains(words), "{name}: {problem}");
        }
    }
}

/// A uv that makes a folder, and counts how often.
fn stand_in(tools: &Path, venv: &str) {
    let program = tools.join("uv/bin/uv");
    std::fs::create_dir_all(program.parent().unwrap()).unwrap();
    let script = format!(
        "#!/bin/sh\nlast=; for word; do last=$word; done\ncase \"$1 $2\" in\n  venv*) {venv} ;;\n  'pip freeze') echo six==1 ;;\n  *) echo installing ;;\nesac\n"
    );
    std::fs::write(&program, script).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Makes the folder, and writes a line into a file beside the environments each time.
const MAKES: &str = "echo x >> \"$0.count\"; sleep 0.2; mkdir -p \"$last/bin\"; echo made";

fn can_stand_in() -> bool {
    // A uv on the PATH comes first, so then there is nothing to stand in for.
    crate::program::on_path("uv").is_none()
}

#[test]
fn two_who_want_the_same_share_one() {
    if !can_stand_in() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    stand_in(&data.path().join("tools"), MAKES);
    let shelf = Environments::of(data.path());
    let recipe = Recipe { requirements: vec!["six".to_owned()], ..Recipe::default() };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (shelf, recipe) = (shelf.clone(), recipe.clone());
            std::thread::spawn(move || {
                let held = shelf.make(&recipe, &mut |_| {}).unwrap();
                assert!(held.folder.join("bin").is_dir());
                assert_eq!(held.lock, ["six==1"]);
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let count = std::fs::read_to_string(data.path().join("tools/uv/bin/uv.count")).unwrap();
    assert_eq!(count.lines().count(), 1, "made once");
    let listed = shelf.list().unwrap();
    assert!(listed[0].is_ready && !listed[0].in_use && listed[0].used_at_ms.is_some(), "{listed:?}");

    let held = shelf.hold(&recipe.id()).unwrap();
    assert!(shelf.list().unwrap()[0].in_use);
    assert!(matches!(shelf.remove(&recipe.id()), Err(ShelfError::InUse(_))));
    drop(held);
    assert_eq!(shelf.remove(&recipe.id()[..6]).unwrap().id, recipe.id());
    assert!(shelf.list().unwrap().is_empty() && shelf.hold(&recipe.id()).is_err());
}

#[test]
fn half_made_ones_are_never_used_and_failures_say_why() {
    if !can_stand_in() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    stand_in(&data.path().join("tools"), MAKES);
    let shelf = Environments::of(data.path());
    let recipe = Recipe { python: Some("3.99".to_owned()), ..Recipe::default() };
    let place = data.path().join("environments").join(recipe.id());
    std::fs::create_dir_all(place.join("env/bin")).unwrap();
    std::fs::write(place.join("env/half"), "").unwrap();
    assert!(shelf.hold(&recipe.id()).is_err());
    assert!(!shelf.list().unwrap()[0].is_ready);
    let mut said = Vec::new();
    let held = shelf.make(&recipe, &mut |line| said.push(line.to_owned())).unwrap();
    assert!(!held.folder.join("half").exists(), "begun anew");
    assert_eq!(said, ["Removing what was left of an earlier try.", "made"]);

    stand_in(&data.path().join("tools"), "echo 'error: No interpreter found for Python 3.98' >&2; exit 2");
    let other = Recipe { python: Some("3.98".to_owned()), ..Recipe::default() };
    let error = shelf.make(&other, &mut |_| {}).unwrap_err().to_string();
    assert!(
        error.starts_with("there is no Python 3.98 here") && error.contains("No interpreter found"),
        "{error}"
    );
    assert!(!data.path().join("environments").join(other.id()).exists());
}

#[test]
fn only_what_is_below_the_folder_can_be_removed() {
    let data = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("precious"), "x").unwrap();
    let shelf = Environments::of(data.path());
    let place = data.path().join("environments/0123456789abcdef");
    std::fs::create_dir_all(&place).unwrap();
    std::os::unix::fs::symlink(outside.path(), place.join("env")).unwrap();
    for name in ["..", "../x", "", "a", "/", "0123/../..", "abcdabcdabcdabcd"] {
        assert!(matches!(shelf.remove(name), Err(ShelfError::NotFound(_))), "{name}");
    }
    // A link in place of an environment is no environment.
    std::os::unix::fs::symlink(outside.path(), data.path().join("environments/fedcba9876543210")).unwrap();
    assert!(matches!(shelf.remove("fedcba9876543210"), Err(ShelfError::NotFound(_))));
    shelf.remove("0123456789abcdef").unwrap();
    assert!(outside.path().join("precious").is_file() && !place.exists());
}
