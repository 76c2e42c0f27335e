//! Replication: lag, pause, folding, held slots, and what the truth log says of them.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

#[tokio::test]
async fn the_injected_lag_is_what_the_log_says_and_a_reader_sees() {
    let lab = lab().await;
    let (source, target) = (Client::of(&lab, SOURCE), Client::of(&lab, TARGET));
    let sent = lab.now();
    assert_eq!(source.beat(0, 1).await.unwrap().0, 200);
    let acknowledged = lab.now();

    let commit = lab.truth().commit(SOURCE, 0, 1, 1).expect("it was committed");
    assert_eq!(commit.region, SOURCE);
    assert_eq!(commit.written_at_micros, Some(1_700_000_000_000_000));
    assert!(sent <= commit.at.before && commit.at.before <= commit.at.after && commit.at.after <= acknowledged);
    assert!(commit.at.before.wall_micros >= sent.wall_micros, "the wall clock goes along");
    assert_eq!(target.seen(0).await, None, "the lag is not over");
    assert_eq!(lab.truth().lag(SOURCE, TARGET, 0, 1, 1), None);

    let mut missed = lab.now();
    eventually("the heartbeat arrives", async || {
        let asked = lab.now();
        let hit = target.seen(0).await == Some(1);
        missed = if hit { missed } else { asked };
        hit
    })
    .await;
    let hit = lab.now();
    let lag = lab.truth().lag(SOURCE, TARGET, 0, 1, 1).expect("it is visible");
    assert!(lag.min >= LAG && lag.max < LAG + SLACK, "{lag:?}");
    assert!(lag.max - lag.min < SLACK);
    let visible = lab.truth().visible(SOURCE, TARGET, 0, 1, 1).unwrap();
    assert!(visible.after >= missed && visible.before <= hit, "the reader's bracket holds the truth");

    lab.set_pair_lag(SOURCE, TARGET, Lag::Fixed(Duration::from_millis(300)));
    source.beat(0, 2).await.unwrap();
    eventually("the second arrives", async || is_visible(&lab, 2)).await;
    let lag = lab.truth().lag(SOURCE, TARGET, 0, 1, 2).unwrap();
    assert!(lag.min >= Duration::from_millis(300), "{lag:?}");
    assert_eq!(lab.truth().lags(SOURCE, TARGET).len(), 2);
    assert_eq!(lab.truth().commits(SOURCE).len(), 2);
    lab.shutdown().await;
}

#[tokio::test]
async fn a_refused_write_is_not_in_the_log() {
    let lab = lab().await;
    let source = Client::of(&lab, SOURCE);
    assert_eq!(source.beat(0, 5).await.unwrap().0, 200);
    let (status, answer) = source.beat(0, 4).await.unwrap();
    assert_eq!(status, 400);
    assert!(answer["__type"].as_str().unwrap().ends_with("#ConditionalCheckFailedException"), "{answer}");
    assert_eq!(answer["Item"]["tg_seq"]["N"], "5", "a refusal returns the stored item");
    assert_eq!(lab.truth().count(), 1);
    assert!(lab.truth().commit(SOURCE, 0, 1, 4).is_none());
    assert_eq!(lab.request_count(SOURCE, "PutItem"), 2, "it counts as a request");
}

#[tokio::test]
async fn a_paused_pair_holds_and_the_others_do_not() {
    let lab = lab().await;
    let source = Client::of(&lab, SOURCE);
    lab.pause(SOURCE, TARGET).await;
    for seq in 1..=3 {
        // The later ones overtake: they come to the door in the reverse order.
        lab.set_pair_lag(SOURCE, TARGET, Lag::Fixed(Duration::from_millis(400 - 100 * seq)));
        source.beat(0, seq).await.unwrap();
    }
    eventually("it arrives elsewhere", async || lab.truth().visible(SOURCE, "ap-southeast-2", 0, 1, 3).is_some()).await;
    eventually("all three wait", async || lab.waiting(SOURCE, TARGET).await == 3).await;
    assert_eq!(Client::of(&lab, TARGET).seen(0).await, None);

    let resumed = lab.now();
    lab.resume(SOURCE, TARGET).await;
    let arrivals = lab.truth().arrivals(SOURCE, TARGET, 0);
    assert_eq!(arrivals.iter().map(|(id, _)| id.seq).collect::<Vec<_>>(), [1, 2, 3], "each by itself, in order");
    assert!(arrivals[0].1.before >= resumed);
}

#[tokio::test]
async fn folded_heartbeats_become_visible_with_the_newest() {
    let lab = lab().await;
    let source = Client::of(&lab, SOURCE);
    lab.pause(SOURCE, TARGET).await;
    for seq in 1..=3 {
        source.beat(0, seq).await.unwrap();
    }
    eventually("all three wait", async || lab.waiting(SOURCE, TARGET).await == 3).await;
    lab.resume_with(SOURCE, TARGET, CatchUp::NewestPerItem).await;
    let arrivals = lab.truth().arrivals(SOURCE, TARGET, 0);
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].0, HeartbeatId { source: SOURCE.to_owned(), slot: 0, run: 1, seq: 3 });
    let lags: Vec<_> = (1..=3).map(|seq| lab.truth().lag(SOURCE, TARGET, 0, 1, seq).unwrap()).collect();
    assert!(lags[0].min > lags[1].min && lags[1].min > lags[2].min, "each from its own commit: {lags:?}");
}

