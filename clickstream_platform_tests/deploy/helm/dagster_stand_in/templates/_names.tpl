{{- define "standin.name" -}}
{{- $name := .Values.global.nameOverride | default "dagster" -}}
{{- .Values.global.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name)) | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "standin.account" -}}
{{- .Values.global.serviceAccountName | default .Values.serviceAccount.name | default (include "standin.name" .) -}}
{{- end }}

{{- define "standin.labels" -}}
app.kubernetes.io/name: dagster
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "standin.storage" -}}
postgres_db:
  username: {{ .Values.postgresql.postgresqlUsername }}
  password: {env: DAGSTER_PG_PASSWORD}
  hostname: {{ .Values.postgresql.postgresqlHost | default (printf "%s-postgresql" .Release.Name) | quote }}
  db_name: {{ .Values.postgresql.postgresqlDatabase }}
  port: {{ .Values.postgresql.service.port }}
  params: {{ .Values.postgresql.postgresqlParams | toJson }}
{{- end }}

{{/* Parts of dagster.yaml that stand in values of their own: written where they are switched on. */}}
{{- define "standin.options" -}}
{{- $daemon := .Values.dagsterDaemon -}}
{{- if $daemon.runMonitoring.enabled }}
run_monitoring: {enabled: true}
{{- end }}
{{- if $daemon.runRetries.enabled }}
run_retries: {enabled: true}
{{- end }}
{{- range $part := list "sensors" "schedules" "backfills" }}
{{- if (get $daemon $part).useThreads }}
{{ $part }}: {use_threads: true}
{{- end }}
{{- end }}
{{- if .Values.retention.enabled }}
retention: {}
{{- end }}
{{- end }}

{{/* One of the two deployments' pods: a dict of root, part (its values), variables (of its own ConfigMap), command. */}}
{{- define "standin.pod" -}}
serviceAccountName: {{ include "standin.account" .root }}
securityContext: {{ .part.podSecurityContext | toJson }}
nodeSelector: {{ .part.nodeSelector | toJson }}
tolerations: {{ .part.tolerations | toJson }}
affinity: {{ .part.affinity | toJson }}
imagePullSecrets: {{ .root.Values.imagePullSecrets | toJson }}
{{- if ne .part.checkDbReadyInitContainer false }}
initContainers:
  - name: check-db-ready
    image: docker.io/library/postgres:14.6
    command: [sh, -c, {{ printf "until pg_isready -h %s; do sleep 2; done" .root.Values.postgresql.postgresqlHost | quote }}]
    securityContext: {{ .part.securityContext | toJson }}
{{- end }}
containers:
  - name: dagster
    image: {{ printf "%s:%v" .part.image.repository (.part.image.tag | default .root.Chart.Version) | quote }}
    imagePullPolicy: {{ .part.image.pullPolicy }}
    securityContext: {{ .part.securityContext | toJson }}
    command: [/bin/bash, -c, {{ .command | quote }}]
    env:
      - name: DAGSTER_PG_PASSWORD
        valueFrom: {secretKeyRef: {name: {{ .root.Values.global.postgresqlSecretName }}, key: postgresql-password}}
      - {name: DAGSTER_DAEMON_HEARTBEAT_TOLERANCE, value: "1800"}
      {{- with .part.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    envFrom:
      - configMapRef: {name: {{ include "standin.name" .root }}-{{ .variables }}}
      {{- range .part.envConfigMaps }}
      - configMapRef: {{ . | toJson }}
      {{- end }}
      {{- range .part.envSecrets }}
      - secretRef: {{ . | toJson }}
      {{- end }}
    volumeMounts:
      - {name: dagster-instance, mountPath: {{ .root.Values.global.dagsterHome }}/dagster.yaml, subPath: dagster.yaml}
      - {name: dagster-workspace-yaml, mountPath: /dagster-workspace/}
      {{- with .part.volumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .ports }}
    ports: {{ . | toJson }}
    {{- end }}
    resources: {{ .part.resources | toJson }}
    {{- with .part.livenessProbe }}
    livenessProbe: {{ . | toJson }}
    {{- end }}
    {{- with .part.readinessProbe }}
    readinessProbe: {{ . | toJson }}
    {{- end }}
    {{- if .part.startupProbe.enabled }}
    startupProbe: {{ omit .part.startupProbe "enabled" | toJson }}
    {{- end }}
volumes:
  - {name: dagster-instance, configMap: {name: {{ include "standin.name" .root }}-instance}}
  - {name: dagster-workspace-yaml, configMap: {name: {{ include "standin.name" .root }}-workspace-yaml}}
  {{- with .part.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Pods start anew when dagster.yaml or workspace.yaml changes. */}}
{{- define "standin.podAnnotations" -}}
checksum/dagster-workspace: {{ include (print $.Template.BasePath "/workspace.yaml") . | sha256sum }}
checksum/dagster-instance: {{ include (print $.Template.BasePath "/instance.yaml") . | sha256sum }}
{{- end }}
