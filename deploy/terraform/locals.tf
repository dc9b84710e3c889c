# Names and places that several files share.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_availability_zones" "available" {
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  zones     = slice(data.aws_availability_zones.available.names, 0, 3)
  tags      = merge(var.tags, { "clickstream:installation" = var.name })

  makes_vpc          = var.vpc == null
  vpc_id             = local.makes_vpc ? aws_vpc.this[0].id : var.vpc.id
  private_subnet_ids = local.makes_vpc ? aws_subnet.private[*].id : var.vpc.private_subnet_ids

  makes_redshift = var.redshift_cluster == null

  # The batcher's <shard> in keys: batcher/names.py, shard_name().
  kinesis_name = "${var.name}-events"
  kinesis_slug = replace(local.kinesis_name, "/[^A-Za-z0-9_]/", "_")
  shard_prefix = "${local.kinesis_slug}.${substr(sha256(local.kinesis_name), 0, 8)}."

  # Who may assume a role that a service of AWS uses.
  service_principals = {
    ec2      = ["ec2.amazonaws.com"]
    eks      = ["eks.amazonaws.com"]
    redshift = ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"]
    s3       = ["s3.amazonaws.com"]
  }
  trust_of_service = {
    for name, principals in local.service_principals : name => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Action    = "sts:AssumeRole"
        Principal = { Service = principals }
      }]
    })
  }
}
