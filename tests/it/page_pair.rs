//! What the page says of one pair, while a simulated store is measured in virtual time.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::Value as Json;
use tidegauge::core::assess::State;
use tidegauge::core::model::{Plan, RegionId};
use tidegauge::core::offset::Basis;
use tidegauge::core::unknown::Unknown;
use tidegauge::providers::Nobody;
use tokio::time::sleep;

use crate::alerts_http::STALL;
use crate::gauge::{Gauge, LAG_SECONDS};
use crate::http::{Exaggerates, POLLING};
use crate::page::{page, words};

const PAIR: &str = "?store=orders&source_region=us-east-1&target_region=eu-west-1";

/// The page as a browser gets it, and of it the part that is about the pair. All of it must be what a browser may be given.
async fn ask(gauge: &Gauge, query: &str) -> String {
    let page = page(gauge.full(), &format!("/{query}")).await;
    is_sound(&page);
    let (_, pair) = page.split_once("<section class=\"pair\"").unwrap();
    pair.split_once("</section>").unwrap().0.to_owned()
}

/// Every value of an attribute.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!(" {name}=\"");
    page.split(&begin).skip(1).map(|rest| rest.split_once('"').unwrap().0).collect()
}

fn is_sound(page: &str) {
    for name in ["d", "x", "y", "width", "height"] {
        for value in attributes(page, name) {
            let is_number = |one: char| one.is_ascii_digit() || ".- MLHVhvz".contains(one);
            assert!(!value.is_empty() && value.chars().all(is_number), "{name}={value:?} is no place");
        }
    }
    for name in ["style", "onclick", "onload"] {
        assert!(attributes(page, name).is_empty(), "the policy forbids {name}");
    }
    let ids = attributes(page, "id");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    assert_eq!(
        page.matches("<th ").count(),
        page.matches("<th scope=").count(),
        "every heading of a table is one of something"
    );
    assert!(!page.contains("<th>"), "{page}");
    assert_eq!(page.matches("<svg").count(), page.matches(" role=\"img\" aria-label=\"").count());
    let mut level = 0;
    for heading in page.split("<h").skip(1).filter_map(|rest| rest.chars().next()?.to_digit(10)) {
        assert!(heading <= level + 1, "h{heading} after h{level}");
        level = heading;
    }
}

/// A table's rows by its caption, each cell as text.
fn rows(page: &str, caption: &str) -> Vec<Vec<String>> {
    let (_, table) = page.split_once(&format!("<caption>{caption}")).unwrap_or_else(|| panic!("{caption}: {page}"));
    let body = table.split_once("<tbody>").unwrap().1.split_once("</tbody>").unwrap().0;
    let cells = |row: &str| {
        let cells = row.split("<t").skip(1).map(|cell| words(&format!("<t{cell}")));
        cells.collect::<Vec<_>>()
    };
    body.split("<tr>").skip(1).map(cells).collect()
}

/// What a figure's row says: its value, and what it is.
fn figure(page: &str, name: &str) -> (String, String) {
    let rows = rows(page, "What is known of the pair now");
    let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no {name}: {rows:?}"));
    (row[1].clone(), row[2].clone())
}

/// The chart whose name begins so.
fn chart<'a>(page: &'a str, name: &str) -> &'a str {
    let charts = page.split("<svg").skip(1).map(|rest| rest.split_once("</svg>").unwrap().0);
    let mut fitting = charts.filter(|chart| attributes(chart, "aria-label")[0].starts_with(name));
    fitting.next().unwrap_or_else(|| panic!("no chart of {name}: {page}"))
}

/// From places to numbers, by what stands beside a linear axis that counts in seconds.
fn scale(chart: &str, class: &str, place: &str) -> impl Fn(f64) -> f64 {
    let begin = format!("<text class=\"{class}\"");
    let texts = chart.split(&begin).skip(1);
    let number = |label: &str| match label {
        "now" => 0.0,
        _ => label.trim_start_matches('−').strip_suffix(" s").unwrap().parse::<f64>().unwrap(),
    };
    let all: Vec<(f64, f64)> = texts
        .map(|rest| {
            let at: f64 = attributes(rest, place)[0].parse().unwrap();
            // A number stands a little below its line.
            let at = if place == "y" { at - 4.0 } else { at };
            (at, number(rest.split_once('>').unwrap().1.split_once('<').unwrap().0))
        })
        .collect();
    let ((from, first), (to, last)) = (all[0], all[all.len() - 1]);
    move |at| first + (at - from) / (to - from) * (last - first)
}

