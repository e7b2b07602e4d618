//! Sending what was journaled, in order: by the agent when Slipway is back, or by Slipway itself when the agent has ended.

use super::journal::{Entry, Journal};
use super::names::Made;
use serde_json::Value;
use std::time::Duration;

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
    if matches!(status, 429 | 503 | 507) {
        return Err(Unreachable(format!("`{}` was answered with status {status}", entry.target)));
    }
    match &entry.makes {
        Some(Made::Experiment { id, name }) => {
            let mut made = (status == 200).then(|| text(&body, "/experiment_id")).flatten();
            if made.is_none() && status < 500 {
                // It was there already.
                let find = Entry {
                    method: "GET".to_owned(),
                    target: format!(
                        "/api/2.0/mlflow/experiments/get-by-name?experiment_name={}",
                        super::call::escaped(name)
                    ),
                    content_type: "application/json".to_owned(),
                    ..Entry::default()
                };
                let (status, body) = receiver.send(&find).await?;
                if status >= 500 || status == 429 {
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

/// How long is waited before a write that was answered with an error is sent again.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 2_000 });

/// Sends all of a journal.
///
/// # Errors
/// When it has to be gone on with later. What was sent until then is not sent again.
pub async fn replay(journal: &mut Journal, receiver: &impl Receiver) -> Result<(), Unreachable> {
    while let Some((entry, end)) = journal.first() {
        let (status, body) = send(&entry, &mut journal.names, receiver).await?;
        if finish(journal, &entry, end, status, &body).is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// Notes that a write was sent, and how it was answered. What was not taken is set aside, so that it does not keep back
/// what is behind it: at once when it was refused, and after some tries when the answer may be another one next time.
///
/// # Errors
/// When it is to be sent again.
pub(super) fn finish(
    journal: &mut Journal,
    entry: &Entry,
    end: u64,
    status: u16,
    body: &[u8],
) -> Result<(), Unreachable> {
    if status >= 500 && !journal.has_tried_enough() {
        return Err(Unreachable(format!("`{}` was answered with status {status}", entry.target)));
    }
    let may_be_there = matches!(entry.makes, Some(Made::Experiment { .. }))
        || entry.target.ends_with("/registered-models/create");
    // What is to be gone is gone.
    let is_taken =
        status == 200 || (status < 500 && may_be_there) || (status == 404 && entry.method == "DELETE");
    if !is_taken {
        let said = String::from_utf8_lossy(body).chars().take(300).collect::<String>();
        tracing::warn!(
            status,
            said,
            target = entry.target,
            "what was logged while Slipway was away was not taken"
        );
        if let Err(error) = journal.set_aside(entry, status, said) {
            return Err(Unreachable(format!(
                "`{}` was not taken, and cannot be set aside: {error}",
                entry.target
            )));
        }
    }
    journal.done_up_to(end);
    if is_taken
        && let Some(body) = &entry.body_file
        && let Err(error) = std::fs::remove_file(journal.folder().join(body))
    {
        tracing::debug!(%error, "a file that was sent stays");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Answers each target with a status, and notes what came.
    struct Server(RefCell<Vec<String>>);

    impl Receiver for Server {
        async fn send(&self, entry: &Entry) -> Result<(u16, Vec<u8>), Unreachable> {
            self.0.borrow_mut().push(entry.target.clone());
            let status = entry.target.trim_start_matches('/').parse().unwrap();
            Ok((status, format!("said {status}").into_bytes()))
        }
    }

    #[tokio::test]
    async fn what_is_not_taken_keeps_nothing_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        for target in ["/200", "/500", "/400", "/200"] {
            let entry = Entry { target: target.to_owned(), body: b"{}".to_vec(), ..Entry::default() };
            journal.add(&entry).unwrap();
        }
        let server = Server(RefCell::default());
        replay(&mut journal, &server).await.unwrap();
        assert!(journal.is_empty());
        let sent = server.0.borrow();
        assert_eq!(sent.iter().filter(|target| *target == "/500").count(), 5);
        assert_eq!(sent.iter().filter(|target| *target == "/400").count(), 1);
        assert_eq!(sent.last().map(String::as_str), Some("/200"));
        let (count, first) = Journal::aside(folder.path()).unwrap().unwrap();
        assert_eq!(
            (count, first.target.as_str(), first.status, first.said.as_str()),
            (2, "/500", 500, "said 500")
        );
    }

    /// A disk that is full, or a server that is about to end, is waited for.
    #[tokio::test]
    async fn what_may_be_taken_later_stays() {
        for target in ["/503", "/507", "/429"] {
            let folder = tempfile::tempdir().unwrap();
            let mut journal = Journal::open(folder.path()).unwrap();
            journal.add(&Entry { target: target.to_owned(), ..Entry::default() }).unwrap();
            assert!(replay(&mut journal, &Server(RefCell::default())).await.is_err());
            assert!(!journal.is_empty() && Journal::aside(folder.path()).unwrap().is_none());
        }
    }
}
