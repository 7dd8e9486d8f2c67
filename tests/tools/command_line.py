"""What the programs of this directory are asked on the command line. Standard library only, as it is read before anything is installed."""

import argparse


def parser(document):
    """For one of them; its `__doc__` is its help."""
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pg-version", required=True, metavar="VERSION")
    return parser


def parser_of_rows(document):
    """For one that goes through tools, of which some may be left out."""
    rows = parser(document)
    rows.add_argument("--only", default="", metavar="NAME")
    rows.add_argument("--quick", action="store_true")
    return rows
