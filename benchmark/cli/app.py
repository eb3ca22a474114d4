"""The sub-commands of `temper`."""

from typing import Any

import typer
from typer.core import TyperGroup

from benchmark.cli import (
    attack,
    author,
    catalog,
    details,
    leaderboard_commands,
    reproduction,
    resources,
    runs,
    submission,
    suites,
    tune,
)
from benchmark.cli.display import examples, say
from benchmark.cli.options import INTERRUPTED


class Commands(TyperGroup):
    """A command group in which Ctrl-C stops any command with one sentence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the context names."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("Interrupted. Run the same command again.")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=Commands,
    name="temper",
    help="A robustness benchmark for fine-tuning methods of pre-trained language models.",
    epilog=examples(
        ("Fetch the data and the model of the demonstration", "temper resources fetch --suite demo"),
        ("Measure two methods on it", "temper run demo --methods vanilla,freelb"),
        ("See what else there is", "temper list"),
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run", epilog=runs.RUN_EXAMPLES)(runs.run)
app.command("tune", epilog=tune.EXAMPLES)(tune.tune)
app.command("status", epilog=runs.STATUS_EXAMPLES)(runs.status)
app.command("explain", epilog=runs.EXPLAIN_EXAMPLES)(runs.explain)
app.command("details", epilog=details.EXAMPLES)(details.details)
app.command("reproduce", epilog=reproduction.EXAMPLES)(reproduction.reproduce)
app.command("attack", epilog=attack.EXAMPLES)(attack.attack)
app.command("compare", epilog=leaderboard_commands.COMPARE_EXAMPLES)(leaderboard_commands.compare)
app.command("new", epilog=author.NEW_EXAMPLES)(author.new)
app.command("check", epilog=author.CHECK_EXAMPLES)(author.check)
app.command("submit", epilog=submission.SUBMIT_EXAMPLES)(submission.submit)
app.command("verify", epilog=submission.VERIFY_EXAMPLES)(submission.verify)
app.command("push", epilog=submission.PUSH_EXAMPLES)(submission.push)
app.command("list", epilog=catalog.EXAMPLES)(catalog.show_catalog)
app.add_typer(suites.app, name="suite")
app.add_typer(resources.app, name="resources")
app.add_typer(leaderboard_commands.board_app, name="board")
app.add_typer(leaderboard_commands.published_app, name="published")
