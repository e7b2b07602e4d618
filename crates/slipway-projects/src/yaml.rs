//! YAML as small trees that remember their lines, within limits, and read as YAML 1.1 reads them.
//!
//! MLflow reads its files with a YAML 1.1 reader and turns what it read into text again, so `0.10` becomes `0.1`
//! and `1e-3` stays `1e-3`. [`Scalar::shown`] gives exactly those texts. References are shared, never copied, and a
//! file that would unfold into more than [`MAX_NODES`] nodes is refused.

use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Files that describe projects and environments are smaller than this.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 20;
/// Nodes that a file may have once all its references are followed.
const MAX_NODES: u64 = 100_000;
/// Levels of nesting.
const MAX_DEPTH: usize = 64;

/// What is wrong with a file that describes a project or an environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}`{}: {problem}", .file.display(), .line.map(|line| format!(" line {line}")).unwrap_or_default())]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// Where in it, counted from 1, when that is known.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub problem: String,
}

impl FileError {
    pub(crate) fn new(file: &Path, line: Option<usize>, problem: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, problem: problem.into() }
    }
}

/// A value and the line it begins on.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
    /// Nodes below and including this one, with every reference followed.
    size: u64,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    /// In the order of the file; a key that comes twice counts the last time.
    Map(Vec<(String, Rc<Node>)>),
}

/// A single value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    text: String,
    /// Written without quotes, so it may mean a number, a truth or nothing.
    plain: bool,
}

/// Reads a file whole, when it is a text of a sensible length.
pub(crate) fn read_text(file: &Path) -> Result<String, FileError> {
    let fail = |problem: String| FileError::new(file, None, problem);
    let mut open =
        crate::sniff::Sniffed::open(file).map_err(|error| fail(format!("cannot be read: {error}")))?;
    if open.size_bytes() > MAX_FILE_BYTES {
        return Err(fail(format!(
            "it is {} long; such files are at most 1 MB, so this is probably another kind of file",
            crate::report::size(open.size_bytes())
        )));
    }
    open.text(MAX_FILE_BYTES)
        .map_err(|error| fail(format!("cannot be read: {error}")))?
        .ok_or_else(|| fail("it is not a text in UTF-8; save it again as UTF-8".to_owned()))
}

/// The first document of a text. `None` when it is empty.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Option<Rc<Node>>, FileError> {
    let mut tree = Tree { file, open: Vec::new(), anchors: HashMap::new(), root: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            FileError::new(
                file,
                Some(error.marker().line()),
                format!("this is not valid YAML: {}", error.info()),
            )
        })?;
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = matches!(style, ScalarStyle::Plain) && tag.is_none();
                let scalar = Scalar { text: text.into_owned(), plain };
                tree.add(Node { line, value: Value::Scalar(scalar), size: 1 }, anchor)?;
            }
            Event::SequenceStart(anchor, _) => tree.open(line, anchor, Value::List(Vec::new()))?,
            Event::MappingStart(anchor, _) => tree.open(line, anchor, Value::Map(Vec::new()))?,
            Event::SequenceEnd | Event::MappingEnd => tree.close()?,
            Event::Alias(anchor) => tree.refer(line, anchor)?,
            Event::DocumentEnd => break,
            _ => {}
        }
    }
    Ok(tree.root.filter(|root| !matches!(&root.value, Value::Scalar(scalar) if scalar.is_null())))
}

struct Open {
    line: usize,
    anchor: usize,
    value: Value,
    key: Option<String>,
    size: u64,
}

struct Tree<'a> {
    file: &'a Path,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

