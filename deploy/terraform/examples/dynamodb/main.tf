# A companion in three regions, for gauges and observers on two clusters with IRSA and one with Pod Identity. Whoever has a
# table leaves create_table out, and names the application's for `heartbeat.placement = "inline"`.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.25"
    }
  }
}

# Any region: roles have none, and each other resource names its own.
provider "aws" {
  region = "us-east-1"
}

module "tidegauge" {
  source = "../../aws"

  table        = "TidegaugeHeartbeats"
  regions      = ["us-east-1", "eu-west-1", "ap-southeast-2"]
  create_table = true

  irsa = {
    use1-a = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE1"
    euw1-a = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE2"
  }
  pod_identity = {
    apse2-a = { cluster = "apse2-a", region = "ap-southeast-2" }
  }

  # The application's: a pod has one, whoever in it asks. The example's chart calls it after its release.
  observer_service_accounts = [{ namespace = "orders", name = "orders" }]
}

output "tidegauge" {
  value = module.tidegauge
}
