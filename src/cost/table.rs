//! The table for a person: a line per thing that costs, in aligned columns, and under it what was assumed.

use super::request_units::{self, RequestUnits};
use super::{Assumed, MONTH_SECONDS, Monthly, NotCounted, OWN_METRICS, Usage, countable};
use crate::settings::{PriceSettings, Settings, StoreKind, StoreSettings};

/// One line: the store's name on its first, what is counted, how much of it, in what, for how much, and what else.
struct Line {
    store: String,
    what: &'static str,
    quantity: String,
    unit: &'static str,
    usd: String,
    note: String,
}

impl Line {
    /// A line about some quantity; `usd` is `None` where it is not billed as such, or nobody knows for how much.
    fn of(what: &'static str, quantity: f64, unit: &'static str, usd: Option<f64>, note: String) -> Line {
        let usd = usd.map_or_else(|| "-".to_owned(), dollars);
        Line { store: String::new(), what, quantity: grouped(quantity, 0), unit, usd, note }
    }

    /// The same, of so many request units a second in each of some regions.
    fn of_rate(what: &'static str, units: f64, regions: u32, usd: Option<f64>, note: String) -> Line {
        let quantity = grouped(units * f64::from(regions), 2);
        Line { quantity, ..Line::of(what, 0.0, "RU/s", usd, note) }
    }

    /// A line that adds up; `usd` is `None` where something in it has no price.
    fn sum(store: &str, what: &'static str, usd: Option<f64>, note: String) -> Line {
        Line { store: store.to_owned(), quantity: String::new(), ..Line::of(what, 0.0, "", usd, note) }
    }
}

/// What the settings cost in a month: a table, what was assumed, warnings.
///
/// # Errors
///
/// Where there are no stores, the settings are an observer's, or nobody says how many regions there are.
pub fn report(settings: &Settings, assumed: Assumed) -> Result<String, NotCounted> {
    countable(settings)?;
    let mut lines = Vec::new();
    let mut warnings = Vec::new();
    let mut total = 0.0;
    let mut without_price: Vec<&str> = Vec::new();
    for store in &settings.stores {
        let (mut of_store, usd, warned) = match store.kind {
            StoreKind::Simulated(_) => {
                lines.push(Line::sum(&store.name, "simulated: costs nothing", Some(0.0), String::new()));
                continue;
            }
            StoreKind::Cosmos(_) => {
                let usage = Usage::of(store, assumed)?;
                let (lines, usd) = cosmos_lines(&usage, settings, assumed.throughput);
                (lines, usd, request_units::warnings(&usage, assumed.throughput))
            }
            StoreKind::Dynamodb(_) => {
                let usage = Usage::of(store, assumed)?;
                let (lines, usd) = store_lines(&usage, settings);
                (lines, Some(usd), usage.warnings())
            }
        };
        of_store[0].store.clone_from(&store.name);
        lines.append(&mut of_store);
        match usd {
            Some(usd) => total += usd,
            None => without_price.push(&store.name),
        }
        warnings.extend(warned.into_iter().map(|warning| format!("warning: {}: {warning}\n", store.name)));
    }
    let are_priced = without_price.len() < settings.stores.len();
    let note = if without_price.is_empty() { String::new() } else { format!("without {}", without_price.join(", ")) };
    lines.push(Line::sum("total", "", are_priced.then_some(total), note));
    let mut text = "What 30 days (2,592,000 s) cost, worked out from the settings, in USD\n\n".to_owned();
    text.push_str(&aligned(&lines));
    text.push_str("\nAssumed:\n");
    for assumption in assumptions(settings, assumed) {
        text.push_str(&format!("- {assumption}\n"));
    }
    if !warnings.is_empty() {
        text.push('\n');
        text.extend(warnings);
    }
    Ok(text)
}

/// How many heartbeats there are; `bytes` is how large one is at most.
fn heartbeat_writes(monthly: &Monthly, bytes: &str) -> Line {
    let note = format!("of up to {bytes} B, billed as replicated writes");
    Line::of("heartbeat writes", monthly.writes, "requests", None, note)
}

/// Whose reads those are that are no observer's.
fn readers(settings: &Settings) -> &'static str {
    if settings.cell.central { "reads by the prober" } else { "reads by gauges" }
}

