//! Reading files within limits.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Texts that are parsed whole (YAML, TOML) are smaller than this.
pub(crate) const MAX_TEXT_BYTES: u64 = 4 << 20;

/// A regular file that is being looked at.
pub(crate) struct Sniffed {
    file: File,
    size_bytes: u64,
}

impl Sniffed {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(Self { size_bytes: metadata.len(), file })
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The first bytes, fewer when the file is shorter.
    pub(crate) fn head(&mut self, max_bytes: u64) -> io::Result<Vec<u8>> {
        self.read_from(SeekFrom::Start(0), max_bytes)
    }

    /// The last bytes, fewer when the file is shorter.
    pub(crate) fn tail(&mut self, max_bytes: u64) -> io::Result<Vec<u8>> {
        self.read_from(SeekFrom::Start(self.size_bytes.saturating_sub(max_bytes)), max_bytes)
    }

    /// The whole file as text, or nothing when it is longer than `max_bytes` or not UTF-8.
    pub(crate) fn text(&mut self, max_bytes: u64) -> io::Result<Option<String>> {
        if self.size_bytes > max_bytes {
            return Ok(None);
        }
        // The file may grow while it is read, so the limit holds for the reading too.
        let bytes = self.read_from(SeekFrom::Start(0), max_bytes)?;
        let text = String::from_utf8(bytes).ok();
        Ok(text.map(|text| text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)))
    }

    fn read_from(&mut self, position: SeekFrom, max_bytes: u64) -> io::Result<Vec<u8>> {
        self.file.seek(position)?;
        let mut bytes = Vec::new();
        (&mut self.file).take(max_bytes).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Whether `needle` occurs in `haystack`.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|window| window == needle)
}

/// The little-endian number at `offset`.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..offset.checked_add(4)?)?.try_into().ok()?))
}

/// The little-endian number at `offset`.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset.checked_add(8)?)?.try_into().ok()?))
}
