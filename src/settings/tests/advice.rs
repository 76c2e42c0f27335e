//! What `[stores.advice]` promises the operator.

use super::*;
use crate::core::advice::{Basis, Forced, LostSource, Override, Policy};
use crate::core::time::Span;

const fn seconds(seconds: i64) -> Span {
    Span::from_millis(seconds * 1_000)
}

/// A store of three regions.
fn three(keys: &str, advice: &str) -> String {
    let regions = "regions = [{ name = \"a\" }, { name = \"b\" }, { name = \"c\" }]";
    let store = store(&format!("{regions}\n{keys}"), "[stores.simulated]");
    format!("{store}\n[stores.advice]\n{advice}").replace("[cell]", "[cell]\nname = \"here\"")
}

fn advice(keys: &str) -> Policy {
    load(&three("", keys), &[]).unwrap().stores.remove(0).advice
}

fn notices(toml: &str) -> Vec<String> {
    load(toml, &[]).unwrap().notices(NOW)
}

#[track_caller]
fn refused(toml: &str) -> String {
    let mut complaints = complaints(toml);
    assert_eq!(complaints.len(), 1, "one mistake, one complaint: {complaints:#?}");
    complaints.remove(0)
}

#[test]
fn without_a_word_nothing_is_bounded_excluded_or_overridden() {
    let silent = load(STORE, &[]).unwrap().stores.remove(0).advice;
    assert_eq!(silent, Policy::of_interval(seconds(1)));
    assert_eq!(advice(""), silent);
    assert_eq!((silent.max_staleness, silent.lost_source, silent.spread), (None, LostSource::Refuse, 0.0));
    let slow = load(&three("heartbeat = { interval = \"2m\" }", ""), &[]).unwrap().stores.remove(0).advice;
    assert_eq!(slow.valid_for, seconds(120), "one interval");
    assert_eq!(slow.exclude_after, seconds(720), "no takeover is a loss");
}

#[test]
fn every_key_is_taken_as_it_is_written() {
    let all = advice(
        r#"
        max_staleness = "1m"
        basis = "estimate"
        valid_for = "500ms"
        return_below = "30s"
        min_dwell = "0s"
        jitter = 0
        max_wait = "2s"
        confidence = 0.999
        session_tokens = false
        lost_source = "exclude"
        exclude_after = "10m"
        [[stores.advice.overrides]]
        decision = "read_home_region"
        until = 2026-11-27T00:00:00Z
        [[stores.advice.overrides]]
        decision = "refuse"
        until = "2026-11-27T00:00:00.5Z"
        reason = "moving house"
        "#,
    );
    let until = NOW + seconds(24 * 3_600);
    let home = Override { decision: Forced::ReadHomeRegion, until, reason: "".into() };
    let refuse =
        Override { decision: Forced::Refuse, until: until + Span::from_millis(500), reason: "moving house".into() };
    let expected = Policy {
        max_staleness: Some(seconds(60)),
        basis: Basis::Estimate,
        valid_for: Span::from_millis(500),
        return_below: Some(seconds(30)),
        min_dwell: Span::ZERO,
        jitter: 0.0,
        spread: 0.0,
        max_wait: seconds(2),
        confidence: 0.999,
        session_tokens: false,
        lost_source: LostSource::Exclude,
        exclude_after: seconds(600),
        overrides: [home, refuse].into(),
    };
    assert_eq!(all, expected);
}

