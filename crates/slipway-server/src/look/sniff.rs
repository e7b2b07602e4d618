//! What a file is, by its first bytes. A name is only a claim.

use crate::app::wire::Preview;

/// How much of a file is looked at.
pub(crate) const HEAD_BYTES: usize = 4 << 10;

const MAGIC: [(&[u8], Preview, &str); 19] = [
    (b"\x89PNG\r\n\x1a\n", Preview::Image, "a PNG image"),
    (b"\xff\xd8\xff", Preview::Image, "a JPEG image"),
    (b"GIF8", Preview::Image, "a GIF image"),
    (b"BM", Preview::Image, "a BMP image"),
    (b"\x00\x00\x01\x00", Preview::Image, "an icon"),
    (b"%PDF-", Preview::Pdf, "a PDF document"),
    (b"PAR1", Preview::Parquet, "a Parquet file"),
    (b"OggS", Preview::Audio, "an Ogg file"),
    (b"fLaC", Preview::Audio, "a FLAC file"),
    (b"ID3", Preview::Audio, "an MP3 file"),
    (b"\xff\xfb", Preview::Audio, "an MP3 file"),
    (b"\xff\xf3", Preview::Audio, "an MP3 file"),
    (b"\x1a\x45\xdf\xa3", Preview::Video, "a Matroska or WebM video"),
    (b"PK\x03\x04", Preview::None, "a zip archive"),
    (b"\x1f\x8b", Preview::None, "a gzip archive"),
    (b"\x80\x04", Preview::None, "a pickle"),
    (b"\x80\x05", Preview::None, "a pickle"),
    (b"\x93NUMPY", Preview::None, "a NumPy array"),
    (b"\x89HDF\r\n\x1a\n", Preview::None, "an HDF5 file"),
];

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sniffed {
    /// How it can be shown.
    pub(crate) preview: Preview,
    /// Why it is not shown as its name says.
    pub(crate) mismatch: Option<String>,
    /// What the bytes are, in words; absent for text and for what nothing is known of.
    pub(crate) is: Option<&'static str>,
}

/// Holds what the name says against how the file starts.
pub(crate) fn sniff(claimed: Preview, head: &[u8]) -> Sniffed {
    let found = known(head);
    let is_text = found.is_none() && looks_like_text(head);
    let is = found.map(|(_, words)| words);
    let what = is.unwrap_or(if head.is_empty() {
        "empty"
    } else if is_text {
        "text"
    } else {
        "other data"
    });
    let fits = |preview, mismatch: &str| Sniffed {
        preview,
        mismatch: (!mismatch.is_empty()).then(|| format!("Its name says {mismatch}, but it is {what}.")),
        is,
    };
    // What a file that is not what it claims is shown as.
    let real = match found {
        Some((preview, _)) => preview,
        None if is_text => Preview::Text,
        None => Preview::None,
    };
    match claimed {
        Preview::Image if is_svg(head) && is_text => fits(Preview::Image, ""),
        // AVIF and the like have no entry of their own.
        Preview::Image if real == Preview::Image || is_iso_media(head) => fits(Preview::Image, ""),
        Preview::Image => fits(real, "image"),
        Preview::Pdf if real == Preview::Pdf => fits(Preview::Pdf, ""),
        Preview::Pdf => fits(real, "PDF"),
        Preview::Parquet if real == Preview::Parquet => fits(Preview::Parquet, ""),
        Preview::Parquet => fits(real, "Parquet"),
        Preview::Audio | Preview::Video
            if matches!(real, Preview::Audio | Preview::Video) || is_iso_media(head) || is_adts(head) =>
        {
            fits(claimed, "")
        }
        Preview::Audio => fits(real, "sound"),
        Preview::Video => fits(real, "video"),
        Preview::Text
        | Preview::Csv
        | Preview::Json
        | Preview::Html
        | Preview::Notebook
        | Preview::Markdown
            if is_text || head.is_empty() =>
        {
            fits(claimed, "")
        }
        Preview::Csv
        | Preview::Json
        | Preview::Html
        | Preview::Notebook
        | Preview::Markdown
        | Preview::Text => {
            // Text in another encoding is still shown as text, with what cannot be read replaced.
            let shown = if found.is_none() && !head.contains(&0) { Preview::Text } else { real };
            fits(shown, "text")
        }
        Preview::None => fits(real, ""),
    }
}

