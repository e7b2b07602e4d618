//! The start guard: some graphics drivers let WebKit paint nothing at all.
//!
//! When the page does not report its first paint, the program starts itself again with the next workaround
//! in its environment, remembers on this machine what helped, and says so on stderr. It goes through the
//! list once. It must never switch the graphics card off for people whose window works.

use crate::{places, settings::write_whole, shell::Shell, window};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tauri::{AppHandle, Manager};

/// How far the program may go to get a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Renderer {
    /// Watch the first paint and try what helps.
    Auto,
    /// Like `auto`, but never paint without the graphics card.
    Gpu,
    /// Paint without the graphics card.
    Software,
    /// Leave the environment alone and watch nothing.
    Off,
}

/// One thing to try, from the mildest on. Each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Workaround {
    /// NVIDIA's explicit synchronisation is off.
    ImplicitSync,
    /// Pictures do not pass through DMABUF: WebKit paints in software.
    SharedMemory,
    /// The page is not composed of layers.
    FlatPage,
}

impl Workaround {
    const ALL: [Self; 3] = [Self::ImplicitSync, Self::SharedMemory, Self::FlatPage];

    fn variable(self) -> &'static str {
        match self {
            Self::ImplicitSync => "__NV_DISABLE_EXPLICIT_SYNC",
            Self::SharedMemory => "WEBKIT_DISABLE_DMABUF_RENDERER",
            Self::FlatPage => "WEBKIT_DISABLE_COMPOSITING_MODE",
        }
    }
}

/// What was learned on one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
enum Memory {
    /// It painted with this.
    Painted { with: Option<Workaround> },
    /// Nothing in the list helped: do not go through it again.
    GaveUp,
}

/// Tells a started program which workaround it was started with, so that it goes on and never round.
const STEP_VARIABLE: &str = "SLIPWAY_GRAPHICS_STEP";
const GAVE_UP: &str = "gave-up";

/// The page has this long to paint once it is loaded.
const AFTER_LOAD: Duration = Duration::from_secs(3);
/// A page that does not finish loading is not waited for longer than this. Loading takes long on a busy
/// machine, and that is no fault of the graphics.
const AFTER_START: Duration = Duration::from_secs(15);

/// What this process was started with and whether it has painted.
pub(crate) struct PaintGuard {
    renderer: Renderer,
    step: Step,
    nvidia: bool,
    /// Set in the environment when this process began.
    given: Vec<Workaround>,
    painted: AtomicBool,
    watching: AtomicBool,
    times: Mutex<Times>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The environment is as the person has it.
    Untouched,
    /// Started again with this one.
    Trying(Workaround),
    /// Everything was tried, now or at an earlier start.
    GaveUp,
}

#[derive(Default, Clone, Copy)]
struct Times {
    started: Option<Instant>,
    loaded: Option<Instant>,
}

/// What to do before any window exists.
#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    Go(Step),
    StartAgainWith(Workaround),
}

fn begin(renderer: Renderer, step: Option<&str>, memory: Option<Memory>) -> Beginning {
    if let Some(step) = step {
        let known = Workaround::ALL.into_iter().find(|workaround| workaround.variable() == step);
        return Beginning::Go(known.map_or(Step::GaveUp, Step::Trying));
    }
    match (renderer, memory) {
        (Renderer::Off, _) => Beginning::Go(Step::Untouched),
        (Renderer::Software, _) => Beginning::StartAgainWith(Workaround::SharedMemory),
        (Renderer::Gpu, Some(Memory::Painted { with: Some(workaround) }))
            if workaround > Workaround::ImplicitSync =>
        {
            Beginning::Go(Step::Untouched)
        }
        (_, Some(Memory::Painted { with: Some(workaround) })) => Beginning::StartAgainWith(workaround),
        (_, Some(Memory::GaveUp)) => Beginning::Go(Step::GaveUp),
        (_, Some(Memory::Painted { with: None }) | None) => Beginning::Go(Step::Untouched),
    }
}

/// What to try when nothing was painted. Nothing when the list is at its end. What is `given` in the environment
/// has not helped already.
fn next(renderer: Renderer, step: Step, nvidia: bool, given: &[Workaround]) -> Option<Workaround> {
    let after = match step {
        Step::Untouched => None,
        Step::Trying(workaround) => Some(workaround),
        Step::GaveUp => return None,
    };
    Workaround::ALL.into_iter().filter(|workaround| Some(*workaround) > after).find(|workaround| {
        match (renderer, workaround) {
            (Renderer::Off, _) => false,
            _ if given.contains(workaround) => false,
            // The variable means something to NVIDIA's driver only.
            (_, Workaround::ImplicitSync) => nvidia,
            (Renderer::Gpu, _) => false,
            (Renderer::Auto | Renderer::Software, _) => true,
        }
    })
}

