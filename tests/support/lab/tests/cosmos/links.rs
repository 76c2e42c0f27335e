//! Replication: lag, pause, held keys, and what the truth log says of them.

use super::*;
use crate::lab::Stamp;

/// What a reader knows of one heartbeat's lag, in seconds.
struct Seen {
    lower: f64,
    upper: f64,
}

fn seconds(from: Stamp, upto: Stamp) -> f64 {
    upto.instant.saturating_duration_since(from.instant).as_secs_f64()
}

/// Writes a heartbeat in one region and polls another every 5 ms until it is there.
async fn measure(lab: &CosmosLab, source: &Pinned, target: &Pinned, slot: u32, name: &str, seq: u64) -> Seen {
    let sent = lab.now();
    source.beat(slot, name, seq).await.unwrap();
    let acknowledged = lab.now();
    let mut missed = None;
    loop {
        let asked = lab.now();
        if target.read(slot, name).await.unwrap() == Some(seq) {
            let lower = missed.map_or(0.0, |at: Stamp| seconds(acknowledged, at));
            return Seen { lower, upper: seconds(sent, lab.now()) };
        }
        missed = Some(asked);
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_injected_lag_is_what_the_log_says_and_a_poller_sees() {
    let lab = cosmos().await;
    let (east, west, south) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST), Pinned::of(&lab, SOUTH));
    let links = [(EAST, WEST, 50), (WEST, SOUTH, 300), (SOUTH, EAST, 1200)];
    for (source, target, lag) in links {
        lab.set_pair_lag(source, target, Lag::Fixed(Duration::from_millis(lag)));
    }
    let run = async |source: &Pinned, target: &Pinned, (from, to, lag): (&str, &str, u64)| {
        let injected = Duration::from_millis(lag);
        for seq in 1..=2 {
            let seen = measure(&lab, source, target, 0, from, seq).await;
            let id = HeartbeatId { source: from.to_owned(), slot: 0, run: 1, seq };
            assert_eq!(lab.truth().objection(&id, to, seen.lower, seen.upper), None);
            let truth = lab.truth().lag(from, to, 0, 1, seq).expect("it is visible");
            assert!(truth.min >= injected && truth.max < injected + SLACK, "{truth:?}");
            assert!(truth.max - truth.min < Duration::from_millis(100), "known to within some calls: {truth:?}");
            println!(
                "figure: {lag} ms injected: truth {:.1} to {:.1} ms, seen {:.1} to {:.1} ms",
                truth.min.as_secs_f64() * 1e3,
                truth.max.as_secs_f64() * 1e3,
                seen.lower * 1e3,
                seen.upper * 1e3
            );
        }
    };
    tokio::join!(run(&east, &west, links[0]), run(&west, &south, links[1]), run(&south, &east, links[2]));
    lab.shutdown().await;
}

#[tokio::test]
async fn a_poller_behind_a_hostile_network_holds_the_truth_every_time() {
    let lab = CosmosLab::builder().regions([EAST, WEST]).lag(Lag::log_normal(Duration::from_millis(200), 0.5));
    let lab = lab.network(Network::hostile()).start().await;
    let (east, west) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST));
    let run = async |source: &Pinned, target: &Pinned, from: &str, to: &str| {
        for seq in 1..=4 {
            let seen = measure(&lab, source, target, 0, from, seq).await;
            let id = HeartbeatId { source: from.to_owned(), slot: 0, run: 1, seq };
            assert_eq!(lab.truth().objection(&id, to, seen.lower, seen.upper), None, "{from} to {to}");
        }
    };
    tokio::join!(run(&east, &west, EAST, WEST), run(&west, &east, WEST, EAST));
    assert_eq!(lab.truth().count(), 8);
}

