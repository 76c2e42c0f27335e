"""What the charts are to make of their files of values, and what they are to refuse. `.ci/charts` goes by it."""

from manifests import of_package

# A chart, the release and the namespace that it is rendered for.
GAUGE = ("tidegauge", "tidegauge", "tidegauge")
APPLICATION = ("example-app", "orders", "orders")

POD = "spec/template/spec"
# What is to be at a place, by file of values and kind.
EXPECTED = {
    "tidegauge/ci/eks-irsa-values.yaml": [
        ("ServiceAccount", "metadata/annotations/eks.amazonaws.com~1role-arn", "arn:aws:iam::123456789012:role/tidegauge-gauge"),
        ("ServiceAccount", "metadata/name", "tidegauge-gauge"),
        ("Deployment", f"{POD}/serviceAccountName", "tidegauge-gauge"),
        ("Deployment", "spec/template/metadata/labels/azure.workload.identity~1use", None),
    ],
    "tidegauge/ci/eks-pod-identity-values.yaml": [
        ("ServiceAccount", "metadata/annotations", None),
        ("NetworkPolicy", "spec/egress/2/to/0/ipBlock/cidr", "169.254.170.23/32"),
        ("PodMonitor", "apiVersion", "monitoring.coreos.com/v1"),
        ("PodMonitor", "metadata/labels/release", "kube-prometheus-stack"),
        ("PodMonitor", "spec/podMetricsEndpoints", [
            {"port": "tidegauge", "path": "/metrics", "interval": "15s", "honorLabels": True, "scheme": "http"},
        ]),
    ],
    "tidegauge/ci/aks-values.yaml": [
        ("ServiceAccount", "metadata/annotations", {"azure.workload.identity/client-id": "00000000-0000-0000-0000-000000000000"}),
        ("Deployment", "spec/template/metadata/labels/azure.workload.identity~1use", "true"),
        ("PodMonitor", "apiVersion", "azmonitoring.coreos.com/v1"),
        ("PodMonitor", "spec/labelLimit", 63),
    ],
    "tidegauge/ci/everything-values.yaml": [
        ("Deployment", f"{POD}/containers/0/image", f"registry.example.com/tidegauge:{of_package('version')}@sha256:{'0' * 64}"),
        ("Deployment", f"{POD}/containers/0/livenessProbe/httpGet/scheme", "HTTPS"),
        ("Deployment", f"{POD}/containers/0/readinessProbe/httpGet/scheme", "HTTPS"),
        ("Deployment", "spec/template/metadata/annotations", {"example.com/owner": "platform"}),
        ("Deployment", f"{POD}/volumes/0/projected/sources", [
            {"configMap": {"name": "tidegauge-gauge"}},
            {"secret": {"name": "tidegauge-tls", "items": [
                {"key": "tls.crt", "path": "tls/tls.crt"}, {"key": "tls.key", "path": "tls/tls.key"},
            ]}},
            {"secret": {"name": "tidegauge-clients", "items": [{"key": "ca.crt", "path": "tls/ca.crt"}]}},
            {"secret": {"name": "tidegauge-tokens", "items": [{"key": "prometheus", "path": "tokens/prometheus"}]}},
        ]),
        ("Service", "spec/ports/0/targetPort", "api"),
        ("PodMonitor", "spec/podMetricsEndpoints/0/scheme", "https"),
        ("PodMonitor", "spec/podMetricsEndpoints/0/authorization/credentials/name", "tidegauge-scrape"),
        ("NetworkPolicy", "spec/ingress/0/ports/0/port", 9747),
        ("NetworkPolicy", "spec/ingress/1/ports/0/port", 9746),
        ("NetworkPolicy", "spec/egress/2/ports/0/port", 9093),
    ],
    "example-app/ci/shared-role-values.yaml": [
        ("Deployment", f"{POD}/volumes/1", None),
        ("Deployment", "spec/template/metadata/annotations/eks.amazonaws.com~1skip-containers", None),
    ],
    "example-app/ci/eks-own-role-values.yaml": [
        ("ServiceAccount", "metadata/annotations/eks.amazonaws.com~1role-arn", "arn:aws:iam::123456789012:role/orders"),
        ("Deployment", "spec/template/metadata/annotations/eks.amazonaws.com~1skip-containers", "tidegauge"),
        ("Deployment", f"{POD}/volumes/1/projected/sources", [
            {"serviceAccountToken": {"audience": "sts.amazonaws.com", "expirationSeconds": 3600, "path": "aws"}},
        ]),
    ],
    "example-app/ci/aks-own-identity-values.yaml": [
        ("ServiceAccount", "metadata/annotations/azure.workload.identity~1client-id", "11111111-1111-1111-1111-111111111111"),
        ("Deployment", "spec/template/metadata/annotations/azure.workload.identity~1skip-containers", "tidegauge"),
        ("Deployment", f"{POD}/volumes/1/projected/sources", [
            {"serviceAccountToken": {"audience": "api://AzureADTokenExchange", "expirationSeconds": 3600, "path": "azure"}},
        ]),
    ],
}
# How an observer with an identity of its own is told of it.
IDENTITIES = {
    "example-app/ci/eks-own-role-values.yaml": {
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/tidegauge-observer",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/tidegauge/aws",
    },
    "example-app/ci/aks-own-identity-values.yaml": {
        "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000000",
        "AZURE_TENANT_ID": "22222222-2222-2222-2222-222222222222",
        "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/tidegauge/azure",
        "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
    },
}

