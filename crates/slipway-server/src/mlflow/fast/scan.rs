//! Batches byte by byte: the same as reading them by their types, in two thirds of the time.
//!
//! It takes only what training code nearly always sends: the four lists of a batch and the four fields of a metric, each
//! once and in any order, texts without escapes and numbers as JSON has them. Anything else is `None`, also what is
//! wrong, and is read by someone who takes more time.

use super::super::validate;
use super::{BATCH_ALL, BATCH_METRICS};
use slipway_store::{KeyValue, LogBatch, LoggedMetric, Point};

/// About what a metric takes in a body, at least: so that the list of them grows once.
const METRIC_BYTES: usize = 64;

/// What a batch holds, before the rules on the whole of it are checked.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) run_id: &'a str,
    pub(super) metrics: Vec<LoggedMetric>,
    pub(super) params: Vec<KeyValue>,
    pub(super) tags: Vec<KeyValue>,
}

/// The body of `runs/log-batch`.
pub(super) fn batch(body: &[u8]) -> Option<LogBatch> {
    let mut scan = Scan { text: std::str::from_utf8(body).ok()?, at: 0 };
    let (mut run_id, mut metrics, mut params, mut tags) = (None, None, None, None);
    scan.object(|scan| {
        if scan.is_field("\"run_id\"")? {
            once(&mut run_id, scan.text()?)
        } else if scan.is_field("\"metrics\"")? {
            once(&mut metrics, scan.metrics()?)
        } else if scan.is_field("\"params\"")? {
            once(&mut params, scan.pairs(validate::param_value)?)
        } else if scan.is_field("\"tags\"")? {
            once(&mut tags, scan.pairs(validate::run_tag_value)?)
        } else {
            None
        }
    })?;
    scan.end()?;
    super::checked(Batch {
        run_id: run_id?,
        metrics: metrics.unwrap_or_default(),
        params: params.unwrap_or_default(),
        tags: tags.unwrap_or_default(),
    })
}

/// Notes what a field says, unless it was there before.
fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// A JSON text and how far it was read.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// The next byte that is no space, which stays where it is.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Goes past this byte, if it is the next one.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then_some(())?;
        self.at += 1;
        Some(())
    }

    /// Nothing but space is left.
    fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// A text without escapes.
    fn text(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let (all, from) = (self.text, self.at);
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..=0x1f);
        let to = from + all.as_bytes().get(from..)?.iter().position(is_special)?;
        (all.as_bytes().get(to) == Some(&b'"')).then_some(())?;
        self.at = to + 1;
        all.get(from..to)
    }

    /// Whether the next field has this name, which is given with its quotes. If so, its value comes next.
    fn is_field(&mut self, quoted: &str) -> Option<bool> {
        self.peek()?;
        if !self.text.as_bytes().get(self.at..)?.starts_with(quoted.as_bytes()) {
            return Some(false);
        }
        self.at += quoted.len();
        self.take(b':').map(|()| true)
    }

    /// Reads each field of an object by `read`, name and value.
    fn object(&mut self, mut read: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            read(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.take(b'}'),
            }
        }
    }

    /// Reads each item of a list by `read`.
    fn list(&mut self, mut read: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            read(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.take(b']'),
            }
        }
    }

    /// An integer as JSON has it, where no integer is a negative zero. What follows it is for the caller to look at.
    fn integer(&mut self) -> Option<i64> {
        let is_negative = self.take(b'-').is_some();
        let digits = self.text.as_bytes().get(self.at..)?.iter().take_while(|byte| byte.is_ascii_digit());
        let (mut number, mut length) = (0_i64, 0);
        let sign = if is_negative { -1 } else { 1 };
        let begins_with_zero = digits.clone().next() == Some(&b'0');
        for digit in digits {
            number = number.checked_mul(10)?.checked_add(sign * i64::from(digit - b'0'))?;
            length += 1;
        }
        self.at += length;
        let is_json = length > 0 && !(begins_with_zero && (length > 1 || is_negative));
        is_json.then_some(number)
    }

    /// The text of a number as JSON has it.
    fn digits(&mut self) -> Option<&'a str> {
        self.peek()?;
        let (all, from) = (self.text, self.at);
        let bytes = all.as_bytes().get(from..)?;
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = bytes.iter().position(|byte| !is_part(byte))?;
        let bytes = bytes.get(..length)?;
        // Rust reads more than JSON allows: no digit before or behind a point, zeros in front, a plus sign.
        let is_json = match bytes.strip_prefix(b"-").unwrap_or(bytes) {
            [b'0', b'0'..=b'9', ..] => false,
            [b'0'..=b'9', rest @ ..] => {
                let point = rest.iter().position(|byte| *byte == b'.');
                point.is_none_or(|point| rest.get(point + 1).is_some_and(u8::is_ascii_digit))
            }
            _ => false,
        };
        self.at = from + length;
        if is_json { all.get(from..from + length) } else { None }
    }

    /// A float as clients write it: a number, or one of the three names.
    fn float(&mut self) -> Option<f64> {
        if self.peek()? == b'"' {
            return match self.text()? {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                _ => None,
            };
        }
        self.digits()?.parse().ok().filter(|value: &f64| value.is_finite())
    }

    fn metrics(&mut self) -> Option<Vec<LoggedMetric>> {
        let most = (self.text.len() - self.at) / METRIC_BYTES;
        let mut metrics = Vec::with_capacity(most.min(BATCH_METRICS));
        self.list(|scan| {
            let (mut key, mut value, mut time_ms, mut step) = (None, None, None, None);
            scan.object(|scan| {
                if scan.is_field("\"key\"")? {
                    once(&mut key, scan.text()?)
                } else if scan.is_field("\"value\"")? {
                    once(&mut value, scan.float()?)
                } else if scan.is_field("\"timestamp\"")? {
                    once(&mut time_ms, scan.integer()?)
                } else if scan.is_field("\"step\"")? {
                    once(&mut step, scan.integer()?)
                } else {
                    None
                }
            })?;
            let key = key.filter(|key| validate::is_plain_key(key))?;
            let time_ms = time_ms.filter(|time_ms| *time_ms >= 0)?;
            metrics.push(LoggedMetric {
                key: key.to_owned(),
                point: Point { step: step.unwrap_or(0), time_ms, value: value? },
                model_id: None,
                dataset_name: None,
                dataset_digest: None,
            });
            (metrics.len() <= BATCH_ALL).then_some(())
        })?;
        Some(metrics)
    }

    fn pairs(&mut self, cut: fn(&str) -> String) -> Option<Vec<KeyValue>> {
        let mut pairs = Vec::new();
        self.list(|scan| {
            let (mut key, mut value) = (None, None);
            scan.object(|scan| {
                if scan.is_field("\"key\"")? {
                    once(&mut key, scan.text()?)
                } else if scan.is_field("\"value\"")? {
                    once(&mut value, scan.text()?)
                } else {
                    None
                }
            })?;
            let key = key.filter(|key| validate::is_plain_key(key))?;
            pairs.push(KeyValue::new(key, value.map_or_else(String::new, cut)));
            (pairs.len() <= BATCH_ALL).then_some(())
        })?;
        Some(pairs)
    }
}
