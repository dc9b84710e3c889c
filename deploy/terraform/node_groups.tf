# Nodes: on demand for what is always on, a group for each zone, and one of spot nodes for run pods, which is empty between
# hours.

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

  # A fifth of a node's memory and disk is left to the system. A pod that asks for more than a node has is never started.
  pod_disk_gb = { for group, disk_gb in local.node_disks : group => floor(disk_gb * 0.8) }
  pod_max_memory_mb = floor(
    min([for each in data.aws_ec2_instance_type.runs : each.memory_size]...) * 0.8 / 128
  ) * 128
  pod_max_storage_mb = min(65536, local.pod_disk_gb.runs * 1024) # the platform's default, or what there is

  # Without nodes the autoscaler takes a group's disk for none, and never makes the first node for a pod that asks for disk.
  node_tags = {
    for group, disk_gb in local.pod_disk_gb : group => merge(local.tags, {
      "k8s.io/cluster-autoscaler/node-template/resources/ephemeral-storage" = "${disk_gb}Gi"
    })
  }
}

data "aws_ec2_instance_type" "runs" {
  for_each = toset(var.runs_nodes.instance_types)

  instance_type = each.key
}

resource "aws_iam_role" "nodes" {
  name = "${var.name}-nodes"
  tags = local.tags

  assume_role_policy = local.trust_of_service["ec2"]
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

# One for each zone: the volume of a collector's spool is in one, and the autoscaler can't choose within a group.
resource "aws_eks_node_group" "services" {
  count = length(local.private_subnet_ids)

  cluster_name    = aws_eks_cluster.this.name
  version         = aws_eks_cluster.this.version
  node_group_name = "services-${count.index}"
  node_role_arn   = aws_iam_role.nodes.arn
  subnet_ids      = [local.private_subnet_ids[count.index]]
  capacity_type   = "ON_DEMAND"
  ami_type        = "AL2023_x86_64_STANDARD"
  instance_types  = var.services_nodes.instance_types
  labels          = { (local.pool_label) = "services" }
  tags            = local.node_tags.services

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

  depends_on = [aws_iam_role_policy_attachment.nodes, aws_eks_addon.of_nodes]
}

resource "aws_eks_node_group" "runs" {
  cluster_name    = aws_eks_cluster.this.name
  version         = aws_eks_cluster.this.version
  node_group_name = "runs"
  node_role_arn   = aws_iam_role.nodes.arn
  subnet_ids      = local.private_subnet_ids
  capacity_type   = var.runs_nodes.capacity_type
  ami_type        = "AL2023_x86_64_STANDARD"
  instance_types  = var.runs_nodes.instance_types
  labels          = { (local.pool_label) = "runs" }
  tags            = local.node_tags.runs

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

  depends_on = [aws_iam_role_policy_attachment.nodes, aws_eks_addon.of_nodes]
}
