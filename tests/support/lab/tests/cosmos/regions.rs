//! Regions: their network, and their ways of being out of order, which touch nothing else.

use super::*;
use crate::lab::Stamp;

const REFUSED: &str = "it is out of order";

/// A lab, and a client of its first and its second region.
async fn two() -> (CosmosLab, Pinned, Pinned) {
    let lab = cosmos().await;
    let (east, west) = tokio::join!(Pinned::of(&lab, EAST), Pinned::of(&lab, WEST));
    (lab, east, west)
}

fn since(lab: &CosmosLab, begun: Stamp) -> Duration {
    lab.now().instant - begun.instant
}

/// That region does everything as ever, in no more time than a call takes.
async fn is_untouched(lab: &CosmosLab, client: &Pinned, region: &str, seq: u64) {
    let begun = lab.now();
    client.beat(7, region, seq).await.unwrap();
    assert_eq!(client.read(7, region).await.unwrap(), Some(seq));
    assert!(since(lab, begun) < SLACK, "it took {:?}", since(lab, begun));
}

#[tokio::test]
async fn a_throttled_region_refuses_what_it_is_told_to_and_no_more() {
    let (lab, east, west) = two().await;
    west.create(0, WEST, 1).await.unwrap();
    for (part, refusal, sub_status) in [
        (Part::Reads, Refusal::throttled(), 3200),
        (Part::Writes, Refusal::replication_queue_full(), 3075),
        (Part::Documents, Refusal::throttled(), 3200),
    ] {
        lab.set_mode(WEST, CosmosMode::Refusing(part, refusal)).await;
        let (reads, writes) = (part != Part::Writes, part != Part::Reads);
        let read = west.read(0, WEST).await;
        let query = west.query(0).await;
        let write = west.replace(0, WEST, 2).await;
        assert_eq!((read.is_err(), query.is_err(), write.is_err()), (reads, reads, writes), "{part:?}");
        let refused = [read.err(), query.err(), write.err()];
        for error in refused.iter().flatten() {
            assert_eq!(status_of(error), (429, sub_status), "{part:?}: {error}");
        }
    }
    is_untouched(&lab, &east, EAST, 1).await;
    lab.set_mode(WEST, CosmosMode::Up).await;
    assert_eq!(west.read(0, WEST).await.unwrap(), Some(2), "the write while only reads were refused");
}

#[tokio::test]
async fn a_region_refuses_in_each_way() {
    let (lab, east, _) = two().await;
    let documents = format!("/dbs/{DATABASE}/colls/{CONTAINER}/docs/any");
    // What goes over the wire, and what the SDK makes of it.
    for (refusal, sent, seen) in [
        (Refusal::session_not_available(), (404, 1002), (503, 20310)),
        // It tries again until its time is up.
        (Refusal::write_forbidden(), (403, 3), (408, 20008)),
        (Refusal::denied(), (403, 5300), (403, 5300)),
        (Refusal::unauthorized(), (401, 0), (401, 0)),
        (Refusal::unavailable(), (503, 0), (503, 0)),
        (Refusal::internal_error(), (500, 0), (500, 0)),
        (Refusal::new(410, 1007), (410, 1007), (410, 1007)),
    ] {
        // A new one each: what a client has learned of a region it keeps for a minute.
        let west = Pinned::of(&lab, WEST).await;
        lab.set_mode(WEST, CosmosMode::Refusing(Part::Documents, refusal)).await;
        let answer = wire::get(&(lab.region_endpoint(WEST) + &documents), true).await;
        let sub_status =
            answer.headers().get("x-ms-substatus").map_or(0, |code| code.to_str().unwrap().parse().unwrap());
        assert_eq!((answer.status().as_u16(), sub_status), sent);
        let (before, begun) = (lab.request_count(WEST, Operation::Read), lab.now());
        let refused = west.read(0, WEST).await.expect_err(REFUSED);
        assert_eq!(status_of(&refused), seen, "{refused}");
        let asked = lab.request_count(WEST, Operation::Read) - before;
        println!("figure: {sent:?} reaches the caller as {seen:?}, {asked} requests, {:?}", since(&lab, begun));
        lab.set_mode(WEST, CosmosMode::Up).await;
    }
    is_untouched(&lab, &east, EAST, 1).await;
    assert_eq!(lab.request_count(EAST, Operation::Read), 1, "nobody asked elsewhere");
    assert_eq!(lab.request_count(SOUTH, Operation::Read), 0, "nobody asked elsewhere");
}

