//! What settings promise about stores of Cosmos DB.

use super::*;

const ACCOUNT: &str =
    "endpoint = \"https://cells.documents.azure.com\"\ndatabase = \"cell-state\"\ncontainer = \"orders\"";

const RESOURCE_ID: &str = "/subscriptions/0-1/resourceGroups/rg/providers/Microsoft.DocumentDB/databaseAccounts/cells";

/// As long as a key of an account is, and made like one.
const KEY: &str = "hunter2+hunter2/hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2==";

fn cosmos(keys: &str) -> String {
    with_regions("{ name = \"East US\" }, { name = \"westeurope\" }", keys)
}

fn with_regions(regions: &str, keys: &str) -> String {
    store(&format!("regions = [{regions}]"), &format!("[stores.cosmos]\n{ACCOUNT}\n{keys}"))
}

fn account(toml: &str) -> CosmosSettings {
    let StoreKind::Cosmos(account) = load(toml, &[]).unwrap().stores.remove(0).kind else {
        panic!("it is of Cosmos DB")
    };
    account
}

#[track_caller]
fn complaint(toml: &str) -> String {
    let mut found = complaints(toml);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn an_account_says_all_it_needs_by_default() {
    let settings = load(&cosmos(""), &[]).unwrap();
    let orders = &settings.stores[0];
    assert_eq!((orders.kind.label(), orders.read, orders.pair_count()), ("cosmos", Consistency::Strong, 2));
    let expected = CosmosSettings {
        endpoint: "https://cells.documents.azure.com".to_owned(),
        database: "cell-state".to_owned(),
        container: "orders".to_owned(),
        heartbeats: ("cell-state".to_owned(), "orders".to_owned()),
        resource_id: None,
        resource_manager: "https://management.azure.com".to_owned(),
        auth: CosmosAuth::Entra { client_id: None },
    };
    assert_eq!(account(&cosmos("")), expected);
    assert!(!expected.is_here() && !expected.is_known_to_azure());
}

#[test]
fn what_is_required_is_asked_for_by_name() {
    for (key, answer) in [
        ("endpoint", "cosmos.endpoint: is missing; give the account's URL, such as"),
        ("database", "cosmos.database: is missing; name the database"),
        ("container", "cosmos.container: is missing; name the container"),
    ] {
        let without: Vec<&str> = ACCOUNT.lines().filter(|line| !line.starts_with(key)).collect();
        let found = complaint(&cosmos("").replace(ACCOUNT, &without.join("\n")));
        assert!(found.contains(answer), "{found}");
    }
    let found = complaint(&store("", &format!("[stores.cosmos]\n{ACCOUNT}")));
    assert!(found.contains("regions: is missing") && found.contains("\"East US\""), "{found}");
    assert!(!found.contains("auto"), "an account is not asked for its regions: {found}");
}

#[test]
fn names_that_no_container_has_are_refused() {
    let long = "a".repeat(256);
    for name in ["", "a/b", "a\\b", "a?b", "a#b", "ends with a space ", &long] {
        for (key, right) in [("database", "cell-state"), ("container", "orders")] {
            let found = complaint(&cosmos("").replace(&format!("{key} = {right:?}"), &format!("{key} = {name:?}")));
            assert!(found.contains(&format!("cosmos.{key}: ")), "{found}");
            assert!(found.contains("use 1 to 255 characters"), "{found}");
        }
    }
}

#[test]
fn a_region_has_one_name_however_it_is_spelt() {
    let settings =
        load(&with_regions("{ name = \"East US\" }, { name = \"westus2\" }, { name = \"UAE North\" }", ""), &[]);
    let names: Vec<String> = settings.unwrap().stores[0].regions.iter().map(|region| region.name.clone()).collect();
    assert_eq!(names, ["eastus", "westus2", "uaenorth"]);
    for other in ["eastus", "East US", "EastUS", "EAST US"] {
        let found = complaint(&with_regions(&format!("{{ name = \"East US\" }}, {{ name = {other:?} }}"), ""));
        assert!(found.contains("\"eastus\" is there twice"), "{found}");
    }
    for wrong in ["us-east-1", "", " ", "east/us", "Ostküste"] {
        let found = complaint(&with_regions(&format!("{{ name = \"East US\" }}, {{ name = {wrong:?} }}"), ""));
        assert!(found.contains("does not look like a region of Azure"), "{found}");
    }
}

#[test]
fn a_store_on_azure_is_local_to_the_cells_region_of_azure_in_any_spelling() {
    let local = |cell: &str, keys: &str| cosmos("").replace("central = true", cell).replace("regions =", keys);
    for name in ["East US", "eastus", "EastUS"] {
        let of_cell = load(&local(&format!("azure_region = {name:?}"), "regions ="), &[]).unwrap();
        assert_eq!(of_cell.stores[0].local_region.as_deref(), Some("eastus"), "{name}");
        let own = load(&local("", &format!("local_region = {name:?}\nregions =")), &[]).unwrap();
        assert_eq!(own.stores[0].local_region.as_deref(), Some("eastus"), "{name}");
        assert_eq!(own.stores[0].region_name(name), "eastus");
    }
    let elsewhere = complaint(&local("azure_region = \"Japan East\"", "regions ="));
    assert!(elsewhere.contains("\"Japan East\", this is not one of this store's regions"), "{elsewhere}");
    let aws = complaint(&local("aws_region = \"us-east-1\"", "regions ="));
    assert!(aws.contains("set cell.azure_region or local_region"), "{aws}");
    // A cell on both is local to either, each store by its own provider.
    let both = load(&local("aws_region = \"us-east-1\"\nazure_region = \"West Europe\"", "regions ="), &[]).unwrap();
    assert_eq!(both.stores[0].local_region.as_deref(), Some("westeurope"));
}

#[test]
fn regions_are_listed_and_reached_as_the_account_says() {
    let own = "https://cells-eastus.documents.azure.com";
    let settings = load(
        &with_regions(&format!("{{ name = \"East US\", endpoint = {own:?} }}, {{ name = \"westeurope\" }}"), ""),
        &[],
    );
    assert_eq!(settings.unwrap().stores[0].regions[0].endpoint.as_deref(), Some(own));
    let auto = |cell: &str| {
        let toml = store("regions = \"auto\"", &format!("[stores.cosmos]\n{ACCOUNT}"));
        complaint(&toml.replace("central = true", cell))
    };
    for cell in
        ["central = true", "azure_region = \"East US\"", "aws_region = \"us-east-1\"\nazure_region = \"East US\""]
    {
        assert!(auto(cell).contains("\"auto\" is for DynamoDB"), "{}", auto(cell));
    }
    let overrides =
        cosmos("").replace("[stores.cosmos]", "region_overrides = [{ name = \"East US\" }]\n[stores.cosmos]");
    assert!(complaint(&overrides).contains("region_overrides: goes with regions = \"auto\""));
    for key in [
        "cloudwatch_endpoint = \"https://example.com\"",
        "role_arn = \"arn:aws:iam::123456789012:role/tidegauge\"",
        "external_id = \"x\"",
        "profile = \"x\"",
    ] {
        let found =
            complaint(&with_regions(&format!("{{ name = \"East US\", {key} }}, {{ name = \"westeurope\" }}"), ""));
        assert!(found.contains("means nothing to a Cosmos DB store; remove it"), "{found}");
    }
}

#[test]
fn plain_http_is_for_loopback() {
    let at = |url: &str| cosmos("").replace("https://cells.documents.azure.com", url);
    for url in ["http://127.0.0.1:8081", "http://localhost:8081/", "http://[::1]:8081"] {
        assert!(account(&at(url)).is_here(), "{url}");
    }
    assert!(!account(&at("https://cells.documents.azure.com:443/")).is_here());
    let manager = |url: &str| cosmos(&format!("resource_id = {RESOURCE_ID:?}\nresource_manager = {url:?}"));
    assert_eq!(account(&manager("http://127.0.0.1:1")).resource_manager, "http://127.0.0.1:1");
    for url in ["http://10.0.0.1:8081", "http://cells.documents.azure.com", "http://localhost.example.com"] {
        for found in [complaint(&at(url)), complaint(&manager(url))] {
            assert!(found.contains("plain http to another host"), "{found}");
        }
    }
    assert!(complaint(&at("cells.documents.azure.com")).contains("is not a full URL"));
}

#[test]
fn what_lets_one_in_is_an_identity_unless_a_key_is_asked_for() {
    let auth = |keys: &str| account(&cosmos(keys)).auth;
    assert_eq!(auth("auth = \"entra\""), CosmosAuth::Entra { client_id: None });
    assert_eq!(auth("client_id = \"1-2-3\""), CosmosAuth::Entra { client_id: Some("1-2-3".to_owned()) });
    assert_eq!(auth("auth = \"key\"\nkey_env = \"COSMOS_KEY\""), CosmosAuth::KeyEnv("COSMOS_KEY".to_owned()));
    assert_eq!(auth("auth = \"key\"\nkey_file = \"/run/key\""), CosmosAuth::KeyFile("/run/key".into()));
    for (keys, answer) in [
        ("auth = \"kye\"", "did you mean \"key\"?"),
        ("auth = \"key\"", "cosmos.auth: is \"key\", and nobody says where the key is; set key_env"),
        ("auth = \"key\"\nkey_env = \"A\"\nkey_file = \"/a\"", "key_file: is set and so is key_env; keep one"),
        ("auth = \"key\"\nkey_env = \"A\"\nclient_id = \"1\"", "client_id: goes with auth = \"entra\"; remove it"),
        ("key_env = \"A\"", "key_env: goes with auth = \"key\"; set that as well"),
        ("auth = \"entra\"\nkey_file = \"/a\"", "key_file: goes with auth = \"key\"; set that as well"),
        ("client_id = \"\"", "client_id: is empty"),
        ("auth = \"key\"\nkey_file = \"\"", "key_file: is empty"),
        ("key = \"x\"", "unknown key `key`"),
    ] {
        let found = complaint(&cosmos(keys));
        assert!(found.contains(answer), "{keys}: {found}");
    }
}

#[test]
fn a_key_that_was_put_where_its_place_should_be_named_is_not_repeated() {
    for (keys, answer) in [
        (format!("auth = \"key\"\nkey_env = {KEY:?}"), "is not the name of an environment variable"),
        (format!("auth = \"key\"\nkey_file = {KEY:?}"), "is a key rather than a path"),
        (format!("key = {KEY:?}"), "unknown key `key`"),
    ] {
        let found = complaint(&cosmos(&keys));
        assert!(found.contains(answer) && !found.contains("hunter2"), "{found}");
    }
    let connection = format!("AccountEndpoint=https://cells.documents.azure.com:443/;AccountKey={KEY};");
    let found = complaint(&cosmos("").replace("https://cells.documents.azure.com", &connection));
    assert!(found.contains("is a connection string") && !found.contains("hunter2"), "{found}");
}

#[test]
fn what_is_kept_of_a_key_is_where_it_is() {
    let environment = [("COSMOS_KEY", KEY)];
    let settings = load(&cosmos("auth = \"key\"\nkey_env = \"COSMOS_KEY\""), &environment).unwrap();
    let shown = format!("{settings:?}");
    assert!(shown.contains("KeyEnv(\"COSMOS_KEY\")") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn an_account_is_known_to_azure_by_its_id() {
    for id in [RESOURCE_ID.to_owned(), RESOURCE_ID.to_lowercase(), RESOURCE_ID.replace("/rg/", "/my_rg-1.(x)/")] {
        let account = account(&cosmos(&format!("resource_id = {id:?}")));
        assert_eq!(account.resource_id.as_deref(), Some(id.as_str()));
        assert!(account.is_known_to_azure());
    }
    for wrong in [
        "cells".to_owned(),
        RESOURCE_ID[1..].to_owned(),
        format!("{RESOURCE_ID}/"),
        format!("{RESOURCE_ID}/sqlDatabases/cell-state"),
        format!("https://management.azure.com{RESOURCE_ID}"),
        RESOURCE_ID.replace("databaseAccounts", "accounts"),
        RESOURCE_ID.replace("Microsoft.DocumentDB", "Microsoft.Storage"),
        RESOURCE_ID.replace("/rg/", "//"),
        RESOURCE_ID.replace("/rg/", "/<group>/"),
        RESOURCE_ID.replace("cells", "cells?a=b"),
    ] {
        let found = complaint(&cosmos(&format!("resource_id = {wrong:?}")));
        assert!(found.contains("is not the id of a Cosmos DB account; it looks like /subscriptions/"), "{found}");
    }
    let manager = complaint(&cosmos("resource_manager = \"https://management.usgovcloudapi.net\""));
    assert!(manager.contains("resource_manager: is asked about a resource by its id; set resource_id"), "{manager}");
}

#[test]
fn heartbeats_in_a_companion_are_beside_the_applications_container() {
    let companion = |placement: &str, keys: &str| {
        let heartbeat = format!("heartbeat = {{ placement = {placement:?} }}\n[stores.cosmos]");
        cosmos(keys).replace("[stores.cosmos]", &heartbeat)
    };
    for (keys, database) in [
        ("companion = { container = \"tidegauge\" }", "cell-state"),
        ("companion = { database = \"gauges\", container = \"tidegauge\" }", "gauges"),
        ("companion = { database = \"gauges\", container = \"orders\" }", "gauges"),
    ] {
        let found = account(&companion("companion", keys));
        let container = if keys.contains("orders") { "orders" } else { "tidegauge" };
        assert_eq!(found.heartbeats, (database.to_owned(), container.to_owned()), "{keys}");
        assert_eq!((found.database.as_str(), found.container.as_str()), ("cell-state", "orders"));
    }
    let inline = complaint(&companion("inline", "companion = { container = \"tidegauge\" }"));
    assert!(inline.contains("set heartbeat.placement = \"companion\", or remove it"), "{inline}");
    for (keys, answer) in [
        ("", "cosmos.companion: is missing"),
        ("companion = { database = \"gauges\" }", "companion.container: is missing"),
        ("companion = { container = \"orders\" }", "\"orders\" is the application's own container"),
        ("companion = { container = \"a\", partition_key = \"/pk\" }", "unknown key `partition_key`"),
        ("companion = \"tidegauge\"", "expected a table of keys, found the string \"tidegauge\""),
    ] {
        let found = complaints(&companion("companion", keys));
        assert!(found.iter().any(|line| line.contains(answer)), "{keys}: {found:?}");
    }
}

#[test]
fn azure_is_asked_about_an_account_whose_id_it_knows() {
    let provider = |keys: &str, id: &str| {
        let toml = cosmos(id).replace("[stores.cosmos]", &format!("{keys}\n[stores.cosmos]"));
        load(&toml, &[]).map(|mut settings| settings.stores.remove(0).provider)
    };
    let id = format!("resource_id = {RESOURCE_ID:?}");
    let of_seconds = |every: u64, period: u64, delay: u64| {
        let [every, period, delay] = [every, period, delay].map(Duration::from_secs);
        Some(ProviderSettings { every, period, delay })
    };
    assert_eq!(provider("", &id).unwrap(), of_seconds(300, 60, 180));
    assert_eq!(provider("provider = { poll = true }", &id).unwrap(), of_seconds(300, 60, 180));
    assert_eq!(provider("provider = { poll = false }", &id).unwrap(), None);
    for (minutes, seconds) in [(1, 60), (5, 300), (15, 900)] {
        let keys = format!("provider = {{ period = \"{minutes}m\", every = \"1m\", delay = \"0s\" }}");
        assert_eq!(provider(&keys, &id).unwrap(), of_seconds(60, seconds, 0));
    }
    for minutes in [2, 3, 10, 14] {
        let found = provider(&format!("provider = {{ period = \"{minutes}m\" }}"), &id).unwrap_err().to_string();
        assert!(found.contains("Azure sums up 1, 5 or 15 minutes"), "{found}");
    }
    // Without the id nobody knows whom to ask about.
    assert_eq!(provider("", "").unwrap(), None);
    assert_eq!(provider("provider = { every = \"1m\" }", "").unwrap(), None);
    let found = provider("provider = { poll = true }", "").unwrap_err().to_string();
    assert!(
        found.contains("provider.poll: Azure is asked about a resource by its id; set cosmos.resource_id"),
        "{found}"
    );
}

#[test]
fn an_observer_of_an_account_asks_nobody_and_reads_strongly_unless_it_is_told_not_to() {
    let observer = format!("role = \"observer\"\n{}", cosmos(&format!("resource_id = {RESOURCE_ID:?}")))
        .replace("central = true", "azure_region = \"East US\"");
    let settings = load(&observer, &[]).unwrap();
    assert_eq!((&settings.stores[0].provider, settings.stores[0].read), (&None, Consistency::Strong));
    let eventual = load(&observer.replace("regions =", "read = \"eventual\"\nregions ="), &[]).unwrap();
    assert_eq!(eventual.stores[0].read, Consistency::Eventual);
}
