//! Containers that an attempt started: found by their label, whoever holds their processes, and removed when it is over.
//!
//! Ending the program that started a container does not end the container, since another process holds it. So it is the
//! engine that is asked, of which a description says where it is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

/// The label of each container of an attempt; its value is that of
/// [`ATTEMPT_VARIABLE`](crate::agent::ATTEMPT_VARIABLE).
pub const LABEL: &str = "slipway.attempt";

/// The variable by which the agent tells a line that starts a container what the container may use, as the engine's own
/// words; it holds no more than that.
pub const LIMITS_VARIABLE: &str = "SLIPWAY_CONTAINER_LIMITS";

/// An engine that takes longer to answer is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends and removes every container of an attempt, and gives how many there were. `variables` are those that the engine
/// was started with; without any it gets those of this process.
///
/// # Errors
/// When the engine does not do it.
pub async fn remove(
    engine: &Path,
    attempt: &str,
    variables: Option<&BTreeMap<OsString, OsString>>,
) -> io::Result<usize> {
    let filter = format!("label={LABEL}={attempt}");
    let listed =
        ask(engine, &["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter], variables).await?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let ids: Vec<&str> = text.split_ascii_whitespace().collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let mut words = vec!["kill"];
    words.extend(&ids);
    // Asked nicely first, they would take their time. Those that have ended cannot be killed.
    let _ = ask(engine, &words, variables).await;
    let mut words = vec!["rm", "--force"];
    words.extend(&ids);
    match ask(engine, &words, variables).await {
        Ok(_) => Ok(ids.len()),
        // Those that remove themselves may have been faster.
        Err(error) => {
            let left = ask(engine, &["ps", "--all", "--quiet", "--filter", &filter], variables).await?;
            if left.stdout.trim_ascii().is_empty() { Ok(ids.len()) } else { Err(error) }
        }
    }
}

async fn ask(
    engine: &Path,
    words: &[&str],
    variables: Option<&BTreeMap<OsString, OsString>>,
) -> io::Result<Output> {
    let mut command = tokio::process::Command::new(engine);
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(variables) = variables {
        command.env_clear().envs(variables);
    }
    // A container that is left must not keep whoever asks from being left, too.
    command.env_remove(crate::agent::ATTEMPT_VARIABLE);
    let answered = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = answered.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it does not answer"))??;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(said.trim().lines().last().unwrap_or("it says nothing").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// An engine that knows two containers, one of them of the attempt, and notes what it is asked.
    fn engine(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("engine");
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho \"$*\" >> asked\n\
                      case \"$*\" in ps*slipway.attempt=j/2) [ -f gone ] || echo c0ffee ;; ps*) ;; \
                      kill*) ;; rm*) touch gone ;; *) echo what? >&2; exit 1 ;; esac\n";
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn only_containers_of_the_attempt_are_removed_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        assert_eq!(remove(&engine, "j/1", None).await.unwrap(), 0);
        assert!(!folder.path().join("gone").exists());
        assert_eq!(remove(&engine, "j/2", None).await.unwrap(), 1);
        let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
        assert_eq!(asked.lines().last(), Some("rm --force c0ffee"));
        assert_eq!(remove(&engine, "j/2", None).await.unwrap(), 0);
        assert!(remove(Path::new("/nowhere/engine"), "j/2", None).await.is_err());
    }
}
