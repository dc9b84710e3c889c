# The EKS cluster, who may manage it, its add-ons, and the OpenID provider by which its service accounts assume roles.

resource "aws_iam_role" "cluster" {
  name = "${var.name}-cluster"
  tags = local.tags

  assume_role_policy = local.trust_of_service["eks"]
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/AmazonEKSClusterPolicy"
}

# Made here, so that EKS does not make one that is kept for ever.
resource "aws_cloudwatch_log_group" "cluster" {
  name              = "/aws/eks/${var.name}/cluster"
  retention_in_days = 30
  tags              = local.tags
}

resource "aws_eks_cluster" "this" {
  name                      = var.name
  version                   = var.kubernetes_version
  role_arn                  = aws_iam_role.cluster.arn
  enabled_cluster_log_types = var.cluster_log_types
  tags                      = local.tags

  # All of them are made below; those that EKS would make by itself get in their way.
  bootstrap_self_managed_addons = false

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = true
  }

  vpc_config {
    subnet_ids              = local.private_subnet_ids
    endpoint_private_access = true
    endpoint_public_access  = length(var.cluster_public_cidrs) > 0
    public_access_cidrs     = length(var.cluster_public_cidrs) > 0 ? var.cluster_public_cidrs : null
  }

  depends_on = [aws_iam_role_policy_attachment.cluster, aws_cloudwatch_log_group.cluster]
}

resource "aws_iam_openid_connect_provider" "cluster" {
  url            = aws_eks_cluster.this.identity[0].oidc[0].issuer
  client_id_list = ["sts.amazonaws.com"]
  tags           = local.tags
}

data "aws_eks_addon_version" "this" {
  for_each = toset(concat(keys(local.node_addons), keys(local.pod_addons)))

  addon_name         = each.key
  kubernetes_version = var.kubernetes_version
}

locals {
  # What makes a node one of the cluster. Without enableNetworkPolicy network policies are accepted and mean nothing.
  node_addons = {
    "vpc-cni"    = { role = "vpc_cni", settings = jsonencode({ enableNetworkPolicy = "true" }) }
    "kube-proxy" = { role = null, settings = null }
  }

  # What runs in pods, so it needs nodes: names, what the collectors' autoscaler asks, and the disks of their spools.
  pod_addons = {
    "coredns"            = { role = null }
    "metrics-server"     = { role = null }
    "aws-ebs-csi-driver" = { role = "ebs_csi" }
  }
}

resource "aws_eks_addon" "of_nodes" {
  for_each = local.node_addons

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = data.aws_eks_addon_version.this[each.key].version
  configuration_values        = each.value.settings
  service_account_role_arn    = each.value.role == null ? null : aws_iam_role.addon[each.value.role].arn
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  tags                        = local.tags

  depends_on = [aws_iam_role_policy_attachment.addon]
}

resource "aws_eks_addon" "of_pods" {
  for_each = local.pod_addons

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = data.aws_eks_addon_version.this[each.key].version
  service_account_role_arn    = each.value.role == null ? null : aws_iam_role.addon[each.value.role].arn
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  tags                        = local.tags

  depends_on = [aws_iam_role_policy_attachment.addon, aws_eks_node_group.services]
}

resource "aws_eks_access_entry" "admin" {
  for_each = var.cluster_admins

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.key
  tags          = local.tags
}

resource "aws_eks_access_policy_association" "admin" {
  for_each = var.cluster_admins

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_eks_access_entry.admin[each.key].principal_arn
  policy_arn    = "arn:${local.partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"

  access_scope {
    type = "cluster"
  }
}
