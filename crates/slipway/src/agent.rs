//! `slipway agent FOLDER`: what the queue starts for each attempt of a job. Not for people to type.

use slipway_jobs::agent::{self, AgentOptions};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Passes output on to its own, and its own input to the command.
pub const ATTACHED: &str = "--attached";

/// Runs as an agent if that is what this process was started for; none if not.
///
/// It comes before any other work of a program, so that what a program needs does not weigh on every job.
#[must_use]
pub fn agent() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != OsStr::new("agent") {
        return None;
    }
    let mut attached = false;
    let mut folder = None;
    for argument in arguments {
        if argument == OsStr::new(ATTACHED) {
            attached = true;
        } else {
            folder = Some(PathBuf::from(argument));
        }
    }
    let Some(folder) = folder else {
        eprintln!(
            "slipway agent: the queue starts this with the folder of an attempt; there is nothing to type here"
        );
        return Some(ExitCode::from(2));
    };
    match agent::run(&AgentOptions { folder, attached }) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("slipway agent: {error}");
            Some(ExitCode::FAILURE)
        }
    }
}
