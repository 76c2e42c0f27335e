# An account of its own in three regions, with a container that an application shares with the heartbeats: it is partitioned
# and indexed as the application likes, and its items say by `version` which of two conflicting ones wins.

terraform {
  required_version = ">= 1.9"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.55"
    }
  }
}

# The subscription comes from ARM_SUBSCRIPTION_ID.
provider "azurerm" {
  features {}
}

resource "azurerm_resource_group" "cells" {
  name     = "cells"
  location = "East US"
}

module "tidegauge" {
  source = "../../azure"

  resource_group_name = azurerm_resource_group.cells.name

  create_account = true
  account        = "cells"
  regions        = ["East US", "West Europe", "Japan East"]

  create_database = true
  database        = "cell-state"

  create_container         = true
  container                = "orders"
  partition_key_path       = "/customer"
  conflict_resolution_path = "/version"
  index_only_keys          = false

  aks_clusters = {
    eus-a = "https://eastus.oic.prod-aks.azure.com/00000000-0000-0000-0000-000000000000/11111111-1111-1111-1111-111111111111/"
  }
}

output "tidegauge" {
  value = module.tidegauge
}
