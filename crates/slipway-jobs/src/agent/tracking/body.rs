//! Bodies of requests: short ones in memory, long ones in a file, so that an agent stays small whatever is uploaded.

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What is longer goes into a file.
const IN_MEMORY_BYTES: usize = 512 << 10;
const PIECE_BYTES: usize = 64 << 10;

/// A body that has come whole.
pub(super) enum Collected {
    Memory(Vec<u8>),
    /// Its name in the folder.
    File(String),
}

/// Reads a body to its end.
pub(super) async fn collect(mut body: Incoming, folder: &Path, count: &Cell<u64>) -> io::Result<Collected> {
    let mut memory = Vec::new();
    let mut file: Option<(File, String)> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| io::Error::other(format!("the request broke off: {error}")));
        let data = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => {
                if let Some((_, name)) = file {
                    let _ = std::fs::remove_file(folder.join(name));
                }
                return Err(error);
            }
        };
        if file.is_none() && memory.len() + data.len() > IN_MEMORY_BYTES {
            let name = format!("body-{}", count.replace(count.get() + 1));
            let mut options = OpenOptions::new();
            let mut begun =
                options.write(true).create(true).truncate(true).mode(0o600).open(folder.join(&name))?;
            begun.write_all(&std::mem::take(&mut memory))?;
            file = Some((begun, name));
        }
        match &mut file {
            Some((file, name)) => {
                if let Err(error) = file.write_all(&data) {
                    let _ = std::fs::remove_file(folder.join(name));
                    return Err(error);
                }
            }
            None => memory.extend_from_slice(&data),
        }
    }
    Ok(match file {
        Some((_, name)) => Collected::File(name),
        None => Collected::Memory(memory),
    })
}

/// A file as the body of a request.
#[derive(Debug)]
pub struct FileBody {
    file: File,
    left: u64,
}

impl FileBody {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        Ok(Self { file, left })
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let mut piece = vec![0; wanted];
        if let Err(error) = self.file.read_exact(&mut piece) {
            self.left = 0;
            return Poll::Ready(Some(Err(error)));
        }
        self.left -= wanted as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
