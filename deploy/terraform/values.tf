# What the Helm chart must know of what was made here.

locals {
  helm_values = templatefile("${path.module}/values.yaml.tftpl", {
    repository           = aws_ecr_repository.platform.repository_url
    bucket               = aws_s3_bucket.objects.id
    region               = local.region
    kinesis_stream       = aws_kinesis_stream.events.name
    shards               = var.kinesis.shards
    retention_days       = var.retention_days
    database_host        = aws_db_instance.database.address
    pool_label           = local.pool_label
    pod_max_memory_mb    = local.pod_max_memory_mb
    pod_max_storage_mb   = local.pod_max_storage_mb
    service_accounts     = local.service_accounts
    role_arns            = { for role, made in aws_iam_role.service : role => made.arn }
    secret_arns          = { for key, made in aws_secretsmanager_secret.this : key => made.arn }
    secret_names         = { for key, made in aws_secretsmanager_secret.this : key => made.name }
    has_external_secrets = var.external_secrets != null
  })
}
