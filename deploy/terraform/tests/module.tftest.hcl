# `terraform test`: what would be made, without an AWS account. The provider is a mock: it checks types and names, and
# makes up what AWS would answer.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_availability_zones" {
    defaults = {
      names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    }
  }

  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "123456789012"
    }
  }

  mock_data "aws_partition" {
    defaults = {
      partition = "aws"
    }
  }

  mock_data "aws_region" {
    defaults = {
      name = "eu-central-1"
    }
  }

  mock_data "aws_ec2_instance_type" {
    defaults = {
      memory_size = 16384
    }
  }

  mock_data "aws_eks_addon_version" {
    defaults = {
      version = "v1.2.3-eksbuild.4"
    }
  }

  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:iam::123456789012:role/mock"
    }
  }

  mock_resource "aws_iam_openid_connect_provider" {
    defaults = {
      arn = "arn:aws:iam::123456789012:oidc-provider/oidc.example/id/MOCK"
    }
  }

  mock_resource "aws_eks_cluster" {
    defaults = {
      identity   = [{ oidc = [{ issuer = "https://oidc.example/id/MOCK" }] }]
      vpc_config = { cluster_security_group_id = "sg-nodes" }
    }
  }

  mock_resource "aws_s3_bucket" {
    defaults = {
      arn = "arn:aws:s3:::test-bucket"
      id  = "test-bucket"
    }
  }

  mock_resource "aws_kinesis_stream" {
    defaults = {
      arn  = "arn:aws:kinesis:eu-central-1:123456789012:stream/clickstream-events"
      name = "clickstream-events"
    }
  }

  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:eu-central-1:123456789012:mock"
    }
  }

  mock_resource "aws_redshiftserverless_workgroup" {
    defaults = {
      arn = "arn:aws:redshift-serverless:eu-central-1:123456789012:workgroup/mock"
    }
  }

  mock_resource "aws_ecr_repository" {
    defaults = {
      repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/clickstream-platform"
    }
  }

  mock_resource "aws_db_instance" {
    defaults = {
      address = "clickstream.example.eu-central-1.rds.amazonaws.com"
    }
  }

  mock_resource "aws_secretsmanager_secret" {
    defaults = {
      arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mock-AbCdEf"
    }
  }

  mock_resource "aws_launch_template" {
    defaults = {
      id             = "lt-12345678"
      latest_version = 1
    }
  }
}

variables {
  bucket_name = "test-bucket"
}

run "defaults" {
  command = plan

  assert {
    condition     = length(aws_subnet.private) == 3 && length(aws_nat_gateway.this) == 3
    error_message = "Three zones, and none of them needs another's NAT gateway."
  }

  assert {
    condition     = length(aws_sqs_queue.objects) == 0 && length(aws_redshiftserverless_workgroup.this) == 1
    error_message = "No queue, and Redshift Serverless."
  }

  assert {
    condition     = aws_eks_node_group.runs.scaling_config[0].min_size == 0 && aws_eks_node_group.runs.capacity_type == "SPOT"
    error_message = "No node for runs while there is nothing to do."
  }

  assert {
    condition     = aws_eks_node_group.runs.tags["k8s.io/cluster-autoscaler/node-template/resources/ephemeral-storage"] == "160Gi"
    error_message = "Of a group without nodes the autoscaler knows the disk by this tag only, and run pods ask for disk."
  }

  assert {
    condition     = length(aws_eks_node_group.services) == 3 && alltrue([for each in aws_eks_node_group.services : length(each.subnet_ids) == 1])
    error_message = "A group for each zone: a collector's volume needs a node in its own."
  }

  assert {
    condition = toset(concat([aws_eks_node_group.runs.version], aws_eks_node_group.services[*].version)) == toset([
      var.kubernetes_version
    ])
    error_message = "Nodes follow the cluster's version."
  }

  assert {
    condition = alltrue([
      for each in concat(values(aws_eks_addon.of_nodes), values(aws_eks_addon.of_pods)) :
      each.addon_version == "v1.2.3-eksbuild.4" && each.resolve_conflicts_on_create == "OVERWRITE"
    ])
    error_message = "Add-ons follow the cluster's version, and what EKS put there is no conflict."
  }

  assert {
    condition = (
      yamldecode(output.helm_values).settings.CLICKSTREAM_POD_MAX_MEMORY_MB == "13056"
      && yamldecode(output.helm_values).settings.CLICKSTREAM_POD_MAX_STORAGE_MB == "65536"
    )
    error_message = "No run pod is larger than what a node of its group has room for."
  }

  assert {
    condition     = !aws_db_instance.database.delete_automated_backups && length(aws_eks_access_entry.admin) == 0
    error_message = "Backups outlive the database; only who made the cluster may do everything."
  }

  assert {
    condition     = local.lifecycle_days["batcher/"] == 60 && local.lifecycle_days["batcher/clickstream-events/${local.shard_prefix}"] == 14
    error_message = "Notes end early, strays and those of another application with the raw objects."
  }

  assert {
    condition     = !strcontains(jsonencode(values(output.policies)), "s3:Delete")
    error_message = "Nobody deletes."
  }

  assert {
    condition     = output.redshift_users[0] == "IAMR:clickstream-runs" && length(output.redshift_users) == 5
    error_message = "Runs own the tables; code server, registry, exporter and operator read."
  }

  assert {
    condition     = local.shard_prefix == "clickstream_events.b6c5a0fc."
    error_message = "The batcher's notes are below this prefix (batcher/names.py, shard_name)."
  }

  assert {
    condition     = alltrue([for policy in values(output.policies) : can(jsondecode(policy))])
    error_message = "Every policy is JSON."
  }

  assert {
    condition     = yamldecode(output.helm_values).settings.CLICKSTREAM_RETENTION_DAYS == "60"
    error_message = "The lifecycle's days are the platform's."
  }

  assert {
    condition     = !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    error_message = "The cluster's API is not public unless somebody says from where."
  }
}

