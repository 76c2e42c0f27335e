//! No other region's answer passes for the one that was asked.

use std::time::Instant;

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
