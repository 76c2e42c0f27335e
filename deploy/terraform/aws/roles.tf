# Roles for those who have none, for each way in which something proves who it is. Without any such way: policies alone.

locals {
  service_accounts = {
    gauge    = var.gauge_service_accounts
    observer = var.observer_service_accounts
  }
  on_kubernetes = length(var.irsa) + length(var.pod_identity) > 0
  roles         = { for who, accounts in local.service_accounts : who => accounts if var.ec2 || (local.on_kubernetes && length(accounts) > 0) }

  # The issuer is what the provider's ARN ends with.
  issuers = { for cluster, arn in var.irsa : cluster => split(":oidc-provider/", arn)[1] }

  # A token says for whom it is, and whose: without both conditions any pod of the cluster might come.
  by_token = {
    for who, accounts in local.roles : who => [
      for cluster, arn in var.irsa : {
        Effect    = "Allow"
        Principal = { Federated = arn }
        Action    = ["sts:AssumeRoleWithWebIdentity"]
        Condition = {
          StringEquals = {
            "${local.issuers[cluster]}:aud" = who == "observer" ? var.observer_audience : "sts.amazonaws.com"
            "${local.issuers[cluster]}:sub" = [for one in accounts : "system:serviceaccount:${one.namespace}:${one.name}"]
          }
        }
      } if length(accounts) > 0
    ]
  }

  # Pod Identity says whose pod it is, and where, in tags. The associations say it, too; this holds whatever others are made.
  pod_identity_clusters = [
    for one in values(var.pod_identity) : "arn:${local.partition}:eks:${one.region}:${local.account}:cluster/${one.cluster}"
  ]
  by_pod_identity = {
    for who, accounts in local.roles : who => [
      for one in accounts : {
        Effect    = "Allow"
        Principal = { Service = "pods.eks.amazonaws.com" }
        Action    = ["sts:AssumeRole", "sts:TagSession"]
        Condition = {
          StringEquals = {
            "aws:RequestTag/eks-cluster-arn"            = local.pod_identity_clusters
            "aws:RequestTag/kubernetes-namespace"       = one.namespace
            "aws:RequestTag/kubernetes-service-account" = one.name
          }
        }
      } if length(var.pod_identity) > 0
    ]
  }

  by_machine = [
    for one in ["ec2.${data.aws_partition.current.dns_suffix}"] : {
      Effect    = "Allow"
      Principal = { Service = one }
      Action    = ["sts:AssumeRole"]
    } if var.ec2
  ]

  associations = merge([
    for who, accounts in local.roles : merge([
      for name, cluster in var.pod_identity : {
        for one in accounts : "${who}/${name}/${one.namespace}/${one.name}" => { who = who, cluster = cluster, account = one }
      }
    ]...)
  ]...)
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name                 = "${var.name}-${each.key}"
  description          = "Tidegauge: ${each.key}, heartbeats in ${var.table}"
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.by_token[each.key], local.by_pod_identity[each.key], local.by_machine)
  })
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = local.roles

  role       = aws_iam_role.this[each.key].name
  policy_arn = aws_iam_policy.this[each.key].arn
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = local.associations

  region          = each.value.cluster.region
  cluster_name    = each.value.cluster.cluster
  namespace       = each.value.account.namespace
  service_account = each.value.account.name
  role_arn        = aws_iam_role.this[each.value.who].arn
  tags            = var.tags
}

resource "aws_iam_instance_profile" "this" {
  for_each = var.ec2 ? local.roles : {}

  name = "${var.name}-${each.key}"
  role = aws_iam_role.this[each.key].name
  tags = var.tags
}
