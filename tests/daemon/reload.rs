//! Settings that are read anew while a daemon measures and many ask it, and its end while many ask it: no heartbeat is lost or
//! counted twice, and no request fails.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::lab::{Down, Lab, Lag, Mode};
use crate::support::{Collected, Daemon, Metrics, command, free_address, pairs_of, seat, until};

const INTERVAL: &str = "500ms";

async fn lab(seed: u64) -> Lab {
    Lab::builder().lag(Lag::log_normal(Duration::from_millis(300), 0.2)).seed(seed).start().await
}

/// A second store beside the first: what its settings are is for `change` to say.
fn both(orders: &Lab, carts: &Lab, address: &str, change: &str) -> String {
    let text = carts.settings().store("carts").interval("2s").store_line(change).to_toml();
    let (_, carts) = text.split_once("[[stores]]").unwrap();
    format!("{}\n[[stores]]{carts}", orders.settings().interval(INTERVAL).listen(address).to_toml())
}

async fn healthy(daemon: &Daemon) {
    until("every pair is ok", Duration::from_secs(20), async || daemon.all_ok().await).await;
}

/// Clients that ask without a pause, until they are told to stop.
struct Load {
    clients: JoinSet<()>,
    found: Arc<Mutex<Found>>,
}

/// What they found.
#[derive(Default)]
struct Found {
    answers: usize,
    /// Nobody heard them.
    unheard: Vec<String>,
    /// Answers that were no success, were cut short, or in which a counter went back.
    wrong: Vec<String>,
}

impl Found {
    fn went_back(&mut self, newest: &mut BTreeMap<String, f64>, metrics: &Metrics) {
        for series in &metrics.0 {
            let counts = ["_total", "_count", "_bucket"].iter().any(|end| series.name.ends_with(end));
            // What is measured anew counts anew, but for what readers were advised.
            let goes_on = series.labels.get("store").is_none_or(|store| store == "orders");
            if !counts || !goes_on && series.name != "tidegauge_advice_total" {
                continue;
            }
            let before = newest.insert(format!("{} {:?}", series.name, series.labels), series.value);
            if before.is_some_and(|before| before > series.value) {
                self.wrong.push(format!("{series:?} was {before:?}"));
            }
        }
    }
}

impl Load {
    /// On everything that a daemon of these stores says.
    fn on(address: &str, stores: &[&str]) -> Load {
        let (mut clients, found) = (JoinSet::new(), Arc::new(Mutex::new(Found::default())));
        let advice = |store: &&str| format!("/api/v1/advice?store={store}&target_region=eu-west-1&max_staleness=5s");
        let paths = ["/metrics", "/api/v1/pairs", "/"].map(str::to_owned).into_iter().chain(stores.iter().map(advice));
        for path in paths {
            let (url, found) = (format!("http://{address}{path}"), found.clone());
            let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
            clients.spawn(async move {
                let mut newest = BTreeMap::new();
                loop {
                    let answer = http.get(&url).send().await;
                    let body = match answer {
                        Ok(answer) => match answer.error_for_status() {
                            Ok(answer) => answer.text().await,
                            Err(error) => Err(error),
                        },
                        Err(error) => {
                            found.lock().unwrap().unheard.push(format!("{error:?}"));
                            sleep(Duration::from_millis(10)).await;
                            continue;
                        }
                    };
                    let mut found = found.lock().unwrap();
                    found.answers += 1;
                    match body {
                        Ok(body) if path == "/metrics" => found.went_back(&mut newest, &Metrics::parse(&body)),
                        Ok(_) => {}
                        Err(error) => found.wrong.push(format!("{error:?}")),
                    }
                }
            });
        }
        Load { clients, found }
    }

    /// Ends them.
    fn end(mut self) -> Found {
        self.clients.abort_all();
        std::mem::take(&mut *self.found.lock().unwrap())
    }
}

