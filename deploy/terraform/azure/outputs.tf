output "endpoint" {
  description = "For the settings: stores.cosmos.endpoint."
  value       = local.account_endpoint
}

output "database" {
  description = "For the settings: stores.cosmos.database."
  value       = local.database_name
}

output "container" {
  description = "For the settings: stores.cosmos.container, or companion.container."
  value       = local.container_name
}

output "resource_id" {
  description = "For the settings: stores.cosmos.resource_id. Null where account_role is none: gauges would be refused."
  value       = var.account_role == "none" ? null : local.account_id
}

output "client_ids" {
  description = "Client id of each identity that was made: gauge, observer."
  value       = { for who, identity in azurerm_user_assigned_identity.this : who => identity.client_id }
}

output "principal_ids" {
  description = "Object id of each identity that was made: gauge, observer."
  value       = { for who, identity in azurerm_user_assigned_identity.this : who => identity.principal_id }
}

output "identity_ids" {
  description = "Resource id of each identity that was made, for virtual machines that are to have it: gauge, observer."
  value       = { for who, identity in azurerm_user_assigned_identity.this : who => identity.id }
}

output "service_account_annotations" {
  description = "For the manifests: the annotations of each one's service accounts. Their pods need the label azure.workload.identity/use, too."
  value       = { for who, identity in azurerm_user_assigned_identity.this : who => { "azure.workload.identity/client-id" = identity.client_id } }
}

output "role_definition_ids" {
  description = "Id of each role of the data plane: gauge, observer, forget."
  value       = { for who, role in azurerm_cosmosdb_sql_role_definition.this : who => role.id }
}

output "scope" {
  description = "The container as roles of the data plane write it: where forget is assigned to people."
  value       = local.scope
}
