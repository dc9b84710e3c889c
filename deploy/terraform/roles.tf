# Who may do what. A role for each kind of pod, assumed by its service account and nobody else; the rights themselves are
# in policies/, one file each, readable as they are.

locals {
  # The policy of the same name, and what else the role needs.
  roles = {
    collector   = []
    batcher     = concat(local.kms_policies, var.housekeeping_deletes ? ["batcher_housekeeping"] : [])
    runs        = concat(local.kms_policies, [local.warehouse_policy], var.housekeeping_deletes ? ["runs_housekeeping"] : [])
    code_server = concat(local.kms_policies, [local.warehouse_policy])
    registry    = concat(local.kms_policies, [local.warehouse_policy])
    exporter    = concat(local.kms_policies, [local.warehouse_policy])
    operator    = concat(local.kms_policies, [local.warehouse_policy])
  }

  kms_policies     = var.kms_key_arn == null ? [] : ["kms"]
  warehouse_policy = local.makes_redshift ? "warehouse_serverless" : "warehouse_provisioned"
  log_policies     = var.log_index_domain_arn == null ? [] : ["log_index"]

  role_policies = merge([
    for role, others in local.roles : {
      for policy in concat([role], others, local.log_policies) : "${role}/${policy}" => { role = role, policy = policy }
    }
  ]...)

  service_accounts = {
    for role in keys(local.roles) :
    role => lookup(var.service_accounts, role, "${var.name}-${replace(role, "_", "-")}")
  }

  policy_values = {
    account       = local.account
    partition     = local.partition
    region        = local.region
    name          = var.name
    bucket_arn    = aws_s3_bucket.objects.arn
    kinesis_arn   = aws_kinesis_stream.events.arn
    kinesis_name  = local.kinesis_name
    shard_prefix  = local.shard_prefix
    database      = var.redshift_database
    cluster       = local.makes_redshift ? "" : var.redshift_cluster.identifier
    workgroup_arn = local.makes_redshift ? aws_redshiftserverless_workgroup.this[0].arn : ""
    kms_key_arn   = var.kms_key_arn == null ? "" : var.kms_key_arn
    domain_arn    = var.log_index_domain_arn == null ? "" : var.log_index_domain_arn
  }

  # Add-ons of the cluster that call AWS: their service account and what Amazon, or policies/, says they need.
  addons = {
    vpc_cni            = { subject = "kube-system:aws-node", managed = "AmazonEKS_CNI_Policy" }
    ebs_csi            = { subject = "kube-system:ebs-csi-controller-sa", managed = "service-role/AmazonEBSCSIDriverPolicy" }
    cluster_autoscaler = { subject = "kube-system:cluster-autoscaler", managed = null }
    external_secrets = {
      subject = (
        var.external_secrets == null ? "" : "${var.external_secrets.namespace}:${var.external_secrets.service_account}"
      )
      managed = null
    }
  }

  wanted_addons = { for name, addon in local.addons : name => addon if addon.subject != "" }
  oidc_host     = replace(aws_eks_cluster.this.identity[0].oidc[0].issuer, "https://", "")
}

resource "aws_iam_role" "service" {
  for_each = local.roles

  name                 = "${var.name}-${replace(each.key, "_", "-")}"
  max_session_duration = 3600
  tags                 = local.tags

  assume_role_policy = templatefile("${path.module}/policies/trust.json.tftpl", {
    provider_arn = aws_iam_openid_connect_provider.cluster.arn
    oidc_host    = local.oidc_host
    subject      = "${var.namespace}:${local.service_accounts[each.key]}"
  })
}

resource "aws_iam_role_policy" "service" {
  for_each = local.role_policies

  name   = each.value.policy
  role   = aws_iam_role.service[each.value.role].id
  policy = templatefile("${path.module}/policies/${each.value.policy}.json.tftpl", local.policy_values)
}

resource "aws_iam_role" "addon" {
  for_each = local.wanted_addons

  name = "${var.name}-${replace(each.key, "_", "-")}"
  tags = local.tags

  assume_role_policy = templatefile("${path.module}/policies/trust.json.tftpl", {
    provider_arn = aws_iam_openid_connect_provider.cluster.arn
    oidc_host    = local.oidc_host
    subject      = each.value.subject
  })
}

resource "aws_iam_role_policy_attachment" "addon" {
  for_each = { for name, addon in local.wanted_addons : name => addon.managed if addon.managed != null }

  role       = aws_iam_role.addon[each.key].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.value}"
}

resource "aws_iam_role_policy" "addon" {
  for_each = { for name, addon in local.wanted_addons : name => name if addon.managed == null }

  name   = each.key
  role   = aws_iam_role.addon[each.key].id
  policy = templatefile("${path.module}/policies/${each.key}.json.tftpl", local.policy_values)
}
