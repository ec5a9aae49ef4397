# Where the images of leader, worker, rpc, verifier and jumpbox are.

resource "google_artifact_registry_repository" "images" {
  #checkov:skip=CKV_GCP_84:images are built from public sources and hold no secrets; keys of Google's do
  repository_id = var.name
  location      = var.region
  format        = "DOCKER"
  description   = "Images of blockproof"
  labels        = local.labels

  docker_config {
    # A tag means one image for ever, so a pod that starts again runs what was tested.
    immutable_tags = true
  }
}
