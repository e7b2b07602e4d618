//! Bytes of artifacts, served so that a browser can show them but never run them with the app's rights.
//!
//! An `<img>` or `<iframe>` cannot send the token, so it gets an address with a ticket: random, good for the
//! artifacts of one run, and for an hour. Whatever lies behind it is shown in a sandbox without an origin.

use crate::error::{ApiFailure, ApiPath, ApiQuery, ApiResult};
use crate::look::archive;
use crate::places::Place;
use crate::state::{ServerState, now_ms};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use slipway_artifacts::{ArtifactPath, Download};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::ReaderStream;

const TICKET_LIFE_MS: i64 = 60 * 60 * 1000;
const TICKET_LIMIT: usize = 10_000;

/// What a stored page may do: show itself, its own pictures and styles.
const FILE_POLICY: &str = "sandbox; default-src 'none'; img-src data: 'self'; media-src data: 'self'; \
                           style-src 'unsafe-inline' 'self'; font-src data: 'self'; form-action 'none'; \
                           base-uri 'none'; frame-ancestors 'self'";
/// Characters that stay as they are in a path.
const PATH_SAFE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
/// Characters that stay as they are in the value of an extended header parameter (RFC 5987).
const PARAMETER_SAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Tickets that are good now.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    known: Mutex<HashMap<String, Ticket>>,
}

#[derive(Debug, Clone)]
struct Ticket {
    root: Place,
    expires_ms: i64,
}

impl Tickets {
    /// The address of a file below `root`, and until when it is good.
    pub(crate) fn link(&self, root: &Place, path: &ArtifactPath, now_ms: i64) -> (String, i64) {
        let (name, expires_ms) = self.ticket(root, now_ms);
        (format!("/files/{name}/{}", utf8_percent_encode(path.as_str(), PATH_SAFE)), expires_ms)
    }

    /// The address of everything in a folder below `root`, as one archive.
    pub(crate) fn archive_link(&self, root: &Place, folder: &ArtifactPath, now_ms: i64) -> (String, i64) {
        let (name, expires_ms) = self.ticket(root, now_ms);
        (format!("/files/{name}?folder={}", utf8_percent_encode(folder.as_str(), PARAMETER_SAFE)), expires_ms)
    }

    fn ticket(&self, root: &Place, now_ms: i64) -> (String, i64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, ticket| ticket.expires_ms > now_ms);
        // The same address for a while lets the browser keep what it has loaded.
        let fresh = known
            .iter()
            .find(|(_, ticket)| ticket.root == *root && ticket.expires_ms > now_ms + TICKET_LIFE_MS / 2)
            .map(|(name, ticket)| (name.clone(), ticket.expires_ms));
        fresh.unwrap_or_else(|| {
            if known.len() >= TICKET_LIMIT {
                let oldest = known.iter().min_by_key(|(_, ticket)| ticket.expires_ms);
                if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                    known.remove(&oldest);
                }
            }
            let name = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
            let expires_ms = now_ms + TICKET_LIFE_MS;
            known.insert(name.clone(), Ticket { root: root.clone(), expires_ms });
            (name, expires_ms)
        })
    }

    fn root(&self, name: &str, now_ms: i64) -> Option<Place> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).filter(|ticket| ticket.expires_ms > now_ms).map(|ticket| ticket.root.clone())
    }
}

/// Files by ticket.
pub(crate) fn router() -> Router<ServerState> {
    Router::new().route("/files/{ticket}/{*path}", get(file)).route("/files/{ticket}", get(archived))
}

#[derive(Debug, serde::Deserialize)]
struct FileQuery {
    /// Any value: save instead of show. More than a letter names the saved file.
    download: Option<String>,
}

async fn file(
    State(state): State<ServerState>,
    ApiPath((ticket, path)): ApiPath<(String, String)>,
    ApiQuery(query): ApiQuery<FileQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let root = root_of(&state, &ticket)?;
    let place = root.join(&ArtifactPath::parse(&path)?)?;
    let download = place.download().await?;
    let shown = if query.download.is_some() { Shown::Saved } else { Shown::Inline };
    let name = query.download.as_deref().filter(|name| name.len() > 1).unwrap_or(place.path().name());
    let mut response = respond(download, name, &headers, shown)?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(FILE_POLICY));
    response.headers_mut().insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    Ok(response)
}

