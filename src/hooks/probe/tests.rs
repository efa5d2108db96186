//! Each way in which a server can serve something else, over real connections.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server on this machine, which answers one connection.
struct Server {
    port: u16,
    /// What it was asked.
    asked: JoinHandle<io::Result<String>>,
}

/// What a server sends, and whether it then falls silent without an end.
#[derive(Clone)]
struct Answer {
    bytes: Vec<u8>,
    hangs: bool,
}

fn answer(status: &str, headers: &str, body: &str) -> Answer {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    Answer {
        bytes: (head + body).into_bytes(),
        hangs: false,
    }
}

fn jwks(kids: &[&str]) -> String {
    let keys: Vec<String> = kids
        .iter()
        .map(|kid| format!("{{\"kty\":\"OKP\",\"kid\":\"{kid}\",\"x\":\"AA\"}}"))
        .collect();
    format!("{{\"keys\":[{}]}}", keys.join(","))
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Answer) -> io::Result<String> {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(stream.read_u8().await?);
    }
    // Whoever has read enough goes.
    let _ = stream.write_all(&answer.bytes).await;
    if answer.hangs {
        std::future::pending::<()>().await;
    }
    let _ = stream.shutdown().await;
    Ok(String::from_utf8_lossy(&asked).into_owned())
}

impl Server {
    async fn plain(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = tokio::spawn(async move { converse(listener.accept().await?.0, answer).await });
        Self { port, asked }
    }

    /// A server whose certificate is of this CA, for this name.
    async fn tls(ca: &Ca, name: &str, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(ca.server(name));
        let asked = tokio::spawn(async move {
            let stream = acceptor.accept(listener.accept().await?.0).await?;
            converse(stream, answer).await
        });
        Self { port, asked }
    }

    fn probe(&self, scheme: &str) -> Probe {
        Probe {
            url: format!("{scheme}://localhost:{}/jwks?x=1", self.port).parse().unwrap(),
            ca_file: None,
            timeout: Span::secs(20),
        }
    }
}

struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn server(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.unwrap())
    }

    fn write(&self, folder: &Path) -> std::path::PathBuf {
        let path = folder.join("ca.pem");
        crate::hooks::tests::write(&path, &self.0.pem());
        path
    }
}

fn published() -> BTreeSet<Kid> {
    ["a", "b"].iter().map(|kid| kid.parse().unwrap()).collect()
}

/// How a look at a server that answers so ends.
async fn look_at(answer: Answer) -> Result<(), ProbeError> {
    look(&Server::plain(answer).await.probe("http"), &published()).await
}

async fn refused(status: &str, headers: &str, body: &str) -> String {
    look_at(answer(status, headers, body)).await.unwrap_err().to_string()
}

fn contains(words: &str, these: &[&str]) {
    for part in these {
        assert!(words.contains(part), "{words:?} does not say {part:?}");
    }
}

#[tokio::test]
async fn exactly_the_published_keys_in_any_order_are_right_and_caches_are_told_to_ask() {
    let server = Server::plain(answer("200 OK", "", &jwks(&["b", "a"]))).await;
    assert_eq!(look(&server.probe("http"), &published()).await, Ok(()));
    let asked = server.asked.await.unwrap().unwrap().to_lowercase();
    assert!(asked.starts_with("get /jwks?x=1 http/1.1\r\n"), "{asked}");
    contains(
        &asked,
        &["cache-control: no-cache", &format!("host: localhost:{}", server.port)],
    );
}

#[tokio::test]
async fn old_keys_are_named_as_missing_and_as_besides() {
    let words = refused("200 OK", "", &jwks(&["a", "old"])).await;
    contains(&words, &["it lacks b: did the server reload?", "it holds old besides"]);
    assert!(!words.contains("lacks a"), "{words}");
}

