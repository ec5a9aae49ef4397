# What tools/setup.sh and an operator need to know, in alphabetical order.

output "artifact_bucket" {
  description = "Name of the artifact bucket."
  value       = google_storage_bucket.artifacts.name
}

output "artifact_url" {
  description = "The artifact store, as --artifacts-dir takes it."
  value       = local.artifact_url
}

output "get_credentials_command" {
  description = "Puts the cluster into ~/.kube/config."
  value = join(" ", [
    "gcloud container clusters get-credentials", google_container_cluster.this.name,
    "--location", google_container_cluster.this.location, "--project", var.project_id,
  ])
}

output "helm_values" {
  description = "Values of the chart that follow from all this; helm reads what `output -json helm_values` prints."
  value       = local.helm_values
}

output "kubernetes_cluster_name" {
  description = "Name of the cluster."
  value       = google_container_cluster.this.name
}

output "kubernetes_context" {
  description = "Name of the cluster in ~/.kube/config, as get_credentials_command gives it."
  value       = "gke_${var.project_id}_${google_container_cluster.this.location}_${google_container_cluster.this.name}"
}

output "kubernetes_version" {
  description = "Version of the API server."
  value       = google_container_cluster.this.master_version
}

output "location" {
  description = "Region or zone of the API server."
  value       = google_container_cluster.this.location
}

output "namespace" {
  description = "Namespace of Kubernetes whose service accounts may use the bucket."
  value       = var.workload_identity.namespace
}

output "network" {
  description = "Name of the network; Filestore volumes are made in it."
  value       = google_compute_network.this.name
}

output "node_service_account" {
  description = "Email of the account of the nodes."
  value       = google_service_account.nodes.email
}

output "project_id" {
  description = "Project that everything is in."
  value       = var.project_id
}

output "region" {
  description = "Region that everything is in."
  value       = var.region
}

output "registry" {
  description = "What names of images begin with: REGISTRY/blockproof-worker:TAG."
  value       = local.registry
}

output "service_accounts" {
  description = "Emails of the accounts that leader and worker act as."
  value       = { for role, account in google_service_account.workload : role => account.email }
}

output "zones" {
  description = "Zones that nodes run in."
  value = sort(distinct(concat(
    var.cluster.regional ? [] : [local.location],
    tolist(google_container_cluster.this.node_locations),
  )))
}

locals {
  artifact_url = "gs://${google_storage_bucket.artifacts.name}"
  registry = join("/", [
    "${var.region}-docker.pkg.dev", var.project_id, google_artifact_registry_repository.images.repository_id,
  ])

  # Names as in helm/values.yaml; what the chart's defaults say already (pool, taint) is not repeated.
  helm_values = merge(
    {
      image     = { registry = local.registry }
      artifacts = { url = local.artifact_url }
      # The class is made by tools/setup.sh, in this network; the smallest volume of Filestore is 1Ti.
      circuits = { persistence = { storageClassName = "${var.name}-rwx", size = "1Ti" } }
    },
    {
      for role, account in google_service_account.workload :
      role => { serviceAccount = { annotations = { "iam.gke.io/gcp-service-account" = account.email } } }
    },
  )
}
