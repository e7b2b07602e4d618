//! Makes an environment from its recipe, with everything said along the way.

use super::recipe::Recipe;
use super::{conda, index, uv};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Lines of the tool that are repeated in the error.
const LAST_LINES: usize = 12;

/// Why there is no environment.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The folder for it cannot be written.
    #[error("`{}` cannot be written: {reason}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no uv and it cannot be installed.
    #[error(
        "uv is needed to make the environment and could not be installed: {0}\nInstall it (`pip install uv`), or run with `--env-manager local`"
    )]
    NoUv(String),
    /// The recipe needs conda, which is gone.
    #[error("the environment needs conda, which is not here any more; install micromamba")]
    NoConda,
    /// A Python is missing.
    #[error(
        "there is no Python {wanted} here, and it could not be fetched; install it, or ask for another version in the project's files\n{said}"
    )]
    NoPython {
        /// What was asked for.
        wanted: String,
        /// The tool's last lines.
        said: String,
    },
    /// The tool failed.
    #[error("the environment could not be made ({step}):\n{said}")]
    Tool {
        /// What it was doing.
        step: String,
        /// Its last lines.
        said: String,
    },
}

impl MakeError {
    pub(super) fn folder(folder: &Path, error: &std::io::Error) -> Self {
        Self::Folder { folder: folder.to_owned(), reason: error.to_string() }
    }
}

/// Makes the environment in the empty folder `place`; gives what was installed, as lines of a requirements file.
pub(super) fn make(
    recipe: &Recipe,
    place: &Path,
    tools: &Path,
    cache: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<String>, MakeError> {
    if recipe.conda.is_some() {
        return make_conda(recipe, place, say);
    }
    let uv = uv::find_or_install(tools, say)?;
    let command = |arguments: &[&str]| {
        let mut command = Command::new(&uv.program);
        command
            .args(arguments)
            .envs(index::variables())
            .env_remove("VIRTUAL_ENV")
            .env_remove("UV_PROJECT_ENVIRONMENT");
        for (name, folder) in
            [("UV_CACHE_DIR", cache.to_owned()), ("UV_PYTHON_INSTALL_DIR", tools.join("python"))]
        {
            if std::env::var_os(name).is_none() {
                command.env(name, folder);
            }
        }
        // What a project of the current folder says about uv does not belong here.
        command.env("UV_NO_PROGRESS", "1");
        command
    };
    let environment = place.join("env");
    if let Some(project) = &recipe.locked_project {
        let mut sync = command(&["sync", "--frozen", "--project"]);
        sync.arg(&project.folder).env("UV_PROJECT_ENVIRONMENT", &environment);
        run(&mut sync, "install what uv.lock names", say).map_err(|error| no_python(error, recipe))?;
    } else {
        let mut venv = command(&["venv", "--no-project", "--no-config"]);
        venv.args(recipe.python.iter().flat_map(|python| ["--python", python])).arg(&environment);
        run(&mut venv, "make it", say).map_err(|error| no_python(error, recipe))?;
        if !recipe.build.is_empty() {
            let mut install = command(&["pip", "install", "--no-config", "--python"]);
            install.arg(&environment).args(&recipe.build);
            run(&mut install, "install what builds packages", say)?;
        }
        if !recipe.requirements.is_empty() {
            let write = |name: &str, lines: &[String]| {
                let file = place.join(name);
                std::fs::write(&file, lines.join("\n") + "\n")
                    .map_err(|error| MakeError::folder(place, &error))?;
                Ok(file)
            };
            let mut install = command(&["pip", "install", "--no-config", "--python"]);
            install.arg(&environment).arg("-r").arg(write("requirements.txt", &recipe.requirements)?);
            if !recipe.constraints.is_empty() {
                install.arg("-c").arg(write("constraints.txt", &recipe.constraints)?);
            }
            run(&mut install, "install the requirements", say)?;
        }
    }
    let frozen =
        crate::program::output(command(&["pip", "freeze", "--no-config", "--python"]).arg(&environment));
    let frozen = frozen.map_err(|said| MakeError::Tool { step: "list what is in it".to_owned(), said })?;
    Ok(String::from_utf8_lossy(&frozen).lines().map(str::to_owned).collect())
}

fn make_conda(recipe: &Recipe, place: &Path, say: &mut dyn FnMut(&str)) -> Result<Vec<String>, MakeError> {
    let program = conda::program().ok_or(MakeError::NoConda)?;
    let file = place.join("environment.yml");
    std::fs::write(&file, recipe.conda.as_deref().unwrap_or_default())
        .map_err(|error| MakeError::folder(place, &error))?;
    let environment = place.join("env");
    let is_micromamba = program.ends_with("micromamba");
    let words: &[&str] = if is_micromamba { &["create", "-y"] } else { &["env", "create"] };
    let mut create = Command::new(&program);
    create.args(words).arg("-p").arg(&environment).arg("-f").arg(&file);
    run(&mut create, "make the conda environment", say)?;
    let listed =
        crate::program::output(Command::new(&program).args(["list", "--explicit", "-p"]).arg(&environment));
    let listed = listed.map_err(|said| MakeError::Tool { step: "list what is in it".to_owned(), said })?;
    Ok(String::from_utf8_lossy(&listed).lines().map(str::to_owned).collect())
}

/// Runs a tool; every line it says is passed on while it says it.
fn run(command: &mut Command, step: &str, say: &mut dyn FnMut(&str)) -> Result<(), MakeError> {
    let fail = |said: String| MakeError::Tool { step: step.to_owned(), said };
    // One pipe for both streams, so that lines keep their order.
    let (reader, writer) = std::io::pipe().map_err(|error| fail(error.to_string()))?;
    let copy = writer.try_clone().map_err(|error| fail(error.to_string()))?;
    let started = command.stdin(Stdio::null()).stdout(writer).stderr(copy).spawn();
    // The command keeps its ends of the pipe until they are replaced, and the reader would wait for them.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = started.map_err(|error| fail(error.to_string()))?;
    let mut last = VecDeque::new();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        say(&text);
        last.push_back(text);
        if last.len() > LAST_LINES {
            last.pop_front();
        }
        line.clear();
    }
    let status = child.wait().map_err(|error| fail(error.to_string()))?;
    if status.success() {
        return Ok(());
    }
    let said: Vec<String> = last.into();
    Err(fail(if said.is_empty() { status.to_string() } else { said.join("\n") }))
}

fn no_python(error: MakeError, recipe: &Recipe) -> MakeError {
    match error {
        MakeError::Tool { said, .. } if said.contains("No interpreter found") => {
            MakeError::NoPython { wanted: recipe.python.clone().unwrap_or_default(), said }
        }
        other => other,
    }
}
