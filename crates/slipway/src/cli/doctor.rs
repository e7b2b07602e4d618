//! `slipway doctor`: what is here, what is missing, and what to type. It changes nothing.

use super::open::{desktop_program, has_display, on_path};
use super::program::said_text as said;
use super::{Global, Result, output};
use clap::Args;
use serde_json::json;
use std::ffi::OsStr;
use std::io::{BufWriter, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The port that `slipway serve` would use.
    #[arg(long, default_value_t = 5757, env = "SLIPWAY_PORT", hide_env_values = true)]
    port: u16,
    /// As JSON: `healthy`, and `checks` with `name`, `status`, `detail`, `fix`.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Status {
    /// It works.
    Ok,
    /// Something optional is not there.
    Missing,
    /// Slipway cannot work like this.
    Broken,
}

struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    /// What to type or do.
    fix: Option<String>,
}

pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<ExitCode> {
    let data_dir = global.data_dir()?;
    let checks = [
        check("slipway", Status::Ok, format!("version {}", env!("CARGO_PKG_VERSION")), None),
        data_folder(&data_dir),
        server(&data_dir),
        port(&data_dir, arguments.port),
        python(),
        mlflow(),
        git(),
        display(),
        desktop(),
        webkit(),
        gpu(),
    ];
    let healthy = checks.iter().all(|check| check.status != Status::Broken);
    let mut out = BufWriter::new(std::io::stdout().lock());
    if arguments.json {
        let rows: Vec<_> = checks
            .iter()
            .map(|check| json!({ "name": check.name, "status": word(check.status), "detail": check.detail, "fix": check.fix }))
            .collect();
        serde_json::to_writer_pretty(&mut out, &json!({ "healthy": healthy, "checks": rows }))?;
        writeln!(out)?;
    } else {
        let colour = output::colour_stdout();
        for check in &checks {
            let code = match check.status {
                Status::Ok => "32",
                Status::Missing => "33",
                Status::Broken => "31",
            };
            let word = format!("{:<7}", word(check.status));
            let word = if colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word };
            writeln!(out, "{word}  {:<12} {}", check.name, output::clean(&check.detail))?;
            if let Some(fix) = &check.fix {
                writeln!(out, "{:22} {}", "", output::clean(fix))?;
            }
        }
    }
    out.flush()?;
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Missing => "missing",
        Status::Broken => "broken",
    }
}

fn check(name: &'static str, status: Status, detail: impl Into<String>, fix: Option<&str>) -> Check {
    Check { name, status, detail: detail.into(), fix: fix.map(str::to_owned) }
}

fn data_folder(dir: &Path) -> Check {
    const NAME: &str = "data folder";
    let shown = dir.display();
    // The nearest folder that exists tells whether the rest could be made.
    let Some(existing) = dir.ancestors().find(|path| path.exists()) else {
        return check(
            NAME,
            Status::Broken,
            format!("`{shown}` cannot be made"),
            Some("Choose another one with `--data-dir`."),
        );
    };
    if !existing.is_dir() {
        let detail = format!("`{}` is not a folder", existing.display());
        return check(NAME, Status::Broken, detail, Some("Choose another one with `--data-dir`."));
    }
    let writable = rustix::fs::access(existing, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    if let Err(error) = writable {
        let detail = format!("`{shown}` cannot be written: {error}");
        return check(
            NAME,
            Status::Broken,
            detail,
            Some("Check its permissions and its disk, or choose another one with `--data-dir`."),
        );
    }
    let free = rustix::fs::statvfs(existing).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)).ok();
    let free_text = free.map(|bytes| format!(", {:.1} GB free", bytes as f64 / 1e9)).unwrap_or_default();
    if free.is_some_and(|bytes| bytes < 100_000_000) {
        return check(
            NAME,
            Status::Broken,
            format!("`{shown}`{free_text}"),
            Some("Make room on that disk, or choose another folder with `--data-dir`."),
        );
    }
    let not_ours = std::fs::metadata(dir)
        .is_ok_and(|meta| meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o077 != 0);
    if not_ours {
        let fix = format!("Runs may hold secrets: `chmod 700 {shown}`.");
        return check(NAME, Status::Missing, format!("`{shown}`{free_text}; others may read it"), Some(&fix));
    }
    let fresh = if dir.exists() { "" } else { " (made at the first start)" };
    check(NAME, Status::Ok, format!("`{shown}`{free_text}{fresh}"), None)
}

fn server(dir: &Path) -> Check {
    match slipway::running(dir) {
        Some(running) => {
            check("server", Status::Ok, format!("runs at {} (pid {})", running.address, running.pid), None)
        }
        None => {
            check("server", Status::Missing, "none runs for this folder", Some("`slipway serve` starts one."))
        }
    }
}

