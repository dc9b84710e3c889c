# Places for secrets, without values: what is in them never passes through Terraform's state (docs/deploy.md fills them).

locals {
  # The second word is who reads it: policies/*.json.tftpl allow each role its own folder.
  secrets = {
    "database/registry"        = "SQLAlchemy URL of registry, leases and alerts: CLICKSTREAM_REGISTRY_URL"
    "database/dagster"         = "Password of the database user dagster"
    "collector/registry-token" = "Token of scope collector for the registry's API"
    "loader/registry-token"    = "Token of scope loader for the registry's API: code server, runs, exporter"
    "canary/write-key"         = "Write key of the canary customer"
    "destinations/warehouse"   = "A destination's password, where one logs in by password"
    "alerts/channel"           = "Address of the channel that alerts go to"
    "operator/registry-token"  = "Token of scope admin for people"
    "log-index/login"          = "Login of the log index, where requests to it are not signed"
  }
}

resource "aws_secretsmanager_secret" "this" {
  for_each = local.secrets

  name                    = "${var.name}/${each.key}"
  description             = each.value
  recovery_window_in_days = 30
  tags                    = local.tags
}
