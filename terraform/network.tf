# A network of its own: nodes have no public address and go out by NAT.

resource "google_compute_network" "this" {
  name                    = var.name
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "nodes" {
  name          = "${var.name}-nodes"
  network       = google_compute_network.this.id
  region        = var.region
  ip_cidr_range = var.network.nodes_cidr

  # Storage, registry and logs are reached without NAT, which is billed by volume.
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = var.network.pods_cidr
  }
  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = var.network.services_cidr
  }

  dynamic "log_config" {
    for_each = var.network.flow_logs ? [1] : []
    content {
      aggregation_interval = "INTERVAL_10_MIN"
      flow_sampling        = 0.1
      metadata             = "INCLUDE_ALL_METADATA"
    }
  }
}

resource "google_compute_router" "this" {
  name    = var.name
  network = google_compute_network.this.id
  region  = var.region
}

resource "google_compute_router_nat" "this" {
  name                               = var.name
  router                             = google_compute_router.this.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  subnetwork {
    name                    = google_compute_subnetwork.nodes.id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# GKE lets the API server reach nodes on 443 and 10250 only. Webhooks of the operators listen on 8443, 9443 and 10250,
# the external metrics of KEDA on 6443: without this rule autoscaling and `kubectl apply` of their resources would
# time out.
resource "google_compute_firewall" "webhooks" {
  name        = "${var.name}-webhooks"
  network     = google_compute_network.this.id
  description = "From the API server to webhooks and to KEDA's metrics"
  direction   = "INGRESS"

  source_ranges           = [var.network.control_plane_cidr]
  target_service_accounts = [google_service_account.nodes.email]

  allow {
    protocol = "tcp"
    ports    = ["6443", "8443", "9443"]
  }
}
