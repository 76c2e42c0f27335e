# What the module promises, with a provider whose answers are made up: `terraform test` in ../ asks Azure nothing.

mock_provider "azurerm" {
  mock_data "azurerm_resource_group" {
    defaults = {
      id       = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/cells"
      location = "eastus"
    }
  }
  mock_resource "azurerm_cosmosdb_account" {
    defaults = {
      id       = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/cells/providers/Microsoft.DocumentDB/databaseAccounts/cells"
      endpoint = "https://cells.documents.azure.com:443/"
    }
  }
  mock_resource "azurerm_user_assigned_identity" {
    defaults = {
      id           = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/cells/providers/Microsoft.ManagedIdentity/userAssignedIdentities/made-up"
      client_id    = "11111111-1111-1111-1111-111111111111"
      principal_id = "22222222-2222-2222-2222-222222222222"
    }
  }
  mock_resource "azurerm_cosmosdb_sql_role_definition" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/cells/providers/Microsoft.DocumentDB/databaseAccounts/cells/sqlRoleDefinitions/33333333-3333-3333-3333-333333333333"
    }
  }
  mock_resource "azurerm_role_definition" {
    defaults = {
      role_definition_resource_id = "/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Authorization/roleDefinitions/44444444-4444-4444-4444-444444444444"
    }
  }
}

# Told apart, to see who gets which.
override_resource {
  target = azurerm_cosmosdb_sql_role_definition.this["gauge"]
  values = { id = "the gauge's" }
}

override_resource {
  target = azurerm_cosmosdb_sql_role_definition.this["observer"]
  values = { id = "the observer's" }
}

override_resource {
  target = azurerm_user_assigned_identity.this["observer"]
  values = {
    id           = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/cells/providers/Microsoft.ManagedIdentity/userAssignedIdentities/observer"
    client_id    = "66666666-6666-6666-6666-666666666666"
    principal_id = "77777777-7777-7777-7777-777777777777"
  }
}

variables {
  resource_group_name = "cells"
  account             = "cells"
  database            = "cell-state"
  container           = "orders"
}

run "what_is_there_is_let_be_and_gets_roles" {
  assert {
    condition     = length(azurerm_cosmosdb_account.this) + length(azurerm_cosmosdb_sql_database.this) + length(azurerm_cosmosdb_sql_container.this) == 0
    error_message = "Something was made that nobody asked for."
  }
  assert {
    condition     = output.resource_id == "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/cells/providers/Microsoft.DocumentDB/databaseAccounts/cells" && output.endpoint == "https://cells.documents.azure.com:443/"
    error_message = "The account goes by another name in the settings: ${output.resource_id}, ${output.endpoint}"
  }
  assert {
    condition     = output.service_account_annotations == { gauge = { "azure.workload.identity/client-id" = "11111111-1111-1111-1111-111111111111" } }
    error_message = "The annotation does not name the identity, or an observer got one that nobody asked for."
  }
}

run "roles_are_the_shipped_ones_confined_to_the_container" {
  assert {
    condition = alltrue([
      for who, role in azurerm_cosmosdb_sql_role_definition.this :
      toset(flatten([for one in role.permissions : one.data_actions])) == toset(flatten([
        for one in jsondecode(file("${path.module}/../../azure/${who}.json")).Permissions : one.DataActions
      ]))
    ])
    error_message = "A role grants something else than its file in deploy/azure."
  }
  assert {
    condition     = toset(keys(azurerm_cosmosdb_sql_role_definition.this)) == toset(["forget", "gauge", "observer"])
    error_message = "Roles are missing, or too many."
  }
  assert {
    condition = alltrue([
      for one in concat([for role in azurerm_cosmosdb_sql_role_definition.this : one(role.assignable_scopes)], [for given in azurerm_cosmosdb_sql_role_assignment.this : given.scope]) :
      endswith(one, "/databaseAccounts/cells/dbs/cell-state/colls/orders")
    ])
    error_message = "A role is not confined to the container."
  }
  assert {
    condition     = toset(azurerm_role_definition.account[0].permissions[0].actions) == toset(jsondecode(file("${path.module}/../../azure/account.json")).Actions)
    error_message = "The account's role grants something else than deploy/azure/account.json."
  }
}

run "the_account_is_read_by_the_narrow_role_unless_another_is_wished_for" {
  assert {
    condition     = azurerm_role_assignment.account[0].role_definition_id == azurerm_role_definition.account[0].role_definition_resource_id && endswith(azurerm_role_assignment.account[0].scope, "/databaseAccounts/cells")
    error_message = "The narrow role is not assigned, or not on the account."
  }
  assert {
    condition     = endswith(azurerm_role_definition.account[0].name, "(cells/cell-state/orders)")
    error_message = "Another container's module would make a role of the same name, which a tenant has once: ${azurerm_role_definition.account[0].name}"
  }
}

run "monitoring_reader_is_a_choice" {
  variables {
    account_role = "monitoring-reader"
  }
  assert {
    condition     = azurerm_role_assignment.account[0].role_definition_name == "Monitoring Reader" && length(azurerm_role_definition.account) == 0
    error_message = "Monitoring Reader is not assigned, or the narrow role was made all the same."
  }
}

run "without_a_role_gauges_are_told_no_account" {
  variables {
    account_role = "none"
  }
  assert {
    condition     = length(azurerm_role_assignment.account) == 0 && output.resource_id == null
    error_message = "Gauges would ask, and be refused."
  }
}

