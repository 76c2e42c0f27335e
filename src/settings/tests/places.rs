//! Two stores whose heartbeats would lie under the same keys.

use crate::settings::Settings;

/// What is wrong with two stores, of which the second is this table and has this replica in it.
fn two(role: &str, table: &str, region: &str) -> Vec<String> {
    let toml = format!(
        r#"
        role = "{role}"
        [cell]
        aws_region = "us-east-1"
        [[stores]]
        name = "orders"
        regions = [{{ name = "us-east-1" }}, {{ name = "eu-west-1" }}]
        [stores.dynamodb]
        table = "GlobalCellState"
        partition_key = "PK"
        sort_key = "SK"
        [[stores]]
        name = "credit"
        regions = [{{ {region} }}, {{ name = "ap-southeast-2" }}]
        local_region = "ap-southeast-2"
        [stores.dynamodb]
        table = "{table}"
        partition_key = "PK"
        "#
    );
    let refused = Settings::from_toml(&toml).err();
    refused.map(|error| error.to_string().lines().map(str::to_owned).collect()).unwrap_or_default()
}

#[test]
fn stores_that_would_write_the_same_heartbeats_are_refused_and_named() {
    let found = two("gauge", "GlobalCellState", r#"name = "us-east-1""#);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(r#""orders" and "credit" would write the same heartbeats"#), "{found:?}");
}

#[test]
fn another_table_or_account_or_a_process_that_only_reads_may_be_there_twice() {
    let elsewhere = r#"name = "us-east-1", role_arn = "arn:aws:iam::123456789012:role/other""#;
    let fine = [
        two("gauge", "Credit", r#"name = "us-east-1""#),
        two("gauge", "GlobalCellState", elsewhere),
        two("observer", "GlobalCellState", r#"name = "us-east-1""#),
    ];
    assert_eq!(fine, [const { Vec::<String>::new() }; 3]);
}