/// The lines of one store, and what they add up to.
fn store_lines(usage: &Usage, settings: &Settings) -> (Vec<Line>, f64) {
    let monthly = Monthly::of(usage);
    let bill = Bill::of(&monthly, &settings.prices);
    let (gauge_unit, observer_unit) = (usage.units_per_read(usage.strong), usage.units_per_read(false));
    let (heartbeat, read) = (grouped(usage.heartbeat_bytes() as f64, 0), grouped(usage.read_bytes() as f64, 0));
    let read_note = |reads: f64, unit: f64| format!("{} reads of up to {read} B, {unit} each", grouped(reads, 0));
    let gauges = readers(settings);
    let mut lines = vec![
        heartbeat_writes(&monthly, &heartbeat),
        Line::of(
            "replicated writes",
            monthly.write_units,
            "write units",
            Some(bill.writes),
            format!("{} for each write in each of {} regions", usage.units_per_write(), usage.regions),
        ),
        Line::of(
            gauges,
            monthly.gauge_read_units,
            "read units",
            Some(bill.gauge_reads),
            read_note(monthly.gauge_reads, gauge_unit),
        ),
    ];
    if usage.observers > 0 {
        lines.push(Line::of(
            "reads by observers",
            monthly.observer_read_units,
            "read units",
            Some(bill.observer_reads),
            read_note(monthly.observer_reads, observer_unit),
        ));
    }
    let stream_note = match bill.stream {
        Some(_) => "as set in prices.stream_record_million",
        None => "depends on who reads them: prices.stream_record_million",
    };
    lines.push(Line::of("stream records", monthly.stream_records, "records", bill.stream, stream_note.to_owned()));
    let polling_note = match usage.polls_every {
        Some(every) => format!(
            "{} every {}: 1 for each of {} pairs, {OWN_METRICS} for each region{}",
            usage.metrics(),
            humantime::format_duration(every),
            usage.pairs_asked(),
            if usage.remote_reads { " by each gauge" } else { "" }
        ),
        None => "nobody asks: provider.poll is off".to_owned(),
    };
    lines.push(Line::of("provider polling", monthly.metrics, "metrics", Some(bill.metrics), polling_note));
    let sum = bill.sum();
    lines.push(Line::sum("", "sum", Some(sum), String::new()));
    (lines, sum)
}

/// The lines of a store of Cosmos DB, and what they add up to, where that has a price.
fn cosmos_lines(usage: &Usage, settings: &Settings, given: Option<u32>) -> (Vec<Line>, Option<f64>) {
    let (monthly, units, regions) = (Monthly::of(usage), RequestUnits::of(usage), usage.regions);
    let price = settings.prices.ru_per_second_hundred_hour;
    let usd = |units: f64| price.map(|price| request_units::monthly_usd(units, regions, price));
    let in_each = |units: f64| format!("{} in each of {regions} regions", grouped(units, 2));
    let bytes = request_units::document_bytes(regions);
    let (heartbeat, read) = (grouped(bytes as f64, 0), grouped(f64::from(regions) * bytes as f64, 0));
    let read_note = |rate: f64, reads: f64, strong: bool| {
        format!(
            "{}: {} queries of up to {read} B, {} each",
            in_each(rate),
            grouped(reads, 0),
            grouped(request_units::per_read(usage, strong), 2)
        )
    };
    let gauges = readers(settings);
    let mut lines = vec![
        heartbeat_writes(&monthly, &heartbeat),
        Line::of_rate(
            "replicated writes",
            units.writes,
            regions,
            usd(units.writes),
            format!("{}: {} for each write", in_each(units.writes), request_units::per_write(usage)),
        ),
        Line::of_rate(
            gauges,
            units.gauge_reads,
            regions,
            usd(units.gauge_reads),
            read_note(units.gauge_reads, monthly.gauge_reads, usage.strong),
        ),
    ];
    if usage.observers > 0 {
        lines.push(Line::of_rate(
            "reads by observers",
            units.observer_reads,
            regions,
            usd(units.observer_reads),
            read_note(units.observer_reads, monthly.observer_reads, true),
        ));
    }
    lines.push(match usage.polls_every {
        Some(every) => {
            let askers = if usage.remote_reads { regions } else { 1 };
            let questions = MONTH_SECONDS / every.as_secs_f64() * f64::from(regions * askers);
            let every = humantime::format_duration(every);
            let note = format!("of each region every {every}; what Azure Monitor charges for them is not counted");
            Line::of("provider polling", questions, "questions", None, note)
        }
        None => Line::of("provider polling", 0.0, "questions", Some(0.0), "nobody asks".to_owned()),
    });
    let all = units.sum();
    let of_what = match given {
        Some(given) => format!("the {} that the container has", grouped(f64::from(given), 0)),
        None => format!("{}, the least that a container can be given", request_units::LEAST),
    };
    let share = 100.0 * all / f64::from(given.unwrap_or(request_units::LEAST));
    let mut note = format!("{}: {share:.1} % of {of_what}", in_each(all));
    if price.is_none() {
        note.push_str("; for USD set prices.ru_per_second_hundred_hour");
    }
    lines.push(Line::of_rate("sum", all, regions, usd(all), note));
    (lines, usd(all))
}

/// One store's month, in USD.
pub(super) struct Bill {
    pub(super) writes: f64,
    pub(super) gauge_reads: f64,
    pub(super) observer_reads: f64,
    /// `None` where no price is set.
    pub(super) stream: Option<f64>,
    pub(super) metrics: f64,
}