run "everything_on" {
  command = plan

  variables {
    notifications        = true
    housekeeping_deletes = true
    nat_gateway_per_zone = false
    interface_endpoints  = ["kinesis-streams", "secretsmanager"]
    cluster_public_cidrs = ["203.0.113.0/24"]
    replica_bucket_arn   = "arn:aws:s3:::test-bucket-copy"
    log_index_domain_arn = "arn:aws:es:eu-central-1:123456789012:domain/logs"
    deleting_principals  = ["arn:aws:iam::123456789012:role/erasure"]
    external_secrets     = { namespace = "external-secrets", service_account = "external-secrets" }
    redshift_serverless  = { daily_rpu_hours_log = 48 }
    kinesis              = { mode = "ON_DEMAND" }
    runs_nodes           = { disk_gb = 50 }
    cluster_admins       = ["arn:aws:iam::123456789012:role/on-call"]
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_vpc_endpoint.interface) == 2
    error_message = "One NAT gateway for all, two endpoints."
  }

  assert {
    condition     = aws_eks_access_policy_association.admin["arn:aws:iam::123456789012:role/on-call"].access_scope[0].type == "cluster"
    error_message = "Who is on call may do everything in the cluster."
  }

  assert {
    condition     = yamldecode(output.helm_values).settings.CLICKSTREAM_POD_MAX_STORAGE_MB == "40960"
    error_message = "A smaller disk has room for smaller pods."
  }

  assert {
    condition     = length(aws_s3_bucket_notification.objects) == 1 && aws_sqs_queue.dead_letters[0].message_retention_seconds == 1209600
    error_message = "S3 tells the queue; what is not taken is kept for two weeks."
  }

  assert {
    condition     = length([for key in keys(output.policies) : key if endswith(key, "/log_index")]) == 7
    error_message = "Every role sends logs."
  }

  assert {
    condition = sort([
      for key, policy in output.policies : key if strcontains(policy, "s3:Delete")
    ]) == tolist(["batcher/batcher_housekeeping", "runs/runs_housekeeping"])
    error_message = "Two roles delete, their own notes and probes."
  }

  assert {
    condition     = aws_kinesis_stream.events.shard_count == null
    error_message = "On demand Kinesis counts the shards itself."
  }
}

run "with_what_is_there" {
  command = plan

  variables {
    vpc              = { id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-2", "subnet-3"] }
    redshift_cluster = { identifier = "analytics", security_group_id = "sg-redshift" }
    kms_key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = length(aws_vpc.this) == 0 && length(aws_redshiftserverless_namespace.this) == 0
    error_message = "Neither is made."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.redshift[0].security_group_id == "sg-redshift"
    error_message = "The cluster's group lets the nodes in."
  }

  assert {
    condition     = strcontains(output.policies["runs/warehouse_provisioned"], "dbname:analytics/events")
    error_message = "Runs log in to this database of this cluster."
  }

  assert {
    condition     = output.redshift_workgroup == null && strcontains(output.destination_settings, "cluster=analytics")
    error_message = "The destination is the cluster."
  }
}

run "refuses_a_retention_that_is_shorter_than_kinesis" {
  command = plan

  variables {
    batcher_notes_days = 7
  }

  expect_failures = [var.batcher_notes_days]
}

run "refuses_two_zones_for_redshift" {
  command = plan

  variables {
    vpc = { id = "vpc-1", private_subnet_ids = ["subnet-1", "subnet-2"] }
  }

  expect_failures = [var.vpc]
}

run "refuses_a_role_that_does_not_exist" {
  command = plan

  variables {
    service_accounts = { webserver = "dagster" }
  }

  expect_failures = [var.service_accounts]
}

run "refuses_objects_that_end_before_kinesis_forgets" {
  command = plan

  variables {
    retention_days     = 10
    batcher_notes_days = 20
    kinesis            = { retention_hours = 240 }
  }

  expect_failures = [var.retention_days]
}

run "refuses_addresses_that_no_vpc_may_have" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0/8"
  }

  expect_failures = [var.vpc_cidr]
}
