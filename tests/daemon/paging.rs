//! From a trouble in the lab to whoever is paged, through a real Prometheus and real Alertmanagers on the shipped
//! configuration: by the rules that the settings make, and by the daemon itself, at the same time.

use std::time::{Duration, Instant};

use crate::lab::{Down, Lab, Lag, Mode};
use crate::support::alerting::{Notification, Pager, Server, look_again, notified, rules_of, shipped};
use crate::support::{Daemon, Pair, STORE, free_address, seat, until};

const SOURCE: &str = "us-east-1";
const TARGET: &str = "eu-west-1";
/// As often the tests' Prometheus scrapes, and evaluates.
const EVERY: Duration = Duration::from_secs(1);
/// How long the shipped Alertmanager waits for more alerts of a page.
const GROUP_WAIT: Duration = Duration::from_secs(30);
/// How long until it tells that they are over.
const GROUP_INTERVAL: Duration = Duration::from_secs(60);
/// Below these paths the pager is told by each.
const WAYS: [&str; 2] = ["rules", "push"];

/// Both ways from a daemon to the pager.
struct Ways {
    pager: Pager,
    daemon: Daemon,
    by_rules: Server,
    by_push: Server,
    _prometheus: Server,
}

impl Ways {
    /// A daemon on these settings, which listens on `address`, and everything that it takes to be paged by it.
    async fn start(address: String, settings: &str) -> Ways {
        let pager = Pager::start().await;
        let (by_rules, by_push) =
            (Server::alertmanager(&pager, "rules").await, Server::alertmanager(&pager, "push").await);
        let push =
            format!("[alerts.push]\nalertmanagers = [{{ url = \"http://{}\" }}]\nresend = \"5s\"\n", by_push.address);
        let settings = format!("{settings}\n{push}");
        let daemon = Daemon::start_on(address.clone(), &settings).await;
        let prometheus = Server::prometheus(&[&address], &rules_of(&settings).await, &by_rules).await;
        Ways { pager, daemon, by_rules, by_push, _prometheus: prometheus }
    }

    fn alertmanager(&self, way: &str) -> &Server {
        if way == "rules" { &self.by_rules } else { &self.by_push }
    }
}

