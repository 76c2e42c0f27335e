//! Whether what an alert says is so now.

use tidegauge::core::alert::{Holds, Phase};
use tidegauge::core::model::RegionId;

use super::{Watch, calm, pause, rules};

#[test]
fn an_alert_knows_whether_it_is_so_now_and_what_it_was_until_it_was_not() {
    let mut watch = Watch::over(vec![calm(3)], rules(""));
    watch.run_until(30.0);
    pause(&mut watch.sims[0], 0, 1, true);
    watch.run_until(120.0);
    let stalled = "TidegaugeStalled page orders region-0 region-1";
    let alert = watch.alert(stalled);
    assert_eq!((alert.holds, &alert.was), (Holds::Now, &alert.cause));
    let last_seen = watch.sims[0].now.wall;
    watch.sims[0].down.push(RegionId(1));
    watch.run_until(300.0);
    let (now, alert) = (watch.sims[0].now.wall, watch.alert(stalled));
    let Holds::UnknownSince(unknown) = alert.holds else { panic!("{:?}", alert.holds) };
    assert!((175.0..180.0).contains(&(now - unknown).as_secs_f64()), "{:?}", now - unknown);
    assert!(
        alert.was.contains("nothing new has become visible") && alert.cause.contains("cannot be read"),
        "{alert:?}"
    );
    // What cannot be seen does not become pending, and what was is not so on that account.
    let late = watch.alert("TidegaugeCurrentLagHigh ticket orders region-0 region-1");
    assert!(late.phase() == Phase::Pending && matches!(late.holds, Holds::UnknownSince(_)), "{late:?}");
    watch.sims[0].down.clear();
    pause(&mut watch.sims[0], 0, 1, false);
    watch.run_until(400.0);
    let (now, alert) = (watch.sims[0].now.wall, watch.alert(stalled));
    let Holds::OverSince(over) = alert.holds else { panic!("{:?}", alert.holds) };
    assert!(alert.phase() == Phase::Firing && (95.0..100.0).contains(&(now - over).as_secs_f64()), "{:?}", now - over);
    assert!(alert.was.contains("nothing new has become visible"), "{}", alert.was);
    // Not when it was found to be over: nobody had seen it for minutes.
    let so_at = alert.so_at.unwrap();
    assert!((0.0..5.0).contains(&(so_at - last_seen).as_secs_f64()), "{so_at:?}");
    pause(&mut watch.sims[0], 0, 1, true);
    watch.run_until(410.0);
    assert_eq!(watch.alert(stalled).holds, Holds::Now);
}

#[test]
fn what_is_not_known_counts_as_so_where_the_rule_has_it_fire() {
    let rules = rules(
        r#"
        [alerts]
        defaults = false
        [[alerts.rules]]
        name = "Late"
        signal = "current_lag"
        page = { above = "20s", for = "1m" }
        no_data = "fire"
        "#,
    );
    let mut watch = Watch::over(vec![calm(2)], rules);
    watch.run_until(30.0);
    watch.sims[0].down.push(RegionId(1));
    watch.run_until(60.0);
    let late = watch.alert("Late page orders region-0 region-1");
    assert_eq!((late.phase(), late.holds), (Phase::Pending, Holds::Now));
}
