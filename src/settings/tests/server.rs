//! Who may do what at which listener.

use std::net::SocketAddr;

use super::*;

const LOOPBACK: &str = "127.0.0.1:9746";
const ANYWHERE: &str = "0.0.0.0:9746";
/// SHA-256 of "a-token".
const DIGEST: &str = "9ae8b2cd7eb7bb19bd0f10c10fd2ec9e2a26cd2e6a3d7b1d5fa9a1a1b9f8a1c3";
const TLS: &str = "[server.tls]\ncertificate = \"/tls.crt\"\nkey = \"/tls.key\"\n";

fn server(toml: &str) -> ServerSettings {
    load(&format!("{toml}\n{STORE}"), &[]).unwrap_or_else(|error| panic!("{toml}: {error}")).server
}

fn refused(toml: &str) -> String {
    complaints(&format!("{toml}\n{STORE}")).join("\n")
}

fn token(name: &str, may: &str) -> String {
    format!("[[server.tokens]]\nname = \"{name}\"\nsha256 = \"{DIGEST}\"\nmay = {may}\n")
}

/// Which acts are guarded there, by their first letters.
fn guarded(server: &ServerSettings, address: &str) -> String {
    let address: SocketAddr = address.parse().unwrap();
    let guarded = Act::ALL.into_iter().filter(|act| server.policy(address, *act) == Policy::Guarded);
    guarded.map(|act| &act.label()[..1]).collect()
}

#[test]
fn loopback_is_open_and_elsewhere_what_somebody_is_named_for_is_guarded() {
    let ca = format!("{TLS}client_ca = \"/ca.crt\"\n");
    for (toml, on_loopback, elsewhere) in [
        ("", "", "o"),
        (&token("p", "[\"scrape\"]"), "", "so"),
        (&token("p", "[\"operate\"]"), "", "o"),
        (TLS, "", "o"),
        (&ca, "", "sro"),
        (&format!("{ca}client_may = [\"read\"]\n"), "", "ro"),
        ("[server.access]\noperate = \"open\"\n", "", ""),
        (&format!("[server.access]\nread = \"guarded\"\n{}", token("p", "[\"read\"]")), "r", "ro"),
        (&format!("[server.access]\nscrape = \"open\"\n{}", token("p", "[\"scrape\", \"read\"]")), "", "ro"),
    ] {
        let server = server(toml);
        assert_eq!(
            (guarded(&server, LOOPBACK).as_str(), guarded(&server, ANYWHERE).as_str()),
            (on_loopback, elsewhere),
            "{toml}"
        );
        assert_eq!(guarded(&server, "[::1]:1"), on_loopback, "{toml}");
    }
}

#[test]
fn tls_is_spoken_away_from_loopback_and_there_where_that_is_said() {
    let [loopback, anywhere]: [SocketAddr; 2] = [LOOPBACK, ANYWHERE].map(|address| address.parse().unwrap());
    assert!(!server("").speaks_tls(anywhere));
    let (usual, all) = (server(TLS), server(&format!("{TLS}loopback = true\n")));
    assert_eq!((usual.speaks_tls(loopback), usual.speaks_tls(anywhere)), (false, true));
    assert_eq!((all.speaks_tls(loopback), all.speaks_tls(anywhere)), (true, true));
    assert_eq!(usual.tls.unwrap().client_may, []);
}

