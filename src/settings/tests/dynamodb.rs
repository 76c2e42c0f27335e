//! What settings promise about stores of DynamoDB.

use super::*;

fn dynamodb(region_keys: &str, keys: &str) -> String {
    let regions = format!("regions = [{{ name = \"us-east-1\"{region_keys} }}, {{ name = \"eu-west-1\" }}]");
    store(&regions, &format!("[stores.dynamodb]\n{keys}"))
}

const TABLE: &str = "table = \"GlobalCellState\"\npartition_key = \"PK\"\nsort_key = \"SK\"";

#[test]
fn plain_http_is_for_loopback() {
    let with = |url: &str| dynamodb(&format!(", endpoint = {url:?}"), TABLE);
    for url in ["http://127.0.0.1:8000", "http://localhost:1/", "http://[::1]:8000", "https://example.com"] {
        let settings = load(&with(url), &[]).unwrap();
        assert_eq!(settings.stores[0].regions[0].endpoint.as_deref(), Some(url));
    }
    for url in ["http://10.0.0.1:8000", "http://localhost.example.com", "http://127.0.0.1.example.com"] {
        let found = complaints(&with(url));
        assert!(found.len() == 1 && found[0].contains("plain http to another host"), "{found:?}");
    }
    let cloudwatch = dynamodb(", cloudwatch_endpoint = \"http://10.0.0.1:8000\"", TABLE);
    assert!(complaints(&cloudwatch)[0].contains("plain http to another host"));
    for (url, answer) in [
        ("dynamodb.example.com", "is not a full URL"),
        ("https://", "is not a"),
        ("https://x/?a=b", "has a query"),
        ("https://user:hunter2@x", "holds a user name or a password"),
    ] {
        let found = complaints(&with(url));
        assert!(found.len() == 1 && found[0].contains(answer), "{found:?}");
        assert!(!found[0].contains("hunter2"));
    }
}

#[test]
fn keys_that_this_release_cannot_write_are_refused_with_what_it_can() {
    let settings = load(&dynamodb("", TABLE), &[]).unwrap();
    let StoreKind::Dynamodb(table) = &settings.stores[0].kind else { panic!("it is a table") };
    assert_eq!((table.partition_key.as_str(), table.sort_key.as_str()), ("PK", "SK"));
    let typed = TABLE.replace("\"PK\"", "{ name = \"PK\", type = \"S\" }");
    assert!(load(&dynamodb("", &typed), &[]).is_ok());
    for wrong in [
        TABLE.replace("sort_key = \"SK\"", ""),
        TABLE.replace("\"PK\"", "{ name = \"PK\", type = \"N\" }"),
        TABLE.replace("\"SK\"", "{ name = \"SK\", type = \"B\" }"),
    ] {
        let found = complaints(&dynamodb("", &wrong));
        assert!(found.len() == 1 && found[0].ends_with("both of type S, are supported now"), "{found:?}");
    }
    let arn = TABLE.replace("GlobalCellState", "arn:aws:dynamodb:us-east-1:1:table/T");
    assert!(complaints(&dynamodb("", &arn))[0].contains("an ARN is of one region"));
    assert!(complaints(&dynamodb("", &TABLE.replace("SK", "PK")))[0].contains("is the partition key too"));
}

#[test]
fn regions_are_those_of_aws_and_credentials_theirs() {
    let renamed = |name: &str| dynamodb("", TABLE).replace("us-east-1", name);
    for name in ["us-gov-west-1", "eusc-de-east-1", "cn-north-1"] {
        assert!(load(&renamed(name), &[]).is_ok(), "{name}");
    }
    for name in ["eastus", "us-east", "us-1", "US-EAST-1", "us-east-1a", "us--1"] {
        assert!(complaints(&renamed(name))[0].contains("does not look like a region of AWS"), "{name}");
    }
    let role = ", role_arn = \"arn:aws:iam::123456789012:role/tidegauge\", external_id = \"hunter2\"";
    let settings = load(&dynamodb(role, TABLE), &[]).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    let external_id = settings.stores[0].regions[0].external_id.as_ref().map(Redacted::expose);
    assert_eq!(external_id, Some("hunter2"));
    for (keys, answer) in [
        (", external_id = \"x\"", "set role_arn as well"),
        (", role_arn = \"admin\"", "is not the ARN of a role"),
        (", client_id = \"x\"", "means nothing to a DynamoDB store"),
    ] {
        let found = complaints(&dynamodb(keys, TABLE));
        assert!(found.len() == 1 && found[0].contains(answer), "{found:?}");
    }
}

#[test]
fn a_store_on_aws_is_local_to_the_cells_region_of_aws() {
    let azure = dynamodb("", TABLE).replace("central = true", "azure_region = \"East US\"");
    assert!(complaints(&azure)[0].contains("set cell.aws_region or local_region"));
}

#[test]
fn one_file_serves_all_cells() {
    let gauge = include_str!("../../../config/gauge.toml");
    for (region, expected) in [("", "us-east-1"), ("eu-west-1", "eu-west-1")] {
        let settings = load(gauge, &[("TIDEGAUGE__CELL__AWS_REGION", region)]).unwrap();
        assert_eq!(settings.stores[0].local_region.as_deref(), Some(expected));
    }
}

#[test]
fn regions_that_the_table_names_need_no_list_and_say_how_to_get_in() {
    let auto = |more: &str| store(&format!("regions = \"auto\"\n{more}"), &format!("[stores.dynamodb]\n{TABLE}"));
    let settings = load(&auto(""), &[]).unwrap();
    let orders = &settings.stores[0];
    assert!(orders.follows_replicas && orders.regions.is_empty(), "a central prober asks in the SDK's region");
    assert_eq!((orders.pair_count(), orders.inspect_every), (0, Duration::from_secs(300)));

    let overrides = r#"region_overrides = [
        { name = "*", role_arn = "arn:aws:iam::123456789012:role/a", external_id = "x", endpoint = "https://all" },
        { name = "eu-west-1", role_arn = "arn:aws:iam::123456789012:role/b" },
    ]"#;
    let local = auto(overrides).replace("central = true", "aws_region = \"eu-west-1\"");
    let settings = load(&local, &[]).unwrap();
    let orders = &settings.stores[0];
    assert_eq!(orders.local_region.as_deref(), Some("eu-west-1"));
    assert_eq!(orders.regions.len(), 1, "the one to ask in");
    let europe = orders.region("eu-west-1");
    assert_eq!(europe.role_arn.as_deref(), Some("arn:aws:iam::123456789012:role/b"));
    assert_eq!((europe.external_id, europe.endpoint.as_deref()), (None, Some("https://all")), "the id is the role's");
    let other = orders.region("us-east-1");
    assert_eq!(
        (other.name.as_str(), other.external_id.map(|id| id.expose().to_owned())),
        ("us-east-1", Some("x".into()))
    );

    let listed = dynamodb("", TABLE).replace("[stores.dynamodb]", "region_overrides = []\n[stores.dynamodb]");
    assert!(complaints(&listed)[0].contains("goes with regions = \"auto\""), "{:?}", complaints(&listed));
    let simulated = store("regions = \"auto\"", "[stores.simulated]");
    assert!(complaints(&simulated)[0].contains("\"auto\" is for DynamoDB"), "{:?}", complaints(&simulated));
    let nowhere = auto("").replace("central = true", "");
    assert!(complaints(&nowhere)[0].contains("no local region is set"), "{:?}", complaints(&nowhere));
}