#[derive(Debug, serde::Deserialize)]
struct ArchiveQuery {
    /// Below what the ticket is for; empty for all of it.
    #[serde(default)]
    folder: String,
}

/// A folder as one zip archive.
async fn archived(
    State(state): State<ServerState>,
    ApiPath(ticket): ApiPath<String>,
    ApiQuery(query): ApiQuery<ArchiveQuery>,
) -> ApiResult<Response> {
    let root = root_of(&state, &ticket)?;
    let folder = ArtifactPath::parse_folder(&query.folder)?;
    // The run's folder is called `artifacts`, its parent by the run's id.
    let parts: Vec<&str> = root.path().as_str().split('/').filter(|part| !part.is_empty()).collect();
    let run = parts.iter().rev().find(|part| **part != "artifacts").copied().unwrap_or("artifacts");
    let name = if folder.is_root() { format!("{run}.zip") } else { format!("{run}-{}.zip", folder.name()) };
    let blocks = archive::start(root.join(&folder)?);
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, disposition(&name, Shown::Saved)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(ReceiverStream::new(blocks))).into_response())
}

fn root_of(state: &ServerState, ticket: &str) -> ApiResult<Place> {
    state.tickets().root(ticket, now_ms()).ok_or_else(|| {
        ApiFailure::new(
            StatusCode::FORBIDDEN,
            crate::app::wire::ErrorCode::Forbidden,
            "this link is not good any more",
        )
        .hint("Open the file again from its run.")
    })
}

/// What a browser does with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Shows them.
    Inline,
    /// Saves them.
    Saved,
}

