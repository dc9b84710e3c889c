# The bucket: everything docs/object-layout.md names, one lifecycle rule for each prefix that ends.

locals {
  # Days by prefix. registry/ is one object that is replaced; it stays.
  lifecycle_days = {
    "raw/"        = var.retention_days
    "seals/"      = var.retention_days
    "manifests/"  = var.retention_days
    "quarantine/" = var.retention_days
    "discarded/"  = var.retention_days
    "staged/"     = var.staged_days

    # Records without events, and what a batcher of another name wrote; notes of the usual one end earlier.
    "batcher/"                                            = max(var.retention_days, var.batcher_notes_days)
    "batcher/${local.kinesis_name}/${local.shard_prefix}" = var.batcher_notes_days
  }
}

resource "aws_s3_bucket" "objects" {
  bucket = var.bucket_name
  tags   = local.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "objects" {
  bucket = aws_s3_bucket.objects.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "objects" {
  bucket = aws_s3_bucket.objects.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "objects" {
  bucket = aws_s3_bucket.objects.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "objects" {
  bucket = aws_s3_bucket.objects.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_policy" "objects" {
  bucket = aws_s3_bucket.objects.id

  policy = templatefile("${path.module}/policies/bucket.json.tftpl", {
    bucket_arn = aws_s3_bucket.objects.arn
    # No principal's ARN is "nobody": without any of these the denial holds for all.
    deleting_principals = jsonencode(length(var.deleting_principals) > 0 ? var.deleting_principals : ["nobody"])
  })

  depends_on = [aws_s3_bucket_public_access_block.objects]
}

resource "aws_s3_bucket_lifecycle_configuration" "objects" {
  bucket = aws_s3_bucket.objects.id

  dynamic "rule" {
    for_each = local.lifecycle_days

    content {
      id     = "expire ${rule.key}"
      status = "Enabled"

      filter {
        prefix = rule.key
      }

      expiration {
        days = rule.value
      }
    }
  }

  rule {
    id     = "old versions and broken uploads"
    status = "Enabled"

    filter {}

    expiration {
      expired_object_delete_marker = true
    }

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  depends_on = [aws_s3_bucket_versioning.objects]
}

# A copy elsewhere, for the day that the bucket or its region is lost.

resource "aws_iam_role" "replication" {
  count = var.replica_bucket_arn == null ? 0 : 1

  name = "${var.name}-replication"
  tags = local.tags

  assume_role_policy = local.trust_of_service["s3"]
}

resource "aws_iam_role_policy" "replication" {
  count = var.replica_bucket_arn == null ? 0 : 1

  name = "replication"
  role = aws_iam_role.replication[0].id

  policy = templatefile("${path.module}/policies/replication.json.tftpl", {
    bucket_arn  = aws_s3_bucket.objects.arn
    replica_arn = var.replica_bucket_arn
  })
}

resource "aws_s3_bucket_replication_configuration" "objects" {
  count = var.replica_bucket_arn == null ? 0 : 1

  bucket = aws_s3_bucket.objects.id
  role   = aws_iam_role.replication[0].arn

  dynamic "rule" {
    for_each = { "raw/" = 1, "seals/" = 2, "manifests/" = 3 }

    content {
      id       = "copy ${rule.key}"
      priority = rule.value
      status   = "Enabled"

      filter {
        prefix = rule.key
      }

      # What is deleted here, by whomever, stays there.
      delete_marker_replication {
        status = "Disabled"
      }

      destination {
        bucket        = var.replica_bucket_arn
        storage_class = "STANDARD_IA"
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.objects]

  lifecycle {
    precondition {
      condition     = var.kms_key_arn == null
      error_message = "Objects under a KMS key need a replication of their own making: leave out one of the two."
    }
  }
}
