//! The output of a job among the artifacts of its run: `logs/stdout.txt` and `logs/stderr.txt`, byte for byte.

use crate::ServerState;
use crate::places::Place;
use bytes::Bytes;
use slipway_artifacts::{ArtifactPath, Upload};
use slipway_jobs::log;
use slipway_jobs::target::Stream;
use std::path::Path;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Copies what an attempt has printed so far, from its folder. A run that keeps its artifacts elsewhere gets nothing.
pub(super) async fn keep(state: &ServerState, folder: &Path, run_id: &str) -> Result<(), Failure> {
    let Ok(place) = Place::find(state, &artifact_uri(state, run_id).await?) else { return Ok(()) };
    let begin = async |name: &str| -> Result<Upload, slipway_artifacts::Error> {
        let path = place.join(&ArtifactPath::parse(name)?)?;
        path.root().begin(path.path()).await
    };
    let mut stdout = begin("logs/stdout.txt").await?;
    let mut stderr = begin("logs/stderr.txt").await?;
    let mut from = 0;
    loop {
        let reading = folder.to_owned();
        let part = tokio::task::spawn_blocking(move || log::read(&reading, from, PIECE_BYTES)).await??;
        if part.bytes.is_empty() {
            break;
        }
        from += part.bytes.len() as u64;
        let mut bytes = Bytes::from(part.bytes);
        for piece in part.pieces {
            let piece_bytes = bytes.split_to((piece.length as usize).min(bytes.len()));
            match piece.stream {
                Stream::Stdout => stdout.write(piece_bytes).await?,
                Stream::Stderr => stderr.write(piece_bytes).await?,
                Stream::Agent => {}
            }
        }
    }
    stdout.finish().await?;
    stderr.finish().await?;
    state.events().artifacts_changed(run_id);
    Ok(())
}

/// Where a run keeps its artifacts.
pub(super) async fn artifact_uri(state: &ServerState, run_id: &str) -> Result<String, Failure> {
    let (store, wanted) = (state.store().clone(), run_id.to_owned());
    let read = move || store.read(|reader| Ok(reader.run(&wanted)?.info.artifact_uri));
    Ok(tokio::task::spawn_blocking(read).await??)
}

/// Why the output is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Store(#[from] slipway_store::Error),
    #[error(transparent)]
    Artifacts(#[from] slipway_artifacts::Error),
    #[error("its log cannot be read: {0}")]
    Log(#[from] std::io::Error),
    #[error("it was given up: {0}")]
    GivenUp(#[from] tokio::task::JoinError),
}