fn labels_of(notification: &Notification) -> Vec<String> {
    let names = ["alertname", "severity", "store", "source_region", "target_region"];
    let columns: Vec<Vec<&str>> = names.iter().map(|name| notification.each(name)).collect();
    (0..columns[0].len()).map(|row| columns.iter().map(|column| column[row]).collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_pages_in_time_with_its_pair_and_its_end_is_told_both_ways() {
    let seat = seat().await;
    assert!(shipped("deploy/prometheus/alertmanager.yml").contains("group_wait: 30s"), "GROUP_WAIT is something else");
    let pending_for = Duration::from_secs(3);
    let lab = Lab::builder().lag(Lag::log_normal(Duration::from_millis(250), 0.15)).seed(71).start().await;
    let address = free_address();
    let rule = "[[alerts.rules]]\nname = \"TidegaugeStalled\"\npage = { for = \"3s\" }\nkeep_firing_for = \"5s\"\n";
    let settings = format!("{}\n{rule}", lab.settings().interval("500ms").listen(address.clone()).to_toml());
    let ways = Ways::start(address, &settings).await;
    let daemon = &ways.daemon;
    until("every pair is ok", Duration::from_secs(20), async || daemon.all_ok().await).await;

    lab.pause(SOURCE, TARGET).await;
    let paused = Instant::now();
    let detection = until("it is stalled", Duration::from_secs(10), async || {
        let pair = daemon.pair(SOURCE, TARGET).await;
        if pair.state == "stalled" { Ok(paused.elapsed()) } else { Err(pair.describe()) }
    })
    .await;
    let promised = detection + pending_for + GROUP_WAIT + 3 * (EVERY + EVERY);
    for way in WAYS {
        let path = format!("/{way}/page");
        let page = notified(&ways.pager, &path, promised + Duration::from_secs(30), |one| !one.is_resolved()).await;
        let took = page.at - paused;
        println!("{way}: stalled after {detection:?}, paged after {took:?}, promised within {promised:?}");
        assert!(took <= promised, "{way}: paged after {took:?}, and {promised:?} are promised");
        assert_eq!(labels_of(&page), [format!("TidegaugeStalled page {STORE} {SOURCE} {TARGET}")], "{way}");
        let annotations = &page.body["alerts"][0]["annotations"];
        assert!(annotations["summary"].as_str().unwrap().contains(SOURCE), "{annotations}");
        assert!(annotations["runbook_url"].as_str().unwrap().ends_with("TidegaugeStalled.md"), "{annotations}");
    }

    lab.resume(SOURCE, TARGET).await;
    // From here on the Alertmanagers' patience is all that this waits for.
    drop(seat);
    for way in WAYS {
        let path = format!("/{way}/page");
        let limit = GROUP_INTERVAL + Duration::from_secs(30);
        let end = notified(&ways.pager, &path, limit, Notification::is_resolved).await;
        println!("{way}: its end was told {:?} after the pause", end.at - paused);
        assert_eq!(labels_of(&end), [format!("TidegaugeStalled page {STORE} {SOURCE} {TARGET}")], "{way}");
        assert_eq!(ways.pager.received(&path).len(), 2, "one page, and its end");
        assert!(ways.pager.received(&format!("/{way}/ticket")).is_empty(), "and no tickets");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_four_regions_and_two_stores_one_region_that_is_down_is_one_notification_both_ways() {
    let _seat = seat().await;
    let down = "ap-southeast-2";
    let lab = Lab::builder()
        .regions(["us-east-1", "eu-west-1", down, "sa-east-1"])
        .lag(Lag::log_normal(Duration::from_millis(250), 0.15))
        .seed(72)
        .start()
        .await;
    lab.create_table("Carts", crate::lab::TableKeys::default());
    let address = free_address();
    let store = |name: &str| lab.settings().interval("500ms").store(name).listen(address.clone()).to_toml();
    let carts = store("carts").replace("GlobalCellState", "Carts");
    let carts = &carts[carts.find("[[stores]]").unwrap()..];
    // The shipped rules, faster, and in the same order one after the other.
    let faster = [
        ("TidegaugeRegionImpaired", "page = { for = \"3s\" }", "14s"),
        ("TidegaugeStalled", "page = { for = \"6s\" }", "10s"),
        ("TidegaugeWriteFailing", "page = { for = \"6s\" }", "10s"),
        ("TidegaugeReadFailing", "ticket = { for = \"6s\" }", "10s"),
    ];
    let rules: String = faster
        .iter()
        .map(|(name, severity, keep)| {
            format!("[[alerts.rules]]\nname = \"{name}\"\n{severity}\nkeep_firing_for = \"{keep}\"\n")
        })
        .collect();
    let ways = Ways::start(address.clone(), &format!("{}\n{carts}\n{rules}", store("orders"))).await;
    let daemon = &ways.daemon;
    until("every pair is ok", Duration::from_secs(30), async || daemon.all_ok().await).await;

    lab.set_mode(down, Mode::Down(Down::Refuse)).await;
    let began = Instant::now();
    for way in WAYS {
        let page = notified(&ways.pager, &format!("/{way}/page"), Duration::from_secs(70), |_| true).await;
        println!("{way}: paged {:?} after the region went down: {:?}", page.at - began, labels_of(&page));
        let mut told: Vec<(&str, &str)> = page.each("store").into_iter().zip(page.each("side")).collect();
        told.sort_unstable();
        assert_eq!(
            told,
            [("carts", "source"), ("carts", "target"), ("orders", "source"), ("orders", "target")],
            "{way}"
        );
        assert!(page.each("alertname").iter().all(|name| *name == "TidegaugeRegionImpaired"), "{way}: {:?}", page.body);
        assert!(page.each("region").iter().all(|region| *region == down), "{way}: {:?}", page.body);
    }
    // Its pairs' alerts fire by now, and wait behind it.
    let is_down = |pair: &Pair| pair.source_region == down || pair.target_region == down;
    assert_eq!(daemon.pairs().await.iter().filter(|pair| is_down(pair) && pair.state != "ok").count(), 12);
    for way in WAYS {
        until("its pairs' alerts fire", Duration::from_secs(10), async || {
            let alerts = ways.alertmanager(way).alerts().await;
            let others = alerts.iter().filter(|alert| alert["labels"]["alertname"] != "TidegaugeRegionImpaired");
            let pairs = others.filter(|alert| alert["labels"]["alertname"] != "TidegaugeWatchdog").count();
            if pairs == 12 { Ok(()) } else { Err(format!("{pairs} alerts of pairs")) }
        })
        .await;
    }
    let watched = watch(&ways, Duration::from_secs(12)).await;
    lab.set_mode(down, Mode::Up).await;
    until("every pair is ok", Duration::from_secs(30), async || daemon.all_ok().await).await;
    let watched = watched + watch(&ways, Duration::from_secs(20)).await;
    println!("looked {watched} times for an alert that nothing inhibits");
    for way in WAYS {
        let pages = ways.pager.received(&format!("/{way}/page"));
        let tickets = ways.pager.received(&format!("/{way}/ticket"));
        let begun: Vec<_> = pages.iter().filter(|one| !one.is_resolved()).collect();
        assert_eq!((begun.len(), tickets.len()), (1, 0), "{way}: {pages:?} {tickets:?}");
    }
}

/// For so long: whatever is not inhibited is the region's alone. Tickets wait longer than this test does.
async fn watch(ways: &Ways, lasts: Duration) -> usize {
    let (until, mut looks) = (Instant::now() + lasts, 0);
    while Instant::now() < until {
        for way in WAYS {
            for alert in ways.alertmanager(way).alerts().await {
                let name = alert["labels"]["alertname"].as_str().unwrap();
                let is_inhibited = !alert["status"]["inhibitedBy"].as_array().unwrap().is_empty();
                let is_expected = ["TidegaugeRegionImpaired", "TidegaugeWatchdog"].contains(&name);
                assert!(is_expected || is_inhibited, "{way}: this one is told: {alert}");
            }
        }
        looks += 1;
        look_again().await;
    }
    looks
}
