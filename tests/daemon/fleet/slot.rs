//! One of eight slots that replication holds back: the pair is as late as it, and it is shown which one it is.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::gauge::{self, REGIONS};
use crate::lab::{Lab, Lag};
use crate::support::{Bystanders, Collected, Daemon, Pair, STORE, pairs_of, seat, until};

const SLOTS: u32 = 8;
const HELD: u32 = 3;
const SOURCE: &str = REGIONS[0];
const TARGET: &str = REGIONS[1];
/// Without trouble a pair is never later than this: a fixed lag of 0.3 s, bounds of two clocks as wide as that of there
/// and back, and the wait for the next read, of which there are two in two seconds, and one may fail.
const LAG_MAX: f64 = 4.0;

/// How long ago the oldest heartbeat of the held slot was committed that is not visible at the target.
fn true_age(lab: &Lab) -> f64 {
    let lags = lab.truth().lags(SOURCE, TARGET);
    let unseen = lags.iter().find(|(commit, lag)| commit.heartbeat.slot == HELD && lag.is_none());
    (lab.now().instant - unseen.expect("the slot is held").0.at.before.instant).as_secs_f64()
}

/// The held slot's lag as `/api/v1/pairs` shows it, and that of the latest other slot.
fn held_and_others(pair: &Pair) -> (f64, f64) {
    let slots = pair.slots.as_ref().expect("it has several slots");
    assert_eq!(slots.len(), SLOTS as usize);
    let lag = |is_held: bool| {
        let slots = slots.iter().filter(|slot| (slot.slot == HELD) == is_held);
        slots.map(|slot| slot.current_lag_seconds.expect("it is known")).max_by(f64::total_cmp).unwrap()
    };
    (lag(true), lag(false))
}

async fn collect(collected: &mut Collected, gauges: &[Daemon], lab: &Lab) {
    for (gauge, target) in gauges.iter().zip(REGIONS) {
        let inbound = pairs_of(lab).into_iter().filter(|(_, to)| to == target);
        collected.collect_some(gauge, inbound.collect()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_slot_of_eight_that_is_held_back_makes_its_pair_late_and_no_other() {
    let _seat = seat().await;
    let lab = Lab::builder().regions(REGIONS).lag(Lag::Fixed(Duration::from_millis(300))).seed(76).start().await;
    let mut gauges = Vec::new();
    for region in REGIONS {
        // Two looks at eight slots are sixteen requests: debug builds share the host with other tests.
        let settings = lab.settings().interval("2s").slots(SLOTS).store_line("reads_per_interval = 2");
        let settings = settings.local_region(region);
        gauges.push(gauge::start(settings, region).await);
    }
    for gauge in &gauges {
        until("it measures", Duration::from_secs(30), async || gauge.all_ok().await).await;
    }
    let begin = Instant::now();
    sleep(Duration::from_secs(2)).await;
    let labels = [("store", STORE), ("source_region", SOURCE), ("target_region", TARGET)];
    let spread = async || gauges[1].metrics().await.sum("tidegauge_slot_spread_seconds", &labels);
    let spread_before = spread().await;
    let mut collected = Collected::default();
    collect(&mut collected, &gauges, &lab).await;

    lab.hold_partition_key(SOURCE, TARGET, &format!("tidegauge-{HELD}")).await;
    let held = Instant::now();
    let (mut stalled, mut curve, mut bystanders) = (None, Vec::new(), Bystanders::default());
    while held.elapsed() < Duration::from_secs(18) {
        sleep(Duration::from_millis(200)).await;
        let mut pairs = Vec::new();
        for gauge in &gauges {
            pairs.extend(gauge.pairs().await);
        }
        bystanders.note(&pairs, LAG_MAX, |pair| !pair.is(SOURCE, TARGET));
        // As many as a gauge keeps of a pair take half a minute to come.
        if bystanders.looks() % 10 == 0 {
            collect(&mut collected, &gauges, &lab).await;
        }
        let asked = held.elapsed();
        let pair = gauges[1].pair(SOURCE, TARGET).await;
        if pair.state == "stalled" {
            stalled.get_or_insert(asked);
        } else {
            assert!(stalled.is_none(), "it recovered while the slot was held: {}", pair.describe());
        }
        // That it is held is known once its own replica has been asked.
        if stalled.is_some() {
            let (lag, truth) = (pair.current_lag_seconds.expect("it is known to be late"), true_age(&lab));
            let (of_held, of_others) = held_and_others(&pair);
            assert!((lag - of_held).abs() < 0.01, "a pair is as late as its latest slot: {pair:?}");
            assert!(of_others < LAG_MAX, "the other slots are well: {pair:?}");
            assert!((lag - truth).abs() < 2.0, "in truth {truth:.2} s: {}", pair.describe());
            curve.push((asked.as_secs_f64(), lag));
        }
    }
    bystanders.were_left_alone();
    let stalled = stalled.expect("it is stalled");
    let spread_held = spread().await;
    let (first, last) = (curve[0], curve[curve.len() - 1]);
    let slope = (last.1 - first.1) / (last.0 - first.0);

    lab.release_partition_key(SOURCE, TARGET, &format!("tidegauge-{HELD}")).await;
    let (released, end) = (Instant::now(), Instant::now());
    until("it is well again", Duration::from_secs(15), async || gauges[1].all_ok().await).await;
    let healed = released.elapsed();
    let unsampled = |collected: &Collected| -> Vec<String> {
        let pairs = pairs_of(&lab).into_iter();
        pairs.flat_map(|(source, target)| collected.unsampled(&lab, (&source, &target), begin, end)).collect()
    };
    let patience = Instant::now() + Duration::from_secs(8);
    loop {
        collect(&mut collected, &gauges, &lab).await;
        if unsampled(&collected).is_empty() || Instant::now() > patience {
            break;
        }
        sleep(Duration::from_millis(300)).await;
    }
    until("its slots are level again", Duration::from_secs(5), async || {
        let spread = spread().await;
        if spread < LAG_MAX { Ok(()) } else { Err(format!("{spread} s apart")) }
    })
    .await;
    let (unsampled, lies) = (unsampled(&collected), collected.lies(&lab));
    let late = collected.0[&(SOURCE.to_owned(), TARGET.to_owned())].values();
    let late = late.filter(|sample| sample.slot == HELD && sample.lower_seconds > 3.0).count();
    println!(
        "slot {HELD} of {SLOTS} held: stalled after {stalled:?}, current lag grows {slope:.3} s a second to {:.2} s; \
         spread {spread_before:.2} s, then {spread_held:.2} s; healed within {healed:?}; {late} heartbeats of it more \
         than 3 s late; {} unsampled, {} wrong",
        last.1,
        unsampled.len(),
        lies.len()
    );
    assert!((0.95..=1.05).contains(&slope), "current lag grows by {slope} s a second");
    assert!(spread_held > last.1 - LAG_MAX && spread_held > spread_before + 8.0, "{spread_before} s, {spread_held} s");
    assert!(late >= 5, "the held slot's heartbeats are sampled as late as they were: {late}");
    assert!(lies.is_empty(), "samples that do not hold the truth:\n{}", lies.join("\n"));
    assert!(unsampled.is_empty(), "heartbeats without a sample:\n{}", unsampled.join("\n"));
}
