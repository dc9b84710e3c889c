"""`clickstream registry contracts …`.

Belongs here: reading options and files, calling the service and the probe, printing. Does not: any rule
(`registry.service`), reading records (`pipeline.contract_probe`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer

from clickstream_platform.cli.registry_events import EventArgument, known_slug
from clickstream_platform.cli.registry_exchange import list_faults, read_input
from clickstream_platform.cli.registry_session import CustomerArgument, opened, show
from clickstream_platform.cli.support import JsonOption, handle_errors, print_fields, print_json, print_table
from clickstream_platform.registry.documents import to_document
from clickstream_platform.registry.entities import Contract, ContractMode
from clickstream_platform.registry.exchange import DocumentError, Fault, read_plain
from clickstream_platform.registry.ports import ContractProbe, DryRun
from clickstream_platform.registry.refusals import InvalidRequestError
from clickstream_platform.registry.service import Clock

contracts_app = typer.Typer(help="Contracts: what an event's records must look like.", no_args_is_help=True)

VersionArgument = Annotated[int, typer.Argument(metavar="VERSION", help="Version of the contract.")]
FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="JSON Schema in YAML or JSON; - for standard input.")]
ModeOption = Annotated[ContractMode, typer.Option(help="What becomes of a record that breaks it.")]
HoursOption = Annotated[int, typer.Option(min=1, help="Hours back from now whose records are read.")]


@contracts_app.command("list")
@handle_errors
def list_contracts(
    context: typer.Context, customer: CustomerArgument, event: EventArgument, as_json: JsonOption = False
) -> None:
    """List all versions of an event's contract, newest first."""
    with opened(context) as service:
        found = service.get_event(customer, known_slug(service, customer, event))
        contracts = service.list_contracts(customer, found.slug)
    if as_json:
        print_json([to_document(contract) for contract in contracts])
        return
    columns = ("version", "in force", "mode", "note", "written", "by")
    rows = [
        (each.version, each.version == found.contract_version, each.mode, each.note, each.created_at, each.created_by)
        for each in contracts
    ]
    print_table(columns, rows, title=f"Contracts of {customer}/{found.slug}")


