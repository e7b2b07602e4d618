//! A body that is written while it is sent, so that its length costs no memory.

use axum::body::Body;
use bytes::Bytes;
use std::io::{self, Write};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

const PIECE_BYTES: usize = 64 << 10;
const PIECES_WAITING: usize = 8;
/// A receiver that takes nothing for so long holds up a reader of the store for nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// A body that `produce` writes on a thread of its own. When it fails the body ends in an error, so that nobody takes
/// half a file for a whole one.
pub(super) fn body(produce: impl FnOnce(&mut Pipe) -> io::Result<()> + Send + 'static) -> Body {
    let (send, receive) = channel(PIECES_WAITING);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe { piece: Vec::with_capacity(PIECE_BYTES), send, runtime };
        if let Err(error) = produce(&mut pipe).and_then(|()| pipe.flush()) {
            tracing::warn!("an export ended early: {error}");
            // Nobody may be there any more.
            let _ = pipe.send.try_send(Err(error));
        }
    });
    Body::from_stream(ReceiverStream::new(receive))
}

/// Where an export is written to.
pub(super) struct Pipe {
    piece: Vec<u8>,
    send: Sender<io::Result<Bytes>>,
    runtime: Handle,
}

impl Pipe {
    fn pass_on(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES)));
        let sent =
            self.runtime.block_on(async { tokio::time::timeout(PATIENCE, self.send.send(Ok(piece))).await });
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads it any more")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the receiver has stopped reading")),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.pass_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()
    }
}