#[tokio::test]
async fn the_kids_of_another_jwks_are_told_and_of_no_other_answer() {
    let served = async |status, body: &str| look_at(answer(status, "", body)).await.unwrap_err().served();
    let kids = |kids: &[&str]| Some(kids.iter().map(|kid| kid.parse().unwrap()).collect::<BTreeSet<Kid>>());
    assert_eq!(served("200 OK", &jwks(&["a", "old"])).await, kids(&["a", "old"]));
    assert_eq!(served("200 OK", &jwks(&[])).await, kids(&[]));
    let strangers: Vec<String> = (0..1000).map(|number| format!("s{number}")).collect();
    let strangers: Vec<&str> = strangers.iter().map(String::as_str).collect();
    let many = served("200 OK", &jwks(&strangers)).await.unwrap();
    assert!(many.len() <= 8, "a report has room for so many only");
    assert_eq!(served("503 Service Unavailable", "").await, None);
    assert_eq!(served("200 OK", "[]").await, None);
    assert_eq!(served("200 OK", r#"{"keys":[{"kid":"a","d":"x"}]}"#).await, None);
}

#[tokio::test]
async fn keys_of_somebody_else_are_refused_also_without_a_kid() {
    contains(
        &refused("200 OK", "", &jwks(&["a", "b", "theirs"])).await,
        &["it holds theirs besides"],
    );
    let nameless = r#"{"keys":[{"kid":"a"},{"kid":"b"},{"kty":"OKP"}]}"#;
    contains(&refused("200 OK", "", nameless).await, &["it holds without a kid besides"]);
    contains(
        &refused("200 OK", "", &jwks(&["a", "b", "b"])).await,
        &["a key stands in it twice"],
    );
}

#[tokio::test]
async fn a_private_member_in_what_is_served_is_a_leak_and_no_secret_is_repeated() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let body = format!("{{\"keys\":[{{\"kid\":\"a\"}},{{\"kid\":\"b\",\"{member}\":\"c2VjcmV0\"}}]}}");
        let why = look_at(answer("200 OK", "", &body)).await.unwrap_err();
        assert!(why.is_leak(), "{why}");
        contains(
            &why.to_string(),
            &["SERVES A PRIVATE KEY (b)", "jkeys rotate --now --compromised"],
        );
        assert!(!format!("{why} {why:?}").contains("c2VjcmV0"), "{why:?}");
    }
    // In a file that is broken behind it, too.
    let words = refused("200 OK", "", "{\"keys\":[{\"kid\":\"a\",\"d\":\"c2VjcmV0").await;
    contains(&words, &["it is not JSON"]);
    assert!(!words.contains("c2Vj"), "{words}");
}

#[tokio::test]
async fn what_is_no_jwks_is_told() {
    contains(
        &refused("200 OK", "", "<html>welcome</html>").await,
        &["it is not JSON (line 1"],
    );
    contains(&refused("200 OK", "", "{\"jwks\":[]}").await, &["has no list of `keys`"]);
    contains(&refused("404 Not Found", "", "").await, &["answers 404 and no JWKS"]);
    let words = refused("200 OK", "", &jwks(&["a", "b", "\\u001b[2J"])).await;
    assert!(!words.contains('\u{1b}'), "{words:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::plain(answer("200 OK", "", &jwks(&["a", "b"]))).await;
    let location = format!("location: http://127.0.0.1:{}/jwks\r\n", elsewhere.port);
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        contains(
            &refused(status, &location, "").await,
            &["sends elsewhere, to http://127.0.0.1", "does not follow"],
        );
    }
    assert!(!elsewhere.asked.is_finished(), "nobody came");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(JWKS_BYTES));
    contains(&refused("200 OK", "", &large).await, &["more than 1048576 bytes"]);
    // Without a length, and without an end.
    let mut endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        endless.extend_from_slice(b"8000\r\n");
        endless.extend(std::iter::repeat_n(b' ', 0x8000));
        endless.extend_from_slice(b"\r\n");
    }
    let endless = Answer {
        bytes: endless,
        hangs: true,
    };
    contains(&look_at(endless).await.unwrap_err().to_string(), &["more than 1048576 bytes"]);
}

