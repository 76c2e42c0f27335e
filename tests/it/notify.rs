//! What Alertmanagers are told, and when, in virtual time; and how that looks on the wire.

use tokio::time::sleep;

mod changes;
mod takeover;
mod wire;
mod world;

use world::*;

use tidegauge::core::time::Span;
use tidegauge::notify::BATCH;

#[tokio::test(start_paused = true)]
async fn what_fires_is_told_at_once_and_again_and_that_it_is_over_once() {
    let world = World::with_a_stall();
    let fake = Fake::new("one", &world);
    let process = Process::start(&world, true, std::slice::from_ref(&fake));
    world.until(seconds(25.0)).await;
    assert_eq!(fake.messages(), [], "a pending alert is nobody's business");
    world.until(FIRES).await;
    let first = fake.messages().remove(0);
    let delay = first.0 - first.1.starts_at;
    assert!(delay < Span::from_millis(300), "told {delay:?} after it began to fire");
    assert_eq!(first.1.labels["alertname"], "Stalled");
    assert_eq!((&*first.1.labels["source_region"], &*first.1.labels["cell"]), (REGIONS[0], "a-cell"));
    assert_eq!(first.1.labels["environment"], "tests", "as the settings say");
    assert_eq!(first.1.annotations["runbook_url"], "https://runbooks/Stalled.md");
    world.until(seconds(120.0)).await;
    let (firing, resolved) = fake.firing_and_resolved();
    assert_eq!(resolved, []);
    assert!((8..=11).contains(&firing.len()), "{} times in some 88 s", firing.len());
    for (at, message) in &firing {
        assert_eq!(message.starts_at, first.1.starts_at);
        let lasts = message.ends_at - *at;
        assert!(lasts > Span::from(RESEND).times(4) - Span::from_millis(1_000), "{lasts:?}");
    }
    assert!(
        firing.windows(2).all(|two| two[0].1.ends_at < two[1].1.ends_at && two[1].0 - two[0].0 <= Span::from(RESEND))
    );
    // It is over once it has been clear for a while. To tell it again would only contradict whoever knows better by then.
    world.until(seconds(170.0) + KEEP_FIRING).await;
    let (_, resolved) = fake.firing_and_resolved();
    let (at, message) = &resolved[0];
    let delay = *at - message.ends_at;
    assert!(delay < Span::from_millis(300), "told {delay:?} after it was over");
    let count = fake.messages().len();
    world.until(seconds(1_300.0)).await;
    assert_eq!((fake.messages().len(), resolved.len()), (count, 1), "and once");
    assert_eq!(process.failed(0), 0);
    assert_eq!(fake.questions(), 1, "it was asked once what it remembers");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_tells_nothing_until_it_knows_whether_it_still_may() {
    for keeps_its_seats in [true, false] {
        let world = World::with_a_stall();
        let fake = Fake::new("one", &world);
        let process = Process::start(&world, true, std::slice::from_ref(&fake));
        world.until(FIRES).await;
        let before = fake.messages().len();
        assert!(before > 0);
        // Like SIGSTOP: nothing runs, and then everything is late.
        tokio::time::advance(seconds(20.0)).await;
        world.until(FIRES + seconds(21.0)).await;
        process.is_writer.send_replace(keeps_its_seats);
        world.until(FIRES + seconds(24.0)).await;
        assert_eq!(fake.messages().len(), before, "the first thing it does is not to repeat what may be over");
        world.until(FIRES + seconds(40.0)).await;
        assert_eq!(fake.messages().len() > before, keeps_its_seats);
        assert_eq!(fake.questions(), if keeps_its_seats { 2 } else { 1 }, "it asks what was told in between");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_gone_or_is_slow_holds_up_no_other() {
    let world = World::with_a_stall();
    let well = Fake::new("well", &world);
    let modes = [Mode::Hangs, Mode::Gone, Mode::Refuses, Mode::Slow(seconds(3.0))];
    let ill: Vec<Fake> = modes.map(|mode| Fake::new("ill", &world).in_mode(mode)).to_vec();
    let all: Vec<Fake> = std::iter::once(well.clone()).chain(ill.iter().cloned()).collect();
    let process = Process::start(&world, true, &all);
    world.until(seconds(80.0)).await;
    let (at, message) = well.messages().remove(0);
    assert!(at - message.starts_at < Span::from_millis(300));
    for (place, (fake, mode)) in ill.iter().zip(modes).enumerate() {
        let is_slow = matches!(mode, Mode::Slow(_));
        assert_eq!(fake.messages().is_empty(), !is_slow, "{mode:?}");
        let failed = process.failed(place + 1);
        assert_eq!(failed == 0, is_slow, "{mode:?}: {failed} failed");
        assert!(failed < 80, "{mode:?}: it was given no rest: {failed} in 80 s");
    }
    // Each of them is told once it can be, and what is told is how things are by then.
    for fake in &ill {
        fake.be(Mode::Answers);
    }
    sleep(seconds(10.5)).await;
    for (fake, mode) in ill.iter().zip(modes) {
        let (at, again) = fake.messages().pop().unwrap_or_else(|| panic!("{mode:?}"));
        assert_eq!(again.starts_at, message.starts_at, "{mode:?}");
        assert!(again.ends_at > at + Span::from(RESEND), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_was_gone_all_the_while_hears_how_it_ended_and_not_how_it_went() {
    let world = World::with_a_stall();
    let fake = Fake::new("one", &world);
    let process = Process::start(&world, true, std::slice::from_ref(&fake));
    world.until(seconds(10.0)).await;
    fake.be(Mode::Hangs);
    world.until(seconds(170.0)).await;
    assert_eq!(process.firing(), 0);
    fake.be(Mode::Answers);
    sleep(seconds(11.0)).await;
    let (firing, resolved) = fake.firing_and_resolved();
    assert_eq!(firing, [], "nothing was kept for it");
    assert!(!resolved.is_empty());
}

#[tokio::test(start_paused = true)]
async fn many_alerts_go_in_batches() {
    let regions: Vec<String> = (0..13).map(|number| format!("region-{number}")).collect();
    let world = World::new("{ kind = \"stall\", offset = \"20s\", lasts = \"100s\", every = \"24h\" }", &regions, None);
    let fake = Fake::new("one", &world);
    let process = Process::start(&world, true, std::slice::from_ref(&fake));
    world.until(FIRES).await;
    assert_eq!(process.firing(), 156);
    let requests = fake.requests();
    assert!(requests.iter().all(|(_, messages)| (1..=BATCH).contains(&messages.len())));
    let told: std::collections::BTreeSet<_> = fake.messages().into_iter().map(|(_, message)| message.labels).collect();
    assert_eq!(told.len(), 156);
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_nobody_and_resolves_nothing() {
    let world = World::with_a_stall();
    let (well, hangs) = (Fake::new("well", &world), Fake::new("hangs", &world));
    let process = Process::start(&world, true, &[well.clone(), hangs.clone()]);
    world.until(FIRES).await;
    hangs.be(Mode::Hangs);
    // In the middle of telling it again.
    sleep(RESEND + seconds(1.0)).await;
    let took = process.end(&world).await;
    assert!(took < seconds(0.1), "{took:?}");
    sleep(RESEND * 3).await;
    let (firing, resolved) = well.firing_and_resolved();
    assert!(!firing.is_empty());
    assert_eq!(resolved, [], "what fires still is true");
}
