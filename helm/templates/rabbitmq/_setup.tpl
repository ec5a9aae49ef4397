{{/* The pod of the Job. Whatever is in it is part of the Job's name. */}}
{{- define "blockproof.setup.job" -}}
{{- $rabbitmq := .Values.rabbitmq -}}
{{- $admin := default (printf "%s-default-user" (include "blockproof.rabbitmq" .)) $rabbitmq.setup.adminSecret -}}
{{- $root := . -}}
metadata:
  labels:
    {{- include "blockproof.selectorLabels" (dict "root" . "component" "broker-setup") | nindent 4 }}
spec:
  {{- include "blockproof.pod" (dict "root" .) | nindent 2 }}
  restartPolicy: Never
  containers:
    - name: broker-setup
      image: {{ include "blockproof.image" (dict "root" . "name" "jumpbox") }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - broker-setup
        - --api
        - {{ include "blockproof.managementUrl" . }}
        - --vhost
        - {{ $rabbitmq.vhost }}
        - --admin
        - /secrets/admin
        {{- range $role, $_ := $rabbitmq.users }}
        - --{{ $role }}
        - /secrets/{{ $role }}
        {{- end }}
      {{- if and $rabbitmq.tls.enabled $rabbitmq.tls.caSecret }}
      env:
        - name: CURL_CA_BUNDLE
          value: /secrets/broker-ca/ca.crt
      {{- end }}
      resources:
        {{- include "blockproof.resources" $rabbitmq.setup.resources | nindent 8 }}
      securityContext:
        {{- include "blockproof.securityContext" . | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        - name: admin
          mountPath: /secrets/admin
          readOnly: true
        {{- range $role, $_ := $rabbitmq.users }}
        - name: {{ $role }}
          mountPath: /secrets/{{ $role }}
          readOnly: true
        {{- end }}
        {{- if and $rabbitmq.tls.enabled $rabbitmq.tls.caSecret }}
        - name: broker-ca
          mountPath: /secrets/broker-ca
          readOnly: true
        {{- end }}
  volumes:
    {{- include "blockproof.tmpVolume" . | nindent 4 }}
    - name: admin
      secret:
        secretName: {{ $admin }}
        defaultMode: 0440
        items:
          - key: username
            path: username
          - key: password
            path: password
    {{- range $role, $_ := $rabbitmq.users }}
    - name: {{ $role }}
      secret:
        secretName: {{ include "blockproof.userSecret" (dict "root" $root "role" $role) }}
        defaultMode: 0440
        items:
          - key: username
            path: username
          - key: password
            path: password
    {{- end }}
    {{- if and $rabbitmq.tls.enabled $rabbitmq.tls.caSecret }}
    - name: broker-ca
      secret:
        secretName: {{ $rabbitmq.tls.caSecret }}
        items:
          - key: ca.crt
            path: ca.crt
    {{- end }}
{{- end -}}
