output "table" {
  description = "For the settings: stores.dynamodb.table, or companion.table."
  value       = var.table
  depends_on  = [aws_dynamodb_table.this]
}

output "regions" {
  description = "For the settings: the names in stores.regions."
  value       = var.regions
}

output "table_arns" {
  description = "ARN of each region's replica, by region."
  value       = zipmap(var.regions, local.tables)
}

output "role_arns" {
  description = "ARN of each role that was made: gauge, observer."
  value       = { for who, role in aws_iam_role.this : who => role.arn }
}

output "role_names" {
  description = "Name of each role that was made, to attach more policies to: gauge, observer."
  value       = { for who, role in aws_iam_role.this : who => role.name }
}

output "service_account_annotations" {
  description = "For the manifests, with IRSA: the annotations of each one's service accounts. Pod Identity needs none."
  value       = { for who, role in aws_iam_role.this : who => { "eks.amazonaws.com/role-arn" = role.arn } if length(var.irsa) > 0 }
}

output "policy_arns" {
  description = "ARN of each policy, for roles that are there already: gauge, observer, forget."
  value       = { for who, policy in aws_iam_policy.this : who => policy.arn }
}

output "policies" {
  description = "Each policy as JSON: for roles in other accounts, and for who keeps policies elsewhere."
  value       = local.policies
}

output "instance_profiles" {
  description = "Name of each instance profile, with ec2: gauge, observer."
  value       = { for who, profile in aws_iam_instance_profile.this : who => profile.name }
}
