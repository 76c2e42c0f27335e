//! What lets one in: found where it is, looked up once for all who wait, named when it is missing, and never shown.

#![allow(clippy::disallowed_methods, reason = "a test on real sockets measures real time")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use azure_core::base64;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode};
use azure_core::time::OffsetDateTime;
use tidegauge::clock::Clock;
use tidegauge::core::model::{Failure, Reason};
use tidegauge::core::time::Wall;
use tidegauge::settings::CosmosAuth;
use tidegauge::stores::cosmos::connect::credentials::{AccountKey, Credentials, Environment};
use tidegauge::stores::cosmos::connect::entra::{Entra, Way};
use tidegauge::stores::cosmos::connect::http::Http;

use crate::alone::alone;
use crate::azure::Azure;

const DEADLINE: Duration = Duration::from_secs(8);
const SCOPE: &str = "https://cosmos.azure.com/.default";
/// 2027-01-15T08:00:00Z.
const NOW: Wall = Wall::from_micros(1_800_000_000_000_000);

/// A way that yields tokens `<name>-1`, `<name>-2`, … after a while, or fails.
#[derive(Debug)]
pub struct Fake {
    name: &'static str,
    takes: Duration,
    /// How long each token lasts from [`NOW`] on.
    lasts: Mutex<Vec<Option<i64>>>,
    asked: AtomicUsize,
}

impl Fake {
    /// Of each question in turn, how many seconds after [`NOW`] the token ends, or that there is none; the last one stays.
    pub fn of(name: &'static str, takes: Duration, lasts: &[Option<i64>]) -> Arc<Fake> {
        Arc::new(Fake { name, takes, lasts: Mutex::new(lasts.to_vec()), asked: AtomicUsize::new(0) })
    }

    /// One that yields tokens which last, at once.
    pub fn well(name: &'static str) -> Arc<Fake> {
        Fake::of(name, Duration::ZERO, &[Some(1_000_000_000)])
    }