impl Bill {
    pub(super) fn of(monthly: &Monthly, prices: &PriceSettings) -> Bill {
        Bill {
            writes: monthly.write_units / 1e6 * prices.write_unit_million,
            gauge_reads: monthly.gauge_read_units / 1e6 * prices.read_unit_million,
            observer_reads: monthly.observer_read_units / 1e6 * prices.read_unit_million,
            stream: prices.stream_record_million.map(|price| monthly.stream_records / 1e6 * price),
            metrics: monthly.metrics / 1e3 * prices.metric_request_thousand,
        }
    }

    pub(super) fn sum(&self) -> f64 {
        self.writes + self.gauge_reads + self.observer_reads + self.stream.unwrap_or(0.0) + self.metrics
    }
}

fn assumptions(settings: &Settings, assumed: Assumed) -> Vec<String> {
    let prices = &settings.prices;
    let observers = assumed.observers;
    let has_tables = settings.stores.iter().any(has_streams);
    let cosmos = settings.stores.iter().filter(|store| matches!(store.kind, StoreKind::Cosmos(_)));
    let cosmos: Vec<&StoreSettings> = cosmos.collect();
    let who = if settings.cell.central {
        "One central prober writes and reads every region"
    } else {
        "A fleet: one active gauge in each region writes there and reads that region's replica"
    };
    let observers = match observers {
        0 => "No observers: --observers N counts N of them in each region.".to_owned(),
        1 => "1 observer in each region, with one eventual read of each slot per interval.".to_owned(),
        many => format!("{many} observers in each region, each with one eventual read of each slot per interval."),
    };
    let as_of = prices.as_of.as_ref().map_or_else(|| "as set".to_owned(), |month| format!("of {month}"));
    let mut assumptions = vec![
        format!("{who}. Another gauge that stands by reads as much again, and asks no provider."),
        observers,
        "Sizes are upper bounds. Nothing fails: what is refused or throttled may be billed, too.".to_owned(),
    ];
    if has_tables || cosmos.is_empty() {
        assumptions.push(format!(
            "Prices {as_of}, on demand, alike in all regions: a million write units {}, a million read units {}, a \
             thousand metrics {}.",
            prices.write_unit_million, prices.read_unit_million, prices.metric_request_thousand
        ));
    }
    if !cosmos.is_empty() {
        assumptions.push(
            "Request units are Azure's figures for documents of such sizes, a query is taken to cost little more than it \
             must, and a strong read twice as much as an eventual one: tidegauge_consumed_capacity_units_total has what \
             your container says."
                .to_owned(),
        );
        for store in cosmos {
            let Ok(usage) = Usage::of(store, assumed) else { continue };
            let by_id = Usage { one_key: true, ..usage.clone() };
            assumptions.push(format!(
                "The container of {} is not partitioned by /id: there each heartbeat is read by itself, and a read costs {} \
                 instead of {} RU.",
                store.name,
                grouped(request_units::per_read(&by_id, by_id.strong), 2),
                grouped(request_units::per_read(&usage, usage.strong), 2)
            ));
        }
        if let Some(price) = prices.ru_per_second_hundred_hour {
            assumptions.push(format!(
                "100 RU/s for an hour cost {price} in each region, {as_of}: a share of what is bought in hundreds, used or not."
            ));
        }
    }
    if has_tables && prices.stream_record_million.is_none() {
        assumptions.push("Nobody reads the streams, or the sums are too low.".to_owned());
    }
    assumptions.push("Not in it: transfer between regions, storage, backups, exports, indexes, taxes.".to_owned());
    assumptions
}

/// Whether a store's heartbeats reach streams.
fn has_streams(store: &StoreSettings) -> bool {
    matches!(store.kind, StoreKind::Dynamodb(_))
}

/// The lines in columns as wide as their widest cell: words to the left, numbers to the right.
fn aligned(lines: &[Line]) -> String {
    let width = |cell: fn(&Line) -> &str, least: &str| {
        lines.iter().map(|line| cell(line).chars().count()).chain([least.len()]).max().unwrap_or(0)
    };
    let head = Line {
        store: "store".to_owned(),
        what: "what",
        quantity: "quantity".to_owned(),
        unit: "unit",
        usd: "USD".to_owned(),
        note: String::new(),
    };
    let store = width(|line| &line.store, &head.store);
    let what = width(|line| line.what, head.what);
    let quantity = width(|line| &line.quantity, &head.quantity);
    let unit = width(|line| line.unit, head.unit);
    let usd = width(|line| &line.usd, &head.usd);
    let mut text = String::new();
    for line in [&head].into_iter().chain(lines) {
        let row = format!(
            "{:store$}  {:what$}  {:>quantity$}  {:unit$}  {:>usd$}  {}",
            line.store, line.what, line.quantity, line.unit, line.usd, line.note
        );
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// An amount of USD. What is too little to show is not shown as nothing.
pub(super) fn dollars(usd: f64) -> String {
    if usd > 0.0 && usd < 0.005 { "<0.01".to_owned() } else { grouped(usd, 2) }
}

/// A number that is not negative, with so many decimals and its thousands apart.
pub(super) fn grouped(number: f64, decimals: usize) -> String {
    let plain = format!("{number:.decimals$}");
    let (whole, fraction) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}
