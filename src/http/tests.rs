//! The pages, asked without a network.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use super::serve::{Limits, serve_within};
use super::*;

/// A site that shows what it is told to.
#[derive(Clone)]
struct Told {
    jwks: Arc<Result<Option<Jwks>, String>>,
    readiness: Result<(), String>,
    is_alive: bool,
}

impl Site for Told {
    async fn jwks(&self) -> Result<Option<Jwks>, String> {
        (*self.jwks).clone()
    }

    async fn readiness(&self) -> Result<(), String> {
        self.readiness.clone()
    }

    async fn metrics(&self) -> String {
        "jkeys_ready 1\n".to_owned()
    }

    async fn ping(&self) {
        if !self.is_alive {
            std::future::pending::<()>().await;
        }
    }
}

fn well() -> Told {
    let jwks = Jwks {
        bytes: b"{\"keys\":[]}".to_vec(),
        max_age: Span::mins(10),
    };
    Told {
        jwks: Arc::new(Ok(Some(jwks))),
        readiness: Ok(()),
        is_alive: true,
    }
}

struct Got {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn ask(site: Told, request: http::request::Builder) -> Got {
    let answer = router(site).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Got {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

async fn get(site: Told, path: &str) -> Got {
    ask(site, Request::get(path)).await
}

#[tokio::test]
async fn the_jwks_comes_with_its_type_its_tag_and_how_long_to_keep_it() {
    let got = get(well(), "/jwks.json").await;
    assert_eq!((got.status, got.body.as_str()), (StatusCode::OK, "{\"keys\":[]}"));
    assert_eq!(got.header("content-type"), "application/jwk-set+json");
    assert_eq!(got.header("cache-control"), "public, max-age=600");
    let tag = got.header("etag").to_owned();
    assert_eq!(tag.len(), 66, "the digest of the bytes: {tag}");
    let head = ask(well(), Request::head("/jwks.json")).await;
    assert_eq!(
        (head.status, head.body.as_str(), head.header("etag")),
        (StatusCode::OK, "", tag.as_str())
    );
}

#[tokio::test]
async fn who_has_it_is_told_so_and_who_has_another_gets_it() {
    let tag = get(well(), "/jwks.json").await.header("etag").to_owned();
    for had in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let got = ask(well(), Request::get("/jwks.json").header("if-none-match", &had)).await;
        assert_eq!((got.status, got.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{had}");
        assert_eq!(got.header("etag"), tag);
        assert_eq!(got.header("cache-control"), "public, max-age=600");
    }
    let got = ask(well(), Request::get("/jwks.json").header("if-none-match", "\"other\"")).await;
    assert_eq!(got.status, StatusCode::OK);
}

#[tokio::test]
async fn without_a_view_there_is_no_jwks_and_a_disk_that_fails_is_told() {
    for (jwks, status, words) in [
        (Ok(None), StatusCode::SERVICE_UNAVAILABLE, "there is no view yet\n"),
        (
            Err("can't read".to_owned()),
            StatusCode::INTERNAL_SERVER_ERROR,
            "can't read\n",
        ),
    ] {
        let site = Told {
            jwks: Arc::new(jwks),
            ..well()
        };
        let got = get(site, "/jwks.json").await;
        assert_eq!((got.status, got.body.as_str()), (status, words));
        assert_eq!(got.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn readiness_is_a_status_and_a_reason() {
    let got = get(well(), "/readyz").await;
    assert_eq!((got.status, got.body.as_str()), (StatusCode::OK, "ready\n"));
    let site = Told {
        readiness: Err("no view is in place yet".to_owned()),
        ..well()
    };
    let got = get(site, "/readyz").await;
    assert_eq!(
        (got.status, got.body.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "no view is in place yet\n")
    );
}

#[tokio::test]
async fn metrics_come_in_the_form_that_prometheus_reads() {
    let got = get(well(), "/metrics").await;
    assert_eq!((got.status, got.body.as_str()), (StatusCode::OK, "jkeys_ready 1\n"));
    assert_eq!(got.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
}

#[tokio::test]
async fn a_service_that_hangs_is_not_well() {
    let got = get(well(), "/healthz").await;
    assert_eq!((got.status, got.body.as_str()), (StatusCode::OK, "ok\n"));
    let site = Told {
        is_alive: false,
        ..well()
    };
    assert_eq!(get(site, "/healthz").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn there_is_nothing_else_and_nothing_to_change() {
    for path in [
        "/",
        "/private.jwks.json",
        "/jwks.json/..",
        "/live/private.jwks.json",
        "/view.json",
    ] {
        assert_eq!(get(well(), path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for request in [
        Request::post("/jwks.json"),
        Request::put("/readyz"),
        Request::delete("/healthz"),
    ] {
        assert_eq!(ask(well(), request).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

/// Asks on a connection that stands, and reads all that comes until the other side closes it.
async fn asked(mut stream: TcpStream) -> String {
    let request = b"GET /readyz HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_caller_that_says_nothing_is_sent_away_and_too_many_wait() {
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        connections: 2,
        asks_within: Duration::from_millis(300),
        stays: Duration::from_secs(60),
    };
    tokio::spawn(serve_within(listener, router(well()), limits));
    let connect = || async { TcpStream::connect(address).await.unwrap() };
    let (mut silent, mut slow) = (connect().await, connect().await);
    slow.write_all(b"GET /rea").await.unwrap();
    // Both places are taken until those two have had their time.
    let waiting = tokio::spawn(asked(connect().await));
    for held in [&mut silent, &mut slow] {
        let mut answer = Vec::new();
        let _ = held.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    }
    assert!(waiting.await.unwrap().starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_caller_that_does_not_read_its_answers_is_sent_away() {
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        connections: 1,
        asks_within: Duration::from_secs(60),
        stays: Duration::from_millis(200),
    };
    let large = Told {
        jwks: Arc::new(Ok(Some(Jwks {
            bytes: vec![b' '; 32 << 20],
            max_age: Span::mins(10),
        }))),
        ..well()
    };
    tokio::spawn(serve_within(listener, router(large), limits));
    let mut deaf = TcpStream::connect(address).await.unwrap();
    deaf.write_all(b"GET /jwks.json HTTP/1.1\r\nhost: here\r\n\r\n")
        .await
        .unwrap();
    // The one place is free again, though nobody has read.
    let answer = asked(TcpStream::connect(address).await.unwrap());
    let answer = tokio::time::timeout(Duration::from_secs(30), answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_with_what_to_do() {
    let taken = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let why = listen(taken.local_addr().unwrap()).await.unwrap_err().to_string();
    assert!(
        why.contains("[http] listen") && why.contains("end the program that has it"),
        "{why}"
    );
}
