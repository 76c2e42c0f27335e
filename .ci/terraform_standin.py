"""Stand-ins for providers of Terraform: each says what its namesake takes, and can do nothing.

That is all that `terraform validate` asks of a provider, and `terraform test` where a provider's answers are made up
(mock_provider). Terraform finds them by TF_REATTACH_PROVIDERS, its own way for providers that are already running.
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import sys

import grpc

HERE = pathlib.Path(__file__).resolve().parent
# Where the compiler of protocols looks.
sys.path.insert(0, str(HERE))
messages, services = grpc.protos_and_services("terraform_standin.proto")

NESTINGS = {"single": messages.Schema.SINGLE, "list": messages.Schema.LIST, "set": messages.Schema.SET}


def block(schema):
    """A block as the protocol has it."""
    return messages.Schema.Block(
        attributes=[
            messages.Schema.Attribute(
                name=name,
                type=json.dumps(one["type"]).encode(),
                required=one["given"] == "required",
                optional=one["given"] == "optional",
                # Whether what may be left out has a value then is not known, so that it is taken for possible.
                computed=one["given"] != "required",
            )
            for name, one in schema["attributes"].items()
        ],
        block_types=[
            messages.Schema.NestedBlock(
                type_name=name,
                block=block(one),
                nesting=NESTINGS[one["nesting"]],
                min_items=one.get("min", 0),
                max_items=one.get("max", 0),
            )
            for name, one in schema["blocks"].items()
        ],
    )


def schemas(of):
    """All blocks of a kind, by type."""
    return {name: messages.Schema(block=block(one)) for name, one in of.items()}


class StandIn(services.ProviderServicer):
    """One provider."""

    def __init__(self, described):
        self.answer = messages.Schemas(
            provider=messages.Schema(block=block(described["provider"])),
            resource_schemas=schemas(described["resource"]),
            data_source_schemas=schemas(described["data"]),
        )

    def GetSchema(self, request, context):
        return self.answer

    def PrepareProviderConfig(self, request, context):
        return request

    def ValidateResourceTypeConfig(self, request, context):
        return messages.Nothing()

    def ValidateDataSourceConfig(self, request, context):
        return messages.Nothing()

    def Stop(self, request, context):
        return messages.Nothing()


@contextlib.contextmanager
def running(folder):
    """Runs one for each provider that is known, and gives what Terraform's environment needs to find them."""
    found, servers = {}, []
    described = json.loads((HERE / "terraform_schemas.json").read_text())
    try:
        for name, one in described.items():
            server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
            services.add_ProviderServicer_to_server(StandIn(one), server)
            # A socket in a folder of our own: nobody else on the machine can reach it.
            path = pathlib.Path(folder) / f"{name}.sock"
            server.add_insecure_port(f"unix:{path}")
            server.start()
            servers.append(server)
            found[f"hashicorp/{name}"] = {
                "Protocol": "grpc",
                "ProtocolVersion": 5,
                "Pid": os.getpid(),
                "Test": True,
                "Addr": {"Network": "unix", "String": str(path)},
            }
        yield {"TF_REATTACH_PROVIDERS": json.dumps(found)}
    finally:
        for server in servers:
            server.stop(grace=None)
