# Everything that can be chosen, in alphabetical order. Required: authorized_networks, project_id, region.

variable "artifacts" {
  description = <<-EOT
    The artifact bucket: inputs and outputs of tasks.
    `bucket_name`: unique in all of Google Cloud; default PROJECT-NAME-artifacts.
    `kms_key_name`: a key of your own instead of one of Google's; the project's Cloud Storage service agent must be
    allowed to use it.
    `retention_days`: artifacts older than that are deleted; must be longer than any block takes, 0 keeps them.
    `soft_delete_days`: how long deleted ones can be brought back, and are paid for: 0, or 7 to 90.
  EOT
  type = object({
    bucket_name      = optional(string)
    kms_key_name     = optional(string)
    retention_days   = optional(number, 30)
    soft_delete_days = optional(number, 0)
  })
  default  = {}
  nullable = false

  validation {
    condition = (
      var.artifacts.bucket_name == null ||
      can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", var.artifacts.bucket_name))
    )
    error_message = "artifacts.bucket_name: 3 to 63 lower case letters, digits, - and _; dots need a domain of yours."
  }
  validation {
    condition     = var.artifacts.kms_key_name == null || can(regex(local.kms_key, var.artifacts.kms_key_name))
    error_message = "artifacts.kms_key_name: projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY."
  }
  validation {
    condition     = floor(max(0, var.artifacts.retention_days)) == var.artifacts.retention_days
    error_message = "artifacts.retention_days: a whole number of days, 0 for ever."
  }
  validation {
    condition     = contains(concat([0], range(7, 91)), var.artifacts.soft_delete_days)
    error_message = "artifacts.soft_delete_days: 0 for none, or 7 to 90."
  }
}

variable "authorized_networks" {
  description = <<-EOT
    Who may reach the API server besides the cluster itself: a name for each range of addresses, such as
    { office = "203.0.113.0/24" }.
  EOT
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for range in values(var.authorized_networks) : can(cidrnetmask(range))])
    error_message = "authorized_networks: ranges of IPv4 addresses such as 203.0.113.7/32."
  }
  validation {
    condition = alltrue([
      for range in values(var.authorized_networks) : try(tonumber(split("/", range)[1]) >= 8, true)
    ])
    error_message = "authorized_networks: a range wider than /8 is the whole world; name the addresses you come from."
  }
  validation {
    condition     = length(var.authorized_networks) > 0 || var.cluster.private_endpoint
    error_message = "authorized_networks: without any, nobody reaches the API server; name the addresses you come from."
  }
}

variable "cluster" {
  description = <<-EOT
    The cluster.
    `binary_authorization`: images must pass the project's Binary Authorization policy.
    `kms_key_name`: a key that encrypts Secrets a second time; the GKE service agent must be allowed to use it.
    `maintenance_start`, `maintenance_hours`: when Google may upgrade, daily, UTC. Workers are drained for it.
    `private_endpoint`: the API server has no public address; you come in by VPN or from a machine in the network.
    `regional`: the API server runs in three zones; otherwise in the first of `zones`.
    `release_channel`: RAPID, REGULAR, STABLE or EXTENDED.
    `zones`: where nodes run; default: zones that Google picks in the region. One zone spares the traffic between zones.
  EOT
  type = object({
    binary_authorization = optional(bool, false)
    kms_key_name         = optional(string)
    maintenance_hours    = optional(number, 6)
    maintenance_start    = optional(string, "02:00")
    private_endpoint     = optional(bool, false)
    regional             = optional(bool, true)
    release_channel      = optional(string, "REGULAR")
    zones                = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.cluster.kms_key_name == null || can(regex(local.kms_key, var.cluster.kms_key_name))
    error_message = "cluster.kms_key_name: projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY."
  }
  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", var.cluster.maintenance_start))
    error_message = "cluster.maintenance_start: HH:MM, UTC."
  }
  validation {
    condition     = var.cluster.maintenance_hours >= 4 && var.cluster.maintenance_hours <= 24
    error_message = "cluster.maintenance_hours: 4 to 24; GKE asks for windows of four hours at least."
  }
  validation {
    condition     = contains(["RAPID", "REGULAR", "STABLE", "EXTENDED"], var.cluster.release_channel)
    error_message = "cluster.release_channel: RAPID, REGULAR, STABLE or EXTENDED."
  }
  validation {
    condition     = alltrue([for zone in var.cluster.zones : can(regex("^${var.region}-[a-z]$", zone))])
    error_message = "cluster.zones: zones of the region, such as REGION-b."
  }
  validation {
    condition     = length(distinct(var.cluster.zones)) == length(var.cluster.zones)
    error_message = "cluster.zones: a zone is named twice."
  }
  validation {
    condition     = var.cluster.regional || length(var.cluster.zones) > 0
    error_message = "cluster.zones: a cluster that is not regional needs one at least; the API server is in the first."
  }
}

