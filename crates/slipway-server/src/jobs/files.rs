//! Files that a job reads and makes: laid out in its folder before it starts, kept among the artifacts of its run when it
//! has ended. Links are not followed, and nothing is read or written outside of the job's folder.

use super::keep_output::Failure;
use crate::ServerState;
use crate::places::{Place, PlaceError};
use bytes::Bytes;
use slipway_artifacts::{ArtifactPath, ArtifactRoot, Error};
use slipway_jobs::spec::{Files, JobSpec};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

const PIECE_BYTES: usize = 256 << 10;
/// What has more files is no input or output but a mistake, e.g. a whole home folder.
const MOST_FILES: usize = 100_000;

/// Why files are not where they should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Artifacts(#[from] Error),
    #[error(transparent)]
    Run(#[from] Failure),
    #[error(transparent)]
    Web(#[from] super::web::WebError),
    #[error("{0}")]
    Model(String),
    #[error("`{0}`: {1}")]
    Io(String, io::Error),
    #[error("`{0}` leads out of the job's folder")]
    Outside(String),
    #[error("it has more than {MOST_FILES} files")]
    TooMany,
    #[error("`{0}` is among the artifacts of a run, and this job has none")]
    NoRun(String),
}

/// Lays out what a job reads in a folder.
pub(super) async fn fetch(
    state: &ServerState,
    inputs: &[Files],
    work: &Path,
    run_id: Option<&str>,
) -> Result<(), String> {
    for input in inputs {
        let fetched = fetch_one(state, input, work, run_id).await;
        fetched.map_err(|error| format!("the input `{}`: {error}", input.path.display()))?;
    }
    Ok(())
}

async fn fetch_one(
    state: &ServerState,
    input: &Files,
    work: &Path,
    run_id: Option<&str>,
) -> Result<(), FilesError> {
    if ["http://", "https://"].iter().any(|start| input.artifact.starts_with(start)) {
        let (url, inside, target) = (input.artifact.clone(), work.to_owned(), work.join(&input.path));
        let stop = CancellationToken::new();
        // Whoever does not wait any more does not want it any more.
        let _dropped = stop.clone().drop_guard();
        let got = tokio::task::spawn_blocking(move || {
            write(super::web::download(&url, &inside, &stop)?, &inside, &target)
        });
        return got.await.map_err(Failure::from)?;
    }
    let source = named(state, &input.artifact, run_id).await?;
    let mut waiting = vec![(source, work.join(&input.path))];
    let mut count = 0;
    while let Some((source, target)) = waiting.pop() {
        if source.path().is_root() || source.stat().await?.is_dir {
            for entry in source.list().await? {
                let below = source.join(&ArtifactPath::parse(&entry.name)?)?;
                waiting.push((below, target.join(&entry.name)));
            }
            continue;
        }
        count += 1;
        if count > MOST_FILES {
            return Err(FilesError::TooMany);
        }
        let file = source.download().await?.into_file();
        let inside = work.to_owned();
        let written = tokio::task::spawn_blocking(move || write(file, &inside, &target)).await;
        written.map_err(Failure::from)??;
    }
    Ok(())
}

/// Where an artifact lies: a path among those of the job's run, `runs:/RUN/PATH`, a model, or any other address.
async fn named(state: &ServerState, artifact: &str, run_id: Option<&str>) -> Result<Place, FilesError> {
    if artifact.starts_with("models:/") {
        let (store, wanted) = (state.store().clone(), artifact.to_owned());
        let read = move || store.read(|reader| Ok(crate::mlflow::model_location(&wanted, reader)));
        let location =
            tokio::task::spawn_blocking(read).await.map_err(Failure::from)?.map_err(Failure::from)?;
        return Ok(Place::find(state, &location.map_err(FilesError::Model)?)?);
    }
    let of_run = artifact.strip_prefix("runs:/").map(|rest| rest.trim_start_matches('/'));
    let (run, path) = match of_run {
        Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
        None if artifact.contains(":/") || artifact.starts_with('/') => {
            return Ok(Place::find(state, artifact)?);
        }
        None => (run_id.ok_or_else(|| FilesError::NoRun(artifact.to_owned()))?, artifact),
    };
    let place = Place::find(state, &super::keep_output::artifact_uri(state, run).await?)?;
    if path.is_empty() { Ok(place) } else { Ok(place.join(&ArtifactPath::parse(path)?)?) }
}

/// Copies a file to where it is wanted, below a folder.
fn write(mut file: File, work: &Path, target: &Path) -> Result<(), FilesError> {
    let failed = |error| FilesError::Io(target.display().to_string(), error);
    let folder = target.parent().unwrap_or(work);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let is_inside = folder.canonicalize().map_err(failed)?.starts_with(work.canonicalize().map_err(failed)?);
    if !is_inside {
        return Err(FilesError::Outside(target.display().to_string()));
    }
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    let mut written = options.open(target).map_err(failed)?;
    io::copy(&mut file, &mut written).map_err(failed)?;
    Ok(())
}

/// Keeps what a job made. Gives what is missing, in words.
pub(super) async fn collect(
    state: &ServerState,
    spec: &JobSpec,
    work: &Path,
    run_id: Option<&str>,
) -> Vec<String> {
    let mut missing = Vec::new();
    for output in &spec.outputs {
        if let Err(error) = collect_one(state, output, work, run_id).await {
            missing.push(format!("the output `{}` is not kept: {error}", output.path.display()));
        }
    }
    missing
}

async fn collect_one(
    state: &ServerState,
    output: &Files,
    work: &Path,
    run_id: Option<&str>,
) -> Result<(), FilesError> {
    let target = named(state, &output.artifact, run_id).await?;
    let work = ArtifactRoot::open_reader(work)?;
    let mut waiting = vec![(PathBuf::from(&output.path), target)];
    let mut count = 0;
    while let Some((source, target)) = waiting.pop() {
        let path = ArtifactPath::parse(&source.to_string_lossy())?;
        if work.stat(&path).await?.is_dir {
            for entry in work.list(&path).await? {
                let below = target.join(&ArtifactPath::parse(&entry.name)?)?;
                waiting.push((source.join(&entry.name), below));
            }
            continue;
        }
        count += 1;
        if count > MOST_FILES {
            return Err(FilesError::TooMany);
        }
        let mut file = work.download(&path).await?.into_file();
        let mut upload = target.root().begin(target.path()).await?;
        loop {
            let read = move || -> io::Result<(File, Vec<u8>)> {
                let mut piece = vec![0; PIECE_BYTES];
                let count = file.read(&mut piece)?;
                piece.truncate(count);
                Ok((file, piece))
            };
            let (read_on, piece) = tokio::task::spawn_blocking(read)
                .await
                .map_err(Failure::from)?
                .map_err(|error| FilesError::Io(source.display().to_string(), error))?;
            file = read_on;
            if piece.is_empty() {
                break;
            }
            upload.write(Bytes::from(piece)).await?;
        }
        upload.finish().await?;
    }
    Ok(())
}
