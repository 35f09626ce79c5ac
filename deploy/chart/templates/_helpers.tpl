{{- define "adapter.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "adapter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "adapter.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "adapter.selector" . }}
{{- end }}

{{- define "adapter.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "adapter.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- /* Yes when files lie in a bucket, which replicas can share. */}}
{{- define "adapter.bucket" -}}
{{- if regexMatch "^(s3|gs|az)://" (get .Values.settings "FILE_STORE_URL" | default "") }}yes{{ end }}
{{- end }}

{{- /* Yes when there can be more than one replica. */}}
{{- define "adapter.several" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) }}yes{{ end }}
{{- end }}

{{- /* Refuse what cannot work, before anything is installed. */}}
{{- define "adapter.check" -}}
{{- if not (or .Values.existingSecrets .Values.extraEnv) }}
{{- fail "existingSecrets: name a Secret with ADAPTER_API_KEY, and with DAYTONA_API_KEY for the engine daytona" }}
{{- end }}
{{- if and (eq .Values.engine "local") (semverCompare "<1.30-0" .Capabilities.KubeVersion.Version) }}
{{- fail "engine: local needs Kubernetes 1.30 or later, which has user namespaces for pods" }}
{{- end }}
{{- if and (include "adapter.several" .) (eq .Values.engine "local") }}
{{- fail "replicas: the engine local runs one; its sandboxes belong to the process that made them" }}
{{- end }}
{{- if and (include "adapter.several" .) (not (include "adapter.bucket" .)) }}
{{- fail "settings.FILE_STORE_URL: several replicas need a bucket, s3://, gs:// or az://; a directory belongs to one process" }}
{{- end }}
{{- end }}
