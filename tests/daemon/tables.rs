//! Every kind of table: pairs become `ok` and samples are true, whatever the keys are like and whichever table it is.

use std::time::{Duration, Instant};

use crate::lab::{DaemonSettings, KeyKind, Lab, LabBuilder, Lag, TableKeys};
use crate::support::{Collected, Daemon, pairs_of, seat, until};

/// Samples of each pair that are held against the truth, at least.
const SAMPLES: usize = 8;

fn lab(keys: TableKeys) -> LabBuilder {
    Lab::builder().lag(Lag::log_normal(Duration::from_millis(150), 0.25)).seed(71).keys(keys)
}

/// Measures a lab until there is something to judge, and judges it.
async fn measures(what: &str, lab: &Lab, settings: DaemonSettings) {
    let daemon = Daemon::start(settings.interval("200ms").slots(2)).await;
    let began = Instant::now();
    until("every pair is ok", Duration::from_secs(30), async || daemon.all_ok().await).await;
    let ok = began.elapsed();
    let mut collected = Collected::default();
    until("every pair has samples", Duration::from_secs(30), async || {
        collected.collect(&daemon, lab).await;
        let counts: Vec<usize> = collected.0.values().map(|samples| samples.len()).collect();
        let enough = counts.len() == pairs_of(lab).len() && counts.iter().all(|count| *count >= SAMPLES);
        if enough { Ok(()) } else { Err(format!("{counts:?}")) }
    })
    .await;
    let lies = collected.lies(lab);
    assert!(lies.is_empty(), "{what}: samples that do not hold the truth:\n{}", lies.join("\n"));
    let capacity = daemon.metrics().await.sum("tidegauge_consumed_capacity_units_total", &[("operation", "read")]);
    let samples: usize = collected.0.values().map(|samples| samples.len()).sum();
    println!("{what}: ok after {ok:?}, {samples} samples are true, reads took {capacity} units");
    assert!(capacity > 0.0, "{what}: what reads consume is counted");
    daemon.all_ok().await.unwrap_or_else(|not_ok| panic!("{what}: {not_ok}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pairs_of_every_kind_of_table_become_ok_and_their_samples_are_true() {
    use KeyKind::{B, N, S};
    let _seat = seat().await;
    for keys in [TableKeys::one(S), TableKeys::two(N, N), TableKeys::one(N), TableKeys::two(B, S)] {
        let lab = lab(keys).start().await;
        measures(&format!("{keys:?}"), &lab, lab.settings()).await;
        let (unused, used) = if keys.sort.is_none() { ("Query", "BatchGetItem") } else { ("BatchGetItem", "Query") };
        for region in lab.regions() {
            let requests = lab.requests(region);
            assert!(requests.contains_key(used) && !requests.contains_key(unused), "{keys:?}: {requests:?}");
        }
        lab.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_companion_is_measured_and_the_applications_table_left_alone() {
    const COMPANION: &str = "TidegaugeHeartbeats";
    let _seat = seat().await;
    let lab = lab(TableKeys::default()).start().await;
    lab.create_table(COMPANION, TableKeys::one(KeyKind::B));
    measures("companion", &lab, lab.settings().companion(COMPANION, TableKeys::one(KeyKind::B))).await;
    for region in lab.regions() {
        assert_eq!(
            lab.peek(region, "tidegauge-0", region),
            None,
            "nothing is written where the application's data are"
        );
    }
}
