terraform {
  # 1.9: a variable's validation may look at other variables.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6 brought `region` on each resource; 6.25 is what the names in here were held against.
      version = "~> 6.25"
    }
  }
}