fn known(head: &[u8]) -> Option<(Preview, &'static str)> {
    if head.starts_with(b"RIFF") {
        return match head.get(8..12) {
            Some(b"WEBP") => Some((Preview::Image, "a WebP image")),
            Some(b"WAVE") => Some((Preview::Audio, "a WAV file")),
            Some(b"AVI ") => Some((Preview::None, "an AVI video")),
            _ => None,
        };
    }
    let (_, preview, words) = MAGIC.iter().find(|(magic, ..)| head.starts_with(magic))?;
    // Two letters are also how a text may start.
    (*words != "a BMP image" || head.contains(&0)).then_some((*preview, *words))
}

fn is_iso_media(head: &[u8]) -> bool {
    head.get(4..8) == Some(b"ftyp")
}

fn is_adts(head: &[u8]) -> bool {
    matches!(head, [0xff, second, ..] if second & 0xe0 == 0xe0)
}

fn is_svg(head: &[u8]) -> bool {
    memchr::memmem::find(head, b"<svg").is_some()
}

/// UTF-8 without control characters that no text has; it may be cut off within a character.
fn looks_like_text(head: &[u8]) -> bool {
    let end = match std::str::from_utf8(head) {
        Ok(_) => head.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return false,
    };
    let odd = |byte: &u8| *byte < 0x20 && !matches!(*byte, b'\n' | b'\r' | b'\t' | 0x0c | 0x1b | 0x08);
    !head.is_empty() && !head.get(..end).unwrap_or_default().iter().any(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_really_are() {
        for (claimed, head, preview, mismatch) in [
            (Preview::Image, b"\x89PNG\r\n\x1a\n..".as_slice(), Preview::Image, false),
            (Preview::Image, b"<svg xmlns='x'/>", Preview::Image, false),
            (Preview::Image, b"<html><script>", Preview::Text, true),
            (Preview::Image, b"\x00\x01\x02", Preview::None, true),
            (Preview::Image, b"", Preview::None, true),
            (Preview::Image, b"RIFF....WEBPVP8", Preview::Image, false),
            (Preview::Pdf, b"%PDF-1.7", Preview::Pdf, false),
            (Preview::Pdf, b"PK\x03\x04", Preview::None, true),
            (Preview::Csv, b"a,b\n1,2\n", Preview::Csv, false),
            (Preview::Csv, b"\x80\x04\x95", Preview::None, true),
            (Preview::Csv, b"na\xefve,b\n", Preview::Text, true),
            (Preview::Parquet, b"PAR1\x15", Preview::Parquet, false),
            (Preview::Parquet, b"nothing", Preview::Text, true),
            (Preview::None, b"print('x')\n", Preview::Text, false),
            (Preview::None, b"\x89PNG\r\n\x1a\n..", Preview::Image, false),
            (Preview::None, b"BM and more words", Preview::Text, false),
            (Preview::Audio, b"RIFF....WAVEfmt ", Preview::Audio, false),
            (Preview::Video, b"\x00\x00\x00\x18ftypmp42", Preview::Video, false),
            (Preview::Video, b"text", Preview::Text, true),
        ] {
            let found = sniff(claimed, head);
            assert_eq!(
                (found.preview, found.mismatch.is_some()),
                (preview, mismatch),
                "{claimed:?} {head:?}"
            );
        }
        // Cut off within a character.
        assert_eq!(sniff(Preview::None, &"é".as_bytes()[..1]).preview, Preview::Text);
    }
}
