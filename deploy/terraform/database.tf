# PostgreSQL of Dagster, registry, leases and alerts. Its master password is made, kept and rotated by RDS; services log in
# as users of their own (docs/deploy.md).

resource "aws_db_subnet_group" "database" {
  name       = var.name
  subnet_ids = local.private_subnet_ids
  tags       = local.tags
}

resource "aws_security_group" "database" {
  name_prefix = "${var.name}-database-"
  description = "PostgreSQL from the nodes of the cluster"
  vpc_id      = local.vpc_id
  tags        = local.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  referenced_security_group_id = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  description                  = "Nodes of the cluster"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_parameter_group" "database" {
  name_prefix = "${var.name}-"
  family      = "postgres${split(".", var.database.engine_version)[0]}"
  tags        = local.tags

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  # A process that vanished must not hold its locks for longer than its successor waits.
  parameter {
    name  = "idle_in_transaction_session_timeout"
    value = "600000"
  }

  lifecycle {
    create_before_destroy = true
  }
}

# Made here, so that RDS does not make some that are kept for ever.
resource "aws_cloudwatch_log_group" "database" {
  for_each = toset(["postgresql", "upgrade"])

  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = 30
  tags              = local.tags
}

resource "aws_db_instance" "database" {
  identifier                  = var.name
  engine                      = "postgres"
  engine_version              = var.database.engine_version
  instance_class              = var.database.instance_class
  storage_type                = "gp3"
  allocated_storage           = var.database.storage_gb
  max_allocated_storage       = var.database.max_storage_gb
  storage_encrypted           = true
  multi_az                    = var.database.multi_az
  username                    = "postgres"
  manage_master_user_password = true
  db_subnet_group_name        = aws_db_subnet_group.database.name
  vpc_security_group_ids      = [aws_security_group.database.id]
  parameter_group_name        = aws_db_parameter_group.database.name
  publicly_accessible         = false
  backup_retention_period     = var.database.backup_days
  delete_automated_backups    = false # they are kept as long as if it were there
  backup_window               = "02:10-02:40"
  maintenance_window          = "sun:03:00-sun:03:30"
  copy_tags_to_snapshot       = true
  deletion_protection         = var.database.deletion_protection
  skip_final_snapshot         = false
  final_snapshot_identifier   = "${var.name}-final"

  performance_insights_enabled    = true
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]

  tags = local.tags

  depends_on = [aws_cloudwatch_log_group.database]
}
