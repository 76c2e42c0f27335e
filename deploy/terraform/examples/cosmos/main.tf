# An account that is there gets a companion, for gauges and observers on two clusters. Whoever wants heartbeats in the
# application's container leaves create_container out, and names that one.

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

module "tidegauge" {
  source = "../../azure"

  resource_group_name = "cells"
  account             = "cells"
  database            = "cell-state"
  container           = "tidegauge"
  create_container    = true

  aks_clusters = {
    eus-a = "https://eastus.oic.prod-aks.azure.com/00000000-0000-0000-0000-000000000000/11111111-1111-1111-1111-111111111111/"
    weu-a = "https://westeurope.oic.prod-aks.azure.com/00000000-0000-0000-0000-000000000000/22222222-2222-2222-2222-222222222222/"
  }

  # The application's: a pod has one, whoever in it asks. The example's chart calls it after its release.
  observer_service_accounts = [{ namespace = "orders", name = "orders" }]
}

output "tidegauge" {
  value = module.tidegauge
}