#[test]
fn what_is_wrong_is_said_with_the_way_out() {
    let long = format!(
        "overrides = [{{ decision = \"refuse\", until = 2026-12-01T00:00:00Z, reason = {:?} }}]",
        "ä".repeat(201)
    );
    let many = "{ decision = \"refuse\", until = 2026-12-01T00:00:00Z },".repeat(17);
    let many = format!("overrides = [{many}]");
    for (keys, answer) in [
        ("max_staleness = 2", "max_staleness: 2 is a bare number; write a duration with its unit"),
        ("max_staleness = \"9ms\"", "max_staleness: \"9ms\" is too short; use 10ms to 1year"),
        ("max_staleness = \"366d\"", "max_staleness: \"366d\" is too long; use 10ms to 1year"),
        ("valid_for = \"9ms\"", "valid_for: \"9ms\" is too short; use 10ms to 1h"),
        ("valid_for = \"61m\"", "valid_for: \"61m\" is too long; use 10ms to 1h"),
        ("min_dwell = \"61m\"", "min_dwell: \"61m\" is too long; use 0s to 1h"),
        ("max_wait = \"61m\"", "max_wait: \"61m\" is too long; use 0s to 1h"),
        ("jitter = 0.6", "jitter: 0.6 is out of range; use 0 to 0.5"),
        ("confidence = 1", "confidence: 1 is out of range; use 0.5 to 0.999"),
        (
            "basis = \"bond\"",
            "basis: \"bond\" is not known here; use \"bound\" or \"estimate\"; did you mean \"bound\"?",
        ),
        ("lost_source = \"ignore\"", "lost_source: \"ignore\" is not known here; use \"refuse\" or \"exclude\""),
        ("exclude_after = \"9s\"", "exclude_after: \"9s\" is too short; use 10s to 1day"),
        ("max_stalenes = \"5s\"", "advice: unknown key `max_stalenes`; did you mean `max_staleness`?"),
        ("return_below = \"5s\"", "return_below: goes with max_staleness, below which it has to be; set that as well"),
        (
            "max_staleness = \"5s\"\nreturn_below = \"6s\"",
            "return_below: is above max_staleness, which is 5s; use that or less",
        ),
        (
            "session_tokens = true",
            "session_tokens: only Cosmos DB has session tokens, and this store is of simulated; remove it",
        ),
        (
            "overrides = [{ until = 2026-12-01T00:00:00Z }]",
            "overrides[0].decision: is missing; say what every answer is to be",
        ),
        ("overrides = [{ decision = \"refuse\" }]", "overrides[0].until: is missing; say when it ends, such as 2026-"),
        (
            "overrides = [{ decision = \"wait\", until = 2026-12-01T00:00:00Z }]",
            "overrides[0].decision: \"wait\" is not known here; use \"read_local\" or \"read_home_region\" or \"refuse\"",
        ),
        (
            "overrides = [{ decision = \"refuse\", until = 2026-12-01T00:00:00Z, why = \"x\" }]",
            "overrides[0]: unknown key `why`; known here are decision, until, reason",
        ),
        (
            "overrides = [{ decision = \"refuse\", until = 2026-12-01T00:00:00Z, reason = \"a\\nb\" }]",
            "overrides[0].reason: has line breaks or other control characters; write it in one line",
        ),
        (&long, "overrides[0].reason: is 201 characters long; use at most 200"),
        (&many, "overrides: 17 are too many; use at most 16"),
    ] {
        let complaint = refused(&three("", keys));
        assert!(complaint.starts_with("x.toml: stores[0] (\"orders\").advice"), "{keys}\n{complaint}");
        assert!(complaint.contains(answer), "{keys}\n{complaint}");
    }
}

#[test]
fn an_override_ends_at_an_instant_that_means_the_same_everywhere() {
    for until in [
        "2026-12-01T00:00:00",
        "2026-12-01",
        "2026-12-01T00:00:00+01:00",
        "12:00:00",
        "\"tomorrow\"",
        "\"2026-13-01T00:00:00Z\"",
    ] {
        let complaint = refused(&three("", &format!("overrides = [{{ decision = \"refuse\", until = {until} }}]")));
        assert!(
            complaint.contains("overrides[0].until: \"") && complaint.contains("use one that ends in Z"),
            "{complaint}"
        );
    }
}

