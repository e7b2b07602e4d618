//! TensorBoard's event files.

use crate::report::Found;
use crate::sniff::{u32_at, u64_at};
use crate::walk::open;
use std::io;
use std::path::Path;

/// Counts the file for its folder when it starts with a whole record header.
pub(crate) fn event_file(path: &Path, folder: &str, found: &mut Found) -> io::Result<()> {
    let head = open(path)?.head(12)?;
    if starts_a_record(&head) {
        *found.event_folders.entry(folder.to_owned()).or_default() += 1;
    }
    Ok(())
}

/// A TFRecord starts with its length and a masked checksum of that length.
fn starts_a_record(head: &[u8]) -> bool {
    let (Some(length), Some(masked), Some(length_bytes)) = (u64_at(head, 0), u32_at(head, 8), head.get(..8))
    else {
        return false;
    };
    length < 1 << 31 && masked == mask(crc32c(length_bytes))
}

/// TFRecord's masking, so that a checksum over data with checksums in it stays strong.
fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: eight bytes a file are not worth a table.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnoli() {
        // The check value of the CRC catalogue.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
