# What the module promises, with a provider whose answers are made up: `terraform test` in ../ asks AWS nothing.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/made-up" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/made-up" }
  }
}

# Told apart, to see who gets which.
override_resource {
  target = aws_iam_policy.this["gauge"]
  values = { arn = "arn:aws:iam::123456789012:policy/gauge" }
}

override_resource {
  target = aws_iam_policy.this["observer"]
  values = { arn = "arn:aws:iam::123456789012:policy/observer" }
}

override_resource {
  target = aws_iam_role.this["observer"]
  values = { arn = "arn:aws:iam::123456789012:role/observer" }
}

# Those that ../../iam names as an example.
variables {
  table   = "GlobalCellState"
  regions = ["us-east-1", "eu-west-1", "ap-southeast-2"]
}

run "a_table_that_is_there_gets_policies_and_nothing_else" {
  assert {
    condition     = length(aws_dynamodb_table.this) == 0 && length(aws_iam_role.this) == 0
    error_message = "A table or a role was made that nobody asked for."
  }
  assert {
    condition     = toset(keys(aws_iam_policy.this)) == toset(["forget", "gauge", "observer"])
    error_message = "Policies are missing, or too many."
  }
}

run "policies_are_the_shipped_ones_confined_to_the_regions" {
  assert {
    condition = alltrue([
      for who, policy in aws_iam_policy.this :
      jsonencode([
        for statement in jsondecode(policy.policy).Statement : merge(statement, {
          Resource = distinct([for one in statement.Resource : replace(one, "/:dynamodb:[a-z0-9-]+:/", ":dynamodb:*:")])
        })
        ]) == jsonencode([
        for statement in jsondecode(file("${path.module}/../../iam/${who}.json")).Statement : merge(statement, {
          Resource = flatten([statement.Resource])
        })
      ])
    ])
    error_message = "A policy says something else than its file in deploy/iam: ${jsonencode({ for who, policy in aws_iam_policy.this : who => jsondecode(policy.policy) })}"
  }
  assert {
    condition = jsondecode(aws_iam_policy.this["observer"].policy).Statement[0].Resource == [
      "arn:aws:dynamodb:us-east-1:123456789012:table/GlobalCellState",
      "arn:aws:dynamodb:eu-west-1:123456789012:table/GlobalCellState",
      "arn:aws:dynamodb:ap-southeast-2:123456789012:table/GlobalCellState",
    ]
    error_message = "An observer is not confined to the table in its regions."
  }
  assert {
    condition     = output.table_arns["ap-southeast-2"] == "arn:aws:dynamodb:ap-southeast-2:123456789012:table/GlobalCellState"
    error_message = "A replica goes by another ARN."
  }
}

run "what_is_not_asked_for_is_not_granted" {
  variables {
    ask_cloudwatch = false
  }
  assert {
    condition     = !strcontains(output.policies["gauge"], "cloudwatch:")
    error_message = "A gauge that does not ask CloudWatch may."
  }
  assert {
    condition     = !strcontains(output.policies["observer"], "dynamodb:DescribeTable")
    error_message = "An observer that is told the regions may describe the table."
  }
}

run "observers_that_find_the_regions_may_describe_the_table" {
  variables {
    observers_find_regions = true
  }
  assert {
    condition     = [for one in jsondecode(output.policies["observer"]).Statement : one.Sid] == ["ReadHeartbeats", "WhatTheTableIs"]
    error_message = "An observer cannot find the regions."
  }
}

