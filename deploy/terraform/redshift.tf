# Redshift: Serverless where no cluster is given, and in both cases the role that COPY reads staged objects as.

resource "aws_iam_role" "copy" {
  name = "${var.name}-copy"
  tags = local.tags

  assume_role_policy = local.trust_of_service["redshift"]
}

resource "aws_iam_role_policy" "copy" {
  name   = "copy"
  role   = aws_iam_role.copy.id
  policy = templatefile("${path.module}/policies/copy.json.tftpl", local.policy_values)
}

resource "aws_iam_role_policy" "copy_kms" {
  count = var.kms_key_arn == null ? 0 : 1

  name   = "kms"
  role   = aws_iam_role.copy.id
  policy = templatefile("${path.module}/policies/kms_read.json.tftpl", local.policy_values)
}

resource "aws_security_group" "redshift" {
  count = local.makes_redshift ? 1 : 0

  name_prefix = "${var.name}-redshift-"
  description = "Redshift from the nodes of the cluster"
  vpc_id      = local.vpc_id
  tags        = local.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "redshift" {
  count = local.makes_redshift || try(var.redshift_cluster.security_group_id, null) != null ? 1 : 0

  security_group_id = (
    local.makes_redshift ? aws_security_group.redshift[0].id : var.redshift_cluster.security_group_id
  )
  referenced_security_group_id = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  description                  = "Nodes of the cluster"
  ip_protocol                  = "tcp"
  from_port                    = 5439
  to_port                      = 5439
}

resource "aws_redshiftserverless_namespace" "this" {
  count = local.makes_redshift ? 1 : 0

  namespace_name        = var.name
  db_name               = var.redshift_database
  admin_username        = "clickstream_admin"
  manage_admin_password = true
  iam_roles             = [aws_iam_role.copy.arn]
  log_exports           = ["connectionlog", "userlog"]
  tags                  = local.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_redshiftserverless_workgroup" "this" {
  count = local.makes_redshift ? 1 : 0

  namespace_name      = aws_redshiftserverless_namespace.this[0].namespace_name
  workgroup_name      = var.name
  base_capacity       = var.redshift_serverless.base_capacity
  max_capacity        = var.redshift_serverless.max_capacity
  subnet_ids          = local.private_subnet_ids
  security_group_ids  = aws_security_group.redshift[*].id
  publicly_accessible = false
  tags                = local.tags
}

# Logged only: a limit that stops queries stops loads, too.
resource "aws_redshiftserverless_usage_limit" "daily" {
  count = local.makes_redshift && var.redshift_serverless.daily_rpu_hours_log != null ? 1 : 0

  resource_arn  = aws_redshiftserverless_workgroup.this[0].arn
  usage_type    = "serverless-compute"
  period        = "daily"
  amount        = var.redshift_serverless.daily_rpu_hours_log
  breach_action = "log"
}
