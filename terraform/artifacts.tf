# The artifact store: what tasks read and write. Whatever is in it can be made again from a witness, for the price of
# proving it.

locals {
  bucket_name = coalesce(var.artifacts.bucket_name, "${var.project_id}-${var.name}-artifacts")
  day         = 24 * 60 * 60
}

resource "google_storage_bucket" "artifacts" {
  #checkov:skip=CKV_GCP_62:a log of every access would be larger than what it is about; there are Cloud Audit Logs
  #checkov:skip=CKV_GCP_78:names are hashes of contents, so there is one version of everything
  name     = local.bucket_name
  location = var.region
  labels   = local.labels

  # Never deleted with something in it by an apply or a destroy; tools/teardown.sh --delete-artifacts empties it first.
  force_destroy = false

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  soft_delete_policy {
    retention_duration_seconds = var.artifacts.soft_delete_days * local.day
  }
  dynamic "lifecycle_rule" {
    for_each = var.artifacts.retention_days > 0 ? [var.artifacts.retention_days] : []
    content {
      action {
        type = "Delete"
      }
      condition {
        age = lifecycle_rule.value
      }
    }
  }
  # Pieces of uploads that were never finished are seen by nobody, and paid for.
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  dynamic "encryption" {
    for_each = var.artifacts.kms_key_name == null ? [] : [var.artifacts.kms_key_name]
    content {
      default_kms_key_name = encryption.value
    }
  }
}
