{{/* What the schema cannot say: values that must fit each other. Each failure names the way out. */}}
{{- define "blockproof.check" -}}
{{- $v := .Values -}}
{{- $worker := $v.worker -}}
{{- $scaling := $v.autoscaling -}}
{{- $rabbitmq := $v.rabbitmq -}}
{{- $longest := int $worker.longestTaskSeconds -}}
{{- $timeout := int $worker.taskTimeoutSeconds -}}

{{- if not $v.image.registry -}}
{{- fail (print "image.registry is not set: build the images (docker/README.md), push them to a registry of yours, "
  "and set image.registry to it") -}}
{{- end -}}

{{- $grace := int $worker.graceSeconds -}}
{{- if lt $grace $longest -}}
{{- fail (printf (print "worker.graceSeconds (%d) is less than worker.longestTaskSeconds (%d): stopping a worker would "
  "cost running proofs; raise the first, or lower the second if tasks are shorter") $grace $longest) -}}
{{- end -}}
{{- if lt $timeout $longest -}}
{{- fail (printf (print "worker.taskTimeoutSeconds (%d) is less than worker.longestTaskSeconds (%d): the longest tasks "
  "would never be done; raise it") $timeout $longest) -}}
{{- end -}}
{{- if le (int $rabbitmq.consumerTimeoutSeconds) $timeout -}}
{{- fail (printf (print "rabbitmq.consumerTimeoutSeconds (%d) is not more than worker.taskTimeoutSeconds (%d): the "
  "broker would give a task to two workers; raise it") (int $rabbitmq.consumerTimeoutSeconds) $timeout) -}}
{{- end -}}

{{- range $name, $class := $worker.classes -}}
{{- $least := int (ternary $scaling.minReplicas $class.minReplicas (kindIs "invalid" $class.minReplicas)) -}}
{{- $most := int (ternary $scaling.maxReplicas $class.maxReplicas (kindIs "invalid" $class.maxReplicas)) -}}
{{- if lt $most (max $least 1) -}}
{{- fail (printf (print "worker.classes.%s: at least %d and at most %d workers cannot be; see minReplicas and "
  "maxReplicas there and of autoscaling") $name $least $most) -}}
{{- end -}}
{{- end -}}
{{- if lt (int $scaling.cooldownSeconds) (int $scaling.stabilizationWindowSeconds) -}}
{{- fail (printf (print "autoscaling.cooldownSeconds (%d) is less than autoscaling.stabilizationWindowSeconds (%d): "
  "the last worker would go sooner than others; raise it")
  (int $scaling.cooldownSeconds) (int $scaling.stabilizationWindowSeconds)) -}}
{{- end -}}
{{- if and (eq $scaling.mode "prometheus") (not $scaling.prometheus.serverAddress) -}}
{{- fail "autoscaling.mode is prometheus: set autoscaling.prometheus.serverAddress" -}}
{{- end -}}

{{- if $rabbitmq.create -}}
{{- if and $rabbitmq.tls.enabled (not (and $rabbitmq.tls.serverSecret $rabbitmq.tls.caSecret)) -}}
{{- fail (print "rabbitmq.tls.enabled: a broker that the chart makes needs rabbitmq.tls.serverSecret (tls.crt, "
  "tls.key) and rabbitmq.tls.caSecret (ca.crt)") -}}
{{- end -}}
{{- else -}}
{{- if not $rabbitmq.external.host -}}
{{- fail "rabbitmq.create is false: set rabbitmq.external.host" -}}
{{- end -}}
{{- if not $rabbitmq.external.managementUrl -}}
{{- if eq $scaling.mode "queue" -}}
{{- fail (print "autoscaling.mode is queue, and KEDA counts over HTTP: set rabbitmq.external.managementUrl, or another "
  "autoscaling.mode") -}}
{{- end -}}
{{- if include "blockproof.setup" . -}}
{{- fail (print "rabbitmq.setup.adminSecret is given, and users are set up over HTTP: set "
  "rabbitmq.external.managementUrl, or rabbitmq.setup.enabled to false") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if and $v.artifacts.url $v.artifacts.persistence.existingClaim -}}
{{- fail "artifacts.url and artifacts.persistence.existingClaim are both set: artifacts are in one place" -}}
{{- end -}}

{{- if not (or (eq $v.leader.mode "none") (regexMatch "^[A-Za-z0-9_-]{1,64}$" (include "blockproof.group" .))) -}}
{{- fail (printf "%s is no name of a group of leaders: set leader.group to letters, digits, - and _"
  (include "blockproof.group" .)) -}}
{{- end -}}
{{- if eq $v.leader.mode "follow" -}}
{{- if not $v.leader.follow.startBlock -}}
{{- fail "leader.mode is follow: set leader.follow.startBlock to the number of the first block, in quotes" -}}
{{- end -}}
{{- if not $v.leader.follow.urlSecret.name -}}
{{- fail "leader.mode is follow: put the node's address into a Secret and set leader.follow.urlSecret.name" -}}
{{- end -}}
{{- end -}}
{{- if eq $v.leader.mode "job" -}}
{{- $witness := $v.leader.job.witness -}}
{{- if ne (len (compact (list $witness.path $witness.configMap.name $witness.persistentVolumeClaim.name))) 1 -}}
{{- fail (print "leader.mode is job: give exactly one of path, configMap.name and persistentVolumeClaim.name in "
  "leader.job.witness") -}}
{{- end -}}
{{- end -}}

{{- if and $v.jumpbox.enabled $v.jumpbox.mountProofs (eq $v.leader.mode "none") (not $v.leader.proofs.existingClaim) -}}
{{- fail "jumpbox.mountProofs: there is no volume of proofs; set leader.proofs.existingClaim, or leader.mode" -}}
{{- end -}}
{{- end -}}
