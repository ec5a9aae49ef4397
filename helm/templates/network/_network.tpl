{{/* Parts of NetworkPolicies. */}}

{{/* First lines of a policy: (dict "root" $ "component" "worker"). */}}
{{- define "blockproof.network.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "blockproof.fullname" .root }}-{{ .component }}
  labels:
    {{- include "blockproof.labels" . | nindent 4 }}
{{- end -}}

{{/* (dict "to" (list …) "ports" (list 443)) */}}
{{- define "blockproof.network.flow" -}}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    {{- range .ports }}
    - protocol: TCP
      port: {{ int . }}
    {{- end }}
{{- end -}}

{{- define "blockproof.network.dns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
{{- end -}}

{{/* To the broker: (dict "root" $ "ports" (list 5672)). */}}
{{- define "blockproof.network.broker" -}}
{{- $to := .root.Values.networkPolicy.broker.to -}}
{{- if .root.Values.rabbitmq.create -}}
{{- $labels := dict "app.kubernetes.io/name" (include "blockproof.rabbitmq" .root) -}}
{{- $to = list (dict "podSelector" (dict "matchLabels" $labels)) -}}
{{- end -}}
{{ include "blockproof.network.flow" (dict "to" $to "ports" .ports) }}
{{- end -}}

{{/* To the artifact store; a volume is mounted by the node. */}}
{{- define "blockproof.network.store" -}}
{{- if .Values.artifacts.url }}
{{ include "blockproof.network.flow" .Values.networkPolicy.store }}
{{- end }}
{{- if hasPrefix "gs://" .Values.artifacts.url }}
# The metadata server of GKE, which gives tokens of the Google service account; the first on nodes with Dataplane V2.
- to:
    - ipBlock:
        cidr: 169.254.169.254/32
  ports:
    - protocol: TCP
      port: 80
- to:
    - ipBlock:
        cidr: 169.254.169.252/32
  ports:
    - protocol: TCP
      port: 988
{{- end }}
{{- end -}}

{{/* What all that talks AMQP needs. */}}
{{- define "blockproof.network.prover" -}}
{{ include "blockproof.network.dns" . }}
{{ include "blockproof.network.broker" (dict "root" . "ports" (list (include "blockproof.brokerPort" .))) }}
{{- include "blockproof.network.store" . }}
{{- end -}}

{{/* From Prometheus. */}}
{{- define "blockproof.network.scraped" -}}
{{- if .root.Values.monitoring.enabled -}}
ingress:
  - from:
      - namespaceSelector:
          matchLabels:
            kubernetes.io/metadata.name: {{ .root.Values.networkPolicy.namespaces.monitoring }}
    ports:
      - protocol: TCP
        port: {{ .port }}
{{- end -}}
{{- end -}}

{{/* The port of an address such as https://host:15671/path. */}}
{{- define "blockproof.network.managementPort" -}}
{{- $url := urlParse (include "blockproof.managementUrl" .) -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- default (ternary "443" "80" (eq $url.scheme "https")) $port -}}
{{- end -}}
