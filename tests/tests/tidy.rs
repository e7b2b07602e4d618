//! The invariants of ARCHITECTURE.md that a program can check.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test says what went wrong by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Files that git knows, or would know: (path from the root, text). Binary files are left out.
fn sources() -> Vec<(String, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .filter_map(|path| Some((path.to_owned(), std::fs::read_to_string(root().join(path)).ok()?)))
        .collect()
}

/// Every line that `bad` finds, as `path:line: text`.
fn offences(in_scope: impl Fn(&str) -> bool, bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| in_scope(path)) {
        for (index, line) in text.lines().enumerate() {
            if bad(line) {
                found.push(format!("{path}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    found
}

fn is_code(path: &str) -> bool {
    [".rs", ".ts", ".svelte", ".js"].iter().any(|ending| path.ends_with(ending))
}

fn check(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn only_the_store_knows_sql() {
    let found = offences(
        |path| {
            path.ends_with("Cargo.toml") && path != "Cargo.toml" && !path.starts_with("crates/slipway-store/")
        },
        |line| line.starts_with("rusqlite"),
    );
    check("only crates/slipway-store depends on rusqlite", &found);
}

#[test]
fn only_the_shell_names_tauri() {
    let found = offences(
        |path| path.ends_with("Cargo.toml") && path != "Cargo.toml" && !path.starts_with("src-tauri/"),
        |line| line.starts_with("tauri"),
    );
    check("only src-tauri depends on tauri", &found);
    let found = offences(
        |path| path.starts_with("ui/src/") && !path.starts_with("ui/src/host/"),
        |line| line.contains("@tauri-apps"),
    );
    check("only ui/src/host imports @tauri-apps", &found);
}

#[test]
fn calls_point_down() {
    // Who may depend on whom, among our own crates. A crate that is not named here may not depend on any other.
    let allowed: &[(&str, &[&str])] = &[
        ("slipway-jobs", &["slipway-store"]),
        ("slipway-projects", &["slipway-jobs"]),
        (
            "slipway-server",
            &[
                "slipway-store",
                "slipway-artifacts",
                "slipway-jobs",
                "slipway-models",
                "slipway-projects",
                "slipway-charts",
                "slipway-stats",
            ],
        ),
        (
            "slipway",
            &[
                "slipway-server",
                "slipway-store",
                "slipway-artifacts",
                "slipway-jobs",
                "slipway-projects",
                "slipway-charts",
            ],
        ),
        ("slipway-desktop", &["slipway"]),
    ];
    for (path, text) in sources() {
        if !path.ends_with("Cargo.toml") || !(path.starts_with("crates/") || path.starts_with("src-tauri/")) {
            continue;
        }
        let manifest: Vec<&str> = text.lines().collect();
        let name = manifest.iter().find_map(|line| line.strip_prefix("name = ")).unwrap().trim_matches('"');
        let may = allowed.iter().find(|(who, _)| *who == name).map_or(&[][..], |(_, whom)| whom);
        let mut in_dependencies = false;
        for line in manifest {
            if line.starts_with('[') {
                in_dependencies = line == "[dependencies]";
            }
            let whom = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if in_dependencies && whom.starts_with("slipway") {
                assert!(may.contains(&whom), "{path}: {name} may not depend on {whom}");
            }
        }
    }
}

#[test]
fn only_the_mlflow_folder_knows_mlflows_paths() {
    let found = offences(
        |path| {
            path.starts_with("crates/slipway-server/src/")
                && !path.starts_with("crates/slipway-server/src/mlflow/")
                && !path.contains("test")
                && !path.ends_with("guard.rs")
        },
        |line| line.contains("\"run_uuid\"") || line.contains("\"error_code\""),
    );
    check("only server/mlflow knows MLflow's field names", &found);
}

#[test]
fn every_module_says_what_it_is_for() {
    let missing: Vec<String> = sources()
        .into_iter()
        .filter(|(path, text)| {
            path.ends_with(".rs") && !text.trim_start().starts_with("//!") && !text.trim().is_empty()
        })
        .map(|(path, _)| path)
        .collect();
    check("every Rust file begins with //!", &missing);
}

#[test]
fn nothing_is_left_to_do_in_secret() {
    let words =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("unimple", "mented!")];
    let found = offences(is_code, |line| words.iter().any(|word| line.contains(word)));
    check("no notes to self in code: do it, or say in docs what is not there", &found);
}

#[test]
fn no_path_of_a_machine_and_no_registry_host_is_committed() {
    let hosts = ["registry.npmjs", "pypi.org", "files.pythonhosted", "index.crates.io", "static.crates.io"];
    let homes = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/main"),
        concat!("/wo", "rk/shared"),
    ];
    let found = offences(
        |path| !path.starts_with("LICENSE") && path != "tests/tests/tidy.rs",
        |line| {
            // A folder `home` inside of a relative path is not somebody's home.
            let absolute = |home: &&str| {
                line.match_indices(home)
                    .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.'))
            };
            hosts.iter().any(|host| line.contains(host)) || homes.iter().any(absolute)
        },
    );
    check("no machine paths, no registry hosts", &found);
}

#[test]
fn nothing_is_ended_by_name() {
    let found = offences(
        |path| path.starts_with("script/") || path.starts_with("tests/") || path.starts_with(".ci/"),
        |line| [concat!("pk", "ill"), concat!("kill", "all")].iter().any(|word| line.contains(word)),
    );
    check("processes are ended by the id that started them", &found);
}

#[test]
fn every_dependency_has_a_licence_that_we_may_ship() {
    let allowed = [
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "Unicode-3.0",
        "MPL-2.0",
        "0BSD",
        "BSL-1.0",
        "CC0-1.0",
        "Unlicense",
        "MIT-0",
        "OFL-1.1",
        "CDLA-Permissive-2.0",
        "bzip2-1.0.6",
        "Apache-2.0 WITH LLVM-exception",
    ];
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut refused = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let licence = package["license"].as_str().unwrap_or_default().replace('/', " OR ");
        // One alternative must be allowed; parentheses are read as if they were not there, which is a little lenient.
        let fits = licence
            .replace(['(', ')'], "")
            .split(" OR ")
            .any(|alternative| alternative.split(" AND ").all(|licence| allowed.contains(&licence.trim())));
        if !fits {
            refused.push(format!("{} {}: {licence:?}", package["name"], package["version"]));
        }
    }
    check("licences are permissive, or MPL-2.0 unmodified", &refused);
}
