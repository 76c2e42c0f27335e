//! What goes wrong, as one of the closed reasons, and whether the write may have been committed all the same.

use std::time::Instant;

use tidegauge::core::model::{Consistency, Failure, Reason};

use super::*;
use crate::lab::{Down, Mode};

const TAKE: Expect = Expect::Takeover { seen: None };

/// Why a write failed, and whether it may have been committed.
async fn failed_write(store: &DynamoDbStore, expect: Expect) -> (Failure, bool) {
    match store.write(write(expect, heartbeat(ME, RUN, 0))).await.outcome {
        WriteOutcome::Failed { failure, maybe_committed } => (failure, maybe_committed),
        outcome => panic!("it did not fail: {outcome:?}"),
    }
}

/// Write and read must fail for this reason.
async fn expect(store: &DynamoDbStore, reason: Reason, maybe_committed: bool) {
    let (failure, maybe) = failed_write(store, TAKE).await;
    assert_eq!((failure.reason, maybe), (reason, maybe_committed), "write: {failure:?}");
    let failure = store.read(SOURCE_ID, 0, Consistency::Strong).await.outcome.unwrap_err();
    assert_eq!(failure.reason, reason, "read: {failure:?}");
    assert!(!failure.message.is_empty() && failure.message.chars().count() <= 300, "{failure:?}");
    // Only the read that precedes it fails: nothing was written.
    let (failure, maybe) = failed_write(store, Expect::ReplaceInvalid).await;
    assert_eq!((failure.reason, maybe), (reason, false), "replace: {failure:?}");
}

#[test]
fn a_table_that_is_not_there_is_not_found() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.lab.drop_table("GlobalCellState");
        expect(&bench.store, Reason::NotFound, false).await;
    });
}

#[test]
fn where_nobody_listens_nothing_was_committed() {
    with_credentials(async || {
        let bench = Bench::start().await;
        // Before any connection was made: one that had been in use may break while the request leaves, which is doubt.
        bench.lab.set_mode(SOURCE, Mode::Down(Down::Refuse)).await;
        expect(&bench.store, Reason::Connect, false).await;
        bench.lab.set_mode(SOURCE, Mode::Up).await;
        bench.read().await;
    });
}

#[test]
fn a_connection_that_is_reset_is_a_matter_of_connecting() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.lab.set_mode(SOURCE, Mode::Down(Down::Reset)).await;
        // Before or after the request has left, as it falls: only the reason is certain.
        for _ in 0..20 {
            let (failure, _) = failed_write(&bench.store, TAKE).await;
            assert_eq!(failure.reason, Reason::Connect, "{failure:?}");
        }
    });
}

#[test]
fn whatever_breaks_after_the_request_has_left_leaves_the_write_in_doubt() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let answers: [(&[u8], Reason); 7] = [
            (b"", Reason::Connect),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Consumed", Reason::Connect),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nnope!", Reason::Other),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Reason::Other),
            (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", Reason::Other),
            (b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", Reason::Other),
            (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 15\r\n\r\n<html>no</html>", Reason::Other),
        ];
        for (answer, reason) in answers {
            let (endpoint, _requests) = answer_all_with(answer).await;
            let edit = |settings: &mut StoreSettings| settings.regions[0].endpoint = Some(endpoint);
            let store = store(&bench.lab, DEADLINE, edit).await;
            let (failure, maybe_committed) = failed_write(&store, TAKE).await;
            let answer = String::from_utf8_lossy(answer);
            assert_eq!((failure.reason, maybe_committed), (reason, true), "{answer:?}: {failure:?}");
            let failure = store.read(SOURCE_ID, 0, Consistency::Strong).await.outcome.unwrap_err();
            assert_eq!(failure.reason, reason, "{answer:?}: {failure:?}");
        }
    });
}

#[test]
fn a_name_that_does_not_resolve_is_told_apart() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let store = store(&bench.lab, DEADLINE, |settings| {
            settings.regions[0].endpoint = Some("https://nosuch.invalid".into());
        });
        expect(&store.await, Reason::Dns, false).await;
    });
}

