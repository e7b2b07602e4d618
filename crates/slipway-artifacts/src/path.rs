//! Names of artifacts, refused when they could mean anything but a place below the root.

use crate::error::{Error, Result};
use std::fmt;

/// Where unfinished uploads and half-removed folders lie, directly below the root. No artifact may be there.
pub(crate) const RESERVED_NAME: &str = ".slipway-uploads";

const PATH_LIMIT_BYTES: usize = 1024;
const COMPONENT_LIMIT_BYTES: usize = 255;

/// A relative path with `/` between components, each of which is a plain name.
///
/// The root itself is a path too, but only where a folder may be named: see [`ArtifactPath::parse_folder`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactPath(String);

impl ArtifactPath {
    /// The folder that everything lies in.
    pub const ROOT: Self = Self(String::new());

    /// Checks a path that was percent-decoded exactly once.
    ///
    /// # Errors
    /// [`Error::InvalidPath`], which says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        match problem(text) {
            None => Ok(Self(text.to_owned())),
            Some(reason) => Err(Error::invalid(text, reason)),
        }
    }

    /// As [`ArtifactPath::parse`], except that an empty text names the root.
    ///
    /// # Errors
    /// [`Error::InvalidPath`], which says what is wrong with it.
    pub fn parse_folder(text: &str) -> Result<Self> {
        if text.is_empty() { Ok(Self::ROOT) } else { Self::parse(text) }
    }

    /// The path that `mlflow-artifacts:/a/b` or `mlflow-artifacts://host:port/a/b` names.
    ///
    /// # Errors
    /// [`Error::InvalidPath`] for other schemes, for queries and fragments, and for a path that is not allowed.
    pub fn from_uri(uri: &str) -> Result<Self> {
        const SCHEME: &str = "mlflow-artifacts:";
        let rest = match uri.get(..SCHEME.len()) {
            Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => &uri[SCHEME.len()..],
            _ => return Err(Error::invalid(uri, "its scheme is not mlflow-artifacts")),
        };
        if rest.contains(['?', '#']) {
            return Err(Error::invalid(uri, "a query or a fragment has no meaning here"));
        }
        let path = match rest.strip_prefix("//") {
            Some(with_authority) => with_authority.split_once('/').map_or("", |(_, path)| path),
            None => match rest.strip_prefix('/') {
                Some(path) => path,
                None => return Err(Error::invalid(uri, "a `/` must follow the scheme")),
            },
        };
        Self::parse_folder(path.strip_suffix('/').unwrap_or(path)).map_err(|error| match error {
            Error::InvalidPath { reason, .. } => Error::invalid(uri, reason),
            other => other,
        })
    }

    /// The URI by which clients know this path.
    #[must_use]
    pub fn to_uri(&self) -> String {
        format!("mlflow-artifacts:/{}", self.0)
    }

    /// The path `below` this one.
    ///
    /// # Errors
    /// [`Error::InvalidPath`] when the whole becomes too long.
    pub fn join(&self, below: &Self) -> Result<Self> {
        match (self.is_root(), below.is_root()) {
            (true, _) => Ok(below.clone()),
            (_, true) => Ok(self.clone()),
            _ => Self::parse(&format!("{}/{}", self.0, below.0)),
        }
    }

    /// The text, without a leading `/`. Empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the folder that everything lies in.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last component. Empty for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder this lies in; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.split_last().map(|(parent, _)| parent)
    }

    pub(crate) fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    /// The folder this lies in and its name there; none for the root.
    pub(crate) fn split_last(&self) -> Option<(Self, &str)> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.rsplit_once('/') {
            Some((parent, name)) => (Self(parent.to_owned()), name),
            None => (Self::ROOT, self.0.as_str()),
        })
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// True for a name that can stand alone as a component, so that what is listed can also be asked for.
pub(crate) fn is_addressable(name: &str) -> bool {
    !name.contains('/') && component_problem(name).is_none() && escape_problem(name).is_none()
}

fn problem(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() >= PATH_LIMIT_BYTES {
        return Some("it is longer than 1023 bytes");
    }
    if text.starts_with('/') {
        return Some("it is absolute");
    }
    if let Some(reason) = escape_problem(text) {
        return Some(reason);
    }
    if let Some(reason) = text.split('/').find_map(component_problem) {
        return Some(reason);
    }
    let first = text.split('/').next().unwrap_or_default();
    first.eq_ignore_ascii_case(RESERVED_NAME).then_some("this name is kept for unfinished uploads")
}

fn component_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("a component is empty");
    }
    if name.len() > COMPONENT_LIMIT_BYTES {
        return Some("a component is longer than 255 bytes");
    }
    if name == "." || name == ".." {
        return Some("`.` and `..` are not names");
    }
    if name.contains('\\') {
        return Some("it contains a backslash");
    }
    if name.chars().any(char::is_control) {
        return Some("it contains a control character");
    }
    // Some systems drop these, which would make `.. ` or `...` something else than it looks.
    if name.ends_with(['.', ' ']) {
        return Some("a component ends with a dot or a space");
    }
    let mut chars = name.chars();
    if chars.next().is_some_and(|first| first.is_ascii_alphabetic()) && chars.next() == Some(':') {
        return Some("it names a drive");
    }
    None
}

