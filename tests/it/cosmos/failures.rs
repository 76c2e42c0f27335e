//! What went wrong, as one of the closed reasons, and whether a write may have been committed all the same. Against the
//! lab, over ports.

use std::time::Instant;

use tidegauge::core::model::{Failure, Reason};

use super::*;
use crate::lab::cosmos::{CosmosMode, KEY, Part, Refusal};
use crate::lab::{CosmosLab, Down};

const TAKE: Expect = Expect::Takeover { seen: None };

async fn lab() -> CosmosLab {
    CosmosLab::builder().regions(REGIONS).start().await
}

/// Some refusals the SDK tries again for as long as a call may take.
const CALL: Duration = Duration::from_millis(1_500);

fn store_of(lab: &CosmosLab, regions: &[&str]) -> CosmosStore {
    let settings = settings(&lab.endpoint(), regions);
    let store = &settings.stores[0];
    let StoreKind::Cosmos(cosmos) = &store.kind else { panic!("it is of Cosmos DB") };
    CosmosStore::from_settings(store, cosmos, Access::from_settings(cosmos, Clock::start(), DEADLINE), CALL)
}

async fn read_fails(store: &CosmosStore, region: RegionId) -> Failure {
    store.read(region, 0, Consistency::Strong).await.outcome.unwrap_err()
}

