{{/* What templates/checks.yaml needs to judge values. */}}

{{- define "clickstream.refusePassword" -}}
{{- if regexMatch "://[^/@]*:[^/@]+@" (toString .text) }}
{{- fail (printf "%s: a URL with a password is a secret. Put it into a Secret and name its key in secrets.env." .where) }}
{{- end }}
{{- end }}

{{/* A quantity such as 3Gi in MiB, rounded down. */}}
{{- define "clickstream.mebibytes" -}}
{{- $text := include "clickstream.text" . -}}
{{- $number := regexFind "^[0-9]+" $text | int64 -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- $bytes := dict "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- div (mul $number (get $bytes $unit | default 1 | int64)) 1048576 -}}
{{- end }}