impl Tree<'_> {
    fn fail(&self, line: usize, problem: &str) -> FileError {
        FileError::new(self.file, Some(line), problem)
    }

    fn open(&mut self, line: usize, anchor: usize, value: Value) -> Result<(), FileError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.fail(line, "it is nested more than 64 levels deep; such files need about five"));
        }
        self.open.push(Open { line, anchor, value, key: None, size: 1 });
        Ok(())
    }

    fn close(&mut self) -> Result<(), FileError> {
        let Some(done) = self.open.pop() else { return Ok(()) };
        self.add(Node { line: done.line, value: done.value, size: done.size }, done.anchor)
    }

    fn refer(&mut self, line: usize, anchor: usize) -> Result<(), FileError> {
        match self.anchors.get(&anchor).cloned() {
            Some(node) => self.attach(node),
            None => {
                Err(self.fail(line, "an alias refers to something that contains it; write the value out"))
            }
        }
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), FileError> {
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(node)
    }

    fn attach(&mut self, node: Rc<Node>) -> Result<(), FileError> {
        let line = node.line;
        let Some(parent) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        parent.size = parent.size.saturating_add(node.size);
        let is_too_large = parent.size > MAX_NODES;
        let mut problem = None;
        match (&mut parent.value, parent.key.take()) {
            (Value::List(items), _) => items.push(node),
            (Value::Map(entries), Some(key)) => {
                entries.retain(|(known, _)| *known != key);
                entries.push((key, node));
            }
            (Value::Map(_), None) => match &node.value {
                Value::Scalar(scalar) => parent.key = Some(scalar.shown()),
                _ => problem = Some("a key must be a single word"),
            },
            (Value::Scalar(_), _) => {}
        }
        if is_too_large {
            problem = Some("its references unfold into more than 100,000 values; write out what is needed");
        }
        problem.map_or(Ok(()), |problem| Err(self.fail(line, problem)))
    }
}

impl Node {
    /// The value under a key, unless that is null.
    pub(crate) fn get(&self, key: &str) -> Option<&Rc<Node>> {
        let entries = self.entries()?;
        entries.iter().find(|(known, _)| known == key).map(|(_, node)| node).filter(|node| !node.is_null())
    }

    pub(crate) fn entries(&self) -> Option<&[(String, Rc<Node>)]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> Option<&[Rc<Node>]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_null)
    }

    /// The text of a single value as MLflow would show it.
    pub(crate) fn text(&self) -> Option<String> {
        self.scalar().filter(|scalar| !scalar.is_null()).map(Scalar::shown)
    }
}