variable "default_pool" {
  description = <<-EOT
    Nodes for everything but heavy proving: broker, monitoring, leaders, workers that merge. Numbers of nodes are of all
    zones together.
  EOT
  type = object({
    disk_gb      = optional(number, 100)
    machine_type = optional(string, "e2-standard-8")
    max_nodes    = optional(number, 6)
    min_nodes    = optional(number, 1)
    spot         = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)+$", var.default_pool.machine_type))
    error_message = "default_pool.machine_type: a machine type such as e2-standard-8."
  }
  validation {
    condition     = !can(regex("^(t2a|c4a|n4a|a4x)-", var.default_pool.machine_type))
    error_message = "default_pool.machine_type: the images are for x86-64, this is an Arm machine."
  }
  validation {
    condition     = var.default_pool.min_nodes >= 1 && var.default_pool.min_nodes <= var.default_pool.max_nodes
    error_message = "default_pool: 1 <= min_nodes <= max_nodes; without a node nothing runs at all."
  }
  # A pool that is not empty begins with a node in each zone, of which Google picks three.
  validation {
    condition     = var.default_pool.max_nodes >= local.number_of_zones
    error_message = "default_pool.max_nodes: fewer than zones; raise it or name fewer in cluster.zones."
  }
  validation {
    condition     = var.default_pool.disk_gb >= 30
    error_message = "default_pool.disk_gb: 30 at least, images and logs must fit."
  }
}

variable "deletion_protection" {
  description = "Terraform refuses to delete the cluster. tools/teardown.sh switches it off when it comes to that."
  type        = bool
  default     = true
  nullable    = false
}

variable "highmem_pool" {
  description = <<-EOT
    Nodes for workers that prove segments: tainted `blockproof.dev/pool=highmem:NoSchedule`, none without work.
    `min_cpu_platform`: such as "Intel Ice Lake"; the provers use AVX-512 where a CPU has it.
    `spot`: cheaper, but a node goes with half a minute of notice; what it was proving is proved again elsewhere.
    Numbers of nodes are of all zones together.
  EOT
  type = object({
    disk_gb          = optional(number, 100)
    machine_type     = optional(string, "n2-highmem-16")
    max_nodes        = optional(number, 10)
    min_cpu_platform = optional(string)
    min_nodes        = optional(number, 0)
    spot             = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)+$", var.highmem_pool.machine_type))
    error_message = "highmem_pool.machine_type: a machine type such as n2-highmem-16."
  }
  validation {
    condition     = !can(regex("^(t2a|c4a|n4a|a4x)-", var.highmem_pool.machine_type))
    error_message = "highmem_pool.machine_type: the images are for x86-64, this is an Arm machine."
  }
  validation {
    condition = (
      var.highmem_pool.min_nodes >= 0 && var.highmem_pool.max_nodes >= max(1, var.highmem_pool.min_nodes)
    )
    error_message = "highmem_pool: 0 <= min_nodes <= max_nodes, and max_nodes 1 at least."
  }
  # A pool that is not empty begins with a node in each zone, of which Google picks three.
  validation {
    condition     = var.highmem_pool.min_nodes == 0 || var.highmem_pool.max_nodes >= local.number_of_zones
    error_message = "highmem_pool.max_nodes: fewer than zones; raise it or name fewer in cluster.zones."
  }
  validation {
    condition     = var.highmem_pool.disk_gb >= 30
    error_message = "highmem_pool.disk_gb: 30 at least, images and logs must fit."
  }
}

