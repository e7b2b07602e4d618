//! The `slipway` program: the command line around the library of the same name.
//!
//! It links no window. Data go to stdout, everything else to stderr; what a command could not do decides the exit
//! code: 0 done, 1 failed, 2 wrong usage, 3 not found, 130 interrupted; `slipway run` ends as its command did.

mod cli;

fn main() -> std::process::ExitCode {
    // Before anything else is set up: an agent stays small.
    if let Some(code) = slipway::agent() {
        return code;
    }
    cli::main()
}