impl Scalar {
    /// As it stands in the file.
    pub(crate) fn raw(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// Whether it is a text, not a number or a truth.
    pub(crate) fn is_text(&self) -> bool {
        !self.plain
            || (truth(&self.text).is_none() && integer(&self.text).is_none() && float(&self.text).is_none())
    }

    /// What Python's `str()` makes of the value that a YAML 1.1 reader finds.
    pub(crate) fn shown(&self) -> String {
        if !self.plain {
            return self.text.clone();
        }
        if self.is_null() {
            return "None".to_owned();
        }
        if let Some(truth) = truth(&self.text) {
            return if truth { "True" } else { "False" }.to_owned();
        }
        if let Some(integer) = integer(&self.text) {
            return integer;
        }
        float(&self.text).map_or_else(|| self.text.clone(), python_float)
    }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Decimal digits of what YAML 1.1 takes for an integer: decimal, octal with a leading 0, hexadecimal, binary,
/// and minutes and seconds.
fn integer(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let radix = |digits: &str, radix: u32| {
        let plain = digits.replace('_', "");
        u128::from_str_radix(&plain, radix).ok().map(|value| value.to_string())
    };
    let value = if let Some(hex) = digits.strip_prefix("0x") {
        radix(hex, 16)?
    } else if let Some(binary) = digits.strip_prefix("0b") {
        radix(binary, 2)?
    } else if digits.contains(':') {
        sexagesimal(digits)?
    } else if digits.len() > 1 && digits.starts_with('0') {
        radix(digits, 8)?
    } else {
        let plain = digits.replace('_', "");
        // Python's integers have no limit, and a decimal one reads as it is written.
        plain.bytes().all(|byte| byte.is_ascii_digit()).then_some(plain)?
    };
    Some(if value == "0" { value } else { format!("{sign}{value}") })
}

fn sexagesimal(digits: &str) -> Option<String> {
    let mut parts = digits.split(':');
    let first = parts.next()?.replace('_', "");
    if first.starts_with('0') {
        return None;
    }
    let mut value: u128 = first.parse().ok()?;
    for part in parts {
        let part = Some(part).filter(|part| (1..=2).contains(&part.len()))?;
        let below: u128 = part.parse().ok().filter(|below| *below < 60)?;
        value = value.checked_mul(60)?.checked_add(below)?;
    }
    Some(value.to_string())
}

/// What YAML 1.1 takes for a float: there is a point, and an exponent carries a sign.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['-', '+']);
    if text.len() - unsigned.len() > 1 {
        return None;
    }
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return (unsigned.len() == text.len()).then_some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let has_signed_exponent = exponent.is_none_or(|exponent| {
        exponent.starts_with(['-', '+'])
            && exponent.len() > 1
            && exponent.get(1..).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let begins = whole.starts_with(|first: char| first.is_ascii_digit())
        || (whole.is_empty() && fraction.starts_with(|first: char| first.is_ascii_digit()));
    if !(has_signed_exponent && begins && digits(whole) && digits(fraction)) {
        return None;
    }
    let value: f64 = unsigned.replace('_', "").parse().ok()?;
    Some(sign * value)
}

/// What Python's `repr` makes of a float.
pub(crate) fn python_float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Scalar { text: text.to_owned(), plain: true }.shown()
    }

    /// The right sides were printed by `str(yaml.safe_load(left))`.
    #[test]
    fn plain_values_read_as_yaml_1_1_and_show_as_python() {
        for (written, read) in [
            ("0.5", "0.5"),
            ("0.10", "0.1"),
            ("1e-3", "1e-3"),
            ("1.0e-3", "0.001"),
            ("1.0e-5", "1e-05"),
            ("1.5e+20", "1.5e+20"),
            ("1.0e5", "1.0e5"),
            ("1.e+3", "1000.0"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("010", "8"),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("09", "09"),
            ("190:20:30", "685230"),
            ("12:30", "750"),
            ("yes", "True"),
            ("off", "False"),
            ("y", "y"),
            ("True", "True"),
            ("~", "None"),
            (".inf", "inf"),
            ("-.INF", "-inf"),
            (".nan", "nan"),
            ("+12", "12"),
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("3.10", "3.1"),
            (
                "100000000000000000000000000000000000000000000",
                "100000000000000000000000000000000000000000000",
            ),
            ("a b", "a b"),
            ("-", "-"),
            (".", "."),
            ("1.2.3", "1.2.3"),
        ] {
            assert_eq!(shown(written), read, "{written}");
        }
        assert_eq!(python_float(123_456_789_012_345_680.0), "1.2345678901234568e+17");
    }

    #[test]
    fn bombs_loops_and_depths_are_refused_with_their_line() {
        let file = Path::new("MLproject");
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..30 {
            let all = vec![format!("*a{}", level - 1); 10].join(",");
            bomb.push_str(&format!("a{level}: &a{level} [{all}]\n"));
        }
        let error = parse(file, &bomb).expect_err("a bomb").to_string();
        assert!(
            error.contains("unfold into more than 100,000 values") && error.contains("line 4"),
            "{error}"
        );
        let deep = parse(file, &"[".repeat(5000)).expect_err("deep").to_string();
        assert!(deep.contains("MLproject"), "{deep}");
        assert!(parse(file, "a: &a [*a]").is_err());
        assert!(parse(file, "a: b: c").expect_err("broken").to_string().contains("line 1"));
        assert!(parse(file, "").expect("empty").is_none());
    }
}
