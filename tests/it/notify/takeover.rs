//! What an Alertmanager remembers goes on: over restarts, and from one process to another.

use tidegauge::core::model::RegionId;
use tidegauge::core::time::{Span, Wall};
use tokio::time::sleep;

use super::world::*;

/// When the alerts that are told as firing began, each once.
fn beginnings(fake: &Fake) -> Vec<Wall> {
    let mut beginnings: Vec<Wall> = fake.firing_and_resolved().0.iter().map(|(_, message)| message.starts_at).collect();
    beginnings.sort_unstable();
    beginnings.dedup();
    beginnings
}

#[tokio::test(start_paused = true)]
async fn a_restart_neither_loses_an_alert_nor_begins_it_anew() {
    let world = World::with_a_stall();
    let fake = Fake::new("one", &world);
    let first = Process::start(&world, true, std::slice::from_ref(&fake));
    world.until(seconds(60.0)).await;
    let began = beginnings(&fake);
    assert_eq!(began.len(), 1);
    first.end(&world).await;
    sleep(seconds(5.0)).await;
    let restarted = world.clock.wall();
    let second = Process::start(&world, true, std::slice::from_ref(&fake));
    sleep(seconds(1.5)).await;
    assert_eq!(second.firing(), 1, "at once, and not when the rule's patience has passed again");
    world.until(seconds(115.0)).await;
    assert_eq!(beginnings(&fake), began);
    let after = fake.messages().into_iter().find(|(at, _)| *at >= restarted).unwrap();
    assert!(after.0 - restarted < Span::from_millis(1_500), "told again after {:?}", after.0 - restarted);
    let (_, resolved) = fake.firing_and_resolved();
    assert_eq!(resolved, []);
    world.until(seconds(125.0) + KEEP_FIRING).await;
    let (_, resolved) = fake.firing_and_resolved();
    assert_eq!(resolved[0].1.starts_at, began[0], "and it is resolved by whoever took it over");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_true_any_more_after_a_restart_is_resolved() {
    let world = World::with_a_stall();
    let fake = Fake::new("one", &world).remembering(&[], 600, 60);
    let _process = Process::start(&world, true, std::slice::from_ref(&fake));
    world.until(seconds(5.0)).await;
    assert_eq!(beginnings(&fake), [ago(600)]);
    // The stall of this world begins soon, and is over long before this one had been clear for long enough.
    world.until(seconds(200.0)).await;
    assert_eq!(beginnings(&fake), [ago(600)], "it went on");
    assert!(!fake.firing_and_resolved().1.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_over_or_is_somebody_elses_is_not_taken_over() {
    let world = World::with_a_stall();
    let remembers = [
        Fake::new("over", &world).remembering(&[], 600, -1),
        Fake::new("another cell's", &world).remembering(&[("cell", "b-cell")], 600, 60),
        Fake::new("a prometheus's", &world).remembering(&[("prometheus", "a")], 600, 60),
        Fake::new("of a pair that is not there", &world).remembering(&[("target_region", "mars")], 600, 60),
        Fake::new("of a rule that is not there", &world).remembering(&[("alertname", "Late")], 600, 60),
    ];
    let process = Process::start(&world, true, &remembers);
    world.until(seconds(15.0)).await;
    assert_eq!(process.firing(), 0);
    for fake in &remembers {
        assert_eq!((fake.questions(), fake.messages()), (1, Vec::new()), "{}", fake.name);
    }
}

/// Gauges of cells without a name share their labels, and measure different pairs.
#[tokio::test(start_paused = true)]
async fn what_another_gauge_of_no_cell_measures_is_left_to_it() {
    let world = World::new(STALL, &REGIONS.map(str::to_owned), Some(RegionId(0)));
    let fake = Fake::new("one", &world).remembering(&[], 600, 60);
    let process = Process::start(&world, true, std::slice::from_ref(&fake));
    world.until(seconds(15.0)).await;
    assert_eq!((process.firing(), fake.questions(), fake.messages()), (0, 1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn of_what_several_remember_the_earliest_beginning_counts() {
    let world = World::with_a_stall();
    let fakes = [
        Fake::new("knows of nothing", &world),
        Fake::new("knows since later", &world).remembering(&[], 60, 60),
        Fake::new("knows since earlier", &world).remembering(&[], 600, 60),
    ];
    let _process = Process::start(&world, true, &fakes);
    world.until(seconds(15.0)).await;
    for fake in &fakes {
        let last = fake.messages().pop().unwrap();
        assert_eq!(last.1.starts_at, ago(600), "{}", fake.name);
        assert_eq!(fake.firing_and_resolved().1, [], "{}", fake.name);
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_late_is_heard_and_does_not_revive_what_is_over() {
    let world = World::with_a_stall();
    let (well, late) = (Fake::new("well", &world), Fake::new("late", &world));
    let first = Process::start(&world, true, &[well.clone(), late.clone()]);
    world.until(seconds(60.0)).await;
    first.end(&world).await;
    late.be(Mode::Gone);
    let second = Process::start(&world, true, &[well.clone(), late.clone()]);
    world.until(seconds(170.0)).await;
    assert_eq!(second.firing(), 0, "it is over");
    // It remembers, wrongly by now, that it fires.
    let began = beginnings(&late)[0];
    let late = late.remembering(&[], (STARTED - began).as_secs_f64() as i64, 300);
    late.be(Mode::Answers);
    sleep(seconds(10.0)).await;
    assert_eq!(second.firing(), 0, "and stays over");
    assert!(!late.firing_and_resolved().1.is_empty(), "it was told");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_say_what_it_remembers_is_told_all_the_same_after_a_short_while() {
    let world = World::with_a_stall();
    let fake = Fake::new("one", &world);
    let first = Process::start(&world, true, std::slice::from_ref(&fake));
    world.until(seconds(80.0)).await;
    let began = beginnings(&fake);
    first.end(&world).await;
    fake.be(Mode::Forgets);
    let restarted = world.clock.wall();
    let _second = Process::start(&world, true, std::slice::from_ref(&fake));
    // The rule's own patience is as long as the wait.
    sleep(PENDING + seconds(5.0)).await;
    let told = fake.messages().pop().unwrap();
    assert!(told.1.starts_at > restarted, "nobody remembered it: {told:?}");
    // As soon as it does say, what it says counts.
    fake.state.lock().unwrap().known.clear();
    let fake = fake.remembering(&[], (STARTED - began[0]).as_secs_f64() as i64, 300);
    fake.be(Mode::Answers);
    sleep(seconds(10.0)).await;
    let told = fake.messages().pop().unwrap();
    assert!(told.1.starts_at <= began[0] + Span::from_millis(1_000), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_standby_asks_and_tells_nothing_until_it_has_the_seat() {
    let world = World::with_a_stall();
    let fake = Fake::new("one", &world);
    let active = Process::start(&world, true, std::slice::from_ref(&fake));
    // Both tell the same one.
    let standby = Process::start(&world, false, std::slice::from_ref(&fake));
    world.until(seconds(60.0)).await;
    assert_eq!((active.firing(), standby.firing()), (1, 1), "both see it");
    assert_eq!(standby.sources.seen().scene.notifications[0].results(), [("sent", 0), ("failed", 0)]);
    let began = beginnings(&fake);
    active.end(&world).await;
    sleep(seconds(3.0)).await;
    let count = fake.messages().len();
    standby.is_writer.send_replace(true);
    sleep(seconds(1.5)).await;
    assert_eq!(fake.questions(), 2, "it asks first");
    assert!(fake.messages().len() > count, "and tells");
    world.until(seconds(115.0)).await;
    assert_eq!(beginnings(&fake).first(), began.first());
    let last = fake.messages().pop().unwrap();
    assert_eq!(last.1.starts_at, began[0], "the earlier beginning of the two");
    // Once the seat is lost, no more is said; and it is asked again should the seat come back.
    standby.is_writer.send_replace(false);
    sleep(seconds(2.0)).await;
    let count = fake.messages().len();
    sleep(RESEND * 2).await;
    assert_eq!(fake.messages().len(), count);
    standby.is_writer.send_replace(true);
    sleep(seconds(2.0)).await;
    assert_eq!(fake.questions(), 3);
}
