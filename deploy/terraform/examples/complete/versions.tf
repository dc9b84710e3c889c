terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 6.0"
    }
  }

  # terraform init -backend-config=backend.hcl; see docs/deploy.md
  backend "s3" {
    key          = "clickstream/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
