"""The servers before the load: what they serve, what they are asked, and one answer to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from servable.bench import answers, encoding, payloads, traffic
from servable.bench.carrier import Carrier
from servable.bench.encoding import Form
from servable.bench.grpc_carrier import GrpcCarrier
from servable.bench.http_carrier import HttpCarrier
from servable.bench.messages import Completion, Protocol, Request, Sample, Target
from servable.bench.settings import Settings
from servable.client import Client, Metadata, RestClient, connect
from servable.client.failures import error_for, error_for_http
from servable.client.probe import UNIX, split_address
from servable.errors import Code, NotFound, ServableError, Unavailable
from servable.tensors import Array, Signature

MOST_PROBES = 32
_HTTP = "HTTP "


@dataclass(frozen=True, slots=True)
class Server:
    """One server, ready to be asked.

    Attributes:
        target: where it is.
        version: the version that it says is asked.
        signatures: of that version.
        requests: what is sent to it, in turn.
        notes: what should be known about them.
    """

    target: Target
    version: int
    signatures: Mapping[str, Signature]
    requests: tuple[Request, ...]
    notes: tuple[str, ...]

    def read(self, sample: Sample) -> dict[str, Array]:
        """Return what an answer says.

        Raises:
            Internal: it can not be read.
        """
        request = self.requests[sample.number]
        return answers.read(request, sample.data, sample.content_type, self.signatures)

    def probe(self, *, all_must: bool) -> list[dict[str, Array] | None]:
        """Ask the first requests once, one by one, and return the answers.

        Args:
            all_must: whether one that is refused is an error; otherwise its answer is None,
                and only if all are refused the first refusal is raised.

        Raises:
            ServableError: what the server says, or that it can not be reached.
        """
        carrier = _carrier(self.target)
        refusal: ServableError | None = None
        found: list[dict[str, Array] | None] = []
        try:
            for number, request in enumerate(self.requests[:MOST_PROBES]):
                carrier.send(0, request)
                done = carrier.receive()
                if done.error:
                    refusal = refusal or self._refusal(done, request, carrier.hint(done))
                    found.append(None)
                    if all_must:
                        break
                else:
                    kind = carrier.content_type(done)
                    found.append(self.read(Sample(number, done.data, kind)))
        finally:
            carrier.close()
        if refusal and (all_must or not any(answer is not None for answer in found)):
            raise refusal
        return found

    def _refusal(self, done: Completion, request: Request, hint: str) -> ServableError:
        signature = self.signatures.get(request.signature)
        if signature and payloads.reads_strings(signature):
            hint = f"{payloads.GIVE} {hint}".rstrip()
        if done.error.startswith(_HTTP):
            return error_for_http(int(done.error.removeprefix(_HTTP)), done.text, hint)
        if done.error in Code.__members__ and not done.lost:
            return error_for(Code[done.error], done.text, hint)
        return Unavailable(f"{self.target.address}: {done.error}: {done.text}")


def meet(settings: Settings, addresses: tuple[str, ...]) -> list[Server]:
    """Ask servers for the model and encode the requests for each.

    Raises:
        ServableError: one can not be reached, does not have the model or the signature, or
            nothing can be sent.
    """
    servers: list[Server] = []
    made: list[payloads.Inputs] = []
    for address in addresses:
        with connect(address, protocol=settings.protocol, timeout=settings.timeout) as client:
            metadata = client.metadata(
                settings.model, version=settings.version, label=settings.label
            )
            target = _target(address, client, settings.timeout)
        form = Form(
            target.protocol,
            settings.body or "json",
            settings.model,
            settings.version,
            settings.label,
        )
        if settings.traffic is not None:
            requests, notes = _recorded(settings.traffic, form, metadata)
        else:
            signature = _signature(metadata, settings.signature)
            # The same values for every server, by the first one's signature.
            made = made or _inputs(settings, signature)
            requests = tuple(
                encoding.predict(
                    form, settings.signature, signature, i, payloads.row_count(i, signature)
                )
                for i in made
            )
            notes = ()
        servers.append(Server(target, metadata.version, metadata.signatures, requests, notes))
    return servers


def _target(address: str, client: Client, timeout: float) -> Target:
    protocol: Protocol = "rest" if isinstance(client, RestClient) else "grpc"
    if not address.startswith(UNIX):
        host, port = split_address(address)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Target(address, protocol, timeout)


def _signature(metadata: Metadata, name: str) -> Signature:
    found = metadata.signatures.get(name)
    if found is None:
        raise NotFound(
            f"{metadata.model} version {metadata.version} has no signature {name!r}",
            hint="It has: " + ", ".join(sorted(metadata.signatures)),
        )
    return found


def _inputs(settings: Settings, signature: Signature) -> list[payloads.Inputs]:
    if settings.inputs:
        unknown = sorted(settings.inputs.keys() - signature.inputs.keys())
        if unknown:
            raise NotFound(
                f"signature {settings.signature} has no input {unknown[0]}",
                hint="It has: " + ", ".join(signature.inputs),
            )
        return payloads.cut(settings.inputs, signature, settings.batch_size)
    return payloads.made_up(settings.signature, signature, settings.batch_size, settings.seed)


def _recorded(
    path: Path, form: Form, metadata: Metadata
) -> tuple[tuple[Request, ...], tuple[str, ...]]:
    found = traffic.read(path, form, metadata.signatures)
    notes = []
    if found.skipped:
        notes.append(f"{found.skipped} recorded requests have no form over {form.protocol}.")
    if found.cut:
        notes.append(f"Only the first {len(found.requests)} recorded requests are sent, in turn.")
    return found.requests, tuple(notes)


def _carrier(target: Target) -> Carrier:
    return HttpCarrier(target, 1) if target.protocol == "rest" else GrpcCarrier(target)
