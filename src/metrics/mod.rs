//! Renders snapshots for Prometheus. Nothing is kept up to date between scrapes: ages are computed when asked.
//!
//! A few hundred rows are built, encoded and dropped at a time: those of thousands of pairs at once would take more memory
//! than all the rest of the gauge.

use std::io::{self, Write};
use std::ops::Range;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use crate::core::alert::Phase;
use crate::core::assess::{Assessment, State, assess};
use crate::core::audit;
use crate::core::count::{Durations, HeartbeatResult, Ignored, Operation, RegionCounters};
use crate::core::model::Reason;
use crate::core::offset::{Basis, Offset};
use crate::core::pair::BUCKETS;
use crate::core::provider::Statistic;
use crate::core::snapshot::{Measured, PairSnapshot, Seat, StoreSnapshot};
use crate::core::time::Span;
use crate::reload::Loaded;
use crate::telemetry::limit::lines_left_out;
use crate::view::View;

mod advice;
pub mod declare;

use declare::Metric;

/// The content type of what [`render`] returns.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Rows of a family that are encoded at a time.
const ROWS_AT_ONCE: usize = 256;

type Labels = Vec<LabelPair>;

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// One value of one series.
enum Value {
    Number(f64),
    Histogram(Histogram),
}

/// Where the exposition goes. Once that takes no more, the rest is passed over.
struct Page<'a> {
    encoder: TextEncoder,
    out: &'a mut dyn Write,
    written: io::Result<()>,
}

impl Page<'_> {
    fn family(&mut self, metric: Metric, rows: impl Iterator<Item = (Labels, Value)>) {
        let mut rows = rows.map(|(labels, value)| row(metric, labels, value)).peekable();
        let mut piece = Vec::new();
        let mut is_first = true;
        while self.written.is_ok() && rows.peek().is_some() {
            let mut family = MetricFamily::default();
            family.set_name(metric.name.to_owned());
            family.set_help(metric.help.trim().to_owned());
            family.set_field_type(metric.kind);
            family.set_metric(rows.by_ref().take(ROWS_AT_ONCE).collect());
            piece.clear();
            self.encode(family, &mut piece);
            // Each piece comes with the family's head, of which there must be one.
            let lines = piece.split_inclusive(|byte| *byte == b'\n');
            let head: usize = lines.take_while(|line| !is_first && line.starts_with(b"#")).map(<[u8]>::len).sum();
            self.written = self.out.write_all(&piece[head..]);
            is_first = false;
        }
    }

    fn encode(&self, family: MetricFamily, into: &mut Vec<u8>) {
        if let Err(error) = self.encoder.encode(&[family], into) {
            tracing::error!(%error, "a metric could not be encoded");
        }
    }
}

fn row(metric: Metric, labels: Labels, value: Value) -> prometheus::proto::Metric {
    let mut row = prometheus::proto::Metric::from_label(labels);
    match (value, metric.kind) {
        (Value::Histogram(histogram), _) => row.set_histogram(histogram),
        (Value::Number(number), MetricType::COUNTER) => {
            let mut counter = Counter::default();
            counter.set_value(number);
            row.set_counter(counter);
        }
        (Value::Number(number), _) => {
            let mut gauge = Gauge::default();
            gauge.set_value(number);
            row.set_gauge(gauge);
        }
    }
    row
}

fn histogram(ends: &[f64], counts: &[u64], count: u64, sum: f64) -> Value {
    let mut cumulative = 0;
    let buckets = ends
        .iter()
        .zip(counts)
        .map(|(end, count)| {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*end);
            bucket.set_cumulative_count(cumulative);
            bucket
        })
        .collect();
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets);
    histogram.set_sample_count(count);
    histogram.set_sample_sum(sum);
    Value::Histogram(histogram)
}

fn durations<const N: usize>(durations: &Durations<N>) -> Value {
    histogram(durations.ends, &durations.buckets, durations.count, durations.sum)
}

/// A pair, what it means now, and its labels.
struct PairRow<'a> {
    store: &'a StoreSnapshot,
    pair: &'a PairSnapshot,
    assessment: Assessment,
    labels: Labels,
}

