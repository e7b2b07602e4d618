//! Gets a file from the web for a job that reads it.
//!
//! Somebody named the address for a job, so it may be one of this machine or of a private network. Where it leads from
//! there may not, unless it was one itself: a server on the internet must not send us to a neighbour.

use crate::webhooks::{Refused, check_url, guarded_agent};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use ureq::http::header::{CONTENT_LENGTH, LOCATION};
use ureq::http::{Response, Uri};
use ureq::{Body, Error};

/// All of a file, with every redirect.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);
const MOST_GIB: u64 = 8;
const MOST_BYTES: u64 = MOST_GIB << 30;
const MOST_REDIRECTS: usize = 5;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebError {
    #[error(transparent)]
    Address(Refused),
    #[error("`{0}` leads on to `{1}`, which is on this machine or in a private network")]
    LedInside(String, String),
    #[error("`{0}` leads on more than {MOST_REDIRECTS} times")]
    TooManyRedirects(String),
    #[error("`{0}` leads on to an address that cannot be understood")]
    BadRedirect(String),
    #[error("`{0}` answered with status {1}")]
    Status(String, u16),
    #[error("`{0}` has more than {MOST_GIB} GiB; download it first, and name the local file")]
    TooLarge(String),
    #[error("`{0}` cannot be downloaded: {1}")]
    Failed(String, Box<Error>),
    #[error("`{0}` is not whole: {1}")]
    Read(String, io::Error),
    #[error("`{0}` is not wanted any more")]
    GivenUp(String),
    #[error("it cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// What is at an address, in a file without a name below a folder. Blocks its thread, until `stop` says that nobody
/// wants it any more.
pub(super) fn download(url: &str, folder: &Path, stop: &CancellationToken) -> Result<File, WebError> {
    let answer = answer(url)?;
    let told = answer.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if told.is_some_and(|bytes: u64| bytes > MOST_BYTES) {
        return Err(WebError::TooLarge(url.to_owned()));
    }
    let mut file = tempfile::tempfile_in(folder)?;
    copy(url, answer.into_body().into_reader(), &mut file, MOST_BYTES, stop)?;
    file.rewind()?;
    Ok(file)
}

fn copy(
    url: &str,
    from: impl Read,
    to: &mut File,
    most_bytes: u64,
    stop: &CancellationToken,
) -> Result<(), WebError> {
    let mut from = from.take(most_bytes + 1);
    let mut piece = vec![0; 256 << 10];
    let mut written = 0;
    loop {
        let count = from.read(&mut piece).map_err(|error| WebError::Read(url.to_owned(), error))?;
        if count == 0 {
            return Ok(());
        }
        if stop.is_cancelled() {
            return Err(WebError::GivenUp(url.to_owned()));
        }
        written += count as u64;
        if written > most_bytes {
            return Err(WebError::TooLarge(url.to_owned()));
        }
        to.write_all(piece.get(..count).unwrap_or_default())?;
    }
}

/// The answer with the file, behind all redirects.
fn answer(url: &str) -> Result<Response<Body>, WebError> {
    let began = std::time::Instant::now();
    let mut here = url.to_owned();
    // Only the address that was given may be inside; where it leads, when it was.
    let mut may_be_inside = false;
    for hop in 0..=MOST_REDIRECTS {
        check_url(&here, true).map_err(WebError::Address)?;
        let left = PATIENCE.saturating_sub(began.elapsed());
        let mut asked = ask(&here, may_be_inside, left);
        if hop == 0 && asked.as_ref().is_err_and(is_inside) {
            may_be_inside = true;
            asked = ask(&here, true, left);
        }
        let answer = asked.map_err(|error| match is_inside(&error) {
            true if hop > 0 => WebError::LedInside(url.to_owned(), here.clone()),
            _ => WebError::Failed(here.clone(), Box::new(error)),
        })?;
        match answer.status().as_u16() {
            200 => return Ok(answer),
            301 | 302 | 303 | 307 | 308 => {
                let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                let next = to.and_then(|to| led_to(&here, to));
                here = next.ok_or_else(|| WebError::BadRedirect(here.clone()))?;
            }
            status => return Err(WebError::Status(here, status)),
        }
    }
    Err(WebError::TooManyRedirects(url.to_owned()))
}

fn ask(url: &str, may_be_inside: bool, patience: Duration) -> Result<Response<Body>, Error> {
    guarded_agent(may_be_inside, patience, CONNECT_PATIENCE).get(url).call()
}

fn is_inside(error: &Error) -> bool {
    matches!(error, Error::Other(inner) if matches!(inner.downcast_ref(), Some(Refused::Private(_))))
}

/// Where a redirect leads: a whole address, or a path of the same server.
fn led_to(from: &str, to: &str) -> Option<String> {
    let here: Uri = from.parse().ok()?;
    let (scheme, authority) = (here.scheme_str()?, here.authority()?);
    if to.contains("://") {
        return Some(to.to_owned());
    }
    if to.starts_with("//") {
        return Some(format!("{scheme}:{to}"));
    }
    if to.starts_with('/') {
        return Some(format!("{scheme}://{authority}{to}"));
    }
    let folder = here.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    Some(format!("{scheme}://{authority}{folder}/{to}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_where_they_say() {
        for (to, place) in [
            ("https://other.org/x", "https://other.org/x"),
            ("//other.org/x", "http://other.org/x"),
            ("/y?z=1", "http://example.org:8080/y?z=1"),
            ("y", "http://example.org:8080/a/y"),
        ] {
            assert_eq!(led_to("http://example.org:8080/a/b", to).as_deref(), Some(place), "{to}");
        }
        assert_eq!(led_to("no address", "/x"), None);
    }

    #[test]
    fn only_an_address_that_was_given_may_be_inside() {
        assert!(ask("http://127.0.0.1:9/x", false, PATIENCE).is_err_and(|error| is_inside(&error)));
        // Nobody listens there, but it is asked.
        assert!(ask("http://127.0.0.1:9/x", true, PATIENCE).is_err_and(|error| !is_inside(&error)));
    }

    #[test]
    fn what_is_too_large_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let file = || File::create(folder.path().join("x")).unwrap();
        let stop = CancellationToken::new();
        assert!(copy("u", &b"123"[..], &mut file(), 3, &stop).is_ok());
        assert!(matches!(copy("u", &b"1234"[..], &mut file(), 3, &stop), Err(WebError::TooLarge(_))));
        stop.cancel();
        assert!(matches!(copy("u", &b"123"[..], &mut file(), 3, &stop), Err(WebError::GivenUp(_))));
    }
}