IRSA = ["--values", "tidegauge/ci/eks-irsa-values.yaml"]
EVERYTHING = ["--values", "tidegauge/ci/everything-values.yaml"]
SHARED = ["--values", "example-app/ci/shared-role-values.yaml"]
# Values that are refused, and what is said of them.
REFUSED = [
    (GAUGE, [], "cell.name is missing"),
    (GAUGE, [*IRSA, "--set", "cell.name="], "cell.name is missing"),
    (GAUGE, [*IRSA, "--set", "cell.awsRegion="], "cell.awsRegion and cell.azureRegion are missing"),
    (GAUGE, [*IRSA, "--set", "settings="], "settings is empty"),
    (GAUGE, [*IRSA, "--set", "settings=[[stores"], "settings is no TOML: "),
    (GAUGE, [*IRSA, "--set", "settings=a = 1"], "settings has no [[stores]]"),
    (GAUGE, [*IRSA, "--set-json", 'settings="[server]\\n[[stores]]"'], "settings has server, which the chart writes itself"),
    (GAUGE, [*IRSA, "--set-json", 'settings="[cell]\\n[[stores]]"'], "settings has cell, which the chart writes itself"),
    (GAUGE, [*IRSA, "--set", "replicas=two"], "'/replicas': got string, want integer"),
    (GAUGE, [*IRSA, "--set", "replica=2"], "additional properties 'replica' not allowed"),
    (GAUGE, [*IRSA, "--set", "server.tls.secret=x"], "additional properties 'secret' not allowed"),
    (GAUGE, [*IRSA, "--set", "identity.aws.roleArn=tidegauge-gauge"], "'/identity/aws/roleArn'"),
    (GAUGE, [*IRSA, "--set", "serviceAccount.create=false"], "remove it, and see that the account has the annotation"),
    (GAUGE, [*IRSA, "--set", "image.digest=latest"], "'/image/digest'"),
    (GAUGE, [*IRSA, "--set", "server.tokens[0].name=a", "--set", "server.tokens[0].may={scrape}"],
     "a needs either sha256 or secret"),
    (GAUGE, [*IRSA, "--set", "server.tokens[0].name=a", "--set", "server.tokens[0].may={write}"],
     "'/server/tokens/0/may/0'"),
    (GAUGE, [*IRSA, "--set", "server.tls.clientCa.secretName=a"], "server.tls.secretName is not"),
    (GAUGE, [*IRSA, "--set", "server.access.operate=guarded"], "server.access.operate is guarded, and nobody may"),
    (GAUGE, [*IRSA, "--set", "server.access.scrape=guarded,server.tls.secretName=a,server.tls.clientCa.secretName=b"],
     "server.access.scrape is guarded, and nobody may"),
    (GAUGE, [*IRSA, "--set", "server.expose=true"], "server.expose needs server.tls.secretName"),
    (GAUGE, [*IRSA, "--set", "server.expose=true,server.tls.secretName=a"], "nobody has said who may read"),
    (GAUGE, [*IRSA, "--set", "networkPolicy.enabled=true"], "networkPolicy.scrapers is empty"),
    (GAUGE, [*EVERYTHING, "--set", "networkPolicy.readers=null"], "networkPolicy.readers is empty"),
    (GAUGE, [*EVERYTHING, "--set", "podMonitor.tlsConfig=null"], "podMonitor.tlsConfig is missing"),
    (GAUGE, [*EVERYTHING, "--set", "podMonitor.authorization=null"], "podMonitor.authorization is missing"),
    (GAUGE, [*EVERYTHING, "--set-file", "prometheusRule.rules=/dev/null"], "prometheusRule.rules is empty"),
    (GAUGE, [*EVERYTHING, "--set-string", "prometheusRule.rules=hello: world"], "prometheusRule.rules has no groups"),
    (GAUGE, [*EVERYTHING, "--set-string", "prometheusRule.rules=nothing"], "prometheusRule.rules is no YAML"),
    (GAUGE, ["--values", "tidegauge/ci/aks-values.yaml", "--set", "serviceAccount.create=false"],
     "see that the account has the annotation azure.workload.identity/client-id"),
    (GAUGE, [*EVERYTHING, "--set", "fullnameOverride=1-gauge"], "1-gauge cannot be the name of a Service"),
    (("tidegauge", "tidegauge.east", "tidegauge"), EVERYTHING, "tidegauge.east-gauge cannot be the name of a Service"),
    (GAUGE, [*IRSA, "--set", "fullnameOverride=Gauge"], "'/fullnameOverride'"),
    (GAUGE, [*EVERYTHING, "--set-json", 'server.tokens=[{"name":"a","may":["read"],"secret":{"name":"a","key":"a"}},'
     '{"name":"a","may":["scrape"],"secret":{"name":"b","key":"b"}}]'], "two are called a"),
    (GAUGE, [*IRSA, "--kube-version", "1.26.0"], "chart requires kubeVersion: >=1.27.0-0"),
    (APPLICATION, [], "tidegauge.cell.name is missing"),
    (APPLICATION, [*SHARED, "--set", "tidegauge.cell.awsRegion="],
     "tidegauge.cell.awsRegion and tidegauge.cell.azureRegion are missing"),
    (APPLICATION, [*SHARED, "--set", "tidegauge.settings="], "tidegauge.settings is empty"),
    (APPLICATION, [*SHARED, "--set", "tidegauge.settings=[[stores"], "tidegauge.settings is no TOML"),
    (APPLICATION, [*SHARED, "--set-json", 'tidegauge.settings="role = \\"gauge\\""'], "tidegauge.settings has role"),
    (APPLICATION, [*SHARED, "--set-json", 'tidegauge.settings="server = { listen = 1 }"'],
     "tidegauge.settings has server.listen"),
    (APPLICATION, [*SHARED, "--set", "tidegauge.cell.nam=a"], "additional properties 'nam' not allowed"),
    (APPLICATION, [*SHARED, "--set", "tidegauge.identity.azure.tenantId=22222222-2222-2222-2222-222222222222"],
     "needs both clientId and tenantId"),
    (APPLICATION, [*SHARED, "--kube-version", "1.28.0"], "chart requires kubeVersion: >=1.29.0-0"),
]
# What is refused in a cluster that does not know it.
UNKNOWN = [
    ("podMonitor.enabled=true", "the cluster knows no PodMonitor of monitoring.coreos.com/v1"),
    ("podMonitor.enabled=true,podMonitor.apiGroup=azmonitoring.coreos.com", "no PodMonitor of azmonitoring.coreos.com/v1"),
    ("prometheusRule.enabled=true", "the cluster knows no PrometheusRule of monitoring.coreos.com/v1"),
]
