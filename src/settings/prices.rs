//! `[prices]`: what the provider charges. `tidegauge cost` multiplies with them; nothing else reads them.

use std::ops::RangeInclusive;

use super::section::Section;

/// The month that the defaults are of.
const AS_OF: &str = "2026-11";

/// Above any price, and still a number that a message can name.
const PRICE: RangeInclusive<f64> = 0.0..=1_000_000.0;

/// Prices in USD: 0 to 1,000,000 each. The defaults are those of DynamoDB on demand in `us-east-1`; for Cosmos DB there is
/// none.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceSettings {
    /// The month that the prices are of, such as `2026-11`, which the defaults are of. `None` where prices were set
    /// without it: nobody knows then how old they are.
    pub as_of: Option<String>,
    /// A million replicated write units, of 1 KB each. Default 0.625.
    pub write_unit_million: f64,
    /// A million read units, of 4 KB each, strongly consistent. Default 0.125.
    pub read_unit_million: f64,
    /// A thousand metrics asked for with `GetMetricData`. Default 0.01.
    pub metric_request_thousand: f64,
    /// A million stream records, over all their consumers. No default: it depends on who consumes them, and how.
    pub stream_record_million: Option<f64>,
    /// A hundred request units a second of Cosmos DB for an hour, in one region of an account whose regions all take writes.
    /// No default: it depends on the region, on what was reserved, and on whether they scale by themselves.
    pub ru_per_second_hundred_hour: Option<f64>,
}

impl PriceSettings {
    pub(super) fn read(mut section: Section<'_>) -> PriceSettings {
        let as_of = section.text("as_of", month);
        let write_unit_million = section.number("write_unit_million", PRICE);
        let read_unit_million = section.number("read_unit_million", PRICE);
        let metric_request_thousand = section.number("metric_request_thousand", PRICE);
        let stream_record_million = section.number("stream_record_million", PRICE);
        let ru_per_second_hundred_hour = section.number("ru_per_second_hundred_hour", PRICE);
        let set = [
            write_unit_million,
            read_unit_million,
            metric_request_thousand,
            stream_record_million,
            ru_per_second_hundred_hour,
        ];
        let are_defaults = set.iter().all(Option::is_none);
        section.finish();
        PriceSettings {
            // The date of the defaults says nothing of other prices.
            as_of: as_of.or_else(|| are_defaults.then(|| AS_OF.to_owned())),
            write_unit_million: write_unit_million.unwrap_or(0.625),
            read_unit_million: read_unit_million.unwrap_or(0.125),
            metric_request_thousand: metric_request_thousand.unwrap_or(0.01),
            stream_record_million,
            ru_per_second_hundred_hour,
        }
    }
}

fn month(text: &str) -> Result<String, String> {
    let is_digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let fits = text
        .split_once('-')
        .is_some_and(|(year, month)| is_digits(year, 4) && is_digits(month, 2) && ("01"..="12").contains(&month));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not a month; use year and month, as in {AS_OF:?}"))
    }
}