/// The whole exposition, at the view's moment. `loaded` is what became of the settings.
///
/// Costs about a microsecond a line: call it off the threads that time probes.
///
/// # Errors
///
/// Where `out` takes no more.
pub fn render(view: &View, loaded: &Loaded, out: &mut dyn Write) -> io::Result<()> {
    let pairs: Vec<PairRow> = view.stores.iter().flat_map(|store| pair_rows(store, view)).collect();
    let mut page = Page { encoder: TextEncoder::new(), out, written: Ok(()) };
    render_pairs(&mut page, &pairs);
    render_regions(&mut page, &view.stores);
    render_seats(&mut page, &view.stores);
    render_set_up(&mut page, view);
    render_alerts(&mut page, view);
    advice::render(&mut page, view);
    render_own(&mut page, view, loaded);
    let mut own = Vec::new();
    for family in ProcessCollector::for_self().collect() {
        page.encode(family, &mut own);
    }
    page.written.and_then(|()| page.out.write_all(&own))
}

fn pair_rows<'a>(store: &'a StoreSnapshot, view: &View) -> Vec<PairRow<'a>> {
    let row = |pair: &'a PairSnapshot| PairRow {
        store,
        pair,
        assessment: assess(&store.plan, pair, view.now),
        labels: vec![
            label("store", &store.plan.store),
            label("source_region", store.region(pair.source)),
            label("target_region", store.region(pair.target)),
        ],
    };
    store.pairs.iter().map(row).collect()
}

fn render_pairs(page: &mut Page, pairs: &[PairRow]) {
    // What is not known has no row: an absent series, never a default.
    fn seconds<'a>(
        pairs: &'a [PairRow],
        of: impl Fn(&PairRow) -> Option<Span> + 'a,
    ) -> impl Iterator<Item = (Labels, Value)> + 'a {
        pairs.iter().filter_map(move |row| Some((row.labels.clone(), Value::Number(of(row)?.as_secs_f64()))))
    }
    // An observer takes no samples: a histogram of nothing would read as one of no lag.
    let sampled = || pairs.iter().filter(|row| !row.store.plan.observer);
    page.family(
        declare::REPLICATION_LAG,
        sampled().map(|row| {
            let samples = &row.pair.histogram;
            (row.labels.clone(), histogram(&BUCKETS, &samples.buckets, samples.count, samples.sum))
        }),
    );
    page.family(
        declare::REPLICATION_LAG_ERROR,
        seconds(pairs, |row| row.pair.newest.map(|newest| newest.half_width())),
    );
    page.family(declare::CURRENT_LAG, seconds(pairs, |row| row.assessment.current_lag));
    page.family(declare::OVERDUE, seconds(pairs, |row| row.assessment.overdue));
    page.family(declare::STALENESS, seconds(pairs, |row| row.assessment.staleness));
    page.family(
        declare::WATERMARK,
        pairs.iter().filter_map(|row| {
            Some((row.labels.clone(), Value::Number(row.assessment.watermark?.written_at.unix_seconds_f64())))
        }),
    );
    page.family(
        declare::PAIR_STATE,
        pairs.iter().flat_map(|row| {
            State::ALL.into_iter().map(|state| {
                let mut labels = row.labels.clone();
                labels.push(label("state", state.label()));
                (labels, Value::Number(f64::from(u8::from(state == row.assessment.state))))
            })
        }),
    );
    page.family(
        declare::PAIR_INFO,
        pairs.iter().map(|row| {
            let mut labels = row.labels.clone();
            labels.push(label("clock", row.pair.clock.label()));
            labels.push(label("placement", row.store.plan.placement.label()));
            labels.push(label("read", row.store.plan.consistency.label()));
            (labels, Value::Number(1.0))
        }),
    );
    let two_clocks = pairs.iter().filter(|row| row.pair.clock == Measured::TwoClocks);
    page.family(
        declare::CLOCK_OFFSET,
        two_clocks.flat_map(|row| {
            let Offset { min, max } = row.pair.offset;
            let seconds = |bound: Option<(Span, Basis)>, open: f64| bound.map_or(open, |(span, _)| span.as_secs_f64());
            [("min", seconds(min, f64::NEG_INFINITY)), ("max", seconds(max, f64::INFINITY))].map(|(bound, value)| {
                let mut labels = row.labels.clone();
                labels.push(label("bound", bound));
                (labels, Value::Number(value))
            })
        }),
    );
    page.family(declare::SLOT_SPREAD, seconds(pairs, |row| row.assessment.slot_spread));
    page.family(declare::MERGED_LAG, seconds(pairs, |row| row.assessment.merged.map(|merged| merged.lag)));
    render_merged(page, pairs);
    let wide = |row: &PairRow| (row.labels.clone(), Value::Number(row.pair.wide as f64));
    page.family(declare::SAMPLES_WIDE, sampled().map(wide));
}

