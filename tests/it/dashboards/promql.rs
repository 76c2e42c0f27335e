//! As much of PromQL as it takes to see what an expression asks for.

use std::collections::BTreeSet;

/// What an expression asks for.
#[derive(Debug, Default, PartialEq)]
pub struct Asked {
    /// Its series, each with the labels that are matched.
    pub series: Vec<(String, BTreeSet<String>)>,
    /// The labels by which series are joined or summed.
    pub grouped: BTreeSet<String>,
}

/// A word, or one other character; texts in quotes are left out.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Other(char),
}

fn tokens(expression: &str) -> Vec<Token> {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let mut is_escaped = false;
                let end = rest.char_indices().skip(1).find(|(_, c)| {
                    let is_end = *c == '"' && !is_escaped;
                    is_escaped = *c == '\\' && !is_escaped;
                    is_end
                });
                end.map(|(end, _)| end + 1).unwrap_or_else(|| panic!("a quote is not closed in {expression}"))
            }
            first if first.is_ascii_alphabetic() || first == '_' => {
                let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..length].to_owned()));
                length
            }
            // Numbers, durations among them, and Grafana's variables.
            first if first.is_ascii_digit() || first == '$' => {
                1 + rest[1..].find(|c| !is_of_word(c) && c != '.').unwrap_or(rest.len() - 1)
            }
            first => {
                if !first.is_whitespace() {
                    tokens.push(Token::Other(first));
                }
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

/// The words up to what closes, and what comes after.
fn words_until(tokens: &[Token], end: char) -> (BTreeSet<String>, &[Token]) {
    let length = tokens.iter().position(|token| *token == Token::Other(end)).unwrap_or(tokens.len());
    let words = tokens[..length].iter().filter_map(|token| match token {
        Token::Word(word) => Some(word.clone()),
        Token::Other(_) => None,
    });
    (words.collect(), &tokens[length..])
}

/// What an expression asks for.
pub fn asked(expression: &str) -> Asked {
    const GROUPS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    const OPERATORS: [&str; 7] = ["and", "or", "unless", "bool", "offset", "Inf", "NaN"];
    let all = tokens(expression);
    let mut rest = &all[..];
    let mut found = Asked::default();
    while let [first, after @ ..] = rest {
        rest = after;
        let Token::Word(word) = first else { continue };
        match after {
            [Token::Other('('), inner @ ..] if GROUPS.contains(&word.as_str()) => {
                let (labels, after) = words_until(inner, ')');
                found.grouped.extend(labels);
                rest = after;
            }
            [Token::Other('{'), inner @ ..] => {
                let (labels, after) = words_until(inner, '}');
                found.series.push((word.clone(), labels));
                rest = after;
            }
            // A function.
            [Token::Other('('), ..] => {}
            // An aggregation, with its labels first.
            [Token::Word(group), ..] if GROUPS.contains(&group.as_str()) => {}
            _ if OPERATORS.contains(&word.as_str()) || GROUPS.contains(&word.as_str()) => {}
            _ => found.series.push((word.clone(), BTreeSet::new())),
        }
    }
    found
}

/// The variables of Grafana's in a text: `$name`, `${name}` and `${name:format}`.
pub fn variables(text: &str) -> BTreeSet<String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named = text.split('$').skip(1).map(|rest| rest.strip_prefix('{').unwrap_or(rest));
    let named = named.map(|rest| rest[..rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())].to_owned());
    named.filter(|name| !name.is_empty()).collect()
}

#[test]
fn series_and_labels_are_found_wherever_they_stand() {
    let set = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    let expression = "sum by (le, store) (rate(lag_bucket{le=\"2.5\", store=~\"a\\\"b|$store\"}[$__range]))\n\
                      * on (job) group_left (cell) info / 1e3 > bool 2 or -Inf * time() offset 1d\n\
                      unless pair:kept:avg1h";
    let found = asked(expression);
    let series: Vec<&str> = found.series.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(series, ["lag_bucket", "info", "pair:kept:avg1h"]);
    assert_eq!(found.series[0].1, set(&["le", "store"]));
    assert_eq!(found.grouped, set(&["le", "store", "job", "cell"]));
    assert_eq!(variables("$store|${cell:queryparam}&${__data.fields[0]} costs 5 $"), set(&["store", "cell", "__data"]));
}