    pub fn way(self: &Arc<Fake>) -> Way {
        Way::given(self.name, self.clone(), Duration::from_secs(5))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl TokenCredential for Fake {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(self.takes).await;
        let lasts = {
            let mut lasts = self.lasts.lock().unwrap();
            if lasts.len() > 1 { lasts.remove(0) } else { lasts[0] }
        };
        match lasts {
            Some(seconds) => {
                let ends = OffsetDateTime::from_unix_timestamp(NOW.as_micros() / 1_000_000 + seconds).unwrap();
                Ok(AccessToken::new(format!("{}-{number}", self.name), ends))
            }
            None => {
                let cause = Error::with_message(ErrorKind::Io, "tcp connect error");
                Err(Error::with_error(ErrorKind::Credential, cause, format!("{}\nis away\tfor now", self.name)))
            }
        }
    }
}

fn entra(ways: &[&Arc<Fake>]) -> (Entra, Clock) {
    let clock = Clock::start_virtual(NOW);
    (Entra::with_ways(ways.iter().map(|fake| fake.way()).collect(), clock, DEADLINE), clock)
}

async fn token(entra: &Entra) -> Result<String, Failure> {
    entra.token(SCOPE).await.map(|token| token.secret().to_owned())
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Arc::new(move |name| variables.get(name).cloned())
}

fn key_of(byte: u8) -> String {
    base64::encode([byte; 64])
}

fn one_line(failure: &Failure) {
    let message = &failure.message;
    assert!(message.chars().count() <= 300 && !message.contains(char::is_control), "{message:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_way_that_yields_a_token_is_the_one_from_then_on() {
    let first = Fake::of("first", Duration::ZERO, &[None, Some(10_000_000)]);
    let second = Fake::of("second", Duration::ZERO, &[Some(20), None, Some(10_000_000)]);
    let third = Fake::well("third");
    let (entra, _) = entra(&[&first, &second, &third]);
    assert_eq!(token(&entra).await.unwrap(), "second-1");
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(token(&entra).await.unwrap_err().message.contains("second"), "nobody goes on as somebody else");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(token(&entra).await.unwrap(), "second-3");
    assert_eq!((first.asked(), third.asked()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_token_it_is_told_on_one_line_what_each_way_said() {
    let [host, tool] = ["host", "tool"].map(|name| Fake::of(name, Duration::ZERO, &[None]));
    let (entra, _) = entra(&[&host, &tool]);
    let failure = entra.token(SCOPE).await.unwrap_err();
    one_line(&failure);
    assert_eq!(failure.reason, Reason::Credentials);
    let said = "host: host: tcp connect error; tool: tool: tcp connect error";
    assert_eq!(failure.message, format!("no token for {SCOPE}: {said}"));
}

#[tokio::test(start_paused = true)]
async fn a_way_that_hangs_is_given_up_and_the_next_one_is_tried() {
    let hangs = Fake::of("hangs", Duration::from_secs(3_600), &[Some(10)]);
    let well = Fake::well("well");
    let (entra, clock) = entra(&[&hangs, &well]);
    assert_eq!(token(&entra).await.unwrap(), "well-1");
    assert_eq!(clock.mono().as_nanos() / 1_000_000_000, 5);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_outlives_the_call_that_began_it_and_is_one_for_all_who_wait() {
    let slow = Fake::of("slow", Duration::from_millis(4_900), &[Some(1_000_000)]);
    let clock = Clock::start_virtual(NOW);
    let entra = Entra::with_ways(vec![slow.way()], clock, Duration::from_secs(2));
    let (one, other) = tokio::join!(entra.token(SCOPE), entra.token(SCOPE));
    for refused in [one, other] {
        let failure = refused.unwrap_err();
        assert!(failure.reason == Reason::Credentials && failure.message.contains("in the background"), "{failure:?}");
    }
    assert_eq!(clock.mono().as_nanos(), 1_500_000_000, "there is time left to say so");
    let mut tries = 0;
    while token(&entra).await.is_err() {
        tries += 1;
    }
    assert_eq!((tries, slow.asked()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_about_to_end_is_used_while_the_next_one_is_looked_up() {
    let fake = Fake::of("fake", Duration::from_secs(3), &[Some(3_600), None, Some(7_200)]);
    let (entra, _) = entra(&[&fake]);
    assert_eq!(token(&entra).await.unwrap(), "fake-1");
    tokio::time::sleep(Duration::from_secs(3_600 - 3 - 280)).await;
    // The first lookup of the next one fails, and nobody waits for any.
    for second in 0..12 {
        assert_eq!(token(&entra).await.unwrap(), "fake-1", "{second} s later");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(fake.asked(), 3);
    assert_eq!(token(&entra).await.unwrap(), "fake-3");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_ended_is_not_used_whatever_became_of_the_next() {
    let fake = Fake::of("fake", Duration::ZERO, &[Some(600), None]);
    let (entra, _) = entra(&[&fake]);
    assert_eq!(token(&entra).await.unwrap(), "fake-1");
    tokio::time::sleep(Duration::from_secs(595)).await;
    assert_eq!(token(&entra).await.unwrap_err().reason, Reason::Credentials);
}

#[tokio::test(start_paused = true)]
async fn however_many_calls_want_a_token_a_lookup_that_failed_is_not_tried_again_at_once() {
    let fake = Fake::of("fake", Duration::ZERO, &[None]);
    let (entra, _) = entra(&[&fake]);
    for _ in 0..100 {
        token(&entra).await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!((2..=3).contains(&fake.asked()), "{} lookups in ten seconds", fake.asked());
    // Long after it failed somebody asks for the first time again: what it said then says nothing of now.
    tokio::time::sleep(Duration::from_secs(600)).await;
    let before = fake.asked();
    token(&entra).await.unwrap_err();
    assert_eq!(fake.asked(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn each_scope_has_a_token_of_its_own() {
    let fake = Fake::well("fake");
    let (entra, _) = entra(&[&fake]);
    assert_eq!(token(&entra).await.unwrap(), "fake-1");
    assert_eq!(entra.token("https://management.azure.com/.default").await.unwrap().secret(), "fake-2");
    assert_eq!(token(&entra).await.unwrap(), "fake-1");
    let credential: Arc<dyn TokenCredential> = Arc::new(entra);
    assert_eq!(credential.get_token(&[SCOPE], None).await.unwrap().token.secret(), "fake-1");
    assert!(matches!(credential.get_token(&[], None).await.unwrap_err().kind(), ErrorKind::Credential));
}

#[tokio::test]
async fn making_credentials_reaches_nobody_and_never_fails() {
    let nowhere = Http::with_client(Wire::refusing());
    let auths = [
        CosmosAuth::Entra { client_id: None },
        CosmosAuth::Entra { client_id: Some("me".into()) },
        CosmosAuth::KeyEnv("COSMOS_KEY".into()),
        CosmosAuth::KeyFile("/nowhere/key".into()),
    ];
    let token_file = [("AZURE_FEDERATED_TOKEN_FILE", "/nowhere/token")];
    for (auth, variables) in auths.iter().flat_map(|auth| [(auth, &token_file[..]), (auth, &[])]) {
        let credentials =
            Credentials::with_environment(auth, &environment(variables), &nowhere, Clock::start(), DEADLINE);
        assert_eq!(credentials.key().is_some(), !matches!(auth, CosmosAuth::Entra { .. }));
    }
    let auth = CosmosAuth::Entra { client_id: None };
    let credentials =
        Credentials::with_environment(&auth, &environment(&token_file), &nowhere, Clock::start(), DEADLINE);
    let failure = credentials.entra().token(SCOPE).await.unwrap_err();
    one_line(&failure);
    assert!(failure.reason == Reason::Credentials && failure.message.contains("workload identity"), "{failure:?}");
}

#[tokio::test]
async fn a_key_is_read_once_and_anew_when_it_was_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let key = AccountKey::in_file(&path);
    let failure = key.get().await.unwrap_err();
    one_line(&failure);
    assert_eq!(failure.reason, Reason::Credentials);
    assert!(failure.message.contains(path.to_str().unwrap()), "{failure:?}");
    std::fs::write(&path, format!("{}\n", key_of(1))).unwrap();
    let first = key.get().await.unwrap();
    assert_eq!(first.secret(), key_of(1), "without the end of the line");
    std::fs::write(&path, key_of(2)).unwrap();
    assert_eq!(key.get().await.unwrap(), first, "nothing says that it does not do any more");
    let second = key.after_refusal(&first).await.unwrap().unwrap();
    assert_eq!((second.secret(), key.get().await.unwrap().secret()), (&*key_of(2), &*key_of(2)));
    assert_eq!(key.after_refusal(&first).await.unwrap(), Some(second.clone()), "somebody else has seen to it");
    assert_eq!(key.after_refusal(&second).await.unwrap(), None, "it is still the same one");
    std::fs::remove_file(&path).unwrap();
    key.after_refusal(&second).await.unwrap_err();
    assert_eq!(key.get().await.unwrap(), second, "the last one may still do");
}

#[tokio::test]
async fn what_is_no_key_is_told_by_its_place_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let contents: [&[u8]; 4] = [b"AccountKey=hush", b" \n", b"hush\0hush", &[0xFF, 0xFE]];
    for content in contents {
        std::fs::write(&path, content).unwrap();
        let failure = AccountKey::in_file(&path).get().await.unwrap_err();
        one_line(&failure);
        assert!(failure.message.contains(path.to_str().unwrap()) && !failure.message.contains("hush"), "{failure:?}");
        let content = String::from_utf8_lossy(content);
        let variable = AccountKey::in_variable("COSMOS_KEY", &environment(&[("COSMOS_KEY", &content)]));
        let failure = variable.get().await.unwrap_err();
        assert!(failure.message.contains("COSMOS_KEY") && !failure.message.contains("hush"), "{failure:?}");
    }
    let unset = AccountKey::in_variable("COSMOS_KEY", &environment(&[])).get().await.unwrap_err();
    assert!(unset.message.contains("COSMOS_KEY, which is not set"), "{unset:?}");
    let endless = AccountKey::in_file(Path::new("/dev/zero")).get().await.unwrap_err();
    assert!(endless.message.contains("/dev/zero"), "{endless:?}");
}

#[tokio::test(start_paused = true)]
async fn neither_key_nor_token_is_shown_by_what_holds_them() {
    let fake = Fake::well("hush");
    let key = key_of(7);
    let account = AccountKey::in_variable("COSMOS_KEY", &environment(&[("COSMOS_KEY", &key)]));
    let (entra, clock) = entra(&[&fake]);
    let credentials = Credentials::with(entra, Some(account));
    assert_eq!(credentials.entra().token(SCOPE).await.unwrap().secret(), "hush-1");
    assert_eq!(credentials.key().unwrap().get().await.unwrap().secret(), key);
    let rest = tidegauge::stores::cosmos::connect::rest::Rest::new(credentials, Http::default(), clock, DEADLINE);
    let shown = format!("{rest:?} {rest:#?}");
    assert!(shown.contains("COSMOS_KEY"), "{shown}");
    assert!(!shown.contains("hush-1") && !shown.contains(&key), "{shown}");
}

/// A client that answers everything alike, and notes what it was sent.
#[derive(Debug)]
struct Wire {
    answer: Option<String>,
    sent: Mutex<Vec<(String, String)>>,
}

impl Wire {
    fn answering(answer: &str) -> Arc<Wire> {
        Arc::new(Wire { answer: Some(answer.to_owned()), sent: Mutex::default() })
    }

    fn refusing() -> Arc<Wire> {
        Arc::new(Wire { answer: None, sent: Mutex::default() })
    }
}

#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let Body::Bytes(body) = request.body() else { panic!("a stream") };
        let body = String::from_utf8_lossy(body).into_owned();
        self.sent.lock().unwrap().push((request.url().to_string(), body));
        let refused = || Error::with_message(ErrorKind::Connection, "connect: nobody listens");
        let answer = self.answer.clone().ok_or_else(refused)?;
        Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::new(), answer))
    }
}

#[tokio::test]
async fn where_the_environment_has_a_workload_identity_that_one_is_used_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "assertion-of-the-cluster").unwrap();
    let variables = [
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "its-own"),
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:9/"),
    ];
    for (client_id, expected) in [(None, "its-own"), (Some("chosen".to_owned()), "chosen")] {
        let wire = Wire::answering(r#"{"token_type":"Bearer","expires_in":3600,"access_token":"token-of-the-pod"}"#);
        let auth = CosmosAuth::Entra { client_id };
        let http = Http::with_client(wire.clone());
        let credentials =
            Credentials::with_environment(&auth, &environment(&variables), &http, Clock::start(), DEADLINE);
        assert_eq!(credentials.entra().token(SCOPE).await.unwrap().secret(), "token-of-the-pod");
        let sent = wire.sent.lock().unwrap().clone();
        let [(url, body)] = sent.as_slice() else { panic!("{sent:?}") };
        assert_eq!(url, "https://login.microsoftonline.com/tenant/oauth2/v2.0/token");
        assert!(body.contains("client_assertion=assertion-of-the-cluster"), "{body}");
        assert!(body.contains(&format!("client_id={expected}&")), "{body}");
    }
}

/// Nothing leaves: the client is the test's, and there is no tool on the path.
#[test]
fn where_it_has_none_the_host_s_is_tried_and_then_the_developer_s_tools() {
    alone(&[("PATH", "/nonexistent")], async || {
        let wire = Wire::refusing();
        let http = Http::with_client(wire.clone());
        let auth = CosmosAuth::Entra { client_id: Some("chosen".to_owned()) };
        let began = Instant::now();
        let credentials = Credentials::from_settings(&auth, &http, Clock::start(), Duration::from_secs(40));
        let failure = credentials.entra().token(SCOPE).await.unwrap_err();
        one_line(&failure);
        for way in ["managed identity: ", "Azure CLI: ", "Azure Developer CLI: "] {
            assert!(failure.message.contains(way), "{way}: {failure:?}");
        }
        assert!(failure.message.contains("az not found on PATH"), "{failure:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "off Azure the host's service is soon given up");
        let (url, _) = wire.sent.lock().unwrap()[0].clone();
        assert!(url.starts_with("http://169.254.169.254/") && url.contains("client_id=chosen"), "{url}");
    });
}

#[test]
fn the_identity_of_an_app_is_got_from_the_service_that_its_host_names() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{free}/token");
    alone(&[("IDENTITY_ENDPOINT", &endpoint), ("IDENTITY_HEADER", "secret-of-the-host")], async || {
        let endpoint = std::env::var("IDENTITY_ENDPOINT").unwrap();
        let address = endpoint.trim_start_matches("http://").trim_end_matches("/token");
        let host = Azure::at(address, &["East US"]).await;
        let auth = CosmosAuth::Entra { client_id: Some("chosen".to_owned()) };
        let credentials = Credentials::from_settings(&auth, &Http::default(), Clock::start(), DEADLINE);
        let token: Secret = credentials.entra().token(SCOPE).await.unwrap();
        assert_eq!(token.secret(), "token-of-the-host");
        credentials.entra().token(SCOPE).await.unwrap();
        let asked = host.asked();
        let [asked] = asked.as_slice() else { panic!("asked once, and not {asked:?}") };
        assert_eq!(asked.header("x-identity-header"), "secret-of-the-host");
        let said = |key: &str| asked.query.get(key).map_or("", String::as_str);
        assert_eq!((said("resource"), said("client_id")), ("https://cosmos.azure.com", "chosen"));
        assert!(!asked.raw_query.contains("secret"), "{asked:?}");
    });
}