async fn write_fails(store: &CosmosStore, expect: Expect, seq: u64) -> (Reason, bool) {
    match store.write(write(expect, heartbeat(ME, RUN, seq))).await.outcome {
        WriteOutcome::Failed { failure, maybe_committed } => (failure.reason, maybe_committed),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_refusal_has_its_reason_and_says_whether_the_write_may_have_been_committed() {
    let lab = lab().await;
    let store = store_of(&lab, &REGIONS);
    store.write(write(TAKE, heartbeat(ME, RUN, 0))).await;
    let cases = [
        (Refusal::throttled(), Reason::Throttled, false),
        (Refusal::replication_queue_full(), Reason::QueueFull, false),
        (Refusal::session_not_available(), Reason::Unavailable, false),
        (Refusal::write_forbidden(), Reason::Denied, false),
        (Refusal::denied(), Reason::Denied, false),
        (Refusal::unauthorized(), Reason::Credentials, false),
        (Refusal::new(404, 1003), Reason::NotFound, false),
        (Refusal::new(403, 1008), Reason::NotFound, false),
        (Refusal::new(449, 0), Reason::Unavailable, false),
        (Refusal::new(408, 0), Reason::Timeout, true),
        (Refusal::new(410, 0), Reason::Unavailable, false),
        (Refusal::unavailable(), Reason::Unavailable, true),
        (Refusal::internal_error(), Reason::Other, true),
    ];
    for (seq, (refusal, reason, maybe_committed)) in (1..).zip(cases) {
        lab.set_mode(REGIONS[0], CosmosMode::Refusing(Part::Documents, refusal)).await;
        let failure = read_fails(&store, HOME).await;
        assert_eq!(failure.reason, reason, "{refusal:?}: {}", failure.message);
        assert!(failure.message.len() <= 300 && !failure.message.contains('\n'), "{}", failure.message);
        assert_eq!(write_fails(&store, Expect::Steady, seq).await, (reason, maybe_committed), "{refusal:?}");
        // Not a moment longer: nothing waits for a region to come back.
        lab.set_mode(REGIONS[0], CosmosMode::Up).await;
        store.read(HOME, 0, Consistency::Strong).await.outcome.unwrap();
    }
}

#[tokio::test]
async fn a_region_that_nobody_listens_in_commits_nothing_and_is_there_again_at_once() {
    let lab = lab().await;
    let store = store_of(&lab, &REGIONS);
    store.write(write(TAKE, heartbeat(ME, RUN, 0))).await;
    store.read(RegionId(1), 0, Consistency::Strong).await.outcome.unwrap();
    lab.set_mode(REGIONS[0], CosmosMode::Down(Down::Refuse)).await;
    assert_eq!(read_fails(&store, HOME).await.reason, Reason::Connect);
    assert_eq!(write_fails(&store, Expect::Steady, 1).await, (Reason::Connect, false));
    store.read(RegionId(1), 0, Consistency::Strong).await.outcome.unwrap();
    lab.set_mode(REGIONS[0], CosmosMode::Up).await;
    let kept = store.write(write(Expect::Steady, heartbeat(ME, RUN, 2))).await.outcome;
    assert_eq!(kept, WriteOutcome::Acknowledged { replaced: Some(beat(RUN, 0)) });
}

#[tokio::test]
async fn a_region_that_is_not_of_the_account_is_not_answered_for_by_one_that_is() {
    let lab = lab().await;
    let store = store_of(&lab, &["North Europe", "East US", "West Europe"]);
    let failure = read_fails(&store, HOME).await;
    assert_eq!(failure.reason, Reason::OtherRegion, "{}", failure.message);
    let (reason, _) = write_fails(&store, TAKE, 0).await;
    assert_eq!(reason, Reason::OtherRegion);
}

#[tokio::test]
async fn a_container_that_comes_later_is_found_without_a_restart() {
    let lab = CosmosLab::builder().regions(REGIONS).without_container().start().await;
    let store = store_of(&lab, &REGIONS);
    assert_eq!(read_fails(&store, HOME).await.reason, Reason::NotFound);
    assert_eq!(write_fails(&store, TAKE, 0).await, (Reason::NotFound, false));
    lab.create_container(CONTAINER, &["/pk"]);
    let taken = store.write(write(TAKE, heartbeat(ME, RUN, 0))).await.outcome;
    assert_eq!(taken, WriteOutcome::Acknowledged { replaced: None });
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "what is measured here is the host's time")]
async fn a_slow_region_is_waited_for_and_nobody_else_is_asked() {
    let lab = lab().await;
    let store = store_of(&lab, &REGIONS);
    store.read(RegionId(1), 0, Consistency::Strong).await.outcome.unwrap();
    let asked: Vec<_> = REGIONS.iter().map(|region| lab.requests(region)).collect();
    lab.set_mode(REGIONS[1], CosmosMode::Slow(Duration::from_secs(3))).await;
    let began = Instant::now();
    assert_eq!(read_fails(&store, RegionId(1)).await.reason, Reason::Timeout);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    for other in [0, 2] {
        assert_eq!(lab.requests(REGIONS[other]), asked[other], "{}", REGIONS[other]);
    }
}

#[tokio::test]
async fn no_key_is_said_where_it_is_missing_or_refused() {
    let lab = lab().await;
    let settings = settings(&lab.endpoint(), &REGIONS);
    let store = &settings.stores[0];
    let StoreKind::Cosmos(mut cosmos) = store.kind.clone() else { panic!("it is of Cosmos DB") };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "no base64, but h u n t e r 2").unwrap();
    for (auth, says) in [
        (CosmosAuth::KeyEnv("NO_SUCH_VARIABLE".to_owned()), "NO_SUCH_VARIABLE"),
        (CosmosAuth::KeyFile("/nowhere/key".into()), "/nowhere/key"),
        (CosmosAuth::KeyFile(file.path().to_owned()), file.path().to_str().unwrap()),
    ] {
        cosmos.auth = auth;
        let access = Access::from_settings(&cosmos, Clock::start(), DEADLINE);
        let reached = CosmosStore::from_settings(store, &cosmos, access, DEADLINE);
        let failure = read_fails(&reached, HOME).await;
        assert_eq!(failure.reason, Reason::Credentials, "{}", failure.message);
        assert!(failure.message.contains(says), "{}", failure.message);
        assert!(!failure.message.contains("h u n t e r 2"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_region_that_was_out_of_the_account_at_the_start_is_measured_when_it_is_back() {
    let lab = lab().await;
    lab.set_mode(REGIONS[1], CosmosMode::Offline).await;
    let store = store_of(&lab, &REGIONS);
    let failure = read_fails(&store, RegionId(1)).await;
    assert!(matches!(failure.reason, Reason::OtherRegion | Reason::Connect), "{failure:?}");
    lab.set_mode(REGIONS[1], CosmosMode::Up).await;
    for _ in 0..100 {
        if store.read(RegionId(1), 0, Consistency::Strong).await.outcome.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("still {:?}", read_fails(&store, RegionId(1)).await);
}

#[tokio::test]
async fn a_refused_write_is_not_taken_to_a_region_that_the_settings_do_not_list() {
    let lab = lab().await;
    lab.set_mode(REGIONS[1], CosmosMode::Refusing(Part::Writes, Refusal::write_forbidden())).await;
    let store = store_of(&lab, &["West Europe", "East US"]);
    let (reason, maybe_committed) = write_fails(&store, TAKE, 0).await;
    assert_eq!((reason, maybe_committed), (Reason::Denied, false));
    for region in REGIONS {
        assert!(lab.requests(region).keys().all(|operation| !operation.is_write()) || region == REGIONS[1], "{region}");
    }
    assert_eq!(lab.truth().count(), 0);
}

#[tokio::test]
async fn a_key_that_was_renewed_after_it_had_been_refused_for_a_while_lets_in_again() {
    let lab = lab().await;
    let settings = settings(&lab.endpoint(), &REGIONS);
    let store = &settings.stores[0];
    let StoreKind::Cosmos(mut cosmos) = store.kind.clone() else { panic!("it is of Cosmos DB") };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), KEY).unwrap();
    cosmos.auth = CosmosAuth::KeyFile(file.path().to_owned());
    let access = Access::from_settings(&cosmos, Clock::start(), DEADLINE);
    let reached = CosmosStore::from_settings(store, &cosmos, access, CALL);
    reached.read(HOME, 0, Consistency::Strong).await.outcome.unwrap();
    lab.set_mode(REGIONS[0], CosmosMode::Refusing(Part::Everything, Refusal::unauthorized())).await;
    for _ in 0..4 {
        assert_eq!(read_fails(&reached, HOME).await.reason, Reason::Credentials);
    }
    // Nobody says when, and for a moment there is none: the one that was refused is kept until there is.
    std::fs::write(file.path(), "").unwrap();
    assert_eq!(read_fails(&reached, HOME).await.reason, Reason::Credentials);
    std::fs::write(file.path(), "bmV3").unwrap();
    lab.set_mode(REGIONS[0], CosmosMode::Up).await;
    for _ in 0..3 {
        if reached.read(HOME, 0, Consistency::Strong).await.outcome.is_ok() {
            return;
        }
    }
    panic!("{:?}", read_fails(&reached, HOME).await);
}

#[tokio::test]
async fn a_container_that_was_made_anew_by_another_partition_key_is_found_out() {
    let lab = lab().await;
    let store = store_of(&lab, &REGIONS);
    store.write(write(TAKE, heartbeat(ME, RUN, 0))).await;
    lab.drop_container(CONTAINER).await;
    lab.create_container(CONTAINER, &["/other"]);
    let mut outcomes = Vec::new();
    for seq in 1..6 {
        let outcome = store.write(write(TAKE, heartbeat(ME, RUN, seq))).await.outcome;
        if outcome == (WriteOutcome::Acknowledged { replaced: None }) {
            return;
        }
        outcomes.push(outcome);
    }
    panic!("{outcomes:#?}");
}

#[tokio::test]
async fn with_a_companion_the_applications_container_is_looked_at_too() {
    let lab = CosmosLab::builder().regions(REGIONS).without_container().start().await;
    lab.create_container("beside", &["/pk"]);
    let settings = settings(&lab.endpoint(), &REGIONS);
    let store = &settings.stores[0];
    let StoreKind::Cosmos(mut cosmos) = store.kind.clone() else { panic!("it is of Cosmos DB") };
    cosmos.heartbeats = (DATABASE.to_owned(), "beside".to_owned());
    let access = Access::from_settings(&cosmos, Clock::start(), DEADLINE);
    let reached = CosmosStore::from_settings(store, &cosmos, access, CALL);
    reached.read(HOME, 0, Consistency::Strong).await.outcome.unwrap();
    assert_eq!(reached.inspect(HOME).await.outcome.unwrap_err().reason, Reason::NotFound);
    lab.create_container(CONTAINER, &["/pk"]);
    let looked = reached.inspect(HOME).await.outcome.unwrap();
    assert!(looked.setup.unwrap().expiry.is_some());
}