#[test]
#[allow(clippy::disallowed_methods, reason = "what is measured here is the host's time")]
fn no_answer_is_a_timeout_and_leaves_the_write_in_doubt() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let deadline = Duration::from_millis(500);
        let store = store(&bench.lab, deadline, |_| {}).await;
        bench.lab.set_mode(SOURCE, Mode::Down(Down::Hang)).await;
        let started = Instant::now();
        expect(&store, Reason::Timeout, true).await;
        let took = started.elapsed();
        println!("figure: three calls with a deadline of {deadline:?} that nobody answers took {took:?}");
        assert!(took >= deadline * 3 && took < deadline * 3 + Duration::from_secs(2), "{took:?}");
        // Or the connection is there, and the answer alone is not.
        bench.lab.set_mode(SOURCE, Mode::Slow(Duration::from_secs(60))).await;
        expect(&store, Reason::Timeout, true).await;
    });
}

#[test]
fn what_the_store_says_is_put_into_the_closed_reasons_and_never_retried() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let modes = [
            (Mode::Throttled, Reason::Throttled, false),
            (Mode::Denied, Reason::Denied, false),
            (Mode::ExpiredToken, Reason::Credentials, false),
            (Mode::UnrecognizedClient, Reason::Credentials, false),
            (Mode::InternalError, Reason::Other, true),
        ];
        for (mode, reason, maybe_committed) in modes {
            bench.lab.set_mode(SOURCE, mode).await;
            let before = bench.requests();
            expect(&bench.store, reason, maybe_committed).await;
            assert_eq!(bench.requests() - before, 3, "{mode:?}: one request for each of the three calls");
            for _ in 0..5 {
                let before = bench.requests();
                failed_write(&bench.store, Expect::Steady).await;
                assert_eq!(bench.requests() - before, 1, "{mode:?}");
            }
        }
        bench.lab.set_mode(SOURCE, Mode::Up).await;
        assert_eq!(bench.write(TAKE, heartbeat(ME, RUN, 0)).await, ACKNOWLEDGED, "nothing of it was committed");
    });
}

#[test]
fn a_late_answer_is_not_asked_for_twice() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let store = store(&bench.lab, Duration::from_millis(300), |_| {}).await;
        bench.lab.set_mode(SOURCE, Mode::Slow(Duration::from_secs(60))).await;
        for count in 1..=3 {
            failed_write(&store, TAKE).await;
            assert_eq!(bench.lab.request_count(SOURCE, "PutItem"), count);
        }
    });
}

#[test]
#[allow(clippy::disallowed_methods, reason = "what is measured here is the host's time")]
fn without_credentials_the_answer_says_so_and_comes_at_once() {
    alone(&[], async || {
        let bench = Bench::start().await;
        let started = Instant::now();
        expect(&bench.store, Reason::Credentials, false).await;
        println!("figure: three calls without credentials took {:?}", started.elapsed());
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert_eq!(bench.requests(), 0, "nothing is sent unsigned");
    });
}

#[test]
#[allow(clippy::disallowed_methods, reason = "what is measured here is the host's time")]
fn a_profile_that_does_not_exist_is_a_matter_of_credentials() {
    with_credentials(async || {
        let bench = Bench::start().await;
        let store =
            store(&bench.lab, DEADLINE, |settings| settings.regions[0].profile = Some("nosuch-profile".into())).await;
        let started = Instant::now();
        expect(&store, Reason::Credentials, false).await;
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        // The other region has the environment's.
        assert_eq!(store.read(RegionId(1), 0, Consistency::Strong).await.outcome, Ok(SlotRead::default()));
    });
}

#[test]
fn a_region_in_trouble_is_no_trouble_for_another() {
    with_credentials(async || {
        let bench = Bench::start().await;
        for mode in [Mode::Down(Down::Refuse), Mode::Down(Down::Hang), Mode::Denied, Mode::InternalError] {
            bench.lab.set_mode(SOURCE, mode).await;
            assert_eq!(
                bench.store.read(RegionId(1), 0, Consistency::Strong).await.outcome,
                Ok(SlotRead::default()),
                "{mode:?}"
            );
        }
    });
}
