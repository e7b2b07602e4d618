//! Asking another program something, within limits.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a program prints when it ends well, in time, and with not more than `limit_bytes`.
pub(crate) fn said(command: &mut Command, limit_bytes: u64, patience: Duration) -> Option<Vec<u8>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let stdout = child.stdout.take()?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes);
        (read.is_ok() && bytes.len() as u64 <= limit_bytes).then_some(bytes)
    });
    let until = Instant::now() + patience;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                // It may have ended at this very moment.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    let bytes = reader.join().ok().flatten()?;
    status.success().then_some(bytes)
}

/// The same as text, without the white space around it.
pub(crate) fn said_text(program: &Path, arguments: &[&str]) -> Option<String> {
    let bytes = said(Command::new(program).args(arguments), 8 << 20, Duration::from_secs(10))?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn answers_are_limited_in_time_and_size() {
        let second = Duration::from_secs(10);
        assert_eq!(said(&mut shell("printf hi"), 10, second), Some(b"hi".to_vec()));
        assert_eq!(said(&mut shell("printf hi; exit 1"), 10, second), None);
        assert_eq!(said(&mut shell("printf 12345678901"), 10, second), None);
        let started = Instant::now();
        assert_eq!(said(&mut shell("exec sleep 30"), 10, Duration::from_millis(100)), None);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
