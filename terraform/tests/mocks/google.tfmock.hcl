# What only Google knows, made up in the shape that Google gives it.

mock_resource "google_container_cluster" {
  defaults = {
    id             = "projects/example-project/locations/europe-west4/clusters/blockproof"
    master_version = "1.33.5-gke.1000"
    node_locations = ["europe-west4-c", "europe-west4-a", "europe-west4-b"]
  }
}

mock_resource "google_compute_network" {
  defaults = {
    id = "projects/example-project/global/networks/blockproof"
  }
}

mock_resource "google_compute_subnetwork" {
  defaults = {
    id = "projects/example-project/regions/europe-west4/subnetworks/blockproof-nodes"
  }
}

mock_resource "google_service_account" {
  defaults = {
    email  = "account@example-project.iam.gserviceaccount.com"
    member = "serviceAccount:account@example-project.iam.gserviceaccount.com"
    name   = "projects/example-project/serviceAccounts/account@example-project.iam.gserviceaccount.com"
  }
}