#[tokio::test]
async fn the_truth_objects_to_what_cannot_be() {
    let lab = cosmos().await;
    let east = Pinned::of(&lab, EAST).await;
    east.create(0, EAST, 1).await.unwrap();
    let id = HeartbeatId { source: "eastus".to_owned(), slot: 0, run: 1, seq: 1 };
    let objection = |id: &HeartbeatId, lower, upper| lab.truth().objection(id, "westeurope", lower, upper);
    assert_eq!(objection(&id, 0.0, 9.0).as_deref(), Some("not visible yet"));
    assert_eq!(objection(&HeartbeatId { seq: 2, ..id.clone() }, 0.0, 9.0).as_deref(), Some("never committed"));
    eventually("it arrives", async || shows(&lab, WEST, 1)).await;
    let truth = lab.truth().lag(EAST, WEST, 0, 1, 1).unwrap();
    let (min, max) = (truth.min.as_secs_f64(), truth.max.as_secs_f64());
    assert_eq!(objection(&id, min, max), None);
    assert_eq!(objection(&id, max, max + 1.0), None, "they have an instant in common");
    assert!(objection(&id, 0.0, min - 1e-6).is_some_and(|why| why.contains("the truth is")));
    assert!(objection(&id, max + 1e-6, 9.0).is_some());
}

#[tokio::test]
async fn a_refused_write_is_not_in_the_log() {
    let lab = cosmos().await;
    let east = Pinned::of(&lab, EAST).await;
    east.create(0, EAST, 1).await.unwrap();
    let refused = east.create(0, EAST, 2).await.expect_err("it is there already");
    assert_eq!(status_of(&refused).0, 409);
    assert_eq!(lab.truth().count(), 1);
    // Neither is a document of the application's.
    let order = json!({ "id": "order-1", "pk": "a", "tg_source": EAST, "tg_slot": 0, "tg_run": 1, "tg_seq": 9 });
    east.container.create_item("a", "order-1", &order, None).await.unwrap();
    assert_eq!(lab.truth().count(), 1);
    eventually("it replicates all the same", async || lab.peek(WEST, "[\"a\"]", "order-1").await.is_some()).await;
}

#[tokio::test]
async fn writes_land_where_they_are_sent_and_meet_when_they_may() {
    let lab = cosmos().await;
    let (east, west, south) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST), Pinned::of(&lab, SOUTH));
    for target in [EAST, WEST, SOUTH] {
        lab.pause_inbound(target).await;
    }
    east.create(0, EAST, 1).await.unwrap();
    west.create(0, WEST, 1).await.unwrap();
    assert_eq!(east.query(0).await.unwrap(), [(EAST.to_owned(), 1)]);
    assert_eq!(west.query(0).await.unwrap(), [(WEST.to_owned(), 1)]);
    for region in [EAST, WEST] {
        assert_eq!(lab.truth().commit(region, 0, 1, 1).expect("it was committed").region, region);
        assert_eq!(lab.request_count(region, Operation::Create), 1);
    }
    for target in [EAST, WEST, SOUTH] {
        lab.resume_inbound(target).await;
    }
    let both = [(EAST.to_owned(), 1), (WEST.to_owned(), 1)];
    for client in [&east, &west, &south] {
        eventually("both are there", async || client.query(0).await.unwrap() == both).await;
    }
    assert_eq!(lab.request_count(SOUTH, Operation::Create), 0, "what is replicated is no request");
    assert_eq!(lab.truth().sources(), ["eastus", "westeurope"]);
}

#[tokio::test]
async fn a_paused_link_holds_and_the_others_do_not() {
    let lab = cosmos().await;
    let (east, west) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST));
    lab.pause(EAST, WEST).await;
    for seq in 1..=3 {
        east.beat(0, EAST, seq).await.unwrap();
    }
    west.create(0, WEST, 1).await.unwrap();
    eventually("all three wait", async || lab.waiting(EAST, WEST).await == 3).await;
    eventually("it arrives elsewhere", async || shows(&lab, SOUTH, 3)).await;
    eventually("the way back is open", async || lab.truth().visible(WEST, EAST, 0, 1, 1).is_some()).await;
    assert_eq!(west.read(0, EAST).await.unwrap(), None);

    let resumed = lab.now();
    lab.resume(EAST, WEST).await;
    assert_eq!(west.read(0, EAST).await.unwrap(), Some(3));
    let arrivals = lab.truth().arrivals(EAST, WEST, 0);
    assert_eq!(arrivals.iter().map(|(id, _)| id.seq).collect::<Vec<_>>(), [1, 2, 3], "each by itself, in order");
    assert!(arrivals[0].1.before >= resumed);
}

