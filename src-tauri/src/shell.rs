//! What every part of the shell shares.

use crate::paint_guard::PaintGuard;
use crate::server::Backend;
use crate::settings::{OnClose, Store};
use crate::tray;
use std::sync::atomic::{AtomicBool, Ordering};

/// Managed by Tauri; one for the program's life.
pub(crate) struct Shell {
    pub(crate) server: Backend,
    pub(crate) settings: Store,
    pub(crate) paint_guard: PaintGuard,
    quitting: AtomicBool,
}

impl Shell {
    pub(crate) fn new(server: Backend, settings: Store, paint_guard: PaintGuard) -> Self {
        Self { server, settings, paint_guard, quitting: AtomicBool::new(false) }
    }

    /// From now on nothing keeps the program alive. False when that was so already.
    pub(crate) fn begin_quitting(&self) -> bool {
        !self.quitting.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn is_quitting(&self) -> bool {
        self.quitting.load(Ordering::SeqCst)
    }

    pub(crate) fn stop_server(&self) {
        self.server.stop();
    }

    /// What closing the window means now.
    pub(crate) fn on_close(&self) -> OnClose {
        if self.is_quitting() {
            return OnClose::Quit;
        }
        self.settings.get().on_close(tray::available(), self.server.is_own())
    }
}
