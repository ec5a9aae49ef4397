# The smallest set of variables: what it makes, and every output. Nothing is called: what only Google knows is made up in mocks/.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  authorized_networks = { office = "203.0.113.0/24" }
  project_id          = "example-project"
  region              = "europe-west4"
}

run "network" {
  assert {
    condition     = google_compute_network.this.name == "blockproof" && !google_compute_network.this.auto_create_subnetworks
    error_message = "the network is named after the cluster and has the one subnet only"
  }
  assert {
    condition = { for range in google_compute_subnetwork.nodes.secondary_ip_range : range.range_name => range.ip_cidr_range } == {
      pods = "10.4.0.0/16", services = "10.8.0.0/20"
    }
    error_message = "pods and services have ranges of their own"
  }
  assert {
    condition     = google_compute_subnetwork.nodes.private_ip_google_access && length(google_compute_subnetwork.nodes.log_config) == 1
    error_message = "the bucket is reached without NAT, and connections are sampled"
  }
  assert {
    condition     = one(google_compute_router_nat.this.subnetwork).name == google_compute_subnetwork.nodes.id
    error_message = "nodes go out by NAT"
  }
  assert {
    condition = (
      google_compute_firewall.webhooks.source_ranges == toset(["172.16.0.0/28"]) &&
      contains(one(google_compute_firewall.webhooks.allow).ports, "6443") &&
      contains(one(google_compute_firewall.webhooks.allow).ports, "9443") &&
      google_compute_firewall.webhooks.target_service_accounts == toset([google_service_account.nodes.email])
    )
    error_message = "the API server, and nobody else, reaches webhooks and KEDA's metrics on the nodes"
  }
}

run "cluster" {
  assert {
    condition     = google_container_cluster.this.location == "europe-west4" && google_container_cluster.this.deletion_protection
    error_message = "a regional cluster that Terraform refuses to delete"
  }
  assert {
    condition = (
      google_container_cluster.this.private_cluster_config[0].enable_private_nodes &&
      !google_container_cluster.this.private_cluster_config[0].enable_private_endpoint
    )
    error_message = "nodes are private, the API server is not"
  }
  assert {
    condition = [for block in google_container_cluster.this.master_authorized_networks_config[0].cidr_blocks : block.cidr_block] == [
      "203.0.113.0/24"
    ]
    error_message = "only the named addresses reach the API server"
  }
  assert {
    condition     = google_container_cluster.this.workload_identity_config[0].workload_pool == "example-project.svc.id.goog"
    error_message = "Workload Identity is on"
  }
  assert {
    condition     = google_container_cluster.this.datapath_provider == "ADVANCED_DATAPATH"
    error_message = "without Dataplane V2 nothing enforces NetworkPolicies"
  }
  assert {
    condition     = google_container_cluster.this.enable_shielded_nodes && !google_container_cluster.this.enable_legacy_abac
    error_message = "shielded nodes, and no rights by attributes"
  }
  assert {
    condition     = google_container_cluster.this.addons_config[0].gcp_filestore_csi_driver_config[0].enabled
    error_message = "without Filestore there is no volume that many workers mount"
  }
  assert {
    condition     = google_container_cluster.this.release_channel[0].channel == "REGULAR"
    error_message = "upgrades come by the regular channel"
  }
  assert {
    condition = (
      google_container_cluster.this.maintenance_policy[0].recurring_window[0].start_time == "2024-01-01T02:00:00Z" &&
      google_container_cluster.this.maintenance_policy[0].recurring_window[0].end_time == "2024-01-01T08:00:00Z"
    )
    error_message = "maintenance is from two to eight"
  }
  assert {
    condition     = !google_container_cluster.this.monitoring_config[0].managed_prometheus[0].enabled
    error_message = "samples are not paid for twice"
  }
  assert {
    condition     = length(google_container_cluster.this.database_encryption) == 0
    error_message = "no key of one's own unless it is given"
  }
}

