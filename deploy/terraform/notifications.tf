# S3 tells a queue of new raw objects and seals, for readers of your own. The platform's sensors list, and need none.

resource "aws_sqs_queue" "dead_letters" {
  count = var.notifications ? 1 : 0

  name                      = "${var.name}-objects-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

resource "aws_sqs_queue" "objects" {
  count = var.notifications ? 1 : 0

  name                       = "${var.name}-objects"
  message_retention_seconds  = 345600
  visibility_timeout_seconds = 300
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  tags                       = local.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters[0].arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  count = var.notifications ? 1 : 0

  queue_url = aws_sqs_queue.dead_letters[0].id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.objects[0].arn]
  })
}

resource "aws_sqs_queue_policy" "objects" {
  count = var.notifications ? 1 : 0

  queue_url = aws_sqs_queue.objects[0].id

  policy = templatefile("${path.module}/policies/queue.json.tftpl", {
    queue_arn  = aws_sqs_queue.objects[0].arn
    bucket_arn = aws_s3_bucket.objects.arn
    account    = local.account
  })
}

resource "aws_s3_bucket_notification" "objects" {
  count = var.notifications ? 1 : 0

  bucket = aws_s3_bucket.objects.id

  queue {
    id            = "raw"
    queue_arn     = aws_sqs_queue.objects[0].arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = "raw/"
  }

  queue {
    id            = "seals"
    queue_arn     = aws_sqs_queue.objects[0].arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = "seals/"
  }

  depends_on = [aws_sqs_queue_policy.objects]
}