/// Finds percent-encodings that would turn into something with a meaning if they were decoded once more, as
/// another program on the way to this path might do.
fn escape_problem(text: &str) -> Option<&'static str> {
    const REASON: &str = "it is percent-encoded more than once";
    let bytes = text.as_bytes();
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let digit = |offset: usize| bytes.get(at + offset).and_then(|byte| (*byte as char).to_digit(16));
        if matches!(bytes.get(at + 1), Some(b'u' | b'U')) && (2..6).all(|offset| digit(offset).is_some()) {
            return Some(REASON);
        }
        let (Some(high), Some(low)) = (digit(1), digit(2)) else { continue };
        match high * 16 + low {
            // Control characters, `%` again, and the first bytes of over-long forms of ASCII characters.
            0x00..=0x1f | 0x7f | 0x25 | 0xc0 | 0xc1 => return Some(REASON),
            0x2e | 0x2f | 0x5c => return Some(REASON),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    fn refused(text: &str) {
        let error = ArtifactPath::parse(text).expect_err(&format!("{text:?} must be refused"));
        assert!(matches!(error, Error::InvalidPath { .. }), "{text:?}: {error}");
    }

    #[test]
    fn ordinary_names_pass() {
        for text in [
            "a",
            "model/MLmodel",
            "1/0f3/artifacts/plots/roc curve.png",
            "ünï/日本語.txt",
            "a%20b",
            "50%",
            "100% sure.txt",
            "a;b",
            "x#y?z",
            "-rf",
            ".hidden",
            "...x",
            "ab:c",
            "sub/.slipway-uploads",
            "%zz",
        ] {
            assert_eq!(ArtifactPath::parse(text).expect(text).as_str(), text);
        }
    }

    #[test]
    fn every_way_out_is_refused() {
        for text in [
            "",
            "/",
            "/etc/passwd",
            "//etc",
            ".",
            "..",
            "../x",
            "a/..",
            "a/../b",
            "a/./b",
            "./a",
            "a//b",
            "a/",
            "a\\b",
            "..\\..\\x",
            "\\\\host\\share",
            "C:",
            "c:/x",
            "C:\\x",
            "a/C:/x",
            "a\0b",
            "\0",
            "a\nb",
            "a\rb",
            "a\u{1b}[2Jb",
            "a\u{7f}",
            "a\u{85}b",
            "%2e%2e/x",
            "%2E%2e/x",
            "..%2fx",
            "a%2Fb",
            "a%5cb",
            "a%5Cb",
            "a%00b",
            "%252e%252e/x",
            "%25252e",
            "a%0ab",
            "%c0%ae%c0%ae/x",
            "%C0%AF",
            "%u002e%u002e/x",
            "%U002F",
            ".. /x",
            "... ",
            "a./b",
            "a ",
            "a/b.",
            "x/...",
            ".slipway-uploads",
            ".SLIPWAY-Uploads/x",
            ".slipway-uploads/upload-1",
        ] {
            refused(text);
        }
        refused(&"x".repeat(1024));
        refused(&"x".repeat(256));
        refused(&vec!["abcd"; 205].join("/"));
        assert!(ArtifactPath::parse(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn a_long_hostile_path_is_shortened_in_the_message() {
        let error = ArtifactPath::parse(&"é".repeat(1_000_000)).expect_err("too long");
        assert!(error.to_string().len() < 500);
    }

    #[test]
    fn uris_are_mapped_to_paths() {
        for (uri, path) in [
            ("mlflow-artifacts:/1/run/artifacts", "1/run/artifacts"),
            ("mlflow-artifacts:///1/run", "1/run"),
            ("mlflow-artifacts://host:5000/1/run/", "1/run"),
            ("MLFLOW-ARTIFACTS:/1", "1"),
            ("mlflow-artifacts:/", ""),
            ("mlflow-artifacts://host", ""),
        ] {
            assert_eq!(ArtifactPath::from_uri(uri).expect(uri).as_str(), path, "{uri}");
        }
        for uri in [
            "",
            "1/run",
            "file:///etc",
            "s3://b/k",
            "mlflow-artifacts:",
            "mlflow-artifacts:1/run",
            "mlflow-artifacts:/../x",
            "mlflow-artifacts:/a/../../x",
            "mlflow-artifacts:/a?x=..",
            "mlflow-artifacts:/a#b",
            "mlflow-artifacts:/%2e%2e/x",
            "mlflow-artifacts:////etc/passwd",
            "mlflow-artifacts://host//etc",
            "ümlflow",
        ] {
            assert!(ArtifactPath::from_uri(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn joining_keeps_the_limits() {
        let half = ArtifactPath::parse(&vec!["abcd"; 150].join("/")).expect("fits");
        assert!(half.join(&half).is_err());
        let a = ArtifactPath::parse("a/b").expect("plain");
        assert_eq!(ArtifactPath::ROOT.join(&a).expect("root").as_str(), "a/b");
        assert_eq!(a.join(&ArtifactPath::ROOT).expect("root").as_str(), "a/b");
        assert_eq!(a.join(&a).expect("short").as_str(), "a/b/a/b");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_parsed_path_escapes(text in "([.]{0,3}|[a-z%/\\\\:]{0,6}|%2[eEfF5]|%5c|/|\\PC|\\x00| ){0,12}") {
            if let Ok(path) = ArtifactPath::parse(&text) {
                let mut decoded = path.as_str().to_owned();
                // However often anyone decodes it, it names something below the root.
                for _ in 0..4 {
                    let components: Vec<_> = Path::new(&decoded).components().collect();
                    prop_assert!(!components.is_empty());
                    for component in &components {
                        prop_assert!(matches!(component, Component::Normal(_)), "{:?} in {:?}", component, decoded);
                    }
                    decoded = decode_once(&decoded);
                }
                prop_assert_eq!(path.components().collect::<Vec<_>>().join("/"), path.as_str());
            }
        }
    }

    fn decode_once(text: &str) -> String {
        let bytes = text.as_bytes();
        let mut out = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            match (bytes[at], hex) {
                (b'%', Some(byte)) => {
                    out.push(byte);
                    at += 3;
                }
                (byte, _) => {
                    out.push(byte);
                    at += 1;
                }
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}