run "keys_of_ones_own_may_be_used_by_way_of_dynamodb_alone" {
  command = plan
  variables {
    kms_key_arns = {
      us-east-1      = "arn:aws:kms:us-east-1:123456789012:key/a"
      eu-west-1      = "arn:aws:kms:eu-west-1:123456789012:key/b"
      ap-southeast-2 = "arn:aws:kms:ap-southeast-2:123456789012:key/c"
    }
    create_table = true
  }
  assert {
    condition = [for one in jsondecode(output.policies["observer"]).Statement : one if one.Action == ["kms:Decrypt"]][1] == {
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = ["arn:aws:kms:eu-west-1:123456789012:key/b"]
      Condition = { StringEquals = { "kms:ViaService" = "dynamodb.eu-west-1.amazonaws.com" } }
    }
    error_message = "An observer cannot use the key, or can use it otherwise."
  }
  assert {
    condition     = { for one in aws_dynamodb_table.this[0].replica : one.region_name => one.kms_key_arn } == { for region, key in var.kms_key_arns : region => key if region != "us-east-1" }
    error_message = "A replica is not under its region's key."
  }
  assert {
    condition     = aws_dynamodb_table.this[0].server_side_encryption[0].kms_key_arn == var.kms_key_arns["us-east-1"]
    error_message = "The first region's replica is not under its key."
  }
}

run "tokens_of_a_cluster_are_trusted_as_the_shipped_trust_policy_says" {
  variables {
    irsa = { a = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE" }
  }
  assert {
    condition = jsonencode([
      for one in jsondecode(aws_iam_role.this["gauge"].assume_role_policy).Statement : merge(one, {
        Sid       = "OneServiceAccount"
        Action    = one.Action[0]
        Condition = { StringEquals = { for key, value in one.Condition.StringEquals : key => flatten([value])[0] } }
      })
    ]) == jsonencode(jsondecode(file("${path.module}/../../iam/trust.json")).Statement)
    error_message = "The trust policy is another than deploy/iam/trust.json: ${aws_iam_role.this["gauge"].assume_role_policy}"
  }
  assert {
    condition     = keys(aws_iam_role.this) == ["gauge"]
    error_message = "Observers without a service account got a role."
  }
  assert {
    condition     = output.service_account_annotations["gauge"]["eks.amazonaws.com/role-arn"] == aws_iam_role.this["gauge"].arn
    error_message = "The annotation does not name the role."
  }
}

run "observers_may_come_by_an_audience_of_their_own" {
  variables {
    irsa                      = { a = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE" }
    observer_service_accounts = [{ namespace = "orders", name = "orders" }]
    observer_audience         = "tidegauge"
  }
  assert {
    condition = { for who, role in aws_iam_role.this : who => jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE:aud"] } == {
      gauge    = "sts.amazonaws.com"
      observer = "tidegauge"
    }
    error_message = "A role is trusted by another audience than it should be."
  }
}

run "pod_identity_is_trusted_for_the_service_account_in_the_named_clusters" {
  variables {
    pod_identity = {
      a = { cluster = "cells-a", region = "us-east-1" }
      b = { cluster = "cells-b", region = "eu-west-1" }
    }
    observer_service_accounts = [{ namespace = "orders", name = "orders" }, { namespace = "carts", name = "carts" }]
  }
  assert {
    condition     = { for who, one in aws_iam_role_policy_attachment.this : who => one.policy_arn } == { for who in ["gauge", "observer"] : who => "arn:aws:iam::123456789012:policy/${who}" }
    error_message = "A role has a policy that is another's."
  }
  assert {
    condition     = alltrue([for who, one in aws_iam_role_policy_attachment.this : one.role == "tidegauge-${who}"])
    error_message = "A policy went to another role."
  }
  assert {
    condition     = aws_eks_pod_identity_association.this["observer/b/carts/carts"].role_arn == "arn:aws:iam::123456789012:role/observer"
    error_message = "An association leads to another role."
  }
  assert {
    condition = jsondecode(aws_iam_role.this["gauge"].assume_role_policy).Statement == [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = {
        StringEquals = {
          "aws:RequestTag/eks-cluster-arn"            = ["arn:aws:eks:us-east-1:123456789012:cluster/cells-a", "arn:aws:eks:eu-west-1:123456789012:cluster/cells-b"]
          "aws:RequestTag/kubernetes-namespace"       = "tidegauge"
          "aws:RequestTag/kubernetes-service-account" = "tidegauge-gauge"
        }
      }
    }]
    error_message = "The trust policy is another: ${aws_iam_role.this["gauge"].assume_role_policy}"
  }
  assert {
    condition     = length(jsondecode(aws_iam_role.this["observer"].assume_role_policy).Statement) == 2
    error_message = "Each service account needs a statement: in one, any of the names would do in any of the namespaces."
  }
  assert {
    condition     = length(aws_eks_pod_identity_association.this) == 6
    error_message = "Each service account needs an association in each cluster."
  }
  assert {
    condition     = aws_eks_pod_identity_association.this["observer/b/carts/carts"].region == "eu-west-1"
    error_message = "An association is made where its cluster is."
  }
}

run "machines_get_instance_profiles" {
  variables {
    ec2 = true
  }
  assert {
    condition     = jsondecode(aws_iam_role.this["observer"].assume_role_policy).Statement == [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = ["sts:AssumeRole"] }]
    error_message = "The trust policy is another: ${aws_iam_role.this["observer"].assume_role_policy}"
  }
  assert {
    condition     = keys(output.instance_profiles) == ["gauge", "observer"]
    error_message = "An instance profile is missing."
  }
}

