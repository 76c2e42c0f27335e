//! `tidegauge forget`: a retired source's keys go, in every region; a live writer's stay.

use std::time::Duration;

use crate::lab::{DaemonSettings, Lab, Lag};
use crate::support::{Daemon, command, seat, until};

const RETIRED: &str = "ap-southeast-2";

async fn lab() -> Lab {
    Lab::builder().lag(Lag::Fixed(Duration::from_millis(100))).seed(51).start().await
}

/// How it ended, and what it said. The settings have fewer slots than there once were.
async fn forget(lab: &Lab, arguments: &[&str]) -> (Option<i32>, String) {
    forget_with(&lab.settings().interval("200ms"), arguments).await
}

async fn forget_with(settings: &DaemonSettings, arguments: &[&str]) -> (Option<i32>, String) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("tidegauge.toml");
    std::fs::write(&file, settings.to_toml()).unwrap();
    let ended = command(home.path()).arg("--config").arg(file).arg("forget").args(arguments).output().await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    (ended.status.code(), said)
}

/// In how many regions a source's key of a slot is stored.
fn copies(lab: &Lab, source: &str, slot: u32) -> usize {
    lab.regions().iter().filter(|region| lab.peek(region, &format!("tidegauge-{slot}"), source).is_some()).count()
}

/// What was on its way when the writer died has arrived: until then it looks alive elsewhere.
async fn settled(lab: &Lab) {
    until("every region holds the same", Duration::from_secs(10), async || {
        let newest = |slot: u32| {
            let of = |region: &&str| {
                lab.peek(region, &format!("tidegauge-{slot}"), RETIRED).map(|item| item["tg_seq"].clone())
            };
            lab.regions().iter().map(of).collect::<Vec<_>>()
        };
        let apart = (0..3).map(newest).find(|copies| copies.iter().any(|copy| *copy != copies[0]));
        apart.map_or(Ok(()), |copies| Err(format!("{copies:?}")))
    })
    .await;
}

async fn written(lab: &Lab) -> Daemon {
    let daemon = Daemon::start(lab.settings().interval("200ms").slots(3)).await;
    until("every slot is everywhere", Duration::from_secs(10), async || {
        let missing = (0..3).filter(|slot| lab.regions().iter().any(|source| copies(lab, source, *slot) < 3)).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} slots are not")) }
    })
    .await;
    daemon
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retired_source_is_forgotten_in_every_region_and_in_every_slot_that_it_ever_had() {
    let _seat = seat().await;
    let lab = lab().await;
    written(&lab).await.kill().await;
    settled(&lab).await;

    let (code, said) = forget(&lab, &[RETIRED, "--dry-run"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("slots 0, 1, 2"), "{said}");
    assert_eq!(copies(&lab, RETIRED, 0), 3, "a dry run removes nothing");

    // Asked elsewhere than at the source, as when the source's replica is gone.
    let (code, said) = forget(&lab, &[RETIRED, "--replica", "us-east-1"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("slot 2: removed") && said.contains("as if it had stopped"), "{said}");
    until("it is gone everywhere", Duration::from_secs(5), async || {
        let left: usize = (0..3).map(|slot| copies(&lab, RETIRED, slot)).sum();
        if left == 0 { Ok(()) } else { Err(format!("{left} are left")) }
    })
    .await;
    assert_eq!(copies(&lab, "us-east-1", 0), 3, "the others' are untouched");

    let (code, said) = forget(&lab, &[RETIRED]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("holds no heartbeat"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_still_written_is_not_forgotten_and_its_writer_not_deposed() {
    let _seat = seat().await;
    let lab = lab().await;
    let daemon = written(&lab).await;
    let run = |lab: &Lab| lab.truth().commits(RETIRED).last().unwrap().heartbeat.run;
    let before = run(&lab);
    let (code, said) = forget(&lab, &[RETIRED]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("still written, in slots 0, 1, 2"), "{said}");
    assert_eq!((0..3).map(|slot| copies(&lab, RETIRED, slot)).sum::<usize>(), 9);
    assert_eq!(run(&lab), before, "the same reign");
    assert_eq!(daemon.all_ok().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_table_names_its_regions_any_of_them_can_be_asked() {
    let _seat = seat().await;
    let lab = lab().await;
    written(&lab).await.kill().await;
    settled(&lab).await;
    let settings = lab.settings().interval("200ms").auto().local_region("us-east-1");
    let (code, said) = forget_with(&settings, &[RETIRED, "--replica", "eu-west-1", "--dry-run"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("eu-west-1 holds heartbeats of ap-southeast-2"), "{said}");
    let (code, said) = forget_with(&settings, &[RETIRED, "--dry-run"]).await;
    assert!(code == Some(0) && said.contains("us-east-1 holds heartbeats of ap-southeast-2"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_of_forget_and_is_not_there_is_named_with_what_is() {
    let lab = lab().await;
    for (arguments, told) in [
        (["x", "--store", "payments"], "there are orders"),
        (["x", "--replica", "mars"], "there are us-east-1, eu-west-1, ap-southeast-2"),
    ] {
        let (code, said) = forget(&lab, &arguments).await;
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(told), "{said}");
    }
}
