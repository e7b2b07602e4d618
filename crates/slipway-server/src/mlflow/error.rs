//! Errors in the shape that MLflow's clients read: a code, a message, and the HTTP status that goes with the code.
//!
//! Clients retry 5xx answers for minutes, so whatever the caller can mend is a 4xx here.

use crate::places::PlaceError;
use axum::extract::rejection::PathRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use slipway_artifacts::Error as ArtifactError;
use slipway_store::{Error as StoreError, Missing};

/// MLflow's error codes, as far as Slipway answers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    InvalidParameterValue,
    BadRequest,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    ResourceConflict,
    EndpointNotFound,
    PermissionDenied,
    NotImplemented,
    InternalError,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::InvalidParameterValue => "INVALID_PARAMETER_VALUE",
            Self::BadRequest => "BAD_REQUEST",
            Self::ResourceAlreadyExists => "RESOURCE_ALREADY_EXISTS",
            Self::ResourceDoesNotExist => "RESOURCE_DOES_NOT_EXIST",
            Self::ResourceConflict => "RESOURCE_CONFLICT",
            Self::EndpointNotFound => "ENDPOINT_NOT_FOUND",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::BadRequest => "INVALID_PARAMETER_VALUE",
            Self::ResourceDoesNotExist => "RESOURCE_NOT_FOUND",
            Self::InternalError => "CLIENT_INTERNAL_ERROR",
            other => other.name(),
        }
    }

    fn sqlstate(self) -> &'static str {
        match self {
            Self::InternalError => "XXM00",
            _ => "KAM00",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidParameterValue | Self::BadRequest | Self::ResourceAlreadyExists => {
                StatusCode::BAD_REQUEST
            }
            Self::ResourceDoesNotExist | Self::EndpointNotFound => StatusCode::NOT_FOUND,
            Self::ResourceConflict => StatusCode::CONFLICT,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error on its way to a client.
#[derive(Debug)]
pub(super) struct MlflowError {
    code: Code,
    status: StatusCode,
    message: String,
}

/// Result of a handler.
pub(super) type Result<T, E = MlflowError> = std::result::Result<T, E>;

impl MlflowError {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        // What was sent comes back in messages; nobody reads megabytes of it.
        const SHOWN_CHARS: usize = 20_000;
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(SHOWN_CHARS) {
            message.truncate(end);
            message.push('…');
        }
        Self { code, status: code.status(), message }
    }

    /// The request itself is wrong.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameterValue, message)
    }

    /// What the request names is not there.
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(Code::ResourceDoesNotExist, message)
    }

    /// An artifact path that could mean another place.
    pub(super) fn invalid_path() -> Self {
        Self::invalid("Invalid path")
    }

    /// The same error under another HTTP status.
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// True when the message starts like this.
    pub(super) fn begins_with(&self, text: &str) -> bool {
        self.message.starts_with(text)
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl std::fmt::Display for MlflowError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl From<StoreError> for MlflowError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NotFound(Missing::Alias(_)) | StoreError::Invalid(_) | StoreError::Search(_) => {
                Self::invalid(message)
            }
            StoreError::Refused { .. } => Self::new(Code::PermissionDenied, message),
            StoreError::HolderMoved { .. } => Self::new(Code::ResourceConflict, message),
            StoreError::NotFound(_) => Self::missing(message),
            StoreError::AlreadyExists(_) => Self::new(Code::ResourceAlreadyExists, message),
            // Not among the codes that clients send again and again.
            StoreError::DiskFull | StoreError::ReadOnly(_) => {
                tracing::error!("{message}");
                Self::new(Code::InternalError, message).with_status(StatusCode::INSUFFICIENT_STORAGE)
            }
            StoreError::Newer { .. }
            | StoreError::Foreign { .. }
            | StoreError::Corrupt(_)
            | StoreError::Closed
            | StoreError::Io { .. }
            | StoreError::Sqlite(_) => {
                tracing::error!("{message}");
                Self::new(Code::InternalError, message)
            }
        }
    }
}

impl From<ArtifactError> for MlflowError {
    fn from(error: ArtifactError) -> Self {
        let message = error.to_string();
        match error {
            ArtifactError::InvalidPath { .. } => Self::invalid_path(),
            ArtifactError::NotFound(path) => Self::missing(format!("No such artifact: '{path}'")),
            ArtifactError::IsDirectory(path) => {
                Self::invalid(format!("Artifact path refers to a directory, not a file: '{path}'"))
            }
            ArtifactError::NotDirectory(path) => {
                Self::invalid(format!("Artifact path refers to a file, not a directory: '{path}'"))
            }
            ArtifactError::NoUpload(_) => Self::missing(message),
            ArtifactError::InvalidPart(_) => Self::invalid(message),
            ArtifactError::DiskFull(_) | ArtifactError::ReadOnly(_) => {
                tracing::error!("{message}");
                Self::new(Code::InternalError, message).with_status(StatusCode::INSUFFICIENT_STORAGE)
            }
            ArtifactError::Io { .. } => {
                tracing::error!("{message}");
                Self::new(Code::InternalError, message)
            }
        }
    }
}

impl From<PlaceError> for MlflowError {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Path(error) => error.into(),
            PlaceError::Elsewhere(_) => Self::new(Code::NotImplemented, error.to_string()),
            PlaceError::NotReadable(_) => Self::new(Code::PermissionDenied, error.to_string()),
        }
    }
}

impl From<PathRejection> for MlflowError {
    /// The address is not UTF-8 after decoding.
    fn from(_: PathRejection) -> Self {
        Self::invalid_path()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error_code: &'a str,
    message: &'a str,
    sqlstate: &'a str,
    error_class: &'a str,
}

impl IntoResponse for MlflowError {
    fn into_response(self) -> Response {
        let body = axum::Json(Body {
            error_code: self.code.name(),
            message: &self.message,
            sqlstate: self.code.sqlstate(),
            error_class: self.code.class(),
        });
        let mut response = (self.status, body).into_response();
        response
            .headers_mut()
            .insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
        response
    }
}
