//! The page as it leaves the gauge. What a browser makes of it is tried in one, in tests/page.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use tidegauge::core::trace::MINUTE;
use tidegauge::http::{self, Shared};
use tidegauge::reload::Loaded;
use tokio::sync::watch;
use tokio::time::sleep;
use tower::ServiceExt;

use crate::alerts_http::STALL;
use crate::gauge::{Gauge, ask, pair_names};
use crate::http::{Exaggerates, POLLING};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const A_WHILE: Duration = Duration::from_secs(20);
/// What a browser asks for.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// What a browser is sent.
pub async fn page(router: Router, uri: &str) -> String {
    let request = Request::builder().uri(uri).header(ACCEPT, BROWSER).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{uri}");
    assert_eq!(response.headers()[CONTENT_TYPE], HTML);
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// All elements of a name, each with what is in it.
pub fn elements<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let starts = page.match_indices(&open).filter(|(at, _)| page[at + open.len()..].starts_with(['>', ' ']));
    starts.map(|(at, _)| &page[at..at + page[at..].find(&close).unwrap()]).collect()
}

/// The words in it, without the mark-up.
pub fn words(part: &str) -> String {
    let mut text = String::new();
    for piece in part.split('<') {
        text.push_str(piece.split_once('>').map_or(piece, |(_, text)| text));
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

/// The section of the store, as words.
fn store(page: &str) -> String {
    words(
        elements(page, "section").into_iter().find(|section| section.starts_with("<section class=\"store\"")).unwrap(),
    )
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_html_gets_it_and_all_others_text() {
    let gauge = Gauge::after(A_WHILE, 1).await;
    let text = gauge.get("/").await;
    assert_eq!((text.kind.as_str(), text.header("vary")), ("text/plain; charset=utf-8", Some("accept")));
    assert!(!text.body.contains('<'), "{}", text.body);
    assert!(page(gauge.full(), "/").await.starts_with("<!DOCTYPE html>"));
}

#[tokio::test(start_paused = true)]
async fn it_comes_compressed_to_whoever_takes_that() {
    let gauge = Gauge::after(A_WHILE, 1).await;
    let whole = page(gauge.full(), "/").await.len();
    let request = Request::builder().uri("/").header(ACCEPT, BROWSER).header(ACCEPT_ENCODING, "gzip, br");
    let response = gauge.full().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert!(body.starts_with(&[0x1f, 0x8b]) && body.len() < whole / 3, "{} of {whole}", body.len());
}

#[tokio::test(start_paused = true)]
async fn every_pair_has_a_cell_and_a_row_that_lead_to_it() {
    let gauge = Gauge::after(A_WHILE, 1).await;
    let page = page(gauge.full(), "/").await;
    for (source, target) in pair_names() {
        let link = format!("href=\"?store=orders&amp;source_region={source}&amp;target_region={target}\"");
        assert_eq!(page.matches(&link).count(), 2, "{source} to {target}");
        let name = format!("aria-label=\"{source} to {target}: ok, 0.");
        assert_eq!(page.matches(&name).count(), 1, "{name}: {page}");
    }
    assert!(words(&page).contains("All 6 region pairs are ok"));
    assert!(store(&page).contains("a heartbeat every 1 s · inline · strong reads · lagging above 5 s"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn before_anything_is_known_no_number_says_otherwise() {
    let gauge = Gauge::after(Duration::ZERO, 1).await;
    let page = page(gauge.full(), "/").await;
    let cells: Vec<&str> =
        elements(&page, "td").into_iter().filter(|cell| cell.starts_with("<td class=\"unknown\"")).collect();
    assert_eq!(cells.len(), 6, "{page}");
    for cell in cells {
        assert_eq!(words(cell), "? unknown -");
        assert!(cell.contains("lag not known"), "{cell}");
    }
    for spark in elements(&page, "svg") {
        assert!(spark.contains("aria-label=\"last hour: no lag is known\""), "{spark}");
    }
    assert!(words(&page).contains("6 of 6 region pairs are not ok: 6 unknown"));
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_told_with_its_cause_its_alerts_and_what_to_read_instead() {
    let policy = "[stores.advice]\nmax_staleness = \"5s\"\n";
    let gauge = Gauge::judging(&format!("{policy}{STALL}"));
    sleep(Duration::from_secs(100)).await;
    let page = page(gauge.full(), "/").await;
    assert!(words(&page).contains("1 of 6 region pairs is not ok: 1 stalled"), "{page}");
    assert!(elements(&page, "title")[0].contains("1 of 6 region pairs is not ok"));
    let cause = "us-east-1 writes, but nothing new has become visible in eu-west-1";
    let rows = elements(&page, "tr");
    let row = rows.iter().map(|row| words(row)).find(|row| row.starts_with("us-east-1 → eu-west-1")).unwrap();
    assert!(row.contains("■ stalled") && row.contains(cause), "{row}");
    let alert = rows.iter().map(|row| words(row)).find(|row| row.starts_with("TidegaugeStalled")).unwrap();
    assert!(alert.contains("page firing") && alert.contains(cause), "{alert}");
    // Who looks at one of them goes on looking at that one, whatever comes before it.
    for row in rows.iter().filter(|row| words(row).starts_with("Tidegauge")) {
        assert!(row.contains(" id=\"alert-0-"), "{row}");
    }
    let store = store(&page);
    let told = "Who reads in eu-west-1: read in the item's home region read_home_region what eu-west-1 shows of us-east-1 may be";
    assert!(store.contains(told), "{store}");
    assert!(store.contains("Who reads in us-east-1, ap-southeast-2: read there read_local"), "{store}");
}

/// The rows of the alerts, as words, and those among them that are seen at once.
fn alert_rows(page: &str) -> (Vec<String>, Vec<String>) {
    let rows = |part: &str| {
        let rows = elements(part, "tr").into_iter().map(words);
        rows.filter(|row| row.starts_with("Tidegauge") || row.starts_with("Late")).collect::<Vec<_>>()
    };
    let at_once = page.split("<details id=\"more-alerts\"").next().unwrap();
    (rows(page), rows(at_once))
}

#[tokio::test(start_paused = true)]
async fn what_fires_on_after_it_is_over_is_shown_as_over_and_as_what_it_was_until_then() {
    let gauge = Gauge::judging(STALL);
    sleep(Duration::from_secs(400)).await;
    let page = page(gauge.full(), "/").await;
    assert!(words(&page).contains("All 6 region pairs are ok"), "{page}");
    let (rows, _) = alert_rows(&page);
    let stalled = rows.iter().find(|row| row.starts_with("TidegaugeStalled")).unwrap();
    assert!(stalled.contains("page firing, over since 00:04:3"), "{stalled}");
    assert!(
        stalled.contains(" Until 00:04:3") && stalled.contains(": orders: us-east-1 → eu-west-1 is stalled: "),
        "{stalled}"
    );
    assert!(stalled.contains(" 4 min "), "it was so for four minutes, and is not for six: {stalled}");
    assert!(!page.contains("<tr class=\"firing\""), "nothing looks as if it were so now");
}

#[tokio::test(start_paused = true)]
async fn what_is_pending_and_not_known_now_is_folded_and_gives_no_reason_that_is_another_s() {
    // It stalls, and before anything fires nobody can look.
    let down = "[[stores.simulated.events]]\nkind = \"region_down\"\nregion = \"eu-west-1\"\noffset = \"50s\"\n\
                lasts = \"20m\"\nevery = \"2h\"\n";
    let gauge = Gauge::judging(&format!("{STALL}{down}"));
    sleep(Duration::from_secs(400)).await;
    let page = page(gauge.full(), "/").await;
    let (rows, at_once) = alert_rows(&page);
    let is_held = |row: &&String| row.contains("pending, not known since 00:00:5");
    let held = rows.iter().find(|row| row.starts_with("TidegaugeStalled") && is_held(row)).unwrap();
    assert!(held.contains("Until 00:00:5") && !held.contains("cannot be read"), "{held}");
    assert!(!at_once.iter().any(|row| is_held(&row)), "{at_once:?}");
    let folded = page.split("<details id=\"more-alerts\"").nth(1).unwrap();
    assert!(words(elements(folded, "summary")[0]).ends_with(" pending, not known now"), "{folded}");
    // What is known is told once.
    let unread = rows.iter().find(|row| row.starts_with("TidegaugeReadFailing")).unwrap();
    assert!(unread.contains("us-east-1 → eu-west-1 cannot be read: no answer within the deadline"), "{unread}");
}

#[tokio::test(start_paused = true)]
async fn what_is_pending_does_not_push_everything_else_out_of_sight() {
    let rule = |number| {
        format!(
            "[[alerts.rules]]\nname = \"Late{number}\"\nsignal = \"current_lag\"\nticket = {{ above = \"3s\", for = \"1h\" }}\n"
        )
    };
    let rules: String = (0..9).map(rule).collect();
    let gauge = Gauge::judging(&format!("{STALL}{rules}"));
    sleep(Duration::from_secs(120)).await;
    let page = page(gauge.full(), "/").await;
    let (rows, at_once) = alert_rows(&page);
    assert!(rows.len() == 12 && at_once.len() == 4, "what fires, and the first three that are pending: {rows:?}");
    assert!(at_once[0].starts_with("TidegaugeStalled page firing "), "{at_once:?}");
    assert!(words(&page).contains("More: 8 pending"), "{page}");
    let ids: Vec<&str> =
        page.match_indices(" id=\"").map(|(at, _)| page[at + 5..].split('"').next().unwrap()).collect();
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "each id is there once: {ids:?}");
}

#[tokio::test(start_paused = true)]
async fn the_last_hour_is_there_once_a_minute_is_over_and_shows_trouble() {
    let gauge = Gauge::judging(STALL);
    sleep(Duration::from_secs(400)).await;
    let page = page(gauge.full(), "/").await;
    let sparks: Vec<&str> = elements(&page, "svg").into_iter().filter(|svg| svg.contains("last hour")).collect();
    assert_eq!(sparks.len(), 6);
    let troubled: Vec<&&str> = sparks.iter().filter(|spark| spark.contains("min with trouble")).collect();
    assert_eq!(troubled.len(), 1);
    // From 00:00:30 to 00:04:30 it stalls, and is found to a little later.
    let name = "aria-label=\"last hour: ";
    let said = troubled[0].split(name).nth(1).unwrap().split('"').next().unwrap();
    assert!(said.ends_with(" to 4 min, 5 min with trouble"), "{said}");
    let line = troubled[0].split("<path d=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(line.matches(['M', 'L']).count(), 7, "{line}");
}

#[tokio::test(start_paused = true)]
async fn the_judge_publishes_each_minute_that_is_over_though_nothing_happens() {
    let gauge = Gauge::judging("");
    let latest = || {
        let view = gauge.shared.sources.view();
        let trace = view.trace(0, &view.stores[0].pairs[0]).unwrap();
        (view.now.wall.floor(MINUTE), trace.newest_first(view.now.wall).next().unwrap().0)
    };
    for _ in 0..3 {
        sleep(Duration::from_secs(60)).await;
        sleep(Duration::from_secs(2)).await;
        let (now, newest) = latest();
        assert_eq!(now, newest);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_s_word_stands_beside_the_heartbeats() {
    let gauge = Gauge::asking(Duration::from_secs(600), 1, Some(POLLING), Exaggerates).await;
    let page = page(gauge.full(), "/").await;
    let rows = elements(&page, "tr").into_iter().map(words).filter(|row| row.contains("says more than the heartbeats"));
    assert_eq!(rows.filter(|row| row.contains("16.0 s average,")).count(), 6, "{page}");
    assert!(store(&page).contains("It agrees with the heartbeats on 0 pairs, disagrees on 6"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_gauge_of_one_region_shows_what_it_measures_and_how_far_the_clocks_are_apart() {
    let gauge = Gauge::local(A_WHILE).await;
    let page = page(gauge.full(), "/").await;
    let store = store(&page);
    assert!(store.contains("from \\ to us-east-1 eu-west-1"), "one column: {store}");
    assert!(store.contains("this host's clock minus the writer's"), "{store}");
    assert!(store.contains("eu-west-1 not bounded not bounded nothing bounds it -"), "{store}");
}

#[tokio::test(start_paused = true)]
async fn one_store_or_one_pair_can_be_asked_for_and_what_is_not_there_is_named() {
    let gauge = Gauge::after(A_WHILE, 1).await;
    let pair = "/?store=orders&source_region=us-east-1&target_region=eu-west-1";
    let shown = page(gauge.full(), pair).await;
    assert!(words(&shown).contains("orders: us-east-1 to eu-west-1"), "{shown}");
    assert_eq!(shown.matches("aria-current").count(), 1);
    assert_eq!(page(gauge.full(), "/?store=orders").await.matches("aria-current").count(), 0);
    for (uri, status, kind, named) in [
        ("/?store=odors", StatusCode::NOT_FOUND, "not_found", "odors"),
        ("/?source_region=us-east-1", StatusCode::BAD_REQUEST, "bad_data", "\"store\""),
        ("/?store=orders&source_region=us-east-1", StatusCode::BAD_REQUEST, "bad_data", "\"target_region\""),
        ("/?store=orders&target_region=us-east-1", StatusCode::BAD_REQUEST, "bad_data", "\"source_region\""),
        ("/?store=orders&source_region=us-east-1&target_region=mars", StatusCode::NOT_FOUND, "not_found", "mars"),
        (
            "/?store=orders&source_region=us-east-1&target_region=us-east-1",
            StatusCode::NOT_FOUND,
            "not_found",
            "us-east-1",
        ),
    ] {
        let says = gauge.get(uri).await.problem(status, kind);
        assert!(says.contains(named), "{uri}: {says}");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_were_refused_are_told_of_beside_what_is_measured_with_those_before() {
    let gauge = Gauge::after(A_WHILE, 1).await;
    assert!(!words(&page(gauge.full(), "/").await).contains("refused"));
    let at = gauge.shared.loaded.borrow().at;
    let problems = "stores.orders: colour is not known; it is \"warn_lag\" <maybe>\nalerts: no rule";
    let loaded = watch::channel(Loaded { at, refused: Some(problems.into()) }).1;
    let shared = Shared::new(gauge.shared.sources.clone(), loaded, gauge.shared.reloads.clone());
    let text = ask(http::full(shared.clone()), Method::GET, "/").await;
    assert!(text.status == StatusCode::OK && text.body.contains(problems), "{}", text.body);
    let page = page(http::full(shared), "/").await;
    let lines: Vec<String> = elements(&page, "li").into_iter().map(words).collect();
    let told = "stores.orders: colour is not known; it is &quot;warn_lag&quot; &lt;maybe&gt;";
    assert!(lines.iter().any(|line| line == told) && lines.iter().any(|line| line == "alerts: no rule"), "{lines:?}");
    let page = words(&page);
    assert!(
        page.contains("Settings refused Those in use are of 2026-") && page.contains("All 6 region pairs are ok"),
        "{page}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_looks_at_what_is_not_there_is_told_so_on_a_page() {
    let gauge = Gauge::after(A_WHILE, 1).await;
    for (uri, status, told) in [
        ("/?store=nosuch", StatusCode::NOT_FOUND, "no store &quot;nosuch&quot;"),
        ("/?stor=orders", StatusCode::BAD_REQUEST, "stor"),
    ] {
        let request = Request::builder().uri(uri).header(ACCEPT, BROWSER).body(Body::empty()).unwrap();
        let response = gauge.full().oneshot(request).await.unwrap();
        assert_eq!((response.status(), &response.headers()[CONTENT_TYPE]), (status, &HTML), "{uri}");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let page = String::from_utf8(body.to_vec()).unwrap();
        let summary = elements(&page, "p").into_iter().find(|part| part.contains("id=\"summary\"")).unwrap();
        assert!(summary.contains(told) && page.contains("id=\"live\""), "{page}");
        assert!(page.contains("<a href=\".\">All stores</a>") && page.contains("script.js"), "{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_on_it_is_from_elsewhere_and_no_script_or_style_is_within() {
    let gauge = Gauge::judging(STALL);
    sleep(Duration::from_secs(100)).await;
    for uri in ["/", "/?store=orders", "/?store=orders&source_region=us-east-1&target_region=eu-west-1"] {
        let page = page(gauge.full(), uri).await;
        for attribute in ["href=\"", "src=\""] {
            for (at, _) in page.match_indices(attribute) {
                let address = page[at + attribute.len()..].split('"').next().unwrap();
                let is_here = !address.contains("//") && !address.starts_with('/');
                assert!(is_here || address.starts_with("data:image/svg+xml,"), "{uri}: {address}");
            }
        }
        assert_eq!(page.matches("<script").count(), 1, "{uri}");
        assert!(page.contains("<script src=\"script.js\" defer></script>"), "{uri}");
        for forbidden in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
            assert!(!page.contains(forbidden), "{uri}: {forbidden}");
        }
    }
    for uri in ["/", "/style.css", "/script.js"] {
        let answer = gauge.get(uri).await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let outside = ask(http::metrics_only(gauge.shared.clone()), Method::GET, uri).await;
        assert_eq!(outside.status, StatusCode::NOT_FOUND, "{uri}");
    }
}
