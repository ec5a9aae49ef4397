{{/* The spec of a pod that proves witnesses of the jumpbox image and verifies the proofs, for the load tester and for
`helm test`: (dict "root" $ "name" "test" "group" "helm-test" "witnesses" (list …) "extraArgs" (list …) "claim" ""
"settings" .Values.test). */}}
{{- define "blockproof.prove" -}}
{{- $root := .root -}}
{{- include "blockproof.pod" (dict "root" $root) }}
serviceAccountName: {{ include "blockproof.fullname" $root }}-leader
restartPolicy: Never
{{- with include "blockproof.placement" .settings }}
{{ . }}
{{- end }}
containers:
  - name: {{ .name }}
    image: {{ include "blockproof.image" (dict "root" $root "name" "jumpbox") }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args:
      - load-witnesses
      - --group
      - {{ .group }}
      {{- if eq $root.Values.prover.profile "test" }}
      # One bit of security: it is what was asked for.
      - --allow-insecure
      {{- end }}
      {{- range .witnesses }}
      - {{ . }}
      {{- end }}
      {{- with .extraArgs }}
      - --
      {{- range . }}
      - {{ . | quote }}
      {{- end }}
      {{- end }}
    env:
      {{- include "blockproof.env" $root | nindent 6 }}
      {{- include "blockproof.metricsEnv" $root | nindent 6 }}
      {{- include "blockproof.brokerEnv" $root | nindent 6 }}
      {{- include "blockproof.storeEnv" $root | nindent 6 }}
      - name: WAIT_FOR_CIRCUITS
        value: "true"
    # No probes: between two witnesses there is nobody to answer.
    ports:
      {{- include "blockproof.metricsPort" $root | nindent 6 }}
    resources:
      {{- include "blockproof.resources" .settings.resources | nindent 6 }}
    securityContext:
      {{- include "blockproof.securityContext" $root | nindent 6 }}
    volumeMounts:
      {{- include "blockproof.storeMounts" $root | nindent 6 }}
      {{- include "blockproof.brokerMounts" $root | nindent 6 }}
      {{- if .claim }}
      - name: witnesses
        mountPath: /witnesses
        readOnly: true
      {{- end }}
volumes:
  {{- include "blockproof.storeVolumes" $root | nindent 2 }}
  {{- include "blockproof.brokerVolumes" (dict "root" $root "role" "leader") | nindent 2 }}
  {{- with .claim }}
  - name: witnesses
    persistentVolumeClaim:
      claimName: {{ . }}
  {{- end }}
{{- end -}}

{{/* The pod of the load tester's Job. Whatever is in it is part of the Job's name. */}}
{{- define "blockproof.loadTester.job" -}}
{{- $tester := .Values.loadTester -}}
metadata:
  labels:
    {{- include "blockproof.selectorLabels" (dict "root" . "component" "load-tester") | nindent 4 }}
spec:
  {{- include "blockproof.prove" (dict "root" . "name" "load-tester" "group" $tester.group "witnesses" $tester.witnesses
    "extraArgs" $tester.extraArgs "claim" $tester.witnessClaim "settings" $tester) | nindent 2 }}
{{- end -}}