run "pools" {
  assert {
    condition     = keys(google_container_node_pool.this) == ["default", "highmem"]
    error_message = "two pools"
  }
  assert {
    condition     = length(google_container_node_pool.this["default"].node_config[0].taint) == 0
    error_message = "anything may run in the default pool"
  }
  assert {
    condition = [for taint in google_container_node_pool.this["highmem"].node_config[0].taint : "${taint.key}=${taint.value}:${taint.effect}"] == [
      "blockproof.dev/pool=highmem:NO_SCHEDULE"
    ]
    error_message = "nobody runs in highmem who does not tolerate its taint"
  }
  assert {
    condition = alltrue([
      for name, pool in google_container_node_pool.this : pool.node_config[0].labels == tomap({ "blockproof.dev/pool" = name })
    ])
    error_message = "nodes are labelled with their pool"
  }
  assert {
    condition = (
      google_container_node_pool.this["highmem"].autoscaling[0].total_min_node_count == 0 &&
      google_container_node_pool.this["highmem"].autoscaling[0].total_max_node_count == 10 &&
      google_container_node_pool.this["highmem"].initial_node_count == 0
    )
    error_message = "highmem begins with no nodes, and goes back to none"
  }
  assert {
    condition = (
      google_container_node_pool.this["default"].autoscaling[0].total_min_node_count == 1 &&
      google_container_node_pool.this["default"].initial_node_count == 1
    )
    error_message = "default always has a node"
  }
  assert {
    condition = alltrue([
      for pool in google_container_node_pool.this :
      pool.node_config[0].service_account == google_service_account.nodes.email &&
      pool.node_config[0].workload_metadata_config[0].mode == "GKE_METADATA" &&
      pool.node_config[0].shielded_instance_config[0].enable_secure_boot &&
      pool.network_config[0].enable_private_nodes &&
      pool.management[0].auto_repair && pool.management[0].auto_upgrade && !pool.node_config[0].spot
    ])
    error_message = "each pool: account of its own, no metadata of the machine, secure boot, no public address, upgrades, no spot"
  }
}

run "artifacts" {
  assert {
    condition = (
      google_storage_bucket.artifacts.uniform_bucket_level_access &&
      google_storage_bucket.artifacts.public_access_prevention == "enforced" &&
      !google_storage_bucket.artifacts.force_destroy
    )
    error_message = "rights by bucket only, never public, never deleted with something in it"
  }
  assert {
    condition = [for rule in google_storage_bucket.artifacts.lifecycle_rule : "${one(rule.action).type} ${one(rule.condition).age}"] == [
      "Delete 30", "AbortIncompleteMultipartUpload 1"
    ]
    error_message = "artifacts go after 30 days, pieces of uploads after one"
  }
  assert {
    condition     = length(google_storage_bucket.artifacts.encryption) == 0
    error_message = "no key of one's own unless it is given"
  }
  assert {
    condition     = google_storage_bucket.artifacts.location == "EUROPE-WEST4" || google_storage_bucket.artifacts.location == "europe-west4"
    error_message = "the bucket is where the workers are"
  }
}

