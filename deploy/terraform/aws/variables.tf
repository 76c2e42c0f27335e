# The table that holds the heartbeats.

variable "table" {
  description = "Name of the global table that holds the heartbeats: the application's (placement inline), or a companion."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.table))
    error_message = "A table's name has 3 to 255 letters, digits, and _ . -"
  }
}

variable "regions" {
  description = "Every region that the table has a replica in. A table that is made here is made in the first, which cannot change: it would be another table."
  type        = list(string)

  validation {
    condition     = length(var.regions) > 0 && length(distinct(var.regions)) == length(var.regions)
    error_message = "Name at least one region, and each once."
  }
}

variable "create_table" {
  description = "Make the table. Left at false, who has one gets permissions and nothing else."
  type        = bool
  default     = false
}

variable "partition_key" {
  description = "With create_table: the partition key, of type S. The settings have it as partition_key."
  type        = string
  default     = "PK"
}

variable "sort_key" {
  description = "With create_table: the sort key, of type S; null for none, which makes reads dearer the more regions there are."
  type        = string
  default     = "SK"
}

variable "consistency" {
  description = "With create_table: EVENTUAL (the usual one, whose lag there is something to say about) or STRONG."
  type        = string
  default     = "EVENTUAL"

  validation {
    condition     = contains(["EVENTUAL", "STRONG"], var.consistency)
    error_message = "consistency is EVENTUAL or STRONG."
  }
}

variable "witness_region" {
  description = "With consistency STRONG and two regions: where the witness is. It holds no data, so no gauge reads there."
  type        = string
  default     = null

  validation {
    condition     = var.witness_region == null || (var.consistency == "STRONG" && !contains(var.regions, coalesce(var.witness_region, "-")))
    error_message = "Only a table with STRONG consistency has a witness, and in none of its regions."
  }

  validation {
    condition     = var.consistency != "STRONG" || length(var.regions) + (var.witness_region == null ? 0 : 1) == 3
    error_message = "A table with STRONG consistency lives in three regions, or in two and a witness_region."
  }
}

variable "kms_key_arns" {
  description = "Customer managed key of each region's replica, by region: for a table that is made here, and for the right to use it. Left empty where AWS owns the key."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(var.kms_key_arns) == 0 || toset(keys(var.kms_key_arns)) == toset(var.regions)
    error_message = "A key for each of the regions, or none at all."
  }
}

variable "deletion_protection" {
  description = "With create_table: neither the table nor a replica can be deleted before this is false."
  type        = bool
  default     = true
}

variable "point_in_time_recovery" {
  description = "With create_table: continuous backups of every replica. A companion holds nothing worth one, but costs next to nothing either."
  type        = bool
  default     = true
}

# Who may.

variable "name" {
  description = "What the names of roles and policies begin with. Another one for each table of the account."
  type        = string
  default     = "tidegauge"
}

variable "gauge_service_accounts" {
  description = "Service accounts of the gauges, the same in all clusters."
  type        = list(object({ namespace = string, name = string }))
  default     = [{ namespace = "tidegauge", name = "tidegauge-gauge" }]
}

variable "observer_service_accounts" {
  description = "Service accounts of observers without a role yet. An application that has a role gets the observer's policy on that."
  type        = list(object({ namespace = string, name = string }))
  default     = []
}

variable "observer_audience" {
  description = "With irsa: the audience of the observers' tokens. One of their own keeps the application's role out of their reach, and has to be listed by the clusters' OIDC providers; the chart has it as identity.aws.audience."
  type        = string
  default     = "sts.amazonaws.com"
}

variable "irsa" {
  description = "Clusters whose service accounts take the roles by their own tokens, under any name: the ARN of the cluster's OIDC provider."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for arn in values(var.irsa) : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/.+$", arn))])
    error_message = "What is wanted is the ARN of an OIDC provider: arn:aws:iam::123456789012:oidc-provider/oidc.eks.…"
  }
}

variable "pod_identity" {
  description = "EKS clusters with the Pod Identity agent, under any name: each one's name in EKS, and its region."
  type        = map(object({ cluster = string, region = string }))
  default     = {}
}

variable "ec2" {
  description = "Roles for machines, too, with an instance profile each."
  type        = bool
  default     = false
}

variable "permissions_boundary" {
  description = "ARN of the boundary that your account wants on roles, where it wants one."
  type        = string
  default     = null
}

variable "ask_cloudwatch" {
  description = "Gauges may ask CloudWatch. Needless with provider.poll = false."
  type        = bool
  default     = true
}

variable "observers_find_regions" {
  description = "Observers may describe the table, which they need for regions = \"auto\"."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
}
