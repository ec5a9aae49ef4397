# Versions of Terraform and of the provider, and who calls Google.
#
# State is a local file until you give it a home: put a backend.tf with a `gcs` backend beside this file before
# anybody else works on the same cluster (README.md).

terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }
}

provider "google" {
  project        = var.project_id
  region         = var.region
  default_labels = local.labels
}

locals {
  # On everything that takes labels, so that a bill can be read by them.
  labels = merge({ app = "blockproof", cluster = var.name }, var.labels)
}
