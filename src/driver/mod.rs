//! The loop that runs a ledger: timers, calls with deadlines, answers, snapshots. One task per store.
//!
//! Calls run as tasks of their own, so that a hung region costs its own calls and nothing else; how many there may be
//! at once is the ledger's to decide (one write per key, four polls per target, one look and one question per region).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::clock::Clock;
use crate::core::ledger::Ledger;
use crate::core::model::{Action, Event, EventKind, Failure, Plan, Reason, WriteOutcome};
use crate::core::snapshot::StoreSnapshot;
use crate::core::time::{Mono, Span};
use crate::providers::Provider;
use crate::stores::{Answer, PATIENT_DEADLINE, Store};

mod log;

/// Snapshots are published at most ten times per interval, and at most this often.
const PUBLISH_EVERY: Span = Span::from_millis(50);

/// The end of a driver that others hold.
#[derive(Debug)]
pub struct Driver {
    /// The newest snapshot.
    pub snapshots: watch::Receiver<Arc<StoreSnapshot>>,
    /// The task; it ends after `stop` was cancelled, the last heartbeats having been written.
    pub task: tokio::task::JoinHandle<()>,
}

/// Starts to measure one store, until `stop` is cancelled. Resigning may then take as long as `grace`.
pub fn start<S: Store, P: Provider>(
    store: S,
    provider: P,
    plan: Plan,
    clock: Clock,
    stop: CancellationToken,
    grace: Duration,
) -> Driver {
    start_after(std::future::ready(()), store, provider, plan, clock, stop, grace)
}

/// The same, once `before` is over: whoever has had the seats so far is to resign first. Until then nothing is known.
pub fn start_after<S: Store, P: Provider>(
    before: impl Future<Output = ()> + Send + 'static,
    store: S,
    provider: P,
    plan: Plan,
    clock: Clock,
    stop: CancellationToken,
    grace: Duration,
) -> Driver {
    let plan = Arc::new(Plan { remedies: S::remedies, ..plan });
    let mut ledger = Ledger::new(plan.clone(), clock.now());
    let (publish, snapshots) = watch::channel(Arc::new(ledger.snapshot(clock.now())));
    store.follow(&plan.regions);
    provider.follow(&plan.regions);
    let span = tracing::info_span!("store", name = %plan.store);
    let shell = Shell {
        store: Arc::new(store),
        provider: Arc::new(provider),
        read_deadline: plan.deadline().to_duration(),
        write_deadline: plan.write_deadline().to_duration(),
        clock,
        calls: JoinSet::new(),
    };
    let running = async move {
        before.await;
        if !stop.is_cancelled() {
            // Its time begins now.
            let ledger = Ledger::new(plan, clock.now());
            run(ledger, shell, publish, stop, grace).await;
        }
    };
    let running = running.instrument(span);
    Driver { snapshots, task: tokio::spawn(running) }
}

struct Shell<S, P> {
    store: Arc<S>,
    provider: Arc<P>,
    clock: Clock,
    read_deadline: Duration,
    write_deadline: Duration,
    calls: JoinSet<Event>,
}