run "identity" {
  assert {
    condition = alltrue([
      for role, grant in google_storage_bucket_iam_member.workload :
      grant.role == "roles/storage.objectUser" && grant.bucket == google_storage_bucket.artifacts.name &&
      grant.member == google_service_account.workload[role].member
    ])
    error_message = "leader and worker use objects of this bucket, nothing else"
  }
  assert {
    condition = { for key, grant in google_service_account_iam_member.workload : key => "${grant.role} ${grant.member}" } == {
      "leader/blockproof-leader" = "roles/iam.workloadIdentityUser serviceAccount:example-project.svc.id.goog[blockproof/blockproof-leader]"
      "worker/blockproof-worker" = "roles/iam.workloadIdentityUser serviceAccount:example-project.svc.id.goog[blockproof/blockproof-worker]"
    }
    error_message = "accounts of Kubernetes act as those of Google"
  }
  assert {
    condition     = google_project_iam_member.nodes.role == "roles/container.defaultNodeServiceAccount"
    error_message = "nodes write logs and metrics"
  }
  assert {
    condition = (
      google_artifact_registry_repository_iam_member.nodes.role == "roles/artifactregistry.reader" &&
      google_artifact_registry_repository_iam_member.nodes.repository == google_artifact_registry_repository.images.name
    )
    error_message = "nodes pull from this registry"
  }
  assert {
    condition     = google_artifact_registry_repository.images.docker_config[0].immutable_tags
    error_message = "a tag means one image for ever"
  }
}

run "outputs" {
  assert {
    condition     = output.artifact_bucket == "example-project-blockproof-artifacts"
    error_message = "artifact_bucket: ${output.artifact_bucket}"
  }
  assert {
    condition     = output.artifact_url == "gs://example-project-blockproof-artifacts"
    error_message = "artifact_url: ${output.artifact_url}"
  }
  assert {
    condition     = output.get_credentials_command == "gcloud container clusters get-credentials blockproof --location europe-west4 --project example-project"
    error_message = "get_credentials_command: ${output.get_credentials_command}"
  }
  assert {
    condition = jsonencode(output.helm_values) == jsonencode({
      artifacts = { url = "gs://example-project-blockproof-artifacts" }
      circuits  = { persistence = { size = "1Ti", storageClassName = "blockproof-rwx" } }
      image     = { registry = "europe-west4-docker.pkg.dev/example-project/blockproof" }
      leader = {
        serviceAccount = { annotations = { "iam.gke.io/gcp-service-account" = "account@example-project.iam.gserviceaccount.com" } }
      }
      worker = {
        serviceAccount = { annotations = { "iam.gke.io/gcp-service-account" = "account@example-project.iam.gserviceaccount.com" } }
      }
    })
    error_message = "helm_values: ${jsonencode(output.helm_values)}"
  }
  assert {
    condition     = output.kubernetes_cluster_name == "blockproof"
    error_message = "kubernetes_cluster_name: ${output.kubernetes_cluster_name}"
  }
  assert {
    condition     = output.kubernetes_context == "gke_example-project_europe-west4_blockproof"
    error_message = "kubernetes_context: ${output.kubernetes_context}"
  }
  assert {
    condition     = output.kubernetes_version == "1.33.5-gke.1000"
    error_message = "kubernetes_version: ${output.kubernetes_version}"
  }
  assert {
    condition     = output.location == "europe-west4"
    error_message = "location: ${output.location}"
  }
  assert {
    condition     = output.namespace == "blockproof"
    error_message = "namespace: ${output.namespace}"
  }
  assert {
    condition     = output.network == "blockproof"
    error_message = "network: ${output.network}"
  }
  assert {
    condition     = output.node_service_account == "account@example-project.iam.gserviceaccount.com"
    error_message = "node_service_account: ${output.node_service_account}"
  }
  assert {
    condition     = output.project_id == "example-project"
    error_message = "project_id: ${output.project_id}"
  }
  assert {
    condition     = output.region == "europe-west4"
    error_message = "region: ${output.region}"
  }
  assert {
    condition     = output.registry == "europe-west4-docker.pkg.dev/example-project/blockproof"
    error_message = "registry: ${output.registry}"
  }
  assert {
    condition     = keys(output.service_accounts) == ["leader", "worker"] && output.service_accounts["worker"] == google_service_account.workload["worker"].email
    error_message = "service_accounts: ${jsonencode(output.service_accounts)}"
  }
  assert {
    condition     = output.zones == tolist(["europe-west4-a", "europe-west4-b", "europe-west4-c"])
    error_message = "zones: ${jsonencode(output.zones)}"
  }
}
