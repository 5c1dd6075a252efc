"""`python -m ontune`: the command line."""

from ontune.cli import main

main()
