# What a gauge and an observer may. It is read from ../../azure, where the reasons are: here goes in only the container.

locals {
  shipped = {
    for who in ["gauge", "observer", "forget"] : who => jsondecode(file("${path.module}/../../azure/${who}.json"))
  }
  shipped_account = jsondecode(file("${path.module}/../../azure/account.json"))

  # Nothing of the data plane can be confined further than to a container.
  scope = "${local.account_id}/dbs/${local.database_name}/colls/${local.container_name}"
}

# `forget` is for people who retire a region: it is defined, and assigned by hand to whoever does.
resource "azurerm_cosmosdb_sql_role_definition" "this" {
  for_each = local.shipped

  name                = "${each.value.RoleName} (${var.database}/${var.container})"
  resource_group_name = var.resource_group_name
  account_name        = local.account_name
  type                = each.value.Type
  assignable_scopes   = [local.scope]

  dynamic "permissions" {
    for_each = each.value.Permissions
    content {
      data_actions = permissions.value.DataActions
    }
  }
}

# What the account is like, and its metrics. Monitoring Reader does as well, and reads more: its */read also reads the
# account's read-only keys, and with them every item.
resource "azurerm_role_definition" "account" {
  count = var.account_role == "narrow" ? 1 : 0

  # Unique in the whole tenant, and a second container of the account has a module of its own.
  name              = "${local.shipped_account.Name} (${var.account}/${var.database}/${var.container})"
  description       = local.shipped_account.Description
  scope             = data.azurerm_resource_group.this.id
  assignable_scopes = [data.azurerm_resource_group.this.id]

  permissions {
    actions = local.shipped_account.Actions
  }
}
