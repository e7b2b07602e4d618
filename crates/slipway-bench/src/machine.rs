//! What was measured on: without it, nobody can compare.

use crate::server::Programs;
use crate::stats::{median, short};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// A list, as Markdown. The disk is measured where the servers' folders will be.
pub(crate) fn describe(programs: &Programs, folder: &Path) -> Result<String> {
    let cpu = field(&fs::read_to_string("/proc/cpuinfo")?, "model name").unwrap_or("unknown").to_owned();
    let cores = std::thread::available_parallelism()?;
    let memory_kb: f64 = field(&fs::read_to_string("/proc/meminfo")?, "MemTotal")
        .and_then(|text| text.trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(f64::NAN);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or("Linux", |name| name.trim_matches('"'));
    let (sync_us, file_system) = (sync_time_us(folder)?, file_system(folder)?);
    let slipway = said_by(&programs.slipway, &["--version"])?;
    let versions = "import mlflow, sqlite3, platform; \
                    print('mlflow', mlflow.__version__, '· Python', platform.python_version(), '· SQLite', sqlite3.sqlite_version)";
    let mlflow = said_by(&programs.python, &["-c", versions])?;
    let today = chrono::Local::now().format("%Y-%m-%d");
    Ok(format!(
        "- Processor: {cpu}, {cores} cores; {} GB of memory\n\
         - System: {system}, kernel {}; the folders are on {file_system}, where appending 24 kB with `fdatasync` takes \
         {} µs in the median\n\
         - Versions: {slipway} · {mlflow}\n\
         - Measured on {today}\n",
        short(memory_kb * 1024.0 / 1e9),
        kernel.trim(),
        short(sync_us)
    ))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start().strip_prefix(':')?.trim()))
}

fn said_by(program: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(args)
        .output()
        .with_context(|| format!("running {}", program.display()))?;
    if !output.status.success() {
        bail!("{} {args:?} ended with {}", program.display(), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn sync_time_us(folder: &Path) -> Result<f64> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let block = [7; 24_000];
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all(&block)?;
        let began = Instant::now();
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    fs::remove_file(&path)?;
    Ok(median(&times))
}

fn file_system(folder: &Path) -> Result<String> {
    let folder = folder.canonicalize()?;
    let mounts = fs::read_to_string("/proc/mounts")?;
    Ok(mount_of(&mounts, &folder).unwrap_or("an unknown file system").to_owned())
}

/// The type of the file system with the longest mount point above a folder.
fn mount_of<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (_, point, kind) = (words.next()?, words.next()?, words.next()?);
        folder.starts_with(point).then_some((point.len(), kind))
    });
    // Of mounts on the same point the last covers the others.
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_mounts_are_found() {
        assert_eq!(field("a : 1\nmodel name\t: Fast One\n", "model name"), Some("Fast One"));
        assert_eq!(field("MemTotal:    12 kB\n", "MemTotal"), Some("12 kB"));
        assert_eq!(field("x\n", "y"), None);
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b / xfs rw 0 0\n";
        assert_eq!(mount_of(mounts, Path::new("/tmp/x")), Some("tmpfs"));
        assert_eq!(mount_of(mounts, Path::new("/var")), Some("xfs"));
    }
}
