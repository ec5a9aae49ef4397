{{/* Names, labels and images. What pods share is in _pod.tpl, what values must fulfil in _check.tpl. */}}

{{/* At most 36 characters: the longest name made of it ends in `-broker-setup-12345678-999`, a label holds 63. */}}
{{- define "blockproof.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 36 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 36 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 36 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels that find the pods of a component and never change: (dict "root" $ "component" "worker"). */}}
{{- define "blockproof.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* Labels of objects. Pods of Jobs must not have them: they change with every version, a Job's pods may not. */}}
{{- define "blockproof.labels" -}}
{{ include "blockproof.selectorLabels" . }}
app.kubernetes.io/version: {{ default .root.Chart.AppVersion .root.Values.image.tag | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* (dict "root" $ "name" "worker") */}}
{{- define "blockproof.image" -}}
{{- $image := .root.Values.image -}}
{{- printf "%s/blockproof-%s:%s" (trimSuffix "/" $image.registry) .name (default .root.Chart.AppVersion $image.tag) -}}
{{- with index $image.digests .name }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "blockproof.group" -}}
{{- default .Release.Name .Values.leader.group -}}
{{- end -}}

{{/* What follows a name so that another pod gets another one: a Job's pods cannot be changed. */}}
{{- define "blockproof.hash" -}}
{{- . | sha256sum | trunc 8 -}}
{{- end -}}

{{- define "blockproof.rabbitmq" -}}
{{ include "blockproof.fullname" . }}-rabbitmq
{{- end -}}

{{- define "blockproof.brokerHost" -}}
{{- if .Values.rabbitmq.create -}}
{{ include "blockproof.rabbitmq" . }}.{{ .Release.Namespace }}.svc
{{- else -}}
{{ .Values.rabbitmq.external.host }}
{{- end -}}
{{- end -}}

{{- define "blockproof.brokerPort" -}}
{{- $port := ternary 5671 5672 .Values.rabbitmq.tls.enabled -}}
{{- if .Values.rabbitmq.create }}{{ $port }}{{ else }}{{ default $port (int .Values.rabbitmq.external.port) }}{{ end -}}
{{- end -}}

{{/* Address of the broker's HTTP interface, with no slash at its end. */}}
{{- define "blockproof.managementUrl" -}}
{{- if not .Values.rabbitmq.create -}}
{{ trimSuffix "/" .Values.rabbitmq.external.managementUrl }}
{{- else if .Values.rabbitmq.tls.enabled -}}
https://{{ include "blockproof.brokerHost" . }}:15671
{{- else -}}
http://{{ include "blockproof.brokerHost" . }}:15672
{{- end -}}
{{- end -}}

{{/* The Secret of a role at the broker: (dict "root" $ "role" "worker"). */}}
{{- define "blockproof.userSecret" -}}
{{- $user := index .root.Values.rabbitmq.users .role -}}
{{- default (printf "%s-broker-%s" (include "blockproof.fullname" .root) .role) $user.existingSecret -}}
{{- end -}}

{{/* Whether there is a Job that sets the broker up: "yes" or nothing. */}}
{{- define "blockproof.setup" -}}
{{- $rabbitmq := .Values.rabbitmq -}}
{{- if and $rabbitmq.setup.enabled (or $rabbitmq.create $rabbitmq.setup.adminSecret) }}yes{{ end -}}
{{- end -}}

{{/* The settings of the claim of circuits, artifacts or proofs, as JSON: (dict "root" $ "claim" "circuits"). */}}
{{- define "blockproof.persistence" -}}
{{- $values := .root.Values -}}
{{- index (dict "circuits" $values.circuits.persistence "artifacts" $values.artifacts.persistence
  "proofs" $values.leader.proofs) .claim | toJson -}}
{{- end -}}

{{/* Its name. */}}
{{- define "blockproof.claim" -}}
{{- $persistence := include "blockproof.persistence" . | fromJson -}}
{{- default (printf "%s-%s" (include "blockproof.fullname" .root) .claim) $persistence.existingClaim -}}
{{- end -}}
