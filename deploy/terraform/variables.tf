# What can be chosen. Nothing but the bucket's name has to be.

variable "name" {
  description = "Name of the installation: a prefix of everything that is made, secrets and roles among it."
  type        = string
  default     = "clickstream"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "Use 2 to 24 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}

# Network

variable "vpc" {
  description = "A VPC that is there, with private subnets in three zones that reach the internet; null: one is made."
  type = object({
    id                 = string
    private_subnet_ids = list(string)
  })
  default = null

  validation {
    condition     = var.vpc == null ? true : length(var.vpc.private_subnet_ids) >= 3
    error_message = "Redshift Serverless needs subnets in three availability zones."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC that is made, a /16 to /18."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && can(regex("/1[678]$", var.vpc_cidr))
    error_message = "Give a CIDR block of /16 to /18, such as 10.40.0.0/16."
  }
}

variable "nat_gateway_per_zone" {
  description = "Whether each zone has a NAT gateway of its own; false: one for all, and all are cut off when its zone is lost."
  type        = bool
  default     = true
}

variable "interface_endpoints" {
  description = "AWS services that are reached inside the VPC that is made, such as kinesis-streams; S3 always is."
  type        = set(string)
  default     = []
}

# Kubernetes

variable "kubernetes_version" {
  description = "Version of the EKS cluster, of those in standard support."
  type        = string
  default     = "1.34"
}

variable "cluster_public_cidrs" {
  description = "Networks that may reach the cluster's API from the internet; empty: only the VPC may."
  type        = list(string)
  default     = []
}

variable "cluster_admins" {
  description = "ARNs of roles or users of people who may do everything in the cluster, but not of who made it: that one may."
  type        = set(string)
  default     = []
}

variable "cluster_log_types" {
  description = "Logs of the control plane that CloudWatch keeps."
  type        = list(string)
  default     = ["api", "audit", "authenticator"]
}

variable "services_nodes" {
  description = "Nodes of what is always on: instance types, on demand, and how many of them in each zone."
  type = object({
    instance_types = optional(list(string), ["m6i.large"])
    min            = optional(number, 1)
    max            = optional(number, 3)
    disk_gb        = optional(number, 50)
  })
  default = {}
}

variable "runs_nodes" {
  description = "Nodes of run pods: instance types of like size, spot unless said otherwise, none while nothing is to be done."
  type = object({
    instance_types = optional(list(string), ["m6i.xlarge", "m6a.xlarge", "m5.xlarge", "m5a.xlarge", "r6i.xlarge"])
    capacity_type  = optional(string, "SPOT")
    max            = optional(number, 20)
    disk_gb        = optional(number, 200)
  })
  default = {}

  validation {
    condition     = contains(["SPOT", "ON_DEMAND"], var.runs_nodes.capacity_type)
    error_message = "capacity_type is SPOT or ON_DEMAND."
  }
}

variable "namespace" {
  description = "Kubernetes namespace of the release; roles can be assumed by its service accounts only."
  type        = string
  default     = "clickstream"
}

variable "service_accounts" {
  description = "Names of the service accounts that differ from the chart's, by role, such as {runs = \"my-runs\"}."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setsubtract(keys(var.service_accounts), [
      "collector", "batcher", "runs", "code_server", "registry", "exporter", "operator",
    ])) == 0
    error_message = "The roles are collector, batcher, runs, code_server, registry, exporter, operator."
  }
}

# Objects

variable "bucket_name" {
  description = "Name of the bucket that is made; bucket names are unique in the world."
  type        = string
}

variable "retention_days" {
  description = "Days that raw objects are kept; becomes CLICKSTREAM_RETENTION_DAYS, too."
  type        = number
  default     = 60

  validation {
    condition = (
      var.retention_days >= 8
      && floor(var.retention_days) == var.retention_days
      && var.retention_days * 24 > var.kinesis.retention_hours
    )
    error_message = "Whole days, 8 at least, and more than the Kinesis stream keeps (kinesis.retention_hours)."
  }
}