run "a_table_is_made_the_same_in_all_regions" {
  command = plan
  variables {
    table        = "TidegaugeHeartbeats"
    create_table = true
    tags         = { team = "cells" }
  }
  assert {
    condition = alltrue([
      aws_dynamodb_table.this[0].region == "us-east-1",
      aws_dynamodb_table.this[0].billing_mode == "PAY_PER_REQUEST",
      aws_dynamodb_table.this[0].stream_view_type == "NEW_AND_OLD_IMAGES",
      aws_dynamodb_table.this[0].deletion_protection_enabled,
      aws_dynamodb_table.this[0].point_in_time_recovery[0].enabled,
      { for one in aws_dynamodb_table.this[0].attribute : one.name => one.type } == { PK = "S", SK = "S" },
    ])
    error_message = "The table is another than it should be."
  }
  assert {
    condition     = toset([for one in aws_dynamodb_table.this[0].replica : one.region_name]) == toset(["eu-west-1", "ap-southeast-2"])
    error_message = "The first region's is the table itself; each other one needs a replica."
  }
  assert {
    condition = alltrue([
      for one in aws_dynamodb_table.this[0].replica :
      one.consistency_mode == "EVENTUAL" && one.point_in_time_recovery && one.deletion_protection_enabled && one.propagate_tags
    ])
    error_message = "A replica is less well kept than the table."
  }
}

run "a_table_may_have_no_sort_key" {
  command = plan
  variables {
    create_table = true
    sort_key     = null
  }
  assert {
    condition     = length(aws_dynamodb_table.this[0].attribute) == 1
    error_message = "An attribute is declared that is no key."
  }
}

run "strong_consistency_takes_two_regions_and_a_witness" {
  command = plan
  variables {
    create_table   = true
    consistency    = "STRONG"
    regions        = ["us-east-1", "us-east-2"]
    witness_region = "us-west-2"
  }
  assert {
    condition     = one(aws_dynamodb_table.this[0].replica).consistency_mode == "STRONG" && aws_dynamodb_table.this[0].global_table_witness[0].region_name == "us-west-2"
    error_message = "The table is not strongly consistent."
  }
}

run "strong_consistency_in_another_number_of_regions_is_refused" {
  command = plan
  variables {
    consistency = "STRONG"
    regions     = ["us-east-1", "us-east-2"]
  }
  expect_failures = [var.witness_region]
}

run "a_key_for_some_of_the_regions_is_refused" {
  command = plan
  variables {
    kms_key_arns = { us-east-1 = "arn:aws:kms:us-east-1:123456789012:key/a" }
  }
  expect_failures = [var.kms_key_arns]
}

run "what_is_no_provider_of_tokens_is_refused" {
  command = plan
  variables {
    irsa = { a = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE" }
  }
  expect_failures = [var.irsa]
}
