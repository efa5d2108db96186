//! The pages: `/jwks.json`, `/healthz`, `/readyz`, `/metrics`.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Jwks, Site};
use crate::types::Digest;

/// How long a service may take to show that it works.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// The media type of a JWKS (RFC 7517, section 8.5.2).
const JWKS_TYPE: HeaderValue = HeaderValue::from_static("application/jwk-set+json");
/// Prometheus' own name for its text form.
const METRICS_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The pages of a site.
pub fn router<S: Site>(site: S) -> Router {
    Router::new()
        .route("/jwks.json", get(jwks::<S>))
        .route("/healthz", get(healthz::<S>))
        .route("/readyz", get(readyz::<S>))
        .route("/metrics", get(metrics::<S>))
        .with_state(site)
}

async fn jwks<S: Site>(State(site): State<S>, asked: HeaderMap) -> Response {
    match site.jwks().await {
        Ok(Some(jwks)) => found(jwks, &asked),
        Ok(None) => told(StatusCode::SERVICE_UNAVAILABLE, "there is no view yet".to_owned()),
        Err(why) => told(StatusCode::INTERNAL_SERVER_ERROR, why),
    }
}

/// The JWKS, or that it is still the one that the caller has (RFC 9110, section 13.1.2).
fn found(jwks: Jwks, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", Digest::of(&jwks.bytes));
    let seconds = jwks.max_age.0 / 1000;
    let (Ok(etag), Ok(cache)) = (
        HeaderValue::from_str(&tag),
        HeaderValue::from_str(&format!("public, max-age={seconds}")),
    ) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [(ETAG, etag), (CACHE_CONTROL, cache)];
    if has(asked, &tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(CONTENT_TYPE, JWKS_TYPE)], jwks.bytes).into_response()
}

/// Whether the caller says that it has what has this tag. Tags are compared weakly, as they are for GET (RFC 9110, section 13.1.2).
fn has(asked: &HeaderMap, tag: &str) -> bool {
    let lists = asked.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|had| had == "*" || had.strip_prefix("W/").unwrap_or(had) == tag)
}

async fn healthz<S: Site>(State(site): State<S>) -> Response {
    match tokio::time::timeout(ANSWERS_WITHIN, site.ping()).await {
        Ok(()) => told(StatusCode::OK, "ok".to_owned()),
        Err(_) => told(StatusCode::SERVICE_UNAVAILABLE, "the agent does not answer".to_owned()),
    }
}

async fn readyz<S: Site>(State(site): State<S>) -> Response {
    match site.readiness().await {
        Ok(()) => told(StatusCode::OK, "ready".to_owned()),
        Err(why) => told(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

async fn metrics<S: Site>(State(site): State<S>) -> Response {
    ([(CONTENT_TYPE, METRICS_TYPE)], site.metrics().await).into_response()
}

/// A line for people and probes, which nobody is to keep.
fn told(status: StatusCode, words: String) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    (status, [(CACHE_CONTROL, no_store)], words + "\n").into_response()
}
