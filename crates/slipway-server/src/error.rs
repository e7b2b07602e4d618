//! Refusals and failures of Slipway's own API, and the extractors that turn bad input into them.

use crate::app::wire::{ApiError, ErrorCode, FieldProblem, Span};
use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use std::ops::Range;

/// JSON bodies beyond this are refused.
pub(crate) const JSON_LIMIT_BYTES: usize = 64 << 20;

/// An error on its way to a client.
#[derive(Debug)]
pub(crate) struct ApiFailure {
    status: StatusCode,
    body: ApiError,
}

/// Result of a handler.
pub(crate) type ApiResult<T> = Result<T, ApiFailure>;

impl ApiFailure {
    pub(crate) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        // What was sent comes back in messages; nobody reads megabytes of it.
        const SHOWN_CHARS: usize = 2_000;
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(SHOWN_CHARS) {
            message.truncate(end);
            message.push('…');
        }
        Self { status, body: ApiError { code, message, hint: None, span: None, fields: Vec::new() } }
    }

    /// What was wrong, for a reader.
    pub(crate) fn message(&self) -> &str {
        &self.body.message
    }

    /// The request itself is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidInput, message)
    }

    /// What the request names is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    }

    /// It was understood, and is not allowed.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, ErrorCode::Refused, message)
    }

    /// Our own fault.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        tracing::error!("{message}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, message)
    }

    /// The body is larger than anything that makes sense.
    pub(crate) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::TooLarge,
            format!("the request body is larger than {} MiB", JSON_LIMIT_BYTES >> 20),
        )
        .hint("Split it up into several requests.")
    }

    /// What the client is told.
    pub(crate) fn body(&self) -> &ApiError {
        &self.body
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }

    /// Adds what is wrong with single fields.
    pub(crate) fn fields(mut self, fields: Vec<FieldProblem>) -> Self {
        self.body.fields = fields;
        self
    }

    /// Says where in `text` the error is, given as bytes.
    fn at(mut self, text: &str, bytes: Range<usize>) -> Self {
        let units = |end: usize| {
            let units = text
                .char_indices()
                .take_while(|(at, _)| *at < end)
                .map(|(_, c)| c.len_utf16())
                .sum::<usize>();
            u32::try_from(units).unwrap_or(u32::MAX)
        };
        self.body.span = Some(Span { start: units(bytes.start), end: units(bytes.end) });
        self
    }

    /// As `From<slipway_store::Error>`, with the place in the filter that the caller sent.
    pub(crate) fn from_search(error: slipway_store::Error, filter: &str) -> Self {
        let span = match &error {
            slipway_store::Error::Search(search) => search.span.clone(),
            _ => None,
        };
        let failure = Self::from(error);
        match span {
            Some(span) => failure.at(filter, span),
            None => failure,
        }
    }
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<slipway_store::Error> for ApiFailure {
    fn from(error: slipway_store::Error) -> Self {
        use slipway_store::Error;
        let message = error.to_string();
        match error {
            Error::NotFound(_) => Self::not_found(message),
            Error::AlreadyExists(_) => Self::new(StatusCode::CONFLICT, ErrorCode::AlreadyExists, message),
            Error::Invalid(_) => Self::invalid(message),
            Error::Refused { .. } | Error::HolderMoved { .. } => Self::refused(message),
            Error::Search(search) => {
                let failure = Self::invalid(message);
                match search.hint {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
            Error::DiskFull => Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::DiskFull, message),
            Error::ReadOnly(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::ReadOnly, message),
            Error::Closed => Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message),
            Error::Newer { .. }
            | Error::Foreign { .. }
            | Error::Corrupt(_)
            | Error::Io { .. }
            | Error::Sqlite(_) => Self::internal(message),
        }
    }
}

impl From<slipway_artifacts::Error> for ApiFailure {
    fn from(error: slipway_artifacts::Error) -> Self {
        use slipway_artifacts::Error;
        let message = error.to_string();
        match error {
            Error::InvalidPath { .. }
            | Error::IsDirectory(_)
            | Error::NotDirectory(_)
            | Error::InvalidPart(_) => Self::invalid(message),
            Error::NotFound(_) | Error::NoUpload(_) => Self::not_found(message),
            Error::DiskFull(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::DiskFull, message),
            Error::ReadOnly(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::ReadOnly, message),
            Error::Io { .. } => Self::internal(message),
        }
    }
}

/// A JSON body.
#[derive(Debug)]
pub(crate) struct ApiJson<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiFailure;

    async fn from_request(request: Request, _: &S) -> ApiResult<Self> {
        if !is_json(request.headers()) {
            return Err(ApiFailure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ErrorCode::InvalidInput,
                "the request has no JSON body",
            )
            .hint("Send it with the header `Content-Type: application/json`."));
        }
        let body = axum::body::to_bytes(request.into_body(), JSON_LIMIT_BYTES).await.map_err(|error| {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(found) = cause {
                if found.is::<http_body_util::LengthLimitError>() {
                    return ApiFailure::too_large();
                }
                cause = found.source();
            }
            ApiFailure::invalid(format!("the request body broke off: {error}"))
        })?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            use serde_json::error::Category;
            ApiFailure::invalid(match error.classify() {
                Category::Data => format!("the request body does not fit: {error}"),
                _ => format!("the request body is not valid JSON: {error}"),
            })
        })
    }
}

/// Whether the content type says JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// The query string.
#[derive(Debug)]
pub(crate) struct ApiQuery<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                Err(ApiFailure::invalid(format!("the query does not fit: {}", rejection.body_text())))
            }
        }
    }
}

/// The parts of the path that vary.
#[derive(Debug)]
pub(crate) struct ApiPath<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => {
                Err(ApiFailure::invalid(format!("the path does not fit: {}", rejection.body_text())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_count_utf16_units() {
        let text = "params.`é😀` = x";
        let at = text.find('x').expect("there");
        let failure = ApiFailure::invalid("wrong").at(text, at..at + 1);
        let span = failure.body.span.expect("span");
        let units: Vec<u16> = text.encode_utf16().collect();
        assert_eq!(units[span.start as usize..span.end as usize], [u16::from(b'x')]);
    }
}
