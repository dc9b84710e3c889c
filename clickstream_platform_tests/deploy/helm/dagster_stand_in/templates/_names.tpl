{{- define "standin.name" -}}
{{- if contains "dagster" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-dagster{{ end -}}
{{- end }}

{{- define "standin.labels" -}}
app.kubernetes.io/name: dagster
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "standin.storage" -}}
postgres_db:
  username: {{ .Values.postgresql.postgresqlUsername }}
  password: {env: DAGSTER_PG_PASSWORD}
  hostname: {{ .Values.postgresql.postgresqlHost | quote }}
  db_name: {{ .Values.postgresql.postgresqlDatabase }}
  port: {{ .Values.postgresql.service.port }}
  params: {{ .Values.postgresql.postgresqlParams | toJson }}
{{- end }}

{{/* One of the two deployments: a dict of root, part (its values), role, command. */}}
{{- define "standin.pod" -}}
serviceAccountName: {{ .root.Values.serviceAccount.name }}
securityContext: {{ .part.podSecurityContext | toJson }}
nodeSelector: {{ .part.nodeSelector | toJson }}
tolerations: {{ .part.tolerations | toJson }}
affinity: {{ .part.affinity | toJson }}
imagePullSecrets: {{ .root.Values.imagePullSecrets | toJson }}
containers:
  - name: dagster
    image: {{ printf "%s:%v" .part.image.repository .part.image.tag | quote }}
    imagePullPolicy: {{ .part.image.pullPolicy }}
    securityContext: {{ .part.securityContext | toJson }}
    command: {{ .command | toJson }}
    env:
      - name: DAGSTER_HOME
        value: {{ .root.Values.global.dagsterHome }}
      - name: DAGSTER_PG_PASSWORD
        valueFrom: {secretKeyRef: {name: {{ .root.Values.global.postgresqlSecretName }}, key: postgresql-password}}
      {{- with .part.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    envFrom:
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
