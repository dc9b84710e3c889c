# Everything from an empty account: VPC, cluster, bucket, Kinesis stream, databases, roles, and S3's notifications.

provider "aws" {
  region = var.region
}

module "clickstream" {
  source = "../.."

  name                 = var.name
  bucket_name          = var.bucket_name
  cluster_public_cidrs = var.cluster_public_cidrs
  retention_days       = 60
  notifications        = true
  tags                 = { team = "data" }

  kinesis = {
    mode   = "PROVISIONED"
    shards = 2
  }

  redshift_serverless = {
    base_capacity       = 8
    max_capacity        = 64
    daily_rpu_hours_log = 48
  }
}
