# The cluster: private nodes, an API server for named addresses only, identities instead of keys.

locals {
  # A zone makes a cluster with one API server, a region one with three.
  location       = var.cluster.regional ? var.region : var.cluster.zones[0]
  node_locations = var.cluster.regional ? var.cluster.zones : slice(var.cluster.zones, 1, length(var.cluster.zones))
}

resource "google_container_cluster" "this" {
  #checkov:skip=CKV_GCP_12:the switch of the older dataplane; Dataplane V2 below enforces them without it
  #checkov:skip=CKV_GCP_65:groups of Google Workspace in RBAC need a domain, which not every operator has
  #checkov:skip=CKV_GCP_66:needs a policy of the project first; cluster.binary_authorization switches it on
  name     = var.name
  location = local.location
  # Null leaves the choice of zones to Google.
  node_locations      = length(local.node_locations) > 0 ? local.node_locations : null
  deletion_protection = var.deletion_protection
  resource_labels     = local.labels

  # Pools are resources of their own, so that changing one does not replace the cluster. The one that GKE insists on is
  # deleted at once; until then it runs with the same account as the others.
  remove_default_node_pool = true
  initial_node_count       = 1
  node_config {
    service_account = google_service_account.nodes.email
    oauth_scopes    = local.oauth_scopes
    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }

  release_channel {
    channel = var.cluster.release_channel
  }
  maintenance_policy {
    recurring_window {
      # Any day in the past will do: only the time of day counts.
      start_time = "2024-01-01T${var.cluster.maintenance_start}:00Z"
      end_time   = timeadd("2024-01-01T${var.cluster.maintenance_start}:00Z", "${var.cluster.maintenance_hours}h")
      recurrence = "FREQ=DAILY"
    }
  }

  network                     = google_compute_network.this.id
  subnetwork                  = google_compute_subnetwork.nodes.id
  networking_mode             = "VPC_NATIVE"
  enable_intranode_visibility = true
  # Dataplane V2: it enforces NetworkPolicies, on which the chart relies.
  datapath_provider = "ADVANCED_DATAPATH"
  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }
  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = var.cluster.private_endpoint
    master_ipv4_cidr_block  = var.network.control_plane_cidr
  }
  master_authorized_networks_config {
    gcp_public_cidrs_access_enabled = false
    dynamic "cidr_blocks" {
      for_each = var.authorized_networks
      content {
        display_name = cidr_blocks.key
        cidr_block   = cidr_blocks.value
      }
    }
  }

  enable_shielded_nodes = true
  enable_legacy_abac    = false
  workload_identity_config {
    workload_pool = "${var.project_id}.svc.id.goog"
  }
  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }
  binary_authorization {
    evaluation_mode = var.cluster.binary_authorization ? "PROJECT_SINGLETON_POLICY_ENFORCE" : "DISABLED"
  }
  dynamic "database_encryption" {
    for_each = var.cluster.kms_key_name == null ? [] : [var.cluster.kms_key_name]
    content {
      state    = "ENCRYPTED"
      key_name = database_encryption.value
    }
  }
  security_posture_config {
    mode               = "BASIC"
    vulnerability_mode = "VULNERABILITY_DISABLED"
  }

  addons_config {
    # Volumes that many workers mount: the circuits.
    gcp_filestore_csi_driver_config {
      enabled = true
    }
    gce_persistent_disk_csi_driver_config {
      enabled = true
    }
    # Nothing here is served to the outside.
    http_load_balancing {
      disabled = true
    }
  }

  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "WORKLOADS"]
  }
  # Google's own Prometheus stays off: kube-prometheus-stack does it, and samples would be paid for twice.
  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS"]
    managed_prometheus {
      enabled = false
    }
  }

  lifecycle {
    # Those of the pool that is deleted at once; to compare them would replace the cluster.
    ignore_changes = [initial_node_count, node_config]
  }

  # The account must be of use before nodes start with it.
  depends_on = [google_project_iam_member.nodes]
}