#[test]
fn a_bound_that_no_read_could_ever_meet_is_refused() {
    let valid_for_is_the_interval = refused(&three("", "max_staleness = \"1s\""));
    let expected = "advice.max_staleness: can never be met: an answer has to hold for valid_for (1s, the interval unless it is set)";
    assert!(valid_for_is_the_interval.contains(expected), "{valid_for_is_the_interval}");
    assert!(
        valid_for_is_the_interval.contains("shorten valid_for, or set basis = \"estimate\""),
        "{valid_for_is_the_interval}"
    );
    let valid_for_is_long = refused(&three("", "max_staleness = \"30s\"\nvalid_for = \"30s\"\nreturn_below = \"20s\""));
    assert!(
        valid_for_is_long.contains("max_staleness: can never be met: an answer has to hold for valid_for (30s)"),
        "{valid_for_is_long}"
    );
    let no_way_back = refused(&three("", "max_staleness = \"30s\"\nvalid_for = \"5s\"\nreturn_below = \"5s\""));
    assert!(no_way_back.contains("return_below: can never be met"), "{no_way_back}");
    for possible in [
        "max_staleness = \"1001ms\"",
        "max_staleness = \"1s\"\nbasis = \"estimate\"",
        "max_staleness = \"1s\"\nvalid_for = \"500ms\"",
    ] {
        assert!(load(&three("", possible), &[]).is_ok(), "{possible}");
    }
}

#[test]
fn a_takeover_is_not_taken_for_the_loss_of_a_region() {
    let interval = "heartbeat = { interval = \"10s\" }";
    let complaint = refused(&three(interval, "exclude_after = \"59s\""));
    assert!(
        complaint.contains("exclude_after: is too short for heartbeats") && complaint.contains("may need 1m to"),
        "{complaint}"
    );
    assert!(load(&three(interval, "exclude_after = \"60s\""), &[]).is_ok());
}

#[test]
fn what_depends_on_an_interval_that_is_wrong_is_not_complained_of() {
    let complaint =
        refused(&three("heartbeat = { interval = \"2h\" }", "max_staleness = \"5s\"\nexclude_after = \"10s\""));
    assert!(complaint.contains("heartbeat.interval"), "{complaint}");
}

#[test]
fn a_bound_that_staleness_passes_between_any_two_heartbeats_is_noticed_with_one_that_it_does_not() {
    let kept =
        ["", "max_staleness = \"5s\"", "max_staleness = \"1s\"\nbasis = \"estimate\"", "max_staleness = \"2556ms\""];
    for keys in kept {
        assert_eq!(notices(&three("", keys)), Vec::<String>::new(), "{keys}");
    }
    let cases = [
        // Below 2 s for whoever acts a tenth and a look earlier, and not below it for the 10 s that it takes to come back.
        (
            "max_staleness = \"2s\"",
            "local reads are not advised again, once they were not",
            "max_staleness = \"2s 556ms\" or",
        ),
        ("max_staleness = \"2555ms\"", "not advised again, once they were not", "max_staleness = \"2s 556ms\" or"),
        (
            "max_staleness = \"2s\"\nmin_dwell = \"0s\"",
            "and not just before the next one",
            "max_staleness = \"2s 556ms\" or",
        ),
        (
            "max_staleness = \"10s\"\nreturn_below = \"1500ms\"",
            "not advised again, once they were not",
            "max_staleness = \"2s 556ms\" and return_below = \"2s\" or",
        ),
    ];
    for (keys, what, remedy) in cases {
        let found = notices(&three("", keys));
        assert!(
            found.len() == 1 && found[0].starts_with("advice of the store \"orders\": with max_staleness = "),
            "{found:?}"
        );
        assert!(found[0].contains(what) && found[0].contains(remedy), "{keys}: {found:?}");
    }
    let back_at_once = "max_staleness = \"10s\"\nreturn_below = \"1500ms\"\nmin_dwell = \"0s\"";
    assert_eq!(notices(&three("", back_at_once)), Vec::<String>::new(), "there are moments below it, and one will do");
}

#[test]
fn who_leaves_lost_regions_out_of_account_is_told_what_that_gives_up() {
    let found = notices(&three("", "lost_source = \"exclude\""));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("heard of a region for 5m") && found[0].contains("last writes may never have arrived"),
        "{found:?}"
    );
    let two = three("", "lost_source = \"exclude\"").replace(", { name = \"c\" }", "");
    let found = notices(&two);
    assert!(found.len() == 2 && found[1].contains("two regions: to one that is cut off"), "{found:?}");
}