/// Every heartbeat of the lab's that was committed from `begin` to `end` has a sample with the truth in it, and as many samples
/// were counted as there are heartbeats.
async fn each_has_one_sample(lab: &Lab, daemon: &Daemon, mut collected: Collected, begin: Instant, end: Instant) {
    until("every heartbeat has a sample", Duration::from_secs(8), async || {
        collected.collect(daemon, lab).await;
        let pairs = pairs_of(lab).into_iter();
        let unsampled: Vec<String> =
            pairs.flat_map(|(source, target)| collected.unsampled(lab, (&source, &target), begin, end)).collect();
        if unsampled.is_empty() { Ok(()) } else { Err(unsampled.join("\n")) }
    })
    .await;
    let lies = collected.lies(lab);
    assert!(lies.is_empty(), "samples that do not hold the truth:\n{}", lies.join("\n"));
    until("each sample is counted, and once", Duration::from_secs(5), async || {
        let metrics = daemon.metrics().await;
        collected.collect(daemon, lab).await;
        let counts = collected.0.iter().map(|((source, target), samples)| {
            let of = [("store", "orders"), ("source_region", source), ("target_region", target)];
            let points = metrics.sum("tidegauge_replication_lag_seconds_count", &of);
            (source, target, points + metrics.sum("tidegauge_samples_wide_total", &of), samples.len())
        });
        // What came between the two looks is not counted yet.
        let off: Vec<_> = counts.filter(|(.., counted, samples)| *counted != *samples as f64).collect();
        if off.is_empty() { Ok(()) } else { Err(format!("{off:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_a_reload_each_second_loses_no_sample_and_counts_none_twice() {
    let _seat = seat().await;
    let orders = lab(71).await;
    let carts = Lab::builder().regions(["us-east-1", "eu-west-1"]).seed(72).start().await;
    let address = free_address();
    let begin = Instant::now();
    let change = |round: u32| format!("reads_per_interval = {}", 4 + round % 2);
    let daemon = Daemon::start_on(address.clone(), &both(&orders, &carts, &address, &change(0))).await;
    healthy(&daemon).await;
    let load = Load::on(&address, &["orders", "carts"]);
    let mut collected = Collected::default();
    let rounds = 10;
    for round in 1..=rounds {
        daemon.rewrite(&both(&orders, &carts, &address, &change(round)));
        if round % 2 == 0 {
            daemon.hang_up().await;
        } else {
            let asked = Instant::now();
            let (status, answer) = daemon.reload().await;
            assert_eq!((status, &answer["data"]["kept"][0]), (200, &"orders".into()), "{answer}");
            assert_eq!(answer["data"]["restarted"][0], "carts", "{answer}");
            assert!(asked.elapsed() < Duration::from_secs(2), "answered after {:?}", asked.elapsed());
        }
        sleep(Duration::from_millis(900)).await;
        collected.collect(&daemon, &orders).await;
    }
    let end = orders.now().instant;
    let found = load.end();
    each_has_one_sample(&orders, &daemon, collected, begin, end).await;
    let reloads = daemon.log().matches("settings were read anew").count();
    println!("{} answers during {reloads} reloads, {} heartbeats", found.answers, orders.truth().count());
    let failed = [found.unheard, found.wrong].concat();
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(found.answers > 50 && reloads == rounds as usize, "{} answers, {reloads} reloads", found.answers);

    // The other store was begun anew each time, and at once: whoever finds a seat that was not resigned waits for 6 s.
    for region in ["us-east-1", "eu-west-1"] {
        let commits = carts.truth().commits(region);
        let runs: BTreeMap<u64, ()> = commits.iter().map(|commit| (commit.heartbeat.run, ())).collect();
        assert!(runs.len() > 5, "{region}: {} runs", runs.len());
        let gaps = commits.windows(2).map(|two| two[1].at.after.instant - two[0].at.after.instant);
        let longest = gaps.max().unwrap();
        println!("{region}: {} runs, at most {longest:?} without a heartbeat", runs.len());
        assert!(longest < Duration::from_secs(5), "{region}: nothing was written for {longest:?}");
    }
    // And the first store's writers never changed.
    for region in orders.regions() {
        let commits = orders.truth().commits(region);
        assert_eq!(commits.first().unwrap().heartbeat.run, commits.last().unwrap().heartbeat.run, "{region}");
    }
}

/// In a stall, so that there is something to be lost: what was committed and not seen yet is for the next daemon to account
/// for. What was seen by then the first one had counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_an_end_cuts_no_answer_short_and_the_next_start_accounts_for_all_that_was_unseen() {
    let _seat = seat().await;
    let lab = lab(73).await;
    let address = free_address();
    let toml = lab.settings().interval(INTERVAL).listen(&address).to_toml();
    let mut daemon = Daemon::start_on(address.clone(), &toml).await;
    healthy(&daemon).await;
    let (source, target) = ("us-east-1", "eu-west-1");
    let begin = lab.now().instant;
    lab.pause(source, target).await;
    let load = Load::on(&address, &["orders"]);
    sleep(Duration::from_secs(3)).await;
    let mut collected = Collected::default();
    collected.collect(&daemon, &lab).await;
    let asked = Instant::now();
    let (status, _) = daemon.stop().await;
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?} to end", asked.elapsed());
    // Once it does not listen any more nobody is heard; whoever was heard is answered.
    let Found { answers, wrong, .. } = load.end();
    assert!(answers > 50 && wrong.is_empty(), "{answers} answers; wrong:\n{}", wrong.join("\n"));
    drop(daemon);

    let daemon = Daemon::start_on(address, &toml).await;
    healthy_but(&daemon, (source, target)).await;
    let end = lab.now().instant;
    lab.resume(source, target).await;
    until("every heartbeat of the stall has a sample", Duration::from_secs(8), async || {
        collected.collect(&daemon, &lab).await;
        let unsampled = collected.unsampled(&lab, (source, target), begin, end);
        if unsampled.is_empty() { Ok(()) } else { Err(unsampled.join("\n")) }
    })
    .await;
    let lies = collected.lies(&lab);
    assert!(lies.is_empty(), "samples that do not hold the truth:\n{}", lies.join("\n"));
}

async fn healthy_but(daemon: &Daemon, (source, target): (&str, &str)) {
    until("all others are ok", Duration::from_secs(20), async || {
        let pairs = daemon.pairs().await;
        let not_ok = pairs.iter().filter(|pair| !pair.is(source, target) && pair.state != "ok");
        let not_ok: Vec<String> = not_ok.map(|pair| pair.describe()).collect();
        if not_ok.is_empty() { Ok(()) } else { Err(not_ok.join("; ")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_are_wrong_change_nothing_and_say_why_and_good_ones_mend_it() {
    let _seat = seat().await;
    let lab = lab(74).await;
    let address = free_address();
    let good = lab.settings().interval(INTERVAL).listen(&address).to_toml();
    let daemon = Daemon::start_on(address.clone(), &good).await;
    healthy(&daemon).await;
    let loaded = async |what: &str| daemon.metrics().await.sum(&format!("tidegauge_config_last_reload_{what}"), &[]);
    let first = loaded("success_timestamp_seconds").await;
    let bad = [
        (good.replace("interval = \"500ms\"", "interval = \"0s\""), "heartbeat.interval"),
        (good.replace("[cell]", "[cell]\ncolour = \"blue\""), "colour"),
        ("no TOML".to_owned(), "tidegauge.toml"),
        (good.replace(&address, "127.0.0.1:1"), "server.listen"),
        (good.replace("[server]", "[server]\nshutdown_grace = \"1s\""), "server.shutdown_grace"),
        (format!("{good}\n[log]\nformat = \"json\"\n"), "log.format"),
    ];
    let before = daemon.metrics().await;
    for (toml, named) in &bad {
        daemon.rewrite(toml);
        let (status, answer) = daemon.reload().await;
        let says = answer["error"].as_str().unwrap_or_default();
        assert!(status == 400 && answer["errorType"] == "bad_data" && says.contains(named), "{named}: {answer}");
        assert!(!named.starts_with("server") || says.contains("restart"), "{says}");
        assert_eq!((loaded("successful").await, loaded("success_timestamp_seconds").await), (0.0, first), "{named}");
        assert_eq!(daemon.answer("/-/ready").await.0, 200, "what was there goes on");
    }
    assert_eq!(daemon.log().matches("settings were read anew and refused").count(), bad.len(), "{}", daemon.log());
    daemon.all_ok().await.unwrap();
    let after = daemon.metrics().await;
    let counted = |metrics: &Metrics| metrics.sum("tidegauge_replication_lag_seconds_count", &[]);
    assert!(counted(&after) >= counted(&before), "windows go on");
    for region in lab.regions() {
        let commits = lab.truth().commits(region);
        assert_eq!(commits.first().unwrap().heartbeat.run, commits.last().unwrap().heartbeat.run, "{region}");
    }

    // By a signal, twice in a row; and what is logged changes with it.
    let lines = || {
        daemon.log().matches("settings were read anew: ").count()
            + daemon.log().matches("settings were read anew kept").count()
    };
    daemon.rewrite(&format!("{good}\n[log]\nfilter = \"warn\"\n"));
    daemon.hang_up().await;
    daemon.hang_up().await;
    until("the settings are in use", Duration::from_secs(5), async || match loaded("successful").await {
        1.0 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    assert!(loaded("success_timestamp_seconds").await > first);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(lines(), 0, "it is not to be told:\n{}", daemon.log());
    daemon.rewrite(&good);
    assert_eq!(daemon.reload().await.0, 200);
    assert_eq!(lines(), 1, "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_served_as_unknown_comes_to_life_with_settings_that_are_right() {
    let address = free_address();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("tidegauge.toml");
    std::fs::write(&path, "[[stores]]\nname = 7\n").unwrap();
    let mut command = command(home.path());
    command.env("TIDEGAUGE__ON_BAD_SETTINGS", "serve").env("TIDEGAUGE__SERVER__LISTEN", &address);
    command.arg("--config").arg(path);
    let daemon = Daemon::spawn(command, home, address).await;
    assert_eq!(daemon.answer("/-/ready").await.0, 503);
    assert_eq!(daemon.reload().await.0, 400);
    assert_eq!(daemon.answer("/api/v1/pairs").await.0, 503, "still");
    daemon.rewrite(
        "[cell]\ncentral = true\n[[stores]]\nname = \"orders\"\nregions = [{ name = \"a\" }, { name = \"b\" }]\n[stores.simulated]\n",
    );
    let (status, answer) = daemon.reload().await;
    assert_eq!((status, &answer["data"]["added"][0]), (200, &"orders".into()), "{answer}");
    assert_eq!(daemon.answer("/-/ready").await.0, 200);
    assert_eq!(daemon.pairs().await.len(), 2);
    assert_eq!(daemon.answer("/style.css").await.0, 200);
    assert_eq!(daemon.metrics().await.sum("tidegauge_config_last_reload_successful", &[]), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_hangs_holds_up_neither_the_answer_nor_the_others_and_the_end_comes_in_time() {
    let _seat = seat().await;
    let (orders, carts) = (lab(75).await, lab(76).await);
    let address = free_address();
    let daemon_settings = |change: &str| both(&orders, &carts, &address, change);
    let mut daemon = Daemon::start_on(address.clone(), &daemon_settings("reads_per_interval = 4")).await;
    healthy(&daemon).await;
    carts.set_mode("us-east-1", Mode::Down(Down::Hang)).await;
    sleep(Duration::from_millis(1_200)).await;
    daemon.rewrite(&daemon_settings("reads_per_interval = 6"));
    let asked = Instant::now();
    assert_eq!(daemon.reload().await.0, 200);
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(1), "it answered after {took:?}");
    let pairs = daemon.pairs().await;
    assert_eq!(pairs.len(), 12, "all of them are there");
    // Again and again, then the end, and a signal that comes too late for anything.
    for reads in [3, 7] {
        daemon.rewrite(&daemon_settings(&format!("reads_per_interval = {reads}")));
        daemon.hang_up().await;
    }
    let asked = Instant::now();
    daemon.terminate().await;
    daemon.hang_up().await;
    let status = daemon.ended().await;
    let ended = asked.elapsed();
    println!("answered after {took:?}, ended within {ended:?}");
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    assert!(ended <= Duration::from_secs(2), "it took {ended:?} to end");
}

/// Until it has been asked again nobody is to believe that its replicas are gone, and their alerts over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_store_that_names_its_replicas_itself_they_are_known_when_it_is_measured_anew() {
    let _seat = seat().await;
    let lab = lab(77).await;
    let address = free_address();
    let toml = |reads: u32| {
        let settings = lab.settings().auto().interval(INTERVAL).listen(&address);
        settings.store_line(&format!("reads_per_interval = {reads}")).to_toml()
    };
    // Somebody has to know where to ask first.
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("tidegauge.toml");
    std::fs::write(&path, toml(4)).unwrap();
    let mut command = command(home.path());
    command.env("AWS_REGION", lab.regions()[0]).arg("--config").arg(path);
    let daemon = Daemon::spawn(command, home, address.clone()).await;
    until("all replicas are found", Duration::from_secs(20), async || {
        let pairs = daemon.pairs().await.len();
        if pairs == 6 { daemon.all_ok().await } else { Err(format!("{pairs} pairs")) }
    })
    .await;
    daemon.rewrite(&toml(6));
    let (status, answer) = daemon.reload().await;
    assert_eq!((status, &answer["data"]["restarted"][0]), (200, &"orders".into()), "{answer}");
    let pairs = daemon.pairs().await;
    assert!(pairs.len() == 6 && pairs.iter().all(|pair| pair.state == "unknown"), "{pairs:?}");
    healthy(&daemon).await;
}

/// Whether a process has a handler for SIGHUP by now.
fn listens_for_hangup(id: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
    u64::from_str_radix(caught.trim(), 16).is_ok_and(|caught| caught & 1 == 1)
}

/// What takes its time is a store that looks for its region where nobody answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_while_it_starts_does_not_end_it_and_a_reload_that_hangs_does_not_keep_it() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let (path, log) = (home.path().join("tidegauge.toml"), home.path().join("log"));
    let address = free_address();
    let toml = format!(
        "[cell]\ncentral = true\n[server]\nlisten = \"{address}\"\n[[stores]]\nname = \"orders\"\n\
         regions = [{{ name = \"a\" }}, {{ name = \"b\" }}]\n[stores.simulated]\n"
    );
    std::fs::write(&path, &toml).unwrap();
    let mut command = command(home.path());
    command.env_remove("AWS_EC2_METADATA_DISABLED");
    command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{}", silent.local_addr().unwrap()));
    command.arg("--config").arg(&path).stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
    let mut child = command.spawn().unwrap();
    let id = child.id().unwrap().to_string();
    let signal = async |name: &str| assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
    let listens = async || listens_for_hangup(&id).then_some(()).ok_or_else(|| "not yet".to_owned());
    until("it listens for signals", Duration::from_secs(10), listens).await;
    signal("-HUP").await;
    signal("-HUP").await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    until("it serves", Duration::from_secs(10), async || {
        let answer = http.get(format!("http://{address}/-/ready")).send().await;
        answer.map(drop).map_err(|error| error.to_string())
    })
    .await;
    let carts = "[[stores]]\nname = \"carts\"\nregions = \"auto\"\n[stores.dynamodb]\ntable = \"Carts\"\n\
                 partition_key = \"PK\"\nsort_key = \"SK\"\n";
    std::fs::write(&path, toml + carts).unwrap();
    signal("-HUP").await;
    let _asked = tokio::time::timeout(Duration::from_secs(10), silent.accept()).await.expect("it looks").unwrap();
    let waits = tokio::spawn({
        let request = http.post(format!("http://{address}/-/reload")).header("content-type", "application/json");
        request.send()
    });
    sleep(Duration::from_millis(200)).await;
    let asked = Instant::now();
    signal("-TERM").await;
    assert_eq!(waits.await.unwrap().unwrap().status().as_u16(), 503, "whoever waits for their turn is sent away");
    let status = tokio::time::timeout(Duration::from_secs(5), child.wait()).await.unwrap().unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(asked.elapsed() <= Duration::from_secs(2), "it took {:?} to end", asked.elapsed());
    assert!(!log.contains("cut off"), "nothing had to be cut off:\n{log}");
}
