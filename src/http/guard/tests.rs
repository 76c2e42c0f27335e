//! What is refused, and in which order.

use super::*;
use crate::http::answer::Kind;
use crate::settings::Settings;

/// SHA-256 of "operator" and of "reader".
const OPERATOR: &str = "06e55b633481f7bb072957eabcf110c972e86691c3cfedabe088024bffe42f23";
const READER: &str = "3d0941964aa3ebdcb00ccef58b1bb399f9f898465e9886d5aec7f31090a0fb30";
const ANYWHERE: &str = "10.0.0.1:9746";
const LOOPBACK: &str = "127.0.0.1:9746";

fn guard(server: &str, address: &str) -> Guard {
    let store = "[cell]\ncentral = true\n[[stores]]\nname = \"orders\"\nregions = [{ name = \"a\" }, { name = \"b\" }]\n\
                 [stores.simulated]\n";
    let settings = Settings::from_toml(&format!("{server}\n{store}")).unwrap();
    let keys = Keys::load(&settings.server).unwrap();
    Guard::of(&settings.server, address.parse().unwrap(), keys)
}

fn tokens() -> String {
    let token = |name: &str, digest: &str, may: &str| {
        format!("[[server.tokens]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nmay = [\"{may}\"]\n")
    };
    token("operator", OPERATOR, "operate") + &token("reader", READER, "read")
}

/// What becomes of a request with these headers, each `Name: value`.
fn asks(guard: &Guard, method: Method, act: Act, headers: &[&str]) -> Result<(), Kind> {
    let mut request = Request::builder().method(method).uri("/somewhere");
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let request = request.body(()).unwrap();
    guard.check_for(Some(act), &Caller::default(), &request).map_err(|problem| problem.kind())
}

const HOST_IS_OURS: &str = "Host: 127.0.0.1:9746";
const JSON: &str = "Content-Type: application/json";

#[test]
fn what_changes_something_is_shut_away_from_loopback_until_somebody_may() {
    let operate = |guard: &Guard, headers: &[&str]| asks(guard, Method::POST, Act::Operate, headers);
    let plain = [HOST_IS_OURS, JSON];
    assert_eq!(operate(&guard("", LOOPBACK), &plain), Ok(()));
    assert_eq!(operate(&guard("", ANYWHERE), &plain), Err(Kind::Unauthorized));
    assert_eq!(operate(&guard("[server.access]\noperate = \"open\"\n", ANYWHERE), &plain), Ok(()));
    let guarded = guard(&tokens(), ANYWHERE);
    for (authorization, becomes) in [
        ("Authorization: Bearer operator", Ok(())),
        ("authorization: bearer   operator ", Ok(())),
        ("Authorization: Bearer reader", Err(Kind::Forbidden)),
        ("Authorization: Bearer nobody", Err(Kind::Unauthorized)),
        ("Authorization: Bearer ", Err(Kind::Unauthorized)),
        ("Authorization: Basic b3BlcmF0b3I=", Err(Kind::Unauthorized)),
        ("Authorization: operator", Err(Kind::Unauthorized)),
        (&format!("Authorization: Bearer {OPERATOR}"), Err(Kind::Unauthorized)),
    ] {
        assert_eq!(operate(&guarded, &[HOST_IS_OURS, JSON, authorization]), becomes, "{authorization}");
    }
    let twice = [HOST_IS_OURS, JSON, "Authorization: Bearer operator", "Authorization: Bearer operator"];
    assert_eq!(operate(&guarded, &twice), Err(Kind::Unauthorized));
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let open = guard("", LOOPBACK);
    for (headers, becomes) in [
        (vec![JSON], Ok(())),
        (vec!["Content-Type: Application/JSON; charset=utf-8"], Ok(())),
        (vec![JSON, "Origin: http://127.0.0.1:9746", "Sec-Fetch-Site: same-origin"], Ok(())),
        (vec![JSON, "Sec-Fetch-Site: none"], Ok(())),
        (vec![], Err(Kind::UnsupportedMediaType)),
        (vec!["Content-Type: text/plain"], Err(Kind::UnsupportedMediaType)),
        (vec!["Content-Type: application/x-www-form-urlencoded"], Err(Kind::UnsupportedMediaType)),
        (vec![JSON, "Origin: https://evil.example"], Err(Kind::Forbidden)),
        (vec![JSON, "Origin: http://127.0.0.1:8000"], Err(Kind::Forbidden)),
        (vec![JSON, "Origin: null"], Err(Kind::Forbidden)),
        (vec![JSON, "Sec-Fetch-Site: cross-site"], Err(Kind::Forbidden)),
        (vec![JSON, "Sec-Fetch-Site: same-site"], Err(Kind::Forbidden)),
    ] {
        let all: Vec<&str> = headers.into_iter().chain([HOST_IS_OURS]).collect();
        assert_eq!(asks(&open, Method::POST, Act::Operate, &all), becomes, "{all:?}");
    }
}

#[test]
fn a_page_of_another_site_reads_nothing_and_a_link_leads_here() {
    let open = guard("", LOOPBACK);
    for (headers, becomes) in [
        (["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"], Ok(())),
        (["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"], Ok(())),
        (["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"], Err(Kind::Forbidden)),
        (["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"], Err(Kind::Forbidden)),
    ] {
        let all = [&[HOST_IS_OURS], &headers[..]].concat();
        assert_eq!(asks(&open, Method::GET, Act::Read, &all), becomes, "{all:?}");
    }
}

#[test]
fn names_that_somebody_else_can_have_are_refused_but_for_the_metrics() {
    let hosts = guard("[server.access]\nhosts = [\"gauge.example\"]\n", LOOPBACK);
    for act in [Act::Read, Act::Operate] {
        let method = if act == Act::Read { Method::GET } else { Method::POST };
        let asked = |headers: &[&str]| asks(&hosts, method.clone(), act, &[headers, &[JSON]].concat());
        assert_eq!(asked(&["Host: gauge.example:443"]), Ok(()));
        for headers in
            [vec![], vec!["Host: evil.example"], vec![HOST_IS_OURS, "Host: evil.example"], vec!["Host: \u{e4}"]]
        {
            assert_eq!(asked(&headers), Err(Kind::Misdirected), "{headers:?}");
        }
    }
    assert_eq!(asks(&hosts, Method::GET, Act::Scrape, &["Host: tidegauge.monitoring.svc:9747"]), Ok(()));

    let absolute = Request::builder().uri("http://evil.example/").header(HOST, "localhost").body(()).unwrap();
    let refused = hosts.check_for(Some(Act::Read), &Caller::default(), &absolute).map_err(|problem| problem.kind());
    assert_eq!(refused, Err(Kind::Misdirected), "where a request says both, both count");
}

#[test]
fn who_may_not_is_told_so_before_anything_else() {
    let guarded = guard(&format!("[server.access]\nread = \"guarded\"\n{}", tokens()), LOOPBACK);
    let wrong = ["Host: evil.example", "Content-Length: 10000000", "Origin: https://evil.example"];
    assert_eq!(asks(&guarded, Method::POST, Act::Read, &wrong), Err(Kind::Unauthorized));
    let long = [HOST_IS_OURS, "Content-Length: 10000000"];
    assert_eq!(asks(&guarded, Method::GET, Act::Operate, &long), Err(Kind::PayloadTooLarge));
}
