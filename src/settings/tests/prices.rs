//! What settings promise about prices.

use super::*;

fn prices(keys: &str) -> String {
    format!("[prices]\n{keys}\n{STORE}")
}

#[test]
fn prices_have_defaults_and_the_month_that_these_are_of() {
    let expected = PriceSettings {
        as_of: Some("2026-11".to_owned()),
        write_unit_million: 0.625,
        read_unit_million: 0.125,
        metric_request_thousand: 0.01,
        stream_record_million: None,
        ru_per_second_hundred_hour: None,
    };
    assert_eq!(load(STORE, &[]).unwrap().prices, expected);
}

#[test]
fn prices_can_be_set_in_the_file_and_over_it_in_the_environment() {
    let file = prices(
        "as_of = \"2027-01\"\nwrite_unit_million = 1\nread_unit_million = 0\nstream_record_million = 2.5\n\
         ru_per_second_hundred_hour = 0.02",
    );
    let variables = [("TIDEGAUGE__PRICES__WRITE_UNIT_MILLION", "0.7"), ("TIDEGAUGE__PRICES__AS_OF", "2027-02")];
    let expected = PriceSettings {
        as_of: Some("2027-02".to_owned()),
        write_unit_million: 0.7,
        read_unit_million: 0.0,
        metric_request_thousand: 0.01,
        stream_record_million: Some(2.5),
        ru_per_second_hundred_hour: Some(0.02),
    };
    assert_eq!(load(&file, &variables).unwrap().prices, expected);
}

#[test]
fn a_price_without_its_month_does_not_get_that_of_the_defaults() {
    let settings = load(STORE, &[("TIDEGAUGE__PRICES__WRITE_UNIT_MILLION", "0.7")]).unwrap();
    assert_eq!((settings.prices.as_of, settings.prices.write_unit_million), (None, 0.7));
    let settings = load(STORE, &[("TIDEGAUGE__PRICES__RU_PER_SECOND_HUNDRED_HOUR", "0.02")]).unwrap();
    assert_eq!((settings.prices.as_of, settings.prices.ru_per_second_hundred_hour), (None, Some(0.02)));
}

#[test]
fn a_price_that_is_none_is_refused() {
    let cases = [
        ("write_unit_million = -0.1", "prices.write_unit_million: -0.1 is out of range; use 0 to 1000000"),
        ("read_unit_million = nan", "prices.read_unit_million: NaN is out of range; use 0 to 1000000"),
        ("metric_request_thousand = inf", "prices.metric_request_thousand: inf is out of range; use 0 to 1000000"),
        (
            "stream_record_million = \"1\"",
            "prices.stream_record_million: expected a number from 0 to 1000000, found the string \"1\"",
        ),
        ("as_of = \"2026\"", "prices.as_of: \"2026\" is not a month; use year and month, as in \"2026-11\""),
        ("as_of = \"2026-13\"", "prices.as_of: \"2026-13\" is not a month; use year and month, as in \"2026-11\""),
        ("write_unit = 1.0", "prices: unknown key `write_unit`; known here are as_of, write_unit_million, "),
        ("read_units_million = 1.0", "prices: unknown key `read_units_million`; did you mean `read_unit_million`?"),
    ];
    for (keys, answer) in cases {
        let found = complaints(&prices(keys));
        assert!(found.len() == 1 && found[0].starts_with(&format!("x.toml: {answer}")), "{keys}: {found:?}");
    }
    let found = complaints_with(STORE, &[("TIDEGAUGE__PRICES__READ_UNIT_MILLION", "NaN")]);
    let variable = "environment variable TIDEGAUGE__PRICES__READ_UNIT_MILLION: prices.read_unit_million";
    assert_eq!(found, [format!("{variable}: NaN is out of range; use 0 to 1000000")]);
}