/// To be called first: starts the program again when this machine needs a workaround.
pub(crate) fn prepare(renderer: Renderer) -> anyhow::Result<PaintGuard> {
    let step = std::env::var(STEP_VARIABLE).ok();
    let memory = recall().unwrap_or_else(|error| {
        tracing::debug!("nothing is remembered of this machine's graphics: {error:#}");
        None
    });
    match begin(renderer, step.as_deref(), memory) {
        Beginning::Go(step) => Ok(PaintGuard {
            renderer,
            step,
            nvidia: Path::new("/proc/driver/nvidia").exists(),
            given: Workaround::ALL
                .into_iter()
                .filter(|workaround| std::env::var_os(workaround.variable()).is_some())
                .collect(),
            painted: AtomicBool::new(false),
            watching: AtomicBool::new(false),
            times: Mutex::default(),
        }),
        Beginning::StartAgainWith(workaround) => {
            tracing::info!("painting with {}=1, as on the last start", workaround.variable());
            Err(start_again(Some(workaround)))
        }
    }
}

/// Replaces this process by the same program with a workaround, or with none after all have failed. Comes
/// back only with an error.
fn start_again(workaround: Option<Workaround>) -> anyhow::Error {
    use std::os::unix::process::CommandExt;
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return anyhow::Error::new(error).context("cannot find the program itself"),
    };
    let mut command = std::process::Command::new(&program);
    command.args(std::env::args_os().skip(1).collect::<Vec<OsString>>());
    for other in Workaround::ALL {
        if Some(other) <= workaround {
            command.env(other.variable(), "1");
        } else if workaround.is_none() {
            command.env_remove(other.variable());
        }
    }
    command.env(STEP_VARIABLE, workaround.map_or(GAVE_UP, Workaround::variable));
    anyhow::Error::new(command.exec()).context(format!("cannot start `{}` again", program.display()))
}

impl PaintGuard {
    pub(crate) fn page_started(&self, app: &AppHandle) {
        self.with_times(|times| {
            times.started.get_or_insert_with(Instant::now);
        });
        let watch = self.renderer != Renderer::Off && self.step != Step::GaveUp;
        if watch && !self.watching.swap(true, Ordering::SeqCst) {
            let app = app.clone();
            let spawned =
                std::thread::Builder::new().name("paint-guard".into()).spawn(move || watch_paint(&app));
            if let Err(error) = spawned {
                tracing::warn!("the first paint is not watched: {error}");
            }
        }
    }

    pub(crate) fn page_loaded(&self) {
        self.with_times(|times| {
            times.loaded.get_or_insert_with(Instant::now);
        });
    }

    /// The page says that it has painted.
    pub(crate) fn first_paint(&self) {
        if self.painted.swap(true, Ordering::SeqCst) {
            return;
        }
        let took = self.with_times(|times| times.started.map(|started| started.elapsed().as_millis()));
        tracing::debug!(took_ms = took.unwrap_or_default(), "first paint");
        let with = match self.step {
            Step::Trying(workaround) => Some(workaround),
            Step::Untouched | Step::GaveUp => None,
        };
        if self.renderer == Renderer::Auto || self.renderer == Renderer::Gpu {
            remember(Memory::Painted { with });
        }
    }

