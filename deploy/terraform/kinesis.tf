# The Kinesis stream between collector and batcher. What it has not handed on when its retention ends is lost.

resource "aws_kinesis_stream" "events" {
  name             = local.kinesis_name
  retention_period = var.kinesis.retention_hours
  shard_count      = var.kinesis.mode == "PROVISIONED" ? var.kinesis.shards : null
  encryption_type  = "KMS"
  kms_key_id       = "alias/aws/kinesis"
  tags             = local.tags

  stream_mode_details {
    stream_mode = var.kinesis.mode
  }

  lifecycle {
    prevent_destroy = true
  }
}
