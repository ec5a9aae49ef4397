# Two pools: `default` for everything that is always there, `highmem` for proving segments, from zero nodes.

locals {
  # What a node may do is said by the roles of its account, not by scopes.
  oauth_scopes = ["https://www.googleapis.com/auth/cloud-platform"]

  pools = {
    default = merge(var.default_pool, { min_cpu_platform = null, taints = {} })
    # Nobody comes here who does not tolerate it, or the pool would never be empty.
    highmem = merge(var.highmem_pool, { taints = { "blockproof.dev/pool" = "highmem" } })
  }
}

resource "google_container_node_pool" "this" {
  for_each = local.pools

  name     = each.key
  cluster  = google_container_cluster.this.id
  location = google_container_cluster.this.location

  # Only the start, in each zone: GKE wants it within the limits. From then on the autoscaler decides.
  initial_node_count = each.value.min_nodes == 0 ? 0 : 1
  autoscaling {
    total_min_node_count = each.value.min_nodes
    total_max_node_count = each.value.max_nodes
    # Where there are machines: large ones are short of supply at times. Spot machines anyway.
    location_policy = "ANY"
  }
  management {
    auto_repair  = true
    auto_upgrade = true
  }
  # One node more during an upgrade, none less; GKE waits up to an hour for pods that are draining.
  upgrade_settings {
    max_surge       = 1
    max_unavailable = 0
  }
  network_config {
    enable_private_nodes = true
  }

  node_config {
    machine_type     = each.value.machine_type
    min_cpu_platform = each.value.min_cpu_platform
    spot             = each.value.spot
    image_type       = "COS_CONTAINERD"
    disk_type        = "pd-balanced"
    disk_size_gb     = each.value.disk_gb

    service_account = google_service_account.nodes.email
    oauth_scopes    = local.oauth_scopes
    metadata = {
      disable-legacy-endpoints = "true"
    }
    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
    kubelet_config {
      insecure_kubelet_readonly_port_enabled = "FALSE"
    }

    labels = {
      "blockproof.dev/pool" = each.key
    }
    resource_labels = local.labels
    dynamic "taint" {
      for_each = each.value.taints
      content {
        key    = taint.key
        value  = taint.value
        effect = "NO_SCHEDULE"
      }
    }
  }

  lifecycle {
    ignore_changes = [initial_node_count]
  }
}
