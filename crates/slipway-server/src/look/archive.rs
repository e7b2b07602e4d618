//! Many files as one zip archive, made while it is sent: no more of it is in memory than a block.
//!
//! Files are stored, not compressed: models and pictures do not get smaller, and the network is mostly this machine.

use crate::places::Place;
use bytes::Bytes;
use slipway_artifacts::{ArtifactPath, Entry};
use std::io::{self, BufReader, Write};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

const BLOCK_BYTES: usize = 256 << 10;

/// What of an archive is ready, or why there is no more of it.
pub(crate) type Blocks = mpsc::Receiver<io::Result<Bytes>>;

/// Starts to make an archive of all files below a folder. It goes on as long as somebody reads.
pub(crate) fn start(folder: Place) -> Blocks {
    let (sender, receiver) = mpsc::channel(4);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe { sender: sender.clone(), block: Vec::with_capacity(BLOCK_BYTES) };
        if let Err(error) = write_all(&runtime, &folder, &mut pipe) {
            // Whoever reads sees a download that failed, not an archive that lacks files.
            let _ = sender.blocking_send(Err(error));
        }
    });
    receiver
}

fn write_all(runtime: &Handle, folder: &Place, pipe: &mut Pipe) -> io::Result<()> {
    let mut zip = ZipWriter::new_stream(&mut *pipe);
    // Folders that wait, each with its name in the archive.
    let mut waiting = vec![(folder.clone(), String::new())];
    while let Some((place, prefix)) = waiting.pop() {
        let entries = match runtime.block_on(place.list()) {
            Ok(entries) => entries,
            // Removed meanwhile, or a run that has stored nothing.
            Err(slipway_artifacts::Error::NotFound(_)) => continue,
            Err(error) => return Err(io::Error::other(error)),
        };
        for entry in entries {
            let below = ArtifactPath::parse(&entry.name).map_err(io::Error::other)?;
            let child = place.join(&below).map_err(io::Error::other)?;
            let name = format!("{prefix}{}", entry.name);
            if entry.is_dir {
                waiting.push((child, format!("{name}/")));
            } else {
                write_file(runtime, &mut zip, &child, &name, &entry)?;
            }
        }
    }
    zip.finish().map_err(io::Error::other)?;
    pipe.flush()
}

fn write_file(
    runtime: &Handle,
    zip: &mut ZipWriter<StreamWriter<&mut Pipe>>,
    place: &Place,
    name: &str,
    entry: &Entry,
) -> io::Result<()> {
    let download = match runtime.block_on(place.download()) {
        Ok(download) => download,
        Err(slipway_artifacts::Error::NotFound(_)) => return Ok(()),
        Err(error) => return Err(io::Error::other(error)),
    };
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(entry.size_bytes >= u64::from(u32::MAX) / 2)
        .last_modified_time(DateTime::default());
    zip.start_file(name, options).map_err(io::Error::other)?;
    let mut reader = BufReader::with_capacity(BLOCK_BYTES, download.into_file());
    io::copy(&mut reader, zip).map(drop)
}

/// Gathers what is written into blocks, and waits while the reader is behind.
struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    block: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.block.extend_from_slice(bytes);
        if self.block.len() >= BLOCK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK_BYTES));
        self.sender
            .blocking_send(Ok(block.into()))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads the archive any more"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestServer;
    use std::io::Read;

    async fn archive_of(server: &TestServer, folder: &str) -> Vec<u8> {
        let uri = ArtifactPath::parse(folder).unwrap().to_uri();
        let mut blocks = start(Place::find(&server.state, &uri).unwrap());
        let mut bytes = Vec::new();
        while let Some(block) = blocks.recv().await {
            bytes.extend_from_slice(&block.unwrap());
        }
        bytes
    }

    #[tokio::test]
    async fn an_archive_has_every_file_with_its_bytes() {
        let server = TestServer::new();
        let large: &'static [u8] = Vec::leak(vec![7_u8; 3 * BLOCK_BYTES + 5]);
        server.put("1/a/artifacts/model/weights.bin", large).await;
        server.put("1/a/artifacts/ü notes.txt", b"text").await;
        server.put("1/a/artifacts/empty", b"").await;
        server.put("1/b/artifacts/other.txt", b"of another run").await;
        let bytes = archive_of(&server, "1/a/artifacts").await;
        let mut zip = zip::ZipArchive::new(io::Cursor::new(bytes)).unwrap();
        let mut names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
        names.sort();
        assert_eq!(names, ["empty", "model/weights.bin", "ü notes.txt"]);
        let mut read = Vec::new();
        zip.by_name("model/weights.bin").unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, large);
    }

    #[tokio::test]
    async fn a_run_without_files_gives_an_empty_archive_and_a_reader_who_leaves_ends_it() {
        let server = TestServer::new();
        let bytes = archive_of(&server, "1/none/artifacts").await;
        assert_eq!(zip::ZipArchive::new(io::Cursor::new(bytes)).unwrap().len(), 0);
        let large: &'static [u8] = Vec::leak(vec![7_u8; 40 * BLOCK_BYTES]);
        server.put("1/a/artifacts/large", large).await;
        let uri = ArtifactPath::parse("1/a/artifacts").unwrap().to_uri();
        let mut blocks = start(Place::find(&server.state, &uri).unwrap());
        assert!(blocks.recv().await.unwrap().is_ok());
        drop(blocks);
    }
}
