# An account that all regions write to, a database and a container: each is made where that is wished for, and there otherwise.

data "azurerm_resource_group" "this" {
  name = var.resource_group_name
}

resource "azurerm_cosmosdb_account" "this" {
  count = var.create_account ? 1 : 0

  name                = var.account
  resource_group_name = var.resource_group_name
  location            = var.regions[0]
  offer_type          = "Standard"
  kind                = "GlobalDocumentDB"
  tags                = var.tags

  multiple_write_locations_enabled = true
  automatic_failover_enabled       = true

  # Everybody comes with an identity. Keys would open all that there is, and nobody could tell who used them.
  local_authentication_disabled      = true
  access_key_metadata_writes_enabled = false
  minimal_tls_version                = "Tls12"
  public_network_access_enabled      = var.public_network_access
  ip_range_filter                    = var.ip_range_filter
  key_vault_key_id                   = var.key_vault_key_id

  consistency_policy {
    consistency_level = var.consistency
  }

  dynamic "geo_location" {
    for_each = var.regions
    content {
      location          = geo_location.value
      failover_priority = geo_location.key
      zone_redundant    = var.zone_redundant
    }
  }

  # What would replace or remove it would take its data along: another first region or name, or create_account at false.
  lifecycle {
    prevent_destroy = true
  }
}

# An account that is there is not read: its data source also brings its keys, which would then lie in the state.
locals {
  account_id = (
    var.create_account
    ? azurerm_cosmosdb_account.this[0].id
    : "${data.azurerm_resource_group.this.id}/providers/Microsoft.DocumentDB/databaseAccounts/${var.account}"
  )
  account_endpoint = (
    var.create_account ? azurerm_cosmosdb_account.this[0].endpoint : "https://${var.account}.documents.azure.com:443/"
  )
  account_name   = var.create_account ? azurerm_cosmosdb_account.this[0].name : var.account
  database_name  = var.create_database ? azurerm_cosmosdb_sql_database.this[0].name : var.database
  container_name = var.create_container ? azurerm_cosmosdb_sql_container.this[0].name : var.container
}

resource "azurerm_cosmosdb_sql_database" "this" {
  count = var.create_database ? 1 : 0

  name                = var.database
  resource_group_name = var.resource_group_name
  account_name        = local.account_name

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_cosmosdb_sql_container" "this" {
  count = var.create_container ? 1 : 0

  name                = var.container
  resource_group_name = var.resource_group_name
  account_name        = local.account_name
  database_name       = local.database_name

  partition_key_paths   = [var.partition_key_path]
  partition_key_kind    = "Hash"
  partition_key_version = 2
  default_ttl           = var.default_ttl

  autoscale_settings {
    max_throughput = var.autoscale_max_throughput
  }

  indexing_policy {
    indexing_mode = "consistent"

    # What a slot is found by, and nothing else: each path more makes each write dearer, in every region.
    dynamic "included_path" {
      for_each = var.index_only_keys ? ["${var.partition_key_path}/?"] : ["/*"]
      content {
        path = included_path.value
      }
    }

    dynamic "excluded_path" {
      for_each = var.index_only_keys ? ["/*"] : []
      content {
        path = excluded_path.value
      }
    }
  }

  # For an application's items: by default the latest write wins, by a time in whole seconds, so that of two in the same
  # second either may. A number that its writers raise decides what is meant. Heartbeats never conflict, whatever is
  # written here: each region has items of its own, and gauges of one region take turns by etag.
  dynamic "conflict_resolution_policy" {
    for_each = var.conflict_resolution_path == null ? [] : [var.conflict_resolution_path]
    content {
      mode                     = "LastWriterWins"
      conflict_resolution_path = conflict_resolution_policy.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}
