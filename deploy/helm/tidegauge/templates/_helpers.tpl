{{/* The name of everything: RELEASE-gauge for a release that is called after Tidegauge. */}}
{{- define "tidegauge.name" -}}
{{- $base := contains "tidegauge" .Release.Name | ternary .Release.Name (printf "%s-tidegauge" .Release.Name) -}}
{{- .Values.fullnameOverride | default (printf "%s-gauge" (trunc 57 $base | trimSuffix "-")) -}}
{{- end }}

{{- define "tidegauge.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "tidegauge.name" .) "default") -}}
{{- end }}

{{/* What a pod is selected by; never to be changed, as a Deployment's selector cannot be. */}}
{{- define "tidegauge.selector" -}}
app.kubernetes.io/name: tidegauge
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gauge
{{- end }}

{{- define "tidegauge.labels" -}}
{{ include "tidegauge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "tidegauge.image" -}}
{{- with .Values.image -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
{{- end }}

{{/* The names under which the Service is reached. */}}
{{- define "tidegauge.serviceNames" -}}
{{- $name := include "tidegauge.name" . -}}
{{- $full := printf "%s.%s.svc" $name .Release.Namespace -}}
{{- list $name (printf "%s.%s" $name .Release.Namespace) $full (printf "%s.cluster.local" $full) | toJson -}}
{{- end }}

{{/* Not empty where a right is guarded, as Tidegauge has it for listeners that are reached from outside the pod. */}}
{{- define "tidegauge.guarded" -}}
{{- $right := .right -}}
{{- with .root.Values.server -}}
{{- $said := get .access $right -}}
{{- if $said -}}
{{- if eq $said "guarded" }}guarded{{ end -}}
{{- else -}}
{{- range .tokens }}{{ if has $right .may }}guarded{{ end }}{{ end -}}
{{- if and .tls.clientCa.secretName (has $right (.tls.clientMay | default (list "scrape" "read"))) }}guarded{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}
