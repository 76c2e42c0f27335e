{{/* What the values have to say before anything is made of them. */}}
{{- define "tidegauge.check" -}}
{{- with .Values.cell -}}
{{- if not .name }}{{ fail "cell.name is missing: the name of the cell that this cluster is, such as use1-a" }}{{ end -}}
{{- if not (or .awsRegion .azureRegion) -}}
{{- fail "cell.awsRegion and cell.azureRegion are missing: set the one of the cloud that the stores are in, such as cell.awsRegion=us-east-1; it has to be one of their regions" -}}
{{- end -}}
{{- end -}}
{{- if not (trim .Values.settings) -}}
{{- fail "settings is empty: give the stores in TOML, such as with --set-file settings=settings.toml" -}}
{{- end -}}
{{- $settings := fromToml .Values.settings -}}
{{- with $settings.Error }}{{ fail (printf "settings is no TOML: %s" .) }}{{ end -}}
{{- range $key, $where := dict "role" "it is gauge" "cell" "give it as cell.name, cell.awsRegion and cell.azureRegion" "server" "give it as server.tls, server.access, server.tokens and server.expose" -}}
{{- if hasKey $settings $key }}{{ fail (printf "settings has %s, which the chart writes itself; remove it: %s" $key $where) }}{{ end -}}
{{- end -}}
{{- if not $settings.stores }}{{ fail "settings has no [[stores]]: there is nothing to measure" }}{{ end -}}
{{- if and .Values.identity.aws.roleArn (not .Values.serviceAccount.create) -}}
{{- fail "identity.aws.roleArn is for the service account that the chart makes, and serviceAccount.create is false: remove it, and see that the account has the annotation eks.amazonaws.com/role-arn" -}}
{{- end -}}
{{- if and .Values.identity.azure.clientId (not .Values.serviceAccount.create) -}}
{{- fail "identity.azure.clientId is for the service account that the chart makes, and serviceAccount.create is false: remove it, and see that the account has the annotation azure.workload.identity/client-id, and the pods, by podLabels, the label azure.workload.identity/use" -}}
{{- end -}}
{{- if and .Values.server.expose (not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" (include "tidegauge.name" .))) -}}
{{- fail (printf "server.expose: %s cannot be the name of a Service, which begins with a letter and has letters, digits and dashes alone: call the release otherwise, or set fullnameOverride" (include "tidegauge.name" .)) -}}
{{- end -}}
{{- with .Values.server -}}
{{- if and .tls.clientCa.secretName (not .tls.secretName) -}}
{{- fail "server.tls.clientCa is set, and server.tls.secretName is not: without a certificate of its own the gauge asks nobody for theirs" -}}
{{- end -}}
{{- $names := dict -}}
{{- range .tokens -}}
{{- if hasKey $names .name }}{{ fail (printf "server.tokens: two are called %s; give each a name of its own" .name) }}{{ end -}}
{{- $_ := set $names .name true -}}
{{- if eq (empty .sha256) (empty .secret) }}{{ fail (printf "server.tokens: %s needs either sha256 or secret" .name) }}{{ end -}}
{{- end -}}
{{- range $right := list "scrape" "read" "operate" -}}
{{- if eq (get $.Values.server.access $right) "guarded" -}}
{{- with $.Values.server -}}
{{- /* Within the pod there is no TLS, and so no certificate of a client. */ -}}
{{- $somebody := and .expose .tls.clientCa.secretName (has $right (.tls.clientMay | default (list "scrape" "read"))) -}}
{{- range .tokens }}{{ if has $right .may }}{{ $somebody = true }}{{ end }}{{ end -}}
{{- if not $somebody -}}
{{- fail (printf "server.access.%s is guarded, and nobody may: give one of server.tokens `%s`. Leave it out where server.tls.clientCa is to guard what is reached from outside the pod" $right $right) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .expose -}}
{{- if not .tls.secretName -}}
{{- fail "server.expose needs server.tls.secretName: tokens and what is read with them would go over the network in the clear" -}}
{{- end -}}
{{- if not (or .access.read (include "tidegauge.guarded" (dict "root" $ "right" "read"))) -}}
{{- fail "server.expose: nobody has said who may read page and API: give one of server.tokens `read`, or set server.access.read to open" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
The settings as the gauge reads them. The chart's tables come last, so that what is given may have keys before its first
table. JSON's strings and lists of strings are TOML's, too.
*/}}
{{- define "tidegauge.settings" -}}
role = "gauge"

{{ .Values.settings | trim }}

# From here on by the chart. [cell] comes from the environment.
{{- with .Values.server }}
[server]
{{- if .expose }}
listen = {{ printf "%s:9746" .address | toJson }}               # everything
{{- else }}
listen = "127.0.0.1:9746"             # everything: within the pod only
{{- end }}
metrics_listen = {{ printf "%s:9747" .address | toJson }}       # only /metrics, /-/healthy, /-/ready: for Prometheus and the kubelet
{{- if .tls.secretName }}

[server.tls]
certificate = "/etc/tidegauge/tls/tls.crt"
key = "/etc/tidegauge/tls/tls.key"
{{- if .tls.clientCa.secretName }}
client_ca = "/etc/tidegauge/tls/ca.crt"
{{- with .tls.clientMay }}
client_may = {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}
{{- $hosts := .access.hosts }}
{{- if .expose }}{{ $hosts = concat (fromJsonArray (include "tidegauge.serviceNames" $)) $hosts }}{{ end }}
{{- if or .access.scrape .access.read .access.operate $hosts }}

[server.access]
{{- range $right := list "scrape" "read" "operate" }}
{{- with get $.Values.server.access $right }}
{{ $right }} = {{ toJson . }}
{{- end }}
{{- end }}
{{- with $hosts }}
hosts = {{ toJson . }}
{{- end }}
{{- end }}
{{- range .tokens }}

[[server.tokens]]
name = {{ toJson .name }}
{{- if .sha256 }}
sha256 = {{ toJson .sha256 }}
{{- else }}
sha256_file = {{ printf "/etc/tidegauge/tokens/%s" .name | toJson }}
{{- end }}
may = {{ toJson .may }}
{{- end }}
{{- end }}
{{- end }}
