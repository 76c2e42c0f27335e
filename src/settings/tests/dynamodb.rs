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

fn table(settings: &Settings) -> &DynamodbSettings {
    let StoreKind::Dynamodb(table) = &settings.stores[0].kind else { panic!("it is a table") };
    table
}

fn key(name: &str, kind: KeyType) -> KeySettings {
    KeySettings { name: name.to_owned(), kind }
}

#[test]
fn a_key_is_text_unless_its_type_says_otherwise_and_the_sort_key_may_be_missing() {
    let pk = |value: &str| TABLE.replace("\"PK\"", value);
    let n = "{ name = \"PK\", type = \"N\" }";
    let cases = [
        (TABLE.to_owned(), key("PK", KeyType::S), Some(key("SK", KeyType::S))),
        (pk("{ name = \"PK\" }"), key("PK", KeyType::S), Some(key("SK", KeyType::S))),
        (pk("{ name = \"PK\", type = \"S\" }"), key("PK", KeyType::S), Some(key("SK", KeyType::S))),
        (pk("{ name = \"PK\", type = \"B\" }"), key("PK", KeyType::B), Some(key("SK", KeyType::S))),
        (pk(n).replace("\"SK\"", &n.replace("PK", "SK")), key("PK", KeyType::N), Some(key("SK", KeyType::N))),
        (TABLE.replace("sort_key = \"SK\"", ""), key("PK", KeyType::S), None),
        (pk(n).replace("sort_key = \"SK\"", ""), key("PK", KeyType::N), None),
    ];
    for (text, partition_key, sort_key) in cases {
        let settings = load(&dynamodb("", &text), &[]).unwrap();
        let heartbeats = TableSettings { table: "GlobalCellState".to_owned(), partition_key, sort_key };
        assert_eq!(*table(&settings), DynamodbSettings { table: "GlobalCellState".to_owned(), heartbeats }, "{text}");
    }
}

#[test]
fn keys_that_no_table_has_are_refused() {
    for (wrong, answer) in [
        (TABLE.replace("\"PK\"", "{ name = \"PK\", type = \"X\" }"), "use \"S\" or \"N\" or \"B\""),
        (TABLE.replace("\"PK\"", "{ type = \"N\" }"), "partition_key.name: is missing"),
        (TABLE.replace("\"PK\"", "{ name = \"PK\", kind = \"N\" }"), "unknown key `kind`"),
        (TABLE.replace("\"PK\"", "7"), "expected a string in quotes"),
        (TABLE.replace("partition_key = \"PK\"", ""), "partition_key: is missing; name the attribute"),
        (TABLE.replace("\"PK\"", "\"tg_run\""), "begins with `tg_`"),
        (TABLE.replace("GlobalCellState", "arn:aws:dynamodb:us-east-1:1:table/T"), "an ARN is of one region"),
        (TABLE.replace("SK", "PK"), "is the partition key too"),
    ] {
        let found = complaints(&dynamodb("", &wrong));
        assert!(found.len() == 1 && found[0].contains(answer), "{found:?}");
    }
}

#[test]
fn regions_whose_keys_would_be_one_are_refused_where_keys_are_numbers() {
    // Both have the CRC-32 1,767,963,681.
    let named =
        |keys: &str| dynamodb("", keys).replace("us-east-1", "us-zvrgfgg-6").replace("eu-west-1", "us-lpnyjys-4");
    let n = |which: &str| TABLE.replace(&format!("\"{which}\""), &format!("{{ name = \"{which}\", type = \"N\" }}"));
    for fine in [TABLE.to_owned(), n("PK"), TABLE.replace("sort_key = \"SK\"", "")] {
        assert!(load(&named(&fine), &[]).is_ok(), "{fine}");
    }
    for (wrong, which) in [(n("SK"), "sort_key"), (n("PK").replace("sort_key = \"SK\"", ""), "partition_key")] {
        assert!(load(&dynamodb("", &wrong), &[]).is_ok(), "{wrong}");
        let found = complaints(&named(&wrong));
        assert!(found.len() == 1 && found[0].contains(&format!("dynamodb.{which}: is of type N")), "{found:?}");
        assert!(found[0].contains("\"us-zvrgfgg-6\" and \"us-lpnyjys-4\""), "{found:?}");
        // Names that are there twice are another matter.
        let twice = complaints(&named(&wrong).replace("us-lpnyjys-4", "us-zvrgfgg-6"));
        assert!(twice.len() == 1 && twice[0].contains("is there twice"), "{twice:?}");
    }
}

const COMPANION: &str = "companion = { table = \"Beats\", partition_key = { name = \"K\", type = \"N\" } }";

fn companion(placement: &str, keys: &str) -> String {
    let heartbeat = format!("heartbeat = {{ placement = {placement:?} }}\n[stores.dynamodb]");
    dynamodb("", keys).replace("[stores.dynamodb]", &heartbeat)
}

#[test]
fn heartbeats_in_a_companion_are_beside_the_applications_table() {
    let heartbeats = TableSettings { table: "Beats".to_owned(), partition_key: key("K", KeyType::N), sort_key: None };
    // The application's own keys are of no use then, and may be left out.
    for application in [TABLE, "table = \"GlobalCellState\""] {
        let settings = load(&companion("companion", &format!("{application}\n{COMPANION}")), &[]).unwrap();
        let expected = DynamodbSettings { table: "GlobalCellState".to_owned(), heartbeats: heartbeats.clone() };
        assert_eq!(*table(&settings), expected, "{application}");
    }
}

#[test]
fn a_companion_is_named_where_it_is_used_and_nowhere_else() {
    let missing = complaints(&companion("companion", TABLE));
    assert!(missing.len() == 1, "{missing:?}");
    for part in ["dynamodb.companion: is missing", "companion = { table = ", "or set heartbeat.placement = \"inline\""]
    {
        assert!(missing[0].contains(part), "{part:?} is not in {missing:?}");
    }
    let unused = complaints(&companion("inline", &format!("{TABLE}\n{COMPANION}")));
    assert!(
        unused.len() == 1 && unused[0].contains("set heartbeat.placement = \"companion\", or remove it"),
        "{unused:?}"
    );
    for (wrong, answer) in [
        (
            COMPANION.replace("Beats", "GlobalCellState"),
            "companion.table: \"GlobalCellState\" is the application's own table",
        ),
        (COMPANION.replace("table = \"Beats\",", ""), "companion.table: is missing"),
        (COMPANION.replace("partition_key", "primary_key"), "companion.partition_key: is missing"),
        ("companion = \"Beats\"".to_owned(), "expected a table of keys, found the string \"Beats\""),
    ] {
        let found = complaints(&companion("companion", &format!("{TABLE}\n{wrong}")));
        assert!(found.iter().any(|line| line.contains(answer)), "{found:?}");
    }
    // Whichever table holds the heartbeats has to tell the regions apart.
    let confused = companion("companion", &format!("{TABLE}\n{COMPANION}"))
        .replace("us-east-1", "us-zvrgfgg-6")
        .replace("eu-west-1", "us-lpnyjys-4");
    let found = complaints(&confused);
    assert!(found.len() == 1 && found[0].contains("companion.partition_key: is of type N"), "{found:?}");
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
    for (keys, answer) in
        [(", external_id = \"x\"", "set role_arn as well"), (", role_arn = \"admin\"", "is not the ARN of a role")]
    {
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
