{{/*
What an application's chart includes, each with its root as the argument:

  tidegauge-lib.configmap        an object: the observer's settings
  tidegauge-lib.observer         an item of initContainers
  tidegauge-lib.volumes          items of volumes
  tidegauge-lib.podAnnotations   annotations of the pod

Two promises are kept. The application's pod is Ready when the application is, whatever the clouds do: no probe here counts
for the pod. And nothing that is wrong with the observer's settings keeps the application from starting.
*/}}

{{/* The values, once they say what they have to. */}}
{{- define "tidegauge-lib.values" -}}
{{- $values := .Values.tidegauge | default dict -}}
{{- if not $values.image -}}
{{- fail "there are no values of tidegauge-lib under `tidegauge`: the dependency on it in Chart.yaml needs `alias: tidegauge`" -}}
{{- end -}}
{{- with $values.cell -}}
{{- if not .name }}{{ fail "tidegauge.cell.name is missing: the name of the cell that this cluster is, such as use1-a" }}{{ end -}}
{{- if not (or .awsRegion .azureRegion) -}}
{{- fail "tidegauge.cell.awsRegion and tidegauge.cell.azureRegion are missing: set the one of the cloud that the stores are in; it has to be one of their regions" -}}
{{- end -}}
{{- end -}}
{{- if not (trim $values.settings) }}{{ fail "tidegauge.settings is empty: give the stores in TOML, the same as the gauges'" }}{{ end -}}
{{- $settings := fromToml $values.settings -}}
{{- with $settings.Error }}{{ fail (printf "tidegauge.settings is no TOML: %s" .) }}{{ end -}}
{{- range $key := list "role" "on_bad_settings" "cell" -}}
{{- if hasKey $settings $key }}{{ fail (printf "tidegauge.settings has %s, which tidegauge-lib writes itself; remove it" $key) }}{{ end -}}
{{- end -}}
{{- range $key := list "listen" "metrics_listen" -}}
{{- if hasKey ($settings.server | default dict) $key }}{{ fail (printf "tidegauge.settings has server.%s, which tidegauge-lib gives itself; remove it" $key) }}{{ end -}}
{{- end -}}
{{- if not $settings.stores }}{{ fail "tidegauge.settings has no [[stores]]: there is nothing to observe" }}{{ end -}}
{{- with $values.identity.azure -}}
{{- if ne (empty .clientId) (empty .tenantId) }}{{ fail "tidegauge.identity.azure needs both clientId and tenantId, or neither" }}{{ end -}}
{{- end -}}
{{- toJson $values -}}
{{- end }}

{{- define "tidegauge-lib.name" -}}
{{ printf "%s-tidegauge" (trunc 53 .Release.Name | trimSuffix "-") }}
{{- end }}

{{/* The addresses come from the container's environment, and so hold where the file is missing. */}}
{{- define "tidegauge-lib.settings" -}}
{{- $values := include "tidegauge-lib.values" . | fromJson -}}
role = "observer"
on_bad_settings = "serve"             # answer that everything is unknown

{{ trim $values.settings }}
{{- end }}