run "each_service_account_is_known_by_each_cluster" {
  variables {
    aks_clusters = {
      eus-a = "https://eastus.oic.example.com/a/"
      weu-a = "https://westeurope.oic.example.com/b/"
    }
    observer_service_accounts = [{ namespace = "orders", name = "orders" }, { namespace = "carts", name = "carts" }]
    observer_principal_ids    = { shop = "55555555-5555-5555-5555-555555555555" }
  }
  assert {
    condition = { for name, one in azurerm_cosmosdb_sql_role_assignment.this : name => one.role_definition_id } == {
      gauge           = "the gauge's"
      observer        = "the observer's"
      "observer/shop" = "the observer's"
    }
    error_message = "Somebody has a role that is another's."
  }
  assert {
    condition     = length(azurerm_federated_identity_credential.this) == 6
    error_message = "Each service account needs a credential for each cluster."
  }
  assert {
    condition     = alltrue([for one in azurerm_federated_identity_credential.this : can(regex("^[A-Za-z0-9][A-Za-z0-9_-]{2,119}$", one.name))])
    error_message = "A credential has a name that Azure does not take."
  }
  assert {
    condition = alltrue([
      azurerm_federated_identity_credential.this["weu-a/carts/carts"].issuer == "https://westeurope.oic.example.com/b/",
      endswith(azurerm_federated_identity_credential.this["weu-a/carts/carts"].parent_id, "/observer"),
      azurerm_federated_identity_credential.this["weu-a/carts/carts"].subject == "system:serviceaccount:carts:carts",
      azurerm_federated_identity_credential.this["weu-a/carts/carts"].audience == tolist(["api://AzureADTokenExchange"]),
    ])
    error_message = "A credential is another identity's, or names another issuer, service account or audience."
  }
  assert {
    condition = { for name, one in azurerm_cosmosdb_sql_role_assignment.this : name => one.principal_id } == {
      gauge           = "22222222-2222-2222-2222-222222222222"
      observer        = "77777777-7777-7777-7777-777777777777"
      "observer/shop" = "55555555-5555-5555-5555-555555555555"
    }
    error_message = "A role went to somebody else."
  }
  assert {
    condition     = azurerm_role_assignment.account[0].principal_id == "22222222-2222-2222-2222-222222222222"
    error_message = "Others than the gauges read the account."
  }
}

run "names_with_dashes_in_them_are_told_apart" {
  command = plan
  variables {
    aks_clusters              = { weu = "https://westeurope.oic.example.com/a/", weu-a = "https://westeurope.oic.example.com/b/" }
    gauge_service_accounts    = [{ namespace = "a-b", name = "c" }, { namespace = "b", name = "c" }]
    observer_service_accounts = []
  }
  assert {
    condition     = length(distinct([for one in azurerm_federated_identity_credential.this : one.name])) == 4
    error_message = "Two credentials have the same name."
  }
}

run "an_account_is_made_that_all_regions_write_to_without_keys" {
  command = plan
  variables {
    create_account   = true
    create_database  = true
    create_container = true
    regions          = ["East US", "West Europe"]
  }
  assert {
    condition     = azurerm_cosmosdb_account.this[0].multiple_write_locations_enabled && azurerm_cosmosdb_account.this[0].local_authentication_disabled && !azurerm_cosmosdb_account.this[0].public_network_access_enabled
    error_message = "The account takes writes in one region alone, or opens to keys or to everybody."
  }
  assert {
    condition     = { for one in azurerm_cosmosdb_account.this[0].geo_location : one.location => one.failover_priority } == { "East US" = 0, "West Europe" = 1 }
    error_message = "The account is in other regions."
  }
  assert {
    condition = alltrue([
      azurerm_cosmosdb_sql_container.this[0].default_ttl == -1,
      azurerm_cosmosdb_sql_container.this[0].autoscale_settings[0].max_throughput == 1000,
      azurerm_cosmosdb_sql_container.this[0].partition_key_paths == tolist(["/pk"]),
      [for one in azurerm_cosmosdb_sql_container.this[0].indexing_policy[0].included_path : one.path] == ["/pk/?"],
      [for one in azurerm_cosmosdb_sql_container.this[0].indexing_policy[0].excluded_path : one.path] == ["/*"],
      length(azurerm_cosmosdb_sql_container.this[0].conflict_resolution_policy) == 0,
    ])
    error_message = "The container is another than it should be."
  }
}

run "an_applications_container_decides_conflicts_by_its_own_number" {
  command = plan
  variables {
    create_container         = true
    index_only_keys          = false
    conflict_resolution_path = "/version"
  }
  assert {
    condition     = azurerm_cosmosdb_sql_container.this[0].conflict_resolution_policy[0].conflict_resolution_path == "/version" && azurerm_cosmosdb_sql_container.this[0].conflict_resolution_policy[0].mode == "LastWriterWins"
    error_message = "Conflicts are decided otherwise."
  }
  assert {
    condition     = [for one in azurerm_cosmosdb_sql_container.this[0].indexing_policy[0].included_path : one.path] == ["/*"]
    error_message = "An application's queries have no index."
  }
}

run "an_account_in_one_region_is_refused" {
  command = plan
  variables {
    create_account = true
    regions        = ["East US"]
  }
  expect_failures = [var.regions]
}

run "strong_consistency_is_refused" {
  command = plan
  variables {
    consistency = "Strong"
  }
  expect_failures = [var.consistency]
}

run "a_time_to_live_that_ends_heartbeats_is_refused" {
  command = plan
  variables {
    default_ttl = 3600
  }
  expect_failures = [var.default_ttl]
}

run "partitioning_that_heartbeats_cannot_have_is_refused" {
  command = plan
  variables {
    partition_key_path = "/tg_run"
  }
  expect_failures = [var.partition_key_path]
}
