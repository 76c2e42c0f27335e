# The account, the database and the container that holds the heartbeats.

variable "resource_group_name" {
  description = "The resource group of the account, where identities are made, too. It must be there."
  type        = string
}

variable "account" {
  description = "Name of the account. All of its regions must take writes."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]{3,44}$", var.account))
    error_message = "An account's name has 3 to 44 lower-case letters, digits and dashes."
  }
}

variable "database" {
  description = "The database that the container is in."
  type        = string
}

variable "container" {
  description = "The container that holds the heartbeats: the application's (placement inline), or a companion."
  type        = string
}

variable "create_account" {
  description = "Make the account. Left at false, who has one gets permissions and what else is asked for."
  type        = bool
  default     = false
}

variable "create_database" {
  description = "Make the database."
  type        = bool
  default     = false
}

variable "create_container" {
  description = "Make the container: a companion, or one for an application."
  type        = bool
  default     = false
}

variable "regions" {
  description = "With create_account: its regions, as Azure writes them (East US). The first is where the account is made, and cannot change: it would be another account. They fail over in this order where anything does; add and remove them at the end, as each one's place is its priority."
  type        = list(string)
  default     = []

  validation {
    condition     = !var.create_account || length(distinct(var.regions)) >= 2
    error_message = "An account whose replication is to be measured has two regions at least: name them, each once."
  }
}

variable "zone_redundant" {
  description = "With create_account: spread over zones in each region. Not every region has some."
  type        = bool
  default     = false
}

variable "consistency" {
  description = "With create_account: what reads are when they ask for nothing else."
  type        = string
  default     = "Session"

  # Strong cannot be had where several regions take writes, and Bounded Staleness throttles writers there.
  validation {
    condition     = contains(["Session", "ConsistentPrefix", "Eventual"], var.consistency)
    error_message = "consistency is Session, ConsistentPrefix or Eventual."
  }
}

variable "public_network_access" {
  description = "With create_account: whether it can be reached without a private endpoint, which is yours to make."
  type        = bool
  default     = false
}

variable "ip_range_filter" {
  description = "With create_account and public_network_access: the addresses and ranges that get in. Empty for all of them."
  type        = set(string)
  default     = []
}

variable "key_vault_key_id" {
  description = "With create_account: a key of yours to encrypt with, by its versionless id; null for one of Microsoft's."
  type        = string
  default     = null
}

variable "partition_key_path" {
  description = "With create_container: what it is partitioned by. Not /ttl, and nothing that begins with /_ or /tg_."
  type        = string
  default     = "/pk"

  validation {
    condition     = can(regex("^/[^_]", var.partition_key_path)) && !can(regex("^/(ttl$|tg_)", var.partition_key_path))
    error_message = "Heartbeats cannot be partitioned by /ttl, nor by what begins with /_ or /tg_."
  }
}

variable "autoscale_max_throughput" {
  description = "With create_container: request units a second in each region at most; a tenth is paid for at least. `tidegauge cost` says how many the heartbeats take."
  type        = number
  default     = 1000

  validation {
    condition     = var.autoscale_max_throughput >= 1000 && var.autoscale_max_throughput % 1000 == 0
    error_message = "The maximum is a multiple of 1000."
  }
}

variable "default_ttl" {
  description = "With create_container: -1 lets items expire that say so, null none, and a number of seconds all. Heartbeats never say so, and are overwritten in place."
  type        = number
  default     = -1

  validation {
    condition     = var.default_ttl == null || coalesce(var.default_ttl, -1) == -1
    error_message = "With a time for all items the heartbeats of a silent writer would expire, and with them what is known of it: -1 or null."
  }
}

variable "conflict_resolution_path" {
  description = "With create_container: the number in each item whose highest value wins where two regions wrote it, such as /version; null for the time of the write. Fixed once the container is made."
  type        = string
  default     = null
}

variable "index_only_keys" {
  description = "With create_container: index nothing but the partition key, which makes heartbeats cheaper. For a companion; an application has queries of its own."
  type        = bool
  default     = true
}

# Who may.

variable "name" {
  description = "What the names of identities begin with. Another one for each container of a resource group."
  type        = string
  default     = "tidegauge"
}

variable "aks_clusters" {
  description = "Clusters with workload identities, by name: the URL of each one's issuer. 20 for each service account at most."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for url in values(var.aks_clusters) : startswith(url, "https://")])
    error_message = "What is wanted is the URL of an issuer: az aks show --query oidcIssuerProfile.issuerUrl"
  }
}

variable "gauge_service_accounts" {
  description = "Service accounts of the gauges, the same in all clusters."
  type        = list(object({ namespace = string, name = string }))
  default     = [{ namespace = "tidegauge", name = "tidegauge-gauge" }]
}

variable "observer_service_accounts" {
  description = "Service accounts of observers without an identity yet. An application that has one is named in observer_principal_ids."
  type        = list(object({ namespace = string, name = string }))
  default     = []
}

variable "observer_principal_ids" {
  description = "Identities that are there already and observe, under any name: the object id of each."
  type        = map(string)
  default     = {}
}

variable "account_role" {
  description = "By what gauges read the account and its metrics: narrow (a role of its own, without keys), monitoring-reader, or none."
  type        = string
  default     = "narrow"

  validation {
    condition     = contains(["narrow", "monitoring-reader", "none"], var.account_role)
    error_message = "account_role is narrow, monitoring-reader or none."
  }
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
}