#[tokio::test]
async fn a_slow_region_answers_late_and_the_others_do_not() {
    let (lab, east, west) = two().await;
    west.create(0, WEST, 1).await.unwrap();
    let slowness = SLACK + Duration::from_millis(100);
    lab.set_mode(WEST, CosmosMode::Slow(slowness)).await;
    let begun = lab.now();
    let (read, ()) = tokio::join!(west.read(0, WEST), is_untouched(&lab, &east, EAST, 1));
    assert_eq!(read.unwrap(), Some(1));
    assert!((slowness..slowness + SLACK).contains(&since(&lab, begun)), "it took {:?}", since(&lab, begun));
    lab.set_mode(WEST, CosmosMode::Up).await;
    is_untouched(&lab, &west, WEST, 1).await;
}

#[tokio::test]
async fn a_hanging_region_never_answers_and_takes_nothing() {
    let (lab, east, west) = two().await;
    west.create(0, WEST, 1).await.unwrap();
    lab.set_mode(WEST, CosmosMode::Down(Down::Hang)).await;
    let patience = Duration::from_millis(300);
    let begun = lab.now();
    let (hung, ()) =
        tokio::join!(tokio::time::timeout(patience, west.read(0, WEST)), is_untouched(&lab, &east, EAST, 1));
    assert!(hung.is_err(), "it answered after {:?}: {hung:?}", since(&lab, begun));
    eventually("what is replicated there waits", async || lab.waiting(EAST, WEST).await == 1).await;
    lab.set_mode(WEST, CosmosMode::Up).await;
    assert_eq!(lab.waiting(EAST, WEST).await, 0);
    let again = Pinned::of(&lab, WEST).await;
    assert_eq!(again.read(0, WEST).await.unwrap(), Some(1));
    assert_eq!(again.read(7, EAST).await.unwrap(), Some(1), "what waited is there");
}

#[tokio::test]
async fn a_region_refuses_and_resets_connections_and_comes_back_on_its_port() {
    let (lab, east, west) = two().await;
    let endpoint = lab.region_endpoint(WEST);
    west.create(0, WEST, 1).await.unwrap();
    for (seq, down) in [(1, Down::Refuse), (2, Down::Reset)] {
        lab.set_mode(WEST, CosmosMode::Down(down)).await;
        let begun = lab.now();
        let failed = west.read(0, WEST).await.expect_err(REFUSED);
        println!("figure: {down:?} reaches the caller as {:?} after {:?}", status_of(&failed), since(&lab, begun));
        is_untouched(&lab, &east, EAST, seq).await;
        lab.set_mode(WEST, CosmosMode::Up).await;
        assert_eq!(lab.region_endpoint(WEST), endpoint);
        assert_eq!(Pinned::of(&lab, WEST).await.read(0, WEST).await.unwrap(), Some(1));
    }
}

