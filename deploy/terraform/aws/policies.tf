# What a gauge, an observer and people may. It is read from ../../iam, where the reasons are: here go in only the tables.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition

  shipped = {
    for who in ["gauge", "observer", "forget"] : who => jsondecode(file("${path.module}/../../iam/${who}.json")).Statement
  }

  tables        = [for region in var.regions : "arn:${local.partition}:dynamodb:${region}:${local.account}:table/${var.table}"]
  global_tables = ["arn:${local.partition}:dynamodb::${local.account}:global-table/${var.table}"]

  # The same statements on this table, in these regions alone.
  granted = {
    for who, statements in local.shipped : who => [
      for statement in statements : merge(statement, {
        Resource = flatten([
          for resource in flatten([statement.Resource]) :
          resource == "*" ? ["*"] : strcontains(resource, ":global-table/") ? local.global_tables : local.tables
        ])
      })
    ]
  }

  # A table under a key of yours is read and written with the caller's right to use the key; by way of DynamoDB, and no other.
  keys = [
    for region, key in var.kms_key_arns : {
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = [key]
      Condition = { StringEquals = { "kms:ViaService" = "dynamodb.${region}.${data.aws_partition.current.dns_suffix}" } }
    }
  ]

  policies = {
    for who, statements in {
      gauge = [for one in local.granted.gauge : one if one.Sid != "ProviderMetrics" || var.ask_cloudwatch]
      observer = concat(
        local.granted.observer,
        [for one in local.granted.gauge : one if one.Sid == "WhatTheTableIs" && var.observers_find_regions],
      )
      forget = local.granted.forget
    } : who => jsonencode({ Version = "2012-10-17", Statement = concat(statements, local.keys) })
  }
}

# Managed ones, so that roles which are there already can have them, too. `forget` is for people who retire a region.
resource "aws_iam_policy" "this" {
  for_each = local.policies

  name        = "${var.name}-${each.key}"
  description = "Tidegauge: ${each.key}, heartbeats in ${var.table}"
  policy      = each.value
  tags        = var.tags
}
