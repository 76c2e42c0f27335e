//! What Alertmanagers are told where settings change while an alert fires.

use std::sync::Arc;

use tidegauge::core::snapshot::StoreSnapshot;
use tidegauge::judging::Change;
use tidegauge::view::Scene;
use tokio::sync::{oneshot, watch};

use super::world::*;

/// Has the process measure something else, from now on.
async fn change(process: &Process, change: impl FnOnce(&mut Scene)) {
    let mut scene = (*process.sources.seen().scene).clone();
    change(&mut scene);
    let (done, seen) = oneshot::channel();
    process.sources.judged.changes.send(Change { scene, done }).await.unwrap();
    seen.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_the_store_is_measured_on_nobody_hears_of_a_change() {
    let world = World::with_a_stall();
    let fake = Fake::new("one", &world);
    let process = Process::start(&world, true, std::slice::from_ref(&fake));
    world.until(FIRES).await;
    let first = fake.messages().remove(0);
    for turn in 0..20 {
        world.until(FIRES + seconds(f64::from(turn))).await;
        change(&process, |scene| {
            // The rule comes to stand elsewhere, and back.
            let other =
                tidegauge::core::alert::Rule { name: format!("Other{turn}").as_str().into(), ..scene.rules[0].clone() };
            let rules = if turn % 2 == 0 { vec![other, scene.rules[0].clone()] } else { vec![scene.rules[1].clone()] };
            scene.rules = rules.into();
        })
        .await;
    }
    world.until(seconds(100.0)).await;
    let (firing, resolved) = fake.firing_and_resolved();
    let is_it = |message: &tidegauge::notify::Message| message.labels["alertname"] == "Stalled";
    assert!(resolved.iter().all(|(_, message)| !is_it(message)), "{resolved:?}");
    let starts = firing.iter().filter(|(_, message)| is_it(message)).map(|(_, message)| message.starts_at);
    assert!(starts.clone().count() > 3 && starts.clone().all(|at| at == first.1.starts_at), "the one that began");
    assert_eq!(fake.questions(), 1, "there was nothing to take over");
}

#[tokio::test(start_paused = true)]
async fn where_it_is_measured_anew_the_alert_fires_on_while_nobody_knows_whether_it_is_true() {
    let world = World::with_a_stall();
    let fake = Fake::new("one", &world);
    let process = Process::start(&world, true, std::slice::from_ref(&fake));
    world.until(FIRES).await;
    let first = fake.messages().remove(0);
    // A driver that has only begun has no seats.
    let newest = world.snapshots.borrow().clone();
    let begun = StoreSnapshot { seats: vec![None; newest.seats.len()], ..(*newest).clone() };
    let (show, begun) = watch::channel(Arc::new(begun));
    change(&process, |scene| scene.snapshots = vec![begun]).await;
    world.until(FIRES + seconds(2.0)).await;
    show.send_replace(world.snapshots.borrow().clone());
    for second in 3..40 {
        world.until(FIRES + seconds(f64::from(second))).await;
        show.send_replace(world.snapshots.borrow().clone());
    }
    let (firing, resolved) = fake.firing_and_resolved();
    assert_eq!(resolved, []);
    assert!(firing.len() > 2 && firing.iter().all(|(_, message)| message.starts_at == first.1.starts_at), "{firing:?}");
}

#[tokio::test(start_paused = true)]
async fn where_it_is_not_measured_any_more_it_is_told_once_that_the_alert_is_over() {
    let world = World::with_a_stall();
    let told = Fake::new("told", &world);
    let standby = Fake::new("standby", &world);
    let process = Process::start(&world, true, std::slice::from_ref(&told));
    let other = Process::start(&world, false, std::slice::from_ref(&standby));
    world.until(FIRES).await;
    let first = told.messages().remove(0);
    for process in [&process, &other] {
        change(process, |scene| scene.snapshots.clear()).await;
    }
    world.until(FIRES + seconds(300.0)).await;
    let (_, resolved) = told.firing_and_resolved();
    assert_eq!(resolved.len(), 1, "{resolved:?}");
    let (at, message) = &resolved[0];
    assert_eq!((&message.labels, message.starts_at), (&first.1.labels, first.1.starts_at));
    assert!(*at - message.ends_at < tidegauge::core::time::Span::from_millis(300), "at once: {message:?}");
    assert_eq!(standby.messages(), [], "who did not tell that it fires does not tell that it is over");
}