fn port(dir: &Path, port: u16) -> Check {
    const NAME: &str = "port";
    let ours = slipway::running(dir).is_some_and(|running| running.address.ends_with(&format!(":{port}")));
    if ours {
        return check(NAME, Status::Ok, format!("{port} is held by this folder's server"), None);
    }
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => check(NAME, Status::Ok, format!("{port} is free"), None),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let who = holder_of(port).unwrap_or_else(|| "another program".to_owned());
            let fix = "`slipway serve --port 0` takes a free one.";
            check(NAME, Status::Missing, format!("{port} is taken by {who}"), Some(fix))
        }
        Err(error) => check(
            NAME,
            Status::Missing,
            format!("{port} cannot be used: {error}"),
            Some("Choose another one with `--port`."),
        ),
    }
}

/// Which process listens on a port of this machine: its socket's number is in the system's table, and one of the
/// process's open files is that socket.
fn holder_of(port: u16) -> Option<String> {
    let mut inodes = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(state), Some(inode)) = (fields.get(1), fields.get(3), fields.get(9))
            else {
                continue;
            };
            let local_port = local.rsplit(':').next().and_then(|hex| u16::from_str_radix(hex, 16).ok());
            // 0A is a listening socket.
            if local_port == Some(port) && *state == "0A" {
                inodes.push(format!("socket:[{inode}]"));
            }
        }
    }
    if inodes.is_empty() {
        return None;
    }
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = files.flatten().any(|file| {
            std::fs::read_link(file.path())
                .is_ok_and(|target| inodes.iter().any(|inode| target.as_os_str() == OsStr::new(inode)))
        });
        if holds {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("`{}` (pid {pid})", name.trim()));
        }
    }
    None
}

fn python_program() -> Option<PathBuf> {
    on_path("python3").or_else(|| on_path("python"))
}

fn python() -> Check {
    let fix = "Training code in Python needs it: `sudo apt-get install python3 python3-venv`.";
    let Some(program) = python_program() else {
        return check("python", Status::Missing, "not on the PATH", Some(fix));
    };
    match said(&program, &["--version"]) {
        Some(version) => check("python", Status::Ok, format!("{version}, `{}`", program.display()), None),
        None => {
            check("python", Status::Missing, format!("`{}` does not start", program.display()), Some(fix))
        }
    }
}

fn mlflow() -> Check {
    let fix = "In the environment of your training code: `pip install mlflow-skinny`.";
    // Asked of the package's metadata: importing it takes seconds.
    let question = "import importlib.metadata as m\n\
        for name in ('mlflow', 'mlflow-skinny'):\n\
        \x20   try: print(name, m.version(name)); break\n\
        \x20   except m.PackageNotFoundError: pass";
    let found = python_program()
        .and_then(|program| said(&program, &["-c", question]))
        .filter(|text| !text.is_empty());
    match found {
        Some(version) => check("mlflow", Status::Ok, format!("{version} in the Python on the PATH"), None),
        None => check("mlflow", Status::Missing, "not in the Python on the PATH", Some(fix)),
    }
}

fn git() -> Check {
    let version = on_path("git").and_then(|program| said(&program, &["--version"]));
    match version {
        Some(version) => check("git", Status::Ok, version, None),
        None => check(
            "git",
            Status::Missing,
            "not on the PATH",
            Some("`slipway run` notes the commit with it: `sudo apt-get install git`."),
        ),
    }
}

fn display() -> Check {
    if has_display() {
        let name = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let shown = name("WAYLAND_DISPLAY").or_else(|| name("DISPLAY")).unwrap_or_default();
        return check("display", Status::Ok, shown, None);
    }
    check(
        "display",
        Status::Missing,
        "neither DISPLAY nor WAYLAND_DISPLAY is set",
        Some("`slipway serve` works without one; open its address in a browser."),
    )
}

fn desktop() -> Check {
    match desktop_program() {
        Some(program) => check("window", Status::Ok, format!("`{}`", program.display()), None),
        None => check(
            "window",
            Status::Missing,
            "`slipway-desktop` is neither beside this program nor on the PATH",
            Some("Install Slipway's package, or use a browser: `slipway serve --open`."),
        ),
    }
}

fn webkit() -> Check {
    const LIBRARY: &str = "libwebkit2gtk-4.1.so.0";
    let listed = ["/sbin/ldconfig", "/usr/sbin/ldconfig"]
        .iter()
        .map(Path::new)
        .filter(|program| program.exists())
        .find_map(|program| said(program, &["-p"]))
        .is_some_and(|cache| cache.contains(LIBRARY));
    if listed {
        return check("webkit", Status::Ok, LIBRARY, None);
    }
    check(
        "webkit",
        Status::Missing,
        format!("{LIBRARY} is not installed"),
        Some("The window needs it: `sudo apt-get install libwebkit2gtk-4.1-0`."),
    )
}

fn gpu() -> Check {
    let Some(program) = on_path("nvidia-smi") else {
        return check("gpu", Status::Missing, "no `nvidia-smi`, so no NVIDIA GPU is known of", None);
    };
    match said(&program, &["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]) {
        Some(text) if !text.is_empty() => {
            check("gpu", Status::Ok, text.lines().collect::<Vec<_>>().join("; "), None)
        }
        _ => check(
            "gpu",
            Status::Missing,
            "`nvidia-smi` finds no GPU",
            Some("Its driver may not be loaded: type `nvidia-smi` to see what it says."),
        ),
    }
}