#[test]
fn it_is_said_which_overrides_count_which_wait_and_which_have_expired() {
    let overrides = r#"
        [[stores.advice.overrides]]
        decision = "refuse"
        until = 2026-11-26T00:00:00Z
        [[stores.advice.overrides]]
        decision = "read_local"
        until = 2026-11-26T00:00:01Z
        reason = "game day"
        [[stores.advice.overrides]]
        decision = "read_home_region"
        until = 2026-11-30T00:00:00Z
        "#;
    let settings = load(&three("", overrides), &[]).unwrap();
    let expected = [
        "overrides[0], refuse, expired at 2026-11-26T00:00:00Z and does nothing; remove it",
        "overrides[1] is active: every answer is read_local until 2026-11-26T00:00:01Z (game day)",
        "overrides[2], read_home_region until 2026-11-30T00:00:00Z, waits until overrides[1] has expired",
    ];
    assert_eq!(settings.notices(NOW), expected.map(|says| format!("advice of the store \"orders\": {says}")));
    let later = settings.notices(NOW + seconds(1));
    assert!(later[1].ends_with("expired at 2026-11-26T00:00:01Z and does nothing; remove it (game day)"), "{later:?}");
    assert!(later[2].contains("overrides[2] is active: every answer is read_home_region"), "{later:?}");
}

#[cfg(feature = "cosmos")]
#[test]
fn session_tokens_are_for_cosmos_db() {
    let account =
        "[stores.cosmos]\nendpoint = \"https://cells.documents.azure.com\"\ndatabase = \"a\"\ncontainer = \"b\"";
    let cosmos = three("", "session_tokens = true").replace("[stores.simulated]", account);
    assert!(load(&cosmos, &[]).unwrap().stores[0].advice.session_tokens);
}

#[cfg(feature = "dynamodb")]
#[test]
fn a_table_has_no_session_tokens() {
    let table = "[stores.dynamodb]\ntable = \"Cells\"\npartition_key = \"PK\"";
    let complaint = refused(
        &three("", "session_tokens = true")
            .replace("[stores.simulated]", table)
            .replace("\"a\"", "\"us-east-1\"")
            .replace("\"b\"", "\"us-east-2\"")
            .replace("\"c\"", "\"us-west-2\""),
    );
    assert!(complaint.contains("this store is of dynamodb; remove it"), "{complaint}");
}

#[cfg(feature = "dynamodb")]
#[test]
fn the_shipped_example_has_every_key_with_its_default() {
    let gauge = include_str!("../../../config/gauge.toml");
    let (before, rest) = gauge.split_once("[stores.advice]").unwrap();
    let (section, after) = rest.split_once("[stores.dynamodb]").unwrap();
    let is_setting =
        |line: &&str| line.starts_with("[[") || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let bare = |line: &'static str| line.strip_prefix("# ").filter(|line| is_setting(line)).unwrap_or(line);
    let all: Vec<&str> = section.lines().map(bare).collect();
    let all = load(&format!("{before}[stores.advice]{}\n[stores.dynamodb]{after}", all.join("\n")), &[]).unwrap();
    let said = &all.stores[0].advice;
    let usual = Policy {
        max_staleness: Some(seconds(5)),
        return_below: Some(seconds(4)),
        overrides: said.overrides.clone(),
        ..Policy::of_interval(seconds(1))
    };
    assert_eq!((said, said.overrides.len()), (&usual, 1));
    let keys = ["max_staleness", "basis", "valid_for", "return_below", "min_dwell", "jitter", "max_wait", "confidence"];
    let more = ["lost_source", "exclude_after", "decision", "until", "reason"];
    for key in keys.into_iter().chain(more) {
        assert!(section.contains(&format!("{key} = ")), "{key} is missing");
    }
}