variable "staged_days" {
  description = "Days that staged batches are kept; they are made again from raw objects."
  type        = number
  default     = 7

  validation {
    condition     = var.staged_days >= 2
    error_message = "A run that waits, and its retries, need what it staged: 2 days at least."
  }
}

variable "batcher_notes_days" {
  description = "Days that the batcher's notes beside its batches are kept, longer than the Kinesis stream's retention."
  type        = number
  default     = 14

  validation {
    condition     = var.batcher_notes_days * 24 >= var.kinesis.retention_hours + 72
    error_message = "Keep notes three days longer than the Kinesis stream keeps records."
  }
}

variable "noncurrent_days" {
  description = "Days that a replaced or deleted version of an object can be brought back."
  type        = number
  default     = 14
}

variable "kms_key_arn" {
  description = "KMS key of the bucket; null: S3's own key. With a key, etags of objects written twice differ."
  type        = string
  default     = null
}

variable "deleting_principals" {
  description = "ARNs (`*` and `?` stand for any) that the bucket's policy lets delete raw objects; their own policy must, too."
  type        = list(string)
  default     = []
}

variable "housekeeping_deletes" {
  description = "Whether the batcher may delete its notes and the doctor its probes; false: lifecycle rules do, and nobody may."
  type        = bool
  default     = false
}

variable "replica_bucket_arn" {
  description = "Versioned bucket, best in another region, that raw objects, seals and manifests are copied to; null: none."
  type        = string
  default     = null
}

variable "notifications" {
  description = "Whether S3 tells an SQS queue of new raw objects and seals. For readers of your own: the sensors list."
  type        = bool
  default     = false
}

# Kinesis

variable "kinesis" {
  description = "The Kinesis stream between collector and batcher; shards count for mode PROVISIONED only."
  type = object({
    mode            = optional(string, "PROVISIONED")
    shards          = optional(number, 2)
    retention_hours = optional(number, 168)
  })
  default = {}

  validation {
    condition     = contains(["PROVISIONED", "ON_DEMAND"], var.kinesis.mode)
    error_message = "mode is PROVISIONED or ON_DEMAND."
  }

  validation {
    condition     = var.kinesis.retention_hours >= 24 && var.kinesis.retention_hours <= 8760
    error_message = "Kinesis keeps records for 24 to 8760 hours."
  }
}

# Databases

variable "database" {
  description = "PostgreSQL of Dagster, registry, leases and alerts."
  type = object({
    instance_class      = optional(string, "db.t4g.medium")
    engine_version      = optional(string, "16")
    storage_gb          = optional(number, 50)
    max_storage_gb      = optional(number, 500)
    multi_az            = optional(bool, true)
    backup_days         = optional(number, 14)
    deletion_protection = optional(bool, true)
  })
  default = {}

  validation {
    condition     = var.database.backup_days >= 1
    error_message = "Without backups a lost database takes customers' policies and tombstones with it."
  }
}

variable "redshift_cluster" {
  description = "A provisioned cluster that is there: identifier, and the security group that lets in; null: Serverless is made."
  type = object({
    identifier        = string
    security_group_id = optional(string)
  })
  default = null
}

variable "redshift_database" {
  description = "Database that customers' schemas are in."
  type        = string
  default     = "events"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,63}$", var.redshift_database))
    error_message = "Use lower-case letters, digits and underscores, a letter first."
  }
}

variable "redshift_serverless" {
  description = "Redshift Serverless: capacity in RPU, and RPU-hours a day from which it is logged."
  type = object({
    base_capacity       = optional(number, 8)
    max_capacity        = optional(number, 64)
    daily_rpu_hours_log = optional(number)
  })
  default = {}
}

# Optional parts

variable "log_index_domain_arn" {
  description = "Amazon OpenSearch domain that logs are sent to with signed requests; null: none."
  type        = string
  default     = null
}

variable "external_secrets" {
  description = "Namespace and service account of the External Secrets operator, which gets a role; null: none."
  type = object({
    namespace       = string
    service_account = string
  })
  default = null
}
