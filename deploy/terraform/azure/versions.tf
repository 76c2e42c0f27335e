terraform {
  # 1.9: a variable's validation may look at other variables.
  required_version = ">= 1.9"

  required_providers {
    azurerm = {
      source = "hashicorp/azurerm"
      # 4 renamed what takes writes in several regions; 4.55 is what the names in here were held against.
      version = "~> 4.55"
    }
  }
}
