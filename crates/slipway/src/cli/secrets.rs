//! `slipway secrets`: values that jobs get as variables without their descriptions holding them.

use super::{Failure, Global, Result};
use clap::Subcommand;
use slipway_jobs::secrets::Secrets;
use std::io::{IsTerminal, Read};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Keep a secret; its value is read from standard input.
    Set {
        /// Its name, by which descriptions of jobs call it.
        name: String,
    },
    /// Print the names of all secrets.
    Ls,
    /// Forget a secret.
    Rm {
        /// Its name.
        name: String,
    },
}

pub(crate) fn run(global: &Global, command: &Command) -> Result<ExitCode> {
    let secrets = Secrets::of(&global.data_dir()?);
    match command {
        Command::Set { name } => {
            if std::io::stdin().is_terminal() {
                global.say("Type or paste the value, then Ctrl+D.");
            }
            let mut value = String::new();
            std::io::stdin().read_to_string(&mut value)?;
            let value = value.strip_suffix('\n').unwrap_or(&value);
            secrets.set(name, Some(value))?;
            global.say(format!(
                "Kept. It is in a file that only this account can read: {}",
                secrets.file().display()
            ));
        }
        Command::Ls => {
            for name in secrets.names()? {
                println!("{name}");
            }
        }
        Command::Rm { name } => {
            if !secrets.set(name, None)? {
                return Err(Failure::not_found(format!("there is no secret `{name}`")));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