#[tokio::test]
async fn a_target_can_be_cut_off_from_everywhere() {
    let lab = cosmos().await;
    let (east, west) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST));
    lab.pause_inbound(SOUTH).await;
    east.create(0, EAST, 1).await.unwrap();
    west.create(0, WEST, 1).await.unwrap();
    eventually("they meet", async || shows(&lab, WEST, 1) && lab.truth().visible(WEST, EAST, 0, 1, 1).is_some()).await;
    let waiting = async |source| lab.waiting(source, SOUTH).await == 1;
    eventually("both wait", async || waiting(EAST).await && waiting(WEST).await).await;
    lab.resume_inbound(SOUTH).await;
    assert!(shows(&lab, SOUTH, 1) && lab.truth().visible(WEST, SOUTH, 0, 1, 1).is_some());
}

#[tokio::test]
async fn one_slot_can_be_held_back_and_late_versions_are_dropped() {
    let lab = cosmos().await;
    let east = Pinned::of(&lab, EAST).await;
    lab.hold_partition_key(EAST, WEST, "tidegauge-3").await;
    east.create(3, EAST, 1).await.unwrap();
    // It is overtaken by its successor, and shows nothing that was not shown.
    lab.set_pair_lag(EAST, WEST, Lag::Fixed(Duration::from_millis(300)));
    east.create(0, EAST, 1).await.unwrap();
    lab.set_pair_lag(EAST, WEST, Lag::Fixed(Duration::from_millis(20)));
    east.replace(0, EAST, 2).await.unwrap();
    eventually("the second arrives", async || shows(&lab, WEST, 2)).await;
    eventually("the other slot waits", async || lab.waiting(EAST, WEST).await == 1).await;
    let second = lab.truth().lag(EAST, WEST, 0, 1, 2).unwrap();
    assert!(second.min < Duration::from_millis(300), "{second:?}");
    assert_eq!(lab.truth().visible(EAST, WEST, 0, 1, 1), lab.truth().visible(EAST, WEST, 0, 1, 2));
    lab.release_partition_key(EAST, WEST, "tidegauge-3").await;
    assert!(lab.truth().visible(EAST, WEST, 3, 1, 1).is_some());
    // The first one's own lag is over by then.
    eventually("it is not undone", async || {
        let first = lab.truth().commit(EAST, 0, 1, 1).unwrap().at.after;
        seconds(first, lab.now()) > 0.35
    })
    .await;
    let now = lab.peek(WEST, "[\"tidegauge-0\"]", "tidegauge-eastus").await.expect("it is there");
    assert_eq!(seq_of(&now), 2);
}

#[tokio::test]
async fn deletions_replicate() {
    let lab = cosmos().await;
    let (east, west) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST));
    east.create(0, EAST, 1).await.unwrap();
    eventually("it arrives", async || west.read(0, EAST).await.unwrap() == Some(1)).await;
    // From elsewhere than where it was written, as who cleans up may be anywhere.
    west.container.delete_item(partition_of(0), &id_of(EAST), None).await.unwrap();
    assert_eq!(east.read(0, EAST).await.unwrap(), Some(1));
    eventually("it is gone", async || east.read(0, EAST).await.unwrap().is_none()).await;
    // A new life of the same document is newer than that.
    east.create(0, EAST, 1).await.unwrap();
    eventually("it is back", async || west.read(0, EAST).await.unwrap() == Some(1)).await;
}

#[tokio::test]
async fn in_order_nothing_overtakes_whatever_its_key() {
    let lab = CosmosLab::builder().regions([EAST, WEST]).lag(Lag::Fixed(LAG)).in_order(true).start().await;
    let east = Pinned::of(&lab, EAST).await;
    lab.set_pair_lag(EAST, WEST, Lag::Fixed(Duration::from_millis(600)));
    east.create(0, EAST, 1).await.unwrap();
    lab.set_pair_lag(EAST, WEST, Lag::Fixed(Duration::from_millis(20)));
    east.create(1, EAST, 1).await.unwrap();
    // The application's own documents stand in the same line.
    east.container.create_item("a", "order-1", &json!({ "id": "order-1", "pk": "a" }), None).await.unwrap();
    eventually("the last arrives", async || lab.peek(WEST, "[\"a\"]", "order-1").await.is_some()).await;
    let [first, second] =
        [0, 1].map(|slot| lab.truth().visible(EAST, WEST, slot, 1, 1).expect("it is before the last"));
    assert!(first.after <= second.before, "{first:?} {second:?}");
}
