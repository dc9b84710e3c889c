{{/* The form of a run pod, as the code server hands it to K8sRunLauncher with each run; what a run's tag says goes before. */}}
{{- define "clickstream.containerContext" -}}
{{- $runs := .Values.runs -}}
{{- $this := dict "root" . "role" "runs" "extra" .Values.codeServer.extraEnv -}}
{{- $podSpec := dict
  "security_context" (include "clickstream.podSecurityContext" . | fromYaml)
  "enable_service_links" false
-}}
{{- with $runs.nodeSelector }}{{ $_ := set $podSpec "node_selector" . }}{{ end -}}
{{- with $runs.tolerations }}{{ $_ := set $podSpec "tolerations" . }}{{ end -}}
{{- with $runs.affinity }}{{ $_ := set $podSpec "affinity" . }}{{ end -}}
{{- with $runs.priorityClassName }}{{ $_ := set $podSpec "priority_class_name" . }}{{ end -}}
{{- $labels := merge (include "clickstream.selector" $this | fromYaml) $runs.labels -}}
{{- $_ := unset $labels "app.kubernetes.io/name" -}}
{{- $_ := unset $labels "app.kubernetes.io/instance" -}}
{{- $_ := set $labels "app.kubernetes.io/part-of" "clickstream-platform" -}}
{{- $k8s := dict
  "image_pull_policy" .Values.image.pullPolicy
  "image_pull_secrets" .Values.image.pullSecrets
  "service_account_name" (include "clickstream.serviceAccountName" $this)
  "env_config_maps" (list "clickstream-settings")
  "env" (include "clickstream.env" $this | fromYamlArray)
  "labels" $labels
  "resources" $runs.resources
  "security_context" (include "clickstream.containerSecurityContext" . | fromYaml)
  "volumes" (printf "%s\n- {name: dagster-home, emptyDir: {}}" (include "clickstream.volumes" (dict "root" $)) | fromYamlArray)
  "volume_mounts" (printf "%s\n- {name: dagster-home, mountPath: %s}" (include "clickstream.mounts" .) .Values.global.dagsterHome | fromYamlArray)
  "run_k8s_config" (dict
    "pod_spec_config" $podSpec
    "pod_template_spec_metadata" (dict "annotations" $runs.annotations)
    "job_spec_config" (dict
      "ttl_seconds_after_finished" (int $runs.ttlSecondsAfterFinished)
      "active_deadline_seconds" (int $runs.activeDeadlineSeconds)
    )
  )
-}}
{{- dict "k8s" $k8s | toJson -}}
{{- end }}