variable "labels" {
  description = "Further labels of everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for key, value in var.labels :
      can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))
    ])
    error_message = "labels: lower case letters, digits, - and _, up to 63 of them; a key begins with a letter."
  }
}

variable "name" {
  description = "Name of the cluster, and what all other names begin with. Two installations in one project need two."
  type        = string
  default     = "blockproof"
  nullable    = false

  # The longest name made of it is that of an account, NAME-leader, which may have 30 characters.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,21}[a-z0-9]$", var.name))
    error_message = "name: 3 to 23 lower case letters, digits and -, a letter first, no - last."
  }
}

variable "network" {
  description = <<-EOT
    Ranges of addresses. They must not overlap each other, nor networks that this one will be joined with.
    `control_plane_cidr`: of the API server, a /28. `nodes_cidr`, `pods_cidr`, `services_cidr`: of the cluster; each
    node takes a /24 of the pods' range.
    `flow_logs`: record a sample of connections; costs by volume.
  EOT
  type = object({
    control_plane_cidr = optional(string, "172.16.0.0/28")
    flow_logs          = optional(bool, true)
    nodes_cidr         = optional(string, "10.0.0.0/22")
    pods_cidr          = optional(string, "10.4.0.0/16")
    services_cidr      = optional(string, "10.8.0.0/20")
  })
  default  = {}
  nullable = false

  validation {
    condition = alltrue([
      for name, range in var.network : try(cidrnetmask(range) != "" && cidrhost(range, 0) == split("/", range)[0], false)
      if endswith(name, "_cidr")
    ])
    error_message = "network: ranges of IPv4 addresses that begin at their first address, such as 10.0.0.0/22."
  }
  validation {
    condition     = endswith(var.network.control_plane_cidr, "/28")
    error_message = "network.control_plane_cidr: GKE wants a /28."
  }
  # Two ranges overlap when they are the same as far as the wider of them reaches.
  validation {
    condition = alltrue(flatten([
      for name, a in var.network : [
        for other, b in var.network : name == other || try(
          cidrhost("${split("/", a)[0]}/${min(split("/", a)[1], split("/", b)[1])}", 0) !=
          cidrhost("${split("/", b)[0]}/${min(split("/", a)[1], split("/", b)[1])}", 0),
        true) if endswith(other, "_cidr")
      ] if endswith(name, "_cidr")
    ]))
    error_message = "network: two of the ranges overlap."
  }
  validation {
    condition = try(
      var.default_pool.max_nodes + var.highmem_pool.max_nodes <=
      pow(2, 24 - tonumber(split("/", var.network.pods_cidr)[1])),
      true,
    )
    error_message = "network.pods_cidr: too small: each of max_nodes of both pools takes a /24."
  }
}

variable "project_id" {
  description = "Project that everything is made in. There is no default."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id: the id of a project, not its name or number: 6 to 30 lower case letters, digits and -."
  }
}

variable "region" {
  description = "Region that everything is made in, such as europe-west4. It must have the machine types of both pools."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]{1,2}$", var.region))
    error_message = "region: a region such as europe-west4; zones go into cluster.zones."
  }
}

variable "workload_identity" {
  description = <<-EOT
    Which service accounts of Kubernetes act as the Google accounts of leader and worker, and so may use the bucket.
    `namespace`: where the chart is installed. `leader`, `worker`: names of the accounts that the chart makes.
  EOT
  type = object({
    leader    = optional(list(string), ["blockproof-leader"])
    namespace = optional(string, "blockproof")
    worker    = optional(list(string), ["blockproof-worker"])
  })
  default  = {}
  nullable = false

  validation {
    condition = alltrue([
      for name in flatten([for names in values(var.workload_identity) : names]) :
      can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", name))
    ])
    error_message = "workload_identity: names as Kubernetes allows them."
  }
}

# What the conditions above share.
locals {
  kms_key = "^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$"
  # Google picks three where none is named.
  number_of_zones = length(var.cluster.zones) > 0 ? length(var.cluster.zones) : 3
}
