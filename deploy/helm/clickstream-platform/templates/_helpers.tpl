{{/* Names don't hold the release's: the dagster chart's values, which are not templates, must name them. One release a namespace. */}}

{{- define "clickstream.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: clickstream-platform
{{ include "clickstream.selector" . }}
{{- end }}

{{- define "clickstream.selector" -}}
app.kubernetes.io/name: clickstream-platform
app.kubernetes.io/instance: {{ .root.Release.Name }}
clickstream/role: {{ .role }}
{{- end }}

{{- define "clickstream.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{- define "clickstream.serviceAccountName" -}}
{{- $account := get .root.Values.serviceAccounts .role | default dict -}}
{{- get $account "name" | default (printf "clickstream-%s" (replace "_" "-" .role)) -}}
{{- end }}

{{/* Kubernetes' version without what vendors add to it, such as 1.29. */}}
{{- define "clickstream.kubeVersion" -}}
{{- regexFind "[0-9]+\\.[0-9]+" .Capabilities.KubeVersion.Version -}}
{{- end }}

{{- define "clickstream.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ .Values.pods.runAsUser }}
runAsGroup: {{ .Values.pods.runAsUser }}
fsGroup: {{ .Values.pods.runAsUser }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "clickstream.containerSecurityContext" -}}
runAsNonRoot: true
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The names of the dagster chart's objects. */}}
{{- define "clickstream.dagsterName" -}}
{{- $global := .Values.global | default dict -}}
{{- if get $global "fullnameOverride" -}}
{{- get $global "fullnameOverride" | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := get $global "nameOverride" | default "dagster" -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "clickstream.webserver" -}}
{{- printf "%s-%s" .Release.Name (.Values.dagster.dagsterWebserver.nameOverride | default "dagster-webserver") | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* A setting as text: large numbers reach a template as 1.2e+07. */}}
{{- define "clickstream.text" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end }}

{{/* Where SDKs send to; whether TLS ends before the Ingress only the setting knows. Empty: nowhere from outside. */}}
{{- define "clickstream.collectorUrl" -}}
{{- $ingress := .Values.collector.ingress -}}
{{- with get .Values.settings "CLICKSTREAM_COLLECTOR_PUBLIC_URL" -}}
{{- . -}}
{{- else -}}
{{- if $ingress.enabled }}{{ printf "%s://%s" (ternary "https" "http" (ne $ingress.tlsSecretName "")) $ingress.host }}{{ end -}}
{{- end -}}
{{- end }}

{{- define "clickstream.settings" -}}
{{- $own := dict
  "CLICKSTREAM_HOME" "/var/lib/clickstream"
  "CLICKSTREAM_LOG_FORMAT" "json"
  "CLICKSTREAM_POD_TTL_SECONDS" .Values.runs.ttlSecondsAfterFinished
  "CLICKSTREAM_DAGSTER_WEBSERVER_URL" (printf "http://%s:%v" (include "clickstream.webserver" .) .Values.dagster.dagsterWebserver.service.port)
-}}
{{- with include "clickstream.collectorUrl" . }}{{ $_ := set $own "CLICKSTREAM_REGISTRY_COLLECTOR_URL" . }}{{ end -}}
{{- range $name, $value := mergeOverwrite $own .Values.settings }}
{{ $name }}: {{ include "clickstream.text" $value | quote }}
{{- end }}
{{- end }}

{{/* The settings as variables, for pods that must not take the ConfigMap of the release that is there. */}}
{{- define "clickstream.settingsEnv" -}}
{{- range $name, $value := include "clickstream.settings" . | fromYaml }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{/* Variables of a role: the secrets that it may have, then its own. The settings come from the ConfigMap. */}}
{{- define "clickstream.env" -}}
{{- $root := .root -}}
{{- $role := .role -}}
{{- if $root.Values.pods.authoritiesConfigMap }}
- {name: SSL_CERT_FILE, value: /run/authorities/ca.pem}
{{- end }}
{{- range $name, $secret := $root.Values.secrets.env }}
{{- if has $role $secret.roles }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef: {name: {{ get $secret "secret" | default $root.Values.secrets.existingSecret | quote }}, key: {{ $secret.key | quote }}, optional: {{ get $secret "optional" | default false }}}
{{- end }}
{{- end }}
{{- with .extra }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "clickstream.dagsterEnv" -}}
- name: DAGSTER_HOME
  value: {{ .Values.global.dagsterHome | quote }}
- name: DAGSTER_PG_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ .Values.global.postgresqlSecretName | quote }}, key: postgresql-password}
{{- end }}

{{/* What every container of ours has in common. */}}
{{- define "clickstream.program" -}}
image: {{ include "clickstream.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- include "clickstream.containerSecurityContext" .root | nindent 2 }}
{{- end }}

{{- define "clickstream.container" -}}
{{ include "clickstream.program" . }}
envFrom:
  - configMapRef: {name: clickstream-settings}
{{- end }}

{{/* What every pod of ours has in common. No service links: Kubernetes would make up CLICKSTREAM_ variables. */}}
{{- define "clickstream.pod" -}}
serviceAccountName: {{ include "clickstream.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "clickstream.podSecurityContext" .root | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.pods.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.pods.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "clickstream.podMetadata" -}}
labels:
  {{- include "clickstream.labels" . | nindent 2 }}
annotations:
  clickstream/settings: {{ include "clickstream.settings" .root | sha256sum | trunc 16 }}
  {{- with .root.Values.pods.annotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "clickstream.volumes" -}}
{{- if .claim }}
- {name: home, persistentVolumeClaim: {claimName: {{ .claim }}}}
{{- else }}
- {name: home, emptyDir: {}}
{{- end }}
- {name: tmp, emptyDir: {}}
{{- with .root.Values.pods.authoritiesConfigMap }}
- {name: authorities, configMap: {name: {{ . }}}}
{{- end }}
{{- end }}

{{- define "clickstream.mounts" -}}
- {name: home, mountPath: /var/lib/clickstream}
- {name: tmp, mountPath: /tmp}
{{- if .Values.pods.authoritiesConfigMap }}
- {name: authorities, mountPath: /run/authorities, readOnly: true}
{{- end }}
{{- end }}

{{- define "clickstream.dagsterVolumes" -}}
- {name: dagster-home, emptyDir: {}}
- {name: dagster-instance, configMap: {name: {{ .configMap | default (printf "%s-instance" (include "clickstream.dagsterName" .root)) }}}}
{{- end }}

{{- define "clickstream.dagsterMounts" -}}
- {name: dagster-home, mountPath: {{ .Values.global.dagsterHome }}}
- {name: dagster-instance, mountPath: {{ .Values.global.dagsterHome }}/dagster.yaml, subPath: dagster.yaml, readOnly: true}
{{- end }}

{{/* The probes of docs/health.md for services that answer /healthz and /readyz at a port named http. */}}
{{- define "clickstream.probes" -}}
startupProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 5, timeoutSeconds: 10, failureThreshold: 60}
livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 20, timeoutSeconds: 10}
readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 10, timeoutSeconds: 10}
{{- end }}

{{- define "clickstream.claim" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ .name }}
  labels:
    {{- include "clickstream.labels" . | nindent 4 }}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .persistence.storageClassName }}
  storageClassName: {{ . }}
  {{- end }}
  resources: {requests: {storage: {{ .persistence.size }}}}
{{- end }}

{{- define "clickstream.ingress" -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ .role }}
  labels:
    {{- include "clickstream.labels" . | nindent 4 }}
  {{- with .ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with .ingress.tlsSecretName }}
  tls:
    - {hosts: [{{ $.ingress.host | quote }}], secretName: {{ . }}}
  {{- end }}
  rules:
    - host: {{ required (printf "%s.ingress.host: an Ingress needs a host name." .role) .ingress.host | quote }}
      http:
        paths:
          {{- range .paths }}
          - path: {{ . }}
            pathType: Prefix
            backend: {service: {name: {{ $.role }}, port: {name: http}}}
          {{- end }}
{{- end }}
