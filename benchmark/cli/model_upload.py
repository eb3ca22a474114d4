"""`temper push`."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.display import examples, say, show
from benchmark.cli.options import BackboneOption, MethodArgument, OutOption, PluginOption, complete_suites
from benchmark.cli.runs import ProtocolOption, SettingsOption
from benchmark.execution.plan import parse_method, plan

EXAMPLES = examples(
    ("Write a trained model and its card into a folder", "temper push freelb --suite demo --to ./freelb-demo"),
    ("Upload it to the Hub", "temper push freelb --suite demo --seed 1 --to me/freelb-demo --private"),
)


def push(
    method: MethodArgument,
    suite: Annotated[
        str,
        typer.Option(
            "--suite", help="Name of a packaged suite, or path of a suite file.", autocompletion=complete_suites
        ),
    ],
    to: Annotated[str, typer.Option("--to", help="A Hub id such as me/model, or a folder, which starts with ./ or /.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the row.")] = 0,
    *,
    backbone: BackboneOption = None,
    out: OutOption = Path("runs"),
    plugin: PluginOption = None,
    protocol: ProtocolOption = "",
    settings: SettingsOption = "defaults",
    licence: Annotated[
        str | None,
        typer.Option("--license", help="Licence of the model, as the Hub names it. [default: a packaged backbone's]"),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
) -> None:
    """Write a trained model with a model card, or upload both."""
    from benchmark.submission.model_card import upload_model, write_model
    from benchmark.suites import load_suite

    loaded, request = load_suite(suite), parse_method(method, plugin or ())
    planned = plan(loaded, [request], 1, backbone, out, protocol=protocol, settings=settings)
    row = planned.rows[0].with_seed(seed)
    planned = replace(planned, rows=[row])
    if to.startswith(("./", "../", "~")) or to in (".", "..") or Path(to).is_absolute():
        folder = Path(to).expanduser()
        write_model(planned, folder, licence)
        show(f"Model: {shlex.quote(str(folder))}")
    else:
        say(f"Uploading {row.label} to {to}.")
        show(f"Model: {upload_model(planned, to, licence, private=private)}")
