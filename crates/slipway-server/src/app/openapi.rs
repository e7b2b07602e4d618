//! The description of this API, made from its handlers.

use super::routed;
use super::wire::JobOrder;
use crate::guard::OWN_API;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, SecurityRequirement, Server};
use utoipa::{PartialSchema, ToSchema};

/// The OpenAPI document of Slipway's own API.
#[must_use]
pub fn openapi() -> OpenApi {
    let (_, mut document) = routed().split_for_parts();
    document.info = InfoBuilder::new()
        .title("Slipway")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Slipway's own API: what its user interface and its command line use."))
        .build();
    document.servers = Some(vec![Server::new(OWN_API)]);
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme("token", token);
    // A parameter of a query names it, which does not put it among the schemas.
    let components = document.components.get_or_insert_default();
    components.schemas.insert(JobOrder::name().into_owned(), JobOrder::schema());
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    document
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "server",
    responses((status = 200, body = Object, content_type = "application/json")))]
pub(super) async fn get_openapi() -> Response {
    match openapi().to_json() {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => crate::error::ApiFailure::internal(error.to_string()).into_response(),
    }
}