async fn run<S: Store, P: Provider>(
    mut ledger: Ledger,
    mut shell: Shell<S, P>,
    publish: watch::Sender<Arc<StoreSnapshot>>,
    stop: CancellationToken,
    grace: Duration,
) {
    let mut log = log::FailureLog::new(ledger.plan().clone());
    let publish_every = ledger.plan().interval.mul_f64(0.1).max(PUBLISH_EVERY);
    let mut publish_at: Option<Mono> = None;
    let mut plan = ledger.plan().clone();
    loop {
        if !Arc::ptr_eq(&plan, ledger.plan()) {
            let before = std::mem::replace(&mut plan, ledger.plan().clone());
            shell.store.follow(&plan.regions);
            shell.provider.follow(&plan.regions);
            log.follow(&before, plan.clone());
        }
        for action in ledger.actions(shell.clock.now()) {
            shell.call(action);
        }
        let wake_at = ledger.wake_at();
        let wake_at = publish_at.map_or(wake_at, |at| at.min(wake_at));
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(answer) = shell.calls.join_next() => {
                if shell.take(answer, &mut ledger, &mut log).is_break() {
                    return;
                }
                // Answers come in bursts: take what is there before looking up again.
                while let Some(answer) = shell.calls.try_join_next() {
                    if shell.take(answer, &mut ledger, &mut log).is_break() {
                        return;
                    }
                }
                publish_at.get_or_insert(shell.clock.mono() + publish_every);
            }
            () = sleep_until(shell.clock.deadline(wake_at)) => {}
        }
        let now = shell.clock.now();
        if publish_at.is_some_and(|at| now.mono >= at) {
            publish_at = None;
            publish.send_replace(Arc::new(ledger.snapshot(now)));
        }
    }
    // Heartbeats that are under way are waited for a moment: what became of them is told by the last ones.
    let settled = async {
        while ledger.is_writing()
            && let Some(answer) = shell.calls.join_next().await
        {
            if shell.take(answer, &mut ledger, &mut log).is_break() {
                break;
            }
        }
    };
    if timeout(grace / 4, settled).await.is_err() {
        tracing::debug!("stepping down with a heartbeat under way");
    }
    shell.calls.abort_all();
    shell.calls.detach_all();
    for action in ledger.resign(shell.clock.now()) {
        shell.call(action);
    }
    let resigned = async { while shell.calls.join_next().await.is_some() {} };
    if timeout(grace * 3 / 4, resigned).await.is_err() {
        tracing::warn!(
            "stopped before every region took note that its writer resigned; the next start waits 3 intervals"
        );
    }
}

impl<S: Store, P: Provider> Shell<S, P> {
    /// Sends one call on its way. The readings are taken right around it.
    fn call(&mut self, action: Action) {
        let (store, provider, clock) = (self.store.clone(), self.provider.clone(), self.clock);
        let (read_deadline, write_deadline) = (self.read_deadline, self.write_deadline);
        self.calls.spawn(async move {
            let sent = clock.mono();
            let (kind, capacity_units, server_date) = match action {
                Action::Write(write) => {
                    let (source, slot, beat) = (write.source, write.heartbeat.slot, write.heartbeat.beat);
                    let Answer { outcome, capacity_units, server_date } =
                        timeout(write_deadline, store.write(write)).await.unwrap_or_else(|_| {
                            Answer::free(WriteOutcome::Failed { failure: late(write_deadline), maybe_committed: true })
                        });
                    (EventKind::Wrote { source, slot, beat, outcome }, capacity_units, server_date)
                }
                Action::Read { target, slot, consistency } => {
                    let Answer { outcome, capacity_units, server_date } =
                        timeout(read_deadline, store.read(target, slot, consistency))
                            .await
                            .unwrap_or_else(|_| Answer::free(Err(late(read_deadline))));
                    (EventKind::Read { target, slot, consistency, outcome }, capacity_units, server_date)
                }
                Action::Inspect { region } => {
                    let Answer { outcome, capacity_units, server_date } =
                        timeout(PATIENT_DEADLINE, store.inspect(region))
                            .await
                            .unwrap_or_else(|_| Answer::free(Err(late(PATIENT_DEADLINE))));
                    (EventKind::Inspected { region, outcome }, capacity_units, server_date)
                }
                Action::Ask(question) => {
                    let region = question.region;
                    let outcome = timeout(PATIENT_DEADLINE, provider.ask(question)).await;
                    let outcome = outcome.unwrap_or_else(|_| Err(late(PATIENT_DEADLINE)));
                    (EventKind::Answered { region, outcome }, 0.0, None)
                }
            };
            Event { sent, received: clock.mono(), capacity_units, server_date, kind }
        });
    }

    fn take(
        &self,
        answer: Result<Event, tokio::task::JoinError>,
        ledger: &mut Ledger,
        log: &mut log::FailureLog,
    ) -> ControlFlow<()> {
        match answer {
            Ok(event) => {
                log.note(&event);
                ledger.handle(event, self.clock.now());
                ControlFlow::Continue(())
            }
            Err(error) => {
                // A call that panicked leaves the ledger waiting for its answer: better no gauge than a wrong one.
                tracing::error!(%error, "a call to the store broke down; this store is no longer measured");
                ControlFlow::Break(())
            }
        }
    }
}

fn late(deadline: Duration) -> Failure {
    let message = format!("no answer within {}", humantime::format_duration(deadline));
    Failure { reason: Reason::Timeout, message }
}
