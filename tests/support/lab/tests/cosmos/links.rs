//! Replication: lag, pause, held keys, and what the truth log says of them.

use super::*;

#[tokio::test]
async fn a_client_of_the_sdk_writes_here_and_reads_there_after_the_lag() {
    let lab = cosmos().await;
    let (east, west) = (Pinned::of(&lab, EAST).await, Pinned::of(&lab, WEST).await);
    east.create(0, EAST, 1).await.unwrap();
    assert_eq!(east.read(0, EAST).await.unwrap(), Some(1));
    assert_eq!(west.read(0, EAST).await.unwrap(), None, "the lag is not over");
    eventually("it arrives", async || west.read(0, EAST).await.unwrap() == Some(1)).await;
    let lag = lab.truth().lag(EAST, WEST, 0, 1, 1).expect("it is visible");
    assert!(lag.min >= LAG && lag.max < LAG + SLACK, "{lag:?}");
    assert_eq!(west.query(0).await.unwrap(), [(EAST.to_owned(), 1)]);

    east.beat(0, EAST, 2).await.unwrap();
    eventually("the second arrives", async || shows(&lab, WEST, 2)).await;
    assert_eq!(west.read(0, EAST).await.unwrap(), Some(2));
    lab.shutdown().await;
}
