{{/* What pods have in common. All of it fulfils the restricted Pod Security standard. */}}

{{/* The user of the images; volumes get its group. */}}
{{- define "blockproof.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "blockproof.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* First lines of a pod's spec: (dict "root" $ "token" true). */}}
{{- define "blockproof.pod" -}}
automountServiceAccountToken: {{ default false .token }}
enableServiceLinks: false
securityContext:
  {{- include "blockproof.podSecurityContext" .root | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where a pod may run: of a component's values. */}}
{{- define "blockproof.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Memory is asked for as a whole: a pod that got less than it may use is killed in the middle of a proof. */}}
{{- define "blockproof.resources" -}}
requests:
  cpu: {{ .cpu | quote }}
  memory: {{ .memory }}
limits:
  memory: {{ .memory }}
{{- end -}}

{{/* Environment of every program of ours. */}}
{{- define "blockproof.env" -}}
{{- with .Values.log.filter }}
- name: RUST_LOG
  value: {{ . | quote }}
{{- end }}
- name: LOG_FORMAT
  value: {{ .Values.log.format }}
- name: PROVER_PROFILE
  value: {{ .Values.prover.profile }}
{{- range $table, $sizes := .Values.prover.circuitSizes }}
- name: {{ upper $table }}_CIRCUIT_SIZE
  value: {{ $sizes | quote }}
{{- end }}
- name: CIRCUITS_DIR
  value: /var/lib/blockproof/circuits
{{- end -}}

{{- define "blockproof.metricsEnv" -}}
- name: METRICS_ADDR
  value: 0.0.0.0:9464
- name: METRICS_RECENT_SECONDS
  value: {{ .Values.metrics.recentSeconds | quote }}
- name: METRICS_RECENT_SERIES
  value: {{ .Values.metrics.recentSeries | quote }}
{{- end -}}

{{- define "blockproof.metricsPort" -}}
- name: metrics
  containerPort: 9464
{{- end -}}

{{/* (dict "seconds" 7200): until it answers for the first time. What waits for circuits is alive and not ready. */}}
{{- define "blockproof.probes" -}}
startupProbe:
  httpGet:
    path: /livez
    port: metrics
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: {{ div (add (int .seconds) 9) 10 }}
livenessProbe:
  httpGet:
    path: /livez
    port: metrics
  # Proving takes all cores: an answer may take its time.
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet:
    path: /readyz
    port: metrics
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 3
{{- end -}}

{{/* The address has no credentials: those are files. */}}
{{- define "blockproof.brokerEnv" -}}
{{- $tls := .Values.rabbitmq.tls -}}
- name: AMQP_URI
  value: {{ printf "%s://%s:%s/%s" (ternary "amqps" "amqp" $tls.enabled) (include "blockproof.brokerHost" .)
    (include "blockproof.brokerPort" .) .Values.rabbitmq.vhost }}
- name: AMQP_USERNAME_FILE
  value: /secrets/broker/username
- name: AMQP_PASSWORD_FILE
  value: /secrets/broker/password
{{- if and $tls.enabled $tls.caSecret }}
- name: AMQP_CA_FILE
  value: /secrets/broker-ca/ca.crt
{{- end }}
{{- if and $tls.enabled $tls.clientSecret }}
- name: AMQP_CERT_FILE
  value: /secrets/broker-client/tls.crt
- name: AMQP_KEY_FILE
  value: /secrets/broker-client/tls.key
{{- end }}
{{- end -}}

{{- define "blockproof.brokerMounts" -}}
{{- $tls := .Values.rabbitmq.tls -}}
- name: broker
  mountPath: /secrets/broker
  readOnly: true
{{- if and $tls.enabled $tls.caSecret }}
- name: broker-ca
  mountPath: /secrets/broker-ca
  readOnly: true
{{- end }}
{{- if and $tls.enabled $tls.clientSecret }}
- name: broker-client
  mountPath: /secrets/broker-client
  readOnly: true
{{- end }}
{{- end -}}

{{/* (dict "root" $ "role" "worker") */}}
{{- define "blockproof.brokerVolumes" -}}
{{- $tls := .root.Values.rabbitmq.tls -}}
- name: broker
  secret:
    secretName: {{ include "blockproof.userSecret" . }}
    defaultMode: 0440
    items:
      - key: username
        path: username
      - key: password
        path: password
{{- if and $tls.enabled $tls.caSecret }}
- name: broker-ca
  secret:
    secretName: {{ $tls.caSecret }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- if and $tls.enabled $tls.clientSecret }}
- name: broker-client
  secret:
    secretName: {{ $tls.clientSecret }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- define "blockproof.storeEnv" -}}
{{- $s3 := .Values.artifacts.s3 -}}
- name: ARTIFACTS_DIR
  value: {{ default "/var/lib/blockproof/artifacts" .Values.artifacts.url }}
{{- if hasPrefix "s3://" .Values.artifacts.url }}
{{- with $s3.secretName }}
{{- range $key := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ $key }}
  valueFrom:
    secretKeyRef:
      name: {{ $s3.secretName }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- with $s3.region }}
- name: AWS_REGION
  value: {{ . }}
{{- end }}
{{- with $s3.endpoint }}
- name: AWS_ENDPOINT
  value: {{ . }}
{{- end }}
{{- if $s3.allowHttp }}
- name: AWS_ALLOW_HTTP
  value: "true"
{{- end }}
{{- end }}
{{- end -}}

{{/* Folders that every prover has: circuits to read, artifacts, and the only place of the image to write to. */}}
{{- define "blockproof.storeMounts" -}}
- name: tmp
  mountPath: /tmp
- name: circuits
  mountPath: /var/lib/blockproof/circuits
  readOnly: true
{{- if not .Values.artifacts.url }}
- name: artifacts
  mountPath: /var/lib/blockproof/artifacts
{{- end }}
{{- end -}}

{{- define "blockproof.storeVolumes" -}}
{{ include "blockproof.tmpVolume" . }}
- name: circuits
  persistentVolumeClaim:
    claimName: {{ include "blockproof.claim" (dict "root" . "claim" "circuits") }}
{{- if not .Values.artifacts.url }}
- name: artifacts
  persistentVolumeClaim:
    claimName: {{ include "blockproof.claim" (dict "root" . "claim" "artifacts") }}
{{- end }}
{{- end -}}

{{- define "blockproof.tmpVolume" -}}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
{{- end -}}

{{/* (dict "root" $ "claim" "circuits" "component" "circuits") */}}
{{- define "blockproof.persistentVolumeClaim" -}}
{{- $persistence := include "blockproof.persistence" . | fromJson -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "blockproof.claim" . }}
  labels:
    {{- include "blockproof.labels" . | nindent 4 }}
  {{- if $persistence.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
spec:
  accessModes:
    {{- toYaml $persistence.accessModes | nindent 4 }}
  {{- with $persistence.storageClassName }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ $persistence.size }}
{{- end -}}

{{/* Wrong usage (exit code 2) is not tried again, and losing the node is no try: (dict "container" "leader"). */}}
{{- define "blockproof.podFailurePolicy" -}}
rules:
  - action: Ignore
    onPodConditions:
      - type: DisruptionTarget
        status: "True"
  - action: FailJob
    onExitCodes:
      containerName: {{ .container }}
      operator: In
      values: [2]
{{- end -}}