@contracts_app.command("show")
@handle_errors
def show_contract(
    context: typer.Context,
    customer: CustomerArgument,
    event: EventArgument,
    version: Annotated[int | None, typer.Argument(metavar="VERSION", help="Default: the one in force.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show one version of an event's contract."""
    with opened(context) as service:
        slug = known_slug(service, customer, event)
        number = version or service.get_event(customer, slug).contract_version
        if number is None:
            raise InvalidRequestError(
                "showing a contract",
                where=repr(f"{customer}/{slug}"),
                cause="none is in force",
                remedy="Say a version.",
            )
        contract = service.get_contract(customer, slug, number)
    _show(contract, as_json)


@contracts_app.command("add")
@handle_errors
@list_faults
def add_contract(
    context: typer.Context,
    customer: CustomerArgument,
    event: EventArgument,
    file: FileArgument,
    mode: ModeOption,
    note: Annotated[str, typer.Option(help="What changed, for people.")] = "",
    activate: Annotated[bool, typer.Option("--activate/--no-activate", help="Whether it is in force at once.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Add the next version of an event's contract."""
    schema = _read_schema(file)
    with opened(context) as service:
        slug = known_slug(service, customer, event)
        contract = service.add_contract(customer, slug, mode, schema, note=note, activate=activate)
    _show(contract, as_json)


@contracts_app.command("activate")
@handle_errors
def activate_contract(
    context: typer.Context,
    customer: CustomerArgument,
    event: EventArgument,
    version: VersionArgument,
    as_json: JsonOption = False,
) -> None:
    """Put a version in force."""
    with opened(context) as service:
        after = service.set_contract_version(customer, known_slug(service, customer, event), version)
    show(after, as_json)


@contracts_app.command("off")
@handle_errors
def take_contract_off(
    context: typer.Context, customer: CustomerArgument, event: EventArgument, as_json: JsonOption = False
) -> None:
    """Hold an event to no contract; its versions are kept."""
    with opened(context) as service:
        after = service.set_contract_version(customer, known_slug(service, customer, event), None)
    show(after, as_json)


@contracts_app.command("dry-run")
@handle_errors
@list_faults
def dry_run(
    context: typer.Context,
    customer: CustomerArgument,
    event: EventArgument,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="JSON Schema; default: the version that is given, or in force.")
    ] = None,
    version: Annotated[int | None, typer.Option(help="A version that is written already.")] = None,
    mode: Annotated[ContractMode | None, typer.Option(help="Default: that of the version, or reject.")] = None,
    hours: HoursOption = 24,
    as_json: JsonOption = False,
) -> None:
    """Show what a contract would have done to the records of the last hours; nothing is written."""
    schema = None if file is None else _read_schema(file)
    with opened(context) as service, _probing() as (probe, clock):
        slug = known_slug(service, customer, event)
        number = version or service.get_event(customer, slug).contract_version
        if schema is not None:
            contract = Contract(customer, slug, 0, mode or "reject", schema, "", clock.now(), "")
        elif number is not None:
            written = service.get_contract(customer, slug, number)
            contract = written if mode is None else replace(written, mode=mode)
        else:
            raise InvalidRequestError(
                "trying a contract out",
                where=repr(f"{customer}/{slug}"),
                cause="none is in force",
                remedy="Give a file with a JSON Schema, or a version.",
            )
        outcome = probe.dry_run(contract, hours)
    if as_json:
        print_json(asdict(outcome))
    else:
        _print_dry_run(outcome, contract)


@contracts_app.command("infer")
@handle_errors
def infer(
    context: typer.Context,
    customer: CustomerArgument,
    event: EventArgument,
    hours: HoursOption = 24,
    as_json: JsonOption = False,  # noqa: ARG001 - a schema is JSON anyway
) -> None:
    """Print a JSON Schema that all records of the last hours fit; look at it, then add it."""
    with opened(context) as service, _probing() as (probe, _):
        schema = probe.infer(customer, known_slug(service, customer, event), hours)
    print_json(schema)


@contextmanager
def _probing() -> Iterator[tuple[ContractProbe, Clock]]:
    # Imported only here: the other commands need not wait for the transform.
    from clickstream_platform.pipeline.contract_probe import RawContractProbe
    from clickstream_platform.wiring import open_wiring

    with open_wiring() as wiring:
        probe = RawContractProbe(wiring.objects, wiring.clock, max_depth=wiring.settings.max_depth)
        yield probe, wiring.clock


def _read_schema(file: str) -> Mapping[str, Any]:
    schema = read_plain(read_input("reading the JSON Schema", file))
    if not isinstance(schema, dict):
        raise DocumentError([Fault(1, "", "a JSON Schema is a mapping")])
    return schema


def _show(contract: Contract, as_json: bool) -> None:
    if as_json:
        show(contract, as_json)
        return
    document = to_document(contract)
    schema = document.pop("schema")
    print_fields(document, title=f"Contract {contract.customer}/{contract.event}, version {contract.version}")
    print_json(schema)


def _print_dry_run(outcome: DryRun, contract: Contract) -> None:
    counts = {
        "event": f"{contract.customer}/{contract.event}",
        "mode": contract.mode,
        "hours": outcome.hours,
        "records": outcome.records,
        "would be rejected": outcome.rejected,
        "values that would be discards": outcome.discarded,
    }
    print_fields(counts, title="Dry run")
    if outcome.violations:
        by_count = sorted(outcome.violations.items(), key=lambda each: (-each[1], each[0]))
        print_table(("rule", "records"), by_count, title="Broken rules")
    if outcome.examples:
        rows = [(each.object_key, each.line, "; ".join(each.problems)) for each in outcome.examples]
        print_table(("object", "line", "what is wrong"), rows, title="Examples")
    if not outcome.is_complete:
        typer.echo("A limit ended it before all records were read.", err=True)