/// What the provider says, and what it and the heartbeats make together.
fn render_merged(page: &mut Page, pairs: &[PairRow]) {
    page.family(
        declare::MERGED_LAG_ORIGIN,
        pairs.iter().filter_map(|row| {
            let mut labels = row.labels.clone();
            labels.push(label("origin", row.assessment.merged?.origin.label()));
            Some((labels, Value::Number(1.0)))
        }),
    );
    let asked = || pairs.iter().filter_map(|row| Some((&row.labels, row.assessment.provider?)));
    page.family(
        declare::PROVIDER_LAG,
        // A number that is scraped does not show its age: an old one would pass for a new one.
        asked().filter(|(_, standing)| standing.is_fresh).flat_map(|(labels, standing)| {
            Statistic::ALL.into_iter().filter_map(move |statistic| {
                let mut labels = labels.clone();
                labels.push(label("statistic", statistic.label()));
                Some((labels, Value::Number(standing.said?.of(statistic)?)))
            })
        }),
    );
    page.family(
        declare::PROVIDER_TIMESTAMP,
        asked().filter_map(|(labels, standing)| {
            Some((labels.clone(), Value::Number(standing.said?.end.unix_seconds_f64())))
        }),
    );
    page.family(
        declare::PROVIDER_DISAGREES,
        asked().filter_map(|(labels, standing)| {
            Some((labels.clone(), Value::Number(f64::from(u8::from(standing.verdict.disagrees()?)))))
        }),
    );
}

fn render_regions(page: &mut Page, stores: &[std::sync::Arc<StoreSnapshot>]) {
    let regions: Vec<(Labels, &RegionCounters)> = stores
        .iter()
        .flat_map(|store| {
            store.plan.region_ids().map(|region| {
                let labels = vec![label("store", &store.plan.store), label("region", store.region(region))];
                (labels, &store.regions[region.index()])
            })
        })
        .collect();
    let mut counted =
        |metric, name, count: Range<usize>, of: &dyn Fn(&RegionCounters, usize) -> (&'static str, u64)| {
            let rows = regions.iter().flat_map(|(labels, counters)| {
                count.clone().map(|index| {
                    let (value, count) = of(counters, index);
                    let mut labels = labels.clone();
                    labels.push(label(name, value));
                    (labels, Value::Number(count as f64))
                })
            });
            page.family(metric, rows.collect::<Vec<_>>().into_iter());
        };
    counted(declare::IGNORED_HEARTBEATS, "reason", 0..Ignored::ALL.len(), &|counters, index| {
        (Ignored::ALL[index].label(), counters.ignored[index])
    });
    counted(declare::HEARTBEATS, "result", 0..HeartbeatResult::ALL.len(), &|counters, index| {
        (HeartbeatResult::ALL[index].label(), counters.heartbeats[index])
    });
    counted(declare::READS, "result", 0..2, &|counters, index| {
        [("answered", counters.reads_answered), ("failed", counters.reads_failed)][index]
    });
    let by_operation = |operations: &[Operation], of: &dyn Fn(&RegionCounters, Operation) -> Value| {
        let rows = regions.iter().flat_map(|(labels, counters)| {
            operations.iter().copied().filter(|operation| counters.is_told(*operation)).map(|operation| {
                let mut labels = labels.clone();
                labels.push(label("operation", operation.label()));
                (labels, of(counters, operation))
            })
        });
        rows.collect::<Vec<_>>().into_iter()
    };
    page.family(
        declare::REQUEST_DURATION,
        by_operation(&Operation::ALL, &|counters, operation| durations(&counters.requests[operation as usize])),
    );
    page.family(
        declare::CONSUMED_CAPACITY,
        by_operation(&[Operation::Write, Operation::Read], &|counters, operation| {
            Value::Number(counters.capacity_units[operation as usize])
        }),
    );
    // All that are nearly always zero would be noise: a reason appears with its first error. Of two that come in bursts the
    // first burst would be no increase then.
    let may_burst = |reason: Reason| matches!(reason, Reason::Throttled | Reason::Timeout);
    page.family(
        declare::ERRORS,
        regions.iter().flat_map(|(labels, counters)| {
            Operation::ALL.into_iter().flat_map(move |operation| {
                Reason::ALL.into_iter().filter_map(move |reason| {
                    let count = counters.errors[operation as usize][reason.index()];
                    let mut labels = labels.clone();
                    labels.push(label("operation", operation.label()));
                    labels.push(label("reason", reason.label()));
                    let is_told = count > 0 || (may_burst(reason) && counters.is_told(operation));
                    is_told.then_some((labels, Value::Number(count as f64)))
                })
            })
        }),
    );
}