#[test]
fn what_is_wrong_with_access_is_said_with_the_way_out() {
    let upper = DIGEST.to_uppercase();
    for (toml, words) in [
        ("[server.access]\nread = \"gaurded\"\n", ["server.access.read", "did you mean \"guarded\"?"]),
        ("[server.access]\nreads = \"open\"\n", ["server.access", "did you mean `read`?"]),
        ("[server.access]\nread = \"guarded\"\n", ["server.access.read", "no client certificate may read"]),
        ("[server.access]\noperate = \"guarded\"\n", ["server.access.operate", "or remove this"]),
        (
            &format!("[server.access]\nread = \"guarded\"\n{TLS}client_ca = \"/ca.crt\"\n"),
            ["there nobody can show a certificate", "server.tls.loopback = true"],
        ),
        ("[server.access]\nhosts = [\"*\"]\n", ["server.access.hosts", "every name"]),
        ("[server.access]\nhosts = [\"https://a.example\"]\n", ["server.access.hosts", "without scheme"]),
        ("[server.access]\nhosts = [\"a.example:443\"]\n", ["server.access.hosts", "port"]),
        ("[server.access]\nhosts = [\"10.0.0.1\"]\n", ["server.access.hosts", "remove it"]),
        ("[server.tls]\nkey = \"/tls.key\"\n", ["server.tls.certificate", "is missing"]),
        ("[server.tls]\ncertificate = \"\"\nkey = \"/k\"\n", ["server.tls.certificate", "is empty"]),
        (&format!("{TLS}client_may = [\"read\"]\n"), ["server.tls.client_may", "goes with client_ca"]),
        (&format!("{TLS}client_ca = \"/c\"\nclient_may = []\n"), ["server.tls.client_may", "is empty"]),
        (&token("p", "[\"scrap\"]"), ["server.tokens[0] (\"p\").may", "did you mean \"scrape\"?"]),
        (&token("p", "[]"), ["server.tokens[0] (\"p\").may", "is empty"]),
        (&token("p p", "[\"read\"]"), ["server.tokens[0]", "is not a name"]),
        ("[[server.tokens]]\nname = \"p\"\nmay = [\"read\"]\n", ["(\"p\").sha256", "sha256sum"]),
        (&format!("{}sha256_file = \"/f\"\n", token("p", "[\"read\"]")), ["(\"p\").sha256_file", "remove one of them"]),
        (
            &format!(
                "{}{}",
                token("p", "[\"read\"]"),
                token("p", "[\"read\"]").replace(DIGEST, &DIGEST.replace('9', "8"))
            ),
            ["server.tokens", "is the name of server.tokens[0] too"],
        ),
        (
            &format!("{}{}", token("p", "[\"read\"]"), token("q", "[\"read\"]").replace(DIGEST, &upper)),
            ["server.tokens", "are the same token"],
        ),
        (
            &token("p", "[\"read\"]")
                .replace(DIGEST, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ["(\"p\").sha256", "of nothing"],
        ),
    ] {
        let complaint = refused(toml);
        assert!(words.iter().all(|word| complaint.contains(word)), "{toml}: {complaint}");
    }
}

#[test]
fn neither_a_token_nor_its_digest_is_ever_printed() {
    let secret = "hunter2-hunter2-hunter2";
    let complaint = refused(&token("p", "[\"read\"]").replace(DIGEST, secret));
    assert!(complaint.contains("is not the SHA-256 of a token") && !complaint.contains(secret), "{complaint}");
    let printed = format!("{:?}", server(&token("p", "[\"read\"]")));
    assert!(printed.contains("[redacted]") && !printed.contains(&DIGEST[..8]), "{printed}");
}

#[test]
fn a_digest_is_read_as_it_is_printed() {
    let digest = Digest::parse(DIGEST).unwrap();
    assert_eq!(Digest::parse(&format!("{}  -\n", DIGEST.to_uppercase())), Ok(digest));
    assert_eq!((digest.expose()[0], digest.expose()[31]), (0x9a, 0xc3));
    for wrong in ["", "9a", &DIGEST[1..], &format!("{DIGEST}0"), &DIGEST.replace('9', "g"), &DIGEST.replace("9a", "ä")]
    {
        assert!(Digest::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn settings_that_say_who_may_what_and_are_wrong_let_nobody_in() {
    let toml = format!(
        "on_bad_settings = \"serve\"\n[server]\nlisten = \"{ANYWHERE}\"\n[server.access]\nscrape = \"open\"\nread = \"opne\"\n{TLS}{STORE}"
    );
    let server = bare::bare(Some(&toml), HashMap::new()).expect("it is served").server;
    assert_eq!((guarded(&server, ANYWHERE).as_str(), guarded(&server, LOOPBACK).as_str()), ("sro", ""));
    assert_eq!((server.listen.to_string().as_str(), server.tls, server.tokens.len()), (ANYWHERE, None, 0));

    // Who was to be let in is not known either where a section is misspelt, or the file is no TOML.
    let misspelt = format!("[server]\nlisten = \"{ANYWHERE}\"\n[server.acess]\nread = \"guarded\"\n{STORE}");
    assert_eq!(guarded(&bare::server(Some(&misspelt), HashMap::new()), ANYWHERE), "sro");
    let environment = [("TIDEGAUGE__SERVER__LISTEN", ANYWHERE), ("TIDEGAUGE__ON_BAD_SETTINGS", "serve")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let server = bare::bare(Some("read = \"guarded"), environment.into()).expect("it is served").server;
    assert_eq!(guarded(&server, ANYWHERE), "sro");

    // What else is wrong is no reason.
    let toml = format!("{}[[stores]]\n", token("p", "[\"scrape\"]")) + "on = 1\n[server.access]\nread = \"open\"\n";
    assert_eq!(guarded(&bare::server(Some(&toml), HashMap::new()), ANYWHERE), "so");
}

#[test]
fn health_finds_the_listener_whatever_is_wrong_with_the_settings() {
    let listen = |text: Option<&str>| bare::server(text, HashMap::new()).listen.to_string();
    assert_eq!(listen(Some("[server]\nlisten = \"127.0.0.1:9800\"\ncolour = 1\n[[stores]]\n")), "127.0.0.1:9800");
    assert_eq!(listen(None), LOOPBACK);
    assert_eq!(listen(Some("no TOML")), LOOPBACK);
    let environment = HashMap::from([("TIDEGAUGE__SERVER__LISTEN".to_owned(), "127.0.0.1:9801".to_owned())]);
    assert_eq!(bare::server(Some("no TOML"), environment).listen.to_string(), "127.0.0.1:9801");
}

#[test]
fn an_operator_is_told_what_is_right_and_of_no_use_or_no_protection() {
    let notices = |toml: &str| load(&format!("{toml}\n{STORE}"), &[]).unwrap().notices(NOW).join("\n");
    let anywhere = format!("[server]\nlisten = \"{ANYWHERE}\"\n");
    assert!(notices(&anywhere).contains("can use the whole API"));
    let guarded = notices(&format!("{anywhere}{}", token("p", "[\"read\"]")));
    assert!(!guarded.contains("can use the whole API") && guarded.contains("can read the tokens"), "{guarded}");
    let safe = notices(&format!("{anywhere}{}{TLS}", token("p", "[\"read\"]")));
    assert_eq!(safe, "");
    assert!(notices(TLS).contains("is used by no listener"));
    assert!(notices(&format!("{anywhere}[server.access]\noperate = \"open\"\n")).contains("read its settings again"));
}
