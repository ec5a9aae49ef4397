{{/* The container of a leader, and what it mounts, alike in a Job and a Deployment. */}}

{{- define "blockproof.leader.arguments" -}}
- --runtime=amqp
- --group={{ include "blockproof.group" . }}
- --priority={{ .Values.leader.priority }}
- --max-in-flight={{ int .Values.leader.maxInFlight }}
- --proof-output-dir=/var/lib/blockproof/proofs
{{- range .Values.leader.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "blockproof.leader.env" -}}
{{ include "blockproof.env" . }}
{{ include "blockproof.metricsEnv" . }}
{{ include "blockproof.brokerEnv" . }}
{{ include "blockproof.storeEnv" . }}
- name: WAIT_FOR_CIRCUITS
  value: "true"
{{- end -}}

{{- define "blockproof.leader.mounts" -}}
{{ include "blockproof.storeMounts" . }}
{{ include "blockproof.brokerMounts" . }}
- name: proofs
  mountPath: /var/lib/blockproof/proofs
{{- end -}}

{{- define "blockproof.leader.volumes" -}}
{{ include "blockproof.storeVolumes" . }}
{{ include "blockproof.brokerVolumes" (dict "root" . "role" "leader") }}
- name: proofs
  persistentVolumeClaim:
    claimName: {{ include "blockproof.claim" (dict "root" . "claim" "proofs") }}
{{- end -}}

{{/* The pod of the Job. Whatever is in it is part of the Job's name. */}}
{{- define "blockproof.leader.job" -}}
{{- $witness := .Values.leader.job.witness -}}
metadata:
  labels:
    {{- include "blockproof.selectorLabels" (dict "root" . "component" "leader") | nindent 4 }}
  {{- with .Values.leader.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "blockproof.pod" (dict "root" .) | nindent 2 }}
  serviceAccountName: {{ include "blockproof.fullname" . }}-leader
  restartPolicy: Never
  terminationGracePeriodSeconds: {{ int .Values.leader.terminationGracePeriodSeconds }}
  {{- with include "blockproof.placement" .Values.leader }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: leader
      image: {{ include "blockproof.image" (dict "root" . "name" "leader") }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        {{- include "blockproof.leader.arguments" . | nindent 8 }}
        - stdio
        {{- if $witness.path }}
        - {{ $witness.path }}
        {{- else if $witness.configMap.name }}
        - /witness/{{ $witness.configMap.key }}
        {{- else }}
        - /witness/{{ $witness.persistentVolumeClaim.path }}
        {{- end }}
      env:
        {{- include "blockproof.leader.env" . | nindent 8 }}
      ports:
        {{- include "blockproof.metricsPort" . | nindent 8 }}
      {{- include "blockproof.probes" (dict "seconds" .Values.worker.startupSeconds) | nindent 6 }}
      resources:
        {{- include "blockproof.resources" .Values.leader.resources | nindent 8 }}
      securityContext:
        {{- include "blockproof.securityContext" . | nindent 8 }}
      volumeMounts:
        {{- include "blockproof.leader.mounts" . | nindent 8 }}
        {{- if not $witness.path }}
        - name: witness
          mountPath: /witness
          readOnly: true
        {{- end }}
  volumes:
    {{- include "blockproof.leader.volumes" . | nindent 4 }}
    {{- if $witness.configMap.name }}
    - name: witness
      configMap:
        name: {{ $witness.configMap.name }}
    {{- else if $witness.persistentVolumeClaim.name }}
    - name: witness
      persistentVolumeClaim:
        claimName: {{ $witness.persistentVolumeClaim.name }}
    {{- end }}
{{- end -}}
