"""The `hyperdml` command: its sub-commands, and errors as one line with a documented exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError

from hyperdml.cli.compare import compare
from hyperdml.cli.dataset_folders import check_dataset, prepare_dataset, scan_dataset
from hyperdml.cli.datasets import build_emoji_set, list_datasets, make_miniature
from hyperdml.cli.doctor import doctor
from hyperdml.cli.embed import embed_images
from hyperdml.cli.evaluate import evaluate
from hyperdml.cli.export import export
from hyperdml.cli.index import build_index
from hyperdml.cli.plot import plot
from hyperdml.cli.probe import probe
from hyperdml.cli.push import push
from hyperdml.cli.recipes import list_recipes, show_recipe
from hyperdml.cli.replay import replay
from hyperdml.cli.report import report
from hyperdml.cli.resume import resume
from hyperdml.cli.search import search
from hyperdml.cli.taxonomy import check_taxonomy, convert_taxonomy, show_taxonomy
from hyperdml.cli.train import train
from hyperdml.cli.tree import tree
from hyperdml.cli.view import view
from hyperdml.errors import HyperdmlError

_HELP = """Hyperbolic deep metric learning: train HIER, score it, search with it, look at it; classify over taxonomies with HACE.

Start with: hyperdml train quickstart

Exit codes: 0 done; 2 usage or configuration; 3 data missing or broken; 4 training diverged; 5 environment (package, device, disk); 130 or 143 interrupted, continue with hyperdml resume RUN.
"""


def build_app() -> App:
    """The application with all sub-commands; a command's own imports happen when it runs."""
    app = App(
        name="hyperdml",
        help=_HELP,
        version=lambda: version("hyperdml"),
        help_format="markdown",
        result_action="return_none",
        suppress_keyboard_interrupt=False,
    )
    app.command(train, name="train")
    app.command(probe, name="probe")
    app.command(resume, name="resume")
    app.command(report, name="report")
    app.command(tree, name="tree")
    app.command(plot, name="plot")
    app.command(view, name="view")
    app.command(replay, name="replay")
    app.command(compare, name="compare")
    app.command(evaluate, name="eval")
    app.command(embed_images, name="embed")
    app.command(build_index, name="index")
    app.command(search, name="search")
    app.command(export, name="export")
    app.command(push, name="push")
    app.command(doctor, name="doctor")
    recipes = App(name="recipes", help="List and show the bundled recipes.", help_format="markdown")
    recipes.command(list_recipes, name="list")
    recipes.command(show_recipe, name="show")
    app.command(recipes)
    datasets = App(name="datasets", help="List, check, scan, unpack and make data sets.", help_format="markdown")
    datasets.command(list_datasets, name="list")
    datasets.command(check_dataset, name="check")
    datasets.command(scan_dataset, name="scan")
    datasets.command(prepare_dataset, name="prepare")
    datasets.command(make_miniature, name="make")
    datasets.command(build_emoji_set, name="build-emoji")
    app.command(datasets)
    taxonomy = App(name="taxonomy", help="Show, check and convert taxonomies.", help_format="markdown")
    taxonomy.command(show_taxonomy, name="show")
    taxonomy.command(check_taxonomy, name="check")
    taxonomy.command(convert_taxonomy, name="convert")
    app.command(taxonomy)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a documented code.

    Args:
        arguments: words after the program name; None takes those of the process.
    """
    # a name that the terminal's encoding cannot hold is shown escaped, instead of ending the command
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code (see `hyperdml.errors`)."""
    app = build_app()
    try:
        app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _fail(f"{error} (see hyperdml --help)", 2)
    except HyperdmlError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        # the reader of our output (head, less) is gone; Python must not complain while it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        return _fail("out of memory", 5)
    except OSError as error:
        return _fail(str(error), 5)
    return 0


def _fail(message: str, code: int) -> int:
    from hyperdml.data.image_files import printable

    lines = [" ".join(message.split())] if code == 2 else message.split("\n")
    print("hyperdml: error:", "\n".join(map(printable, lines)), file=sys.stderr)
    return code
