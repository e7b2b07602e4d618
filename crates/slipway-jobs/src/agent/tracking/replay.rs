//! Sending what was journaled, in order: by the agent when Slipway is back, or by Slipway itself when the agent has ended.

use super::journal::{Entry, Journal};
use super::names::Made;
use serde_json::Value;

/// Nobody answers, or not now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Who takes writes in.
pub trait Receiver {
    /// Sends a write, and gives the status and the body of the answer.
    fn send(&self, entry: &Entry) -> impl Future<Output = Result<(u16, Vec<u8>), Unreachable>>;
}

/// Sends one write, after what it names was given the names that Slipway has for it. What it made is known by its own
/// name from then on. The status and the body are those of the answer.
pub(super) async fn send(
    entry: &Entry,
    names: &mut super::names::Names,
    receiver: &impl Receiver,
) -> Result<(u16, Vec<u8>), Unreachable> {
    let mut sent = entry.clone();
    names.translate(&mut sent);
    let (status, body) = receiver.send(&sent).await?;
    if status >= 500 || status == 429 {
        return Err(Unreachable(format!("`{}` was answered with status {status}", entry.target)));
    }
    match &entry.makes {
        Some(Made::Experiment { id, name }) => {
            let mut made = (status == 200).then(|| text(&body, "/experiment_id")).flatten();
            if made.is_none() {
                // It was there already.
                let find = Entry {
                    method: "GET".to_owned(),
                    target: format!(
                        "/api/2.0/mlflow/experiments/get-by-name?experiment_name={}",
                        super::replica::escaped(name)
                    ),
                    content_type: "application/json".to_owned(),
                    ..Entry::default()
                };
                let (status, body) = receiver.send(&find).await?;
                if status >= 500 {
                    return Err(Unreachable(format!("`{}` was answered with status {status}", find.target)));
                }
                made = text(&body, "/experiment/experiment_id");
            }
            if let Some(real) = made {
                names.learn(id.clone(), real);
            }
        }
        Some(Made::Version { number }) => {
            if let Some(real) = text(&body, "/model_version/version") {
                names.learn(number.clone(), real);
            }
        }
        None => {}
    }
    Ok((status, body))
}

fn text(body: &[u8], pointer: &str) -> Option<String> {
    Some(serde_json::from_slice::<Value>(body).ok()?.pointer(pointer)?.as_str()?.to_owned())
}

/// Sends all of a journal.
///
/// # Errors
/// When it has to be gone on with later. What was sent until then is not sent again.
pub async fn replay(journal: &mut Journal, receiver: &impl Receiver) -> Result<(), Unreachable> {
    while let Some((entry, end)) = journal.first() {
        let (status, body) = send(&entry, &mut journal.names, receiver).await?;
        finish(journal, &entry, end, status, &body);
    }
    Ok(())
}

/// Notes that a write was sent, and how it was answered.
pub(super) fn finish(journal: &mut Journal, entry: &Entry, end: u64, status: u16, body: &[u8]) {
    let may_be_there = matches!(entry.makes, Some(Made::Experiment { .. }))
        || entry.target.ends_with("/registered-models/create");
    if status != 200 && !may_be_there {
        let said = String::from_utf8_lossy(body).chars().take(300).collect::<String>();
        tracing::warn!(
            status,
            said,
            target = entry.target,
            "what was logged while Slipway was away was refused"
        );
    }
    journal.done_up_to(end);
    if let Some(body) = &entry.body_file
        && let Err(error) = std::fs::remove_file(journal.folder().join(body))
    {
        tracing::debug!(%error, "a file that was sent stays");
    }
}
