# Variables that are refused before anything is made. A run may give wrong values to several variables; each value breaks one
# rule, so a rule that does not work fails its run. Only variables whose rules do not look at each other are in one run.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  authorized_networks = { office = "203.0.113.0/24" }
  project_id          = "example-project"
  region              = "europe-west4"
}

run "wrong_names" {
  command = plan
  variables {
    artifacts         = { bucket_name = "Proofs.Of.Example" }
    labels            = { Team = "proofs" }
    name              = "Blockproof"
    project_id        = "My Project"
    region            = "europe-west4-a"
    workload_identity = { namespace = "Block_proof" }
  }
  expect_failures = [var.artifacts, var.labels, var.name, var.project_id, var.region, var.workload_identity]
}

run "wrong_numbers_and_keys" {
  command = plan
  variables {
    artifacts = { kms_key_name = "my-key" }
    cluster   = { kms_key_name = "my-key" }
    labels    = { team = "Proofs of example" }
    # Accounts named after it would have more than 30 characters.
    name              = "a-name-of-24-characters0"
    project_id        = "123456789012"
    workload_identity = { worker = ["a/b"] }
  }
  expect_failures = [var.artifacts, var.cluster, var.labels, var.name, var.project_id, var.workload_identity]
}

run "days_and_channel" {
  command = plan
  variables {
    artifacts = { retention_days = -1 }
    cluster   = { release_channel = "NIGHTLY" }
  }
  expect_failures = [var.artifacts, var.cluster]
}

run "soft_delete_and_start" {
  command = plan
  variables {
    artifacts = { soft_delete_days = 3 }
    cluster   = { maintenance_start = "25:00" }
  }
  expect_failures = [var.artifacts, var.cluster]
}

run "half_days_and_hours" {
  command = plan
  variables {
    artifacts = { retention_days = 1.5 }
    cluster   = { maintenance_hours = 2 }
  }
  expect_failures = [var.artifacts, var.cluster]
}

run "zones_of_another_region" {
  command = plan
  variables {
    cluster = { zones = ["us-central1-a"] }
  }
  expect_failures = [var.cluster]
}

run "the_same_zone_twice" {
  command = plan
  variables {
    cluster = { zones = ["europe-west4-a", "europe-west4-a"] }
  }
  expect_failures = [var.cluster]
}

run "zonal_without_a_zone" {
  command = plan
  variables {
    cluster = { regional = false }
  }
  expect_failures = [var.cluster]
}

run "machines" {
  command = plan
  variables {
    authorized_networks = { office = "203.0.113.7" }
    default_pool        = { machine_type = "large" }
    highmem_pool        = { machine_type = "huge" }
  }
  expect_failures = [var.authorized_networks, var.default_pool, var.highmem_pool]
}

run "arm_machines" {
  command = plan
  variables {
    authorized_networks = { everybody = "0.0.0.0/0" }
    default_pool        = { machine_type = "t2a-standard-8" }
    highmem_pool        = { machine_type = "c4a-highmem-16" }
  }
  expect_failures = [var.authorized_networks, var.default_pool, var.highmem_pool]
}

run "more_nodes_at_least_than_at_most" {
  command = plan
  variables {
    authorized_networks = {}
    default_pool        = { max_nodes = 4, min_nodes = 5 }
    highmem_pool        = { max_nodes = 4, min_nodes = 5 }
  }
  expect_failures = [var.authorized_networks, var.default_pool, var.highmem_pool]
}

run "no_nodes" {
  command = plan
  variables {
    default_pool = { min_nodes = 0 }
    highmem_pool = { max_nodes = 0 }
  }
  expect_failures = [var.default_pool, var.highmem_pool]
}

run "fewer_nodes_than_zones" {
  command = plan
  variables {
    default_pool = { max_nodes = 1 }
    highmem_pool = { max_nodes = 1, min_nodes = 1 }
  }
  expect_failures = [var.default_pool, var.highmem_pool]
}

run "small_disks" {
  command = plan
  variables {
    default_pool = { disk_gb = 10 }
    highmem_pool = { disk_gb = 10 }
  }
  expect_failures = [var.default_pool, var.highmem_pool]
}

run "network_no_range" {
  command = plan
  variables {
    network = { nodes_cidr = "10.0.0.0" }
  }
  expect_failures = [var.network]
}

run "network_in_the_middle_of_a_range" {
  command = plan
  variables {
    network = { nodes_cidr = "10.0.0.1/22" }
  }
  expect_failures = [var.network]
}

run "network_control_plane" {
  command = plan
  variables {
    network = { control_plane_cidr = "172.16.0.0/24" }
  }
  expect_failures = [var.network]
}

run "network_pods_overlap_nodes" {
  command = plan
  variables {
    network = { nodes_cidr = "10.4.8.0/22" }
  }
  expect_failures = [var.network]
}

run "network_pods_for_8_of_16_nodes" {
  command = plan
  variables {
    network = { pods_cidr = "10.4.0.0/21" }
  }
  expect_failures = [var.network]
}