#[tokio::test]
async fn a_server_that_is_slow_is_not_waited_for() {
    let whole = answer("200 OK", "", &jwks(&["a", "b"])).bytes;
    // It answers nothing, half of the head, half of the body.
    for sent in [0, 20, whole.len() - 5] {
        let slow = Answer {
            bytes: whole[..sent].to_vec(),
            hangs: true,
        };
        let mut probe = Server::plain(slow).await.probe("http");
        probe.timeout = Span(200);
        let looked = tokio::time::timeout(Duration::from_secs(20), look(&probe, &published())).await;
        contains(
            &looked.unwrap().unwrap_err().to_string(),
            &["did not serve its JWKS within 200ms"],
        );
    }
}

#[tokio::test]
async fn a_server_that_is_down_or_goes_away_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let probe = Probe {
        url: format!("http://127.0.0.1:{port}/jwks").parse().unwrap(),
        ca_file: None,
        timeout: Span::secs(20),
    };
    let words = look(&probe, &published()).await.unwrap_err().to_string();
    contains(&words, &["can't be asked", "look whether the server runs"]);
    let mut cut = answer("200 OK", "", &jwks(&["a", "b"]));
    cut.bytes.truncate(cut.bytes.len() - 5);
    contains(&look_at(cut).await.unwrap_err().to_string(), &["can't be asked for the JWKS"]);
}

#[tokio::test]
async fn over_tls_the_server_is_known_by_its_ca_and_its_name() {
    let (ours, folder) = (Ca::new(), tempfile::tempdir().unwrap());
    let right = answer("200 OK", "", &jwks(&["a", "b"]));
    let looked = async |ca: &Ca, name: &str, trusts: Option<&Ca>| {
        let server = Server::tls(ca, name, right.clone()).await;
        let ca_file = trusts.map(|ca| ca.write(folder.path()));
        let probe = Probe {
            ca_file,
            ..server.probe("https")
        };
        look(&probe, &published()).await
    };
    assert_eq!(looked(&ours, "localhost", Some(&ours)).await, Ok(()));
    let words = looked(&Ca::new(), "localhost", Some(&ours)).await.unwrap_err().to_string();
    contains(&words, &["shows a certificate that is not good for it", "`ca_file`"]);
    let words = looked(&ours, "op.example", Some(&ours)).await.unwrap_err().to_string();
    contains(&words, &["shows a certificate that is not good for it"]);
    let words = looked(&ours, "localhost", None).await.unwrap_err().to_string();
    assert!(
        words.contains("not good for it") || words.contains("this system trusts no CA"),
        "{words}"
    );
}

#[test]
fn a_name_of_this_machine_that_leads_away_from_it_is_not_asked_in_the_clear() {
    let (clear, tls) = (
        "http://localhost/jwks".parse().unwrap(),
        "https://op.example/jwks".parse().unwrap(),
    );
    let (near, far) = ("127.0.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap());
    assert!(fetch::may_ask(&clear, near) && fetch::may_ask(&tls, near) && fetch::may_ask(&tls, far));
    assert!(!fetch::may_ask(&clear, far));
}

#[test]
fn a_file_without_a_ca_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| {
        let probe = Probe {
            url: "https://op.example/jwks".parse().unwrap(),
            ca_file: Some(path.to_owned()),
            timeout: Span::secs(1),
        };
        check_roots(&probe).unwrap_err().to_string()
    };
    let path = folder.path().join("ca.pem");
    contains(&refused(&path), &["can't be read", "ca.pem"]);
    crate::hooks::tests::write(&path, "no certificate\n");
    contains(&refused(&path), &["there is no certificate in it"]);
    crate::hooks::tests::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    contains(&refused(&path), &["can't be read", "PEM"]);
}
