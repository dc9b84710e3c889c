# Two groups of nodes: on demand for what is always on, spot for run pods, of which there are none between hours.

locals {
  pool_label = "clickstream.io/pool"

  node_policies = toset([
    "AmazonEKSWorkerNodePolicy",
    "AmazonEC2ContainerRegistryPullOnly",
  ])

  node_disks = {
    services = var.services_nodes.disk_gb
    runs     = var.runs_nodes.disk_gb
  }
}

resource "aws_iam_role" "nodes" {
  name = "${var.name}-nodes"
  tags = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "nodes" {
  for_each = local.node_policies

  role       = aws_iam_role.nodes.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.key}"
}

resource "aws_launch_template" "nodes" {
  for_each = local.node_disks

  name_prefix = "${var.name}-${each.key}-"
  tags        = local.tags

  # One hop: a pod that asks for the node's role gets no answer.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = each.value
      encrypted             = true
      delete_on_termination = true
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = merge(local.tags, { Name = "${var.name}-${each.key}" })
  }

  tag_specifications {
    resource_type = "volume"
    tags          = local.tags
  }
}

resource "aws_eks_node_group" "services" {
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "services"
  node_role_arn   = aws_iam_role.nodes.arn
  subnet_ids      = local.private_subnet_ids
  capacity_type   = "ON_DEMAND"
  ami_type        = "AL2023_x86_64_STANDARD"
  instance_types  = var.services_nodes.instance_types
  labels          = { (local.pool_label) = "services" }
  tags            = local.tags

  scaling_config {
    min_size     = var.services_nodes.min
    max_size     = var.services_nodes.max
    desired_size = var.services_nodes.min
  }

  update_config {
    max_unavailable = 1
  }

  launch_template {
    id      = aws_launch_template.nodes["services"].id
    version = aws_launch_template.nodes["services"].latest_version
  }

  lifecycle {
    ignore_changes = [scaling_config[0].desired_size] # the autoscaler's
  }

  depends_on = [aws_iam_role_policy_attachment.nodes, aws_eks_addon.vpc_cni, aws_eks_addon.kube_proxy]
}

resource "aws_eks_node_group" "runs" {
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "runs"
  node_role_arn   = aws_iam_role.nodes.arn
  subnet_ids      = local.private_subnet_ids
  capacity_type   = var.runs_nodes.capacity_type
  ami_type        = "AL2023_x86_64_STANDARD"
  instance_types  = var.runs_nodes.instance_types
  labels          = { (local.pool_label) = "runs" }
  tags            = local.tags

  taint {
    key    = local.pool_label
    value  = "runs"
    effect = "NO_SCHEDULE"
  }

  scaling_config {
    min_size     = 0
    max_size     = var.runs_nodes.max
    desired_size = 0
  }

  update_config {
    max_unavailable_percentage = 50
  }

  launch_template {
    id      = aws_launch_template.nodes["runs"].id
    version = aws_launch_template.nodes["runs"].latest_version
  }

  lifecycle {
    ignore_changes = [scaling_config[0].desired_size] # the autoscaler's
  }

  depends_on = [aws_iam_role_policy_attachment.nodes, aws_eks_addon.vpc_cni, aws_eks_addon.kube_proxy]
}
