# Other sets of variables, and what they change.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  authorized_networks = { office = "203.0.113.0/24" }
  project_id          = "example-project"
  region              = "europe-west4"
}

# The cheapest: one zone, everything that can be on spot machines.
run "zonal_spot" {
  override_resource {
    target = google_container_cluster.this
    # Google does not repeat the zone of the API server here.
    values = { node_locations = [] }
  }
  variables {
    cluster      = { regional = false, zones = ["europe-west4-b"] }
    default_pool = { machine_type = "e2-standard-4", max_nodes = 3, spot = true }
    highmem_pool = { machine_type = "c3-highmem-22", max_nodes = 40, min_nodes = 1, min_cpu_platform = "Intel Sapphire Rapids", spot = true }
    network      = { flow_logs = false }
  }

  assert {
    condition     = google_container_cluster.this.location == "europe-west4-b" && output.location == "europe-west4-b"
    error_message = "the API server is in the zone"
  }
  assert {
    condition     = output.zones == tolist(["europe-west4-b"])
    error_message = "zones: ${jsonencode(output.zones)}"
  }
  assert {
    condition     = output.kubernetes_context == "gke_example-project_europe-west4-b_blockproof"
    error_message = "kubernetes_context: ${output.kubernetes_context}"
  }
  assert {
    condition     = endswith(output.get_credentials_command, "--location europe-west4-b --project example-project")
    error_message = "get_credentials_command: ${output.get_credentials_command}"
  }
  assert {
    condition     = alltrue([for pool in google_container_node_pool.this : pool.node_config[0].spot])
    error_message = "both pools on spot machines"
  }
  assert {
    condition     = google_container_node_pool.this["highmem"].node_config[0].machine_type == "c3-highmem-22"
    error_message = "machines as asked for"
  }
  assert {
    condition     = google_container_node_pool.this["highmem"].node_config[0].min_cpu_platform == "Intel Sapphire Rapids"
    error_message = "processors as asked for"
  }
  assert {
    condition     = google_container_node_pool.this["highmem"].initial_node_count == 1
    error_message = "a pool that is never empty begins with a node in each zone"
  }
  assert {
    condition     = length(google_container_node_pool.this["highmem"].node_config[0].taint) == 1
    error_message = "a spot pool keeps its taint"
  }
  assert {
    condition     = length(google_compute_subnetwork.nodes.log_config) == 0
    error_message = "no flow logs"
  }
}

# The strictest: keys of one's own, no public API server, signed images, everything kept.
run "strict" {
  variables {
    artifacts = {
      bucket_name      = "proofs-of-example"
      kms_key_name     = "projects/example-project/locations/europe-west4/keyRings/ring/cryptoKeys/bucket"
      retention_days   = 0
      soft_delete_days = 7
    }
    authorized_networks = {}
    cluster = {
      binary_authorization = true
      kms_key_name         = "projects/example-project/locations/europe-west4/keyRings/ring/cryptoKeys/secrets"
      private_endpoint     = true
      release_channel      = "STABLE"
      zones                = ["europe-west4-a", "europe-west4-b"]
    }
    deletion_protection = false
    highmem_pool        = { min_nodes = 2 }
    labels              = { team = "proofs" }
    name                = "prover-2"
    workload_identity   = { leader = ["l", "jumpbox"], namespace = "proofs", worker = ["w"] }
  }

  assert {
    condition     = output.artifact_bucket == "proofs-of-example" && output.artifact_url == "gs://proofs-of-example"
    error_message = "artifact_bucket: ${output.artifact_bucket}"
  }
  assert {
    condition     = endswith(one(google_storage_bucket.artifacts.encryption).default_kms_key_name, "/bucket")
    error_message = "the bucket is encrypted with the key"
  }
  assert {
    condition     = [for rule in google_storage_bucket.artifacts.lifecycle_rule : one(rule.action).type] == ["AbortIncompleteMultipartUpload"]
    error_message = "artifacts are kept"
  }
  assert {
    condition     = one(google_storage_bucket.artifacts.soft_delete_policy).retention_duration_seconds == 604800
    error_message = "deleted artifacts can be brought back for a week"
  }
  assert {
    condition     = endswith(one(google_container_cluster.this.database_encryption).key_name, "/secrets")
    error_message = "Secrets are encrypted with the key"
  }
  assert {
    condition     = google_container_cluster.this.binary_authorization[0].evaluation_mode == "PROJECT_SINGLETON_POLICY_ENFORCE"
    error_message = "images must pass the policy"
  }
  assert {
    condition = (
      google_container_cluster.this.private_cluster_config[0].enable_private_endpoint &&
      length(google_container_cluster.this.master_authorized_networks_config[0].cidr_blocks) == 0 &&
      length(google_container_cluster.this.master_authorized_networks_config) == 1
    )
    error_message = "nobody reaches the API server from outside"
  }
  assert {
    condition     = google_container_cluster.this.node_locations == toset(["europe-west4-a", "europe-west4-b"])
    error_message = "nodes are in the two zones"
  }
  assert {
    condition     = google_container_cluster.this.release_channel[0].channel == "STABLE" && !google_container_cluster.this.deletion_protection
    error_message = "channel and protection as asked for"
  }
  assert {
    condition     = google_storage_bucket.artifacts.labels == tomap({ app = "blockproof", cluster = "prover-2", team = "proofs" })
    error_message = "labels: ${jsonencode(google_storage_bucket.artifacts.labels)}"
  }
  assert {
    condition     = output.registry == "europe-west4-docker.pkg.dev/example-project/prover-2" && output.network == "prover-2"
    error_message = "everything is named after the cluster: ${output.registry}, ${output.network}"
  }
  assert {
    condition     = google_service_account.workload["leader"].account_id == "prover-2-leader"
    error_message = "accounts are named after the cluster"
  }
  assert {
    condition = sort([for grant in google_service_account_iam_member.workload : grant.member]) == tolist([
      "serviceAccount:example-project.svc.id.goog[proofs/jumpbox]",
      "serviceAccount:example-project.svc.id.goog[proofs/l]",
      "serviceAccount:example-project.svc.id.goog[proofs/w]",
    ])
    error_message = "accounts of Kubernetes as asked for"
  }
}

# The API server's zone is the first; nodes are in the others, too.
run "zonal_in_three_zones" {
  override_resource {
    target = google_container_cluster.this
    values = { node_locations = ["europe-west4-a", "europe-west4-b"] }
  }
  variables {
    cluster = { regional = false, zones = ["europe-west4-c", "europe-west4-a", "europe-west4-b"] }
  }

  assert {
    condition     = google_container_cluster.this.location == "europe-west4-c"
    error_message = "the API server is in the first zone"
  }
  assert {
    condition     = output.zones == tolist(["europe-west4-a", "europe-west4-b", "europe-west4-c"])
    error_message = "zones: ${jsonencode(output.zones)}"
  }
}
