//! No other region's answer passes for the one that was asked.

use std::time::Instant;

use tidegauge::core::model::Reason;

use super::*;

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "the time that it takes is what is tested")]
async fn a_heartbeat_is_seen_elsewhere_when_it_has_got_there() {
    let bench = Bench::with(Duration::from_millis(300), &["/pk"]).await;
    assert_eq!(bench.stored(RegionId(1), 0).await, None);
    let start = Instant::now();
    bench.write(Expect::Takeover { seen: None }, heartbeat(ME, RUN, 0)).await;
    while bench.stored(RegionId(1), 0).await.is_none() {
        assert!(start.elapsed() < DEADLINE);
        // Answers of this process are there at once, and replication has to have its turn.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = start.elapsed();
    println!("figure: seen after {took:?} of 300 ms");
    assert!((Duration::from_millis(295)..Duration::from_millis(900)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_read_with_the_writers_token_in_a_region_that_lags_is_not_answered_by_another_one() {
    let bench = Bench::with(Duration::from_secs(60), &["/pk"]).await;
    bench.write(Expect::Takeover { seen: None }, heartbeat(ME, RUN, 0)).await;
    // An ordinary client hands its token on, as an application would.
    let writer = bench.container().await;
    let written = writer.read_item(SLOT_0, "tidegauge-0-eastus", None).await.unwrap();
    let token = written.headers().session_token().unwrap().clone();
    // By that alone the SDK goes to where the token can be honoured…
    let ordinary = bench.pinned(REGIONS[1]).await;
    let options = || ItemReadOptions::default().with_session_token(token.clone());
    let found = ordinary.read_item(SLOT_0, "tidegauge-0-eastus", Some(options())).await.unwrap();
    let answered: Vec<String> = found.diagnostics().responded_regions().iter().map(ToString::to_string).collect();
    println!("figure: an ordinary client pinned to westeurope was answered by {answered:?}");
    assert!(answered.contains(&"eastus".to_owned()), "{answered:?}");
    // …and with our options it does not.
    let ours = bench.ours(REGIONS[1]).await;
    let options = options().with_operation_options(ours.reading(Consistency::Eventual));
    let refused = ours.client.read_item(SLOT_0, "tidegauge-0-eastus", Some(options)).await;
    let diagnostics = match refused {
        Ok(found) => panic!("found by {:?}", found.diagnostics().responded_regions()),
        Err(error) => error.diagnostics().unwrap(),
    };
    let responded = diagnostics.responded_regions();
    assert!(responded.iter().all(|region| region.as_str() == "westeurope"), "{responded:?}");
    // The gauge itself sees nothing, which is so.
    assert_eq!(bench.stored(RegionId(1), 0).await, None);
}

#[tokio::test]
async fn slots_are_on_partitions_of_their_own_and_a_split_moves_none() {
    let bench = Bench::start().await;
    let written = async |seq| {
        for slot in 0..4 {
            let expect = if seq == 0 && slot == 0 { Expect::Takeover { seen: None } } else { Expect::Follow };
            let outcome = bench.write(expect, Heartbeat { slot, ..heartbeat(ME, RUN, seq) }).await;
            assert!(matches!(outcome, WriteOutcome::Acknowledged { .. }), "slot {slot}, seq {seq}: {outcome:?}");
        }
    };
    let spread = async || {
        let inspection = bench.store.inspect(HOME).await.outcome;
        inspection.unwrap().setup.unwrap().spread.unwrap()
    };
    written(0).await;
    assert_eq!(spread().await, Spread { slots: 4, with_slots: 4, partitions: 4 });
    bench.split(0).await;
    written(1).await;
    assert_eq!(spread().await, Spread { slots: 4, with_slots: 4, partitions: 5 });
    for slot in 0..4 {
        let found = bench.stored(HOME, slot).await;
        assert_eq!(found, Some(Found::Heartbeat(Heartbeat { slot, ..heartbeat(ME, RUN, 1) })), "slot {slot}");
    }
}

#[tokio::test]
async fn slots_that_share_a_partition_are_separated_by_its_split() {
    let bench = Bench::with_partitions(Duration::ZERO, &["/pk"], 1).await;
    let spread = async || bench.store.inspect(HOME).await.outcome.unwrap().setup.unwrap().spread.unwrap();
    assert_eq!(spread().await, Spread { slots: 4, with_slots: 1, partitions: 1 });
    let halves = bench.split(0).await;
    assert_eq!(spread().await, Spread { slots: 4, with_slots: 2, partitions: 2 });
    for half in halves {
        bench.split(half).await;
    }
    assert_eq!(spread().await, Spread { slots: 4, with_slots: 4, partitions: 4 });
}

#[tokio::test]
async fn whatever_a_container_is_partitioned_by_heartbeats_lie_and_are_found_there() {
    for paths in [&["/id"][..], &["/pk"], &["/customer/name"], &["/tenant", "/user"], &["/tenant", "/user", "/id"]] {
        let bench = Bench::with(Duration::ZERO, paths).await;
        let written = bench.write(Expect::Takeover { seen: None }, heartbeat(ME, RUN, 0)).await;
        assert_eq!(written, WriteOutcome::Acknowledged { replaced: None }, "{paths:?}");
        let kept = bench.write(Expect::Steady, heartbeat(ME, RUN, 1)).await;
        assert_eq!(kept, WriteOutcome::Acknowledged { replaced: Some(beat(RUN, 0)) }, "{paths:?}");
        let other = Heartbeat { source: "westeurope".into(), ..heartbeat(RIVAL, RUN, 7) };
        let there = Write { source: RegionId(1), ..write(Expect::Takeover { seen: None }, other.clone()) };
        bench.store.write(there).await;
        let mut found = Vec::new();
        for _ in 0..200 {
            found = bench.store.read(HOME, 0, Consistency::Eventual).await.outcome.unwrap().found;
            if found.len() == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        found.sort_by_key(|(region, _)| *region);
        let expected = [(HOME, heartbeat(ME, RUN, 1)), (RegionId(1), other)];
        assert_eq!(found, expected.map(|(region, heartbeat)| (region, Found::Heartbeat(heartbeat))), "{paths:?}");
    }
}

#[tokio::test]
async fn a_retired_source_is_forgotten_unless_it_moves() {
    let bench = Bench::start().await;
    let source: Arc<str> = "eastus".into();
    bench.write(Expect::Takeover { seen: None }, heartbeat(ME, RUN, 0)).await;
    let looked = bench.store.look(HOME, &source, 0).await.unwrap();
    assert_eq!(looked, Some(Found::Heartbeat(heartbeat(ME, RUN, 0))));
    bench.write(Expect::Steady, heartbeat(ME, RUN, 1)).await;
    assert_eq!(bench.store.remove(HOME, &source, 0, beat(RUN, 0)).await, Ok(false));
    assert_eq!(bench.store.remove(HOME, &source, 0, beat(RUN, 1)).await, Ok(true));
    assert_eq!(bench.store.look(HOME, &source, 0).await, Ok(None));
    assert_eq!(bench.store.remove(HOME, &source, 0, beat(RUN, 1)).await, Ok(true));
    // What a check wrote goes, too, and where it wrote nothing that is as well.
    bench.store.try_write(HOME, WRITTEN_AT).await.outcome.unwrap();
    assert_eq!(bench.store.sweep(HOME, &source).await, Ok(()));
    assert_eq!(bench.store.sweep(HOME, &source).await, Ok(()));
}

#[tokio::test]
async fn where_one_region_takes_the_writes_nothing_is_sent_to_it_in_the_name_of_another() {
    let bench = Bench::of(WriteMode::Single, Duration::ZERO, &["/pk"], 4).await;
    let there = Write { source: RegionId(1), ..write(Expect::Takeover { seen: None }, heartbeat(ME, RUN, 0)) };
    bench.store.read(RegionId(1), 0, Consistency::Strong).await.outcome.unwrap();
    bench.taken();
    let outcome = bench.store.write(there).await.outcome;
    let WriteOutcome::Failed { failure, maybe_committed: false } = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.reason, Reason::ReadOnly);
    assert_eq!(bench.taken(), [""; 0]);
    // Its own it may write.
    let own = bench.write(Expect::Takeover { seen: None }, heartbeat(ME, RUN, 0)).await;
    assert_eq!(own, WriteOutcome::Acknowledged { replaced: None });
    let told = bench.store.inspect(RegionId(1)).await.outcome.unwrap().setup.unwrap();
    assert_eq!(told.multi_region_writes, Some(false));
}
