{{/* The pod of the Job. Whatever is in it is part of the Job's name. */}}
{{- define "blockproof.circuits.job" -}}
{{- $build := .Values.circuits.build -}}
metadata:
  labels:
    {{- include "blockproof.selectorLabels" (dict "root" . "component" "circuits") | nindent 4 }}
spec:
  {{- include "blockproof.pod" (dict "root" .) | nindent 2 }}
  restartPolicy: Never
  {{- with include "blockproof.placement" $build }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: circuits
      image: {{ include "blockproof.image" (dict "root" . "name" "leader") }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [circuits, build]
      env:
        {{- include "blockproof.env" . | nindent 8 }}
      resources:
        {{- include "blockproof.resources" $build.resources | nindent 8 }}
      securityContext:
        {{- include "blockproof.securityContext" . | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        - name: circuits
          mountPath: /var/lib/blockproof/circuits
  volumes:
    {{- include "blockproof.tmpVolume" . | nindent 4 }}
    - name: circuits
      persistentVolumeClaim:
        claimName: {{ include "blockproof.claim" (dict "root" . "claim" "circuits") }}
{{- end -}}
