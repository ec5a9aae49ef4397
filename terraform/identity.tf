# Who may do what. Three accounts without keys: one of the nodes, and one each that leaders and workers act as.

resource "google_service_account" "nodes" {
  account_id   = "${var.name}-nodes"
  display_name = "Nodes of cluster ${var.name}"
  description  = "Writes logs and metrics, pulls images"
}

resource "google_project_iam_member" "nodes" {
  project = var.project_id
  role    = "roles/container.defaultNodeServiceAccount"
  member  = google_service_account.nodes.member
}

resource "google_artifact_registry_repository_iam_member" "nodes" {
  project    = var.project_id
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.nodes.member
}

locals {
  roles = toset(["leader", "worker"])

  # Asked of the cluster, since it comes with the first one of a project and cannot be named before.
  identity_pool = google_container_cluster.this.workload_identity_config[0].workload_pool

  # One entry for each account of Kubernetes that acts as one of Google's: "leader/blockproof-leader".
  bindings = merge([
    for role in local.roles : {
      for account in var.workload_identity[role] : "${role}/${account}" => { role = role, account = account }
    }
  ]...)
}

resource "google_service_account" "workload" {
  for_each = local.roles

  account_id   = "${var.name}-${each.key}"
  display_name = "${title(each.key)}s of cluster ${var.name}"
  description  = "Reads and writes the artifact bucket"
}

# Objects of this one bucket: read, write, delete. Nothing else, not even the bucket's settings.
resource "google_storage_bucket_iam_member" "workload" {
  for_each = local.roles

  bucket = google_storage_bucket.artifacts.name
  role   = "roles/storage.objectUser"
  member = google_service_account.workload[each.key].member
}

resource "google_service_account_iam_member" "workload" {
  for_each = local.bindings

  service_account_id = google_service_account.workload[each.value.role].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${local.identity_pool}[${var.workload_identity.namespace}/${each.value.account}]"
}