fn render_seats(page: &mut Page, stores: &[std::sync::Arc<StoreSnapshot>]) {
    let seats = stores.iter().flat_map(|store| {
        store.plan.region_ids().filter_map(|region| {
            let active = f64::from(u8::from(store.seats[region.index()]? == Seat::Ours));
            let labels = vec![label("store", &store.plan.store), label("region", store.region(region))];
            Some((labels, Value::Number(active)))
        })
    });
    page.family(declare::WRITER_ACTIVE, seats);
}

/// What stores say of themselves, and what is wrong with that.
fn render_set_up(page: &mut Page, view: &View) {
    let region = |store: &StoreSnapshot, region: &str, name: &str, value: &str| {
        vec![label("store", &store.plan.store), label("region", region), label(name, value)]
    };
    let statuses = view.stores.iter().flat_map(|store| {
        let statuses = audit::statuses(store, view.now.mono).into_iter();
        statuses.map(move |(name, status)| (region(store, &name, "status", status.label()), Value::Number(1.0)))
    });
    page.family(declare::REPLICA_STATUS, statuses);
    let findings = view.stores.iter().flat_map(|store| {
        let facts = audit::facts_of(store, view.now.mono);
        audit::audit(&facts, audit::wanted_of(&store.plan)).into_iter().map(move |finding| {
            let value = f64::from(u8::from(finding.wrong.is_some()));
            (region(store, &finding.region, "finding", finding.kind.label()), Value::Number(value))
        })
    });
    page.family(declare::AUDIT_FINDING, findings);
}

/// What an alert is about is in its labels, as in its answers; its name is a label of Prometheus's own rules.
fn render_alerts(page: &mut Page, view: &View) {
    let active = view.verdicts.alerts.iter().map(|(_, alert)| alert).filter(|alert| alert.phase() != Phase::Resolved);
    page.family(
        declare::ALERT_ACTIVE,
        active.map(|alert| {
            let labels = alert.labels.iter().map(|(name, value)| match *name {
                "alertname" => label("rule", value),
                name => label(name, value),
            });
            let state = label("state", alert.phase().label());
            (labels.chain([state]).collect(), Value::Number(1.0))
        }),
    );
}

fn render_own(page: &mut Page, view: &View, loaded: &Loaded) {
    let stores = || view.stores.iter().map(|store| (vec![label("store", &store.plan.store)], &store.own));
    page.family(declare::MISSED_TICKS, stores().map(|(labels, own)| (labels, Value::Number(own.missed_ticks as f64))));
    page.family(declare::SCHEDULE_JITTER, stores().map(|(labels, own)| (labels, durations(&own.jitter))));
    page.family(
        declare::DROPPED,
        stores()
            .flat_map(|(labels, own)| {
                [("heartbeat", own.dropped_heartbeats), ("poll", own.dropped_polls)].map(|(what, count)| {
                    let mut labels = labels.clone();
                    labels.push(label("what", what));
                    (labels, Value::Number(count as f64))
                })
            })
            // Of the process, and of no store.
            .chain([(vec![label("what", "log_lines")], Value::Number(lines_left_out() as f64))]),
    );
    page.family(
        declare::CLOCK_EVENTS,
        stores().flat_map(|(labels, own)| {
            [("set", own.clock_steps), ("proofs_void", own.void_proofs), ("claim_refuted", own.clock_conflicts)].map(
                |(event, count)| {
                    let mut labels = labels.clone();
                    labels.push(label("event", event));
                    (labels, Value::Number(count as f64))
                },
            )
        }),
    );
    page.family(
        declare::NOTIFICATIONS,
        view.notifications.iter().flat_map(|told| {
            told.results().map(|(result, count)| {
                (vec![label("alertmanager", &told.url), label("result", result)], Value::Number(count as f64))
            })
        }),
    );
    let one = |labels: Labels| std::iter::once((labels, Value::Number(1.0)));
    let identity = &view.identity;
    page.family(declare::CELL_INFO, one(vec![label("cell", &identity.cell), label("role", identity.role)]));
    page.family(declare::BUILD_INFO, one(vec![label("version", env!("CARGO_PKG_VERSION"))]));
    let successful = Value::Number(f64::from(u8::from(loaded.refused.is_none())));
    page.family(declare::CONFIG_LAST_RELOAD_SUCCESSFUL, std::iter::once((Vec::new(), successful)));
    page.family(
        declare::CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP,
        loaded.at.into_iter().map(|at| (Vec::new(), Value::Number(at.unix_seconds_f64()))),
    );
}