#[tokio::test]
async fn an_older_version_that_arrives_late_is_dropped() {
    let lab = lab().await;
    let source = Client::of(&lab, SOURCE);
    lab.set_pair_lag(SOURCE, TARGET, Lag::Fixed(Duration::from_millis(400)));
    source.beat(0, 1).await.unwrap();
    lab.set_pair_lag(SOURCE, TARGET, Lag::Fixed(Duration::from_millis(20)));
    source.beat(0, 2).await.unwrap();
    eventually("the second arrives", async || is_visible(&lab, 2)).await;
    sleep(Duration::from_millis(600)).await;
    assert_eq!(Client::of(&lab, TARGET).seen(0).await, Some(2));
    assert_eq!(lab.truth().visible(SOURCE, TARGET, 0, 1, 1), lab.truth().visible(SOURCE, TARGET, 0, 1, 2));
}

#[tokio::test]
async fn one_slot_can_be_held_back() {
    let lab = lab().await;
    let source = Client::of(&lab, SOURCE);
    lab.hold_partition_key(SOURCE, TARGET, "tidegauge-3").await;
    source.beat(3, 1).await.unwrap();
    source.beat(0, 1).await.unwrap();
    eventually("slot 0 arrives", async || is_visible(&lab, 1)).await;
    eventually("slot 3 waits", async || lab.waiting(SOURCE, TARGET).await == 1).await;
    lab.release_partition_key(SOURCE, TARGET, "tidegauge-3").await;
    assert!(lab.truth().lag(SOURCE, TARGET, 3, 1, 1).is_some());
}

#[test]
fn the_typical_lag_has_its_shape_and_a_seed_repeats_it() {
    let draw = |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..10_000).map(|_| Lag::typical().sample(&mut rng).as_secs_f64()).collect::<Vec<_>>()
    };
    let mut lags = draw(7);
    assert_eq!(lags, draw(7));
    assert_ne!(lags, draw(8));
    lags.sort_by(f64::total_cmp);
    assert!((lags[5_000] / 0.8 - 1.0).abs() < 0.03, "median {}", lags[5_000]);
    // One standard deviation below the median, where spikes hardly reach.
    assert!((lags[1_587] / (0.8 * (-0.25_f64).exp()) - 1.0).abs() < 0.05, "16th percentile {}", lags[1_587]);
    let spikes = lags.iter().filter(|lag| **lag > 2.0).count();
    assert!((120..=280).contains(&spikes), "{spikes} spikes of 10,000");
}

#[tokio::test]
async fn updates_and_deletions_replicate() {
    let lab = lab().await;
    let source = Client::of(&lab, SOURCE);
    source.beat(0, 1).await.unwrap();
    let key = json!({ "PK": { "S": "tidegauge-0" }, "SK": { "S": SOURCE } });
    let update = json!({
        "TableName": "GlobalCellState",
        "Key": key,
        "UpdateExpression": "SET tg_seq = :seq",
        "ExpressionAttributeValues": { ":seq": { "N": "2" } },
    });
    assert_eq!(source.call("UpdateItem", update).await.unwrap().0, 200);
    eventually("the update arrives", async || is_visible(&lab, 2)).await;
    let there = lab.peek(TARGET, "tidegauge-0", SOURCE).unwrap();
    assert_eq!(there["tg_seq"]["N"], "2");
    assert_eq!(there["tg_written_at"]["N"], "1700000000000000", "the whole item goes along");

    let delete = json!({ "TableName": "GlobalCellState", "Key": key });
    assert_eq!(source.call("DeleteItem", delete).await.unwrap().0, 200);
    eventually("the deletion arrives", async || lab.peek(TARGET, "tidegauge-0", SOURCE).is_none()).await;
}

#[tokio::test]
async fn in_order_nothing_overtakes_whatever_its_key_neither_a_spike_nor_a_pause() {
    let lab = Lab::builder().regions([SOURCE, TARGET]).lag(Lag::Fixed(LAG)).in_order(true).start().await;
    let source = Client::of(&lab, SOURCE);
    let beat = async |slot, seq, lag| {
        lab.set_pair_lag(SOURCE, TARGET, Lag::Fixed(Duration::from_millis(lag)));
        source.beat(slot, seq).await.unwrap();
    };
    let arrived = async |slot, seq| {
        let visible = || lab.truth().visible(SOURCE, TARGET, slot, 1, seq);
        eventually("it arrives", async || visible().is_some()).await;
        visible().unwrap()
    };
    beat(0, 1, 600).await;
    beat(1, 1, 20).await;
    let second = arrived(1, 1).await;
    assert!(arrived(0, 1).await.after <= second.before, "the spike holds up what comes after it");
    let lag = lab.truth().lag(SOURCE, TARGET, 0, 1, 1).unwrap();
    assert!(lag.min >= Duration::from_millis(600) && lag.max < Duration::from_millis(600) + SLACK, "{lag:?}");

    lab.pause(SOURCE, TARGET).await;
    beat(0, 2, 20).await;
    beat(2, 1, 1_000).await;
    beat(1, 2, 20).await;
    eventually("two of three have come to the door", async || lab.waiting(SOURCE, TARGET).await == 2).await;
    lab.resume(SOURCE, TARGET).await;
    let first = lab.truth().visible(SOURCE, TARGET, 0, 1, 2).expect("nothing is before it");
    let third = arrived(1, 2).await;
    let second = arrived(2, 1).await;
    assert!(first.after <= second.before && second.after <= third.before, "{first:?} {second:?} {third:?}");
    assert_eq!(lab.waiting(SOURCE, TARGET).await, 0);
}