{{- define "tidegauge-lib.configmap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "tidegauge-lib.name" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    app.kubernetes.io/name: tidegauge
    app.kubernetes.io/instance: {{ .Release.Name }}
    app.kubernetes.io/component: observer
    app.kubernetes.io/managed-by: {{ .Release.Service }}
data:
  observer.toml: |
    {{- include "tidegauge-lib.settings" . | nindent 4 }}
{{- end }}

{{- define "tidegauge-lib.observer" -}}
{{- $values := include "tidegauge-lib.values" . | fromJson -}}
{{- $aws := $values.identity.aws -}}
{{- $azure := $values.identity.azure -}}
{{- $server := (fromToml $values.settings).server | default dict -}}
# A native sidecar: started before the application, ended after it.
- name: tidegauge
  image: {{ $values.image.repository }}:{{ $values.image.tag | default .Subcharts.tidegauge.Chart.AppVersion }}{{ with $values.image.digest }}@{{ . }}{{ end }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  restartPolicy: Always
  args: [--config, /etc/tidegauge/observer.toml, run]
  env:
    - name: TIDEGAUGE__CELL__NAME
      value: {{ quote $values.cell.name }}
    {{- with $values.cell.awsRegion }}
    - name: TIDEGAUGE__CELL__AWS_REGION
      value: {{ quote . }}
    {{- end }}
    {{- with $values.cell.azureRegion }}
    - name: TIDEGAUGE__CELL__AZURE_REGION
      value: {{ quote . }}
    {{- end }}
    # Also where the file of settings is missing or cannot be read.
    - name: TIDEGAUGE__ON_BAD_SETTINGS
      value: serve
    - name: TIDEGAUGE__SERVER__METRICS_LISTEN
      value: {{ printf "%s:9747" $values.address | quote }}
    # Without a limit on CPU there would be a thread for each of the node's cores.
    - name: TOKIO_WORKER_THREADS
      value: "2"
    {{- if $aws.roleArn }}
    - name: AWS_ROLE_ARN
      value: {{ $aws.roleArn }}
    - name: AWS_WEB_IDENTITY_TOKEN_FILE
      value: /var/run/secrets/tidegauge/aws
    {{- end }}
    {{- if $azure.clientId }}
    - name: AZURE_CLIENT_ID
      value: {{ $azure.clientId }}
    - name: AZURE_TENANT_ID
      value: {{ $azure.tenantId }}
    - name: AZURE_FEDERATED_TOKEN_FILE
      value: /var/run/secrets/tidegauge/azure
    - name: AZURE_AUTHORITY_HOST
      value: {{ $azure.authorityHost }}
    {{- end }}
    {{- with $values.env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - name: tidegauge
      containerPort: 9747
  # No readinessProbe: a sidecar's counts for the whole pod. No startupProbe: the application would wait for it.
  # Restarting is for a process that no longer answers at all, and it gets a minute.
  livenessProbe:
    httpGet:
      path: /-/healthy
      port: tidegauge
      {{- if $server.tls }}
      scheme: HTTPS
      {{- end }}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  resources:
    {{- toYaml $values.resources | nindent 4 }}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    capabilities:
      drop: [ALL]
    seccompProfile:
      type: RuntimeDefault
  volumeMounts:
    - name: tidegauge-settings
      mountPath: /etc/tidegauge
      readOnly: true
    {{- if or $aws.roleArn $azure.clientId }}
    - name: tidegauge-identity
      mountPath: /var/run/secrets/tidegauge
      readOnly: true
    {{- end }}
    {{- with $values.volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "tidegauge-lib.volumes" -}}
{{- $values := include "tidegauge-lib.values" . | fromJson -}}
{{- $aws := $values.identity.aws -}}
{{- $azure := $values.identity.azure -}}
- name: tidegauge-settings
  configMap:
    name: {{ include "tidegauge-lib.name" . }}
    # A pod waits for ever for a ConfigMap that is not there.
    optional: true
{{- if or $aws.roleArn $azure.clientId }}
# Tokens that say to a cloud which service account this is. The clouds' own webhooks have such volumes, too: under these
# names they do not take one for theirs.
- name: tidegauge-identity
  projected:
    sources:
      {{- if $aws.roleArn }}
      - serviceAccountToken:
          audience: {{ $aws.audience }}
          expirationSeconds: 3600
          path: aws
      {{- end }}
      {{- if $azure.clientId }}
      - serviceAccountToken:
          audience: {{ $azure.audience }}
          expirationSeconds: 3600
          path: azure
      {{- end }}
{{- end }}
{{- end }}

{{- define "tidegauge-lib.podAnnotations" -}}
{{- $values := include "tidegauge-lib.values" . | fromJson -}}
{{- if $values.rollOnChange -}}
checksum/tidegauge: {{ include "tidegauge-lib.settings" . | sha256sum }}
{{- end }}
{{- if $values.identity.aws.roleArn }}
# The observer gets no token for the application's role.
eks.amazonaws.com/skip-containers: tidegauge
{{- end }}
{{- if $values.identity.azure.clientId }}
azure.workload.identity/skip-containers: tidegauge
{{- end }}
{{- end }}