/// The bars: across, and from the least to the most.
fn bars(chart: &str) -> Vec<[f64; 3]> {
    let path = chart.split("<path class=\"bar\"").nth(1).unwrap();
    let bar = |bar: &str| {
        let numbers: Vec<f64> = bar.split(['M', ' ', 'h', 'V', 'z']).filter_map(|number| number.parse().ok()).collect();
        let [left, top, wide, bottom, _] = numbers[..] else { panic!("{bar} is no bar") };
        [left + wide / 2.0, bottom, top]
    };
    attributes(path, "d")[0].split_inclusive('z').map(bar).collect()
}

#[tokio::test(start_paused = true)]
async fn the_bars_are_where_the_samples_are() {
    let gauge = Gauge::after(Duration::from_secs(90), 1).await;
    let page = ask(&gauge, PAIR).await;
    let answer = gauge.get(&format!("/api/v1/samples{PAIR}")).await.json();
    let samples = answer["data"]["samples"].as_array().unwrap();
    let chart = chart(&page, "lag of the last");
    let (across, up) = (scale(chart, "across", "x"), scale(chart, "up", "y"));
    let bars = bars(chart);
    assert_eq!(bars.len(), samples.len());
    // At that moment it was 01:30 after midnight.
    let since_start = |instant: &str| {
        let (minutes, seconds) = instant.trim_end_matches('Z')[14..].split_once(':').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    };
    for ([x, bottom, top], sample) in bars.into_iter().rev().zip(samples) {
        let [lower, upper] = ["lower_seconds", "upper_seconds"].map(|end| sample[end].as_f64().unwrap());
        assert!(
            (up(bottom) - lower).abs() < 0.01 && (up(top) - upper).abs() < 0.01,
            "{sample} is at {bottom} to {top}"
        );
        let written = 90.0 - since_start(sample["written_at"].as_str().unwrap());
        assert!((across(x) - written).abs() < 0.1, "{sample} is at {x}: {} not {written}", across(x));
    }
    let table = rows(&page, "The last samples, the newest first");
    assert_eq!(table.len(), samples.len());
    let newest = &samples[0];
    assert_eq!(table[0][0], newest["seen_at"].as_str().unwrap()[11..23]);
    assert_eq!(table[0][1], format!("{:.3} s", newest["lower_seconds"].as_f64().unwrap()));
    assert_eq!(table[0][2], format!("{:.3} s", newest["upper_seconds"].as_f64().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_is_ok_shows_what_the_api_says_of_it() {
    let gauge = Gauge::after(Duration::from_secs(700), 1).await;
    let page = ask(&gauge, PAIR).await;
    let pair = &gauge.pairs(PAIR).await[0];
    let shown = words(&page);
    assert!(shown.contains("orders: us-east-1 to eu-west-1") && shown.contains("● ok for"), "{shown}");
    assert!(!shown.contains("What to do"), "{shown}");
    let span = |value: &Json| format!("{:.2} s", value.as_f64().unwrap());
    assert_eq!(figure(&page, "Current lag").0, span(&pair["current_lag_seconds"]));
    assert_eq!(figure(&page, "Staleness").0, span(&pair["staleness_seconds"]));
    assert_eq!(
        figure(&page, "Best known lag"),
        (span(&pair["merged_lag_seconds"]), "as measured by the heartbeats".into())
    );
    let (at, which) = figure(&page, "Watermark");
    assert_eq!(at, pair["watermark"]["written_at"].as_str().unwrap()[11..23]);
    assert!(which.ends_with(&format!("run {}, seq {}", pair["watermark"]["run"], pair["watermark"]["seq"])), "{which}");
    assert_eq!(figure(&page, "Measured by").0, "one clock");
    let quantiles = rows(&page, "Quantiles of the samples");
    for (row, window) in quantiles.iter().zip(["1m", "10m", "60m"]) {
        let window = &pair["windows"][window];
        assert_eq!(row[1], window["count"].to_string(), "{row:?}");
        assert_eq!(row[2], span(&window["p50_seconds"]));
        let p99 = if window["p99_seconds"].is_null() { "-".to_owned() } else { span(&window["p99_seconds"]) };
        assert_eq!(row[4], p99, "{row:?}");
    }
    let within = rows(&page, "A write is visible within");
    for (row, confidence) in within.iter().zip(["0.5", "0.9", "0.99"]) {
        let answer = gauge.get(&format!("/api/v1/visibility{PAIR}&confidence={confidence}")).await.json();
        let data = &answer["data"];
        assert_eq!(
            [&row[1], &row[2]],
            [&span(&data["within"]["optimistic_seconds"]), &span(&data["within"]["pessimistic_seconds"])]
        );
        assert!(row[3].starts_with(&format!("{} heartbeats", data["samples"])), "{row:?}");
    }
    assert_eq!(within.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["50 %", "90 %", "99 %"]);
    assert!(shown.contains("That is no certainty"), "{shown}");
    assert!(shown.contains("It is not asked about this pair"), "{shown}");
    assert!(shown.contains("Nothing fires, and nothing is pending."), "{shown}");
    for resource in ["pairs", "samples", "visibility"] {
        let links = attributes(&page, "href");
        let link = links.iter().find(|link| link.starts_with(&format!("api/v1/{resource}?"))).unwrap();
        assert_eq!(gauge.get(&format!("/{}", link.replace("&amp;", "&"))).await.status, StatusCode::OK, "{link}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_band_of_visibility_is_between_what_the_api_says_and_never_reaches_certainty() {
    let gauge = Gauge::after(Duration::from_secs(700), 1).await;
    let page = ask(&gauge, PAIR).await;
    let chart = chart(&page, "from ");
    let name = attributes(chart, "aria-label")[0];
    assert!(name.contains(" rises to between 99 % and 99.8"), "of some 600 samples: {name}");
    let edge = |class: &str| {
        let path = chart.split(&format!("<path class=\"{class}\"")).nth(1).unwrap();
        let numbers: Vec<f64> =
            attributes(path, "d")[0].split(['M', ' ']).filter_map(|number| number.parse().ok()).collect();
        numbers.chunks(2).map(|point| (point[0], point[1])).collect::<Vec<_>>()
    };
    let (early, late) = (edge("edge"), edge("edge late"));
    assert_eq!(early.len(), late.len());
    // Upwards the numbers of places fall: 24 is certainty.
    assert!(early.iter().zip(&late).all(|(early, late)| early.0 == late.0 && early.1 <= late.1), "{early:?} {late:?}");
    assert!(early.iter().chain(&late).all(|(_, y)| *y > 24.0), "{early:?} {late:?}");
    assert!(early.windows(2).all(|two| two[0].0 <= two[1].0 && two[0].1 >= two[1].1), "it only rises: {early:?}");
    let across = scale(chart, "across", "x");
    let risen = late.iter().find(|(_, y)| *y < 110.0).unwrap();
    assert!((LAG_SECONDS..LAG_SECONDS + 0.5).contains(&across(risen.0)), "half are visible after the lag: {late:?}");
}

#[tokio::test(start_paused = true)]
async fn in_a_stall_it_says_so_and_since_when_and_what_to_do_and_shows_that_time_goes_on() {
    let gauge = Gauge::judging(STALL);
    sleep(Duration::from_secs(130)).await;
    let page = ask(&gauge, PAIR).await;
    let shown = words(&page);
    assert!(shown.contains("■ stalled for") && shown.contains("since 2026-01-01 00:00:3"), "{shown}");
    assert!(shown.contains("us-east-1 writes, but nothing new has become visible in eu-west-1"), "{shown}");
    assert!(shown.contains("What to do: Replication has stopped."), "{shown}");
    assert!(shown.contains("Runbook: docs/runbooks/TidegaugeStalled.md ."), "{shown}");
    let alerts = page.split_once("Alerts of this pair").unwrap().1;
    assert!(alerts.contains("TidegaugeStalled") && alerts.contains("firing"), "{alerts}");
    let chart = chart(&page, "lag of the last");
    let name = attributes(chart, "aria-label")[0];
    assert!(name.contains("the oldest that was not visible at the last look was written"), "{name}");
    let bars = bars(chart);
    let newest = bars.iter().map(|[x, ..]| *x).fold(0.0, f64::max);
    let right: f64 = chart
        .split("<text class=\"across\"")
        .skip(1)
        .map(|rest| attributes(rest, "x")[0].parse().unwrap())
        .fold(0.0, f64::max);
    assert!(right - newest > 300.0, "100 s ago is not now: {newest} of {right}");
    let unseen = attributes(chart.split("<path class=\"unseen\"").nth(1).unwrap(), "d")[0];
    let end: f64 = unseen.rsplit(['L', ' ']).nth(1).unwrap().parse().unwrap();
    assert!(right - end < 15.0, "what is not visible yet reaches to now: {unseen}");
    let hour = attributes(chart_of_hour(&page), "aria-label")[0];
    assert!(hour.contains("stalled in"), "{hour}");
    let minutes = rows(&page, "The last hour");
    assert_eq!(
        (minutes.len(), minutes[0][2].as_str(), minutes[2][2].as_str()),
        (3, "stalled", "stalled"),
        "{minutes:?}"
    );

    // It has healed by then.
    sleep(Duration::from_secs(200)).await;
    let healed = words(&ask(&gauge, PAIR).await);
    assert!(healed.contains("● ok for") && !healed.contains("What to do"), "{healed}");
    // The other pairs never were.
    let other = words(&ask(&gauge, "?store=orders&source_region=eu-west-1&target_region=us-east-1").await);
    assert!(other.contains("● ok for"), "{other}");
}

fn chart_of_hour(page: &str) -> &str {
    chart(page, "largest current lag")
}

#[tokio::test(start_paused = true)]
async fn at_the_start_nothing_reads_as_a_number() {
    let page = ask(&Gauge::after(Duration::ZERO, 1).await, PAIR).await;
    let shown = words(&page);
    assert!(shown.contains("? unknown for 0.00 s") && shown.contains(": not measured yet"), "{shown}");
    assert!(shown.contains("What to do: Wait a few heartbeats."), "{shown}");
    assert!(shown.contains("No heartbeat has become visible since this process has been watching."), "{shown}");
    for (name, because) in [
        ("Current lag", "not measured yet"),
        ("Staleness", "no heartbeat is visible yet, or not in every slot"),
        ("Best known lag", "neither heartbeats nor provider say"),
        ("Watermark", "no heartbeat is visible yet, or not in every slot"),
        ("Last sample", "there is none yet"),
        ("Wide samples", "there are no samples yet"),
    ] {
        assert_eq!(figure(&page, name), ("-".into(), because.into()), "{name}");
    }
    for row in rows(&page, "Quantiles of the samples") {
        assert_eq!(row[1..], ["0", "-", "-", "-", "-"]);
    }
    assert!(shown.contains("Too few heartbeats became visible in the last hour: 0."), "{shown}");
    let hour = attributes(chart_of_hour(&page), "aria-label")[0];
    assert_eq!(hour, "largest current lag by the minute, over 1 min: none is known; unknown in 1");
}

#[tokio::test(start_paused = true)]
async fn of_one_sample_there_is_one_bar() {
    let gauge = Gauge::after(Duration::from_millis(1_900), 1).await;
    let page = ask(&gauge, PAIR).await;
    let samples = gauge.get(&format!("/api/v1/samples{PAIR}")).await.json();
    assert_eq!(samples["data"]["samples"].as_array().unwrap().len(), 1, "{samples}");
    assert_eq!(bars(chart(&page, "lag of the last heartbeats that became visible, 1 of them")).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_of_many_slots_has_its_lag() {
    let gauge = Gauge::after(Duration::from_secs(90), 16).await;
    let page = ask(&gauge, PAIR).await;
    let slots = rows(&page, "Its slots");
    assert_eq!(
        slots.iter().map(|row| row[0].clone()).collect::<Vec<_>>(),
        (0..16).map(|slot| slot.to_string()).collect::<Vec<_>>()
    );
    assert!(slots.iter().all(|row| row[1].ends_with(" s") && row[2].starts_with("00:01:")), "{slots:?}");
    assert_ne!(figure(&page, "Slot spread").0, "-");
    let samples = rows(&page, "The last samples");
    let seen: BTreeSet<&str> = samples.iter().map(|row| row[3].as_str()).collect();
    assert_eq!(seen.len(), 16, "{samples:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pair_of_two_clocks_says_what_bounds_their_difference() {
    let gauge = Gauge::local(Duration::from_secs(30)).await;
    let page = ask(&gauge, "?store=orders&source_region=eu-west-1&target_region=us-east-1").await;
    assert_eq!(figure(&page, "Measured by").0, "two clocks");
    let (offset, by) = figure(&page, "Clock offset");
    assert_eq!(offset, "-");
    assert!(by.ends_with("nothing bounds it"), "{by}");
    assert_eq!(figure(&page, "Overdue").0, "-");
}

#[tokio::test(start_paused = true)]
async fn the_samples_of_two_clocks_are_bars_and_what_bounds_the_clocks_is_a_figure() {
    let gauge = Gauge::of_two(Duration::from_secs(90)).await;
    let query = "?store=orders&source_region=eu-west-1&target_region=us-east-1";
    let page = ask(&gauge, query).await;
    let pair = &gauge.pairs(query).await[0];
    assert_eq!(pair["clock"], "two");
    let [min, max] = ["min_seconds", "max_seconds"].map(|end| pair["offset"][end].as_f64().unwrap());
    assert!(min < 0.0, "each is behind the other by a lag at most: {pair}");
    let (offset, by) = figure(&page, "Clock offset");
    assert_eq!(offset, format!("{min:.2} s to {max:.2} s"));
    let bases = Basis::ALL.map(|basis| (basis.label(), basis.words()));
    let of = pair["offset"]["basis"].as_str().unwrap();
    for (label, words) in bases {
        assert_eq!(by.contains(words), of.split('+').any(|one| one == label), "{of}: {by}");
    }
    assert_eq!(figure(&page, "Overdue").0, format!("{:.2} s", pair["overdue_seconds"].as_f64().unwrap()));
    let samples = gauge.get(&format!("/api/v1/samples{query}")).await.json();
    let samples = samples["data"]["samples"].as_array().unwrap().clone();
    assert!(samples.len() > 60);
    let chart = chart(&page, "lag of the last");
    let up = scale(chart, "up", "y");
    for ([_, bottom, top], sample) in bars(chart).into_iter().rev().zip(&samples) {
        let [lower, upper] = ["lower_seconds", "upper_seconds"].map(|end| sample[end].as_f64().unwrap());
        assert!(
            (up(bottom) - lower).abs() < 0.02 && (up(top) - upper).abs() < 0.02,
            "{sample} is at {bottom} to {top}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_says_who_has_what_it_does_not_keep() {
    let change = |plan| Plan { observer: true, local: Some(RegionId(0)), ..plan };
    let gauge = Gauge::planned(Duration::from_secs(30), change, Nobody).await;
    let page = words(&ask(&gauge, "?store=orders&source_region=eu-west-1&target_region=us-east-1").await);
    assert!(page.contains("What to do: Ask the cell's gauge, which can tell"), "nothing new comes: {page}");
    assert!(page.contains("An observer keeps none: ask the cell's gauge."), "{page}");
    assert!(page.contains("An observer counts no samples: ask the cell's gauge."), "{page}");
}

#[tokio::test(start_paused = true)]
async fn it_says_what_the_provider_says_and_that_it_disagrees() {
    let gauge = Gauge::asking(Duration::from_secs(600), 1, Some(POLLING), Exaggerates).await;
    let page = words(&ask(&gauge, PAIR).await);
    assert!(page.contains("16.0 s average of the 1 min that ended") && page.contains(", maximum 32.0 s."), "{page}");
    assert!(page.contains("It says more than the heartbeats : its average is 16.00 s"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn names_are_text_whatever_is_in_them() {
    let change = |plan| {
        let regions = ["East <b>US", "a \"b\" & 'c'", "ap-southeast-2"].map(Into::into).to_vec();
        Plan { store: "<script>alert(1)</script>".into(), regions, ..plan }
    };
    let gauge = Gauge::planned(Duration::from_secs(90), change, Nobody).await;
    let query =
        "?store=%3Cscript%3Ealert(1)%3C%2Fscript%3E&source_region=East+%3Cb%3EUS&target_region=a+%22b%22+%26+'c'";
    let page = ask(&gauge, query).await;
    assert!(!page.contains("<script") && !page.contains("<b>US"), "{page}");
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;: East &lt;b&gt;US to a &quot;b&quot; &amp; 'c'"),
        "{page}"
    );
    let link = attributes(&page, "href").into_iter().find(|link| link.starts_with("api/v1/samples?")).unwrap();
    let answer = gauge.get(&format!("/{}", link.replace("&amp;", "&"))).await;
    assert_eq!(answer.status, StatusCode::OK, "{link} {answer:?}");
}

#[test]
fn what_to_do_about_a_state_is_what_the_readme_says() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for state in State::ALL {
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{}` |", state.label()))).unwrap();
        let says = row.trim_end_matches('|').rsplit('|').next().unwrap().trim().replace('`', "");
        assert_eq!(says, state.remedy(), "{state:?}");
    }
}

#[test]
fn what_to_do_about_an_unknown_pair_is_what_the_runbook_says() {
    let runbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks/TidegaugeUnknown.md");
    let says = std::fs::read_to_string(runbook).unwrap().replace('`', "");
    let says = says.split_whitespace().collect::<Vec<&str>>().join(" ");
    for unknown in Unknown::ALL {
        assert!(says.contains(unknown.remedy()), "{unknown:?}");
    }
}