/// A file or the range of it that was asked for.
pub(crate) fn respond(
    download: Download,
    name: &str,
    asked: &HeaderMap,
    shown: Shown,
) -> ApiResult<Response> {
    let size = download.size_bytes();
    let tag = format!("\"{size:x}-{:x}\"", download.modified_ms());
    let mut headers = HeaderMap::new();
    let mut set = |name: header::HeaderName, value: &str| {
        // What cannot be a header value is left out; all of these are made of safe characters.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::ETAG, &tag);
    set(header::CACHE_CONTROL, "private, no-cache");
    set(header::ACCEPT_RANGES, "bytes");
    set(header::CONTENT_TYPE, &content_type(name));
    set(header::CONTENT_DISPOSITION, &disposition(name, shown));
    if let Ok(modified) = httpdate(download.modified_ms()) {
        set(header::LAST_MODIFIED, &modified);
    }
    let text = |name: header::HeaderName| asked.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag)) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let may_range = text(header::IF_RANGE).is_none_or(|known| known == tag);
    let range =
        text(header::RANGE).filter(|_| may_range).map_or(Asked::Whole, |range| parse_range(range, size));
    let (status, range) = match range {
        Asked::Whole => (StatusCode::OK, 0..size),
        Asked::Part(range) => {
            set(header::CONTENT_RANGE, &format!("bytes {}-{}/{size}", range.start, range.end - 1));
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Asked::Nothing => {
            set(header::CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    set(header::CONTENT_LENGTH, &(range.end - range.start).to_string());
    let reader = download.range_reader(range)?;
    Ok((status, headers, Body::from_stream(ReaderStream::with_capacity(reader, 64 * 1024))).into_response())
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    Nothing,
}

/// Reads a `Range` header. Several ranges, other units and nonsense are answered with the whole, as allowed.
fn parse_range(text: &str, size: u64) -> Asked {
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Asked::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.is_empty() => first..size,
        (Err(_), Ok(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Asked::Whole,
    };
    if range.start < range.end { Asked::Part(range) } else { Asked::Nothing }
}

/// Type by name. Scripts are text, so that nothing can load them as scripts.
fn content_type(name: &str) -> String {
    let guess = mime_guess::from_path(name).first();
    match guess {
        Some(mime) if matches!(mime.subtype().as_str(), "javascript" | "ecmascript" | "x-javascript") => {
            "text/plain; charset=utf-8".to_owned()
        }
        Some(mime) if mime.type_() == "text" || mime.subtype() == "json" || mime.subtype() == "xml" => {
            format!("{}; charset=utf-8", mime.essence_str())
        }
        Some(mime) => mime.essence_str().to_owned(),
        None => "application/octet-stream".to_owned(),
    }
}

/// `Content-Disposition` with a name that any program understands and the real one beside it.
fn disposition(name: &str, shown: Shown) -> String {
    let kind = if shown == Shown::Inline { "inline" } else { "attachment" };
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ' | '(' | ')') { c } else { '_' }
        })
        .collect();
    if plain == name {
        format!("{kind}; filename=\"{plain}\"")
    } else {
        format!(
            "{kind}; filename=\"{plain}\"; filename*=UTF-8''{}",
            utf8_percent_encode(name, PARAMETER_SAFE)
        )
    }
}

/// The date of HTTP headers, e.g. `Sun, 06 Nov 1994 08:49:37 GMT`.
fn httpdate(epoch_ms: i64) -> Result<String, std::num::TryFromIntError> {
    let seconds = u64::try_from(epoch_ms / 1000)?;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 1970-01-01 to a civil date, counted in eras of 400 years that start in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 2 } else { march_month - 10 };
    let year = year_of_era + era * 400 + u64::from(month < 2);
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    Ok(format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        DAYS[usize::try_from(days % 7)?],
        MONTHS[usize::try_from(month)?],
        second / 3600,
        second / 60 % 60,
        second % 60
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_browsers_write_them() {
        for (text, expected) in [
            ("bytes=0-4", Asked::Part(0..5)),
            ("bytes=5-", Asked::Part(5..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-99", Asked::Part(0..10)),
            ("bytes=8-99", Asked::Part(8..10)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=5-2", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("items=0-1", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=0-18446744073709551615", Asked::Part(0..10)),
        ] {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Asked::Nothing);
    }

    #[test]
    fn dates_are_written_as_http_wants_them() {
        for (ms, text) in [
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400_000, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_795_392_000_999, "Mon, 23 Nov 2026 00:00:00 GMT"),
        ] {
            assert_eq!(httpdate(ms).expect("after 1970"), text);
        }
    }

    #[test]
    fn names_cannot_break_out_of_the_header() {
        assert_eq!(disposition("roc curve.png", Shown::Inline), "inline; filename=\"roc curve.png\"");
        assert_eq!(
            disposition("a\"b;é.txt", Shown::Saved),
            "attachment; filename=\"a_b__.txt\"; filename*=UTF-8''a%22b%3B%C3%A9.txt"
        );
    }

    #[test]
    fn scripts_are_text() {
        for name in ["x.js", "x.mjs", "x.cjs"] {
            assert!(!content_type(name).contains("script"), "{name}: {}", content_type(name));
        }
        assert_eq!(content_type("x.html"), "text/html; charset=utf-8");
        assert_eq!(content_type("x.svg"), "image/svg+xml");
        assert_eq!(content_type("x.png"), "image/png");
        assert_eq!(content_type("MLmodel"), "application/octet-stream");
    }

    #[test]
    fn a_ticket_is_good_for_its_run_and_its_time() {
        let tickets = Tickets::default();
        let server = crate::testing::TestServer::new();
        let path = |text| ArtifactPath::parse(text).expect("path");
        let root = |text| Place::find(&server.state, &path(text).to_uri()).expect("place");
        let (url, expires_ms) = tickets.link(&root("1/a/artifacts"), &path("plots/ü b.png"), 1000);
        assert!(url.ends_with("/plots/%C3%BC%20b.png"), "{url}");
        let name = url.split('/').nth(2).expect("ticket");
        assert_eq!(name.len(), 64);
        assert_eq!(tickets.root(name, 1000), Some(root("1/a/artifacts")));
        assert_eq!(tickets.root(name, expires_ms), None);
        assert_eq!(tickets.root("0", 1000), None);
        let (again, _) = tickets.link(&root("1/a/artifacts"), &path("x"), 2000);
        assert!(again.contains(name), "the same run keeps its ticket for a while");
        let (later, _) = tickets.link(&root("1/a/artifacts"), &path("x"), 1000 + TICKET_LIFE_MS - 1);
        assert!(!later.contains(name));
        let (other, _) = tickets.link(&root("1/b/artifacts"), &path("x"), 2000);
        assert!(!other.contains(name));
    }
}