#[tokio::test]
async fn an_offline_region_leaves_the_account_and_comes_back_to_it() {
    let (lab, east, west) = two().await;
    west.create(0, WEST, 1).await.unwrap();
    let named = async || {
        let (_, account) = wire::account(&lab, EAST).await;
        let regions = account["readableLocations"].as_array().unwrap().iter();
        regions.map(|region| region["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(named().await, [EAST, WEST, SOUTH]);
    lab.set_mode(WEST, CosmosMode::Offline).await;
    assert_eq!(named().await, [EAST, SOUTH]);
    west.read(0, WEST).await.expect_err(REFUSED);
    is_untouched(&lab, &east, EAST, 1).await;
    eventually("it arrives elsewhere", async || lab.truth().visible(EAST, SOUTH, 7, 1, 1).is_some()).await;
    eventually("it waits for the region", async || lab.waiting(EAST, WEST).await == 1).await;
    lab.set_mode(WEST, CosmosMode::Up).await;
    assert_eq!(named().await, [EAST, WEST, SOUTH]);
    let again = Pinned::of(&lab, WEST).await;
    assert_eq!(again.read(7, EAST).await.unwrap(), Some(1), "what waited is there");
}

/// Why a client that asks one region has to look where its answers come from.
#[tokio::test]
async fn a_client_that_starts_while_its_region_is_offline_is_answered_from_elsewhere() {
    let lab = cosmos().await;
    lab.set_mode(WEST, CosmosMode::Offline).await;
    let west = Pinned::of(&lab, WEST).await;
    let missed = west.container.read_item(partition_of(0), &id_of(WEST), None).await.expect_err("there is none");
    assert_eq!(status_of(&missed), (404, 0));
    let elsewhere = missed.diagnostics().unwrap().responded_regions().into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(elsewhere, [Region::from(EAST.to_owned())], "although it was to leave that one out");
    assert_eq!(lab.request_count(EAST, Operation::Read), 1);
}

#[tokio::test]
async fn the_first_region_can_be_out_of_order_too() {
    let (lab, _, west) = two().await;
    lab.set_mode(EAST, CosmosMode::Offline).await;
    is_untouched(&lab, &west, WEST, 1).await;
    let (_, account) = wire::account(&lab, WEST).await;
    assert_eq!(account["writableLocations"][0]["name"], WEST, "{account}");
}

#[tokio::test]
async fn a_client_that_gives_up_commits_all_the_same() {
    let (lab, east, _) = two().await;
    let late = Straggler { probability: 1.0, delay: Delay::Fixed(Duration::from_millis(250)) };
    lab.set_network(EAST, Network { late_writes: Some(late), ..Network::direct() });
    // Late on the way there or on the way back, as it falls: both are to commit.
    for seq in 1..=4 {
        let writes = || lab.request_count(EAST, Operation::Create) + lab.request_count(EAST, Operation::Replace);
        let before = writes();
        tokio::select! {
            early = east.beat(0, EAST, seq) => panic!("answered before it was given up: {early:?}"),
            () = eventually("it is under way", async || writes() > before) => {}
        }
        eventually("it commits", async || lab.truth().commit(EAST, 0, 1, seq).is_some()).await;
    }
    eventually("it arrives", async || shows(&lab, WEST, 4)).await;
}

#[tokio::test]
async fn the_network_delays_both_ways() {
    let (lab, east, west) = two().await;
    let way = Duration::from_millis(60);
    lab.set_network(EAST, Network::each_way(way));
    for seq in 1..=2 {
        let sent = lab.now();
        east.beat(0, EAST, seq).await.unwrap();
        let answered = lab.now();
        let at = lab.truth().commit(EAST, 0, 1, seq).unwrap().at;
        assert!(at.after.instant - sent.instant >= way && answered.instant - at.before.instant >= way);
    }
    is_untouched(&lab, &west, WEST, 1).await;
}

#[tokio::test]
async fn dropped_it_lets_go_of_its_ports() {
    let lab = cosmos().await;
    let east = Pinned::of(&lab, EAST).await;
    east.create(0, EAST, 1).await.unwrap();
    let truth = lab.truth_log();
    let address = lab.endpoint().trim_start_matches("http://").to_owned();
    lab.shutdown().await;
    assert_eq!(truth.count(), 1);
    let refused = tokio::net::TcpStream::connect(address).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}
