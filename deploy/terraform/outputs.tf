# What the steps after `terraform apply` need (docs/deploy.md).

output "helm_values" {
  description = "Values for the chart deploy/helm/clickstream-platform, as YAML: terraform output -raw helm_values."
  value       = local.helm_values
}

output "cluster_name" {
  description = "Name of the EKS cluster, for aws eks update-kubeconfig."
  value       = aws_eks_cluster.this.name
}

output "region" {
  description = "Region of everything that was made."
  value       = local.region
}

output "vpc_id" {
  description = "The VPC, made or given."
  value       = local.vpc_id
}

output "oidc_provider_arn" {
  description = "OpenID provider of the cluster, for roles of other service accounts."
  value       = aws_iam_openid_connect_provider.cluster.arn
}

output "role_arns" {
  description = "Role of each kind of pod."
  value       = { for role, made in aws_iam_role.service : role => made.arn }
}

output "addon_role_arns" {
  description = "Role of each add-on of the cluster, the cluster autoscaler's among them."
  value       = { for name, made in aws_iam_role.addon : name => made.arn }
}

output "policies" {
  description = "What each role may do, as JSON: for those who review it."
  value       = { for name, made in aws_iam_role_policy.service : name => made.policy }
}

output "image_repository" {
  description = "ECR repository that the platform's image is pushed to."
  value       = aws_ecr_repository.platform.repository_url
}

output "bucket" {
  description = "The bucket of all objects."
  value       = aws_s3_bucket.objects.id
}

output "kinesis_stream" {
  description = "Name of the Kinesis stream."
  value       = aws_kinesis_stream.events.name
}

output "notifications_queue_url" {
  description = "Queue that S3 tells of new objects; null where notifications are off."
  value       = one(aws_sqs_queue.objects[*].url)
}

output "database_address" {
  description = "Host of PostgreSQL."
  value       = aws_db_instance.database.address
}

output "database_security_group_id" {
  description = "Security group of PostgreSQL, for one that is restored."
  value       = aws_security_group.database.id
}

output "database_parameter_group" {
  description = "Parameter group of PostgreSQL, for one that is restored."
  value       = aws_db_parameter_group.database.name
}

output "database_master_secret_arn" {
  description = "Secret with the database's master password, which RDS rotates: for people, never for services."
  value       = one(aws_db_instance.database.master_user_secret[*].secret_arn)
}

output "redshift_workgroup" {
  description = "Workgroup of Redshift Serverless; null where a cluster was given."
  value       = one(aws_redshiftserverless_workgroup.this[*].workgroup_name)
}

output "redshift_admin_secret_arn" {
  description = "Secret with Redshift's admin password; null where a cluster was given."
  value       = one(aws_redshiftserverless_namespace.this[*].admin_password_secret_arn)
}

output "redshift_users" {
  description = "Database users of the roles that log in to Redshift: the first one owns the tables, the others read."
  value = concat(["IAMR:${aws_iam_role.service["runs"].name}"], sort([
    for role, policies in local.roles : "IAMR:${aws_iam_role.service[role].name}"
    if role != "runs" && contains(policies, local.warehouse_policy)
  ]))
}

output "copy_role_arn" {
  description = "Role that COPY names; attach it to a cluster that was given."
  value       = aws_iam_role.copy.arn
}

output "destination_settings" {
  description = "Options of `clickstream registry destinations add` for this Redshift."
  value = join(" ", [
    local.makes_redshift ? "--setting workgroup=${var.name}" : "--setting cluster=${var.redshift_cluster.identifier}",
    "--setting region=${local.region}",
    "--setting database=${var.redshift_database}",
    "--setting iam_role=${aws_iam_role.copy.arn}",
  ])
}

output "secret_names" {
  description = "Secrets that are to be filled, with what goes into each."
  value       = { for key, made in aws_secretsmanager_secret.this : made.name => local.secrets[key] }
}
