# Identities for gauges and observers, the clusters' word for them, and what each of them is assigned.

locals {
  service_accounts = {
    gauge    = var.gauge_service_accounts
    observer = var.observer_service_accounts
  }
  identities = { for who, accounts in local.service_accounts : who => accounts if length(accounts) > 0 }

  credentials = merge([
    for who, accounts in local.identities : merge([
      for cluster, issuer in var.aks_clusters : {
        for one in accounts : "${cluster}/${one.namespace}/${one.name}" => {
          # Dashes are in the names themselves, so that two of these may read alike: what tells them apart is the digest.
          name    = "${substr(replace("${cluster}-${one.namespace}-${one.name}", ".", "-"), 0, 107)}-${substr(sha256("${cluster}/${one.namespace}/${one.name}"), 0, 8)}"
          who     = who
          issuer  = issuer
          subject = "system:serviceaccount:${one.namespace}:${one.name}"
        }
      }
    ]...)
  ]...)

  assigned = merge(
    { for who, identity in azurerm_user_assigned_identity.this : who => { role = who, principal = identity.principal_id } },
    { for name, principal in var.observer_principal_ids : "observer/${name}" => { role = "observer", principal = principal } },
  )
}

resource "azurerm_user_assigned_identity" "this" {
  for_each = local.identities

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = data.azurerm_resource_group.this.location
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "this" {
  for_each = local.credentials

  name                = each.value.name
  resource_group_name = var.resource_group_name
  parent_id           = azurerm_user_assigned_identity.this[each.value.who].id
  issuer              = each.value.issuer
  subject             = each.value.subject
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_cosmosdb_sql_role_assignment" "this" {
  for_each = local.assigned

  resource_group_name = var.resource_group_name
  account_name        = local.account_name
  role_definition_id  = azurerm_cosmosdb_sql_role_definition.this[each.value.role].id
  principal_id        = each.value.principal
  scope               = local.scope
}

# Gauges alone ask Azure about the account.
resource "azurerm_role_assignment" "account" {
  count = var.account_role == "none" || length(var.gauge_service_accounts) == 0 ? 0 : 1

  scope                = local.account_id
  principal_id         = azurerm_user_assigned_identity.this["gauge"].principal_id
  principal_type       = "ServicePrincipal"
  role_definition_id   = var.account_role == "narrow" ? azurerm_role_definition.account[0].role_definition_resource_id : null
  role_definition_name = var.account_role == "narrow" ? null : "Monitoring Reader"
}