    fn with_times<T>(&self, change: impl FnOnce(&mut Times) -> T) -> T {
        change(&mut self.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Time is up. A page that nobody can see may wait as long as it likes.
    fn is_overdue(&self, app: &AppHandle) -> bool {
        let visible = window::find(app).is_some_and(|window| {
            window.is_visible().unwrap_or(false) && !window.is_minimized().unwrap_or(false)
        });
        self.with_times(|times| {
            if !visible {
                let now = Some(Instant::now());
                *times = Times { started: now, loaded: times.loaded.and(now) };
            }
            let over = |since: Option<Instant>, limit| since.is_some_and(|since| since.elapsed() > limit);
            over(times.loaded, AFTER_LOAD) || over(times.started, AFTER_START)
        })
    }
}

fn watch_paint(app: &AppHandle) {
    let shell = app.state::<Shell>();
    let guard = &shell.paint_guard;
    loop {
        std::thread::sleep(Duration::from_millis(100));
        if guard.painted.load(Ordering::SeqCst) || shell.is_quitting() {
            return;
        }
        if guard.is_overdue(app) {
            break;
        }
    }
    let workaround = next(guard.renderer, guard.step, guard.nvidia, &guard.given);
    match workaround {
        Some(workaround) => {
            tracing::warn!("nothing was painted; starting again with {}=1", workaround.variable());
        }
        None => {
            tracing::warn!(
                "nothing was painted, and no workaround is left; trying once more without. \
                 Open {} in a browser, or start with SLIPWAY_RENDERER=software",
                shell.server.url()
            );
            if guard.renderer == Renderer::Auto {
                remember(Memory::GaveUp);
            }
            if guard.step == Step::Untouched {
                return;
            }
        }
    }
    shell.stop_server();
    tracing::error!("{:#}", start_again(workaround));
    app.exit(1);
}

/// What is remembered, by machine, because a home folder may be shared by several.
fn recall() -> anyhow::Result<Option<Memory>> {
    let text = std::fs::read_to_string(places::state_dir()?.join(FILE)).context("no file")?;
    let machines: BTreeMap<String, Memory> = serde_json::from_str(&text)?;
    Ok(machines.get(&machine()).copied())
}

fn remember(memory: Memory) {
    if let Err(error) = try_remember(memory) {
        tracing::warn!("what helped the graphics is not remembered: {error:#}");
    }
}

fn try_remember(memory: Memory) -> anyhow::Result<()> {
    let path = places::state_dir()?.join(FILE);
    let mut machines: BTreeMap<String, Memory> = std::fs::read_to_string(&path)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    if machines.insert(machine(), memory) == Some(memory) {
        return Ok(());
    }
    write_whole(&path, &serde_json::to_string_pretty(&machines)?)
}

const FILE: &str = "graphics.json";

fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Workaround::{FlatPage, ImplicitSync, SharedMemory};

    /// The workarounds that are tried one after the other when none helps.
    fn way(renderer: Renderer, nvidia: bool) -> Vec<Workaround> {
        let mut step = Step::Untouched;
        let mut way = Vec::new();
        while let Some(workaround) = next(renderer, step, nvidia, &[]) {
            way.push(workaround);
            // As a started program finds it.
            assert_eq!(
                begin(renderer, Some(workaround.variable()), None),
                Beginning::Go(Step::Trying(workaround))
            );
            step = Step::Trying(workaround);
        }
        way
    }

    #[test]
    fn the_list_is_gone_through_once() {
        assert_eq!(way(Renderer::Auto, true), [ImplicitSync, SharedMemory, FlatPage]);
        assert_eq!(way(Renderer::Auto, false), [SharedMemory, FlatPage]);
        assert_eq!(way(Renderer::Gpu, true), [ImplicitSync]);
        assert_eq!(way(Renderer::Gpu, false), []);
        assert_eq!(way(Renderer::Off, true), []);
    }

    #[test]
    fn what_the_person_has_set_is_not_tried_again() {
        assert_eq!(next(Renderer::Auto, Step::Untouched, false, &[SharedMemory]), Some(FlatPage));
        assert_eq!(next(Renderer::Auto, Step::Untouched, false, &[SharedMemory, FlatPage]), None);
    }

    #[test]
    fn after_giving_up_nothing_is_tried_again() {
        assert_eq!(begin(Renderer::Auto, Some(GAVE_UP), None), Beginning::Go(Step::GaveUp));
        assert_eq!(begin(Renderer::Auto, None, Some(Memory::GaveUp)), Beginning::Go(Step::GaveUp));
        assert_eq!(next(Renderer::Auto, Step::GaveUp, true, &[]), None);
    }

    #[test]
    fn what_helped_is_used_at_once() {
        let helped = |with| Some(Memory::Painted { with });
        assert_eq!(
            begin(Renderer::Auto, None, helped(Some(SharedMemory))),
            Beginning::StartAgainWith(SharedMemory)
        );
        assert_eq!(begin(Renderer::Auto, None, helped(None)), Beginning::Go(Step::Untouched));
        assert_eq!(begin(Renderer::Auto, None, None), Beginning::Go(Step::Untouched));
        // The person's word goes before memory.
        assert_eq!(begin(Renderer::Gpu, None, helped(Some(SharedMemory))), Beginning::Go(Step::Untouched));
        assert_eq!(begin(Renderer::Off, None, helped(Some(SharedMemory))), Beginning::Go(Step::Untouched));
        assert_eq!(begin(Renderer::Software, None, None), Beginning::StartAgainWith(SharedMemory));
        assert_eq!(
            begin(Renderer::Software, Some(SharedMemory.variable()), None),
            Beginning::Go(Step::Trying(SharedMemory))
        );
    }

    #[test]
    fn memory_survives_being_written() {
        for memory in
            [Memory::GaveUp, Memory::Painted { with: None }, Memory::Painted { with: Some(SharedMemory) }]
        {
            let text = serde_json::to_string(&memory).unwrap();
            assert_eq!(serde_json::from_str::<Memory>(&text).unwrap(), memory, "{text}");
        }
    }
}
